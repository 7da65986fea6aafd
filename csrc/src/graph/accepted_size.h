// Sizes that a network accepts: one residue modulo its alignment, or a single size.
#pragma once

#include <cstdint>

#include "core/checked_math.h"
#include "pyengine/executor.h"

namespace pyengine {

// The smallest input of at least `least` [px] that the network takes.
inline int64_t AcceptedInput(const NetworkGeometry& network, int64_t least) {
  return least + FloorMod(network.size_residue - least, network.alignment);
}

inline int64_t AcceptedInput(const AxisGeometry& axis, int64_t least) {
  return axis.fixed > 0 ? axis.fixed : least + FloorMod(axis.size_residue - least, axis.alignment);
}

// The smallest output of at least `least` [px] that the network gives; the only one if it takes one
// size of inputs.
inline int64_t AcceptedOutput(const NetworkGeometry& network, int64_t least, int64_t fixed) {
  const int64_t input = fixed > 0 ? fixed : AcceptedInput(network, least + 2 * network.margin);
  return input - 2 * network.margin;
}
inline int64_t AcceptedHeight(const NetworkGeometry& network, int64_t least) {
  return AcceptedOutput(network, least, network.fixed_height);
}
inline int64_t AcceptedWidth(const NetworkGeometry& network, int64_t least) {
  return AcceptedOutput(network, least, network.fixed_width);
}

}  // namespace pyengine
