// Bytes that are read piece by piece: of a file, or of a program's memory.
#pragma once

#include <cstdint>
#include <cstring>

namespace pyengine {

class ByteSource {
 public:
  ByteSource() = default;
  virtual ~ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  virtual int64_t size() const noexcept = 0;  // [bytes]
  // Bytes [begin, begin + count), which lie within size().
  virtual void Read(int64_t begin, int64_t count, void* to) const = 0;
};

// Borrowed.
class MemoryBytes final : public ByteSource {
 public:
  MemoryBytes(const void* data, int64_t size)
      : data_(static_cast<const char*>(data)), size_(size) {}
  int64_t size() const noexcept override { return size_; }
  void Read(int64_t begin, int64_t count, void* to) const override {
    std::memcpy(to, data_ + begin, static_cast<size_t>(count));
  }

 private:
  const char* data_;
  int64_t size_;
};

}  // namespace pyengine
