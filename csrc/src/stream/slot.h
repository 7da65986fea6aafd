// A place for one frame: its pixels where they are copied, its result, and what is known of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/aligned_buffer.h"
#include "stream/frame.h"

namespace pyengine {

// What a slot can hold [bytes].
struct SlotSizes {
  size_t pixels = 0;  // 0: frames are borrowed
  size_t result = 0;
};

struct SlotMemory {
  SlotMemory() = default;
  // Its pages are there, too.
  explicit SlotMemory(const SlotSizes& sizes);

  int64_t bytes() const { return static_cast<int64_t>(pixels.size() + result.size()); }

  AlignedBuffer<std::byte> pixels, result;
};

struct Slot {
  // kFilling: a submitting thread copies pixels. kEnded: the result may be taken.
  enum class State { kFree, kFilling, kWaiting, kRunning, kEnded, kTaken };

  State state = State::kFree;
  Frame frame;
  FrameResult result;
  std::atomic<bool> cancelled{false};
  char message[512] = "";
  uint64_t seal = 0;  // of borrowed pixels, in debug builds
  SlotMemory memory;
  SlotMemory next_memory;  // takes its place once the frame has gone
  bool replaced_memory = false;

  void Fail(ErrorCode code, const char* why) noexcept;
};

// Copies all slices of a frame, row by row, and points its image at the copy: dense pixels.
void CopyPixels(Frame& frame, SlotMemory& memory);

// Bytes of `slices` x height x width x channels dense pixels.
int64_t DensePixelBytes(PixelType type, int64_t slices, int64_t height, int64_t width,
                        int64_t channels);

// A number that follows from all pixels of a frame.
uint64_t Seal(const Frame& frame);

}  // namespace pyengine
