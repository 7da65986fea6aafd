// How much memory things of a kind hold together, whoever uses them.
#pragma once

#include <atomic>
#include <cstdint>

namespace pyengine {

// The part of one thing in a total, which outlives it.
class HeldBytes {
 public:
  explicit HeldBytes(std::atomic<int64_t>* total = nullptr) : total_(total) {}
  ~HeldBytes() { Set(0); }
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;

  void Set(int64_t bytes) {
    if (total_ != nullptr) total_->fetch_add(bytes - bytes_, std::memory_order_relaxed);
    bytes_ = bytes;
  }
  int64_t get() const { return bytes_; }

 private:
  std::atomic<int64_t>* const total_;
  int64_t bytes_ = 0;
};

}  // namespace pyengine
