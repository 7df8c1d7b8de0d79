// What a folder without tokenizer.json says about special and added tokens, in
// tokenizer_config.json, special_tokens_map.json and added_tokens.json: collected in
// tokenizer.json's form. Used while a tokenizer is loaded, by one thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace wde::tokenizer {

// An object from a file that may be absent: then an empty one. Errors: kDataLoss, kIoError.
Result<json::object> read_json_object(const std::string& path);

// A member that is there and not null; null otherwise.
const json::value* find_set(const json::object& from, std::string_view key);

// {kind: {"id": id, "type_id": type_id}}: a piece of TemplateProcessing's templates.
json::value template_piece(std::string_view kind, std::string_view id, int type_id);

class SpecialTokens {
 public:
  enum class Spaces { kStay, kTakenFromLeft };

  // Reads the folder's files. Errors: kDataLoss, kIoError.
  static Result<SpecialTokens> read(const std::string& folder);

  const json::object& config() const { return config_; }  // tokenizer_config.json

  // Each adds tokens; of several with one content the first counts. Errors: kDataLoss.
  Status add_decoder();  // config's "added_tokens_decoder"
  // The token of a role ("cls_token"), from the config, the map, or else `fallback`. `spaces` is
  // for one that says nothing of its own.
  Status add_role(std::string_view role, std::string_view fallback, Spaces spaces);
  // "additional_special_tokens" and "extra_special_tokens", then those of added_tokens.json.
  Status add_others();
  Status add(json::object token);

  // The token of a role; empty where there is none.
  std::string role(std::string_view name) const;
  // All that was added, as tokenizer.json's "added_tokens". Those that the model's
  // vocabulary lacks stand by the ids that the files give them, then as they were added, and get
  // the ids behind the vocabulary's in this order; it has `size` tokens, and `id_of` tells theirs.
  using IdOf = std::function<std::optional<int64_t>(std::string_view)>;
  json::array take(int64_t size, const IdOf& id_of);

 private:
  SpecialTokens() = default;

  json::object config_;
  json::object map_;
  std::map<std::string, int64_t, std::less<>> ids_in_files_;  // of added tokens, by content
  struct Entry {
    int64_t order;  // the id in the files, or behind all of those
    json::object token;
  };
  std::vector<Entry> entries_;
  json::object roles_;
  json::object seen_;  // by content
};

}  // namespace wde::tokenizer
