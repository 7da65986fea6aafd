// The loop: gather a batch of windows, run the network, write finished rows.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "core/recent.h"
#include "core/thread_pool.h"
#include "graph/geometry.h"
#include "graph/head.h"
#include "graph/normalisation.h"
#include "pyengine/executor.h"
#include "pyengine/image_view.h"
#include "pyengine/tile_plan.h"
#include "tiling/scores.h"

namespace pyengine {

class Tiler {
 public:
  // `why_not_tileable` is told to callers who ask for tiles of a network that has none.
  Tiler(std::shared_ptr<Executor> executor, Normalisation normalisation, Head head,
        std::string why_not_tileable, std::shared_ptr<ThreadPool> pool);
  ~Tiler();

  TilePlan Plan(int64_t height, int64_t width, const SegmentOptions& options) const;

  // Rows of the image that the band [row_begin, row_end) needs, mirrored ones included.
  Range BandRows(int64_t height, int64_t width, int64_t row_begin, int64_t row_end,
                 const SegmentOptions& options) const;

  // Segments rows [row_begin, row_end). Exact mode: row_begin is a multiple of the tile height
  // and the view holds at least the rows the band needs. Other modes: the whole image.
  void Segment(const ImageView& image, int64_t row_begin, int64_t row_end, const OutputView& out,
               const SegmentOptions& options) const;

 private:
  struct Buffers;
  struct PlanKey;
  struct Layout;

  std::shared_ptr<const Layout> FindLayout(int64_t height, int64_t width,
                                           const SegmentOptions& options) const;
  void SegmentExact(const ImageView& image, int64_t row_begin, int64_t row_end,
                    const OutputView& out, const SegmentOptions& options) const;
  void SegmentAsOneTile(const ImageView& image, const OutputView& out,
                        const SegmentOptions& options) const;
  void SegmentBlended(const ImageView& image, const OutputView& out,
                      const SegmentOptions& options) const;
  void Gather(const ImageView& image, const SegmentOptions& options, int64_t y, int64_t x,
              int64_t height, int64_t width, float* window) const;
  void WriteTile(const float* logits, int64_t tile_height, int64_t tile_width, int64_t y, int64_t x,
                 int64_t rows, int64_t columns, const OutputView& out) const;
  // A list of one: nodes move between lists, so that lending allocates nothing.
  using Loan = std::list<Buffers>;
  Loan Borrow() const;
  void Return(Loan loan) const;

  std::shared_ptr<Executor> executor_;
  const NetworkGeometry net_;
  const Normalisation normalisation_;
  const Head head_;
  const std::string why_not_tileable_;
  std::shared_ptr<ThreadPool> pool_;

  mutable std::mutex mutex_;
  mutable Loan idle_;
  mutable Recent<PlanKey, std::shared_ptr<const Layout>> layouts_;
};

}  // namespace pyengine
