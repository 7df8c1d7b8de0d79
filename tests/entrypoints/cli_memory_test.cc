// `wde bench --memory`: what is planned is what a process then holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "entrypoints/cli_process.h"
#include "support/paths.h"

namespace wde::cli {
namespace {

using test::Ended;
using test::run_wde;

constexpr int64_t kLayers = 12, kHidden = 512, kFeedForward = 2048, kHeads = 8, kHeadSize = 64;
constexpr int64_t kVocabulary = 307;  // as the fixture's tokenizer has it

// Names and extents of a Qwen3's tensors, some 50 M numbers.
std::vector<std::pair<std::string, std::vector<int64_t>>> tensors() {
  const int64_t heads = kHeads * kHeadSize;
  std::vector<std::pair<std::string, std::vector<int64_t>>> tensors = {
      {"embed_tokens", {kVocabulary, kHidden}}, {"norm", {kHidden}}};
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const std::string prefix = "layers." + std::to_string(layer) + ".";
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
      tensors.push_back({prefix + norm, {kHidden}});
    for (const char* norm : {"self_attn.q_norm", "self_attn.k_norm"})
      tensors.push_back({prefix + norm, {kHeadSize}});
    for (const char* projection : {"q_proj", "k_proj", "v_proj"})
      tensors.push_back({prefix + "self_attn." + projection, {heads, kHidden}});
    tensors.push_back({prefix + "self_attn.o_proj", {kHidden, heads}});
    tensors.push_back({prefix + "mlp.gate_proj", {kFeedForward, kHidden}});
    tensors.push_back({prefix + "mlp.up_proj", {kFeedForward, kHidden}});
    tensors.push_back({prefix + "mlp.down_proj", {kHidden, kFeedForward}});
  }
  return tensors;
}

// A folder of that shape whose weights, bf16, are all zero: a file without blocks on the disk.
void write_model(const test::TemporaryFolder& folder) {
  const std::string fixture = wde::test::fixture("models/qwen3") + "/";
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    std::filesystem::copy_file(fixture + name, folder.file(name));
  json::object config = json::parse_file(fixture + "config.json").value().as_object();
  config["hidden_size"] = kHidden;
  config["intermediate_size"] = kFeedForward;
  config["num_hidden_layers"] = kLayers;
  config["num_attention_heads"] = config["num_key_value_heads"] = kHeads;
  config["head_dim"] = kHeadSize;
  config.erase("layer_types");
  folder.write("config.json", boost::json::serialize(config));
  json::object header;
  uint64_t end = 0;
  for (const auto& [name, extents] : tensors()) {
    uint64_t bytes = 2;
    json::array shape;
    for (const int64_t extent : extents) {
      bytes *= static_cast<uint64_t>(extent);
      shape.emplace_back(extent);
    }
    header[name + ".weight"] = {
        {"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {end, end + bytes}}};
    end += bytes;
  }
  std::string text = boost::json::serialize(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  const uint64_t header_bytes = text.size();
  std::memcpy(length.data(), &header_bytes, sizeof header_bytes);
  const std::string path = folder.write("model.safetensors", length + text);
  std::filesystem::resize_file(path, 8 + header_bytes + end);
}

TEST(Memory, PlanIsWithinFivePercentOfWhatIsResident) {
#ifdef WDE_SANITIZED
  GTEST_SKIP() << "sanitizers take memory of their own";
#endif
  const test::TemporaryFolder folder;
  write_model(folder);
  const Ended ended = run_wde({"bench", "-m", folder.file("."), "--memory", "--dtype", "f32,bf16",
                               "--max-batch-tokens", "480", "--json", "-"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const auto reports = json::parse(ended.out);
  ASSERT_TRUE(reports.ok()) << ended.out;
  ASSERT_EQ(reports->as_array().size(), 2u);
  for (const json::value& value : reports->as_array()) {
    const json::object& report = value.as_object();
    SCOPED_TRACE(boost::json::serialize(report));
    const auto number = [&](const char* field) { return report.at(field).to_number<double>(); };
    EXPECT_GT(number("ratio"), 0.95);
    EXPECT_LT(number("ratio"), 1.05);
    EXPECT_EQ(number("planned_bytes"),
              number("weight_bytes") + number("workspace_bytes") + number("tokenizer_bytes"));
    EXPECT_EQ(number("mapped_bytes"), 2.0 * kVocabulary * kHidden);
    const double element = report.at("dtype").as_string() == "f32" ? 4 : 2;
    EXPECT_GT(number("resident_anonymous_bytes"), element * 50e6);
    EXPECT_GT(number("queue_bytes"), 4096.0 * 120 * 4);
  }
}

TEST(Memory, OfATinyModelAsATable) {
  const std::string model = wde::test::fixture("models/mean_normalize");
  const Ended ended = run_wde({"bench", "-m", model, "--memory", "--max-batch-tokens", "256"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  for (const char* row : {"weights in memory", "workspace and batches", "tokenizer", "anonymous",
                          "mapped tables", "in all", "waiting texts", "without the engine"}) {
    EXPECT_THAT(ended.out, testing::HasSubstr(row));
  }
  EXPECT_EQ(run_wde({"bench", "-m", model, "--memory", "--profile"}).exit_code, 2);
  EXPECT_EQ(run_wde({"bench", "-m", model, "--memory", "--dtype", "f12"}).exit_code, 2);
}

}  // namespace
}  // namespace wde::cli
