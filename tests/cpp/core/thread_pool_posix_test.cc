// What a pool does in a process that forks and handles signals.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <memory>

#include "core/thread_pool.h"
#include "support/on_workers.h"

namespace pyengine {
namespace {

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
#ifdef SIGRTMIN
    if (sigismember(&here, SIGRTMIN) || sigismember(&here, SIGRTMAX)) ++wrong;  // collectors'
#endif
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
