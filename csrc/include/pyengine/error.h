/// \file
/// What the library throws, and the codes the C API returns for it.
#pragma once

#include <stdexcept>
#include <string>

#include "pyengine/export.h"

namespace pyengine {

/// Why a call failed. The numbers are those of `pye_status` in c_api.h.
enum class ErrorCode {
  kInvalidArgument = 1,  ///< An argument breaks a stated rule; the message gives both.
  kBadEngineFile = 2,    ///< The engine file is damaged, altered or of a later version.
  kUnsupported = 3,      ///< Valid, but this network or machine cannot do it.
  kIo = 4,               ///< The operating system refused a file operation.
  kOutOfMemory = 5,      ///< An allocation failed; the engine stays usable.
  kCancelled = 6,        ///< A callback asked to stop.
  kInternal = 7,         ///< A defect of the library.
  kBusy = 8,             ///< A stream has no room for the frame, or an engine has a stream.
  kTimeout = 9,          ///< What was waited for did not come in time.
  kNotFinite = 10,  ///< NaN or infinity arose in the network; see SegmentOptions::check_finite.
};

/// The only exception type the library throws on purpose (besides std::bad_alloc).
class PYENGINE_EXPORT Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace pyengine
