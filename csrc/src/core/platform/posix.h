// What posix.cc asks of Linux and of Darwin.
#pragma once

#include <cstdint>
#include <string>

namespace pyengine {

// The file of an open library, or `asked` where the system does not tell.
std::string FileOfLibrary(void* handle, const std::string& asked);

// Gives an empty file `bytes` of the disk; returns 0, or the system's error number.
int ReserveFile(int file, int64_t bytes) noexcept;

}  // namespace pyengine
