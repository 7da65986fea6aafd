#include "tensorrt/log.h"

#include <utility>

#include "pyengine/error.h"

namespace pyengine {

void TensorRtLog::log(Severity severity, const char* message) noexcept {
  if (severity > Severity::kINFO) return;
  try {
    const bool failed = severity <= Severity::kERROR;
    const char* kind = failed ? "error: " : severity == Severity::kWARNING ? "warning: " : "";
    std::scoped_lock lock(mutex_);
    lines_ += std::string(kind) + message + "\n";
    if (failed) errors_ += std::string(errors_.empty() ? "" : "; ") + message;
  } catch (...) {  // a full memory must not end the process for a log line
    incomplete_ = true;
  }
}

std::string TensorRtLog::lines() const {
  std::scoped_lock lock(mutex_);
  return incomplete_ ? lines_ + "(lines are missing: out of memory)\n" : lines_;
}

std::string TensorRtLog::TakeErrors() {
  std::scoped_lock lock(mutex_);
  return std::exchange(errors_, {});
}

void FailWith(const std::string& what, TensorRtLog& log) {
  const std::string errors = log.TakeErrors();
  throw Error(ErrorCode::kUnsupported, what + (errors.empty() ? "" : ": " + errors));
}

}  // namespace pyengine
