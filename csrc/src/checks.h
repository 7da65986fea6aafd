// What the facade asks of a call, beside its image, before anything below it runs.
#pragma once

#include <cstdint>

#include "core/range.h"
#include "pyengine/options.h"
#include "tiling/scores.h"

namespace pyengine {

// All throw Error(kInvalidArgument) with the value and the rule.

// Sizes, counts and enumerators. (Whether tiles, overlap and memory fit the image is for plans.)
void CheckOptions(const SegmentOptions& options);

// Enumerators, numbers, and what excludes each other.
void CheckOptions(const EngineOptions& options);

// What can be asked of a thread on any system; whether this one grants it shows when it starts.
void CheckOptions(const ThreadOptions& options);

// The options' region lies within the image.
void CheckRegion(const SegmentOptions& options, int64_t height, int64_t width);

// The options' foreground has the cells of such an image.
void CheckForeground(const SegmentOptions& options, int64_t height, int64_t width);

// `rows` are some of the image's.
void CheckBand(int64_t height, Range rows);

// Where results of `rows` x `width` pixels, from `first_column` on, go: labels in rows `row_stride`
// apart, or dense planes of scores, whose `row_stride` is the width.
OutputView CheckOutput(OutputKind kind, void* data, Range rows, int64_t width, int64_t row_stride,
                       int64_t classes, int64_t first_column = 0);

}  // namespace pyengine
