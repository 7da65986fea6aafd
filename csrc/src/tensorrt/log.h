// Collects what TensorRT says.
#pragma once

#include <NvInferRuntime.h>

#include <mutex>
#include <string>

namespace pyengine {

class TensorRtLog final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* message) noexcept override;
  std::string lines() const;
  // The errors since the last call, joined; empty if there were none.
  std::string TakeErrors();

 private:
  mutable std::mutex mutex_;
  std::string lines_, errors_;
  bool incomplete_ = false;
};

// Throws Error(kUnsupported): `what`, and the log's errors after it.
[[noreturn]] void FailWith(const std::string& what, TensorRtLog& log);

}  // namespace pyengine
