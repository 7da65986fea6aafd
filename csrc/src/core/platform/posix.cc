// What Linux and Darwin do alike.
#include "core/platform/posix.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "core/platform/aligned_memory.h"
#include "core/platform/dynamic_library.h"
#include "core/platform/file_memory.h"
#include "core/platform/regular_file.h"
#include "core/platform/threads.h"
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

// ---- files
RegularFile::RegularFile(const std::string& path) {
  // Opening alone may block (pipes) or act (devices), so the kind is asked first.
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) Refuse("cannot open: " + Reason());
  RequireRegular(info.st_mode);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) Refuse("cannot open: " + Reason());
  try {
    if (::fstat(file, &info) != 0) Refuse("cannot read: " + Reason());
    RequireRegular(info.st_mode);  // it may have been exchanged meanwhile
  } catch (...) {
    ::close(file);
    throw;
  }
  handle_ = file;
  size_ = info.st_size;
}

RegularFile::RegularFile(int descriptor) {
  struct stat info{};
  if (::fstat(descriptor, &info) != 0) Refuse("cannot read: " + Reason());
  RequireRegular(info.st_mode);
  const int file = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (file < 0) Refuse("cannot read: " + Reason());
  handle_ = file;
  size_ = info.st_size;
}

RegularFile::~RegularFile() {
  ::close(static_cast<int>(handle_));
}

void RegularFile::Read(int64_t begin, int64_t count, void* to) const {
  auto* out = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t got = ::pread(static_cast<int>(handle_), out, static_cast<size_t>(count), begin);
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

// ---- files as memory
namespace {

// A file without a name, of so many bytes. Throws Error(kIo) with the reason.
int NamelessFile(const std::string& folder, int64_t bytes) {
  // Beyond this limit the system would send a signal instead of an error.
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      limit.rlim_cur < static_cast<rlim_t>(bytes))
    Refuse("the process may write files of " + std::to_string(limit.rlim_cur) + " bytes alone");
  std::string name = folder + "/pyengine-XXXXXX";
  const int file = ::mkstemp(name.data());
  if (file < 0) Refuse(Reason());
  ::unlink(name.c_str());
  ::fcntl(file, F_SETFD, FD_CLOEXEC);
  const int error = ReserveFile(file, bytes);
  if (error == 0) return file;
  ::close(file);
  Refuse(std::strerror(error));
}

}  // namespace

std::string ScratchFolder() {
  const char* named = std::getenv("TMPDIR");
  if (named != nullptr && *named != '\0') return named;
  return ::access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
}

FileMemory::FileMemory(const std::string& folder, int64_t bytes) : bytes_(bytes) {
  try {
    const int file = NamelessFile(folder, bytes);
    void* mapped =
        ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
      const std::string reason = Reason();
      ::close(file);
      Refuse(reason);
    }
    data_ = mapped;
    handle_ = file;
  } catch (const Error& e) {
    throw Error(e.code(), "temporary file of " + std::to_string(bytes) + " bytes in " + folder +
                              ": " + e.what());
  }
}

FileMemory::~FileMemory() {
  ::munmap(data_, static_cast<size_t>(bytes_));
  ::close(static_cast<int>(handle_));
}

void FileMemory::Release(const float* begin, int64_t count) const noexcept {
  static const auto page = static_cast<intptr_t>(::sysconf(_SC_PAGESIZE));
  auto* const base = static_cast<char*>(data_);
  // Whole pages alone: neighbours' pages may be in use. The mapping begins with one.
  const intptr_t from = reinterpret_cast<const char*>(begin) - base;
  const intptr_t to = from + count * static_cast<intptr_t>(sizeof(float));
  const intptr_t first = (from + page - 1) / page * page, last = to / page * page;
  if (last > first) ::madvise(base + first, static_cast<size_t>(last - first), MADV_DONTNEED);
}

// ---- libraries
DynamicLibrary::DynamicLibrary(const std::string& path_or_name) {
  handle_ = ::dlopen(path_or_name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ == nullptr) {
    const char* reason = ::dlerror();
    throw Error(ErrorCode::kUnsupported, reason != nullptr ? reason : path_or_name);
  }
  path_ = FileOfLibrary(handle_, path_or_name);
}

void* DynamicLibrary::Find(const char* name) const {
  void* symbol = ::dlsym(handle_, name);
  if (symbol == nullptr)
    throw Error(ErrorCode::kUnsupported, path_ + " lacks the function " + name);
  return symbol;
}

// ---- memory
void* AllocateAligned(size_t alignment, size_t bytes) noexcept {
  return std::aligned_alloc(alignment, bytes);
}

void FreeAligned(void* memory) noexcept {
  std::free(memory);
}

// ---- threads
SignalsBlocked::SignalsBlocked() noexcept {
  static_assert(sizeof(sigset_t) <= sizeof before_);
  sigset_t blocked, before;
  sigfillset(&blocked);
  // A fault belongs to the thread that causes it, a profiler's tick to one that works.
  for (int own : {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SIGPROF})
    sigdelset(&blocked, own);
#ifdef SIGRTMIN
  // Collectors of garbage stop each thread that ever called managed code, as callbacks are, by a
  // signal to that thread, and wait for it: Mono by real-time ones, others by these two.
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) sigdelset(&blocked, signal);
  for (int signal : {SIGPWR, SIGXCPU}) sigdelset(&blocked, signal);
#endif
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  std::memcpy(before_, &before, sizeof before);
}

SignalsBlocked::~SignalsBlocked() {
  sigset_t before;
  std::memcpy(&before, before_, sizeof before);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

NotCancelled::NotCancelled() noexcept {
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_);
}

NotCancelled::~NotCancelled() {
  pthread_setcancelstate(before_, nullptr);
}

uint64_t Forks() {
  static std::atomic<uint64_t> forks{0};
  [[maybe_unused]] static const int registered =
      pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
  return forks.load(std::memory_order_relaxed);
}

}  // namespace pyengine
