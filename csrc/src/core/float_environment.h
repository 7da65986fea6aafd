// The floating-point settings under which the engine computes.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pyengine {

// While it lives, its thread rounds to nearest, keeps subnormal numbers and raises no signal, as
// every program does when it starts. A host may have set its own threads otherwise (flush to zero,
// traps on overflow): its calls would give other bits than those of workers, or end the process.
// What the host had set, status flags included, is back afterwards. Engine's methods hold one, and
// workers.
class [[maybe_unused]] DefaultFloatEnvironment {
#if defined(__x86_64__)
 public:
  DefaultFloatEnvironment() : before_(_mm_getcsr()) { _mm_setcsr(0x1F80); }
  ~DefaultFloatEnvironment() { _mm_setcsr(before_); }
  DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
  DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

 private:
  const unsigned before_;
#endif
};

}  // namespace pyengine
