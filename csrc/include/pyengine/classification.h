/// \file
/// What a classifier says of an image.
#pragma once

#include <cstdint>
#include <vector>

namespace pyengine {

/// The class of a whole image.
struct Classification {
  int64_t index = 0;                 ///< The most probable class; the lowest among equals.
  std::vector<float> probabilities;  ///< One per class, in the order of EngineInfo::classes.
};

}  // namespace pyengine
