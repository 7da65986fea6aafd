// A persistent team of threads for one loop at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace pyengine {

// ParallelFor(n, f) calls f(i) for each i in [0, n), in any order, on the caller and the workers;
// f(i, thread) learns which of [0, threads()) it runs on, to find memory of its own. Each thread
// begins with an equal share of consecutive i, in order, so that its cache meets again what loops
// over the same data left there, then helps with the others' shares.
//
// One loop runs at a time. A second caller that finds the team busy runs its loop alone: its own
// thread is already a unit of parallelism, and no caller ever waits for another's work. Results
// do not depend on who ran which i, because loop bodies write disjoint data.
class ThreadPool {
 public:
  // `threads` counts the calling thread, so 1 starts no worker. `pin`: worker i stays on the i-th
  // core after the first that the process may use, where there are as many and the system allows
  // it.
  explicit ThreadPool(int threads, bool pin = false);
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

  int threads() const noexcept { return static_cast<int>(workers_.size()) + 1; }

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
  void Run(int64_t n, Body body, void* context);
  void Work(int thread);
  void WorkerLoop(int thread);

  static thread_local bool alone_;

  std::vector<std::thread> workers_;
  std::mutex busy_;  // held by the caller whose loop the workers serve

  // The current loop; written before `open_` is set, read by workers that joined while it was.
  Body body_ = nullptr;
  void* context_ = nullptr;
  // A cache line each: threads count their own without disturbing the others.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  std::vector<Share> shares_;  // one per thread
  std::atomic<bool> open_{false};
  std::atomic<int> active_{0};  // workers inside the loop
  static constexpr uint64_t kEnded = ~uint64_t{0};
  std::atomic<uint64_t> generation_{0};  // counts loops; kEnded once the workers are to go

  std::mutex sleep_mutex_;
  std::condition_variable wake_;
  std::atomic<int> sleepers_{0};
};

}  // namespace pyengine
