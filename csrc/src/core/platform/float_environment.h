// The floating-point settings under which the engine computes.
#pragma once

#include <cstdint>

#include "core/compiler.h"

#if defined(PYENGINE_X86_64)
#include <immintrin.h>
#endif

namespace pyengine {

// A processor's register of floating-point settings: rounding, subnormal numbers, traps.
#if defined(PYENGINE_X86_64)
inline uint64_t FloatSettings() {
  return _mm_getcsr();
}
inline void SetFloatSettings(uint64_t settings) {
  _mm_setcsr(static_cast<unsigned>(settings));
}
constexpr uint64_t kDefaultFloatSettings = 0x1F80;  // all exceptions masked, nothing else
#elif defined(PYENGINE_ARM64)
#if defined(PYENGINE_GNU_ASM)
inline uint64_t FloatSettings() {
  uint64_t settings;
  __asm__ volatile("mrs %0, fpcr" : "=r"(settings));
  return settings;
}
inline void SetFloatSettings(uint64_t settings) {
  __asm__ volatile("msr fpcr, %0" : : "r"(settings));
}
#else
inline uint64_t FloatSettings() {
  return static_cast<uint64_t>(_ReadStatusReg(ARM64_FPCR));
}
inline void SetFloatSettings(uint64_t settings) {
  _WriteStatusReg(ARM64_FPCR, static_cast<__int64>(settings));
}
#endif
constexpr uint64_t kDefaultFloatSettings = 0;
#else
inline uint64_t FloatSettings() {
  return 0;
}
inline void SetFloatSettings(uint64_t) {}
constexpr uint64_t kDefaultFloatSettings = 0;
#endif

// While it lives, its thread rounds to nearest, keeps subnormal numbers and raises no signal, as
// every program does when it starts. A host may have set its own threads otherwise (flush to zero,
// traps on overflow): its calls would give other bits than those of workers, or end the process.
// What the host had set is back afterwards, on x86 with its status flags. Engine's methods hold
// one, and workers.
class [[maybe_unused]] DefaultFloatEnvironment {
 public:
  DefaultFloatEnvironment() : before_(FloatSettings()) { SetFloatSettings(kDefaultFloatSettings); }
  ~DefaultFloatEnvironment() { SetFloatSettings(before_); }
  DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
  DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

 private:
  const uint64_t before_;
};

}  // namespace pyengine
