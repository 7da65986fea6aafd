// Rows of an image as numbers.
#pragma once

#include "preprocessing/normalisation.h"
#include "pyengine/image_view.h"

namespace pyengine {

// The first value of a row of a channel where it is stored.
const char* LineOf(const ImageView& image, int64_t channel, int64_t row);

// That row as the network takes it.
void ReadRow(const ImageView& image, int64_t channel, int64_t row, const Normalisation& n,
             float* out);

}  // namespace pyengine
