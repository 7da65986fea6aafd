// The clock of deadlines and ages: it never jumps.
#pragma once

#include <chrono>
#include <cstdint>

namespace pyengine {

inline int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace pyengine
