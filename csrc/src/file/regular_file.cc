#include "file/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "pyengine/error.h"

namespace pyengine {
namespace {

[[noreturn]] void Refuse(const std::string& problem) {
  throw Error(ErrorCode::kIo, problem);
}

std::string Reason() {
  return std::strerror(errno);
}

void RequireRegular(mode_t mode) {
  if (S_ISREG(mode)) return;
  const char* what = S_ISDIR(mode)    ? "a folder"
                     : S_ISFIFO(mode) ? "a pipe"
                     : S_ISSOCK(mode) ? "a socket"
                                      : "a device";
  Refuse(std::string("is ") + what + ", not a regular file");
}

}  // namespace

RegularFile::RegularFile(const std::string& path) {
  // Opening alone may block (pipes) or act (devices), so the kind is asked first.
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) Refuse("cannot open: " + Reason());
  RequireRegular(info.st_mode);
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd_ < 0) Refuse("cannot open: " + Reason());
  try {
    if (::fstat(fd_, &info) != 0) Refuse("cannot read: " + Reason());
    RequireRegular(info.st_mode);  // it may have been exchanged meanwhile
  } catch (...) {
    ::close(fd_);
    throw;
  }
  size_ = info.st_size;
}

RegularFile::~RegularFile() {
  ::close(fd_);
}

void RegularFile::Read(int64_t begin, int64_t count, void* to) const {
  auto* out = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t got = ::pread(fd_, out, static_cast<size_t>(count), begin);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) Refuse("cannot read: " + Reason());
    if (got == 0)
      throw Error(ErrorCode::kBadEngineFile,
                  "file size: the file became shorter while it was read");
    out += got;
    begin += got;
    count -= got;
  }
}

}  // namespace pyengine
