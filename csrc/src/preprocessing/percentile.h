// Percentiles of many numbers, exactly, without sorting or keeping them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "preprocessing/preprocessing.h"

namespace pyengine {

// A percentile of n sorted numbers is one of them, or lies between two: value + (next - value) *
// weight.
struct PercentileRanks {
  int64_t rank = 0, next = 0;
  double weight = 0;

  double Between(double value, double next_value) const {
    return value + (next_value - value) * weight;
  }
};
PercentileRanks RanksOf(double fraction, int64_t n, PercentileRule rule);

// The order of floats, as that of unsigned numbers.
uint32_t OrderedBits(float value);
float FloatOfOrderedBits(uint32_t bits);

// Finds numbers by rank in three passes over all numbers, from the highest digits of their ordered
// bits down. Counts are whole numbers: the order in which numbers come changes nothing.
class RankSearch {
 public:
  static constexpr int kPasses = 3;
  static constexpr int64_t kTableSize = 1 << 11;

  explicit RankSearch(const std::vector<int64_t>& ranks);

  // Tables of counts that one counter needs in this pass, kTableSize each.
  int64_t tables() const { return static_cast<int64_t>(prefixes_.size()); }
  // Counts a number into `counts`, tables() of them.
  void Count(float value, int64_t* counts) const {
    const uint64_t bits = OrderedBits(value), digit = bits >> kShift[pass_] & (kTableSize - 1);
    for (size_t t = 0; t < prefixes_.size(); ++t)
      if (bits >> kShift[pass_] >> kBits[pass_] == prefixes_[t])
        ++counts[t * kTableSize + (digit & ((1u << kBits[pass_]) - 1))];
  }
  // The counts of all numbers end this pass.
  void EndPass(const int64_t* counts);
  bool done() const { return pass_ == kPasses; }
  // The number of the i-th rank, once done.
  float Value(size_t i) const {
    return FloatOfOrderedBits(static_cast<uint32_t>(found_[i].prefix));
  }

 private:
  static constexpr std::array<int, kPasses> kBits = {11, 11, 10}, kShift = {21, 10, 0};

  struct Found {
    uint64_t prefix = 0;  // the digits found so far
    int64_t rank = 0;     // among the numbers that begin with them
  };
  void FindPrefixes();

  int pass_ = 0;
  std::vector<Found> found_;
  std::vector<uint64_t> prefixes_;  // of `found_`, each once
};

}  // namespace pyengine
