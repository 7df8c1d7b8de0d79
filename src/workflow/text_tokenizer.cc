#include "workflow/text_tokenizer.h"

#include "base/status.h"
#include "checkpoint/model_folder.h"
#include "workflow/model_files.h"

namespace wde {
namespace workflow {
namespace {

class TokenizerAdapter final : public TextTokenizer {
 public:
  explicit TokenizerAdapter(std::shared_ptr<const tokenizer::Tokenizer> tokenizer)
      : tokenizer_(std::move(tokenizer)) {}

  Result<std::vector<Token>> tokenize(const Input& input, bool add_special_tokens) const override {
    WDE_ASSIGN_OR_RETURN(
        const tokenizer::Encoding encoding,
        encode(input, {.add_special_tokens = add_special_tokens, .offsets = true}));
    std::vector<Token> tokens;
    tokens.reserve(encoding.ids.size());
    for (size_t i = 0; i < encoding.ids.size(); ++i) {
      const tokenizer::Offset offset =
          i < encoding.offsets.size() ? encoding.offsets[i] : tokenizer::Offset{};
      tokens.push_back({.id = encoding.ids[i],
                        .text = std::string(tokenizer_->id_to_token(encoding.ids[i])),
                        .special = encoding.special_mask[i] != 0,
                        .begin = static_cast<int>(offset.begin),
                        .end = static_cast<int>(offset.end)});
    }
    return tokens;
  }

  Result<std::vector<int32_t>> token_ids(const Input& input,
                                         bool add_special_tokens) const override {
    WDE_ASSIGN_OR_RETURN(tokenizer::Encoding encoding,
                         encode(input, {.add_special_tokens = add_special_tokens}));
    return std::move(encoding.ids);
  }

  Result<std::string> decode(std::span<const int32_t> ids,
                             bool skip_special_tokens) const override {
    return tokenizer_->decode(ids, skip_special_tokens);
  }

 private:
  Result<tokenizer::Encoding> encode(const Input& input,
                                     const tokenizer::EncodeOptions& options) const {
    if (const auto* text = std::get_if<std::string>(&input))
      return tokenizer_->encode(*text, std::nullopt, options);
    if (const auto* pair = std::get_if<TextPair>(&input))
      return tokenizer_->encode(pair->first, pair->second, options);
    return tokenizer_->encode_ids(std::get<std::vector<int32_t>>(input), options);
  }

  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
};

// A folder with no more than a tokenizer is enough; of an adapter's, the base model may have it.
Result<std::unique_ptr<tokenizer::Tokenizer>> load_alone(const EngineOptions& options) {
  WDE_ASSIGN_OR_RETURN(const std::string path, resolve_model_folder(options));
  WDE_ASSIGN_OR_RETURN(const std::string gguf, checkpoint::find_gguf(path));
  if (!gguf.empty() && !checkpoint::is_adapter(path)) {
    WDE_ASSIGN_OR_RETURN(const checkpoint::ModelFolder model,
                         read_model(options, WithWeights::kNo));
    return load_tokenizer(model);
  }
  WDE_ASSIGN_OR_RETURN(std::string folder,
                       checkpoint::find_transformer_folder(path, options.prompt_name.value_or("")));
  if (checkpoint::is_adapter(folder)) {
    WDE_ASSIGN_OR_RETURN(const checkpoint::ModelFolder model,
                         read_model(options, WithWeights::kNo));
    return load_tokenizer(model);
  }
  return tokenizer::load_tokenizer(folder);
}

}  // namespace

Result<std::unique_ptr<tokenizer::Tokenizer>> load_tokenizer(const checkpoint::ModelFolder& model) {
  if (!model.vocabulary) return tokenizer::load_tokenizer(model.tokenizer_path);
  Result<std::unique_ptr<tokenizer::Tokenizer>> loaded =
      tokenizer::load_gguf_tokenizer(*model.vocabulary);
  if (!loaded.ok()) return loaded.status().with_context(model.path);
  return loaded;
}

std::unique_ptr<TextTokenizer> make_text_tokenizer(
    std::shared_ptr<const tokenizer::Tokenizer> tokenizer) {
  return std::make_unique<TokenizerAdapter>(std::move(tokenizer));
}

}  // namespace workflow

Result<std::unique_ptr<TextTokenizer>> TextTokenizer::load(const EngineOptions& options) {
  WDE_ASSIGN_OR_RETURN(std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                       workflow::load_alone(options));
  return workflow::make_text_tokenizer(std::move(tokenizer));
}

}  // namespace wde
