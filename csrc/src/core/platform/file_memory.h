// Memory whose contents lie in a file on a disk: more than the machine has.
#pragma once

#include <cstdint>
#include <string>

namespace pyengine {

// Where files go that are larger than memory, UTF-8: the folder that the environment names (TMPDIR,
// on Windows TMP or TEMP), else /var/tmp, which is a disk where /tmp may be memory.
std::string ScratchFolder();

// Mapped: the system writes pages out and fetches them by itself, beside the computation. The file
// has no name, so nothing is left behind however the process ends.
class FileMemory {
 public:
  // Zeros. The file's space is taken at once, since a disk that is full later could only be told by
  // a signal. Throws Error(kIo) with the folder, the size and the system's reason.
  FileMemory(const std::string& folder, int64_t bytes);
  ~FileMemory();
  FileMemory(const FileMemory&) = delete;
  FileMemory& operator=(const FileMemory&) = delete;

  float* data() const noexcept { return static_cast<float*>(data_); }

  // Takes the pages of `count` floats from `begin` on out of the process's memory; what they hold
  // stays, and comes back when it is asked for.
  void Release(const float* begin, int64_t count) const noexcept;

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
  intptr_t handle_ = -1;  // a file descriptor, or Windows' HANDLE
};

}  // namespace pyengine
