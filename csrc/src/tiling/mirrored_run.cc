#include "tiling/mirrored_run.h"

#include "core/checked_math.h"

namespace pyengine {
namespace {

int64_t Floats(int64_t boxes, TileSize size) {
  return CheckedMul(CheckedMul(CheckedMul(boxes, size.depth, "windows"), size.height, "windows"),
                    size.width, "windows");
}

}  // namespace

MirroredRun::MirroredRun(const SegmentationModel& model, bool mirror, TileSize in, TileSize out,
                         int64_t batch, ThreadPool& pool)
    : channels_(model.geometry.channels),
      classes_(model.geometry.classes),
      in_(in),
      out_(out),
      flips_(mirror ? FlipsOf(model) : std::vector<Flip>()),
      pool_(pool) {
  if (flips_.empty()) return;
  turned_ = AlignedBuffer<float>(static_cast<size_t>(Floats(batch * channels_, in)));
  answer_ = AlignedBuffer<float>(static_cast<size_t>(Floats(batch * classes_, out)));
}

// In nnU-Net's order: single axes first.
std::vector<MirroredRun::Flip> MirroredRun::FlipsOf(const SegmentationModel& model) {
  std::vector<Flip> flips;
  for (const Flip flip : {Flip{.z = true}, Flip{.y = true}, Flip{.x = true},
                          Flip{.z = true, .y = true}, Flip{.z = true, .x = true},
                          Flip{.y = true, .x = true}, Flip{.z = true, .y = true, .x = true}})
    if (model.mirror_z >= flip.z && model.mirror_y >= flip.y && model.mirror_x >= flip.x)
      flips.push_back(flip);
  return flips;
}

void MirroredRun::Turn(const float* from, int64_t planes, TileSize size, Flip flip, bool add,
                       float* to) const {
  pool_.ParallelFor(planes * size.depth, [&](int64_t i) {
    const int64_t plane = i / size.depth, z = i % size.depth;
    const int64_t from_z = flip.z ? size.depth - 1 - z : z;
    for (int64_t y = 0; y < size.height; ++y) {
      const int64_t from_y = flip.y ? size.height - 1 - y : y;
      const float* in = from + ((plane * size.depth + from_z) * size.height + from_y) * size.width;
      float* out = to + (i * size.height + y) * size.width;
      for (int64_t x = 0; x < size.width; ++x) {
        const float value = in[flip.x ? size.width - 1 - x : x];
        out[x] = add ? out[x] + value : value;
      }
    }
  });
}

void MirroredRun::operator()(const Network& network, const float* windows, float* logits,
                             int64_t n) {
  network(windows, logits, n);
  if (flips_.empty()) return;
  for (const Flip& flip : flips_) {
    Turn(windows, n * channels_, in_, flip, false, turned_.data());
    network(turned_.data(), answer_.data(), n);
    Turn(answer_.data(), n * classes_, out_, flip, true, logits);
  }
  const auto passes = static_cast<float>(flips_.size() + 1);
  const int64_t count = Floats(n * classes_, out_);
  for (int64_t i = 0; i < count; ++i) logits[i] /= passes;
}

}  // namespace pyengine
