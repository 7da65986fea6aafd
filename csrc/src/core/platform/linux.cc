// What Linux has of its own.
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <limits>
#include <map>
#include <utility>

#include "core/platform/available_memory.h"
#include "core/platform/posix.h"
#include "core/platform/processors.h"
#include "core/platform/threads.h"

namespace pyengine {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

int64_t Number(const std::string& text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Time over period, in microseconds; "max" and -1 stand for no limit.
double Cores(const std::string& time, const std::string& period) {
  return Number(time) > 0 && Number(period) > 0 ? double(Number(time)) / double(Number(period))
                                                : kUnlimited;
}

// Calls `visit` with the folder of each group that limits the process by `controller`: those that
// it is in, and those around them. In a container the innermost may not be visible; what limits the
// container is at the top then.
template <class Visit>
void ForEachGroup(const std::string& root, const std::string& controller, Visit&& visit) {
  std::ifstream groups(root + "/proc/self/cgroup");
  // hierarchy:controllers:path; version 2 names no controllers.
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string controllers(1, ',');
    controllers.append(line, first + 1, second - first - 1).append(1, ',');
    const bool unified = controllers == ",,";
    if (!unified && controllers.find("," + controller + ",") == std::string::npos) continue;
    const std::string top = root + "/sys/fs/cgroup" + (unified ? "" : "/" + controller);
    // Plain strings: assigning a std::filesystem::path frees twice where memory runs out (GCC 12).
    for (std::string group = line.substr(second + 1);;) {
      visit(top + group);
      const size_t slash = group.rfind('/');
      if (group == "/" || slash == std::string::npos) break;
      group.resize(std::max<size_t>(slash, 1));
    }
  }
}

// Limit of one group, by either version of control groups.
double GroupCores(const std::string& folder) {
  std::string time, period;
  if (std::ifstream file(folder + "/cpu.max"); file >> time >> period) return Cores(time, period);
  std::ifstream quota(folder + "/cpu.cfs_quota_us"), each(folder + "/cpu.cfs_period_us");
  return quota >> time && each >> period ? Cores(time, period) : kUnlimited;
}

// What one group leaves, by either version of control groups; what it caches counts as used.
int64_t GroupBytes(const std::string& folder) {
  for (const auto& [limit_name, used_name] :
       {std::pair{"/memory.max", "/memory.current"},
        std::pair{"/memory.limit_in_bytes", "/memory.usage_in_bytes"}}) {
    std::ifstream limit_file(folder + limit_name), used_file(folder + used_name);
    // "max" is no number: no limit.
    int64_t limit = 0, used = 0;
    if (limit_file >> limit && used_file >> used) return std::max<int64_t>(0, limit - used);
  }
  return std::numeric_limits<int64_t>::max();
}

// "MemAvailable:   123 kB"
int64_t SystemBytes(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  std::string word;
  while (file >> word)
    if (int64_t kilobytes = 0; word == "MemAvailable:" && file >> kilobytes)
      return kilobytes * 1024;
  return 0;
}

// The first word of a file; empty where there is none.
std::string WordIn(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

}  // namespace

int ReserveFile(int file, int64_t bytes) noexcept {
  int error = EINTR;
  while (error == EINTR) error = ::posix_fallocate(file, 0, bytes);
  return error;
}

std::string FileOfLibrary(void* handle, const std::string& asked) {
  link_map* map = nullptr;
  return ::dlinfo(handle, RTLD_DI_LINKMAP, static_cast<void*>(&map)) == 0 && map->l_name[0] != '\0'
             ? map->l_name
             : asked;
}

// ---- processors
HardwareThreads AllowedThreads(const std::string& root) {
  HardwareThreads allowed;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return allowed;
  std::map<std::string, int> of_core;             // counted so far
  std::vector<std::pair<int, int>> rank_numbers;  // among those of its core, and its own
  for (int thread = 0; thread < CPU_SETSIZE; ++thread) {
    if (!CPU_ISSET(thread, &set)) continue;
    // The list of all threads that the core has stands for it.
    const std::string core = WordIn(root + "/sys/devices/system/cpu/cpu" + std::to_string(thread) +
                                    "/topology/thread_siblings_list");
    rank_numbers.emplace_back(core.empty() ? 0 : of_core[core]++, thread);
  }
  std::sort(rank_numbers.begin(), rank_numbers.end());
  for (const auto& [rank, number] : rank_numbers) {
    allowed.numbers.push_back(number);
    allowed.cores += rank == 0;
  }
  return allowed;
}

double GrantedCores(const std::string& root) {
  double least = kUnlimited;
  ForEachGroup(root, "cpu",
               [&](const std::string& group) { least = std::min(least, GroupCores(group)); });
  return least;
}

int64_t AvailableMemoryBytes(const std::string& root) {
  int64_t least = SystemBytes(root);
  ForEachGroup(root, "memory",
               [&](const std::string& group) { least = std::min(least, GroupBytes(group)); });
  return least;
}

int64_t LargestListedCacheBytes(const std::string& root) {
  int64_t largest = 0;
  const std::string caches = root + "/sys/devices/system/cpu/cpu0/cache/index";
  for (int i = 0;; ++i) {
    const std::string size = WordIn(caches + std::to_string(i) + "/size");  // as in "512K"
    if (size.empty()) return largest;
    const int shift = size.back() == 'K' ? 10 : size.back() == 'M' ? 20 : 0;
    largest = std::max(largest, Number(size) << shift);
  }
}

// ---- threads
bool NameThisThread(const char* name) noexcept {
  char shown[16] = {};
  for (int i = 0; i < 15 && name[i] != '\0'; ++i) shown[i] = name[i];
  return pthread_setname_np(pthread_self(), shown) == 0;
}

bool KeepThisThreadOn(const int* hardware_threads, size_t count) noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (size_t i = 0; i < count; ++i) {
    const int number = hardware_threads[i];
    if (number < 0 || number >= CPU_SETSIZE) return false;
    CPU_SET(number, &set);
  }
  return pthread_setaffinity_np(pthread_self(), sizeof(set), &set) == 0;
}

bool ScheduleThisThread(ThreadPolicy policy, int priority) noexcept {
  sched_param param{};
  switch (policy) {
    case ThreadPolicy::kNormal:
      // Linux keeps niceness per thread.
      return pthread_setschedparam(pthread_self(), SCHED_OTHER, &param) == 0 &&
             ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), priority) == 0;
    case ThreadPolicy::kFifo:
      param.sched_priority = priority;
      return pthread_setschedparam(pthread_self(), SCHED_FIFO, &param) == 0;
    case ThreadPolicy::kRoundRobin:
      param.sched_priority = priority;
      return pthread_setschedparam(pthread_self(), SCHED_RR, &param) == 0;
  }
  return false;
}

}  // namespace pyengine
