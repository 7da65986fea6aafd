// Integer arithmetic that refuses to overflow, and divisions that round as geometry needs them.
#pragma once

#include <cstdint>
#include <limits>

#include "core/axes.h"
#include "pyengine/error.h"

namespace pyengine {

inline int64_t CheckedMul(int64_t a, int64_t b, const char* what) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  const bool overflows = a > 0 ? (b > 0 ? a > kMost / b : b < kLeast / a)
                               : (b > 0 ? a < kLeast / b : a != 0 && b < kMost / a);
  if (overflows)
    throw Error(ErrorCode::kInvalidArgument, std::string(what) + ": size overflows 64 bits");
  return a * b;
}

inline int64_t CheckedAdd(int64_t a, int64_t b, const char* what) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  if (b > 0 ? a > kMost - b : a < kLeast - b)
    throw Error(ErrorCode::kInvalidArgument, std::string(what) + ": size overflows 64 bits");
  return a + b;
}

inline int64_t CheckedProduct(const Axes& axes, const char* what) {
  return CheckedMul(axes.z, CheckedMul(axes.y, axes.x, what), what);
}

// Rounds towards minus infinity; b > 0.
inline int64_t FloorDiv(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && a < 0 ? 1 : 0);
}
// Rounds towards plus infinity; b > 0.
inline int64_t CeilDiv(int64_t a, int64_t b) {
  return -FloorDiv(-a, b);
}
// In [0, b); b > 0.
inline int64_t FloorMod(int64_t a, int64_t b) {
  return a - FloorDiv(a, b) * b;
}
inline int64_t RoundUp(int64_t a, int64_t b) {
  return CeilDiv(a, b) * b;
}

}  // namespace pyengine
