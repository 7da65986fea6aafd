#include "preprocessing/survey.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "preprocessing/percentile.h"
#include "pyengine/error.h"
#include "tiling/checked_image.h"

namespace pyengine {
namespace {

using Source = PreprocessingStep::Source;

std::vector<float> AwkwardFloats(size_t count) {
  std::mt19937 random(3);
  std::vector<float> values(count);
  for (float& v : values) {
    const float scale = std::ldexp(1.0f, static_cast<int>(random() % 200) - 100);
    v = (static_cast<float>(random() % 2000) - 1000) * scale;
  }
  values[0] = 0.0f, values[1] = -0.0f, values[2] = values[3];
  return values;
}

TEST(Percentile, RanksAreThoseOfSortedNumbers) {
  const std::vector<float> values = AwkwardFloats(999);
  std::vector<float> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const std::vector<int64_t> ranks = {0, 1, 500, 501, 998, 998};
  RankSearch search(ranks);
  for (int pass = 0; pass < RankSearch::kPasses; ++pass) {
    std::vector<int64_t> counts(static_cast<size_t>(search.tables() * RankSearch::kTableSize));
    for (float v : values) search.Count(v, counts.data());
    search.EndPass(counts.data());
  }
  ASSERT_TRUE(search.done());
  for (size_t i = 0; i < ranks.size(); ++i)
    EXPECT_EQ(search.Value(i), sorted[static_cast<size_t>(ranks[i])]) << i;
}

TEST(Percentile, RulesAreNumpys) {
  const PercentileRanks between = RanksOf(0.25, 4, PercentileRule::kLinear);
  EXPECT_EQ(between.rank, 0);
  EXPECT_EQ(between.next, 1);
  EXPECT_DOUBLE_EQ(between.weight, 0.75);
  EXPECT_EQ(RanksOf(1, 4, PercentileRule::kLinear).next, 3);
  EXPECT_EQ(RanksOf(0.5, 4, PercentileRule::kInvertedCdf).rank, 1);
  EXPECT_EQ(RanksOf(0.51, 4, PercentileRule::kInvertedCdf).rank, 2);
  EXPECT_EQ(RanksOf(0, 4, PercentileRule::kInvertedCdf).rank, 0);
}

// Two steps that depend on the image, the second on what the first made of it.
Preprocessing TwoSteps(bool together) {
  Preprocessing p;
  p.first = {.gain = {1, 0.5f}, .offset = {0, 3}};
  p.rest.push_back({.kind = PointStep::Kind::kClip,
                    .source = Source::kPercentileLimits,
                    .fixed = std::vector<PointStep>(2, {.kind = PointStep::Kind::kClip}),
                    .together = together,
                    .low = 0.1,
                    .high = 0.9,
                    .rule = PercentileRule::kInvertedCdf});
  p.rest.push_back({.kind = PointStep::Kind::kStandardise,
                    .source = Source::kMoments,
                    .together = together,
                    .eps = 1e-6});
  return p;
}

void ExpectSame(const Normalisation& a, const Normalisation& b) {
  ASSERT_EQ(a.then.size(), b.then.size());
  for (size_t s = 0; s < a.then.size(); ++s)
    for (size_t c = 0; c < a.then[s].size(); ++c) {
      EXPECT_EQ(a.then[s][c].a, b.then[s][c].a) << s << " " << c;
      EXPECT_EQ(a.then[s][c].b, b.then[s][c].b) << s << " " << c;
    }
}

TEST(Survey, BandsAndThreadsChangeNoBit) {
  constexpr int64_t kHeight = 57, kWidth = 43;
  std::mt19937 random(9);
  std::vector<float> floats(2 * kHeight * kWidth);
  std::vector<uint8_t> bytes(floats.size());
  for (size_t i = 0; i < floats.size(); ++i) {
    floats[i] = static_cast<float>(random() % 100000) / 777.0f;
    bytes[i] = static_cast<uint8_t>(random());
  }
  ThreadPool one(1), three(3);
  for (bool together : {false, true}) {
    const Preprocessing steps = TwoSteps(together);
    ImageView views[2] = {PlanarView(floats.data(), 2, kHeight, kWidth), {}};
    views[1] = {.data = bytes.data(),
                .type = PixelType::kUint8,
                .height = kHeight,
                .width = kWidth,
                .channels = 2,
                .row_stride_bytes = kWidth,
                .pixel_stride_bytes = 1,
                .channel_stride_bytes = kHeight * kWidth};
    for (ImageView& view : views) {
      view.rows = kHeight;
      const Normalisation whole = NormalisationFor(steps, view, one);
      for (int64_t band_rows : {1, 8, 57}) {
        Survey survey(steps, kHeight, three);
        while (survey.needs_image())
          for (int64_t y = 0; y < kHeight; y += band_rows) {
            ImageView band = view;
            band.first_row = y;
            band.rows = std::min(band_rows, kHeight - y);
            band.data = static_cast<const char*>(view.data) + y * view.row_stride_bytes;
            survey.See(band);
          }
        ExpectSame(survey.result(), whole);
      }
    }
  }
}

TEST(Survey, RowsComeInTheirOrder) {
  const std::vector<float> values(20, 1.0f);
  ThreadPool pool(1);
  const Preprocessing steps = [] {
    Preprocessing p = TwoSteps(true);
    p.first = {.gain = {1}, .offset = {0}};
    p.rest[0].fixed.resize(1);
    return p;
  }();
  Survey survey(steps, 10, pool);
  EXPECT_THROW(survey.result(), Error);
  ImageView rows = PlanarView(values.data(), 1, 10, 2);
  rows.first_row = 4;
  rows.rows = 6;
  EXPECT_THROW(survey.See(rows), Error);
}

}  // namespace
}  // namespace pyengine
