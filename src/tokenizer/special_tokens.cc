#include "tokenizer/special_tokens.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/file.h"

namespace wde::tokenizer {
namespace {

using json::array;
using json::object;
using json::value;

// A special token is a string or an AddedToken's object.
Result<object> added_token(const value& from) {
  object token;
  if (const object* fields = from.if_object())
    token = *fields;
  else if (from.is_string())
    token["content"] = from;
  else
    return data_loss_error("a special token must be a string or an object");
  WDE_ASSIGN_OR_RETURN(const std::string content, json::get_string(token, "content", ""));
  if (content.empty()) return data_loss_error("a special token has no content");
  token["special"] = true;
  if (!token.contains("normalized")) token["normalized"] = false;
  return token;
}

Result<int64_t> parse_id(std::string_view digits) {
  int64_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (error != std::errc() || end != digits.data() + digits.size())
    return data_loss_error("added_tokens_decoder has the id \"{}\"", digits);
  return id;
}

}  // namespace

Result<object> read_json_object(const std::string& path) {
  if (!file_exists(path)) return object();
  WDE_ASSIGN_OR_RETURN(value parsed, json::parse_file(path));
  if (!parsed.is_object()) return data_loss_error("{}: expected a JSON object", path);
  return std::move(parsed.as_object());
}

const value* find_set(const object& from, std::string_view key) {
  const value* found = from.if_contains(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

value template_piece(std::string_view kind, std::string_view id, int type_id) {
  return {{kind, {{"id", id}, {"type_id", type_id}}}};
}

Result<SpecialTokens> SpecialTokens::read(const std::string& folder) {
  SpecialTokens result;
  WDE_ASSIGN_OR_RETURN(result.config_, read_json_object(folder + "/tokenizer_config.json"));
  WDE_ASSIGN_OR_RETURN(result.map_, read_json_object(folder + "/special_tokens_map.json"));
  WDE_ASSIGN_OR_RETURN(const object added, read_json_object(folder + "/added_tokens.json"));
  for (const auto& member : added) {
    const std::string_view content = member.key();
    const int64_t* id = member.value().if_int64();
    if (id == nullptr)
      return data_loss_error("{}/added_tokens.json: \"{}\" has no id", folder, content);
    result.ids_in_files_.emplace(content, *id);
  }
  return result;
}

Status SpecialTokens::add_decoder() {
  WDE_ASSIGN_OR_RETURN(const object* decoder, json::get_object(config_, "added_tokens_decoder"));
  if (decoder == nullptr) return {};
  for (const auto& member : *decoder) {
    WDE_ASSIGN_OR_RETURN(const int64_t id, parse_id(member.key()));
    if (!member.value().is_object())
      return data_loss_error("added_tokens_decoder[{}] must be an object", id);
    object token = member.value().as_object();
    WDE_ASSIGN_OR_RETURN(const std::string content, json::get_string(token, "content", ""));
    ids_in_files_[content] = id;
    WDE_RETURN_IF_ERROR(add(std::move(token)));
  }
  return {};
}

Status SpecialTokens::add_role(std::string_view role, std::string_view fallback, Spaces spaces) {
  const value* found = find_set(config_, role);
  if (found == nullptr) found = find_set(map_, role);
  if (found == nullptr && fallback.empty()) return {};
  const value by_default(fallback);
  WDE_ASSIGN_OR_RETURN(object token, added_token(found == nullptr ? by_default : *found));
  const bool says_nothing = found == nullptr || found->is_string();
  if (spaces == Spaces::kTakenFromLeft && says_nothing) token["lstrip"] = true;
  roles_[role] = token["content"];
  return add(std::move(token));
}

Status SpecialTokens::add_others() {
  for (const object* from : {&config_, &map_}) {
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
      const value* found = find_set(*from, key);
      const array* tokens = found == nullptr ? nullptr : found->if_array();
      for (size_t i = 0; tokens != nullptr && i < tokens->size(); ++i) {
        WDE_ASSIGN_OR_RETURN(object token, added_token((*tokens)[i]));
        WDE_RETURN_IF_ERROR(add(std::move(token)));
      }
    }
  }
  for (const auto& [content, id] : ids_in_files_) {
    WDE_RETURN_IF_ERROR(add({{"content", content}, {"special", false}, {"normalized", true}}));
  }
  return {};
}

Status SpecialTokens::add(object token) {
  WDE_ASSIGN_OR_RETURN(const std::string content, json::get_string(token, "content", ""));
  if (content.empty()) return data_loss_error("an added token has no content");
  if (!seen_.emplace(content, true).second) return {};
  const auto id = ids_in_files_.find(content);
  const auto behind_files = static_cast<int64_t>(entries_.size()) + INT32_MAX;
  entries_.push_back({id == ids_in_files_.end() ? behind_files : id->second, std::move(token)});
  return {};
}

array SpecialTokens::take(int64_t size, const IdOf& id_of) {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.order < b.order; });
  array tokens;
  int64_t next_id = size;
  for (Entry& entry : entries_) {
    const std::optional<int64_t> known = id_of(entry.token.at("content").as_string());
    entry.token["id"] = known ? *known : next_id++;
    tokens.push_back(std::move(entry.token));
  }
  return tokens;
}

std::string SpecialTokens::role(std::string_view name) const {
  const value* token = roles_.if_contains(name);
  return token == nullptr ? std::string() : std::string(token->as_string());
}

}  // namespace wde::tokenizer
