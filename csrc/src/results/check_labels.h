// What functions of labels ask of their callers.
#pragma once

#include <string>

#include "core/checked_math.h"
#include "pyengine/error.h"
#include "pyengine/results.h"

namespace pyengine {

inline void RequireResult(bool condition, const std::string& problem) {
  if (!condition) throw Error(ErrorCode::kInvalidArgument, problem);
}

// Sides that fit a run's numbers, and rows that fit their distance.
inline void CheckPlane(const void* data, int64_t height, int64_t width, int64_t row_stride) {
  RequireResult(data != nullptr, "the result has no memory");
  RequireResult(height >= 1 && width >= 1 && height < INT32_MAX && width < INT32_MAX,
                "labels of " + std::to_string(height) + " x " + std::to_string(width) +
                    " px: sides must be from 1 to 2^31 - 2");
  RequireResult(row_stride >= width, "row_stride " + std::to_string(row_stride) +
                                         " is smaller than the width " + std::to_string(width));
  CheckedMul(row_stride, height, "labels");
}

inline void CheckLabels(const LabelView& labels) {
  CheckPlane(labels.data, labels.height, labels.width, labels.row_stride);
}

}  // namespace pyengine
