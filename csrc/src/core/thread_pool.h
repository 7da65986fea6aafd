// A persistent team of threads for one loop at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "pyengine/thread_options.h"

namespace pyengine {

struct ThreadPoolOptions {
  // Worker i stays on the i-th core after the first that the process may use (then on cores'
  // second hardware threads), where there are as many and the system allows it.
  bool pin = false;
  ThreadOptions thread = {};  // of workers
  RunTasksFn run_tasks = {};  // the host's threads, in the place of workers
};

// ParallelFor(n, f) calls f(i) for each i in [0, n), in any order, on the caller and the workers;
// f(i, thread) learns which of [0, threads()) it runs on, to find memory of its own. Each thread
// begins with an equal share of consecutive i, in order, so that its cache meets again what loops
// over the same data left there, then helps with the others' shares.
//
// One loop runs at a time. A second caller that finds the team busy runs its loop alone: its own
// thread is already a unit of parallelism, and no caller ever waits for another's work. Results
// do not depend on who ran which i, because loop bodies write disjoint data.
//
// A child of fork() has its parent's pool, but none of its workers. It may use the pool if no loop
// ran when it forked: its first loop starts workers of its own, without demands.
class ThreadPool {
 public:
  // `threads` counts the calling thread, so 1 starts no worker.
  // Throws Error(kUnsupported) where the system refuses what `options.thread` demands.
  explicit ThreadPool(int threads, ThreadPoolOptions options = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // While it lives, loops of the thread that made it run on that thread alone.
  class Alone {
   public:
    explicit Alone(bool wanted) : before_(alone_) { alone_ = alone_ || wanted; }
    ~Alone() { alone_ = before_; }
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;

   private:
    bool before_;
  };

  int threads() const noexcept { return threads_; }

  template <class F>
  void ParallelFor(int64_t n, F&& body) {
    Run(
        n,
        [](void* b, int64_t i, int thread) {
          auto& f = *static_cast<std::remove_reference_t<F>*>(b);
          if constexpr (std::is_invocable_v<F&, int64_t, int>)
            f(i, thread);
          else
            f(i);
        },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using Body = void (*)(void*, int64_t, int);
  class Team;       // shares out a loop
  class Workers;    // a team of threads of its own
  class HostTasks;  // a team of the host's

  static Team* NewTeam(int threads, const ThreadPoolOptions& options);
  void Run(int64_t n, Body body, void* context);
  Team& PresentTeam();

  static thread_local bool alone_;

  const ThreadPoolOptions options_;
  std::atomic<Team*> team_;
  const int threads_;
};

}  // namespace pyengine
