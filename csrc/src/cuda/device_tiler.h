// The tiler whose pixels never leave the GPU between one copy in and one copy out.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "cuda/device.h"
#include "graph/geometry.h"
#include "graph/head.h"
#include "graph/normalisation.h"
#include "pyengine/executor.h"
#include "pyengine/image_view.h"
#include "pyengine/tile_plan.h"
#include "tiling/scores.h"

namespace pyengine {

// The same contract as Tiler's. Exact mode is for networks with tiles: all tiles of an image
// have one size, so that a captured graph of the network serves them all; what lies beyond the
// image is mirrored there and not written.
//
// Two streams take turns with batches of tiles: one gathers while the other computes. A call from
// the host packs the image into pinned memory, enqueues everything, and waits once. Images whose
// pixels and results exceed the memory budget go by bands of whole rows of tiles, each so.
//
// Thread-safe: a call borrows a session (streams, lanes of the network, buffers), made when all are
// in use; nothing is allocated once as many exist as calls run at a time and each has met the
// largest image.
class DeviceTiler {
 public:
  DeviceTiler(std::shared_ptr<Device> device, std::shared_ptr<DeviceNetwork> network,
              const NetworkGeometry& geometry, const Normalisation& normalisation, Head head);
  ~DeviceTiler();

  // Runs the network once on each stream of a session, so that the first image need not wait for
  // kernels to be loaded, memory to be found and graphs to be captured.
  void WarmUp() const;

  TilePlan Plan(int64_t height, int64_t width, const SegmentOptions& options) const;

  // Rows of the image that the band [row_begin, row_end) needs, mirrored ones included.
  Range BandRows(int64_t height, int64_t width, int64_t row_begin, int64_t row_end,
                 const SegmentOptions& options) const;

  // Segments rows [row_begin, row_end), `image` and `out` in host memory; blocks. row_begin is a
  // multiple of the tile height and the view holds at least the rows the band needs.
  void Segment(const ImageView& image, int64_t row_begin, int64_t row_end, const OutputView& out,
               const SegmentOptions& options) const;

  // Overlapping windows, their logits averaged by weights on the device; host memory, blocks. A
  // network without tiles gets windows of the plan's only size. Sums of the whole image must fit
  // the memory budget: Error(kUnsupported) says how much they need.
  void SegmentBlended(const ImageView& image, const OutputView& out,
                      const SegmentOptions& options) const;

  // `image` and `out` in memory that the device reaches, else Error(kInvalidArgument); enqueued on
  // the caller's stream; does not block.
  // The progress callback is told when tiles are enqueued.
  void SegmentOnDevice(const ImageView& image, const OutputView& out, const SegmentOptions& options,
                       void* stream) const;

  // The network itself, as Executor::Run; host memory, blocks.
  void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) const;

 private:
  struct Session;
  using Loan = std::list<Session>;

  Loan Borrow() const;
  void Return(Loan loan) const;
  // What memory a call may take on the device [bytes].
  int64_t Budget(const SegmentOptions& options) const;
  // Of one stream's batch: windows, logits [bytes].
  std::pair<size_t, size_t> BatchBytes(const TilePlan& plan) const;
  // Rows [row_begin, row_end) of the result, on the session's two streams.
  void Enqueue(Session& session, const TilePlan& plan, const ImageView& image,
               const OutputView& out, int64_t row_begin, int64_t row_end,
               const SegmentOptions& options) const;

  std::shared_ptr<Device> device_;
  std::shared_ptr<DeviceNetwork> network_;
  const NetworkGeometry net_;
  const Head head_;
  DeviceBuffer scales_;  // of each channel: gain, offset; then 1 and 0, for input as it is

  mutable std::mutex mutex_;
  mutable Loan idle_;
};

}  // namespace pyengine
