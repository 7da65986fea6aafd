// Memory on cache-line boundaries, owned by a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "core/platform/aligned_memory.h"

namespace pyengine {

template <class T>
class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;

  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t count) : size_(count) {
    if (count == 0) return;
    if (count > SIZE_MAX / sizeof(T) - kAlignment) throw std::bad_alloc();
    const size_t bytes = (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    data_.reset(static_cast<T*>(AllocateAligned(kAlignment, bytes)));
    if (!data_) throw std::bad_alloc();
  }

  T* data() noexcept { return data_.get(); }
  const T* data() const noexcept { return data_.get(); }
  size_t size() const noexcept { return size_; }
  T& operator[](size_t i) noexcept { return data_[i]; }
  const T& operator[](size_t i) const noexcept { return data_[i]; }

 private:
  struct Free {
    void operator()(T* p) const noexcept { FreeAligned(p); }
  };
  std::unique_ptr<T[], Free> data_;
  size_t size_ = 0;
};

}  // namespace pyengine
