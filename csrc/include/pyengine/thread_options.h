/// \file
/// What a host may ask of the threads that the library starts, and how it brings its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace pyengine {

/// How the system schedules a thread.
enum class ThreadPolicy {
  kNormal,      ///< ThreadOptions::priority is a nice value, -20 (first) to 19.
  kFifo,        ///< Real time; priority from 1 to 99 (first).
  kRoundRobin,  ///< As kFifo, in turns.
};

/// Of threads that the library starts. Where the system refuses one of these wishes, opening fails
/// (ErrorCode::kUnsupported) rather than run otherwise.
struct ThreadOptions {
  std::string name = {};        ///< Up to 15 bytes are shown; empty = "pyengine".
  std::vector<int> cores = {};  ///< Numbers of the hardware threads they may run on; empty = any.
  ThreadPolicy policy = ThreadPolicy::kNormal;
  int priority = 0;  ///< As `policy` says; 0 = as the starting thread.
};

/// Threads of the host's own (TBB, OpenMP, Qt): calls `task(context, i)` once for every i from 0 to
/// count - 1, on any threads, as many at once as it likes, and returns when all have returned. It
/// must not throw.
using RunTasksFn =
    std::function<void(int64_t count, void (*task)(void* context, int64_t i), void* context)>;

}  // namespace pyengine
