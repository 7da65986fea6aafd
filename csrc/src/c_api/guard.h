// Nothing is thrown through the C interface: errors become a status and the thread's last words.
#pragma once

#include <new>
#include <string>

#include "core/platform/threads.h"
#include "pyengine/c_api.h"
#include "pyengine/error.h"

namespace pyengine::c {

// Keeps `message` for pye_last_error(), without allocating. Returns `status`.
pye_status Remember(pye_status status, const char* message) noexcept;

template <class F>
pye_status Guard(F&& body) noexcept {
  const NotCancelled not_cancelled;
  try {
    body();
    return PYE_OK;
  } catch (const Error& e) {
    return Remember(static_cast<pye_status>(e.code()), e.what());
  } catch (const std::bad_alloc&) {
    return Remember(PYE_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return Remember(PYE_INTERNAL, e.what());
  } catch (...) {
    return Remember(PYE_INTERNAL, "unknown exception");
  }
}

inline void Require(bool condition, const std::string& message) {
  if (!condition) throw Error(ErrorCode::kInvalidArgument, message);
}

template <class T>
void RequirePointer(const T* pointer, const char* name) {
  if (pointer == nullptr) throw Error(ErrorCode::kInvalidArgument, std::string(name) + " is NULL");
}

}  // namespace pyengine::c
