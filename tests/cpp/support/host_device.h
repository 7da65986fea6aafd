// A "GPU" on the host: streams are queues that run in a random order, as far as events allow, and
// only when somebody waits. What lacks an event fails here sooner than on a real device.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "cuda/device.h"
#include "pyengine/executor.h"

namespace pyengine {

class HostDevice final : public Device {
 public:
  explicit HostDevice(uint32_t seed = 1) : random_(seed) {}
  ~HostDevice() override { EXPECT_TRUE(memory_.empty()) << "device memory leaked"; }

  void* Allocate(size_t bytes) override {
    ++allocations;
    void* memory = std::malloc(bytes);
    std::memset(memory, 0xA5, bytes);  // stale values must not pass for results
    memory_.insert(memory);
    return memory;
  }
  void Free(void* memory) noexcept override {
    for (const Stream* stream : streams_)
      EXPECT_TRUE(stream->queue.empty()) << "memory freed while a stream is at work";
    EXPECT_EQ(memory_.erase(memory), 1u);
    std::free(memory);
  }
  void* AllocateHost(size_t bytes) override { return Allocate(bytes); }
  void FreeHost(void* memory) noexcept override { Free(memory); }
  int64_t FreeBytes() override { return int64_t(1) << 30; }

  void CheckReach(const void* memory, const char* what) override {
    if (memory == out_of_reach)
      throw Error(ErrorCode::kInvalidArgument, std::string(what) + " lies elsewhere");
  }
  void WithCurrent(const std::function<void()>& body) override { body(); }

  struct Stream final : DeviceStream {
    explicit Stream(HostDevice& owner) : device(owner) { device.streams_.insert(this); }
    ~Stream() override {
      EXPECT_TRUE(queue.empty()) << "stream destroyed at work";
      device.streams_.erase(this);
    }
    void Push(std::function<void()> work) {
      queue.push_back({std::move(work), nullptr, 0}), ++pushed;
    }
    void CopyIn(void* to, const void* from, size_t bytes) override {
      Push([=] { std::memcpy(to, from, bytes); });
      ++device.copies_in;
    }
    void CopyOut(void* to, const void* from, size_t bytes) override {
      Push([=] { std::memcpy(to, from, bytes); });
      ++device.copies_out;
    }
    void Gather(const GatherArgs& a) override {
      Push([a] {
        auto* out = static_cast<float*>(a.windows);
        for (int64_t i = 0; i < a.tiles.count; ++i)
          for (int64_t c = 0; c < a.image.channels; ++c)
            for (int64_t y = 0; y < a.height; ++y) {
              const WindowRow row = WindowRowOf(a, i, c, y);
              for (int64_t x = 0; x < a.width; ++x) *out++ = GatherPixel(a, row, x);
            }
      });
    }
    void Scatter(const ScatterArgs& a) override {
      Push([a] {
        for (int64_t i = 0; i < a.tiles.count; ++i)
          for (int64_t y = 0; y < a.tiles.tile_height; ++y) {
            const TileRow row = TileRowOf(a, i, y);
            for (int64_t x = 0; x < row.pixels; ++x) ScatterPixel(a, row, x);
          }
      });
    }
    void Blend(const BlendArgs& a) override {
      Push([a] {
        for (int64_t y = 0; y < a.height; ++y)
          for (int64_t x = 0; x < a.width; ++x) BlendPixel(a, y, x);
      });
    }
    void FinishBlend(const FinishBlendArgs& a) override {
      Push([a] {
        for (int64_t y = 0; y < a.height; ++y)
          for (int64_t x = 0; x < a.width; ++x) FinishBlendPixel(a, y, x);
      });
    }
    void Clear(void* memory, size_t bytes) override {
      Push([=] { std::memset(memory, 0, bytes); });
    }
    void WaitFor(DeviceStream& other) override {
      auto* awaited = static_cast<Stream*>(other.handle());
      queue.push_back({[] {}, awaited, awaited->pushed}), ++pushed;
    }
    void Synchronize() override {
      ++device.synchronizations;
      while (!queue.empty()) device.RunOne();
    }
    void* handle() override { return this; }

