#include "schema/averaging.h"

#include <algorithm>
#include <numeric>

namespace wde::schema {

Averaging::Averaging(std::vector<int64_t> weights)
    : weights_(std::move(weights)),
      rows_(weights_.size()),
      queued_(weights_.size()),
      missing_(weights_.size()) {}

bool Averaging::add(size_t part, std::span<const float> row, int tokens,
                    const Timestamps& timestamps) {
  const bool first = missing_ == parts();
  rows_[part].assign(row.begin(), row.end());
  tokens_ += tokens;
  const Timestamps before = first ? timestamps : timestamps_;
  timestamps_ = timestamps;
  timestamps_.scheduled = std::min(before.scheduled, timestamps.scheduled);
  timestamps_.begin = std::min(before.begin, timestamps.begin);
  timestamps_.end = std::max(before.end, timestamps.end);
  return --missing_ == 0;
}

std::vector<float> Averaging::mean() const {
  std::vector<double> sum(rows_.front().size(), 0.0);
  for (size_t part = 0; part < parts(); ++part) {
    for (size_t i = 0; i < sum.size(); ++i) {
      sum[i] += static_cast<double>(weights_[part]) * rows_[part][i];
    }
  }
  const auto total =
      static_cast<double>(std::accumulate(weights_.begin(), weights_.end(), int64_t{0}));
  std::vector<float> mean(sum.size());
  std::transform(sum.begin(), sum.end(), mean.begin(),
                 [total](double x) { return static_cast<float>(x / total); });
  return mean;
}

}  // namespace wde::schema
