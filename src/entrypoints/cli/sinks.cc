#include "entrypoints/cli/sinks.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json.h"
#include "entrypoints/answer_json.h"

namespace wde::cli {
namespace {

static_assert(std::endian::native == std::endian::little,
              "npy and f32 are written as they lie in memory");

constexpr size_t kNpyHeaderBytes = 128;

// How one row of numbers is spelled.
class RowWriter {
 public:
  RowWriter(Output& output, EmbedFormat format, int64_t columns)
      : output_(output),
        format_(format),
        held_(format.format == Format::kNpy && !output.rewritable()) {
    const bool packed =
        format.dtype == OutputDType::kBinary || format.dtype == OutputDType::kUbinary;
    columns_ = packed ? (columns + 7) / 8 : columns;
  }

  Status begin() {
    if (format_.format != Format::kNpy || held_) return {};
    return output_.write(header());
  }

  template <class T>
  Status row(std::span<const T> numbers) {
    ++rows_;
    if (format_.format == Format::kJson) return json_row(numbers);
    const std::string_view bytes(reinterpret_cast<const char*>(numbers.data()),
                                 numbers.size_bytes());
    if (!held_) return output_.write(bytes);
    data_ += bytes;
    return {};
  }

  // What went out so far can be read, should the process end here.
  Status flush() {
    if (format_.format != Format::kNpy || held_) return output_.flush();
    return rows_ == 0 ? Status() : output_.rewrite(0, header());
  }

  Status end() {
    if (held_) {
      WDE_RETURN_IF_ERROR(output_.write(header()));
      WDE_RETURN_IF_ERROR(output_.write(data_));
    }
    return rows_ == 0 ? output_.flush() : flush();
  }

 private:
  template <class T>
  Status json_row(std::span<const T> numbers) {
    std::string line;
    if constexpr (std::is_same_v<T, float>) {
      json::append_array(line, numbers);
    } else {
      line = fmt::format("[{}]", fmt::join(numbers, ","));
    }
    return output_.write(line += '\n');
  }

  std::string header() const {
    switch (format_.dtype) {
      case OutputDType::kFloat:
        return npy_header("<f4", rows_, columns_);
      case OutputDType::kInt8:
      case OutputDType::kBinary:
        return npy_header("|i1", rows_, columns_);
      case OutputDType::kUint8:
      case OutputDType::kUbinary:
        return npy_header("|u1", rows_, columns_);
    }
    return "";
  }

  Output& output_;
  const EmbedFormat format_;
  const bool held_;  // the rows wait in data_ for the header
  int64_t columns_ = 0;
  int64_t rows_ = 0;
  std::string data_;
};

// float, binary, ubinary: a row depends on nothing but its embedding.
class RowSink : public Sink {
 public:
  RowSink(Output& output, EmbedFormat format, int64_t columns)
      : rows_(output, format, columns), dtype_(format.dtype) {}

  Status begin() { return rows_.begin(); }

  Status write(Response response) override {
    const std::span<const float> values(response.values);
    if (dtype_ == OutputDType::kBinary) return rows_.row<int8_t>(quantize_binary(values));
    if (dtype_ == OutputDType::kUbinary) return rows_.row<uint8_t>(quantize_ubinary(values));
    return rows_.row<float>(values);
  }
  Status flush() override { return rows_.flush(); }
  Status finish() override { return rows_.end(); }

 private:
  RowWriter rows_;
  const OutputDType dtype_;
};

// int8, uint8: the ranges come from all the embeddings.
class CalibratedSink : public Sink {
 public:
  CalibratedSink(Output& output, EmbedFormat format, int64_t columns)
      : rows_(output, format, columns), dtype_(format.dtype), columns_(columns) {}

  Status begin() { return rows_.begin(); }

  Status write(Response response) override {
    values_.insert(values_.end(), response.values.begin(), response.values.end());
    return {};
  }
  Status flush() override { return {}; }

