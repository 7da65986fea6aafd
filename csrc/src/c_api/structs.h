// Structs that start with their size, between programs and libraries of different age.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "c_api/guard.h"
#include "pyengine/c_api.h"
#include "pyengine/version.h"

namespace pyengine::c {

// What the caller's size field says; a size that no version has means that it was not set.
template <class T>
size_t StructSize(const T& given, const char* name) {
  constexpr size_t kMost = 4096;
  Require(given.size >= sizeof(size_t) && given.size <= kMost,
          std::string(name) + ".size is " + std::to_string(given.size) + "; set it to sizeof(" +
              name + "), for options by " + name + "_init()");
  return given.size;
}

// Options: what an older caller's struct lacks stays at its default. What a newer one holds beyond
// ours must be 0, or the caller would not get what it asks for.
template <class T>
T Adopt(const T* given, const T& defaults, const char* name) {
  if (given == nullptr) return defaults;
  const size_t size = StructSize(*given, name);
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (size_t i = sizeof(T); i < size; ++i)
    if (bytes[i] != 0)
      throw Error(ErrorCode::kUnsupported,
                  std::string(name) + ": the field at byte " + std::to_string(i) +
                      " is set; pyengine " PYENGINE_VERSION " knows the first " +
                      std::to_string(sizeof(T)) + " bytes and takes 0 beyond");
  T options = defaults;
  std::memcpy(&options, given, std::min(size, sizeof(T)));
  return options;
}

// Defaults: writes no more than the caller's struct holds; what it holds beyond ours becomes 0.
template <class T>
void Init(T* options, size_t size, const T& defaults) {
  if (options == nullptr || size < sizeof(size_t)) return;
  std::memset(options, 0, size);
  std::memcpy(options, &defaults, std::min(size, sizeof(T)));
  options->size = size;
}

// Results: likewise, with the size that the caller has set.
template <class T>
void Fill(T* result, const T& values, const char* name) {
  RequirePointer(result, name);
  Init(result, StructSize(*result, name), values);
}

}  // namespace pyengine::c
