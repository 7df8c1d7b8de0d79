// One ragged batch on the CPU device for the attention tests: random q, k, v in one packed buffer
// with odd strides and an odd offset, an output whose gaps are watched, and an fp64 oracle.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "attention/attention.h"
#include "ops/registry.h"
#include "tensor/cpu_device.h"

namespace wde::attention::test {

constexpr float kCanary =
    12345.0f;  // exact in bf16's neighbourhood is not needed: bits are compared

inline std::vector<const ops::OpTableEntry*> cpu_tables() {
  std::vector<const ops::OpTableEntry*> tables;
  for (const ops::OpTableEntry& entry : ops::op_tables()) {
    if (entry.device_kind == "cpu") tables.push_back(&entry);
  }
  return tables;
}

// Where the operands lie, in elements: a packed [T, (H + 2 Hkv) D + gap] buffer.
struct Packing {
  int64_t offset = 1;
  int64_t gap = 3;
};

class RaggedCase {
 public:
  RaggedCase(const AttentionProblem& problem, const std::vector<int>& lengths, uint32_t seed = 1,
             float magnitude = 1.0f, Packing packing = {})
      : problem_(problem), packing_(packing) {
    cu_seqlens_.push_back(0);
    for (const int length : lengths) {
      cu_seqlens_.push_back(cu_seqlens_.back() + length);
      max_seqlen_ = std::max(max_seqlen_, length);
    }
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0f, magnitude);
    values_.resize(static_cast<size_t>(tokens() * qkv_columns()));
    for (float& value : values_) {
      value = normal(random);
      if (problem.dtype == DType::kBF16) value = to_f32(to_bf16(value));
    }
  }

  int64_t tokens() const { return cu_seqlens_.back(); }
  int64_t query_columns() const { return int64_t{problem_.heads} * problem_.head_size; }
  int64_t key_columns() const { return int64_t{problem_.kv_heads} * problem_.head_size; }
  int64_t qkv_columns() const { return query_columns() + 2 * key_columns(); }
  const AttentionProblem& problem() const { return problem_; }
  const std::vector<int32_t>& cu_seqlens() const { return cu_seqlens_; }
  float* row(int64_t token) { return values_.data() + token * qkv_columns(); }
  const float* row(int64_t token) const { return values_.data() + token * qkv_columns(); }

  // Sequences `order` of this case, as a case of their own.
  RaggedCase pick(const std::vector<size_t>& order) const {
    std::vector<int> lengths;
    for (const size_t b : order) lengths.push_back(cu_seqlens_[b + 1] - cu_seqlens_[b]);
    RaggedCase picked(problem_, lengths, 1, 1.0f, packing_);
    float* to = picked.values_.data();
    for (const size_t b : order) {
      const size_t count =
          static_cast<size_t>((cu_seqlens_[b + 1] - cu_seqlens_[b]) * qkv_columns());
      to = std::copy_n(row(cu_seqlens_[b]), count, to);
    }
    return picked;
  }

  // From now on, so many leading tokens of each sequence are keys.
  void limit_keys(std::vector<int32_t> counts) { key_counts_ = std::move(counts); }

  // From now on, only these queries of the one sequence are computed.
  void ask_only(TokenRange queries) { queries_ = queries; }

  // From now on, sequence b continues sequence continues[b]; -1: none.
  void continue_sequences(std::vector<int32_t> continues) {
    continues_ = std::move(continues);
    for (size_t b = 0; b < continues_.size(); ++b) {
      const auto length = [&](size_t s) { return cu_seqlens_[s + 1] - cu_seqlens_[s]; };
      if (continues_[b] < 0) continue;
      max_seqlen_ = std::max(max_seqlen_, length(static_cast<size_t>(continues_[b])) + length(b));
    }
  }

  // Whether a query at i sees the key at j of the same sequence, b.
  bool sees(size_t b, int64_t i, int64_t j) const {
    if (!key_counts_.empty() && j >= cu_seqlens_[b] + key_counts_[b]) return false;
    if (problem_.mask == MaskKind::kCausal && j > i) return false;
    if (problem_.window_left >= 0 && j < i - problem_.window_left) return false;
    return problem_.window_right < 0 || j <= i + problem_.window_right;
  }

  // f32 [queries, H D]; checks that nothing but the output's elements was written.
  std::vector<float> run(std::string_view backend, const ops::OpTable& ops,
                         ThreadPool* pool = nullptr, ops::Profile* profile = nullptr) const {
    const auto attention = create_attention(problem_, *create_cpu_device(), ops, backend);
    EXPECT_TRUE(attention.ok()) << attention.status().message();
    if (!attention.ok()) return {};
    return run(**attention, ops, pool, profile);
  }