  Status finish() override {
    if (values_.empty()) return rows_.end();
    WDE_ASSIGN_OR_RETURN(const Ranges ranges, embedding_ranges(values_, columns_));
    const auto width = static_cast<size_t>(columns_);
    for (size_t at = 0; at < values_.size(); at += width) {
      const std::span<const float> row(values_.data() + at, width);
      WDE_RETURN_IF_ERROR(dtype_ == OutputDType::kInt8
                              ? rows_.row<int8_t>(quantize_int8(row, ranges))
                              : rows_.row<uint8_t>(quantize_uint8(row, ranges)));
    }
    return rows_.end();
  }

 private:
  RowWriter rows_;
  const OutputDType dtype_;
  const int64_t columns_;
  std::vector<float> values_;
};

class LineSink : public Sink {
 public:
  LineSink(Output& output, AppendAnswer append) : output_(output), append_(append) {}

  Status write(Response response) override {
    std::string line;
    append_(line, response);
    return output_.write(line += '\n');
  }
  Status flush() override { return output_.flush(); }
  Status finish() override { return output_.flush(); }

 private:
  Output& output_;
  const AppendAnswer append_;
};

class RankSink : public Sink {
 public:
  RankSink(Output& output, Ranking ranking) : output_(output), ranking_(ranking) {}

  Status write(Response response) override {
    const Ranked ranked{.index = count_++, .score = response.values.front()};
    if (ranking_ == Ranking::kAsTheyCome) return write_line(ranked);
    ranked_.push_back(ranked);
    return {};
  }
  Status flush() override { return output_.flush(); }

  Status finish() override {
    // A score that is no number is the worst.
    const auto key = [](const Ranked& entry) {
      return std::isnan(entry.score) ? -std::numeric_limits<float>::infinity() : entry.score;
    };
    std::stable_sort(ranked_.begin(), ranked_.end(),
                     [&](const Ranked& a, const Ranked& b) { return key(a) > key(b); });
    for (const Ranked& ranked : ranked_) WDE_RETURN_IF_ERROR(write_line(ranked));
    return output_.flush();
  }

 private:
  struct Ranked {
    size_t index = 0;
    float score = 0;
  };

  Status write_line(const Ranked& ranked) {
    std::string line = fmt::format("{{\"index\":{},\"score\":", ranked.index);
    json::append_number(line, ranked.score);
    return output_.write(line += "}\n");
  }

  Output& output_;
  const Ranking ranking_;
  size_t count_ = 0;
  std::vector<Ranked> ranked_;
};

template <class S>
Result<std::unique_ptr<Sink>> begun(std::unique_ptr<S> sink) {
  WDE_RETURN_IF_ERROR(sink->begin());
  return std::unique_ptr<Sink>(std::move(sink));
}

}  // namespace

Status check_embed_format(EmbedFormat format) {
  if (format.format != Format::kF32 || format.dtype == OutputDType::kFloat) return {};
  return invalid_argument_error(
      "--format f32 writes floats only: use npy or json for another --output-dtype");
}

Result<std::unique_ptr<Sink>> make_embed_sink(Output& output, EmbedFormat format, int64_t columns) {
  if (format.dtype == OutputDType::kInt8 || format.dtype == OutputDType::kUint8) {
    return begun(std::make_unique<CalibratedSink>(output, format, columns));
  }
  return begun(std::make_unique<RowSink>(output, format, columns));
}

std::unique_ptr<Sink> make_line_sink(Output& output, AppendAnswer append) {
  return std::make_unique<LineSink>(output, append);
}

void append_token_rows(std::string& line, const Response& response) {
  line += '[';
  entrypoints::append_rows(line, response.values, response.columns);
  line += ']';
}

std::unique_ptr<Sink> make_rank_sink(Output& output, Ranking ranking) {
  return std::make_unique<RankSink>(output, ranking);
}

std::string npy_header(std::string_view descr, int64_t rows, int64_t columns) {
  constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
  constexpr size_t kTextBytes = kNpyHeaderBytes - 10;
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}, {}), }}",
                                 descr, rows, columns);
  WDE_CHECK(text.size() < kTextBytes);
  text.resize(kTextBytes - 1, ' ');
  text += '\n';
  std::string header(kMagic);
  header += static_cast<char>(kTextBytes & 0xff);
  header += static_cast<char>(kTextBytes >> 8);
  return header + text;
}

}  // namespace wde::cli
