#include "tensorrt/plan_key.h"

#include "pyengine/error.h"

namespace pyengine {
namespace {

constexpr const char* kAny = "any";

std::string Px(int64_t height, int64_t width) {
  return std::to_string(height) + " x " + std::to_string(width) + " px";
}

std::string Differs(const char* field, const std::string& stored, const std::string& wanted) {
  return std::string(field) + ": the plan has " + stored + ", this needs " + wanted;
}

}  // namespace

PlanProfile ProfileFor(const NetworkGeometry& geometry, TileSize sample, TileSize tile,
                       int max_batch) {
  if (tile.height < 1 || tile.width < 1)
    throw Error(ErrorCode::kInvalidArgument,
                "tile " + Px(tile.height, tile.width) + " must be positive");
  if (max_batch < 1)
    throw Error(ErrorCode::kInvalidArgument,
                "batch " + std::to_string(max_batch) + " must be at least 1");
  if (!geometry.tileable)
    return {.min_height = sample.height,
            .min_width = sample.width,
            .max_height = sample.height,
            .max_width = sample.width,
            .max_batch = max_batch};
  const Window least = SmallestWindow(geometry, {.height = 1, .width = 1});
  const Window most = SmallestWindow(geometry, tile);
  return {.min_height = least.height,
          .min_width = least.width,
          .max_height = most.height,
          .max_width = most.width,
          .max_batch = max_batch};
}

PlanKey ParsePlanKey(const Json& json) {
  PlanKey key;
  key.flavour = json.At("flavour").String();
  key.version = json.At("version").String();
  key.compute_capability = json.At("compute_capability").String();
  key.gpu = json.At("gpu").String();
  key.precision = json.At("precision").String();
  key.onnx_sha256 = json.At("onnx_sha256").String();
  const auto size = [&](const char* name, int64_t& height, int64_t& width) {
    const auto& items = json.At(name).Items();
    if (items.size() != 2) json.At(name).Fail("must hold height and width");
    height = items[0].Int(1, 1 << 20);
    width = items[1].Int(1, 1 << 20);
  };
  PlanProfile& p = key.profile;
  size("min_size_px", p.min_height, p.min_width);
  size("max_size_px", p.max_height, p.max_width);
  p.max_batch = static_cast<int>(json.At("max_batch").Int(1, 1 << 20));
  return key;
}

std::string Mismatch(const PlanKey& stored, const PlanKey& wanted) {
  const auto fits = [](const std::string& has, const std::string& needs) {
    return has == kAny || has == needs;
  };
  if (stored.flavour != wanted.flavour) return Differs("flavour", stored.flavour, wanted.flavour);
  if (stored.version != wanted.version) return Differs("version", stored.version, wanted.version);
  if (!fits(stored.compute_capability, wanted.compute_capability))
    return Differs("compute_capability", stored.compute_capability, wanted.compute_capability);
  if (!fits(stored.gpu, wanted.gpu)) return Differs("gpu", stored.gpu, wanted.gpu);
  if (stored.precision != wanted.precision)
    return Differs("precision", stored.precision, wanted.precision);
  if (stored.onnx_sha256 != wanted.onnx_sha256)
    return Differs("onnx_sha256", stored.onnx_sha256, wanted.onnx_sha256);
  const PlanProfile &has = stored.profile, &needs = wanted.profile;
  if (has.min_height > needs.min_height || has.min_width > needs.min_width)
    return Differs("profile", "inputs from " + Px(has.min_height, has.min_width),
                   "from " + Px(needs.min_height, needs.min_width));
  if (has.max_height < needs.max_height || has.max_width < needs.max_width)
    return Differs("profile", "inputs up to " + Px(has.max_height, has.max_width),
                   "up to " + Px(needs.max_height, needs.max_width));
  if (has.max_batch < needs.max_batch)
    return Differs("profile", "batches up to " + std::to_string(has.max_batch),
                   "up to " + std::to_string(needs.max_batch));
  return "";
}

}  // namespace pyengine
