// What Windows has of its own, from version 10 on.
#include <io.h>
#include <malloc.h>
#include <windows.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>
#include <vector>

#include "core/platform/aligned_memory.h"
#include "core/platform/available_memory.h"
#include "core/platform/dynamic_library.h"
#include "core/platform/file_memory.h"
#include "core/platform/processors.h"
#include "core/platform/regular_file.h"
#include "core/platform/threads.h"
#include "core/platform/utf16.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// The system's text for an error, in English where it has it.
std::string Reason(DWORD error) {
  wchar_t text[512];
  constexpr DWORD kFlags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;
  DWORD length = 0;
  for (const DWORD language : {DWORD{MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US)}, DWORD{0}})
    if (length == 0)
      length = ::FormatMessageW(kFlags, nullptr, error, language, text, 512, nullptr);
  while (length > 0 && (text[length - 1] <= L' ' || text[length - 1] == L'.')) --length;
  return length > 0 ? Utf8({text, length}) : "error " + std::to_string(error);
}

[[noreturn]] void Refuse(const std::string& problem) {
  throw Error(ErrorCode::kIo, problem);
}

HANDLE AsHandle(intptr_t handle) {
  return reinterpret_cast<HANDLE>(handle);  // NOLINT(performance-no-int-to-ptr)
}

template <class Function>
Function* KernelFunction(const char* name) {
  const HMODULE kernel = ::GetModuleHandleW(L"kernel32.dll");
  return reinterpret_cast<Function*>(reinterpret_cast<void*>(::GetProcAddress(kernel, name)));
}

// Calls `visit` with each entry of one kind that the system lists of its processors.
template <class Visit>
void ForEachProcessorEntry(LOGICAL_PROCESSOR_RELATIONSHIP kind, Visit&& visit) {
  DWORD bytes = 0;
  ::GetLogicalProcessorInformationEx(kind, nullptr, &bytes);
  std::vector<char> list(bytes);
  auto* first = reinterpret_cast<SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX*>(list.data());
  if (bytes == 0 || !::GetLogicalProcessorInformationEx(kind, first, &bytes)) return;
  for (DWORD at = 0; at < bytes;) {
    const auto* entry =
        reinterpret_cast<const SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX*>(list.data() + at);
    visit(*entry);
    at += entry->Size;
  }
}

}  // namespace

// ---- text
std::wstring Utf16(const std::string& utf8) {
  const int size = static_cast<int>(utf8.size());
  std::wstring text(::MultiByteToWideChar(CP_UTF8, 0, utf8.data(), size, nullptr, 0), L'\0');
  ::MultiByteToWideChar(CP_UTF8, 0, utf8.data(), size, text.data(), static_cast<int>(text.size()));
  return text;
}

std::string Utf8(const std::wstring& utf16) {
  const int size = static_cast<int>(utf16.size());
  std::string text(
      ::WideCharToMultiByte(CP_UTF8, 0, utf16.data(), size, nullptr, 0, nullptr, nullptr), '\0');
  ::WideCharToMultiByte(CP_UTF8, 0, utf16.data(), size, text.data(), static_cast<int>(text.size()),
                        nullptr, nullptr);
  return text;
}

// ---- files
RegularFile::RegularFile(const std::string& path) {
  const std::wstring name = Utf16(path);
  // Opening alone may block or act, so the kind is asked first. What lies in the device namespace
  // is never a file on a disk.
  if (name.starts_with(L"\\\\.\\") || name.starts_with(L"\\\\.\\pipe\\"))
    Refuse("is a device or a pipe, not a regular file");
  const DWORD attributes = ::GetFileAttributesW(name.c_str());
  if (attributes == INVALID_FILE_ATTRIBUTES) Refuse("cannot open: " + Reason(::GetLastError()));
  if (attributes & FILE_ATTRIBUTE_DIRECTORY) Refuse("is a folder, not a regular file");
  if (attributes & FILE_ATTRIBUTE_DEVICE) Refuse("is a device, not a regular file");
  const HANDLE file = ::CreateFileW(name.c_str(), GENERIC_READ,
                                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                    OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) Refuse("cannot open: " + Reason(::GetLastError()));
  LARGE_INTEGER size;
  if (::GetFileType(file) != FILE_TYPE_DISK || !::GetFileSizeEx(file, &size)) {
    ::CloseHandle(file);
    Refuse("is a device, not a regular file");
  }
  handle_ = reinterpret_cast<intptr_t>(file);
  size_ = size.QuadPart;
}

