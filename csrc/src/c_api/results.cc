// Other forms of results.
#include "pyengine/results.h"

#include <cstddef>

#include "c_api/guard.h"
#include "pyengine/c_api.h"

using namespace pyengine;     // NOLINT(google-build-using-namespace): their C face
using namespace pyengine::c;  // NOLINT(google-build-using-namespace)

// The caller's array is read and written as ours.
static_assert(sizeof(pye_run) == sizeof(LabelRun) && alignof(pye_run) == alignof(LabelRun));
static_assert(offsetof(pye_run, begin) == offsetof(LabelRun, begin));
static_assert(offsetof(pye_run, label) == offsetof(LabelRun, label));

pye_status pye_labels_to_runs(const uint8_t* labels, int64_t height, int64_t width,
                              int64_t row_stride_bytes, pye_run* runs, int64_t room,
                              int64_t* count) {
  return Guard([&] {
    RequirePointer(count, "count");
    *count = LabelsToRuns(
        {.data = labels, .height = height, .width = width, .row_stride = row_stride_bytes},
        reinterpret_cast<LabelRun*>(runs), room);
    Require(room == 0 || *count <= room,
            "room for " + std::to_string(room) + " runs, there are " + std::to_string(*count));
  });
}

pye_status pye_runs_to_labels(const pye_run* runs, int64_t count, int64_t height, int64_t width,
                              int64_t row_stride_bytes, uint8_t* labels) {
  return Guard([&] {
    RunsToLabels(reinterpret_cast<const LabelRun*>(runs), count, height, width, row_stride_bytes,
                 labels);
  });
}

pye_status pye_labels_to_contours(const uint8_t* labels, int64_t height, int64_t width,
                                  int64_t row_stride_bytes, int32_t label,
                                  void (*visit)(void* user, const pye_contour* contour),
                                  void* user) {
  return Guard([&] {
    Require(visit != nullptr, "visit is NULL");
    LabelsToContours(
        {.data = labels, .height = height, .width = width, .row_stride = row_stride_bytes}, label,
        [&](const LabelContour& c) {
          const pye_contour contour = {.size = sizeof(contour),
                                       .points = c.points,
                                       .count = c.count,
                                       .hole = c.hole ? 1 : 0};
          visit(user, &contour);
        });
  });
}

pye_status pye_scores_to_boundaries(const float* probabilities, int64_t classes, int64_t height,
                                    int64_t width, int32_t label, float* upper, float* lower) {
  return Guard(
      [&] { ScoresToBoundaries(probabilities, classes, height, width, label, upper, lower); });
}

pye_status pye_labels_to_boundaries(const uint8_t* labels, int64_t height, int64_t width,
                                    int64_t row_stride_bytes, int32_t label, float* upper,
                                    float* lower) {
  return Guard([&] {
    LabelsToBoundaries(
        {.data = labels, .height = height, .width = width, .row_stride = row_stride_bytes}, label,
        upper, lower);
  });
}
