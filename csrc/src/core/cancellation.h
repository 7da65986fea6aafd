// Ends a call between two operations, where somebody asks for it.
#pragma once

#include <chrono>
#include <functional>

namespace pyengine {

// While it lives, loops of this thread that take long ask `asked`, about every 20 ms. Scopes nest:
// all of them are asked. The question may throw, and what it throws ends the call.
class CancellationScope {
 public:
  // `asked`: true ends the call; an empty one is never asked.
  explicit CancellationScope(std::function<bool()> asked);
  ~CancellationScope();
  CancellationScope(const CancellationScope&) = delete;
  CancellationScope& operator=(const CancellationScope&) = delete;

 private:
  friend void ThrowIfCancelled();
  std::function<bool()> asked_;
  CancellationScope* outer_;
};

// Throws Error(kCancelled) where a scope of this thread says so. Cheap: reads a clock.
void ThrowIfCancelled();

}  // namespace pyengine
