/// \file
/// Other forms of a result: runs, contours, boundaries. Plain functions of labels or probabilities;
/// they need no engine.
///
/// Coordinates are of pixel centres: row 0, column 0 is the centre of the first pixel, whose edges
/// lie at -0.5 and 0.5.
#pragma once

#include <cstdint>
#include <functional>

#include "pyengine/export.h"

namespace pyengine {

/// Labels (height, width), rows `row_stride` >= width bytes apart.
struct LabelView {
  const uint8_t* data = nullptr;
  int64_t height = 0;
  int64_t width = 0;
  int64_t row_stride = 0;
};

/// Pixels of one label that follow each other in a row.
struct LabelRun {
  int32_t row = 0;
  int32_t begin = 0;  ///< First column.
  int32_t end = 0;    ///< Last column + 1.
  int32_t label = 0;
};

/// Labels as runs, row by row; those of label 0 are left out.
/// \param runs  Room for `room` runs; as many are written.
/// \returns How many there are.
/// \throws Error kInvalidArgument for what is no image of labels, as all that follow.
PYENGINE_EXPORT int64_t LabelsToRuns(const LabelView& labels, LabelRun* runs, int64_t room);

/// Paints `count` runs over 0.
PYENGINE_EXPORT void RunsToLabels(const LabelRun* runs, int64_t count, int64_t height,
                                  int64_t width, int64_t row_stride, uint8_t* labels);

/// One closed curve around pixels of a label, or around a hole in them.
struct LabelContour {
  const float* points = nullptr;  ///< (count, 2): x (column), y (row); lives as long as the call.
  int64_t count = 0;
  bool hole = false;  ///< The pixels of the label lie outside.
};

/// The contours of one label along the edges of its pixels: outer ones clockwise as seen on a
/// screen, holes the other way round. Pixels that touch at a corner only are apart.
PYENGINE_EXPORT void LabelsToContours(const LabelView& labels, int label,
                                      const std::function<void(const LabelContour&)>& visit);

/// The upper and lower boundary of a class in every column (A-scan): those of the column's longest
/// run of pixels that are of the class. Between two pixels a boundary lies where the class becomes
/// as probable as the most probable other one, by linear interpolation; at the image's end on the
/// pixel's edge.
/// \param probabilities  Dense (classes, height, width). One class: it or not it, at 0.5.
/// \param upper          `width` values [rows]; NaN where the class is absent; likewise `lower`.
PYENGINE_EXPORT void ScoresToBoundaries(const float* probabilities, int64_t classes, int64_t height,
                                        int64_t width, int label, float* upper, float* lower);

/// The same from labels alone: boundaries lie on pixels' edges.
PYENGINE_EXPORT void LabelsToBoundaries(const LabelView& labels, int label, float* upper,
                                        float* lower);

}  // namespace pyengine
