// Integer arithmetic that refuses to overflow, and divisions that round as geometry needs them.
#pragma once

#include <cstdint>

#include "pyengine/error.h"

namespace pyengine {

inline int64_t CheckedMul(int64_t a, int64_t b, const char* what) {
  int64_t r;
  if (__builtin_mul_overflow(a, b, &r))
    throw Error(ErrorCode::kInvalidArgument, std::string(what) + ": size overflows 64 bits");
  return r;
}

inline int64_t CheckedAdd(int64_t a, int64_t b, const char* what) {
  int64_t r;
  if (__builtin_add_overflow(a, b, &r))
    throw Error(ErrorCode::kInvalidArgument, std::string(what) + ": size overflows 64 bits");
  return r;
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
