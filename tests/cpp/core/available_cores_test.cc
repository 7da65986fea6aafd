#include "core/available_cores.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "support/temporary_folder.h"

namespace pyengine {
namespace {

// A folder in the place of the system's proc and sys.
class FakeSystem : public testing::Test {
 protected:
  void SetUp() override {
    allowed_ = static_cast<int>(AllowedCores().size());
    ASSERT_GE(allowed_, 1);
  }

  void Write(const std::string& name, const std::string& text) const { root_.Write(name, text); }
  int Cores() const { return AvailableCores(root_.path().string()); }

  TemporaryFolder root_;
  int allowed_ = 0;
};

TEST_F(FakeSystem, WithoutGroupsEveryAllowedCoreIsAvailable) {
  EXPECT_EQ(Cores(), allowed_);
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

TEST(AvailableCores, AreThoseThatTheProcessMayUse) {
  int cores = 0;
  std::thread confined([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(AllowedCores().front(), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    cores = AvailableCores("/nonexistent");
  });
  confined.join();
  EXPECT_EQ(cores, 1);
}

}  // namespace
}  // namespace pyengine
