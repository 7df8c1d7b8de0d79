// The parts of `wde search`: files of vectors, the corpus, prompts, reports; then the real process.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "base/json.h"
#include "entrypoints/cli/npy_file.h"
#include "entrypoints/cli/search_corpus.h"
#include "entrypoints/cli/search_index.h"
#include "entrypoints/cli/search_report.h"
#include "entrypoints/cli/searcher.h"
#include "entrypoints/cli/sinks.h"
#include "entrypoints/cli_fake_engine.h"
#include "entrypoints/cli_process.h"
#include "support/paths.h"

namespace wde::cli {
namespace {

using test::Ended;
using test::run_wde;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string bytes_of(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// --- .npy files ---

TEST(NpyFile, WhatIsWrittenIsRead) {
  const test::TemporaryFolder folder;
  const std::vector<float> values = {1, 2, 3, 4.5f, -5, 6};
  const std::string path = folder.file("v.npy");
  ASSERT_TRUE(write_npy(path, values, 3).ok());
  const auto matrix = NpyMatrix::open(path);
  ASSERT_TRUE(matrix.ok()) << matrix.status().message();
  EXPECT_EQ(matrix->rows(), 2);
  EXPECT_EQ(matrix->columns(), 3);
  EXPECT_THAT(matrix->values(), testing::ElementsAreArray(values));
  EXPECT_EQ(NpyMatrix::open(path + ".part").status().code(), StatusCode::kNotFound);
}

void expect_refused(const std::string& content, StatusCode code, const std::string& part) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("v.npy", content);
  const Status status = NpyMatrix::open(path).status();
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_THAT(status.message(), HasSubstr(part));
  EXPECT_THAT(status.message(), HasSubstr(path));
}

TEST(NpyFile, RefusesWhatItCanNotRead) {
  const std::string header = npy_header("<f4", 2, 2);
  const std::string whole = header + bytes_of(std::vector<float>(4));
  for (size_t size = 0; size < whole.size(); ++size) {
    expect_refused(whole.substr(0, size), StatusCode::kDataLoss, "");
  }
  expect_refused(whole + "x", StatusCode::kDataLoss, "17 bytes of data for 2 x 2");
  expect_refused(npy_header("|i1", 2, 2) + "1234", StatusCode::kUnsupported, "fp32");
  std::string broken = whole;
  broken.replace(broken.find("(2, 2)"), 6, "(2)   ");
  expect_refused(broken, StatusCode::kUnsupported, "matrix");
  broken = whole;
  broken.replace(broken.find("False"), 5, "True,");
  expect_refused(broken, StatusCode::kUnsupported, "C order");
  expect_refused(npy_header("<f4", std::numeric_limits<int64_t>::max(), 4), StatusCode::kDataLoss,
                 "0 bytes of data");
  broken = whole;
  broken[6] = '\x09';
  expect_refused(broken, StatusCode::kDataLoss, "version 9");
}

// --- Parts ---

TEST(SearchPrompts, AreTheModelsOwn) {
  ModelInfo info;
  EXPECT_EQ(choose_prompts(info, {}).query, "query");
  EXPECT_EQ(choose_prompts(info, {}).document, "document");
  info.prompt_names = {"corpus", "passage", "query"};
  EXPECT_EQ(choose_prompts(info, {}).document, "passage");
  EngineOptions options;
  options.prompt = "for both: ";
  EXPECT_FALSE(choose_prompts(info, options).query);
  EXPECT_FALSE(choose_prompts(info, options).document);
}

TEST(Searcher, AnswersQueriesInTheirOrder) {
  test::FakeEngine engine;  // the vector of a text is {its bytes, its first byte, 1}
  Console console;
  const std::vector<std::string> corpus = {"a", "bb", std::string(30, 'a')};
  const auto index = make_vector_index(CorpusVectors::compute(engine, corpus, {}, console).value(),
                                       3, {.similarity = Similarity::kEuclidean})
                         .value();
  Searcher searcher(engine, *index, {});
  const std::vector<std::string> queries = {"b", "a", std::string(29, 'a')};
  const auto hits = searcher.search(queries, 2).value();
  ASSERT_EQ(hits.size(), 3u);
  EXPECT_EQ(hits[0][0].index, 0);  // 1 away, as row 1 is: equal scores keep the rows' order
  EXPECT_EQ(hits[0][1].index, 1);
  EXPECT_EQ(hits[1][0], (Hit{0, -0.0f}));
  EXPECT_EQ(hits[2][0].index, 2);
  EXPECT_EQ(searcher.search(std::vector<std::string>{"a", "fail"}, 2).status().code(),
            StatusCode::kDeviceError);
}

TEST(Reranker, SortsByItsOwnScores) {
  test::FakeEngine engine;  // of a pair, minus the bytes of its first text
  const std::vector<std::string> texts = {"a", "b", "c"};
  const std::vector<Hit> hits = {{2, 0.9f}, {0, 0.5f}, {1, 0.1f}};
  const auto scored = Reranker(engine, texts).rerank("qq", hits, 2);
  ASSERT_TRUE(scored.ok()) << scored.status().message();
  EXPECT_THAT(*scored, ElementsAre(Hit{2, -2}, Hit{0, -2}));  // equal: as they were
  EXPECT_FALSE(Reranker(engine, texts).rerank("fail", hits, 2).ok());
}

TEST(SearchTask, IsTheFirstThatGivesSomethingToCompare) {
  ModelInfo info;
  info.tasks = {Task::kHidden, Task::kSparse, Task::kMultiVector};
  EXPECT_EQ(choose_search_task(info, {}).value(), Task::kMultiVector);
  EXPECT_EQ(choose_search_task(info, Task::kSparse).value(), Task::kSparse);
  EXPECT_EQ(choose_search_task(info, Task::kEmbed).status().code(), StatusCode::kInvalidArgument);
  info.tasks = {Task::kRerank};
  EXPECT_EQ(choose_search_task(info, {}).status().code(), StatusCode::kInvalidArgument);
}

TEST(CorpusVectors, AreComputedInTheCorpusOrder) {
  const test::TemporaryFolder folder;
  test::FakeEngine engine;
  Console console;
  const InputOptions corpus{.path = folder.write("c", "a\nbb\n\nccc")};
  const auto texts = read_corpus(corpus, console);
  EXPECT_THAT(*texts, ElementsAre("a", "bb", "", "ccc"));
  const auto vectors = CorpusVectors::compute(engine, *texts, {}, console);
  ASSERT_TRUE(vectors.ok()) << vectors.status().message();
  EXPECT_THAT(vectors->values(), ElementsAre(1, 'a', 1, 2, 'b', 1, 0, 0, 1, 3, 'c', 1));
  const InputOptions pairs{.path = folder.write("p", "[\"a\",\"b\"]\n"), .jsonl = true};
  EXPECT_THAT(read_corpus(pairs, console).status().message(), HasSubstr("line 1 is a pair"));
}

TEST(CorpusOrigin, TellsAnIndexOfOtherTextsOrAnotherModel) {
  const test::TemporaryFolder folder;
  const std::string index = folder.file("i.npy");
  ModelInfo info;
  info.path = "/models/a";
  info.embedding_size = 3;
  const std::vector<std::string> texts = {"a", "bb"};
  const std::string origin = corpus_origin(info, texts, {}, {});
  EXPECT_TRUE(check_origin(index, origin).ok());  // somebody's own matrix
  ASSERT_TRUE(write_origin(index, origin).ok());
  EXPECT_TRUE(check_origin(index, origin).ok());
  const std::vector<std::string> moved = {"ab", "b"};
  EXPECT_THAT(check_origin(index, corpus_origin(info, moved, {}, {})).message(),
              HasSubstr("another checksum of the texts"));
  EXPECT_THAT(check_origin(index, corpus_origin(info, texts, {}, {.prompt = "query: "})).message(),
              HasSubstr("another prompt (\"\", now \"query: \")"));
  info.path = "/models/b";
  EXPECT_EQ(check_origin(index, corpus_origin(info, texts, {}, {})).code(),
            StatusCode::kInvalidArgument);
}

TEST(SearchReport, IsJsonOrForPeople) {
  const std::vector<std::string> texts = {"first \"text\"", "two\nlines \x1b[2J",
                                          std::string(150, 'x')};
  const std::vector<Hit> hits = {{1, 0.5f}, {0, -2}};
  const auto parsed = json::parse(hits_json("q\"", hits, texts));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->as_object().at("query").as_string(), "q\"");
  const json::array& found = parsed->as_object().at("hits").as_array();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].as_object().at("index").as_int64(), 1);
  EXPECT_EQ(found[0].as_object().at("text").as_string(), texts[1]);
  EXPECT_EQ(found[1].as_object().at("score").to_number<float>(), -2);
  EXPECT_EQ(hits_text("q", hits, texts, Emphasis::kNone),
            "\nq\n   0.500  two…\n  -2.000  first \"text\"\n");
  const std::string shown = hits_text("q", std::vector<Hit>{{2, 1}}, texts, Emphasis::kTerminal);
  EXPECT_THAT(shown, HasSubstr("\033[1mq\033[0m"));
  EXPECT_THAT(shown, HasSubstr("  " + std::string(99, 'x') + "…\n"));
}

