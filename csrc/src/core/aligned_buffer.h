// Memory on cache-line boundaries, owned by a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace pyengine {

template <class T>
class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;
  // Large buffers ask for pages of this size: kernels walk dozens of matrices at a time, each on a
  // page of its own, and would miss the table of small pages.
  static constexpr size_t kHugePage = size_t(2) << 20;

  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t count) : size_(count) {
    if (count == 0) return;
    if (count > (SIZE_MAX - kHugePage) / sizeof(T)) throw std::bad_alloc();
    const size_t alignment = count * sizeof(T) >= kHugePage ? kHugePage : kAlignment;
    const size_t bytes = (count * sizeof(T) + alignment - 1) / alignment * alignment;
    data_.reset(static_cast<T*>(std::aligned_alloc(alignment, bytes)));
    if (!data_) throw std::bad_alloc();
#if defined(__linux__)
    // A wish: where the system refuses, pages stay small.
    if (alignment == kHugePage) madvise(data_.get(), bytes, MADV_HUGEPAGE);
#endif
  }

  T* data() noexcept { return data_.get(); }
  const T* data() const noexcept { return data_.get(); }
  size_t size() const noexcept { return size_; }
  T& operator[](size_t i) noexcept { return data_[i]; }
  const T& operator[](size_t i) const noexcept { return data_[i]; }

 private:
  struct Free {
    void operator()(T* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<T[], Free> data_;
  size_t size_ = 0;
};

}  // namespace pyengine
