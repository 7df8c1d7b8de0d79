// Every id, offset and mask against what the Hugging Face `tokenizers` package answered: in full
// for hostile strings, as a checksum over all of XQuAD and STS-B for the real tokenizers.
#include <gtest/gtest.h>

#include <boost/crc.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "golden_texts.h"
#include "support/paths.h"
#include "support/temporary_folder.h"
#include "tokenizer/tokenizer.h"

namespace wde::tokenizer {
namespace {

// Every golden file: tests/data/tokenizer/goldens*.json, one a script.
const std::vector<json::value>& golden_files() {
  static const std::vector<json::value> parsed = [] {
    std::vector<json::value> files;
    for (const auto& entry : std::filesystem::directory_iterator(test::fixture("tokenizer"))) {
      if (entry.path().filename().string().starts_with("goldens"))
        files.push_back(json::parse_file(entry.path().string()).value());
    }
    return files;
  }();
  return parsed;
}

// Calls visit(golden) for each element of the files' section `key`, where they have it, and says
// how many there are.
template <class Visit>
size_t for_each_golden(std::string_view key, const Visit& visit) {
  size_t visited = 0;
  for (const json::value& file : golden_files()) {
    const json::value* section = file.as_object().if_contains(key);
    for (size_t i = 0; section != nullptr && i < section->as_array().size(); ++i, ++visited)
      visit(section->as_array()[i].as_object());
  }
  return visited;
}

std::string text_of(const json::object& from, std::string_view key) {
  return std::string(from.at(key).as_string());
}

// A folder that holds nothing but the vocab.txt at `path` and a configuration.
std::unique_ptr<Tokenizer> load_vocab_txt(const std::string& path) {
  const test::TemporaryFolder folder;
  std::filesystem::copy_file(path, folder.path("vocab.txt"));
  const bool cased = path.find("-cased") != std::string::npos;
  folder.write("tokenizer_config.json",
               cased ? R"({"do_lower_case": false})" : R"({"do_lower_case": true})");
  return load_tokenizer(folder.root()).value();
}

std::string gunzip(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(("gzip -dc '" + path + "'").c_str(), "r"),
                                                   pclose);
  std::string bytes;
  char buffer[1 << 16];
  while (const size_t count = fread(buffer, 1, sizeof(buffer), pipe.get()))
    bytes.append(buffer, count);
  return bytes;
}

// A folder as a golden file describes it: {"name", "files": {name: {"fixture": path} | {"data":
// path} | {"text": …}}}; null where a file of the real data is absent.
std::unique_ptr<Tokenizer> load_folder(const json::object& description) {
  const test::TemporaryFolder folder;
  for (const auto& [name, source] : description.at("files").as_object()) {
    const json::object& from = source.as_object();
    std::string path;
    if (from.contains("fixture")) path = test::fixture(text_of(from, "fixture"));
    if (from.contains("data")) path = test::real_data(text_of(from, "data"));
    if (from.contains("text"))
      folder.write(std::string(name), text_of(from, "text"));
    else if (path.empty())
      return nullptr;
    else if (path.ends_with(".gz"))
      folder.write(std::string(name), gunzip(path));
    else
      std::filesystem::copy_file(path, folder.path(std::string(name)));
  }
  return load_tokenizer(folder.root()).value();
}

// The tokenizer a golden names: a folder that its file describes, one of our fixtures, or a file of
// the real data; null where that is absent.
const Tokenizer* load(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Tokenizer>> loaded;
  const auto [at, is_new] = loaded.try_emplace(name);
  if (!is_new) return at->second.get();
  bool described = false;
  std::unique_ptr<Tokenizer>& made = at->second;
  for_each_golden("folders", [&](const json::object& description) {
    if (text_of(description, "name") != name) return;
    made = load_folder(description);
    described = true;
  });
  if (described) return at->second.get();
  if (name.starts_with("fixture")) {
    at->second = load_tokenizer(test::fixture("tokenizer/" + name)).value();
    return at->second.get();
  }
  const std::string path = test::real_data(name);
  if (path.empty()) return nullptr;
  at->second = path.ends_with("vocab.txt")
                   ? load_vocab_txt(path)
                   : load_tokenizer_json(read_file(path, 1u << 26).value()).value();
  return at->second.get();
}

EncodeOptions options_of(const json::object& golden) {
  EncodeOptions options;
  options.offsets = true;
  const json::object* given = json::get_object(golden, "options").value();
  if (given == nullptr) return options;
  options.max_length = static_cast<int>(json::get_int(*given, "max_length", 0).value());
  options.add_special_tokens = json::get_bool(*given, "special", true).value();
  options.truncation_side =
      json::get_bool(*given, "left", false).value() ? Side::kLeft : Side::kRight;
  return options;
}

template <class Number>
std::vector<int64_t> numbers(const std::vector<Number>& from) {
  return std::vector<int64_t>(from.begin(), from.end());
}

std::vector<int64_t> numbers(const json::value& from) {
  std::vector<int64_t> result;
  for (const json::value& number : from.as_array()) result.push_back(number.as_int64());
  return result;
}

void check_case(const Tokenizer& tokenizer, const json::object& golden) {
  SCOPED_TRACE(boost::json::serialize(golden));
  const std::string text = test::from_hex(text_of(golden, "text"));
  const std::string pair = golden.contains("pair") ? test::from_hex(text_of(golden, "pair")) : "";
  const auto pair_or_none =
      golden.contains("pair") ? std::optional<std::string_view>(pair) : std::nullopt;
  EncodeOptions options = options_of(golden);
  const Encoding found = tokenizer.encode(text, pair_or_none, options).value();
  EXPECT_EQ(numbers(found.ids), numbers(golden.at("ids")));
  EXPECT_EQ(numbers(found.type_ids), numbers(golden.at("types")));
  EXPECT_EQ(numbers(found.special_mask), numbers(golden.at("special")));
  EXPECT_EQ(found.truncated, golden.at("truncated").as_bool());
  std::vector<int64_t> offsets;
  for (const Offset& offset : found.offsets)
    offsets.push_back(offset.begin), offsets.push_back(offset.end);
  EXPECT_EQ(offsets, numbers(golden.at("offsets")));
  ASSERT_EQ(found.sequence.size(), found.ids.size());
  for (size_t i = 0; i < found.ids.size(); ++i)
    EXPECT_EQ(found.sequence[i] == -1, found.special_mask[i] == 1);

  options.offsets = false;  // another way through the tokenizer; the answer must not change
  const Encoding plain = tokenizer.encode(text, pair_or_none, options).value();
  EXPECT_EQ(plain.ids, found.ids);
  EXPECT_EQ(plain.type_ids, found.type_ids);
  EXPECT_EQ(plain.special_mask, found.special_mask);
  EXPECT_EQ(plain.truncated, found.truncated);
  EXPECT_TRUE(plain.offsets.empty() && plain.sequence.empty());
}

TEST(TokenizerGolden, HostileStrings) {
  size_t checked = 0;
  const size_t all = for_each_golden("cases", [&](const json::object& golden) {
    const Tokenizer* tokenizer = load(text_of(golden, "tokenizer"));
    if (tokenizer == nullptr) return;  // RealTexts says so aloud
    check_case(*tokenizer, golden);
    ++checked;
  });
  EXPECT_GE(all, 2107u);
  EXPECT_GE(checked, 1369u);  // the fixtures' alone
}

TEST(TokenizerGolden, Decodings) {
  const size_t all = for_each_golden("decodings", [&](const json::object& golden) {
    SCOPED_TRACE(boost::json::serialize(golden));
    const std::vector<int64_t> wide = numbers(golden.at("ids"));
    const std::vector<int32_t> ids(wide.begin(), wide.end());
    const Tokenizer* tokenizer = load(text_of(golden, "tokenizer"));
    ASSERT_NE(tokenizer, nullptr);
    EXPECT_EQ(tokenizer->decode(ids, golden.at("skip_special").as_bool()).value(),
              text_of(golden, "text"));
  });
  EXPECT_GE(all, 897u);
}

struct Digest {
  int64_t tokens = 0;
  int64_t crc32 = 0;
  bool operator==(const Digest&) const = default;
};

// The same as `digest` of the script; also holds the ids without offsets against those with.
Digest digest(const Tokenizer& tokenizer, const std::vector<test::TextCase>& texts,
              const EncodeOptions& options) {
  boost::crc_32_type crc;
  Digest result;
  const auto add = [&](uint32_t number) {
    const uint8_t bytes[4] = {static_cast<uint8_t>(number), static_cast<uint8_t>(number >> 8),
                              static_cast<uint8_t>(number >> 16),
                              static_cast<uint8_t>(number >> 24)};
    crc.process_bytes(bytes, sizeof(bytes));
  };
  for (const test::TextCase& text : texts) {
    const Encoding found = tokenizer.encode(text.text, text.pair, options).value();
    EncodeOptions ids_only = options;
    ids_only.offsets = false;
    EXPECT_EQ(tokenizer.encode(text.text, text.pair, ids_only).value().ids, found.ids) << text.text;
    add(static_cast<uint32_t>(found.ids.size()));
    for (size_t i = 0; i < found.ids.size(); ++i) {
      add(static_cast<uint32_t>(found.ids[i]));
      add(found.offsets[i].begin);
      add(found.offsets[i].end);
      add(found.special_mask[i]);
    }
    result.tokens += static_cast<int64_t>(found.ids.size());
  }
  result.crc32 = crc.checksum();
  return result;
}

// Texts that a golden file lists itself.
std::vector<test::TextCase> listed_texts(const std::string& name) {
  std::vector<test::TextCase> texts;
  for_each_golden("texts", [&](const json::object& list) {
    if (text_of(list, "name") != name) return;
    for (const json::value& hex : list.at("texts").as_array())
      texts.push_back({test::from_hex(std::string(hex.as_string())), std::nullopt});
  });
  return texts;
}

const std::vector<test::TextCase>& texts_of(const std::string& file) {
  static std::map<std::string, std::vector<test::TextCase>> read;
  const auto [at, is_new] = read.try_emplace(file);
  if (!is_new) return at->second;
  if (file.ends_with(".csv"))
    at->second = test::read_stsb(test::real_data(file));
  else if (file.ends_with(".json"))
    at->second = test::read_xquad(test::real_data(file));
  else
    at->second = listed_texts(file);
  return at->second;
}

// What the ids of a text read as, with special tokens and without: the same as `round_trip` of
// make_bpe_goldens.py.
TEST(TokenizerGolden, RoundTrips) {
  size_t checked = 0;
  const size_t all = for_each_golden("round_trips", [&](const json::object& golden) {
    SCOPED_TRACE(boost::json::serialize(golden));
    const Tokenizer* tokenizer = load(text_of(golden, "tokenizer"));
    if (tokenizer == nullptr) return;  // RealTexts says so aloud
    boost::crc_32_type crc;
    for (const test::TextCase& text : texts_of(text_of(golden, "texts"))) {
      const Encoding encoding = tokenizer->encode(text.text, std::nullopt, {}).value();
      for (const bool skip_special : {false, true}) {
        const std::string decoded = tokenizer->decode(encoding.ids, skip_special).value();
        crc.process_bytes(decoded.c_str(), decoded.size() + 1);
      }
    }
    EXPECT_EQ(crc.checksum(), golden.at("crc32").as_int64());
    ++checked;
  });
  EXPECT_GE(all, 11u);
  EXPECT_GE(checked, 3u);  // the fixtures' alone
}

TEST(TokenizerGolden, RealTexts) {
  WDE_SKIP_WITHOUT(test::real_data("tokenizers/bert-base-uncased/vocab.txt"),
                   "the real tokenizers and texts");
  const size_t all = for_each_golden("files", [&](const json::object& golden) {
    SCOPED_TRACE(boost::json::serialize(golden));
    const Tokenizer* tokenizer = load(text_of(golden, "tokenizer"));
    ASSERT_NE(tokenizer, nullptr);
    const std::vector<test::TextCase>& texts = texts_of(text_of(golden, "file"));
    ASSERT_EQ(static_cast<int64_t>(texts.size()), golden.at("texts").as_int64());
    const Digest found = digest(*tokenizer, texts, options_of(golden));
    EXPECT_EQ(found.tokens, golden.at("tokens").as_int64());
    EXPECT_EQ(found.crc32, golden.at("crc32").as_int64());
  });
  EXPECT_GE(all, 328u);
}

}  // namespace
}  // namespace wde::tokenizer
