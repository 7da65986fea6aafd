// NumPy arrays as the library's views, without copies.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "pyengine/image_view.h"

namespace pyengine {

// A (H, W) or (H, W, C) array of uint8, uint16 or float32, any strides. Shape and dtype were
// checked in Python, whose messages name them; a mistake here is a defect.
ImageView ViewOf(const pybind11::array& image, int64_t full_height, int64_t first_row);

}  // namespace pyengine
