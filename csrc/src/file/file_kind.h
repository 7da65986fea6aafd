// What a file that is no engine is instead, by its first bytes: for error messages.
#pragma once

#include <string>
#include <string_view>

namespace pyengine {

constexpr size_t kFileKindBytes = 40;  // as many as tell

// "a PNG image" and the like; empty if it is nothing known.
std::string FileKind(std::string_view first_bytes);

}  // namespace pyengine
