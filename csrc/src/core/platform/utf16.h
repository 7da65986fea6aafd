// Windows' own text, UTF-16, from and to ours.
#pragma once

#include <string>

namespace pyengine {

// What is no valid text becomes U+FFFD, which no file has in its name.
std::wstring Utf16(const std::string& utf8);
std::string Utf8(const std::wstring& utf16);

}  // namespace pyengine