    bool Ready() const {
      return !queue.empty() && (queue.front().awaited == nullptr ||
                                queue.front().awaited->done >= queue.front().until);
    }
    struct Item {
      std::function<void()> work;
      const Stream* awaited;
      int64_t until;
    };
    HostDevice& device;
    std::vector<Item> queue;
    int64_t pushed = 0, done = 0;
  };

  std::unique_ptr<DeviceStream> MakeStream() override {
    ++streams_made;
    return std::make_unique<Stream>(*this);
  }

  // The caller's stream stays the caller's.
  struct Borrowed final : DeviceStream {
    explicit Borrowed(Stream& inner) : stream(inner) {}
    void CopyIn(void* to, const void* from, size_t n) override { stream.CopyIn(to, from, n); }
    void CopyOut(void* to, const void* from, size_t n) override { stream.CopyOut(to, from, n); }
    void Gather(const GatherArgs& a) override { stream.Gather(a); }
    void Scatter(const ScatterArgs& a) override { stream.Scatter(a); }
    void Blend(const BlendArgs& a) override { stream.Blend(a); }
    void FinishBlend(const FinishBlendArgs& a) override { stream.FinishBlend(a); }
    void Clear(void* memory, size_t bytes) override { stream.Clear(memory, bytes); }
    void WaitFor(DeviceStream& other) override { stream.WaitFor(other); }
    void Synchronize() override { stream.Synchronize(); }
    void* handle() override { return &stream; }
    Stream& stream;
  };
  std::unique_ptr<DeviceStream> WrapStream(void* handle) override {
    return std::make_unique<Borrowed>(*static_cast<Stream*>(handle));
  }

  const void* out_of_reach = nullptr;  // what CheckReach refuses
  int streams_made = 0, allocations = 0, copies_in = 0, copies_out = 0, synchronizations = 0;

 private:
  void RunOne() {
    std::vector<Stream*> ready;
    for (Stream* stream : streams_)
      if (stream->Ready()) ready.push_back(stream);
    ASSERT_FALSE(ready.empty()) << "streams wait for each other";
    Stream& chosen = *ready[random_() % ready.size()];
    const Stream::Item item = std::move(chosen.queue.front());
    chosen.queue.erase(chosen.queue.begin());
    item.work();
    ++chosen.done;
  }

  std::mt19937 random_;
  std::set<void*> memory_;
  std::set<Stream*> streams_;
};

// An executor of the host as the network of a HostDevice.
class HostNetwork final : public DeviceNetwork {
 public:
  HostNetwork(std::shared_ptr<Executor> executor, int64_t max_side, int max_batch)
      : executor_(std::move(executor)), max_side_(max_side), max_batch_(max_batch) {}

  struct HostLane final : Lane {
    explicit HostLane(std::shared_ptr<Executor> shared) : executor(std::move(shared)) {}
    void Run(DeviceStream& stream, const void* windows, float* logits, int64_t n, int64_t h,
             int64_t w) override {
      dynamic_cast<HostDevice::Stream&>(stream).Push(
          [=, e = executor] { e->Run(static_cast<const float*>(windows), logits, n, h, w); });
    }
    std::shared_ptr<Executor> executor;
  };
  std::unique_ptr<Lane> MakeLane() override { return std::make_unique<HostLane>(executor_); }
  bool half_input() const override { return false; }
  int64_t max_height() const override { return max_side_; }
  int64_t max_width() const override { return max_side_; }
  int max_batch() const override { return max_batch_; }

 private:
  std::shared_ptr<Executor> executor_;
  int64_t max_side_;
  int max_batch_;
};

}  // namespace pyengine
