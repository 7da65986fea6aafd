#include "tiling/scores.h"

#include <algorithm>
#include <cstring>

namespace pyengine {
namespace {

void WriteRegions(const float* logits, int64_t stride, int64_t classes, uint8_t* out,
                  int64_t width) {
  std::fill_n(out, width, uint8_t{0});
  for (int64_t k = 0; k < classes; ++k) {
    const float* plane = logits + k * stride;
    const auto label = static_cast<uint8_t>(k + 1);
    for (int64_t i = 0; i < width; ++i) out[i] = plane[i] > 0 ? label : out[i];
  }
}

void WriteLabels(const float* logits, int64_t stride, int64_t classes, Head head, uint8_t* out,
                 int64_t width) {
  if (head == Head::kRegions) return WriteRegions(logits, stride, classes, out, width);
  if (classes <= 2) {
    // The common cases, in a form that compilers vectorise.
    const float* second = classes == 2 ? logits + stride : logits;
    if (classes == 2)
      for (int64_t i = 0; i < width; ++i) out[i] = second[i] > logits[i];
    else
      for (int64_t i = 0; i < width; ++i) out[i] = logits[i] > 0;
    return;
  }
  constexpr int64_t kChunk = 256;
  float best[kChunk];
  for (int64_t begin = 0; begin < width; begin += kChunk) {
    const int64_t n = std::min(kChunk, width - begin);
    std::copy_n(logits + begin, n, best);
    std::fill_n(out + begin, n, uint8_t{0});
    for (int64_t k = 1; k < classes; ++k) {
      const float* plane = logits + k * stride + begin;
      for (int64_t i = 0; i < n; ++i)
        if (plane[i] > best[i]) best[i] = plane[i], out[begin + i] = static_cast<uint8_t>(k);
    }
  }
}

}  // namespace

void ApplyHead(float* values, int64_t stride, int64_t classes, int64_t count, Head head) {
  if (head == Head::kNone) return;
  for (int64_t i = 0; i < count; ++i) ApplyHeadToPixel(values + i, stride, classes, head);
}

void WriteScores(const float* logits, int64_t logit_stride, int64_t classes, Head head,
                 const OutputView& out, int64_t y, int64_t x, int64_t width) {
  const int64_t at = (y - out.first_row) * out.row_stride + x - out.first_column;
  if (out.kind == OutputKind::kLabels) {
    WriteLabels(logits, logit_stride, classes, head, static_cast<uint8_t*>(out.data) + at, width);
    return;
  }
  float* scores = static_cast<float*>(out.data) + at;
  for (int64_t k = 0; k < classes; ++k)
    std::memcpy(scores + k * out.plane_stride, logits + k * logit_stride,
                static_cast<size_t>(width) * sizeof(float));
  if (out.kind == OutputKind::kProbabilities)
    ApplyHead(scores, out.plane_stride, classes, width, head);
}

}  // namespace pyengine
