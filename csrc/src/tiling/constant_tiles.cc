#include "tiling/constant_tiles.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace pyengine {

bool IsConstant(const float* window, const WindowPlanes& shape, Range columns,
                ChannelBits* values) {
  if (values != nullptr) values->clear();
  const auto count = static_cast<size_t>(columns.size());
  for (int64_t c = 0; c < shape.channels; ++c) {
    const float* first = window + c * shape.height * shape.width + columns.begin;
    // A row holds one value where it equals itself, moved by one.
    if (std::memcmp(first, first + 1, (count - 1) * sizeof(float)) != 0) return false;
    for (int64_t y = 1; y < shape.height; ++y)
      if (std::memcmp(first, first + y * shape.width, count * sizeof(float)) != 0) return false;
    if (values != nullptr) values->push_back(std::bit_cast<uint32_t>(*first));
  }
  return true;
}

ConstantTiles::Logits ConstantTiles::Find(const Tile& tile, const ChannelBits& values) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.tile == tile && entry.values == values;
  });
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return found->logits;
}

void ConstantTiles::Keep(const Tile& tile, const ChannelBits& values, const float* logits,
                         int64_t count) {
  if (count > most_bytes_ / static_cast<int64_t>(sizeof(float)) || Find(tile, values)) return;
  auto copy = std::make_shared<AlignedBuffer<float>>(static_cast<size_t>(count));
  std::copy_n(logits, count, copy->data());
  const std::scoped_lock lock(mutex_);
  entries_.push_front({.tile = tile, .values = values, .logits = std::move(copy)});
  bytes_ += entries_.front().bytes();
  while (bytes_ > most_bytes_) {
    bytes_ -= entries_.back().bytes();
    entries_.pop_back();
  }
}

int64_t ConstantTiles::bytes() const {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

void ConstantTiles::Clear() {
  const std::scoped_lock lock(mutex_);
  entries_.clear();
  bytes_ = 0;
}

}  // namespace pyengine
