// What one call of the device tiler works with: two streams, and memory of its own.
#pragma once

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "cuda/device_tiler.h"

namespace pyengine {

struct DeviceTiler::Session {
  using Kind = DeviceBuffer::Kind;
  static constexpr int kStreams = 2;

  // What one of the two streams works with.
  struct Turn {
    Turn(const std::shared_ptr<Device>& device, DeviceNetwork& network)
        : windows(device, Kind::kDevice),
          logits(device, Kind::kDevice),
          stream(device->MakeStream()),
          lane(network.MakeLane()) {}
    DeviceBuffer windows, logits;
    std::unique_ptr<DeviceStream> stream;
    std::unique_ptr<DeviceNetwork::Lane> lane;
  };

  Session(const std::shared_ptr<Device>& device, DeviceNetwork& network)
      : image(device, Kind::kDevice),
        result(device, Kind::kDevice),
        pinned_image(device, Kind::kPinned),
        pinned_result(device, Kind::kPinned),
        turns{{device, network}, {device, network}} {}
  // Nothing may be freed while the device is at work on it.
  ~Session() { Settle(); }

  // Waits for both streams.
  void Settle() noexcept {
    for (const Turn& turn : turns) {
      try {
        turn.stream->Synchronize();
      } catch (const std::exception&) {
        continue;  // the device is lost; there is nobody to tell
      }
    }
  }

  // Room for a batch on each stream, for `image_bytes` of pixels and `result_bytes` of results.
  void Reserve(size_t window_bytes, size_t logit_bytes, size_t image_bytes, size_t result_bytes) {
    const std::pair<DeviceBuffer*, size_t> wanted[] = {{&turns[0].windows, window_bytes},
                                                       {&turns[1].windows, window_bytes},
                                                       {&turns[0].logits, logit_bytes},
                                                       {&turns[1].logits, logit_bytes},
                                                       {&image, image_bytes},
                                                       {&pinned_image, image_bytes},
                                                       {&result, result_bytes},
                                                       {&pinned_result, result_bytes}};
    const auto fits = [](const auto& want) { return want.first->size() >= want.second; };
    if (std::all_of(std::begin(wanted), std::end(wanted), fits)) return;
    // A call that did not wait may still be at work on them.
    for (const Turn& turn : turns) turn.stream->Synchronize();
    for (const auto& [buffer, bytes] : wanted) buffer->Grow(bytes);
  }

  DeviceBuffer image, result, pinned_image, pinned_result;
  // It needs the constructor's arguments. NOLINTNEXTLINE(modernize-use-default-member-init)
  Turn turns[kStreams];
};

// A call that ends by an exception waits for what it has enqueued: neither its memory nor the
// caller's may be at work when the next call, or nobody, has it. Declared after that memory.
class DeviceTiler::SettleOnError {
 public:
  explicit SettleOnError(Session& session) : session_(session) {}
  ~SettleOnError() {
    if (std::uncaught_exceptions() > exceptions_) session_.Settle();
  }
  SettleOnError(const SettleOnError&) = delete;
  SettleOnError& operator=(const SettleOnError&) = delete;

 private:
  Session& session_;
  const int exceptions_ = std::uncaught_exceptions();
};

}  // namespace pyengine
