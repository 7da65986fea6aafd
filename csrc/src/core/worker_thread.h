// How a library starts threads in a program that is not its own.
#pragma once

#include <functional>
#include <thread>

namespace pyengine {

// Runs `work` on a new thread that has a name and stays on one hardware thread of the machine (-1:
// anywhere). The host's signals are blocked there: its handlers run on its own threads, and its
// sigwait misses nothing.
// Throws std::system_error where the system has no thread to give.
std::thread StartWorker(std::function<void()> work, int place);

}  // namespace pyengine
