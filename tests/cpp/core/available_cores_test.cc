#include "core/available_cores.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <string>
#include <thread>
#include <vector>

#include "core/platform/available_memory.h"
#include "core/platform/processors.h"
#include "support/temporary_folder.h"

namespace pyengine {
namespace {

// A folder in the place of the system's proc and sys.
class FakeSystem : public testing::Test {
 protected:
  void SetUp() override {
    threads_ = AllowedThreads(root_.path().string()).numbers;
    allowed_ = static_cast<int>(threads_.size());
    ASSERT_GE(allowed_, 1);
  }

  // Lists of hardware threads that share a core, in the system's notation.
  void WriteCore(int thread, const std::string& all) const {
    Write("sys/devices/system/cpu/cpu" + std::to_string(thread) + "/topology/thread_siblings_list",
          all + "\n");
  }

  void Write(const std::string& name, const std::string& text) const { root_.Write(name, text); }
  int Cores() const { return AvailableCores(root_.path().string()); }

  TemporaryFolder root_;
  std::vector<int> threads_;  // that this process may use
  int allowed_ = 0;
};

TEST_F(FakeSystem, WithoutGroupsEveryAllowedCoreIsAvailable) {
  EXPECT_EQ(Cores(), allowed_);
}

TEST_F(FakeSystem, HardwareThreadsOfOneCoreCountOnce) {
  for (const int thread : threads_) WriteCore(thread, "0-1023");
  EXPECT_EQ(Cores(), 1);
  EXPECT_EQ(AllowedThreads(root_.path().string()).numbers, threads_);
}

TEST_F(FakeSystem, EveryCoreComesBeforeASecondThreadOfAny) {
  std::vector<int> first, second;
  for (size_t i = 0; i < threads_.size(); ++i) {
    WriteCore(threads_[i], "pair" + std::to_string(i / 2));
    (i % 2 == 0 ? first : second).push_back(threads_[i]);
  }
  const HardwareThreads allowed = AllowedThreads(root_.path().string());
  EXPECT_EQ(allowed.cores, static_cast<int>(first.size()));
  first.insert(first.end(), second.begin(), second.end());
  EXPECT_EQ(allowed.numbers, first);
}

TEST_F(FakeSystem, GroupsLimitCores) {
  Write("proc/self/cgroup", "0::/slice/job\n");
  Write("sys/fs/cgroup/slice/job/cpu.max", "max 100000\n");
  EXPECT_EQ(Cores(), allowed_);
  // A fraction is left out, and never the last core.
  Write("sys/fs/cgroup/slice/job/cpu.max", "190000 100000\n");
  EXPECT_EQ(Cores(), 1);
  Write("sys/fs/cgroup/slice/job/cpu.max", "50000 100000\n");
  EXPECT_EQ(Cores(), 1);
  Write("sys/fs/cgroup/slice/job/cpu.max", "99900000 100000\n");
  EXPECT_EQ(Cores(), allowed_);
}

TEST_F(FakeSystem, GroupsAroundTheProcesssLimitToo) {
  Write("proc/self/cgroup", "0::/slice/job\n");
  Write("sys/fs/cgroup/slice/job/cpu.max", "max 100000\n");
  Write("sys/fs/cgroup/slice/cpu.max", "100000 100000\n");
  EXPECT_EQ(Cores(), 1);
}

// As in a container of version 1: the path is the host's, the limit lies at the top.
TEST_F(FakeSystem, TheFirstVersionOfGroupsLimitsToo) {
  Write("proc/self/cgroup", "5:cpuset:/\n4:cpu,cpuacct:/docker/0123\n1:name=systemd:/docker\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Cores(), allowed_);
  Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  EXPECT_EQ(Cores(), 1);
}

TEST_F(FakeSystem, DamagedLinesAreNoLimit) {
  Write("proc/self/cgroup", "nonsense\n0:\n0::\n");
  Write("sys/fs/cgroup/cpu.max", "many\n");
  EXPECT_EQ(Cores(), allowed_);
}

TEST_F(FakeSystem, GroupsLimitMemory) {
  const auto bytes = [&] { return AvailableMemoryBytes(root_.path().string()); };
  EXPECT_EQ(bytes(), 0);
  Write("proc/meminfo", "MemTotal: 900 kB\nMemAvailable: 500 kB\n");
  EXPECT_EQ(bytes(), 500 * 1024);
  Write("proc/self/cgroup", "0::/slice/job\n");
  Write("sys/fs/cgroup/slice/memory.max", "300000\n");
  Write("sys/fs/cgroup/slice/memory.current", "100000\n");
  EXPECT_EQ(bytes(), 200000);
  Write("sys/fs/cgroup/slice/job/memory.max", "max\n");
  Write("sys/fs/cgroup/slice/job/memory.current", "1\n");
  EXPECT_EQ(bytes(), 200000);
}

TEST(AvailableCores, AreThoseThatTheProcessMayUse) {
  int cores = 0;
  std::thread confined([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(AllowedThreads().numbers.front(), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    cores = AvailableCores("/nonexistent");
  });
  confined.join();
  EXPECT_EQ(cores, 1);
}

}  // namespace
}  // namespace pyengine
