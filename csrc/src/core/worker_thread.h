// How a library starts threads in a program that is not its own.
#pragma once

#include <functional>
#include <thread>

#include "core/platform/threads.h"

namespace pyengine {

// Wishes: where the system refuses, the thread has no name, runs anywhere and as any other.
struct WorkerTraits {
  const char* name = "pyengine";
  int place = -1;  // the hardware thread that it stays on; -1: anywhere
  ThreadPriority priority = ThreadPriority::kNormal;
};

// Runs `work` on a new thread. The host's signals are blocked there: its handlers run on its own
// threads, and its sigwait misses nothing. `traits.name` outlives the thread.
// Throws std::system_error where the system has no thread to give.
std::thread StartWorker(std::function<void()> work, const WorkerTraits& traits);

}  // namespace pyengine
