#include "tokenizer/tokenizer.h"

#include <fmt/ranges.h>

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/legacy_folder.h"
#include "tokenizer/merges_folder.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/registry.h"
#include "tokenizer/sentencepiece_folder.h"

namespace wde::tokenizer {
namespace {

// Normalizers multiply: a chain that could blow a text up beyond this is refused.
constexpr double kMaxGrowth = 1024;

// Makes the part of section `key`; null where the section is missing or null.
template <class Part>
Result<std::unique_ptr<Part>> make_optional(
    const json::object& spec, std::string_view key,
    Result<std::unique_ptr<Part>> (*make)(const json::object&)) {
  WDE_ASSIGN_OR_RETURN(const json::object* section, json::get_object(spec, key));
  if (section == nullptr) return std::unique_ptr<Part>();
  return make(*section);
}

Status check_version(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const std::string version, json::get_string(spec, "version", "1.0"));
  if (version == "1.0") return {};
  return unsupported_error("tokenizer version \"{}\"; known: 1.0", version);
}

Result<std::unique_ptr<Tokenizer>> make_tokenizer(const json::object& spec) {
  WDE_RETURN_IF_ERROR(check_version(spec));
  Parts parts;
  WDE_ASSIGN_OR_RETURN(parts.model, make_optional<Model>(spec, "model", make_model));
  if (parts.model == nullptr) return data_loss_error("the tokenizer has no \"model\"");
  WDE_ASSIGN_OR_RETURN(parts.normalizer,
                       make_optional<Normalizer>(spec, "normalizer", make_normalizer));
  WDE_ASSIGN_OR_RETURN(parts.pre_tokenizer,
                       make_optional<PreTokenizer>(spec, "pre_tokenizer", make_pre_tokenizer));
  WDE_ASSIGN_OR_RETURN(parts.post_processor,
                       make_optional<PostProcessor>(spec, "post_processor", make_post_processor));
  WDE_ASSIGN_OR_RETURN(parts.decoder, make_optional<Decoder>(spec, "decoder", make_decoder));
  if (parts.post_processor == nullptr) parts.post_processor = make_plain_processing();
  if (parts.normalizer && !(parts.normalizer->growth() <= kMaxGrowth)) {
    return unsupported_error("normalizers that can lengthen a text more than {}-fold", kMaxGrowth);
  }
  WDE_ASSIGN_OR_RETURN(const json::array* added_specs, json::get_array(spec, "added_tokens"));
  WDE_ASSIGN_OR_RETURN(AddedVocabulary added,
                       AddedVocabulary::build(added_specs, *parts.model, parts.normalizer.get()));
  return Pipeline::make(std::move(parts), std::move(added));
}

// Of a folder without tokenizer.json, by what was made of the file at `path`.
Result<std::unique_ptr<Tokenizer>> load_spec(const Result<json::object>& spec,
                                             const std::string& path) {
  if (!spec.ok()) return spec.status().with_context(path);
  Result<std::unique_ptr<Tokenizer>> loaded = make_tokenizer(*spec);
  if (!loaded.ok()) return loaded.status().with_context(path);
  return loaded;
}

constexpr const char* kSentencepieceFiles[] = {"sentencepiece.bpe.model", "spiece.model",
                                               "spm.model", "tokenizer.model"};

}  // namespace

Result<std::unique_ptr<Tokenizer>> load_tokenizer_json(std::string_view text) {
  WDE_ASSIGN_OR_RETURN(const json::value parsed, json::parse(text));
  if (!parsed.is_object()) return data_loss_error("expected a JSON object");
  return make_tokenizer(parsed.as_object());
}

Result<std::unique_ptr<Tokenizer>> load_gguf_tokenizer(const json::object& vocabulary) {
  WDE_ASSIGN_OR_RETURN(const json::object spec, spec_from_gguf(vocabulary));
  return make_tokenizer(spec);
}

Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::string& folder) {
  const std::string json_path = folder + "/tokenizer.json";
  const std::string vocab_path = folder + "/vocab.txt";
  if (file_exists(json_path)) {
    WDE_ASSIGN_OR_RETURN(const std::string text, read_file(json_path, kMaxTokenizerFileBytes));
    Result<std::unique_ptr<Tokenizer>> loaded = load_tokenizer_json(text);
    if (!loaded.ok()) return loaded.status().with_context(json_path);
    return loaded;
  }
  if (file_exists(vocab_path)) return load_spec(spec_from_vocab_txt(folder), vocab_path);
  for (const char* file : kSentencepieceFiles) {
    const std::string path = folder + "/" + file;
    if (file_exists(path)) return load_spec(spec_from_sentencepiece(folder, file), path);
  }
  if (file_exists(folder + "/vocab.json") && file_exists(folder + "/merges.txt"))
    return load_spec(spec_from_vocab_and_merges(folder), folder + "/vocab.json");
  return not_found_error(
      "{} holds no tokenizer: looked for tokenizer.json, vocab.txt, sentencepiece models ({}), and "
      "vocab.json with merges.txt",
      folder, fmt::join(kSentencepieceFiles, ", "));
}

}  // namespace wde::tokenizer
