#include "tensorrt/plan_key.h"

#include <gtest/gtest.h>

#include <functional>

#include "pyengine/error.h"

namespace pyengine {
namespace {

PlanKey Key() {
  return {"tensorrt", "11.1.0", "9.0", "NVIDIA H200", "fp16", "abc", {96, 96, 608, 608, 8}};
}

struct Change {
  const char* field;
  std::function<void(PlanKey&)> apply;
};

class PlanKeyField : public testing::TestWithParam<Change> {};

TEST_P(PlanKeyField, IsNamedWhereItDiffers) {
  PlanKey stored = Key();
  GetParam().apply(stored);
  EXPECT_EQ(Mismatch(stored, Key()).rfind(std::string(GetParam().field) + ": the plan has ", 0), 0u)
      << Mismatch(stored, Key());
}

INSTANTIATE_TEST_SUITE_P(
    Every, PlanKeyField,
    testing::Values(Change{"flavour", [](PlanKey& k) { k.flavour = "tensorrt-rtx"; }},
                    Change{"version", [](PlanKey& k) { k.version = "11.0.0"; }},
                    Change{"compute_capability", [](PlanKey& k) { k.compute_capability = "8.0"; }},
                    Change{"gpu", [](PlanKey& k) { k.gpu = "NVIDIA A100"; }},
                    Change{"precision", [](PlanKey& k) { k.precision = "fp32"; }},
                    Change{"onnx_sha256", [](PlanKey& k) { k.onnx_sha256 = "abd"; }},
                    Change{"profile", [](PlanKey& k) { k.profile.min_height = 97; }},
                    Change{"profile", [](PlanKey& k) { k.profile.min_width = 97; }},
                    Change{"profile", [](PlanKey& k) { k.profile.max_height = 607; }},
                    Change{"profile", [](PlanKey& k) { k.profile.max_width = 607; }},
                    Change{"profile", [](PlanKey& k) { k.profile.max_batch = 7; }}));

TEST(PlanKey, FitsItselfAndWhatItsProfileCovers) {
  EXPECT_EQ(Mismatch(Key(), Key()), "");
  PlanKey smaller = Key();
  smaller.profile = {128, 128, 256, 256, 1};
  EXPECT_EQ(Mismatch(Key(), smaller), "");
}

TEST(PlanKey, PortablePlansFitEveryGpu) {
  PlanKey portable = Key();
  portable.gpu = portable.compute_capability = "any";
  EXPECT_EQ(Mismatch(portable, Key()), "");
  EXPECT_NE(Mismatch(Key(), portable), "");
}

TEST(PlanProfile, SpansTheSmallestTileToTheLargest) {
  NetworkGeometry g;
  g.before = 48, g.after = 44, g.alignment = 8;
  const PlanProfile p = ProfileFor(g, {256, 256}, {512, 200}, 4);
  EXPECT_EQ(p.min_height, SmallestWindow(g, {1, 1}).height);
  EXPECT_EQ(p.max_height, SmallestWindow(g, {512, 200}).height);
  EXPECT_EQ(p.max_width, SmallestWindow(g, {512, 200}).width);
  EXPECT_EQ(p.max_batch, 4);
}

TEST(PlanProfile, OfANetworkWithoutTilesIsItsSampleSize) {
  NetworkGeometry g;
  g.tileable = false;
  const PlanProfile p = ProfileFor(g, {128, 96}, {512, 512}, 2);
  EXPECT_EQ(p.min_height, 128);
  EXPECT_EQ(p.max_height, 128);
  EXPECT_EQ(p.max_width, 96);
}

TEST(PlanProfile, RefusesTilesAndBatchesBelowOne) {
  EXPECT_THROW(ProfileFor({}, {64, 64}, {0, 64}, 1), Error);
  EXPECT_THROW(ProfileFor({}, {64, 64}, {64, 64}, 0), Error);
}

}  // namespace
}  // namespace pyengine
