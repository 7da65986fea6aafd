// Tiles whose whole window is one value in each channel: what was computed of one serves the
// others.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/range.h"
#include "pyengine/executor.h"

namespace pyengine {

// The bits of a value in each channel; NaN is itself, and -0 is not 0.
using ChannelBits = std::vector<uint32_t>;

struct WindowPlanes {
  int64_t channels, height, width;
};

// Whether each channel holds one value, bit for bit, in some columns of a window, and which. The
// first pixels tell of most.
bool IsConstant(const float* window, const WindowPlanes& shape, Range columns, ChannelBits* values);

// Logits of constant windows. Equal windows of equal tiles have equal logits: where a tile lies on
// the image is in Tile, as far as it matters. Thread-safe.
class ConstantTiles {
 public:
  using Logits = std::shared_ptr<const AlignedBuffer<float>>;

  // Keeps the logits used last, of up to `most_bytes` in all.
  explicit ConstantTiles(int64_t most_bytes) : most_bytes_(most_bytes) {}

  // Null where they are not known. Allocates nothing.
  Logits Find(const Tile& tile, const ChannelBits& values);
  // Copies `count` logits, unless they alone are more than is kept.
  void Keep(const Tile& tile, const ChannelBits& values, const float* logits, int64_t count);

  int64_t bytes() const;
  void Clear();

 private:
  struct Entry {
    Tile tile;
    ChannelBits values;
    Logits logits;
    int64_t bytes() const { return static_cast<int64_t>(logits->size() * sizeof(float)); }
  };

  const int64_t most_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // last used first
  int64_t bytes_ = 0;
};

}  // namespace pyengine
