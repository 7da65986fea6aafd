#include "array_convert.h"

namespace py = pybind11;

namespace pyengine {

ImageView ViewOf(const py::array& image, int64_t full_height, int64_t first_row) {
  if (image.ndim() != 2 && image.ndim() != 3) throw py::value_error("image must have 2 or 3 axes");
  ImageView view;
  if (py::isinstance<py::array_t<uint8_t>>(image))
    view.type = PixelType::kUint8;
  else if (py::isinstance<py::array_t<uint16_t>>(image))
    view.type = PixelType::kUint16;
  else if (py::isinstance<py::array_t<float>>(image))
    view.type = PixelType::kFloat32;
  else
    throw py::type_error("image must be uint8, uint16 or float32");
  view.data = image.data();
  view.rows = image.shape(0);
  view.height = full_height > 0 ? full_height : view.rows;
  view.first_row = first_row;
  view.width = image.shape(1);
  view.row_stride_bytes = image.strides(0);
  view.pixel_stride_bytes = image.strides(1);
  view.channels = image.ndim() == 3 ? image.shape(2) : 1;
  view.channel_stride_bytes = image.ndim() == 3 ? image.strides(2) : image.itemsize();
  return view;
}

}  // namespace pyengine
