// Characters as UTF-8.
#pragma once

#include <string>

namespace pyengine {

// Where the first byte lies that is not UTF-8; `end` if there is none. Overlong forms and
// surrogates are not.
const char* FindInvalidUtf8(const char* begin, const char* end);

// `code` is below 0x110000 and no surrogate.
void AppendUtf8(std::string& text, unsigned code);

}  // namespace pyengine
