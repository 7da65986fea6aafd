// SHA-256 (FIPS 180-4), for the integrity of engine files.
#pragma once

#include <cstddef>
#include <string>

namespace pyengine {

// Lower-case hexadecimal digest, 64 characters.
std::string Sha256Hex(const void* data, size_t size);

}  // namespace pyengine
