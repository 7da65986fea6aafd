// A network whose computation the test holds back and lets go.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "core/cancellation.h"
#include "core/scheduler.h"
#include "pyengine/engine.h"
#include "pyengine/executor.h"

namespace pyengine {

struct Gate {
  std::atomic<bool> open{true};
  std::atomic<int> entered{0};  // computations that began

  void AwaitEntered(int count) const {
    while (entered < count) std::this_thread::yield();
  }
};

// Every logit is 0 while the gate is open; looks for cancelling as kernels do.
class GatedExecutor final : public Executor {
 public:
  GatedExecutor(const NetworkGeometry& geometry, Gate& gate) : Executor(geometry), gate_(gate) {}

  void Run(const float*, float* out, int64_t n, int64_t h, int64_t w) override {
    ++gate_.entered;
    do {
      ThrowIfCancelled();
      OfferTurn();
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    } while (!gate_.open);
    const int64_t m = 2 * geometry().margin;
    std::fill_n(out, n * geometry().classes * (h - m) * (w - m), 0.0f);
  }

 private:
  Gate& gate_;
};

inline Engine OpenGated(Gate& gate) {
  return Engine::Open(PYENGINE_TEST_DATA "/tiny.pyengine", [&](const EngineInfo& info) {
    return std::make_shared<GatedExecutor>(info.geometry, gate);
  });
}

}  // namespace pyengine