// --- The process ---

const std::string kModel = wde::test::fixture("models/mean_normalize");
const std::string kCorpus = wde::test::fixture("corpus.txt");

std::vector<std::string> lines_of(const std::string& file) {
  std::ifstream stream(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// A text of the corpus is its own nearest when both sides get the same prompt.
TEST(SearchBinary, FindsATextByItself) {
  const std::vector<std::string> corpus = lines_of(kCorpus);
  const test::TemporaryFolder folder;
  const std::vector<std::string> search = {
      "search",  "-m", kModel,     "--corpus", kCorpus, "--index", folder.file("i.npy"),
      "--top-k", "3",  "--prompt", ""};
  std::vector<std::string> arguments = search;
  arguments.push_back(corpus[7]);
  const Ended written = run_wde(arguments);
  ASSERT_EQ(written.exit_code, 0) << written.err;
  const auto line = json::parse(written.out);
  ASSERT_TRUE(line.ok()) << written.out;
  const json::array& hits = line->as_object().at("hits").as_array();
  ASSERT_EQ(hits.size(), 3u);
  EXPECT_EQ(hits[0].as_object().at("index").as_int64(), 7);
  EXPECT_EQ(hits[0].as_object().at("text").as_string(), corpus[7]);
  EXPECT_NEAR(hits[0].as_object().at("score").to_number<double>(), 1, 1e-5);
  EXPECT_EQ(NpyMatrix::open(folder.file("i.npy"))->rows(), static_cast<int64_t>(corpus.size()));

  const Ended read = run_wde(search, corpus[7] + "\n" + corpus[9] + "\n");
  ASSERT_EQ(read.exit_code, 0) << read.err;
  EXPECT_THAT(read.out, testing::StartsWith(written.out));
  EXPECT_EQ(std::count(read.out.begin(), read.out.end(), '\n'), 2);
}

std::vector<int64_t> found_by(std::vector<std::string> arguments) {
  const Ended ended = run_wde(arguments);
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  std::vector<int64_t> indices;
  const auto line = json::parse(ended.out);
  if (!line.ok()) return indices;
  for (const json::value& hit : line->as_object().at("hits").as_array()) {
    indices.push_back(hit.as_object().at("index").as_int64());
  }
  return indices;
}

// Each side of a Router by its own route, and sparse vectors: a text shares its words with itself.
TEST(SearchBinary, GoesByRoutesAndSparseVectors) {
  const test::TemporaryFolder folder;
  const std::string corpus = folder.write("c", "bread and boats\nthe old bridge\n");
  const auto search = [&](const std::string& model) {
    return std::vector<std::string>{"search",   "-m",   wde::test::fixture(model),
                                    "--corpus", corpus, "the old bridge"};
  };
  EXPECT_EQ(found_by(search("folder_models/routed")).size(), 2u);
  EXPECT_EQ(found_by(search("folder_models/inference_free")).size(), 2u);
}

TEST(SearchBinary, ScoresTheBestAgain) {
  const test::TemporaryFolder folder;
  const std::string corpus = folder.write("c", "one\ntwo\nthree\nfour\nfive\n");
  const std::string reranker = wde::test::fixture("task_models/bert_rerank");
  const Ended scored = run_wde({"rerank", "-m", reranker, "--query", "two", corpus});
  ASSERT_EQ(scored.exit_code, 0) << scored.err;
  std::vector<int64_t> expected;
  std::istringstream lines(scored.out);
  for (std::string line; std::getline(lines, line) && expected.size() < 3;) {
    expected.push_back(json::parse(line)->as_object().at("index").as_int64());
  }
  EXPECT_EQ(found_by({"search", "-m", kModel, "--corpus", corpus, "--rerank", reranker, "--top-k",
                      "3", "two"}),
            expected);
}

// A file that can be read once only, as a shell's <(…) is.
TEST(SearchBinary, TheCorpusIsReadOnce) {
  const test::TemporaryFolder folder;
  const std::string fifo = folder.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::thread writer([&fifo] { std::ofstream(fifo) << "bread and boats\nthe old bridge\n"; });
  EXPECT_EQ(found_by({"search", "-m", kModel, "--corpus", fifo, "the old bridge"}).size(), 2u);
  const int reader =
      ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK);  // lets a writer go that still waits
  writer.join();
  ::close(reader);
}

TEST(SearchBinary, AnIndexOfOtherTextsIsRefused) {
  const test::TemporaryFolder folder;
  const std::string index = folder.file("i.npy");
  const auto search = [&](const std::string& corpus, const std::vector<std::string>& more,
                          const std::string& model = kModel) {
    std::vector<std::string> arguments = {
        "search", "-m", model, "--corpus", folder.write("c", corpus), "--index", index, "q"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_wde(arguments);
  };
  ASSERT_EQ(search("a\nb\n", {}).exit_code, 0);
  EXPECT_EQ(search("a\nb\n", {}).exit_code, 0);
  EXPECT_EQ(search("a\nb\n", {"--top-k", "1"}).exit_code, 0);  // no matter of the vectors
  const Ended edited = search("a\nc\n", {});
  EXPECT_EQ(edited.exit_code, 2);
  EXPECT_THAT(edited.err, HasSubstr("another checksum of the texts"));
  const std::string link = folder.file("link");
  std::filesystem::create_symlink(kModel, link);
  EXPECT_EQ(search("a\nb\n", {}, link).exit_code, 0) << "the same folder by another name";
  const Ended pooled = search("a\nb\n", {"--pooling", "cls"});
  EXPECT_EQ(pooled.exit_code, 2);
  EXPECT_THAT(pooled.err, HasSubstr("another pooling (\"mean\", now \"cls\")"));
}

TEST(SearchBinary, NotesOfAnIndexOverwriteNothingElse) {
  const test::TemporaryFolder folder;
  const std::string text = "\"a b\"\n\"c d\"\n";
  const std::string corpus = folder.write("p.origin.json", text);
  const std::string others = folder.write("q.origin.json", "{\"mine\":1}");
  for (const char* index : {"p", "q"}) {
    const Ended ended = run_wde({"search", "-m", kModel, "--corpus", corpus, "--jsonl", "--index",
                                 folder.file(index), "a"});
    EXPECT_EQ(ended.exit_code, 2) << index;
    EXPECT_THAT(ended.err, HasSubstr(".origin.json"));
  }
  EXPECT_EQ(test::content_of(corpus), text);
  EXPECT_EQ(test::content_of(others), "{\"mine\":1}");
}

TEST(SearchBinary, QueriesAreNotTheOutput) {
  const test::TemporaryFolder folder;
  const std::string queries = folder.write("q", "a\n");
  const std::string command = std::string(WDE_BINARY) + " search -m " + kModel + " --corpus " +
                              folder.write("c", "a\nb\n") + " -o " + queries + " < " + queries +
                              " 2> " + folder.file("err");
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 2);
  EXPECT_EQ(test::content_of(queries), "a\n");
}

TEST(SearchBinary, BadInputIsNamed) {
  const test::TemporaryFolder folder;
  const std::string two = folder.write("two.txt", "a\nb\n");
  const std::string both = folder.file("both");  // there is no such file yet
  const int columns = 24;
  const auto index = [&](const std::string& name, int64_t rows, int64_t width, float value) {
    const std::vector<float> values(static_cast<size_t>(rows * width), value);
    return folder.write(name, npy_header("<f4", rows, width) + bytes_of(values));
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const struct {
    std::vector<std::string> arguments;
    int exit_code;
    std::string said;
  } cases[] = {
      {{"search"}, 2, "no model is named"},
      {{"search", "-m", kModel}, 2, "--corpus"},
      {{"search", "-m", kModel, "--corpus", "-"}, 2, "stdin is for queries"},
      {{"search", "-m", kModel, "--corpus", "/nonexistent/c"}, 2, "/nonexistent/c"},
      {{"search", "-m", "/nonexistent/m", "--corpus", two, "q"}, 1, "/nonexistent/m"},
      {{"search", "-m", kModel, "--corpus", two, "--top-k", "0", "q"}, 2, "--top-k"},
      {{"search", "-m", kModel, "--corpus", two, "--rerank-top", "9", "q"}, 2, "--rerank"},
      {{"search", "-m", wde::test::fixture("folder_models/inference_free"), "--corpus", two,
        "--storage", "int8", "q"},
       2,
       "--storage"},
      {{"search", "-m", kModel, "--corpus", two, "--similarity", "cos", "q"}, 2, "--similarity"},
      {{"search", "-m", kModel, "--corpus", two, "--dimensions", "999", "q"}, 2, "999"},
      {{"search", "-m", kModel, "--corpus", two, "--index", index("d", 2, 5, 1), "q"},
       2,
       "vectors of 5"},
      {{"search", "-m", kModel, "--corpus", two, "--index", index("n", 3, columns, 1), "q"},
       2,
       "3 vectors, but the corpus has 2"},
      {{"search", "-m", kModel, "--corpus", two, "--index", index("x", 2, columns, nan), "q"},
       1,
       "row 0 holds NaN"},
      {{"search", "-m", kModel, "--corpus", two, "--index", folder.write("t", "\x93NUMPY"), "q"},
       1,
       "no .npy file"},
      {{"search", "-m", kModel, "--corpus", two, "--index", two, "q"}, 2, "is the corpus"},
      {{"search", "-m", kModel, "--corpus", two, "--index", "/nonexistent/i", "q"},
       2,
       "--index /nonexistent/i: can't be written"},
      {{"search", "-m", kModel, "--corpus", two, "-o", two, "q"}, 2, "is the input"},
      {{"search", "-m", kModel, "--corpus", two, "--index", both, "-o", both, "q"},
       2,
       "is the index"},
      {{"search", "-m", kModel, "--corpus", two, "--index", both, "-o", both + ".origin.json", "q"},
       2,
       "what --index notes"},
      {{"search", "-m", kModel, "--corpus", folder.write("b", "{"), "--jsonl", "q"}, 2, "line 1"},
  };
  for (const auto& wrong : cases) {
    const Ended ended = run_wde(wrong.arguments);
    EXPECT_EQ(ended.exit_code, wrong.exit_code) << wrong.said << "\n" << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(wrong.said));
    EXPECT_THAT(ended.out, IsEmpty());
  }
}

}  // namespace
}  // namespace wde::cli
