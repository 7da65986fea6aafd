// Volumes through a network over (z, y, x): exact boxes, the whole at once, or blended windows.
#pragma once

#include <cstdint>

#include "tiling/volume/slab_results.h"
#include "tiling/volume/volume_image.h"
#include "tiling/window_runner.h"

namespace pyengine {

// By the options' mode. Exact: bit for bit what one box gives; of networks without tiles, one box.
// Results leave in order, as soon as no later box or window touches them.
// Throws Error(kInvalidArgument) or Error(kUnsupported) for options that the network or the volume
// does not allow, before anything is computed.
void SegmentVolume(const WindowRunner& runner, const VolumeImage& volume,
                   const VolumeOutput& output, const SegmentOptions& options,
                   int64_t default_memory_bytes);

}  // namespace pyengine
