#include "tokenizer/registry.h"

namespace wde::tokenizer {
namespace {

constexpr Factory<Normalizer> kNormalizers[] = {
    {"BertNormalizer", make_bert_normalizer},
    {"Lowercase", make_lowercase},
    {"StripAccents", make_strip_accents},
    {"NFC", make_nfc},
    {"NFD", make_nfd},
    {"NFKC", make_nfkc},
    {"NFKD", make_nfkd},
    {"Strip", make_strip},
    {"Replace", make_replace},
    {"Prepend", make_prepend},
    {"Nmt", make_nmt},
    {"Precompiled", make_precompiled},
    {"Sequence", make_normalizer_sequence},
    {"ByteLevel", make_byte_level_normalizer},
};

constexpr Factory<PreTokenizer> kPreTokenizers[] = {
    {"BertPreTokenizer", make_bert_pre_tokenizer},
    {"Whitespace", make_whitespace},
    {"WhitespaceSplit", make_whitespace_split},
    {"Punctuation", make_punctuation},
    {"Metaspace", make_metaspace},
    {"Sequence", make_pre_tokenizer_sequence},
    {"ByteLevel", make_byte_level},
    {"Split", make_split},
    {"Digits", make_digits},
    {"CharDelimiterSplit", make_char_delimiter_split},
    {"FixedLength", make_fixed_length},
};

constexpr Factory<Model> kModels[] = {
    {"WordPiece", make_wordpiece},
    {"Unigram", make_unigram},
    {"BPE", make_bpe},
    {"WordLevel", make_word_level},
};

constexpr Factory<PostProcessor> kPostProcessors[] = {
    {"TemplateProcessing", make_template_processing},
    {"BertProcessing", make_bert_processing},
    {"RobertaProcessing", make_roberta_processing},
    {"ByteLevel", make_byte_level_processing},
    {"Sequence", make_processor_sequence},
};

constexpr Factory<Decoder> kDecoders[] = {
    {"WordPiece", make_wordpiece_decoder},
    {"Metaspace", make_metaspace_decoder},
    {"ByteLevel", make_byte_level_decoder},
    {"ByteFallback", make_byte_fallback_decoder},
    {"Fuse", make_fuse_decoder},
    {"Strip", make_strip_decoder},
    {"Replace", make_replace_decoder},
    {"BPEDecoder", make_bpe_decoder},
    {"Sequence", make_decoder_sequence},
};

template <class Part>
Result<std::unique_ptr<Part>> make_part(std::string_view kind, std::span<const Factory<Part>> table,
                                        std::string_view name, const json::object& spec) {
  std::string known;
  for (const Factory<Part>& factory : table) {
    if (factory.name != name) {
      known += known.empty() ? "" : ", ";
      known += factory.name;
      continue;
    }
    Result<std::unique_ptr<Part>> part = factory.make(spec);
    if (!part.ok()) return part.status().with_context(fmt::format("{} {}", kind, name));
    return part;
  }
  return unsupported_error("the tokenizer's {} \"{}\" is not implemented; known: {}", kind, name,
                           known);
}

template <class Part>
Result<std::unique_ptr<Part>> make_typed(std::string_view kind,
                                         std::span<const Factory<Part>> table,
                                         const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const std::string name, json::get_string(spec, "type", ""));
  if (name.empty()) return data_loss_error("the tokenizer's {} has no \"type\"", kind);
  return make_part(kind, table, name, spec);
}

}  // namespace

Result<std::unique_ptr<Normalizer>> make_normalizer(const json::object& spec) {
  return make_typed<Normalizer>("normalizer", kNormalizers, spec);
}

Result<std::unique_ptr<PreTokenizer>> make_pre_tokenizer(const json::object& spec) {
  return make_typed<PreTokenizer>("pre-tokenizer", kPreTokenizers, spec);
}

Result<std::unique_ptr<Model>> make_model(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(std::string name, json::get_string(spec, "type", ""));
  // Files older than the "type" of models are told apart by their members, as the `tokenizers`
  // package does.
  if (name.empty()) {
    name = spec.contains("merges")                      ? "BPE"
           : spec.contains("continuing_subword_prefix") ? "WordPiece"
           : spec.contains("unk_id")                    ? "Unigram"
                                                        : "";
  }
  if (name.empty()) return data_loss_error("the tokenizer's model has no \"type\"");
  return make_part<Model>("model", kModels, name, spec);
}

Result<std::unique_ptr<PostProcessor>> make_post_processor(const json::object& spec) {
  return make_typed<PostProcessor>("post-processor", kPostProcessors, spec);
}

Result<std::unique_ptr<Decoder>> make_decoder(const json::object& spec) {
  return make_typed<Decoder>("decoder", kDecoders, spec);
}

std::vector<PartNames> part_names() {
  const auto names = [](std::string_view kind, const auto& table) {
    PartNames part{.kind = kind};
    for (const auto& factory : table) part.names.push_back(factory.name);
    return part;
  };
  return {names("normalizer", kNormalizers), names("pre-tokenizer", kPreTokenizers),
          names("model", kModels), names("post-processor", kPostProcessors),
          names("decoder", kDecoders)};
}

}  // namespace wde::tokenizer
