#include "core/thread_pool.h"

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

#include <algorithm>
#include <system_error>

#include "core/range.h"

namespace pyengine {
namespace {

// Layers follow each other within microseconds, a condition variable takes tens of them to wake a
// thread: workers spin this long before they sleep.
constexpr int kSpins = 4000;

std::vector<int> AllowedCores() {
  std::vector<int> cores;
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) cores.push_back(core);
#endif
  return cores;
}

// A wish: where the system refuses, the thread runs anywhere.
void Pin([[maybe_unused]] std::thread& thread, [[maybe_unused]] int core) {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(thread.native_handle(), sizeof(set), &set);
#endif
}

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

thread_local bool ThreadPool::alone_ = false;

ThreadPool::ThreadPool(int threads, bool pin) : shares_(static_cast<size_t>(std::max(threads, 1))) {
  const std::vector<int> cores = pin ? AllowedCores() : std::vector<int>();
  workers_.reserve(threads > 1 ? threads - 1 : 0);
  try {
    for (int i = 1; i < threads; ++i) {
      workers_.emplace_back([this, i] { WorkerLoop(i); });
      if (i < static_cast<int>(cores.size())) Pin(workers_.back(), cores[i]);
    }
  } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
    // The system has no more threads to give: the loops run on those that started.
  }
}

ThreadPool::~ThreadPool() {
  {
    std::scoped_lock lock(sleep_mutex_);
    generation_.store(kEnded);
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::Work(int thread) {
  for (int k = 0; k < threads(); ++k) {
    Share& share = shares_[(thread + k) % threads()];
    for (;;) {
      const int64_t i = share.next.fetch_add(1, std::memory_order_relaxed);
      if (i >= share.end) break;
      body_(context_, i, thread);
    }
  }
}

void ThreadPool::Run(int64_t n, Body body, void* context) {
  std::unique_lock<std::mutex> lock(busy_, std::defer_lock);
  if (n <= 1 || workers_.empty() || alone_ || !lock.try_lock()) {
    for (int64_t i = 0; i < n; ++i) body(context, i, 0);
    return;
  }
  body_ = body;
  context_ = context;
  for (int t = 0; t < threads(); ++t) {
    const Range share = EqualPart({0, n}, t, threads());
    shares_[t].next.store(share.begin, std::memory_order_relaxed);
    shares_[t].end = share.end;
  }
  open_.store(true);  // publishes the loop
  generation_.fetch_add(1);
  if (sleepers_.load() > 0) {
    // The empty section orders this wake-up after a sleeper's last look at `generation_`.
    {
      std::scoped_lock sleep(sleep_mutex_);
    }
    wake_.notify_all();
  }
  Work(0);
  // Every index is taken. Workers that have not joined by now find the loop closed: the caller
  // waits for those at work, never for one that the system has yet to wake. Both sides write one
  // flag and then read the other's, in one total order, so that one of them must notice.
  open_.store(false);
  // With more threads than cores a worker may need our core to finish.
  for (int spins = 0; active_.load() != 0; ++spins) {
    if (spins < kSpins)
      Pause();
    else
      std::this_thread::yield();
  }
}

void ThreadPool::WorkerLoop(int thread) {
  uint64_t seen = 0;
  for (;;) {
    int spins = 0;
    while (generation_.load(std::memory_order_acquire) == seen) {
      if (++spins < kSpins) {
        Pause();
        continue;
      }
      std::unique_lock<std::mutex> lock(sleep_mutex_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      sleepers_.fetch_sub(1);
    }
    // Read once: a worker that was late for a loop may find the end here.
    seen = generation_.load(std::memory_order_acquire);
    if (seen == kEnded) return;
    active_.fetch_add(1);
    if (open_.load()) Work(thread);
    active_.fetch_sub(1);
  }
}

}  // namespace pyengine
