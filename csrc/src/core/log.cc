#include "core/log.h"

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <utility>

namespace pyengine {
namespace {

constexpr int kNone = -1;

std::atomic<int> wanted{kNone};  // the least weight that is told
std::shared_mutex mutex;         // shared by those that tell

// Never destroyed: threads may outlive static objects.
LogFn& Told() {
  static auto* const told = new LogFn();
  return *told;
}

}  // namespace

void SetLog(LogFn log, LogLevel level) {
  const std::unique_lock lock(mutex);
  wanted = log ? static_cast<int>(level) : kNone;
  Told() = std::move(log);
}

bool LogWants(LogLevel level) noexcept {
  return static_cast<int>(level) <= wanted.load(std::memory_order_relaxed);
}

void Log(LogLevel level, const std::string& message) noexcept {
  if (!LogWants(level)) return;
  try {
    const std::shared_lock lock(mutex);
    if (Told()) Told()(level, message);
  } catch (...) {  // NOLINT(bugprone-empty-catch)
    // A message is not worth a call.
  }
}

}  // namespace pyengine
