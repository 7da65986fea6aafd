// Ends a call between two operations, where somebody asks for it.
#pragma once

#include <atomic>
#include <functional>

namespace pyengine {

// While it lives, loops of this thread that take long ask `asked`, about every 5 ms, and look at
// `flag` between any two operations. Scopes nest: all of them are asked. The question may throw,
// and what it throws ends the call.
class CancellationScope {
 public:
  // `asked`: true ends the call; an empty one is never asked. `flag`: likewise; may be null.
  explicit CancellationScope(std::function<bool()> asked, const std::atomic<bool>* flag = nullptr);
  ~CancellationScope();
  CancellationScope(const CancellationScope&) = delete;
  CancellationScope& operator=(const CancellationScope&) = delete;

 private:
  friend void ThrowIfCancelled();
  std::function<bool()> asked_;
  const std::atomic<bool>* const flag_;
  CancellationScope* outer_;
};

// Throws Error(kCancelled) where a scope of this thread says so. Cheap: reads a clock.
void ThrowIfCancelled();

}  // namespace pyengine
