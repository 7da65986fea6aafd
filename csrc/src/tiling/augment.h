// Test-time augmentation: the mean of the logits over flips and quarter turns of an image.
//
// Networks trained on flipped and turned crops answer each of them a little differently; the mean
// is better than any. Every pass is a view of the same pixels with other strides, so that nothing
// is copied, and each is exact by itself: the mean does not depend on tiles either.
#pragma once

#include <functional>

#include "core/thread_pool.h"
#include "tiling/checked_image.h"
#include "tiling/scores.h"

namespace pyengine {

// Writes float logits of one view into dense planes.
using SegmentView =
    std::function<void(const CheckedImage& view, const OutputView& logits, const SegmentOptions&)>;

// Those of Augmentation::kMirror.
struct MirrorAxes {
  bool y = false, x = false;
};

// Runs `segment` on each view of a whole image, and writes the result of the mean logits to `out`.
// Holds two sets of logits of the whole image.
void SegmentAugmented(const CheckedImage& image, const OutputView& out,
                      const SegmentOptions& options, int64_t classes, Head head,
                      MirrorAxes mirror_axes, ThreadPool& pool, const SegmentView& segment);

}  // namespace pyengine
