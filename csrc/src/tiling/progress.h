// The one rule by which all ways to segment an image obey their caller.
#pragma once

#include <cstdint>
#include <string>

#include "core/cancellation.h"
#include "core/scheduler.h"
#include "pyengine/error.h"
#include "pyengine/options.h"

namespace pyengine {

// Tells the callback how far the call is. Throws Error(kCancelled) where it asks to stop, or the
// call is cancelled, also where nothing is left to do.
inline void ReportProgress(const SegmentOptions& options, int64_t done, int64_t total) {
  ThrowIfCancelled();
  OfferTurn();
  if (options.progress && !options.progress(done, total))
    throw Error(ErrorCode::kCancelled,
                "cancelled by the progress callback after " + std::to_string(done) + " tiles");
}

}  // namespace pyengine
