// The tiler whose pixels never leave the GPU between one copy in and one copy out.
#pragma once

#include <memory>
#include <utility>

#include "core/lender.h"
#include "cuda/device.h"
#include "tiling/segmenter.h"
#include "tiling/window_runner.h"

namespace pyengine {

// All tiles of an image have one size, so that a captured graph of the network serves them all;
// what lies beyond the image is mirrored there and not written.
//
// Two streams take turns with batches of tiles: one gathers while the other computes. A call from
// the host packs the image into pinned memory, enqueues everything, and waits once. Images whose
// pixels and results exceed the memory budget go by bands of whole rows of tiles, each so. Networks
// without tiles get the whole image, from windows that the host gathers.
//
// Thread-safe: a call borrows a session (streams, lanes of the network, buffers), made when all are
// in use; nothing is allocated once as many exist as calls run at a time and each has met the
// largest image.
class DeviceTiler final : public Segmenter, public DeviceArrays {
 public:
  DeviceTiler(std::shared_ptr<Device> device, std::shared_ptr<DeviceNetwork> network,
              const SegmentationModel& model, std::shared_ptr<ThreadPool> pool);
  ~DeviceTiler() override;

  // Runs the network once on each stream of a session, so that the first image need not wait for
  // kernels to be loaded, memory to be found and graphs to be captured.
  void WarmUp() const;

  TilePlan Plan(int64_t height, int64_t width, const SegmentOptions& options) const override;
  Range BandRows(int64_t height, int64_t width, Range rows,
                 const SegmentOptions& options) const override;

  // `image` and `out` in host memory; blocks.
  void Segment(const CheckedImage& image, Range rows, const OutputView& out,
               const SegmentOptions& options) const override;
  void Run(const float* in, float* out, int64_t n, TileSize size) const override;
  std::vector<OpTime> Profile(TileSize size, int passes) const override;

  const DeviceArrays* device_arrays() const override { return this; }
  void SegmentOnDevice(const CheckedImage& image, const OutputView& out,
                       const SegmentOptions& options, void* stream) const override;
  std::shared_ptr<void> AllocateOnDevice(size_t bytes) const override;
  void StreamWait(void* stream, void* awaited) const override;

 private:
  struct Session;
  class SettleOnError;

  Lender<Session>::Lease Borrow() const;
  // What memory a call may take on the device [bytes].
  int64_t Budget(const SegmentOptions& options) const;
  // Of one stream's batch: windows, logits [bytes].
  std::pair<size_t, size_t> BatchBytes(const TilePlan& plan) const;
  void SegmentExact(const CheckedImage& image, Range rows, const OutputView& out,
                    const SegmentOptions& options) const;
  // Overlapping windows, their logits averaged by weights on the device. A network without tiles
  // gets windows of the plan's only size. Sums of the whole image must fit the memory budget:
  // Error(kUnsupported) says how much they need.
  void SegmentBlended(const CheckedImage& image, const OutputView& out,
                      const SegmentOptions& options) const;
  // `rows` of the result, on the session's two streams.
  void Enqueue(Session& session, const TilePlan& plan, const ImageView& image,
               const OutputView& out, Range rows, const SegmentOptions& options) const;

  std::shared_ptr<Device> device_;
  std::shared_ptr<DeviceNetwork> network_;
  const NetworkGeometry net_;
  const Head head_;
  const std::string why_not_tileable_;
  DeviceBuffer scales_;  // of each channel: gain, offset; then 1 and 0, for input as it is
  WindowRunner whole_images_;
  mutable Lender<Session> sessions_;
};

}  // namespace pyengine
