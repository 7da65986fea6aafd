#include <algorithm>

#include "results/check_labels.h"

namespace pyengine {

int64_t LabelsToRuns(const LabelView& labels, LabelRun* runs, int64_t room) {
  CheckLabels(labels);
  RequireResult(room >= 0, "room " + std::to_string(room) + " is negative");
  RequireResult(room == 0 || runs != nullptr, "runs is null");
  int64_t count = 0;
  for (int64_t y = 0; y < labels.height; ++y) {
    const uint8_t* row = labels.data + y * labels.row_stride;
    const uint8_t* const row_end = row + labels.width;
    for (const uint8_t* begin = row; begin < row_end;) {
      const uint8_t label = *begin;
      const uint8_t* const end =
          std::find_if(begin, row_end, [label](uint8_t other) { return other != label; });
      if (label != 0) {
        if (count < room)
          runs[count] = {.row = static_cast<int32_t>(y),
                         .begin = static_cast<int32_t>(begin - row),
                         .end = static_cast<int32_t>(end - row),
                         .label = label};
        ++count;
      }
      begin = end;
    }
  }
  return count;
}

void RunsToLabels(const LabelRun* runs, int64_t count, int64_t height, int64_t width,
                  int64_t row_stride, uint8_t* labels) {
  CheckPlane(labels, height, width, row_stride);
  RequireResult(count >= 0, "count " + std::to_string(count) + " is negative");
  RequireResult(count == 0 || runs != nullptr, "runs is null");
  // All are looked at before anything is written.
  for (int64_t i = 0; i < count; ++i) {
    const LabelRun& run = runs[i];
    RequireResult(run.row >= 0 && run.row < height && run.begin >= 0 && run.begin <= run.end &&
                      run.end <= width && run.label >= 0 && run.label <= 255,
                  "run " + std::to_string(i) + " (row " + std::to_string(run.row) + ", columns " +
                      std::to_string(run.begin) + " to " + std::to_string(run.end) + ", label " +
                      std::to_string(run.label) + ") is not within the image, or no uint8");
  }
  for (int64_t y = 0; y < height; ++y) std::fill_n(labels + y * row_stride, width, uint8_t{0});
  for (int64_t i = 0; i < count; ++i)
    std::fill(labels + runs[i].row * row_stride + runs[i].begin,
              labels + runs[i].row * row_stride + runs[i].end, static_cast<uint8_t>(runs[i].label));
}

}  // namespace pyengine
