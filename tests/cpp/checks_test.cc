#include "checks.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "pyengine/error.h"

namespace pyengine {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

std::string Refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument) << e.what();
    return e.what();
  }
  return "";
}

TEST(Checks, SegmentOptions) {
  const auto refusal = [](const std::function<void(SegmentOptions&)>& change) {
    SegmentOptions options;
    change(options);
    return Refusal([&] { CheckOptions(options); });
  };
  EXPECT_EQ(refusal([](SegmentOptions&) {}), "");
  EXPECT_EQ(refusal([](SegmentOptions& o) { o.tile_width_px = -1; }),
            "tile 0 x -1 px must be positive");
  EXPECT_EQ(refusal([](SegmentOptions& o) { o.batch_size = -2; }), "batch_size -2 must be >= 1");
  EXPECT_EQ(refusal([](SegmentOptions& o) { o.max_memory_bytes = -1; }),
            "max_memory must be positive");
  EXPECT_EQ(refusal([](SegmentOptions& o) { o.mode = static_cast<TileMode>(4); }),
            "mode 4 must be from 0 to 3");
  EXPECT_EQ(refusal([](SegmentOptions& o) { o.padding = static_cast<PaddingMode>(-1); }),
            "padding -1 must be from 0 to 2");
  EXPECT_EQ(refusal([](SegmentOptions& o) { o.augmentation = static_cast<Augmentation>(9); }),
            "augmentation 9 must be from 0 to 3");
}

TEST(Checks, EngineOptions) {
  EngineOptions options;
  EXPECT_EQ(Refusal([&] { CheckOptions(options); }), "");
  options.accuracy = static_cast<Accuracy>(3);
  EXPECT_EQ(Refusal([&] { CheckOptions(options); }), "accuracy 3 must be from 0 to 2");
  options = {};
  options.on_mismatch = static_cast<OnMismatch>(3);
  EXPECT_EQ(Refusal([&] { CheckOptions(options); }), "on_mismatch 3 must be from 0 to 2");
}

TEST(Checks, Bands) {
  EXPECT_EQ(Refusal([] { CheckBand(100, {96, 100}); }), "");
  for (const Range& rows :
       {Range{0, 101}, {96, 5000}, {-16, 16}, {32, 32}, {48, 32}, {0, kMost}, {-kMost, kMost}})
    EXPECT_NE(Refusal([&] { CheckBand(100, rows); }), "") << rows.begin << " " << rows.end;
}

TEST(Checks, Results) {
  alignas(8) char memory[64];
  const auto refusal = [&](OutputKind kind, void* data, Range rows, int64_t width, int64_t stride,
                           int64_t classes = 2) {
    return Refusal([&] { CheckOutput(kind, data, rows, width, stride, classes); });
  };
  EXPECT_EQ(refusal(OutputKind::kLogits, memory, {3, 5}, 3, 3), "");
  EXPECT_EQ(refusal(OutputKind::kLabels, memory + 1, {3, 5}, 3, 30), "");
  EXPECT_EQ(refusal(OutputKind::kLabels, nullptr, {3, 5}, 3, 3), "the result has no memory");
  EXPECT_EQ(refusal(OutputKind::kLabels, memory, {3, 5}, 3, 2),
            "row_stride 2 is smaller than the width 3");
  EXPECT_EQ(refusal(static_cast<OutputKind>(3), memory, {3, 5}, 3, 3),
            "output 3 must be from 0 to 2");
  EXPECT_EQ(refusal(OutputKind::kLogits, memory + 2, {3, 5}, 3, 3),
            "scores must lie at a multiple of 4 bytes");
  const std::string overflow = "result: size overflows 64 bits";
  EXPECT_EQ(refusal(OutputKind::kLabels, memory, {3, 5}, 3, kMost), overflow);
  EXPECT_EQ(refusal(OutputKind::kLogits, memory, {0, 1 << 30}, 1 << 30, 1 << 30, 8), overflow);
  const OutputView out = CheckOutput(OutputKind::kLogits, memory, {3, 5}, 3, 3, 2);
  EXPECT_EQ(out.plane_stride, 6);
  EXPECT_EQ(out.first_row, 3);
}

}  // namespace
}  // namespace pyengine
