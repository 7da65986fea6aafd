// Images and results as dense memory, the way they cross to a device and back.
#pragma once

#include "core/range.h"
#include "pyengine/image_view.h"
#include "tiling/scores.h"

namespace pyengine {

// Results of `pixels` pixels [bytes].
int64_t OutputBytes(OutputKind kind, int64_t classes, int64_t pixels);

// Rows `rows` of `image` as (rows, width, channels), into `out`.
void Pack(const ImageView& image, Range rows, char* out);

// Those rows where they were packed, at `data`.
ImageView PackedView(const ImageView& image, Range rows, const void* data);

// Results of rows [row_begin, row_begin + rows), dense, from `in` to where the caller wants them.
void Unpack(const char* in, int64_t classes, int64_t rows, int64_t width, int64_t row_begin,
            const OutputView& out);

}  // namespace pyengine