  std::vector<float> run(const Attention& attention, const ops::OpTable& ops,
                         ThreadPool* pool = nullptr, ops::Profile* profile = nullptr) const {
    const std::shared_ptr<Device> device = create_cpu_device();
    const std::unique_ptr<Stream> stream = device->create_stream();
    const size_t workspace_bytes =
        attention.workspace_bytes(tokens(), static_cast<int64_t>(cu_seqlens_.size()) - 1,
                                  max_seqlen_, pool == nullptr ? 1 : pool->threads());
    const Storage workspace = device->allocate((workspace_bytes + 63) / 64 * 64).value();
    // NaN: whoever takes what nobody wrote is found.
    std::memset(workspace.data(), 0xff, workspace.size_bytes());
    Arena arena(workspace.data(), workspace.size_bytes());
    ops::OpContext context{
        .stream = *stream, .ops = ops, .arena = arena, .pool = pool, .profile = profile};
    std::vector<uint8_t> input = packed_input();
    std::vector<uint8_t> output = canaries();
    attend(context, attention, arguments(input.data(), output.data()));
    EXPECT_EQ(arena.used_bytes(), 0u);
    return unpack(output);
  }

  // f64 sums and exponentials of the (already rounded) inputs.
  std::vector<double> oracle() const {
    std::vector<double> out(static_cast<size_t>(tokens() * query_columns()));
    std::vector<double> scores(static_cast<size_t>(max_seqlen_));
    for (size_t b = 0; b + 1 < cu_seqlens_.size(); ++b) {
      for (int64_t i = cu_seqlens_[b]; i < cu_seqlens_[b + 1]; ++i) {
        for (int h = 0; h < problem_.heads; ++h) oracle_row(b, i, h, scores, out);
      }
    }
    return out;
  }

  AttentionArgs arguments(uint8_t* input, uint8_t* output) const {
    const size_t element_bytes = dtype_size_bytes(problem_.dtype);
    const int64_t stride = qkv_columns() + packing_.gap;
    TensorView qkv;
    qkv.data = input + static_cast<size_t>(packing_.offset) * element_bytes;
    qkv.dtype = problem_.dtype;
    qkv.shape = {tokens(), qkv_columns()};
    qkv.row_stride = stride;
    TensorView out = qkv;
    out.data = output + static_cast<size_t>(packing_.offset) * element_bytes;
    out.shape = {output_rows(), query_columns()};
    out.row_stride = query_columns() + packing_.gap;
    auto* boundaries = const_cast<int32_t*>(cu_seqlens_.data());
    return {
        .q = qkv.slice_columns(0, query_columns()),
        .k = qkv.slice_columns(query_columns(), key_columns()),
        .v = qkv.slice_columns(query_columns() + key_columns(), key_columns()),
        .out = out,
        .cu_seqlens = TensorView::contiguous(boundaries, DType::kI32,
                                             {static_cast<int64_t>(cu_seqlens_.size())}),
        .host_cu_seqlens = cu_seqlens_,
        .max_seqlen = max_seqlen_,
        .continues = TensorView::contiguous(const_cast<int32_t*>(continues_.data()), DType::kI32,
                                            {static_cast<int64_t>(continues_.size())}),
        .host_continues = continues_,
        .key_counts = TensorView::contiguous(const_cast<int32_t*>(key_counts_.data()), DType::kI32,
                                             {static_cast<int64_t>(key_counts_.size())}),
        .host_key_counts = key_counts_,
        .queries = queries_};
  }

  std::vector<uint8_t> packed_input() const {
    // Gaps hold NaN: whoever reads them into a result is found.
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> elements(buffer_elements(tokens(), qkv_columns()), nan);
    for (int64_t t = 0; t < tokens(); ++t) {
      const int64_t at = packing_.offset + t * (qkv_columns() + packing_.gap);
      std::memcpy(&elements[static_cast<size_t>(at)], row(t),
                  static_cast<size_t>(qkv_columns()) * sizeof(float));
    }
    return to_bytes(elements);
  }

  std::vector<uint8_t> canaries() const {
    return to_bytes(std::vector<float>(buffer_elements(output_rows(), query_columns()), kCanary));
  }

  std::vector<float> unpack(const std::vector<uint8_t>& output) const {
    std::vector<float> all(buffer_elements(output_rows(), query_columns()));
    convert_elements(output.data(), problem_.dtype, all.data(), DType::kF32, all.size());
    std::vector<float> result;
    const float canary = problem_.dtype == DType::kBF16 ? to_f32(to_bf16(kCanary)) : kCanary;
    for (size_t i = 0; i < all.size(); ++i) {
      const int64_t at = static_cast<int64_t>(i) - packing_.offset;
      const int64_t stride = query_columns() + packing_.gap;
      if (at >= 0 && at / stride < output_rows() && at % stride < query_columns()) {
        result.push_back(all[i]);
      } else {
        EXPECT_EQ(all[i], canary) << "written outside of the output, at element " << i;
      }
    }
    return result;
  }

