// A frame on its way through a stream, and how it ended. c_stream.h says what each field means.
#pragma once

#include <cstdint>

#include "pyengine/error.h"
#include "pyengine/image_view.h"
#include "pyengine/options.h"

namespace pyengine {

// The numbers of all of them are those of C.
enum class FramePolicy { kNewest, kAll, kReject };
enum class LatePolicy { kFinish, kCancel };
enum class FrameStatus { kDone, kLate, kReplaced, kExpired, kCancelled, kFailed };
enum class StreamEnding { kDrain, kDiscard };

struct Frame {
  ImageView image;  // of a stack, its first slice
  int64_t slices = 1;
  int64_t slice_stride_bytes = 0;
  void* result = nullptr;   // null: memory of the stream
  int64_t deadline_ns = 0;  // from submission on; 0: the stream's, negative: none
  void* user = nullptr;
};

struct Submission {
  int64_t number = 0;
  int64_t replaced_number = 0;
  void* replaced_user = nullptr;
  bool refused = false;
};

struct FrameResult {
  int64_t number = 0;
  void* user = nullptr;
  FrameStatus status = FrameStatus::kDone;
  ErrorCode error = ErrorCode::kInternal;  // where it failed
  const char* message = "";
  int64_t submit_ns = 0, begin_ns = 0, end_ns = 0;
  int64_t deadline_ns = 0;  // on the clock; 0: none
  OutputKind output = OutputKind::kLabels;
  const void* data = nullptr;
  int64_t slices = 0, classes = 0, height = 0, width = 0;
  ImageView image;
};

}  // namespace pyengine
