// How many threads this process can run at a time.
#pragma once

#include <string>

namespace pyengine {

// Allowed cores, or fewer where a control group grants less time than that (a container's CPU
// limit), a fraction of a core left out: threads that wait for each other would be held up
// whenever the group's time is used up. At least 1. Hardware threads of one core count once: they
// share the multipliers, which one keeps busy, and the cache that one's work is cut for.
// `root`: see platform/processors.h.
int AvailableCores(const std::string& root = "");

}  // namespace pyengine
