// The example does what a model must: it computes its formula on every device, from names with and
// without a prefix, and refuses by name what it lacks.
#include "example_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/registry.h"
#include "support/memory_weights.h"
#include "tensor/device_registry.h"

namespace wde::models {
namespace {

using testing::HasSubstr;

constexpr int64_t V = 7, C = 5, F = 3;

json::object config() {
  return json::parse(R"({"vocab_size": 7, "hidden_size": 5, "intermediate_size": 3})")
      .value()
      .as_object();
}

std::vector<float> numbers(int64_t count, float seed) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(std::sin(seed + static_cast<float>(i)));
  return values;
}

test::MemoryWeights make_weights(const std::string& prefix) {
  test::MemoryWeights weights;
  weights.set(prefix + "embedding.weight", {V, C}, numbers(V * C, 1));
  weights.set(prefix + "up.weight", {F, C}, numbers(F * C, 2));
  weights.set(prefix + "up.bias", {F}, numbers(F, 3));
  weights.set(prefix + "down.weight", {C, F}, numbers(C * F, 4));
  weights.set(prefix + "down.bias", {C}, numbers(C, 5));
  weights.set(prefix + "norm.weight", {C}, numbers(C, 6));
  weights.set(prefix + "norm.bias", {C}, numbers(C, 7));
  return weights;
}

// The formula, one token, in plain loops.
std::vector<double> expected_row(int32_t id) {
  const auto e = numbers(V * C, 1), w1 = numbers(F * C, 2), b1 = numbers(F, 3),
             w2 = numbers(C * F, 4), b2 = numbers(C, 5), g = numbers(C, 6), b = numbers(C, 7);
  const auto at = [](const std::vector<float>& v, int64_t i) { return double{v[size_t(i)]}; };
  std::vector<double> h, y;
  for (int64_t f = 0; f < F; ++f) {
    double sum = at(b1, f);
    for (int64_t c = 0; c < C; ++c) sum += at(w1, f * C + c) * at(e, id * C + c);
    h.push_back(std::max(sum, 0.0));
  }
  double mean = 0, variance = 0;
  for (int64_t c = 0; c < C; ++c) {
    double sum = at(b2, c) + at(e, id * C + c);
    for (int64_t f = 0; f < F; ++f) sum += at(w2, c * F + f) * h[size_t(f)];
    y.push_back(sum);
    mean += sum / C;
  }
  for (const double value : y) variance += (value - mean) * (value - mean) / C;
  for (int64_t c = 0; c < C; ++c) {
    double& value = y[size_t(c)];
    value = (value - mean) / std::sqrt(variance + 1e-5) * at(g, c) + at(b, c);
  }
  return y;
}

void expect_formula(const std::string& device_name, const std::string& prefix) {
  SCOPED_TRACE(device_name + " " + prefix);
  const std::shared_ptr<Device> device = create_device(device_name).value();
  const ops::OpTable& ops = *ops::choose_op_table(device->kind()).value();
  layers::ParameterStore store;
  layers::LoadContext load{.device = device, .ops = ops, .store = &store};
  const test::MemoryWeights weights = make_weights(prefix);
  const auto model = DeepAveragingModel::load(config(), weights, load);
  ASSERT_TRUE(model.ok()) << model.status().message();

  const std::vector<int32_t> ids = {6, 0, 3, 3};
  const auto T = static_cast<int64_t>(ids.size());
  const std::unique_ptr<Stream> stream = device->create_stream();
  const Storage on_device = device->allocate(ids.size() * sizeof(int32_t)).value();
  const Storage workspace = device->allocate(1 << 16).value();
  stream->copy_to_device(on_device.data(), ids.data(), ids.size() * sizeof(int32_t));
  Arena arena(workspace.data(), 1 << 16);
  ops::OpContext context{.stream = *stream, .ops = ops, .arena = arena};
  const layers::TokenBatch batch{.ids = TensorView::contiguous(on_device.data(), DType::kI32, {T})};
  const TensorView hidden = (*model)->forward(context, batch);
  std::vector<float> rows(static_cast<size_t>(T * C));
  stream->copy_to_host(rows.data(), hidden.data, rows.size() * sizeof(float));
  ASSERT_TRUE(stream->synchronize().ok());
  for (int64_t t = 0; t < T; ++t) {
    const std::vector<double> expected = expected_row(ids[size_t(t)]);
    for (int64_t c = 0; c < C; ++c)
      EXPECT_NEAR(rows[size_t(t * C + c)], expected[size_t(c)], 1e-5) << t << ", " << c;
  }
}

TEST(ExampleModel, ComputesItsFormulaOnEveryDevice) {
  for (const char* device : {"cpu", "emulated"}) {
    expect_formula(device, "");
    expect_formula(device, "encoder.");
  }
}

TEST(ExampleModel, RefusesByNameWhatItLacks) {
  json::object scaled = config();
  scaled["scale_embeddings"] = true;
  const Status status = DeepAveragingModel::traits(scaled).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("scale_embeddings"));
  json::object incomplete = config();
  incomplete.erase("hidden_size");
  EXPECT_THAT(DeepAveragingModel::traits(incomplete).status().message(), HasSubstr("hidden_size"));
}

}  // namespace
}  // namespace wde::models
