#include "checkpoint/gguf_tensors.h"

#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "base/nearest_name.h"
#include "tensor/computed_rows.h"

namespace wde::checkpoint {
namespace {

struct Name {
  std::string_view ggml,
      transformers;  // "blk.N." / the layers' prefix in front, where it is a block's
};

constexpr Name kDecoderOutside[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
};
constexpr Name kDecoderBlock[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};
// Gemma 2's and 3's other norms.
constexpr Name kPostNorms[] = {
    {"post_attention_norm", "post_attention_layernorm"},
    {"ffn_norm", "pre_feedforward_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
};
constexpr Name kBertOutside[] = {
    {"token_embd", "embeddings.word_embeddings"},
    {"position_embd", "embeddings.position_embeddings"},
    {"token_types", "embeddings.token_type_embeddings"},
    {"token_embd_norm", "embeddings.LayerNorm"},
};
constexpr Name kBertBlock[] = {
    {"attn_q", "attention.self.query"},
    {"attn_k", "attention.self.key"},
    {"attn_v", "attention.self.value"},
    {"attn_output", "attention.output.dense"},
    {"attn_output_norm", "attention.output.LayerNorm"},
    {"ffn_up", "intermediate.dense"},
    {"ffn_down", "output.dense"},
    {"layer_output_norm", "output.LayerNorm"},
};

std::optional<std::string> look_up(std::span<const Name> names, std::string_view name) {
  for (const Name& known : names) {
    if (known.ggml == name) return std::string(known.transformers);
  }
  return std::nullopt;
}

// transformers' name of "blk.3.attn_q.weight"; nothing for a tensor without a place.
std::optional<std::string> transformers_name(const GgufArchitecture& architecture, int64_t layers,
                                             std::string_view name) {
  const bool bert = architecture.name == "bert";
  const bool post_norms = architecture.name == "gemma2" || architecture.name == "gemma3";
  const size_t dot = name.find_last_of('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view ending = name.substr(dot);
  if (ending != ".weight" && ending != ".bias") return std::nullopt;
  std::string_view module = name.substr(0, dot);
  constexpr std::string_view kBlock = "blk.";
  if (!module.starts_with(kBlock)) {
    const auto found = bert ? look_up(kBertOutside, module) : look_up(kDecoderOutside, module);
    return found ? std::optional(*found + std::string(ending)) : std::nullopt;
  }
  module.remove_prefix(kBlock.size());
  int64_t layer = 0;
  const auto [end, error] = std::from_chars(module.data(), module.data() + module.size(), layer);
  if (error != std::errc() || end == module.data() + module.size() || *end != '.')
    return std::nullopt;
  if (layer < 0 || layer >= layers) return std::nullopt;
  module.remove_prefix(static_cast<size_t>(end - module.data()) + 1);
  std::optional<std::string> found;
  if (post_norms) found = look_up(kPostNorms, module);
  if (!found) found = bert ? look_up(kBertBlock, module) : look_up(kDecoderBlock, module);
  if (!found) return std::nullopt;
  return fmt::format("{}{}.{}{}", bert ? "encoder.layer." : "model.layers.", layer, *found, ending);
}

// Rows in another order.
class ReorderedRows : public ComputedRows {
 public:
  explicit ReorderedRows(const TensorView& from) : ComputedRows(from.shape), from_(from) {}

  void read_row(int64_t row, float* to) const override {
    read_f32(from_.slice_rows(source_row(row), 1), to);
  }
  std::optional<CodeLayout> code_layout() const override { return wde::code_layout(from_); }
  void read_codes(int64_t row, uint8_t* codes, float* scales, float* offsets) const override {
    from_.computed->read_codes(source_row(row), codes, scales, offsets);
  }

 private:
  virtual int64_t source_row(int64_t row) const = 0;
  TensorView from_;
};

// Rows of a head's two halves, which ggml's first rotary kind turns together and therefore has side
// by side.
class HeadHalves final : public ReorderedRows {
 public:
  HeadHalves(const TensorView& from, int64_t heads)
      : ReorderedRows(from), head_size_(from.rows() / heads) {}

 private:
  int64_t source_row(int64_t row) const override {
    const int64_t begin = row / head_size_ * head_size_, half = head_size_ / 2;
    const int64_t within = row - begin;
    return begin + 2 * (within % half) + within / half;
  }

  int64_t head_size_;
};

// Numbers with 1 taken off.
class LessOne final : public ComputedRows {
 public:
  explicit LessOne(const TensorView& from) : ComputedRows(from.shape), from_(from) {}
  void read_row(int64_t row, float* to) const override {
    read_f32(from_.slice_rows(row, 1), to);
    for (int64_t i = 0; i < row_elements(); ++i) to[i] -= 1.0f;
  }

 private:
  TensorView from_;
};

class RenamedSource final : public WeightSource {
 public:
  explicit RenamedSource(std::shared_ptr<const WeightSource> tensors)
      : tensors_(std::move(tensors)) {}

  Status add(const std::string& name, const std::string& in_file, const GgufConfig& config) {
    if (!in_file_.emplace(name, in_file).second)
      return data_loss_error("tensor \"{}\" stands for \"{}\" a second time", in_file, name);
    const bool query = name.find("q_proj.") != std::string::npos;
    const bool key = name.find("k_proj.") != std::string::npos;
    const bool norm = name.ends_with("norm.weight");
    if (config.architecture->permutes_heads && (query || key)) {
      WDE_ASSIGN_OR_RETURN(const TensorView view, tensors_->tensor(in_file));
      const int64_t heads = query ? config.heads : config.kv_heads;
      if (view.rows() % (2 * heads) != 0 || view.rows() == 0) {
        return data_loss_error("tensor \"{}\" {} is not of {} heads", in_file,
                               view.shape.to_string(), heads);
      }
      computed_[name] = std::make_unique<HeadHalves>(view, heads);
    } else if (config.architecture->norms_add_one && norm) {
      WDE_ASSIGN_OR_RETURN(const TensorView view, tensors_->tensor(in_file));
      computed_[name] = std::make_unique<LessOne>(view);
    }
    return {};
  }

  bool has(std::string_view name) const override { return in_file_.find(name) != in_file_.end(); }
  Result<TensorView> tensor(std::string_view name) const override {
    if (const auto found = computed_.find(name); found != computed_.end())
      return found->second->view();
    const auto found = in_file_.find(name);
    if (found != in_file_.end()) return tensors_->tensor(found->second);
    return not_found_error("the GGUF file has no tensor for \"{}\"{}", name,
                           nearest_name_hint(name, names()));
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& named : in_file_) names.push_back(named.first);
    return names;
  }

  void drop_pages() const override { tensors_->drop_pages(); }

 private:
  std::shared_ptr<const WeightSource> tensors_;
  std::map<std::string, std::string, std::less<>> in_file_;
  std::map<std::string, std::unique_ptr<ComputedRows>, std::less<>> computed_;
};

}  // namespace

Result<std::shared_ptr<const WeightSource>> rename_gguf_tensors(
    std::shared_ptr<const WeightSource> tensors, const GgufConfig& config) {
  auto renamed = std::make_shared<RenamedSource>(tensors);
  const int64_t layers = config.config.at("num_hidden_layers").as_int64();
  for (const std::string& name : tensors->names()) {
    if (name == "rope_freqs.weight") continue;  // config.json says it
    const auto found = transformers_name(*config.architecture, layers, name);
    if (!found) {
      return unsupported_error("tensor \"{}\" has no place in the architecture \"{}\"", name,
                               config.architecture->name);
    }
    WDE_RETURN_IF_ERROR(renamed->add(*found, name, config));
  }
  return std::shared_ptr<const WeightSource>(std::move(renamed));
}

}  // namespace wde::checkpoint
