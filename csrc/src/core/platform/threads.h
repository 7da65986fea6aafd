// How the system sees our threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pyengine/thread_options.h"

namespace pyengine {

// Of the calling thread. Wishes: false where the system refuses or knows nothing of the kind.
bool NameThisThread(const char* name) noexcept;  // Linux shows its first 15 bytes
// Stays on these hardware threads, by the system's numbers.
bool KeepThisThreadOn(const int* hardware_threads, size_t count) noexcept;
// Words and numbers as in ThreadOptions. Systems without nice values take the nearest they have.
bool ScheduleThisThread(ThreadPolicy policy, int priority) noexcept;

// While it lives, its thread receives no signals but those for faults of its own, and neither do
// the threads that it starts, ever: they inherit what is blocked.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept;
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  static constexpr int kWords = 16;  // of what any system's set of signals takes
  uint64_t before_[kWords];
};

// While it lives, its thread is not cancelled (pthread_cancel): that would unwind it by force, and
// whoever caught it on the way would end the process.
class NotCancelled {
 public:
  NotCancelled() noexcept;
  ~NotCancelled();
  NotCancelled(const NotCancelled&) = delete;
  NotCancelled& operator=(const NotCancelled&) = delete;

 private:
  int before_ = 0;
};

// Forks on the way from the process that asked first to this one. Threads do not follow a fork.
uint64_t Forks();

}  // namespace pyengine
