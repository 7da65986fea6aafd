// Contours along the edges of pixels. Corner (x, y) is the upper left one of pixel (x, y); an edge
// runs from corner to corner with the label on its right hand, as seen on a screen.
#include <vector>

#include "results/check_labels.h"

namespace pyengine {
namespace {

enum Direction { kEast, kSouth, kWest, kNorth };
constexpr int64_t kStepX[] = {1, 0, -1, 0}, kStepY[] = {0, 1, 0, -1};

class Tracer {
 public:
  Tracer(const LabelView& labels, int label)
      : labels_(labels),
        label_(label),
        seen_(static_cast<size_t>(labels.height * labels.width), uint8_t{0}) {}

  void Run(const std::function<void(const LabelContour&)>& visit) {
    for (int64_t y = 0; y < labels_.height; ++y)
      for (int64_t x = 0; x < labels_.width; ++x) {
        if (!Is(x, y)) continue;
        // A curve's first edge in this order is the upper one of a pixel, or the lower one: a hole.
        if (!Is(x, y - 1) && !Seen(x, y, kEast)) Trace(x, y, kEast, visit);
        if (!Is(x, y + 1) && !Seen(x, y, kWest)) Trace(x + 1, y + 1, kWest, visit);
      }
  }

 private:
  bool Is(int64_t x, int64_t y) const {
    return x >= 0 && y >= 0 && x < labels_.width && y < labels_.height &&
           labels_.data[y * labels_.row_stride + x] == label_;
  }

  // Whether the edge of pixel (x, y) in this direction belongs to a curve that was told; from then
  // on it does.
  bool Seen(int64_t x, int64_t y, Direction direction) const {
    return (seen_[static_cast<size_t>(y * labels_.width + x)] >> direction & 1) != 0;
  }

  // The pixel on the right hand of the edge that leaves corner (x, y).
  static int64_t RightX(int64_t x, int direction) {
    return direction == kEast || direction == kNorth ? x : x - 1;
  }
  static int64_t RightY(int64_t y, int direction) {
    return direction == kEast || direction == kSouth ? y : y - 1;
  }
  bool IsEdge(int64_t x, int64_t y, int direction) const {
    return Is(RightX(x, direction), RightY(y, direction)) &&
           !Is(RightX(x, direction) + kStepX[(direction + 3) % 4],
               RightY(y, direction) + kStepY[(direction + 3) % 4]);
  }

  void Trace(int64_t x, int64_t y, int direction,
             const std::function<void(const LabelContour&)>& visit) {
    points_.clear();
    const int64_t first_x = x, first_y = y;
    const int first_direction = direction;
    int before = -1;
    int64_t doubled_area = 0;
    do {
      if (direction != before) {
        points_.push_back(static_cast<float>(x) - 0.5f);
        points_.push_back(static_cast<float>(y) - 0.5f);
      }
      before = direction;
      seen_[static_cast<size_t>(RightY(y, direction) * labels_.width + RightX(x, direction))] |=
          static_cast<uint8_t>(1 << direction);
      const int64_t from_x = x, from_y = y;
      x += kStepX[direction];
      y += kStepY[direction];
      doubled_area += from_x * y - x * from_y;
      // The sharpest turn to the right first: pixels that touch at a corner are apart.
      for (const int turn : {1, 0, 3}) {
        const int next = (direction + turn) % 4;
        if (!IsEdge(x, y, next)) continue;
        direction = next;
        break;
      }
    } while (x != first_x || y != first_y || direction != first_direction);
    // The curve began amid a straight line: its first point is no corner.
    if (before == first_direction) points_.erase(points_.begin(), points_.begin() + 2);
    visit({.points = points_.data(),
           .count = static_cast<int64_t>(points_.size() / 2),
           .hole = doubled_area < 0});
  }

  const LabelView& labels_;
  const int label_;
  std::vector<uint8_t> seen_;  // one bit per direction of the pixel's edges
  std::vector<float> points_;
};

}  // namespace

void LabelsToContours(const LabelView& labels, int label,
                      const std::function<void(const LabelContour&)>& visit) {
  CheckLabels(labels);
  RequireResult(label >= 0 && label <= 255,
                "label " + std::to_string(label) + " must be from 0 to 255");
  Tracer(labels, label).Run(visit);
}

}  // namespace pyengine
