// Pixels of any type as float32, for everything that knows uint8, uint16 and float32 alone.
#pragma once

#include <cstdint>

#include "core/aligned_buffer.h"
#include "core/lender.h"
#include "core/thread_pool.h"
#include "pyengine/image_view.h"

namespace pyengine {

// What becomes of a stored value.
struct SourceScale {
  double scale = 1, offset = 0;  // scale 0 stands for 1

  double factor() const { return scale == 0 ? 1 : scale; }
  bool none() const { return factor() == 1 && offset == 0; }
};

class PlainPixels {
 public:
  using Buffers = Lender<AlignedBuffer<float>>;

  // Borrows the image where it is plain already; else converts what is present of it, in a buffer
  // that later calls use again. Throws Error(kInvalidArgument) as CheckedImage.
  PlainPixels(const ImageView& image, int64_t channels, const SourceScale& source, ThreadPool& pool,
              Buffers& buffers);

  const ImageView& view() const { return view_; }

 private:
  Buffers::Lease buffer_;
  ImageView view_;
};

}  // namespace pyengine
