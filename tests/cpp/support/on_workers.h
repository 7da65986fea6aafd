// Which threads of a pool run a loop.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "core/thread_pool.h"

namespace pyengine {

// Calls `there` for each index that runs on another thread than the caller's, and counts them.
inline int OnWorkers(ThreadPool& pool, const std::function<void()>& there = [] {}) {
  std::atomic<int> count{0};
  pool.ParallelFor(64, [&, caller = std::this_thread::get_id()](int64_t) {
    // Long enough that idle workers would come.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (std::this_thread::get_id() == caller) return;
    ++count;
    there();
  });
  return count;
}

}  // namespace pyengine
