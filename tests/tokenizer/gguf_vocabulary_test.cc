#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "support/paths.h"
#include "tokenizer/tokenizer.h"

namespace wde::tokenizer {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Result<std::unique_ptr<Tokenizer>> load(const std::string& text) {
  return load_gguf_tokenizer(json::parse(text).value().as_object());
}

std::vector<int32_t> ids(const std::string& vocabulary, const std::string& text,
                         std::optional<std::string_view> pair = std::nullopt) {
  const auto tokenizer = load(vocabulary);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return tokenizer.ok() ? (*tokenizer)->encode(text, pair, {})->ids : std::vector<int32_t>();
}

// 0 unknown, 1 begin, 2 end, 3 the byte 'x', then pieces with scores.
constexpr char kScores[] = R"({"model":"llama","bos_token_id":1,"eos_token_id":2,
  "unknown_token_id":0,"padding_token_id":4294967295,
  "tokens":["<unk>","<s>","</s>","<0x78>","▁","t","h","e","th","▁t","he","▁the"],
  "scores":[0.0,0.0,0.0,0.0,-9.0,-8.0,-7.0,-6.0,-2.0,-3.0,-1.0,-0.5],
  "token_type":[2,3,3,6,1,1,1,1,1,1,1,1]%})";

std::string with(const std::string& extra) {
  std::string text = kScores;
  return text.replace(text.find('%'), 1, extra);
}

TEST(GgufVocabulary, PiecesJoinByScores) {
  EXPECT_THAT(ids(with(""), "the"), ElementsAre(1, 11));
  EXPECT_THAT(ids(with(""), "eth"), ElementsAre(1, 4, 7, 8));
  EXPECT_THAT(ids(with(""), "x the"), ElementsAre(1, 4, 3, 11));
  EXPECT_THAT(ids(with(R"(,"add_space_prefix":false,"add_eos_token":true)"), "the"),
              ElementsAre(1, 5, 10, 2));
  EXPECT_THAT(ids(with(R"(,"add_bos_token":false)"), "the", "the"), ElementsAre(11, 11));
  EXPECT_EQ((*load(with("")))->decode(std::vector<int32_t>{1, 11, 11}, true).value(), "the the");
}

TEST(GgufVocabulary, SpacesAtTheBeginStay) {
  EXPECT_THAT(ids(with(""), " the"), ElementsAre(1, 4, 11));
  EXPECT_THAT(ids(with(""), "  the"), ElementsAre(1, 4, 4, 11));
  EXPECT_THAT(ids(with(""), "</s>the"), ElementsAre(1, 2, 11));
  EXPECT_THAT(ids(with(""), "</s> the"), ElementsAre(1, 2, 4, 11));
  EXPECT_THAT(ids(with(R"(,"add_space_prefix":false)"), " the"), ElementsAre(1, 11));
  EXPECT_THAT(ids(with(""), ""), ElementsAre(1));
  EXPECT_EQ((*load(with("")))->decode(std::vector<int32_t>{1, 4, 11}, true).value(), " the");
}

TEST(GgufVocabulary, BytesJoinByMerges) {
  const std::string vocabulary = R"({"model":"gpt2","pre":"qwen2","tokens":["a","b","1","ab","Ġ",
    "<end>"],"merges":["a b"],"token_type":[1,1,1,1,1,3],"eos_token_id":5})";
  EXPECT_THAT(ids(vocabulary, "ab11 <end>"), ElementsAre(3, 2, 2, 4, 5));
  std::string other = vocabulary;
  other.replace(other.find("qwen2"), 5, "qwen9");
  EXPECT_THAT(load(other).status().message(), HasSubstr("\"qwen9\"; known: gpt-2, llama-bpe"));
}

TEST(GgufVocabulary, WordPieces) {
  const std::string vocabulary =
      R"({"model":"bert","tokens":["[PAD]","[UNK]","[CLS]","[SEP]","▁the",
    "s","▁s"],"cls_token_id":2,"seperator_token_id":3,"unknown_token_id":1})";
  EXPECT_THAT(ids(vocabulary, "Thes s x"), ElementsAre(2, 4, 5, 6, 1, 3));
  EXPECT_THAT(ids(vocabulary, "s", "s"), ElementsAre(2, 6, 3, 6, 3));
}

