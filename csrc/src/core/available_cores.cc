#include "core/available_cores.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <thread>
#include <utility>

namespace pyengine {
namespace {

namespace fs = std::filesystem;

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

// Time over period, in microseconds; "max" and -1 stand for no limit.
double Cores(const std::string& time, const std::string& period) {
  const auto number = [](const std::string& text) {
    int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return double(value);
  };
  return number(time) > 0 && number(period) > 0 ? number(time) / number(period) : kUnlimited;
}

// Limit of one group, by either version of control groups.
double GroupCores(const fs::path& folder) {
  std::string time, period;
  if (std::ifstream file(folder / "cpu.max"); file >> time >> period) return Cores(time, period);
  std::ifstream quota(folder / "cpu.cfs_quota_us"), each(folder / "cpu.cfs_period_us");
  return quota >> time && each >> period ? Cores(time, period) : kUnlimited;
}

// Least limit of the groups that the process is in, and of those around them. In a container the
// innermost may not be visible; what limits the container is at the top then.
double LimitCores(const std::string& root) {
  double least = kUnlimited;
  std::ifstream groups(root + "/proc/self/cgroup");
  // hierarchy:controllers:path; version 2 names no controllers.
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string controllers(1, ',');
    controllers.append(line, first + 1, second - first - 1).append(1, ',');
    const bool unified = controllers == ",,";
    if (!unified && controllers.find(",cpu,") == std::string::npos) continue;
    const std::string top = root + (unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu");
    for (fs::path group = line.substr(second + 1);; group = group.parent_path()) {
      least = std::min(least, GroupCores(top + group.string()));
      if (!group.has_relative_path()) break;
    }
  }
  return least;
}

// The core of a hardware thread, as the list of all that it has; empty where that is not known.
std::string CoreOf(int thread, const std::string& root) {
  std::ifstream file(root + "/sys/devices/system/cpu/cpu" + std::to_string(thread) +
                     "/topology/thread_siblings_list");
  std::string threads;
  file >> threads;
  return threads;
}

}  // namespace

HardwareThreads AllowedThreads(const std::string& root) {
  HardwareThreads allowed;
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return allowed;
  std::map<std::string, int> of_core;             // counted so far
  std::vector<std::pair<int, int>> rank_numbers;  // among those of its core, and its own
  for (int thread = 0; thread < CPU_SETSIZE; ++thread) {
    if (!CPU_ISSET(thread, &set)) continue;
    const std::string core = CoreOf(thread, root);
    rank_numbers.emplace_back(core.empty() ? 0 : of_core[core]++, thread);
  }
  std::sort(rank_numbers.begin(), rank_numbers.end());
  for (const auto& [rank, number] : rank_numbers) {
    allowed.numbers.push_back(number);
    allowed.cores += rank == 0;
  }
#endif
  return allowed;
}

int AvailableCores(const std::string& root) {
  const int allowed = AllowedThreads(root).cores;
  const double cores = allowed > 0 ? allowed : double(std::thread::hardware_concurrency());
  return std::max(1, static_cast<int>(std::min(cores, LimitCores(root))));
}

}  // namespace pyengine
