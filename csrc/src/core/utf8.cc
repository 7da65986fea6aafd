#include "core/utf8.h"

#include <cstdint>

namespace pyengine {

const char* FindInvalidUtf8(const char* begin, const char* end) {
  static constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  for (const char* at = begin; at != end;) {
    const auto lead = static_cast<unsigned char>(*at);
    const int length = lead < 0x80       ? 1
                       : lead >> 5 == 6  ? 2
                       : lead >> 4 == 14 ? 3
                       : lead >> 3 == 30 ? 4
                                         : 0;
    bool valid = length > 0 && end - at >= length;
    uint32_t code = length > 1 ? lead & (0x7F >> length) : lead;
    for (int i = 1; valid && i < length; ++i) {
      valid = (static_cast<unsigned char>(at[i]) & 0xC0) == 0x80;
      code = code << 6 | (static_cast<unsigned char>(at[i]) & 0x3F);
    }
    valid = valid && code >= kLeast[length] && code < 0x110000 && (code < 0xD800 || code > 0xDFFF);
    if (!valid) return at;
    at += length;
  }
  return end;
}

void AppendUtf8(std::string& text, unsigned code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
    return;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;  // bytes after the first
  static constexpr unsigned kLead[] = {0, 0xC0, 0xE0, 0xF0};
  text += static_cast<char>(kLead[more] | code >> (6 * more));
  for (int i = more - 1; i >= 0; --i) text += static_cast<char>(0x80 | ((code >> (6 * i)) & 63));
}

}  // namespace pyengine
