#include "tiling/checks.h"

#include <string>

#include "pyengine/error.h"

namespace pyengine {

int64_t ValueBytes(PixelType type) {
  return type == PixelType::kUint8 ? 1 : type == PixelType::kUint16 ? 2 : 4;
}

void CheckImage(const ImageView& image, const NetworkGeometry& network) {
  if (image.height < 1 || image.width < 1)
    throw Error(ErrorCode::kInvalidArgument, "the image is " + std::to_string(image.height) +
                                                 " x " + std::to_string(image.width) +
                                                 " px, needs at least 1 x 1");
  if (image.channels != network.channels)
    throw Error(ErrorCode::kInvalidArgument, "the image has " + std::to_string(image.channels) +
                                                 " channels, the network needs " +
                                                 std::to_string(network.channels));
  if (image.data == nullptr) throw Error(ErrorCode::kInvalidArgument, "the image has no data");
  const int64_t value_bytes = ValueBytes(image.type);
  for (int64_t stride :
       {image.row_stride_bytes, image.pixel_stride_bytes, image.channel_stride_bytes})
    if (stride % value_bytes != 0)
      throw Error(ErrorCode::kInvalidArgument, "stride " + std::to_string(stride) +
                                                   " bytes must be a multiple of the value's " +
                                                   std::to_string(value_bytes) + " bytes");
}

void CheckBand(int64_t height, int64_t row_begin, int64_t row_end) {
  if (row_begin < 0 || row_end > height || row_begin >= row_end)
    throw Error(ErrorCode::kInvalidArgument,
                "rows " + std::to_string(row_begin) + " to " + std::to_string(row_end) +
                    " are not within the image of " + std::to_string(height) + " rows");
}

void RequireRows(const ImageView& image, int64_t tile_height, int64_t row_begin, Range needed) {
  if (row_begin % tile_height != 0)
    throw Error(ErrorCode::kInvalidArgument, "row " + std::to_string(row_begin) +
                                                 " is not a multiple of the tile height " +
                                                 std::to_string(tile_height));
  if (image.first_row > needed.begin || image.first_row + image.rows < needed.end)
    throw Error(ErrorCode::kInvalidArgument,
                "rows " + std::to_string(needed.begin) + " to " + std::to_string(needed.end) +
                    " are needed, the view holds " + std::to_string(image.first_row) + " to " +
                    std::to_string(image.first_row + image.rows));
}

}  // namespace pyengine
