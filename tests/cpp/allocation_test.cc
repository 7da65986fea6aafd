// Nothing is allocated after the first call. A program of its own, because it replaces operator
// new.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "pyengine/engine.h"

namespace {
std::atomic<int64_t> allocations{0};
}

void* operator new(size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, size_t) noexcept {
  std::free(p);
}

// glibc's own entry, so that aligned_alloc can be counted and passed on.
extern "C" void* __libc_memalign(size_t alignment, size_t size);
extern "C" void* aligned_alloc(size_t alignment, size_t size) noexcept {
  ++allocations;
  return __libc_memalign(alignment, size);
}

namespace pyengine {
namespace {

TEST(Allocation, NoneAfterTheFirstCall) {
  const Engine engine = Engine::Open(PYENGINE_TEST_DATA "/tiny.pyengine", {2, ""});
  const std::vector<uint8_t> pixels(120 * 90, 77);
  std::vector<uint8_t> labels(120 * 90);
  const ImageView view{pixels.data(), PixelType::kUint8, 120, 90, 1, 90, 1, 1, 0, 0};
  SegmentOptions options;
  options.tile_height_px = options.tile_width_px = 32;
  const auto calls = [&] {
    engine.SegmentLabels(view, labels.data(), 90, options);
    engine.SegmentLabels(view, labels.data(), 90);
  };
  calls();
  ASSERT_GT(allocations.load(), 100);  // the count works
  const int64_t before = allocations.load();
  for (int round = 0; round < 5; ++round) calls();
  EXPECT_EQ(allocations.load(), before);
}

}  // namespace
}  // namespace pyengine
