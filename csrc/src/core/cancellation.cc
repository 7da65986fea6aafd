#include "core/cancellation.h"

#include <chrono>
#include <utility>

#include "pyengine/error.h"

namespace pyengine {
namespace {

using Clock = std::chrono::steady_clock;

// Often enough that a call ends within 10 ms or an operation; rarely enough for questions that need
// an interpreter's lock.
constexpr auto kInterval = std::chrono::milliseconds(5);

thread_local CancellationScope* innermost = nullptr;
// When to ask next, since the clock's epoch.
thread_local Clock::rep next_ticks = 0;

void WaitAnInterval(Clock::time_point now) {
  next_ticks = (now + kInterval).time_since_epoch().count();
}

}  // namespace

CancellationScope::CancellationScope(std::function<bool()> asked, const std::atomic<bool>* flag)
    : asked_(std::move(asked)), flag_(flag), outer_(innermost) {
  if (outer_ == nullptr) WaitAnInterval(Clock::now());
  innermost = this;
}

CancellationScope::~CancellationScope() {
  innermost = outer_;
}

void ThrowIfCancelled() {
  if (innermost == nullptr) return;
  for (const CancellationScope* scope = innermost; scope != nullptr; scope = scope->outer_)
    if (scope->flag_ != nullptr && scope->flag_->load(std::memory_order_relaxed))
      throw Error(ErrorCode::kCancelled, "cancelled");
  const Clock::time_point now = Clock::now();
  if (now.time_since_epoch().count() < next_ticks) return;
  WaitAnInterval(now);
  for (const CancellationScope* scope = innermost; scope != nullptr; scope = scope->outer_)
    if (scope->asked_ && scope->asked_()) throw Error(ErrorCode::kCancelled, "cancelled");
}

}  // namespace pyengine
