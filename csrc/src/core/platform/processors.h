// What the system says of the machine's processors, and how much of them this process may use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pyengine {

// What the system lets this process run on (taskset, cpusets of containers and batch systems).
struct HardwareThreads {
  std::vector<int> numbers;  // the first of each core, then the second, ...
  int cores = 0;             // that they belong to
};

// No numbers where threads cannot be pinned, no cores where the system does not tell. `root`: on
// Linux a folder that holds proc and sys.
HardwareThreads AllowedThreads(const std::string& root = "");

// Processor time that the process is granted, in cores (a container's limit); infinite without one.
double GrantedCores(const std::string& root = "");

// The largest cache that the system lists [bytes]; 0 where it lists none.
int64_t LargestListedCacheBytes(const std::string& root = "");

}  // namespace pyengine
