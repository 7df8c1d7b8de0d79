#include "checkpoint/static_table.h"

#include <algorithm>
#include <cstring>

#include "base/dtype.h"
#include "base/file.h"
#include "base/json.h"
#include "checkpoint/idf_table.h"
#include "checkpoint/relative_path.h"
#include "tensor/computed_rows.h"

namespace wde::checkpoint {
namespace {

constexpr std::string_view kTableName = "embedding.weight";
constexpr int64_t kMaxTokens = int64_t{1} << 30;

// A table of f32 that lies here.
class TableSource final : public WeightSource {
 public:
  TableSource(std::vector<float> values, int64_t columns)
      : values_(std::move(values)), columns_(columns) {}

  bool has(std::string_view name) const override { return name == kTableName; }
  Result<TensorView> tensor(std::string_view name) const override {
    if (!has(name)) return not_found_error("no tensor \"{}\" in a static embedding", name);
    const Shape shape{static_cast<int64_t>(values_.size()) / columns_, columns_};
    return TensorView::contiguous(const_cast<float*>(values_.data()), DType::kF32, shape);
  }
  std::vector<std::string> names() const override { return {std::string(kTableName)}; }

 private:
  std::vector<float> values_;
  int64_t columns_;
};

struct StaticTable {
  TensorView rows;         // [R, C], or [R] for C = 1
  TensorView row_of;       // i32 or i64 [V]; data null: token t's row is t
  TensorView factors;      // [V]; data null: 1
  int64_t tokens = 0;      // V
  int64_t columns = 0;     // C
  int64_t table_rows = 0;  // R
};

int64_t integer_at(const TensorView& view, int64_t index) {
  if (view.dtype == DType::kI64) {
    int64_t value = 0;  // the file may have it unaligned
    std::memcpy(&value, view.as<std::byte>() + index * 8, sizeof(value));
    return value;
  }
  int32_t value = 0;
  std::memcpy(&value, view.as<std::byte>() + index * 4, sizeof(value));
  return value;
}

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16;
}

Status check_mapping(const StaticTable& table) {
  if (table.row_of.data == nullptr) return {};
  if (table.row_of.shape.rank() != 1 ||
      (table.row_of.dtype != DType::kI64 && table.row_of.dtype != DType::kI32)) {
    return data_loss_error("\"mapping\" must be a row for each token");
  }
  for (int64_t token = 0; token < table.tokens; ++token) {
    const int64_t row = integer_at(table.row_of, token);
    if (row < 0 || row >= table.table_rows) {
      return data_loss_error("\"mapping\": token {} has row {} of {}", token, row,
                             table.table_rows);
    }
  }
  return {};
}

// `names`: the table's possible names, the first that is there.
Result<StaticTable> find_table(const WeightSource& source, InputModule input) {
  StaticTable table;
  const bool sparse = input == InputModule::kSparseStaticEmbedding;
  const char* name = sparse ? "weight" : source.has(kTableName) ? kTableName.data() : "embeddings";
  WDE_ASSIGN_OR_RETURN(table.rows, source.tensor(name));
  if (!is_float(table.rows.dtype) || table.rows.shape.rank() != (sparse ? 1 : 2) ||
      table.rows.shape.elements() == 0) {
    return data_loss_error("\"{}\" must be a table of floating-point numbers, not {} {}", name,
                           dtype_name(table.rows.dtype), table.rows.shape.to_string());
  }
  table.table_rows = table.rows.rows();
  table.columns = table.rows.row_elements();
  if (!sparse && source.has("mapping")) {
    WDE_ASSIGN_OR_RETURN(table.row_of, source.tensor("mapping"));
  }
  table.tokens = table.row_of.data == nullptr ? table.table_rows : table.row_of.rows();
  WDE_RETURN_IF_ERROR(check_mapping(table));
  if (!sparse && source.has("weights")) {
    WDE_ASSIGN_OR_RETURN(table.factors, source.tensor("weights", Shape{table.tokens}));
  }
  if (table.tokens >= kMaxTokens) return data_loss_error("a table of {} tokens", table.tokens);
  return table;
}

std::vector<float> as_f32(const TensorView& view) {
  std::vector<float> values(static_cast<size_t>(view.shape.elements()));
  read_f32(view, values.data());
  return values;
}

// Row t of the answer is token t's vector; the row after the last token's is zero.
std::vector<float> fold(const StaticTable& table) {
  const std::vector<float> rows = as_f32(table.rows);
  const std::vector<float> factors =
      table.factors.data == nullptr ? std::vector<float>() : as_f32(table.factors);
  std::vector<float> folded(static_cast<size_t>((table.tokens + 1) * table.columns), 0.0f);
  for (int64_t token = 0; token < table.tokens; ++token) {
    const int64_t row = table.row_of.data == nullptr ? token : integer_at(table.row_of, token);
    const float factor = factors.empty() ? 1.0f : factors[static_cast<size_t>(token)];
    for (int64_t c = 0; c < table.columns; ++c) {
      folded[static_cast<size_t>(token * table.columns + c)] =
          rows[static_cast<size_t>(row * table.columns + c)] * factor;
    }
  }
  return folded;
}

// The file that a SparseStaticEmbedding's config.json names as its "path", in its own folder or in
// the model's; empty where it names none.
Result<std::string> find_idf_file(const ModelFolder& folder) {
  const std::string config_path = folder.transformer_path + "/config.json";
  if (folder.input != InputModule::kSparseStaticEmbedding || !file_exists(config_path)) {
    return std::string();
  }
  WDE_ASSIGN_OR_RETURN(const json::value parsed, json::parse_file(config_path));
  const json::object* config = parsed.if_object();
  if (config == nullptr) return data_loss_error("{}: must be a JSON object", config_path);
  const Result<std::string> named = json::get_string(*config, "path", "");
  if (!named.ok()) return named.status().with_context(config_path);
  if (!named->ends_with(".json")) return std::string();
  if (!is_inside_path(*named)) {
    return data_loss_error("{}: the path \"{}\" leaves the folder", config_path, *named);
  }
  const std::string own = folder.transformer_path + "/" + *named;
  return file_exists(own) ? own : folder.path + "/" + *named;
}

struct FoldedTable {
  int64_t columns = 0;
  std::vector<float> values;  // empty where only the shape was asked for
  int64_t rows = 0;           // the zero row included
};

Result<FoldedTable> read_idf(const ModelFolder& folder, const std::string& path) {
  WDE_ASSIGN_OR_RETURN(std::vector<float> weights,
                       read_idf_table(path, folder.transformer_path + "/tokenizer.json"));
  weights.push_back(0);
  const auto rows = static_cast<int64_t>(weights.size());
  return FoldedTable{.columns = 1, .values = std::move(weights), .rows = rows};
}

Result<FoldedTable> read_tensors(const ModelFolder& folder, const ReadOptions& options) {
  WDE_ASSIGN_OR_RETURN(const auto source, open_weights(folder.transformer_path));
  Result<StaticTable> table = find_table(*source, folder.input);
  if (!table.ok()) return table.status().with_context(folder.transformer_path);
  FoldedTable folded{.columns = table->columns, .rows = table->tokens + 1};
  if (options.weights) folded.values = fold(*table);
  return folded;
}

}  // namespace

Status read_static_table(const ReadOptions& options, ModelFolder* folder) {
  WDE_ASSIGN_OR_RETURN(const std::string idf, find_idf_file(*folder));
  WDE_ASSIGN_OR_RETURN(FoldedTable table,
                       idf.empty() ? read_tensors(*folder, options) : read_idf(*folder, idf));
  folder->architectures = {kStaticArchitecture};
  folder->config = {{"architectures", {kStaticArchitecture}},
                    {"vocab_size", table.rows},
                    {"hidden_size", table.columns}};
  if (folder->input == InputModule::kStaticEmbedding) {
    folder->modules.insert(folder->modules.begin(),
                           PoolingModule{.modes = {"mean"}, .embedding_dimension = table.columns});
  }
  if (options.weights) {
    folder->weights = std::make_shared<TableSource>(std::move(table.values), table.columns);
  }
  return {};
}

}  // namespace wde::checkpoint
