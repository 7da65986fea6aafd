#include "core/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "support/on_workers.h"

namespace pyengine {
namespace {

TEST(ThreadPool, CallsEveryIndexOnce) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int64_t n : {0, 1, 2, 7, 1000}) {
      std::vector<int> calls(static_cast<size_t>(n), 0);
      pool.ParallelFor(n, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
      EXPECT_EQ(std::accumulate(calls.begin(), calls.end(), 0), n);
      for (int c : calls) EXPECT_EQ(c, 1);
    }
  }
}

TEST(ThreadPool, WakesSleepingWorkers) {
  ThreadPool pool(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // past the spinning
    std::atomic<int> sum{0};
    pool.ParallelFor(100, [&](int64_t i) { sum += static_cast<int>(i); });
    EXPECT_EQ(sum, 4950);
  }
}

// Workers late for the only loop find the pool's end instead, and must go.
TEST(ThreadPool, EndsRightAfterALoop) {
  for (int round = 0; round < 1000; ++round) {
    ThreadPool pool(8);
    std::atomic<int> calls{0};
    pool.ParallelFor(2, [&](int64_t) { ++calls; });
    EXPECT_EQ(calls, 2);
  }
}

TEST(ThreadPool, ServesManyCallersAtOnce) {
  ThreadPool pool(3);
  std::vector<std::thread> callers;
  std::atomic<int64_t> total{0};
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round)
        pool.ParallelFor(50, [&](int64_t i) { total += i; });
    });
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(total, 4 * 200 * 1225);
}

TEST(ThreadPool, LeavesACallerAloneThatAsksForIt) {
  ThreadPool pool(3);
  {
    const ThreadPool::Alone alone(true);
    const ThreadPool::Alone inner(false);
    EXPECT_EQ(OnWorkers(pool), 0);
  }
  EXPECT_GT(OnWorkers(pool), 0);
}

}  // namespace
}  // namespace pyengine
