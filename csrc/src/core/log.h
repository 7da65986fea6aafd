// Messages on their way to the host, which may have asked for them.
#pragma once

#include <string>

#include "pyengine/log.h"

namespace pyengine {

// Whether anybody wants messages of this weight: asked before one is made.
bool LogWants(LogLevel level) noexcept;

// Never throws, whatever the host's function does.
void Log(LogLevel level, const std::string& message) noexcept;

}  // namespace pyengine
