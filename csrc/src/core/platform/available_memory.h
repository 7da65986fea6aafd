// How much memory the process may still take.
#pragma once

#include <cstdint>
#include <string>

namespace pyengine {

// What the system has left without swapping, and what control groups leave, whichever is less
// [bytes]; 0 where that is not known. `root`: see processors.h.
int64_t AvailableMemoryBytes(const std::string& root = "");

}  // namespace pyengine
