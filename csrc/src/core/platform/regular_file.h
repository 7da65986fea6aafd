// A file on a disk, read piece by piece.
#pragma once

#include <cstdint>
#include <string>

#include "core/byte_source.h"

namespace pyengine {

// Reads instead of mapping: a file that shrinks under a mapping kills the process with SIGBUS, and
// weights are repacked into the kernels' layout anyway.
class RegularFile final : public ByteSource {
 public:
  // `path` is UTF-8. Throws Error(kIo) where there is no file; pipes, devices and folders are
  // refused unopened.
  explicit RegularFile(const std::string& path);
  // A file that somebody has open for reading; its position stays where it is.
  explicit RegularFile(int descriptor);
  ~RegularFile() override;

  int64_t size() const noexcept override { return size_; }  // when it was opened

  // Throws Error(kIo), or Error(kBadEngineFile) if the file became shorter meanwhile.
  void Read(int64_t begin, int64_t count, void* to) const override;

 private:
  intptr_t handle_ = -1;  // a file descriptor, or Windows' HANDLE
  int64_t size_ = 0;
};

}  // namespace pyengine
