#include "checkpoint/late_interaction.h"

#include <algorithm>
#include <string_view>

namespace wde::checkpoint {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 20;
// Python's string.punctuation: what ColBERT leaves out of documents.
constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

std::vector<std::string> punctuation() {
  std::vector<std::string> words;
  for (const char mark : kPunctuation) words.emplace_back(1, mark);
  return words;
}

bool has(const json::object* from, std::string_view key) {
  if (from == nullptr) return false;
  const json::value* value = from->if_contains(key);
  return value != nullptr && !value->is_null();
}

// A number of tokens, where it is there.
Result<std::optional<int64_t>> get_tokens(const json::object& from, std::string_view key) {
  WDE_ASSIGN_OR_RETURN(const int64_t tokens, json::get_int(from, key, -1));
  if (!has(&from, key)) return std::optional<int64_t>();
  if (tokens < 1 || tokens > kMaxTokens) return data_loss_error("\"{}\" is {}", key, tokens);
  return std::optional<int64_t>(tokens);
}

Result<std::vector<std::string>> get_words(const json::object& from, std::string_view key) {
  WDE_ASSIGN_OR_RETURN(const json::array* array, json::get_array(from, key));
  std::vector<std::string> words;
  if (array == nullptr) return words;
  for (const json::value& word : *array) {
    const auto* text = word.if_string();
    if (text == nullptr) return data_loss_error("\"{}\" must hold strings", key);
    words.emplace_back(*text);
  }
  return words;
}

// sentence-transformers' {"strategy", "length", "attend", "token"}.
Result<QueryExpansion> read_expansion(const json::object& from) {
  QueryExpansion expansion;
  WDE_ASSIGN_OR_RETURN(const std::string strategy, json::get_string(from, "strategy", ""));
  if (strategy != "fixed" && strategy != "min") {
    return unsupported_error(
        "query_expansion: strategy \"{}\" is not supported; \"fixed\" and \"min\" are", strategy);
  }
  expansion.cut = strategy == "fixed";
  WDE_ASSIGN_OR_RETURN(const auto length, get_tokens(from, "length"));
  if (!length) return data_loss_error("query_expansion: \"length\" is missing");
  expansion.length = *length;
  WDE_ASSIGN_OR_RETURN(expansion.attended, json::get_bool(from, "attend", false));
  WDE_ASSIGN_OR_RETURN(expansion.token, json::get_string(from, "token", ""));
  return expansion;
}

// Stanford's ColBERT. Without the file, its defaults.
Result<LateInteraction> read_artifact(const json::object* file) {
  const json::object empty;
  const json::object& from = file == nullptr ? empty : *file;
  LateInteraction read{.normalized = true};
  WDE_ASSIGN_OR_RETURN(read.query_marker, json::get_string(from, "query_token_id", "[unused0]"));
  WDE_ASSIGN_OR_RETURN(read.document_marker, json::get_string(from, "doc_token_id", "[unused1]"));
  WDE_ASSIGN_OR_RETURN(read.document_length, get_tokens(from, "doc_maxlen"));
  QueryExpansion expansion;
  WDE_ASSIGN_OR_RETURN(const auto length, get_tokens(from, "query_maxlen"));
  expansion.length = length.value_or(expansion.length);
  WDE_ASSIGN_OR_RETURN(expansion.attended, json::get_bool(from, "attend_to_mask_tokens", false));
  read.expansion = expansion;
  WDE_ASSIGN_OR_RETURN(const bool masks, json::get_bool(from, "mask_punctuation", true));
  if (masks) read.skipped_words = punctuation();
  return read;
}

// PyLate, which puts everything beside the prompts.
Result<LateInteraction> read_pylate(const json::object& from) {
  LateInteraction read{.normalized = true};
  WDE_ASSIGN_OR_RETURN(read.query_marker, json::get_string(from, "query_prefix", ""));
  WDE_ASSIGN_OR_RETURN(read.document_marker, json::get_string(from, "document_prefix", ""));
  WDE_ASSIGN_OR_RETURN(read.query_length, get_tokens(from, "query_length"));
  WDE_ASSIGN_OR_RETURN(read.document_length, get_tokens(from, "document_length"));
  WDE_ASSIGN_OR_RETURN(const bool expands, json::get_bool(from, "do_query_expansion", true));
  if (expands) {
    QueryExpansion expansion;
    expansion.length = read.query_length.value_or(expansion.length);
    WDE_ASSIGN_OR_RETURN(const bool older, json::get_bool(from, "attend_to_mask_tokens", false));
    WDE_ASSIGN_OR_RETURN(expansion.attended,
                         json::get_bool(from, "attend_to_expansion_tokens", older));
    read.expansion = expansion;
  }
  if (has(&from, "skiplist_words")) {
    WDE_ASSIGN_OR_RETURN(read.skipped_words, get_words(from, "skiplist_words"));
  } else {
    read.skipped_words = punctuation();
  }
  return read;
}

// sentence-transformers from 6.0 on: lengths and expansion in the Transformer's file, the words in
// the MultiVectorMask's; markers are ordinary prompts.
Result<LateInteraction> read_modules(const json::object* transformer, const json::object* mask) {
  LateInteraction read;
  if (transformer != nullptr) {
    WDE_ASSIGN_OR_RETURN(read.query_length, get_tokens(*transformer, "query_length"));
    WDE_ASSIGN_OR_RETURN(read.document_length, get_tokens(*transformer, "document_length"));
    WDE_ASSIGN_OR_RETURN(const json::object* expansion,
                         json::get_object(*transformer, "query_expansion"));
    if (expansion != nullptr) {
      WDE_ASSIGN_OR_RETURN(read.expansion, read_expansion(*expansion));
    }
  }
  if (mask == nullptr) return read;
  if (has(mask, "keep_only_token_ids")) {
    return unsupported_error("MultiVectorMask: \"keep_only_token_ids\" is not supported");
  }
  WDE_ASSIGN_OR_RETURN(read.skipped_words, get_words(*mask, "skiplist_words"));
  if (has(mask, "skiplist_tasks")) {
    WDE_ASSIGN_OR_RETURN(const auto tasks, get_words(*mask, "skiplist_tasks"));
    const auto names = [&](std::string_view task) {
      return std::find(tasks.begin(), tasks.end(), task) != tasks.end();
    };
    read.skip_in_documents = names("document");
    read.skip_in_queries = names("query");
  }
  return read;
}

bool is_stanford(const json::object& config) {
  const Result<const json::array*> names = json::get_array(config, "architectures");
  if (!names.ok() || *names == nullptr) return false;
  return std::any_of((*names)->begin(), (*names)->end(), [](const json::value& name) {
    return name.is_string() && name.as_string() == "HF_ColBERT";
  });
}

}  // namespace

Result<std::optional<LateInteraction>> read_late_interaction(const LateInteractionFiles& files) {
  std::string type;
  if (files.library_config != nullptr) {
    WDE_ASSIGN_OR_RETURN(type, json::get_string(*files.library_config, "model_type", ""));
  }
  Result<LateInteraction> read = LateInteraction();
  if (type == "ColBERT") {
    read = read_pylate(*files.library_config);
  } else if (type == "MultiVectorEncoder" || files.mask_module != nullptr) {
    read = read_modules(files.sentence_config, files.mask_module);
  } else if (is_stanford(*files.config)) {
    read = read_artifact(files.artifact);
  } else {
    return std::optional<LateInteraction>();
  }
  if (!read.ok()) return read.status();
  return std::optional<LateInteraction>(std::move(read).value());
}

}  // namespace wde::checkpoint
