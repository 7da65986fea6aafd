// Whether results of layers are looked at for NaN and infinity.
#pragma once

#include <cstdint>

namespace pyengine {

// While it lives, networks that this thread runs look at what their layers give.
class FiniteCheckScope {
 public:
  explicit FiniteCheckScope(bool wanted);
  ~FiniteCheckScope();
  FiniteCheckScope(const FiniteCheckScope&) = delete;
  FiniteCheckScope& operator=(const FiniteCheckScope&) = delete;

  static bool Wanted();

 private:
  bool outer_;
};

// Whether none of `count` values is NaN or infinite.
bool AreFinite(const float* values, int64_t count);

}  // namespace pyengine
