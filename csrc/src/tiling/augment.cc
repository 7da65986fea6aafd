#include "tiling/augment.h"

#include <utility>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/checked_math.h"

namespace pyengine {
namespace {

constexpr Symmetry kSymmetries[] = {
    {.flip_y = false, .flip_x = false, .transpose = false},
    {.flip_y = true, .flip_x = false, .transpose = false},
    {.flip_y = false, .flip_x = true, .transpose = false},
    {.flip_y = true, .flip_x = true, .transpose = false},
    {.flip_y = false, .flip_x = false, .transpose = true},
    {.flip_y = true, .flip_x = false, .transpose = true},
    {.flip_y = false, .flip_x = true, .transpose = true},
    {.flip_y = true, .flip_x = true, .transpose = true},
};

// The views of an augmentation; the image itself is the first.
std::vector<Symmetry> ViewsOf(Augmentation augmentation, MirrorAxes mirror_axes) {
  std::vector<Symmetry> views;
  for (const Symmetry& s : kSymmetries) {
    switch (augmentation) {
      case Augmentation::kNone:
        if (s.flip_y || s.flip_x || s.transpose) continue;
        break;
      case Augmentation::kFlips:
        if (s.transpose) continue;
        break;
      case Augmentation::kD4:
        break;
      case Augmentation::kMirror:
        if (s.transpose || (s.flip_y && !mirror_axes.y) || (s.flip_x && !mirror_axes.x)) continue;
        break;
    }
    views.push_back(s);
  }
  return views;
}

}  // namespace

void SegmentAugmented(const CheckedImage& image, const OutputView& out,
                      const SegmentOptions& options, int64_t classes, Head head,
                      MirrorAxes mirror_axes, ThreadPool& pool, const SegmentView& segment) {
  const std::vector<Symmetry> views = ViewsOf(options.augmentation, mirror_axes);
  const int passes = static_cast<int>(views.size());
  const int64_t height = image.view().height, width = image.view().width, pixels = height * width;
  const auto floats = static_cast<size_t>(CheckedMul(pixels, classes, "logits of the image"));
  AlignedBuffer<float> sums(floats), logits(floats);
  int64_t first_total = 0;  // tiles of the first pass; turned views may be cut into another number
  for (int pass = 0; pass < passes; ++pass) {
    const Symmetry& s = views[static_cast<size_t>(pass)];
    const CheckedImage turned = image.Turned(s);
    SegmentOptions one = options;
    one.augmentation = Augmentation::kNone;
    if (s.transpose) std::swap(one.tile_height_px, one.tile_width_px);
    if (options.progress)
      one.progress = [&, pass](int64_t done, int64_t total) {
        if (pass == 0) first_total = total;
        return options.progress(pass * first_total + done * first_total / total,
                                passes * first_total);
      };
    float* to = pass == 0 ? sums.data() : logits.data();
    segment(turned,
            {.kind = OutputKind::kLogits,
             .data = to,
             .row_stride = turned.view().width,
             .plane_stride = pixels},
            one);
    if (pass == 0) continue;
    const float scale = pass + 1 == passes ? 1.0f / static_cast<float>(passes) : 1.0f;
    pool.ParallelFor(classes * height, [&](int64_t i) {
      const int64_t k = i / height, y = i % height;
      const int64_t row = s.flip_y ? height - 1 - y : y;
      float* sum = sums.data() + k * pixels + y * width;
      const float* plane = logits.data() + k * pixels;
      for (int64_t x = 0; x < width; ++x) {
        const int64_t column = s.flip_x ? width - 1 - x : x;
        const int64_t at = s.transpose ? column * height + row : row * width + column;
        sum[x] = (sum[x] + plane[at]) * scale;
      }
    });
  }
  pool.ParallelFor(height, [&](int64_t y) {
    WriteScores(sums.data() + y * width, pixels, classes, head, out, y, 0, width);
  });
}

}  // namespace pyengine
