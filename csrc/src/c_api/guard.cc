#include "c_api/guard.h"

#include <algorithm>
#include <cstring>

#include "pyengine/version.h"

namespace pyengine::c {
namespace {

// One kibibyte, as c_api.h says. Room of its own, so that even "out of memory" has words.
thread_local char last_error[1024];

// Bytes of `text` that a buffer of `room` takes without cutting a UTF-8 character in two.
size_t Fitting(const char* text, size_t room) {
  size_t length = std::strlen(text);
  if (length <= room) return length;
  length = room;
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return length;
}

}  // namespace

pye_status Remember(pye_status status, const char* message) noexcept {
  const size_t length = Fitting(message, sizeof(last_error) - 1);
  std::copy_n(message, length, last_error);
  last_error[length] = '\0';
  return status;
}

}  // namespace pyengine::c

const char* pye_last_error(void) {
  return pyengine::c::last_error;
}

const char* pye_version(void) {
  return PYENGINE_VERSION;
}
