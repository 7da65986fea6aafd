// Percentiles of durations, and whether they grew in the course of a run.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace scanner {

class Durations {
 public:
  explicit Durations(size_t room) { all_.reserve(room); }

  void Add(int64_t duration_ns) { all_.push_back(duration_ns); }

  // In milliseconds; `share` from 0 to 1.
  double Percentile(double share) const { return Percentile(all_, share); }

  // The same of each tenth of the run.
  std::vector<double> ByTenth(double share) const {
    std::vector<double> tenths;
    for (size_t i = 0; i < 10 && all_.size() >= 10; ++i)
      tenths.push_back(
          Percentile({all_.begin() + static_cast<std::ptrdiff_t>(i * all_.size() / 10),
                      all_.begin() + static_cast<std::ptrdiff_t>((i + 1) * all_.size() / 10)},
                     share));
    return tenths;
  }

 private:
  static double Percentile(std::vector<int64_t> durations, double share) {
    if (durations.empty()) return 0;
    const auto rank = static_cast<size_t>(share * static_cast<double>(durations.size() - 1) + 0.5);
    std::nth_element(durations.begin(), durations.begin() + static_cast<std::ptrdiff_t>(rank),
                     durations.end());
    return static_cast<double>(durations[rank]) / 1e6;
  }

  std::vector<int64_t> all_;
};

}  // namespace scanner
