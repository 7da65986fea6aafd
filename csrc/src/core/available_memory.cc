#include "core/available_memory.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>

namespace pyengine {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

// "MemAvailable:   123 kB"
int64_t SystemBytes(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  std::string word;
  while (file >> word)
    if (int64_t kilobytes = 0; word == "MemAvailable:" && file >> kilobytes)
      return kilobytes * 1024;
  return 0;
}

// What one group leaves, by either version of control groups; what it caches counts as used.
int64_t GroupBytes(const fs::path& folder) {
  for (const auto& [limit_name, used_name] :
       {std::pair{"memory.max", "memory.current"},
        std::pair{"memory.limit_in_bytes", "memory.usage_in_bytes"}}) {
    std::ifstream limit_file(folder / limit_name), used_file(folder / used_name);
    // "max" is no number: no limit.
    int64_t limit = 0, used = 0;
    if (limit_file >> limit && used_file >> used) return std::max<int64_t>(0, limit - used);
  }
  return kUnlimited;
}

// Of the groups that the process is in, and those around them. In a container the innermost may not
// be visible; what limits the container is at the top then.
int64_t GroupsBytes(const std::string& root) {
  int64_t least = kUnlimited;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string controllers(1, ',');
    controllers.append(line, first + 1, second - first - 1).append(1, ',');
    const bool unified = controllers == ",,";
    if (!unified && controllers.find(",memory,") == std::string::npos) continue;
    const std::string top = root + (unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory");
    for (fs::path group = line.substr(second + 1);; group = group.parent_path()) {
      least = std::min(least, GroupBytes(top + group.string()));
      if (!group.has_relative_path()) break;
    }
  }
  return least;
}

}  // namespace

int64_t AvailableMemoryBytes(const std::string& root) {
  return std::min(SystemBytes(root), GroupsBytes(root));
}

}  // namespace pyengine
