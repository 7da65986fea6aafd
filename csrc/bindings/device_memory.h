#pragma once

#include <memory>

namespace pyengine {

// Memory of a GPU, freed with the last Python object that holds it.
struct DeviceMemory {
  std::shared_ptr<void> memory;
};

}  // namespace pyengine
