// How many threads this process can run at a time.
#pragma once

#include <string>
#include <vector>

namespace pyengine {

// Numbers of the cores that the system lets this process run on (taskset, cpusets of containers and
// batch systems); empty where it does not tell.
std::vector<int> AllowedCores();

// Allowed cores, or fewer where a control group grants less time than that (a container's CPU
// limit), a fraction of a core left out: threads that wait for each other would be held up
// whenever the group's time is used up. At least 1. `root`: a folder that holds proc and sys.
int AvailableCores(const std::string& root = "");

}  // namespace pyengine