TEST(GgufVocabulary, ControlTokensOfWordPiecesNeedNoBrackets) {
  const std::string tokens =
      R"({"model":"bert","tokens":["<pad>","<unk>","<s>","</s>","▁the","s","<x>"],)";
  const std::string roles = R"("cls_token_id":2,"seperator_token_id":3,"unknown_token_id":1)";
  // By their types, and without types by their roles.
  for (const std::string& types :
       {std::string(R"("token_type":[3,2,3,3,1,1,3],)"), std::string()}) {
    const std::string vocabulary = tokens + types + roles + "}";
    EXPECT_THAT(ids(vocabulary, "thes q"), ElementsAre(2, 4, 5, 1, 3)) << types;
    EXPECT_THAT(ids(vocabulary, "the</s>"), ElementsAre(2, 4, 3, 3)) << types;
    EXPECT_EQ((*load(vocabulary))->id_to_token(6), types.empty() ? "##<x>" : "<x>");
  }
}

TEST(GgufVocabulary, TwoTokensOfOneTextAreRefusedByName) {
  EXPECT_THAT(load(R"({"model":"llama","tokens":["<unk>","a","b","a"]})").status().message(),
              HasSubstr("the tokens 1 and 3 are both \"a\""));
  EXPECT_THAT(load(R"({"model":"gpt2","pre":"gpt-2","tokens":["a","b","b"],"merges":[]})")
                  .status()
                  .message(),
              HasSubstr("the tokens 1 and 2 are both \"b\""));
  // "[x]" that goes on with a word is written like the token in brackets.
  EXPECT_THAT(load(R"({"model":"bert","tokens":["[UNK]","[CLS]","[SEP]","▁the","▁▁the","▁[SEP]"],
                       "cls_token_id":1,"seperator_token_id":2})")
                  .status()
                  .message(),
              HasSubstr("the tokens 2 and 5 are both \"[SEP]\""));
  EXPECT_TRUE(load(R"({"model":"llama","tokens":["<unk>","","a",""]})").ok());
}

TEST(GgufVocabulary, AnEmptyTokenJoinsNothing) {
  const std::string vocabulary =
      R"({"model":"llama","tokens":["<unk>","","▁","a","▁a"],"unknown_token_id":0})";
  EXPECT_THAT(ids(vocabulary, "a"), ElementsAre(4));
  // First, it is the unknown one too.
  EXPECT_THAT(ids(R"({"model":"llama","tokens":["","▁","a","▁a"]})", "a"), ElementsAre(3));
}

TEST(GgufVocabulary, WhatMakesNoSenseIsRefused) {
  EXPECT_THAT(load(R"({"model":"t5","tokens":["a"]})").status().message(),
              HasSubstr("\"t5\"; known: llama, gpt2, bert"));
  EXPECT_THAT(load(R"({"model":"llama"})").status().message(), HasSubstr("\"tokens\""));
  EXPECT_THAT(load(R"({"model":"llama","tokens":["a"],"scores":[]})").status().message(),
              HasSubstr("\"scores\""));
  EXPECT_THAT(load(R"({"model":"llama","tokens":["a",1]})").status().message(),
              HasSubstr("token 1 is no UTF-8 string"));
  const std::string longest(1024, 'a');
  EXPECT_TRUE(load(R"({"model":"llama","tokens":["a",")" + longest + "\"]}").ok());
  EXPECT_THAT(load(R"({"model":"llama","tokens":["a",")" + longest + "a\"]}").status().message(),
              HasSubstr("token 1 has 1025 bytes; at most 1024"));
  EXPECT_THAT(load(R"({"model":"llama","tokens":["a"],"bos_token_id":3})").status().message(),
              HasSubstr("\"bos_token_id\" is 3"));
  EXPECT_THAT(load(R"({"model":"llama","tokens":["a"],"token_type":[9]})").status().message(),
              HasSubstr("type of token 0"));
  EXPECT_THAT(load(R"({"model":"gpt2","pre":"gpt-2","tokens":["a"]})").status().message(),
              HasSubstr("\"merges\""));
  for (const char* token : {"bos", "eos"}) {
    const std::string flag = "\"add_" + std::string(token) + "_token\"";
    EXPECT_THAT(load(R"({"model":"llama","tokens":["a"],)" + flag + ":true}").status().message(),
                AllOf(HasSubstr(flag), HasSubstr(std::string(token) + "_token_id")));
  }
}

}  // namespace
}  // namespace wde::tokenizer
