#include "pyengine/executor_status.h"

#include "backends/backends.h"

namespace pyengine {

std::vector<ExecutorStatus> ListExecutors(const std::vector<std::string>& library_folders) {
  std::vector<ExecutorStatus> all;
  for (const Backend* backend : Backends())
    for (ExecutorStatus& status : backend->status(library_folders))
      all.push_back(std::move(status));
  return all;
}

}  // namespace pyengine
