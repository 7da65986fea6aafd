// How a library starts threads in a program that is not its own.
#pragma once

#include <functional>
#include <thread>

#include "pyengine/thread_options.h"

namespace pyengine {

// Whether the system must grant something.
inline bool Demanding(const ThreadOptions& options) {
  return !options.cores.empty() || options.policy != ThreadPolicy::kNormal || options.priority != 0;
}

// What one thread is to be. `pin` is a wish that the system may refuse; `options` are demands.
struct WorkerTraits {
  ThreadOptions options = {};
  const char* name = "pyengine";  // where `options` have none; outlives the thread
  int pin = -1;                   // the hardware thread that it stays on; -1: as `options` say
};

// Runs `work` on a new thread. The host's signals are blocked there: its handlers run on its own
// threads, and its sigwait misses nothing.
// Throws Error(kOutOfMemory) where the system has no thread to give, Error(kUnsupported) where it
// refuses what `traits.options` demand; `work` does not run then.
std::thread StartWorker(std::function<void()> work, const WorkerTraits& traits);

}  // namespace pyengine
