// Slots in the order in which they came, in memory that was allocated once.
#pragma once

#include <cstddef>
#include <vector>

#include "stream/slot.h"

namespace pyengine {

// Not synchronised.
class FrameQueue {
 public:
  explicit FrameQueue(size_t capacity) { slots_.reserve(capacity); }

  bool empty() const { return slots_.empty(); }
  size_t size() const { return slots_.size(); }

  void Push(Slot* slot) { slots_.push_back(slot); }
  Slot* Pop() {
    Slot* first = slots_.front();
    slots_.erase(slots_.begin());
    return first;
  }

 private:
  std::vector<Slot*> slots_;  // a few
};

}  // namespace pyengine
