// A scanner's acquisition: a thread that delivers frames on time, whatever becomes of them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <thread>

namespace scanner {

struct Timing {
  double rate_hz = 30;
  double jitter_ms = 0;     // a frame comes up to so much earlier or later
  int64_t stall_every = 0;  // after so many frames the scanner stands still, 0: never
  double stall_ms = 0;      // for so long; what it would have delivered is lost
  int64_t frames = 300;
};

// Calls `deliver(number)` at the times that `timing` says, on a thread of its own, until all frames
// came or Stop() is called. The grid of times stays: a late frame does not make the next one late.
class Camera {
 public:
  Camera(const Timing& timing, std::function<void(int64_t)> deliver)
      : thread_([this, timing, deliver = std::move(deliver)] { Run(timing, deliver); }) {}
  ~Camera() {
    Stop();
    Wait();
  }
  Camera(const Camera&) = delete;
  Camera& operator=(const Camera&) = delete;

  void Stop() { stopped_ = true; }
  void Wait() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  using Clock = std::chrono::steady_clock;

  static Clock::duration Milliseconds(double ms) {
    return std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double, std::milli>(ms));
  }

  void Run(const Timing& timing, const std::function<void(int64_t)>& deliver) {
    std::mt19937 random(1);
    std::uniform_real_distribution<double> jitter(-timing.jitter_ms, timing.jitter_ms);
    Clock::time_point due = Clock::now();
    for (int64_t number = 0; number < timing.frames && !stopped_; ++number) {
      std::this_thread::sleep_until(due + Milliseconds(jitter(random)));
      deliver(number);
      due += Milliseconds(1e3 / timing.rate_hz);
      if (timing.stall_every > 0 && (number + 1) % timing.stall_every == 0)
        due += Milliseconds(timing.stall_ms);
    }
  }

  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace scanner
