#include "preprocessing/percentile.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace pyengine {

PercentileRanks RanksOf(double fraction, int64_t n, PercentileRule rule) {
  const int64_t last = n - 1;
  if (rule == PercentileRule::kInvertedCdf) {
    const auto rank = static_cast<int64_t>(std::ceil(fraction * double(n) - 1));
    const int64_t within = std::clamp<int64_t>(rank, 0, last);
    return {.rank = within, .next = within, .weight = 0};
  }
  const double at = fraction * double(last);
  const int64_t rank = std::clamp<int64_t>(static_cast<int64_t>(at), 0, last);
  return {.rank = rank, .next = std::min(rank + 1, last), .weight = at - double(rank)};
}

uint32_t OrderedBits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

float FloatOfOrderedBits(uint32_t bits) {
  return std::bit_cast<float>(bits >> 31 ? bits & 0x7FFFFFFFu : ~bits);
}

RankSearch::RankSearch(const std::vector<int64_t>& ranks) {
  for (int64_t rank : ranks) found_.push_back({.prefix = 0, .rank = rank});
  FindPrefixes();
}

void RankSearch::FindPrefixes() {
  prefixes_.clear();
  for (const Found& found : found_) prefixes_.push_back(found.prefix);
  std::sort(prefixes_.begin(), prefixes_.end());
  prefixes_.erase(std::unique(prefixes_.begin(), prefixes_.end()), prefixes_.end());
}

void RankSearch::EndPass(const int64_t* counts) {
  for (Found& found : found_) {
    const auto table = std::lower_bound(prefixes_.begin(), prefixes_.end(), found.prefix);
    const int64_t* count = counts + (table - prefixes_.begin()) * kTableSize;
    uint64_t digit = 0;
    for (; found.rank >= count[digit]; ++digit) found.rank -= count[digit];
    found.prefix = found.prefix << kBits[static_cast<size_t>(pass_)] | digit;
  }
  ++pass_;
  FindPrefixes();
}

}  // namespace pyengine
