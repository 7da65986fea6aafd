/// \file
/// What can compute networks on this machine, and if not, why not.
#pragma once

#include <string>
#include <vector>

#include "pyengine/export.h"

namespace pyengine {

/// One executor as it stands on this machine.
struct ExecutorStatus {
  std::string name;          ///< "tensorrt", "tensorrt-rtx" or "cpu".
  std::string detail;        ///< Library and version, or instruction set; empty if there is none.
  std::string why_not;       ///< Why it cannot run networks here; empty: it can.
  std::string why_no_build;  ///< Why plans for it cannot be built here; empty: they can.
};

/// All executors, best first.
/// \param library_folders  Where to look for TensorRT's libraries, after the folders that the
///                         environment variable PYENGINE_TENSORRT names and before the system's.
PYENGINE_EXPORT std::vector<ExecutorStatus> ListExecutors(
    const std::vector<std::string>& library_folders = {});

}  // namespace pyengine
