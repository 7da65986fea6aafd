/// \file
/// Where messages go. The library prints nothing.
#pragma once

#include <functional>
#include <string>

#include "pyengine/export.h"

namespace pyengine {

/// How much a message matters.
enum class LogLevel { kError, kWarning, kInfo, kDebug };

/// Told of what happens, on whichever thread it happens; may be called by several at once.
using LogFn = std::function<void(LogLevel level, const std::string& message)>;

/// Where messages of at least this weight go, for the whole process; empty: nowhere, as in the
/// beginning. When it returns, no call of the function before is running. Must not be called from
/// within `log`.
PYENGINE_EXPORT void SetLog(LogFn log, LogLevel level = LogLevel::kInfo);

}  // namespace pyengine
