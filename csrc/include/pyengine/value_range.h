/// \file
/// How the values of an image compare with those that a network was trained with.
#pragma once

#include <limits>

namespace pyengine {

/// See Engine::CheckRange().
struct ValueRange {
  double lowest = 0;   ///< Of the image, on the network's scale.
  double highest = 0;  ///< As lowest.
  /// Of training images; infinite where the engine file does not say.
  double expected_lowest = -std::numeric_limits<double>::infinity();
  double expected_highest = std::numeric_limits<double>::infinity();  ///< As expected_lowest.
  /// A scale that is likely meant: 1 / 16 for 12 bits where 8 are expected, for example.
  double advised_scale = 1;
  bool mismatch = false;  ///< The image is on another scale than the network's.
};

}  // namespace pyengine
