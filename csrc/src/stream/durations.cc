#include "stream/durations.h"

#include <algorithm>

namespace pyengine {

Durations::Durations(int64_t last)
    : ages_(static_cast<size_t>(last)), computes_(ages_.size()), sorted_(ages_.size()) {}

void Durations::Add(int64_t age_ns, int64_t compute_ns) {
  const std::scoped_lock lock(mutex_);
  ages_[next_] = age_ns;
  computes_[next_] = compute_ns;
  next_ = (next_ + 1) % ages_.size();
  count_ = std::min(count_ + 1, ages_.size());
}

Percentiles Durations::Of(const std::vector<int64_t>& values) const {
  if (count_ == 0) return {};
  const auto end = sorted_.begin() + static_cast<std::ptrdiff_t>(count_);
  std::copy_n(values.begin(), count_, sorted_.begin());
  std::sort(sorted_.begin(), end);
  const auto at = [&](size_t percent) { return sorted_[(count_ * percent + 99) / 100 - 1]; };
  return {.p50_ns = at(50), .p90_ns = at(90), .p99_ns = at(99), .max_ns = at(100)};
}

Durations::Summary Durations::Summarise() const {
  const std::scoped_lock lock(mutex_);
  return {.count = static_cast<int64_t>(count_), .age = Of(ages_), .compute = Of(computes_)};
}

}  // namespace pyengine
