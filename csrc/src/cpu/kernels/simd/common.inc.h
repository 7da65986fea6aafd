// What a header of the standard library would give, and a hint to the caches.
#pragma once

static inline int64_t Smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

template <int N>
struct Constant {
  static constexpr int value = N;
};

// Stores of a kernel mostly meet lines that no cache of this core holds: asked for one register
// block ahead, they are there when it is finished.
static inline void PrefetchForStore(const float* p) {
  PYENGINE_PREFETCH_FOR_STORE(p);
}
