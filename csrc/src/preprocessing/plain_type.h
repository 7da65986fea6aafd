// The types of pixels below the facade, which brings all others to float32 (tiling/plain_pixels.h).
#pragma once

#include <cstdint>

#include "pyengine/image_view.h"

namespace pyengine {

// Calls `f` with a value of the C++ type that images of `type` store; not for types that are not
// plain.
template <class F>
void WithPlainType(PixelType type, const F& f) {
  switch (type) {
    case PixelType::kUint8:
      return f(uint8_t{});
    case PixelType::kUint16:
      return f(uint16_t{});
    case PixelType::kFloat32:
      return f(float{});
    case PixelType::kInt8:
    case PixelType::kInt16:
    case PixelType::kUint32:
    case PixelType::kInt32:
    case PixelType::kFloat64:
    case PixelType::kUint12LowFirst:
    case PixelType::kUint12HighFirst:
      return;
  }
}

}  // namespace pyengine
