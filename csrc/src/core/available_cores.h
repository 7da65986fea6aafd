// How many threads this process can run at a time.
#pragma once

#include <string>
#include <vector>

namespace pyengine {

// What the system lets this process run on (taskset, cpusets of containers and batch systems).
struct HardwareThreads {
  std::vector<int> numbers;  // the first of each core, then the second, ...
  int cores = 0;             // that they belong to
};

// None where the system does not tell. `root`: a folder that holds proc and sys.
HardwareThreads AllowedThreads(const std::string& root = "");

// Allowed cores, or fewer where a control group grants less time than that (a container's CPU
// limit), a fraction of a core left out: threads that wait for each other would be held up
// whenever the group's time is used up. At least 1. Hardware threads of one core count once: they
// share the multipliers, which one keeps busy, and the cache that one's work is cut for.
int AvailableCores(const std::string& root = "");

}  // namespace pyengine
