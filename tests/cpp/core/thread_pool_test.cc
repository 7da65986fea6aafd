#include "core/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "pyengine/error.h"
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

// A host with threads of its own, one after the other, or with less than it promised.
TEST(ThreadPool, SendsTheHostsThreads) {
  const auto in_threads = [](int64_t count, void (*task)(void*, int64_t), void* context) {
    std::vector<std::thread> host;
    for (int64_t i = 0; i < count; ++i) host.emplace_back(task, context, i);
    for (auto& thread : host) thread.join();
  };
  const auto one_by_one = [](int64_t count, void (*task)(void*, int64_t), void* context) {
    for (int64_t i = count; i-- > 0;) task(context, i);
  };
  const auto never = [](int64_t, void (*)(void*, int64_t), void*) {};
  for (const RunTasksFn& run :
       {RunTasksFn(in_threads), RunTasksFn(one_by_one), RunTasksFn(never)}) {
    ThreadPoolOptions options;
    options.run_tasks = run;
    ThreadPool pool(3, options);
    EXPECT_EQ(pool.threads(), 3);
    std::vector<std::atomic<int>> calls(1000);
    std::atomic<bool> known{true};
    pool.ParallelFor(1000, [&](int64_t i, int thread) {
      ++calls[static_cast<size_t>(i)];
      if (thread < 0 || thread >= 3) known = false;
    });
    for (const auto& c : calls) EXPECT_EQ(c, 1);
    EXPECT_TRUE(known);
  }
}

TEST(ThreadPool, StartsNoThreadThatTheSystemRefuses) {
  try {
    ThreadPool pool(3, {.thread = {.cores = {100000}}});
    FAIL() << "core 100000 exists";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(e.what()).find("100000"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace pyengine
