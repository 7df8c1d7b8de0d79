// The parts this build knows, by the names that tokenizer.json gives them: one visible table a
// kind, in registry.cc. A new part is a factory and a line there.
#pragma once

#include <memory>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "tokenizer/parts.h"

namespace wde::tokenizer {

template <class Part>
struct Factory {
  std::string_view name;
  Result<std::unique_ptr<Part>> (*make)(const json::object& spec);
};

// Makes the part that spec["type"] names. Errors: kUnsupported for a name that is in no table (with
// the known ones), kDataLoss for a section that its part can't read.
Result<std::unique_ptr<Normalizer>> make_normalizer(const json::object& spec);
Result<std::unique_ptr<PreTokenizer>> make_pre_tokenizer(const json::object& spec);
Result<std::unique_ptr<Model>> make_model(const json::object& spec);
Result<std::unique_ptr<PostProcessor>> make_post_processor(const json::object& spec);
Result<std::unique_ptr<Decoder>> make_decoder(const json::object& spec);

// Every part there is, by kind: {"normalizer", {"BertNormalizer", …}}.
struct PartNames {
  std::string_view kind;
  std::vector<std::string_view> names;
};
std::vector<PartNames> part_names();

// The factories themselves, each beside its part.
Result<std::unique_ptr<Normalizer>> make_bert_normalizer(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_lowercase(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_strip_accents(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_strip(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_replace(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_prepend(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_nfc(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_nfd(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_nfkc(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_nfkd(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_nmt(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_precompiled(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_normalizer_sequence(const json::object& spec);
Result<std::unique_ptr<Normalizer>> make_byte_level_normalizer(const json::object& spec);

Result<std::unique_ptr<PreTokenizer>> make_bert_pre_tokenizer(const json::object& spec);
Result<std::unique_ptr<PreTokenizer>> make_whitespace(const json::object& spec);
Result<std::unique_ptr<PreTokenizer>> make_whitespace_split(const json::object& spec);
Result<std::unique_ptr<PreTokenizer>> make_punctuation(const json::object& spec);
Result<std::unique_ptr<PreTokenizer>> make_metaspace(const json::object& spec);
Result<std::unique_ptr<PreTokenizer>> make_pre_tokenizer_sequence(const json::object& spec);
Result<std::unique_ptr<PreTokenizer>> make_byte_level(const json::object& spec);
Result<std::unique_ptr<PreTokenizer>> make_split(const json::object& spec);
Result<std::unique_ptr<PreTokenizer>> make_digits(const json::object& spec);
Result<std::unique_ptr<PreTokenizer>> make_char_delimiter_split(const json::object& spec);
Result<std::unique_ptr<PreTokenizer>> make_fixed_length(const json::object& spec);

Result<std::unique_ptr<Model>> make_wordpiece(const json::object& spec);
Result<std::unique_ptr<Model>> make_unigram(const json::object& spec);
Result<std::unique_ptr<Model>> make_bpe(const json::object& spec);
Result<std::unique_ptr<Model>> make_word_level(const json::object& spec);

Result<std::unique_ptr<PostProcessor>> make_template_processing(const json::object& spec);
Result<std::unique_ptr<PostProcessor>> make_bert_processing(const json::object& spec);
Result<std::unique_ptr<PostProcessor>> make_roberta_processing(const json::object& spec);
Result<std::unique_ptr<PostProcessor>> make_byte_level_processing(const json::object& spec);
Result<std::unique_ptr<PostProcessor>> make_processor_sequence(const json::object& spec);
// For a tokenizer that names none: the text (type 0), then the pair (type 1), nothing added.
std::unique_ptr<PostProcessor> make_plain_processing();

Result<std::unique_ptr<Decoder>> make_wordpiece_decoder(const json::object& spec);
Result<std::unique_ptr<Decoder>> make_metaspace_decoder(const json::object& spec);
Result<std::unique_ptr<Decoder>> make_byte_level_decoder(const json::object& spec);
Result<std::unique_ptr<Decoder>> make_byte_fallback_decoder(const json::object& spec);
Result<std::unique_ptr<Decoder>> make_fuse_decoder(const json::object& spec);
Result<std::unique_ptr<Decoder>> make_strip_decoder(const json::object& spec);
Result<std::unique_ptr<Decoder>> make_replace_decoder(const json::object& spec);
Result<std::unique_ptr<Decoder>> make_bpe_decoder(const json::object& spec);
Result<std::unique_ptr<Decoder>> make_decoder_sequence(const json::object& spec);

}  // namespace wde::tokenizer
