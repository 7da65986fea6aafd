// Memory whose address is a multiple of more than a number's size.
#pragma once

#include <cstddef>

namespace pyengine {

// Null where there is none. `alignment`: a power of two; `bytes`: a multiple of it.
void* AllocateAligned(size_t alignment, size_t bytes) noexcept;
void FreeAligned(void* memory) noexcept;

}  // namespace pyengine