 private:
  int64_t output_rows() const { return queries_.size() == 0 ? tokens() : queries_.size(); }

  // The last row has no gap behind it: reading past its end is an overflow that a sanitizer sees.
  size_t buffer_elements(int64_t rows, int64_t columns) const {
    return static_cast<size_t>(packing_.offset +
                               (rows == 0 ? 0 : rows * (columns + packing_.gap) - packing_.gap));
  }

  std::vector<uint8_t> to_bytes(const std::vector<float>& elements) const {
    std::vector<uint8_t> bytes(elements.size() * dtype_size_bytes(problem_.dtype));
    convert_elements(elements.data(), DType::kF32, bytes.data(), problem_.dtype, elements.size());
    return bytes;
  }

  // An element of a view on the host, by row and column.
  static double element(const TensorView& view, int64_t row, int64_t column) {
    const int64_t at = row * view.row_stride + column;
    if (view.dtype == DType::kBF16) return to_f32(view.as<const bf16>()[at]);
    return view.as<const float>()[at];
  }

  static int64_t column_of(int64_t columns, int64_t distance) {
    const int64_t radius = (columns - 1) / 2;
    return radius + std::min(std::max(distance, -radius), radius);
  }

  // Of query i and key j of one sequence, as the contract's formula says.
  double score(int64_t i, int64_t j, int h) const {
    const int64_t D = problem_.head_size;
    const int64_t k_column = query_columns() + h / (problem_.heads / problem_.kv_heads) * D;
    const TensorView& rows = problem_.disentangled.position_rows;
    const TensorView& pk = problem_.disentangled.position_keys;
    const TensorView& pq = problem_.disentangled.position_queries;
    const int64_t p =
        rows.data == nullptr ? 0 : rows.as<const int32_t>()[column_of(rows.rows(), i - j)];
    double dot = 0;
    for (int64_t d = 0; d < D; ++d) {
      const double q = row(i)[h * D + d], k = row(j)[k_column + d];
      dot += q * k;
      if (pk.data != nullptr) dot += q * element(pk, p, h * D + d);
      if (pq.data != nullptr) dot += k * element(pq, p, h * D + d);
    }
    double result = dot * problem_.scale;
    const TensorView& bias = problem_.distance_bias;
    if (bias.data != nullptr) result += element(bias, h, column_of(bias.shape[1], i - j));
    if (problem_.softcap > 0) result = problem_.softcap * std::tanh(result / problem_.softcap);
    return result;
  }

  void oracle_row(size_t b, int64_t i, int h, std::vector<double>& scores,
                  std::vector<double>& out) const {
    const int64_t D = problem_.head_size;
    const int64_t begin = cu_seqlens_[b];
    const int64_t end = cu_seqlens_[b + 1];
    const int64_t v_column =
        query_columns() + key_columns() + h / (problem_.heads / problem_.kv_heads) * D;
    double maximum = -std::numeric_limits<double>::infinity();
    for (int64_t j = begin; j < end; ++j) {
      if (!sees(b, i, j)) continue;
      scores[static_cast<size_t>(j - begin)] = score(i, j, h);
      maximum = std::max(maximum, scores[static_cast<size_t>(j - begin)]);
    }
    double* result = &out[static_cast<size_t>(i * query_columns() + h * D)];
    double sum = 0;
    for (int64_t j = begin; j < end; ++j) {
      if (!sees(b, i, j)) continue;
      const double p = std::exp(scores[static_cast<size_t>(j - begin)] - maximum);
      sum += p;
      for (int64_t d = 0; d < D; ++d) result[d] += p * row(j)[v_column + d];
    }
    for (int64_t d = 0; d < D; ++d) result[d] /= sum;
  }

  AttentionProblem problem_;
  Packing packing_;
  std::vector<int32_t> cu_seqlens_;
  std::vector<int32_t> key_counts_;  // empty: every token is a key
  std::vector<int32_t> continues_;   // empty: none does
  TokenRange queries_;               // empty: all
  int max_seqlen_ = 0;
  std::vector<float> values_;  // [T, (H + 2 Hkv) D]
};

inline double max_error(const std::vector<float>& actual, const std::vector<double>& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double error = 0;
  for (size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    const double difference = std::abs(actual[i] - expected[i]);
    if (!(difference <= error)) error = difference;  // keeps a NaN
  }
  return error;
}

}  // namespace wde::attention::test
