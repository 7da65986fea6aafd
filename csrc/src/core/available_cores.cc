#include "core/available_cores.h"

#include <algorithm>
#include <thread>

#include "core/platform/processors.h"

namespace pyengine {

int AvailableCores(const std::string& root) {
  const int allowed = AllowedThreads(root).cores;
  const double cores = allowed > 0 ? allowed : double(std::thread::hardware_concurrency());
  return std::max(1, static_cast<int>(std::min(cores, GrantedCores(root))));
}

}  // namespace pyengine
