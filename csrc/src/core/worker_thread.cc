#include "core/worker_thread.h"

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>

#include <csignal>
#endif

#include <utility>

namespace pyengine {
namespace {

#if defined(__linux__)

// Threads inherit what is blocked where they are started.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t blocked;
    sigfillset(&blocked);
    // A fault belongs to the thread that causes it, a profiler's tick to one that works.
    for (int own : {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SIGPROF})
      sigdelset(&blocked, own);
    pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

// Wishes: where the system refuses, the thread has no name and runs anywhere.
void NameAndPin(std::thread& thread, int place) {
  pthread_setname_np(thread.native_handle(), "pyengine");
  if (place < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(place, &set);
  pthread_setaffinity_np(thread.native_handle(), sizeof(set), &set);
}

#else

class SignalsBlocked {};
void NameAndPin(std::thread&, int) {}

#endif

}  // namespace

std::thread StartWorker(std::function<void()> work, int place) {
  [[maybe_unused]] const SignalsBlocked blocked;
  std::thread thread(std::move(work));
  NameAndPin(thread, place);
  return thread;
}

}  // namespace pyengine
