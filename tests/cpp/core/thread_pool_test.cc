#include "core/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

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

// Calls `there` for each index that runs on another thread than the caller's, and counts them.
int OnWorkers(ThreadPool& pool, const std::function<void()>& there = [] {}) {
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

// Runs `child` in a forked process, which hangs for 20 s at most; the status it ended with.
int StatusOfFork(const std::function<int()>& child) {
  const pid_t forked = fork();
  if (forked == 0) {
    alarm(20);
    _exit(child());
  }
  int status = -1;
  EXPECT_EQ(waitpid(forked, &status, 0), forked);
  return status;
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

TEST(ThreadPool, LeavesSignalsToTheHostsThreads) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  ThreadPool pool(3);
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  std::atomic<int> wrong{0};
  const int checked = OnWorkers(pool, [&] {
    sigset_t here;
    pthread_sigmask(SIG_SETMASK, nullptr, &here);
    if (!sigismember(&here, SIGTERM) || !sigismember(&here, SIGUSR1)) ++wrong;
    if (sigismember(&here, SIGSEGV)) ++wrong;
  });
  EXPECT_GT(checked, 0);
  EXPECT_EQ(wrong, 0);
  for (int signal : {SIGTERM, SIGUSR1})
    EXPECT_EQ(sigismember(&after, signal), sigismember(&before, signal));
}

TEST(ThreadPool, HasWorkersInAForkedProcess) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer ends children that start threads";
#endif
  auto pool = std::make_unique<ThreadPool>(3);
  ASSERT_GT(OnWorkers(*pool), 0);
  int status = StatusOfFork([&] {
    const bool works = OnWorkers(*pool) > 0;
    pool.reset();
    return works ? 0 : 1;
  });
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "no index ran on a worker";
  EXPECT_GT(OnWorkers(*pool), 0);
  // One that the child never used.
  status = StatusOfFork([&] {
    pool.reset();
    return 0;
  });
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
}

}  // namespace
}  // namespace pyengine