RegularFile::RegularFile(int descriptor) {
  const auto given = reinterpret_cast<HANDLE>(::_get_osfhandle(descriptor));
  HANDLE file = INVALID_HANDLE_VALUE;
  LARGE_INTEGER size;
  if (given == INVALID_HANDLE_VALUE || ::GetFileType(given) != FILE_TYPE_DISK ||
      !::GetFileSizeEx(given, &size))
    Refuse("is no regular file that is open");
  if (!::DuplicateHandle(::GetCurrentProcess(), given, ::GetCurrentProcess(), &file, 0, FALSE,
                         DUPLICATE_SAME_ACCESS))
    Refuse("cannot read: " + Reason(::GetLastError()));
  handle_ = reinterpret_cast<intptr_t>(file);
  size_ = size.QuadPart;
}

RegularFile::~RegularFile() {
  ::CloseHandle(AsHandle(handle_));
}

void RegularFile::Read(int64_t begin, int64_t count, void* to) const {
  constexpr int64_t kMostAtATime = int64_t(1) << 30;
  auto* out = static_cast<char*>(to);
  while (count > 0) {
    OVERLAPPED at{};
    at.Offset = static_cast<DWORD>(begin);
    at.OffsetHigh = static_cast<DWORD>(begin >> 32);
    DWORD got = 0;
    if (!::ReadFile(AsHandle(handle_), out, static_cast<DWORD>(std::min(count, kMostAtATime)), &got,
                    &at) &&
        ::GetLastError() != ERROR_HANDLE_EOF)
      Refuse("cannot read: " + Reason(::GetLastError()));
    if (got == 0)
      throw Error(ErrorCode::kBadEngineFile,
                  "file size: the file became shorter while it was read");
    out += got;
    begin += got;
    count -= got;
  }
}

// ---- files as memory
std::string ScratchFolder() {
  wchar_t folder[MAX_PATH + 1];
  const DWORD length = ::GetTempPathW(MAX_PATH + 1, folder);
  return length > 0 && length <= MAX_PATH ? Utf8({folder, length}) : ".";
}

FileMemory::FileMemory(const std::string& folder, int64_t bytes) : bytes_(bytes) {
  const auto refuse = [&](DWORD error) {
    Refuse("temporary file of " + std::to_string(bytes) + " bytes in " + folder + ": " +
           Reason(error));
  };
  wchar_t name[MAX_PATH + 1];
  if (::GetTempFileNameW(Utf16(folder).c_str(), L"pye", 0, name) == 0) refuse(::GetLastError());
  const HANDLE file =
      ::CreateFileW(name, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_DELETE, nullptr, CREATE_ALWAYS,
                    FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, nullptr);
  if (file == INVALID_HANDLE_VALUE) refuse(::GetLastError());
  // A mapping takes its space of the disk when it is made.
  const HANDLE mapping =
      ::CreateFileMappingW(file, nullptr, PAGE_READWRITE, static_cast<DWORD>(bytes >> 32),
                           static_cast<DWORD>(bytes), nullptr);
  DWORD error = ::GetLastError();
  if (mapping != nullptr) {
    data_ = ::MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, static_cast<SIZE_T>(bytes));
    error = ::GetLastError();
    ::CloseHandle(mapping);  // the view keeps it
  }
  if (data_ == nullptr) {
    ::CloseHandle(file);
    refuse(error);
  }
  handle_ = reinterpret_cast<intptr_t>(file);
}

FileMemory::~FileMemory() {
  ::UnmapViewOfFile(data_);
  ::CloseHandle(AsHandle(handle_));
}

void FileMemory::Release(const float* begin, int64_t count) const noexcept {
  // Unlocking pages that are not locked takes them out of the working set.
  ::VirtualUnlock(const_cast<float*>(begin), static_cast<SIZE_T>(count) * sizeof(float));
}

