// An image in one piece: for networks whose every output pixel depends on all of it.
#pragma once

#include "tiling/window_runner.h"

namespace pyengine {

// `default_memory_bytes`: for options that do not say. Where it is too little, the executor keeps
// planes in a file. Throws Error(kUnsupported) if smaller tiles are asked for.
void SegmentWhole(const WindowRunner& runner, const CheckedImage& image, const OutputView& out,
                  const SegmentOptions& options, int64_t default_memory_bytes);

}  // namespace pyengine
