#include "core/dynamic_library.h"

#include <dlfcn.h>
#include <link.h>

#include "pyengine/error.h"

namespace pyengine {

DynamicLibrary::DynamicLibrary(const std::string& path_or_name) {
  handle_ = ::dlopen(path_or_name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ == nullptr) {
    const char* reason = ::dlerror();
    throw Error(ErrorCode::kUnsupported, reason != nullptr ? reason : path_or_name);
  }
  link_map* map = nullptr;
  path_ =
      ::dlinfo(handle_, RTLD_DI_LINKMAP, static_cast<void*>(&map)) == 0 && map->l_name[0] != '\0'
          ? map->l_name
          : path_or_name;
}

void* DynamicLibrary::Find(const char* name) const {
  void* symbol = ::dlsym(handle_, name);
  if (symbol == nullptr)
    throw Error(ErrorCode::kUnsupported, path_ + " lacks the function " + name);
  return symbol;
}

}  // namespace pyengine
