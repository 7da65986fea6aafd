// Sizes that a network accepts: one residue modulo its alignment.
#pragma once

#include <cstdint>

#include "core/checked_math.h"
#include "pyengine/executor.h"

namespace pyengine {

// The smallest input of at least `least` [px] that the network takes.
inline int64_t AcceptedInput(const NetworkGeometry& network, int64_t least) {
  return least + FloorMod(network.size_residue - least, network.alignment);
}

// The smallest output of at least `least` [px] that the network gives.
inline int64_t AcceptedOutput(const NetworkGeometry& network, int64_t least) {
  return AcceptedInput(network, least + 2 * network.margin) - 2 * network.margin;
}

}  // namespace pyengine
