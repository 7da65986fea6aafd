// What every system must give, whatever it is built of.
#include <gtest/gtest.h>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cstdint>
#include <string>
#include <thread>

#include "core/platform/aligned_memory.h"
#include "core/platform/available_memory.h"
#include "core/platform/dynamic_library.h"
#include "core/platform/float_environment.h"
#include "core/platform/processors.h"
#include "core/platform/threads.h"
#include "core/worker_thread.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

TEST(AlignedMemory, IsAligned) {
  for (size_t alignment : {64, 4096}) {
    void* memory = AllocateAligned(alignment, 3 * alignment);
    ASSERT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % alignment, 0u);
    FreeAligned(memory);
  }
}

TEST(AvailableMemory, IsThere) {
  EXPECT_GT(AvailableMemoryBytes(), 0);
}

TEST(DynamicLibrary, SaysWhatItDidNotFind) {
  try {
    const DynamicLibrary library("pyengine-no-such-library");
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(e.what()).find("pyengine-no-such-library"), std::string::npos)
        << e.what();
  }
}

TEST(Processors, AreMoreThanNone) {
  const HardwareThreads allowed = AllowedThreads();
  EXPECT_GE(allowed.cores, 1);
  EXPECT_GT(GrantedCores(), 0);
  EXPECT_GE(LargestListedCacheBytes(), 0);
}

// A pin is a wish: a thread that could not be pinned still works.
TEST(Threads, WorkWhereverTheyArePinned) {
  const HardwareThreads allowed = AllowedThreads();
  for (const int place : {-1, allowed.numbers.empty() ? -1 : allowed.numbers.back(), 100000}) {
    bool worked = false;
    StartWorker([&] { worked = true; }, {.name = "a name of more than 15 bytes", .pin = place})
        .join();
    EXPECT_TRUE(worked);
  }
}

// Demands are granted whole, or the thread does not begin.
TEST(Threads, DoNotWorkOtherwiseThanDemanded) {
  for (const ThreadOptions& demand :
       {ThreadOptions{.cores = {100000}}, ThreadOptions{.cores = {0}},
        ThreadOptions{.policy = ThreadPolicy::kFifo, .priority = 1}, ThreadOptions{.priority = 5},
        ThreadOptions{.policy = ThreadPolicy::kRoundRobin, .priority = 99}}) {
    bool worked = false, refused = false;
    try {
      StartWorker([&] { worked = true; }, {.options = demand}).join();
    } catch (const Error& e) {
      refused = e.code() == ErrorCode::kUnsupported;
    }
    EXPECT_NE(worked, refused);
  }
}

#if defined(__linux__)
TEST(Threads, AreScheduledAsDemanded) {
  int nice = 0, core = -1;
  StartWorker(
      [&] {
        nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)));
        core = sched_getcpu();
      },
      {.options = {.cores = {AllowedThreads().numbers.back()}, .priority = 7}})
      .join();
  EXPECT_EQ(nice, 7);
  EXPECT_EQ(core, AllowedThreads().numbers.back());
}

TEST(Threads, HaveTheirNames) {
  char name[16] = {};
  StartWorker([&] { pthread_getname_np(pthread_self(), name, sizeof name); },
              {.name = "pyengine stream 1"})
      .join();
  EXPECT_STREQ(name, "pyengine stream");
  StartWorker([&] { pthread_getname_np(pthread_self(), name, sizeof name); },
              {.options = {.name = "probe 2"}, .name = "pyengine stream 1"})
      .join();
  EXPECT_STREQ(name, "probe 2");
}
#endif

TEST(DefaultFloatEnvironment, GivesBackWhatTheHostHadSet) {
  const uint64_t before = FloatSettings();
  {
    const DefaultFloatEnvironment floats;
    volatile float tiny = 1e-38f;
    EXPECT_GT(tiny * 0.125f, 0.0f);
  }
  EXPECT_EQ(FloatSettings(), before);
}

#if defined(PYENGINE_X86_64) || defined(PYENGINE_ARM64)
TEST(DefaultFloatEnvironment, KeepsSubnormalNumbersWhereTheHostDoesNot) {
#if defined(PYENGINE_X86_64)
  constexpr uint64_t kFlushes = kDefaultFloatSettings | 0x8040;
#else
  constexpr uint64_t kFlushes = kDefaultFloatSettings | uint64_t{1} << 24;
#endif
  const uint64_t before = FloatSettings();
  SetFloatSettings(kFlushes);
  volatile float tiny = 1e-38f;
  volatile float flushed = tiny * 0.125f, kept = 0;
  {
    const DefaultFloatEnvironment floats;
    kept = tiny * 0.125f;
  }
  const uint64_t after = FloatSettings();
  SetFloatSettings(before);
  EXPECT_EQ(flushed, 0.0f);
  EXPECT_GT(kept, 0.0f);
  EXPECT_EQ(after & kFlushes, kFlushes);
}
#endif

}  // namespace
}  // namespace pyengine
