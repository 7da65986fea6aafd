// Images as the facade hands them on, for tests of what lies below it.
#pragma once

#include "tiling/checked_image.h"

namespace pyengine {

inline CheckedImage Checked(const ImageView& view) {
  ThreadPool pool(1);
  return {view, view.channels, pool};
}

}  // namespace pyengine