// ---- libraries
DynamicLibrary::DynamicLibrary(const std::string& path_or_name) {
  const std::wstring name = Utf16(path_or_name);
  // A bare name is looked for beside the program and in the system's folder, never in the current
  // one; a file brings what lies beside it.
  const bool file = name.find_first_of(L"\\/") != std::wstring::npos;
  const HMODULE library =
      ::LoadLibraryExW(name.c_str(), nullptr,
                       file ? LOAD_WITH_ALTERED_SEARCH_PATH : LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
  if (library == nullptr)
    throw Error(ErrorCode::kUnsupported, path_or_name + ": " + Reason(::GetLastError()));
  std::wstring found(MAX_PATH, L'\0');
  for (;;) {
    const DWORD length =
        ::GetModuleFileNameW(library, found.data(), static_cast<DWORD>(found.size()));
    if (length < found.size()) {
      found.resize(length);
      break;
    }
    found.resize(2 * found.size());
  }
  handle_ = library;
  path_ = Utf8(found);
}

void* DynamicLibrary::Find(const char* name) const {
  auto* symbol = reinterpret_cast<void*>(::GetProcAddress(static_cast<HMODULE>(handle_), name));
  if (symbol == nullptr)
    throw Error(ErrorCode::kUnsupported, path_ + " lacks the function " + name);
  return symbol;
}

// ---- memory
void* AllocateAligned(size_t alignment, size_t bytes) noexcept {
  return ::_aligned_malloc(bytes, alignment);
}

void FreeAligned(void* memory) noexcept {
  ::_aligned_free(memory);
}

// A job's limits are not looked at: they count what is committed, not what is left.
int64_t AvailableMemoryBytes(const std::string& /*root*/) {
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof status;
  if (!::GlobalMemoryStatusEx(&status)) return 0;
  return static_cast<int64_t>(std::min(status.ullAvailPhys, status.ullAvailPageFile));
}

// ---- processors
// Of the first group of processors: a process uses no other unless it asks, and ours does not.
HardwareThreads AllowedThreads(const std::string& /*root*/) {
  HardwareThreads allowed;
  DWORD_PTR mine = 0, all = 0;
  if (!::GetProcessAffinityMask(::GetCurrentProcess(), &mine, &all)) return allowed;
  std::vector<std::pair<int, int>> rank_numbers;
  ForEachProcessorEntry(RelationProcessorCore, [&](const auto& entry) {
    if (entry.Processor.GroupMask[0].Group != 0) return;
    int rank = 0;
    for (uint64_t left = entry.Processor.GroupMask[0].Mask & mine; left != 0; left &= left - 1)
      rank_numbers.emplace_back(rank++, std::countr_zero(left));
  });
  std::sort(rank_numbers.begin(), rank_numbers.end());
  for (const auto& [rank, number] : rank_numbers) {
    allowed.numbers.push_back(number);
    allowed.cores += rank == 0;
  }
  return allowed;
}

// A job's hard limit (containers): hundredths of a percent of all processors.
double GrantedCores(const std::string& /*root*/) {
  constexpr double kWhole = 10000;
  JOBOBJECT_CPU_RATE_CONTROL_INFORMATION limit{};
  constexpr DWORD kHard = JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP;
  if (!::QueryInformationJobObject(nullptr, JobObjectCpuRateControlInformation, &limit,
                                   sizeof limit, nullptr) ||
      (limit.ControlFlags & kHard) != kHard || limit.CpuRate == 0)
    return std::numeric_limits<double>::infinity();
  return limit.CpuRate / kWhole * ::GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
}

int64_t LargestListedCacheBytes(const std::string& /*root*/) {
  int64_t largest = 0;
  ForEachProcessorEntry(RelationCache, [&](const auto& entry) {
    largest = std::max<int64_t>(largest, entry.Cache.CacheSize);
  });
  return largest;
}

// ---- threads
bool NameThisThread(const char* name) noexcept {
  try {
    // Missing before Windows 10, version 1607.
    const auto set = KernelFunction<HRESULT WINAPI(HANDLE, PCWSTR)>("SetThreadDescription");
    return set != nullptr && SUCCEEDED(set(::GetCurrentThread(), Utf16(name).c_str()));
  } catch (const std::exception&) {
    return false;
  }
}

bool KeepThisThreadOn(const int* hardware_threads, size_t count) noexcept {
  DWORD_PTR mask = 0;
  for (size_t i = 0; i < count; ++i) {
    const int number = hardware_threads[i];
    if (number < 0 || number >= 64) return false;
    mask |= DWORD_PTR{1} << number;
  }
  return ::SetThreadAffinityMask(::GetCurrentThread(), mask) != 0;
}

bool ScheduleThisThread(ThreadPolicy policy, int priority) noexcept {
  const auto set = [](int level) { return ::SetThreadPriority(::GetCurrentThread(), level) != 0; };
  switch (policy) {
    case ThreadPolicy::kNormal:
      return set(priority <= -10  ? THREAD_PRIORITY_HIGHEST
                 : priority < 0   ? THREAD_PRIORITY_ABOVE_NORMAL
                 : priority == 0  ? THREAD_PRIORITY_NORMAL
                 : priority <= 10 ? THREAD_PRIORITY_BELOW_NORMAL
                                  : THREAD_PRIORITY_LOWEST);
    case ThreadPolicy::kFifo:
    case ThreadPolicy::kRoundRobin:
      return set(THREAD_PRIORITY_TIME_CRITICAL);
  }
  return false;
}

// Windows has no signals to block.
SignalsBlocked::SignalsBlocked() noexcept : before_{} {}
SignalsBlocked::~SignalsBlocked() = default;

// Nobody can cancel a thread here.
NotCancelled::NotCancelled() noexcept = default;
NotCancelled::~NotCancelled() = default;

uint64_t Forks() {
  return 0;
}

}  // namespace pyengine
