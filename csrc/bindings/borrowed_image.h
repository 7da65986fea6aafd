// Arrays as the library's views, without copies.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>

#include "pyengine/image_view.h"

namespace pyengine {

// Pixels that a Python object owns, which lives as long as this.
struct BorrowedImage {
  ImageView view;
  pybind11::object owner;
};

// A (H, W) or (H, W, C) array of uint8, uint16 or float32, any strides. Shape and dtype were
// checked in Python, whose messages name them; a mistake here is a defect.
// `height` > 0: the array holds rows of an image of that height, from `first_row` on.
BorrowedImage Borrow(const pybind11::array& array, int64_t first_row, int64_t height);

// An array in the memory of a GPU; shape and strides are of (H, W, C).
BorrowedImage BorrowFromDevice(uintptr_t pointer, PixelType type, const pybind11::tuple& shape,
                               const pybind11::tuple& strides_bytes, pybind11::object owner);

void BindBorrowedImage(pybind11::module_& m);

}  // namespace pyengine
