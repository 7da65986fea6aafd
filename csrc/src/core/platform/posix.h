// What posix.cc asks of Linux and of Darwin.
#pragma once

#include <string>

namespace pyengine {

// The file of an open library, or `asked` where the system does not tell.
std::string FileOfLibrary(void* handle, const std::string& asked);

}  // namespace pyengine
