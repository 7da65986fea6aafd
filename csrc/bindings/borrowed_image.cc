#include "borrowed_image.h"

#include <utility>

namespace py = pybind11;
using namespace pybind11::literals;

namespace pyengine {
namespace {

PixelType TypeOf(const py::array& array) {
  if (py::isinstance<py::array_t<uint8_t>>(array)) return PixelType::kUint8;
  if (py::isinstance<py::array_t<uint16_t>>(array)) return PixelType::kUint16;
  if (py::isinstance<py::array_t<float>>(array)) return PixelType::kFloat32;
  throw py::type_error("image must be uint8, uint16 or float32");
}

}  // namespace

BorrowedImage Borrow(const py::array& array, int64_t first_row, int64_t height) {
  if (array.ndim() != 2 && array.ndim() != 3) throw py::value_error("image must have 2 or 3 axes");
  const bool planar = array.ndim() == 2;
  const ImageView view{
      .data = array.data(),
      .type = TypeOf(array),
      .height = height > 0 ? height : array.shape(0),
      .width = array.shape(1),
      .channels = planar ? 1 : array.shape(2),
      .row_stride_bytes = array.strides(0),
      .pixel_stride_bytes = array.strides(1),
      .channel_stride_bytes = planar ? array.itemsize() : array.strides(2),
      .first_row = first_row,
      .rows = array.shape(0),
  };
  return {.view = view, .owner = array};
}

BorrowedImage BorrowFromDevice(uintptr_t pointer, PixelType type, const py::tuple& shape,
                               const py::tuple& strides_bytes, py::object owner) {
  const ImageView view{
      .data = reinterpret_cast<const void*>(pointer),
      .type = type,
      .height = shape[0].cast<int64_t>(),
      .width = shape[1].cast<int64_t>(),
      .channels = shape[2].cast<int64_t>(),
      .row_stride_bytes = strides_bytes[0].cast<int64_t>(),
      .pixel_stride_bytes = strides_bytes[1].cast<int64_t>(),
      .channel_stride_bytes = strides_bytes[2].cast<int64_t>(),
  };
  return {.view = view, .owner = std::move(owner)};
}

void BindBorrowedImage(py::module_& m) {
  py::class_<BorrowedImage>(m, "BorrowedImage", "Pixels that a Python object owns.")
      .def(py::init(&Borrow), "array"_a.noconvert(), "first_row"_a = 0, "height"_a = 0)
      .def_static("on_device", &BorrowFromDevice, "pointer"_a, "type"_a, "shape"_a,
                  "strides_bytes"_a, "owner"_a);
}

}  // namespace pyengine
