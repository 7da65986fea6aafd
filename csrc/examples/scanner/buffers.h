// Frame memory that the camera fills and the stream borrows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace scanner {

// As many buffers as can be under way at once: one that is filled, and those that the stream holds.
class Buffers {
 public:
  Buffers(size_t count, size_t bytes) : memory_(count, std::vector<uint8_t>(bytes)) {
    for (std::vector<uint8_t>& buffer : memory_) free_.push_back(buffer.data());
  }

  // Null while the stream holds all: the frame is lost.
  uint8_t* Take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) return nullptr;
    uint8_t* const buffer = free_.back();
    free_.pop_back();
    return buffer;
  }

  // The stream is done with it: its frame ended, was replaced or refused.
  void Give(void* buffer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(static_cast<uint8_t*>(buffer));
  }

 private:
  std::mutex mutex_;
  std::vector<std::vector<uint8_t>> memory_;
  std::vector<uint8_t*> free_;
};

}  // namespace scanner
