// Ranges of indices and their parts.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/checked_math.h"

namespace pyengine {

// Half-open range of indices.
struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool empty() const { return end <= begin; }
  void Include(Range other) {
    if (other.empty()) return;
    if (empty()) {
      *this = other;
      return;
    }
    if (other.begin < begin) begin = other.begin;
    if (other.end > end) end = other.end;
  }
};

// `range` extended to whole groups of `group` indices, counted from index 0.
inline Range WholeGroups(Range range, int64_t group) {
  return {.begin = FloorDiv(range.begin, group) * group, .end = CeilDiv(range.end, group) * group};
}

// Part i of n: as equal as can be where parts begin at multiples of `step` after the first.
inline Range EqualPart(Range all, int64_t i, int64_t n, int64_t step = 1) {
  const int64_t steps = CeilDiv(all.size(), step);
  const auto at = [&](int64_t k) { return std::min(all.end, all.begin + steps * k / n * step); };
  return {.begin = at(i), .end = at(i + 1)};
}

}  // namespace pyengine
