#include "checkpoint/idf_table.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/json.h"

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxFileBytes = size_t{256} << 20;
constexpr int64_t kMaxId = int64_t{1} << 24;

struct Vocabulary {
  std::map<std::string, int64_t, std::less<>> ids;
  std::optional<int64_t> unknown;
  int64_t size = 0;  // the largest id and one

  Status add(std::string_view token, int64_t id) {
    if (id < 0 || id >= kMaxId) return data_loss_error("token \"{}\" has the id {}", token, id);
    ids.emplace(token, id);
    size = std::max(size, id + 1);
    return {};
  }
};

Result<Vocabulary> read_vocabulary(const json::object& tokenizer) {
  Vocabulary vocabulary;
  WDE_ASSIGN_OR_RETURN(const json::object* model, json::get_object(tokenizer, "model"));
  if (model == nullptr) return data_loss_error("\"model\" is missing");
  const json::value* tokens = model->if_contains("vocab");
  if (tokens == nullptr || !tokens->is_object()) {
    return unsupported_error("an idf table needs a vocabulary from tokens to ids");
  }
  for (const auto& member : tokens->get_object()) {
    if (!member.value().is_int64()) return data_loss_error("\"vocab\" must hold ids");
    WDE_RETURN_IF_ERROR(vocabulary.add(member.key(), member.value().get_int64()));
  }
  WDE_ASSIGN_OR_RETURN(const json::array* added, json::get_array(tokenizer, "added_tokens"));
  for (const json::value& token : added == nullptr ? json::array() : *added) {
    const json::object* fields = token.if_object();
    if (fields == nullptr) return data_loss_error("\"added_tokens\" must hold objects");
    WDE_ASSIGN_OR_RETURN(const std::string content, json::get_string(*fields, "content", ""));
    WDE_ASSIGN_OR_RETURN(const int64_t id, json::get_int(*fields, "id", -1));
    WDE_RETURN_IF_ERROR(vocabulary.add(content, id));
  }
  WDE_ASSIGN_OR_RETURN(const std::string unknown, json::get_string(*model, "unk_token", ""));
  const auto found = vocabulary.ids.find(unknown);
  if (!unknown.empty() && found != vocabulary.ids.end()) vocabulary.unknown = found->second;
  return vocabulary;
}

Result<std::vector<float>> weights_of(const json::object& table, const Vocabulary& vocabulary) {
  std::vector<float> weights(static_cast<size_t>(vocabulary.size), 0.0f);
  for (const auto& member : table) {
    if (!member.value().is_number()) {
      return data_loss_error("the weight of \"{}\" is no number", std::string_view(member.key()));
    }
    const auto found = vocabulary.ids.find(std::string_view(member.key()));
    const std::optional<int64_t> id =
        found != vocabulary.ids.end() ? std::optional(found->second) : vocabulary.unknown;
    if (id) weights[static_cast<size_t>(*id)] = member.value().to_number<float>();
  }
  return weights;
}

Result<json::object> read_object(const std::string& path) {
  WDE_ASSIGN_OR_RETURN(json::value parsed, json::parse_file(path, kMaxFileBytes));
  if (json::object* object = parsed.if_object()) return std::move(*object);
  return data_loss_error("{}: must be a JSON object", path);
}

}  // namespace

Result<std::vector<float>> read_idf_table(const std::string& idf_path,
                                          const std::string& tokenizer_path) {
  WDE_ASSIGN_OR_RETURN(const json::object table, read_object(idf_path));
  WDE_ASSIGN_OR_RETURN(const json::object tokenizer, read_object(tokenizer_path));
  const Result<Vocabulary> vocabulary = read_vocabulary(tokenizer);
  if (!vocabulary.ok()) return vocabulary.status().with_context(tokenizer_path);
  Result<std::vector<float>> weights = weights_of(table, *vocabulary);
  return weights.ok() ? std::move(weights) : weights.status().with_context(idf_path);
}

}  // namespace wde::checkpoint
