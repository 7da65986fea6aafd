// The segmenter of the host: any executor, images and results in its memory.
#pragma once

#include <memory>

#include "tiling/segmenter.h"
#include "tiling/tile_layout.h"
#include "tiling/window_runner.h"

namespace pyengine {

class Tiler final : public Segmenter {
 public:
  Tiler(std::shared_ptr<Executor> executor, const SegmentationModel& model,
        std::shared_ptr<ThreadPool> pool);

  TilePlan Plan(int64_t height, int64_t width, const SegmentOptions& options) const override;
  Range BandRows(int64_t height, int64_t width, Range rows,
                 const SegmentOptions& options) const override;
  void Segment(const CheckedImage& image, Range rows, const OutputView& out,
               const SegmentOptions& options) const override;
  void SegmentVolume(const VolumeImage& volume, const VolumeOutput& output,
                     const SegmentOptions& options) const override;
  bool CutsRegions(const SegmentOptions& options) const override {
    return options.mode == TileMode::kExact;
  }
  void Run(const float* in, float* out, int64_t n, TileSize size) const override;
  std::vector<OpTime> Profile(TileSize size, int passes) const override;
  MemoryUse Memory() const override { return runner_.Memory(); }
  void Trim() const override { runner_.Trim(); }

 private:
  WindowRunner runner_;
  const DefaultMemory memory_ = DefaultMemory::OfThisMachine();
  mutable TileLayouts layouts_;
};

}  // namespace pyengine
