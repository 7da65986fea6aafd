// A shared library opened at run time, so that one build runs with and without it.
#pragma once

#include <string>

namespace pyengine {

class DynamicLibrary {
 public:
  DynamicLibrary() = default;
  // A file (UTF-8), or a name that the system's loader searches for. Throws Error(kUnsupported)
  // with the loader's reason.
  explicit DynamicLibrary(const std::string& path_or_name);

  // The function `name`; throws Error(kUnsupported) if the library lacks it.
  template <class Function>
  Function* Get(const char* name) const {
    return reinterpret_cast<Function*>(Find(name));
  }

  // The file that was opened.
  const std::string& path() const { return path_; }

 private:
  void* Find(const char* name) const;

  // Never closed: vendor libraries leave threads and atexit handlers behind that outlive them.
  void* handle_ = nullptr;
  std::string path_;
};

// What separates folders in a variable of the environment.
#if defined(_WIN32)
constexpr char kListSeparator = ';';
#else
constexpr char kListSeparator = ':';
#endif

}  // namespace pyengine
