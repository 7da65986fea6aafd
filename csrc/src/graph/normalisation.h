// From pixels to what the network was trained on.
#pragma once

#include <vector>

namespace pyengine {

// Per input channel: network input = pixel * gain + offset.
struct Normalisation {
  std::vector<float> gain, offset;
};

}  // namespace pyengine
