#include "cpu/reduce_ops.h"

#include <algorithm>
#include <cmath>

#include "core/checked_math.h"
#include "core/range.h"

namespace pyengine {
namespace {

// Calls `body` with functions that the compiler sees through.
template <class F>
void With(ReduceKind kind, F&& body) {
  const auto as_it_is = [](double result, double) { return result; };
  const auto plus = [](double so_far, double x) { return so_far + x; };
  const auto square = [](double so_far, double x) { return so_far + x * x; };
  switch (kind) {
    case ReduceKind::kMean:
      return body(0.0, plus, [](double result, double count) { return result / count; });
    case ReduceKind::kSum:
      return body(0.0, plus, as_it_is);
    case ReduceKind::kMax:
      return body(-HUGE_VAL, [](double so_far, double x) { return std::max(so_far, x); }, as_it_is);
    case ReduceKind::kMin:
      return body(HUGE_VAL, [](double so_far, double x) { return std::min(so_far, x); }, as_it_is);
    case ReduceKind::kL1:
      return body(0.0, [](double so_far, double x) { return so_far + std::fabs(x); }, as_it_is);
    case ReduceKind::kL2:
      return body(0.0, square, [](double result, double) { return std::sqrt(result); });
    case ReduceKind::kSumSquare:
      return body(0.0, square, as_it_is);
  }
}

// A part of one block, whose slices `in` are, into the pixel at `out`.
void ReduceWindow(ReduceKind kind, const Plane* in, const PerAxis<Range>& part, float* out) {
  const Range &slices = part.z, &rows = part.y, &columns = part.x;
  With(kind, [&](double start, auto join, auto finish) {
    double results[kBlock];
    std::fill_n(results, kBlock, start);
    for (int64_t z = slices.begin; z < slices.end; ++z)
      for (int64_t y = rows.begin; y < rows.end; ++y) {
        const float* pixel = in[z].data + y * in[z].row_stride + columns.begin * kBlock;
        for (int64_t x = columns.begin; x < columns.end; ++x, pixel += kBlock)
          for (int lane = 0; lane < kBlock; ++lane)
            results[lane] = join(results[lane], double(pixel[lane]));
      }
    const double count = double(slices.size()) * double(rows.size()) * double(columns.size());
    for (int lane = 0; lane < kBlock; ++lane)
      out[lane] = static_cast<float>(finish(results[lane], count));
  });
}

}  // namespace

void ReducePixels(ReduceKind kind, const Plane* in, const Plane& out, const Axes& size) {
  PerAxis<Range> all;
  for (Axis axis : kAxes) all[axis] = {.begin = 0, .end = size[axis]};
  ReduceWindow(kind, in, all, out.data);
}

void ReduceChannels(ReduceKind kind, const Plane* in, const Plane& out, int64_t channels,
                    int64_t width, int64_t y_begin, int64_t y_end) {
  With(kind, [&](double start, auto join, auto finish) {
    for (int64_t y = y_begin; y < y_end; ++y)
      for (int64_t x = 0; x < width; ++x) {
        double result = start;
        for (int64_t c = 0; c < channels; ++c) {
          const Plane& plane = in[c / kBlock];
          result = join(result, double(plane.data[y * plane.row_stride + x * kBlock + c % kBlock]));
        }
        std::fill_n(out.data + y * out.row_stride + x * kBlock, kBlock,
                    static_cast<float>(finish(result, double(channels))));
      }
  });
}

void ArgMaxRows(const Plane* in, const Plane& out, int64_t channels, int64_t width, int64_t y_begin,
                int64_t y_end) {
  for (int64_t y = y_begin; y < y_end; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const auto at = [&](int64_t c) {
        return in[c / kBlock].data[y * in[c / kBlock].row_stride + x * kBlock + c % kBlock];
      };
      int64_t best = 0;
      for (int64_t c = 1; c < channels; ++c)
        if (at(c) > at(best)) best = c;
      std::fill_n(out.data + y * out.row_stride + x * kBlock, kBlock, static_cast<float>(best));
    }
}

void AdaptivePoolRow(ReduceKind kind, const Plane* in, const Plane& out, const Axes& in_size,
                     const Axes& out_size, int64_t z, int64_t y) {
  const auto window = [&](Axis axis, int64_t i) {
    return Range{.begin = i * in_size[axis] / out_size[axis],
                 .end = CeilDiv((i + 1) * in_size[axis], out_size[axis])};
  };
  for (int64_t x = 0; x < out_size.x; ++x)
    ReduceWindow(kind, in,
                 {.z = window(Axis::kZ, z), .y = window(Axis::kY, y), .x = window(Axis::kX, x)},
                 out.data + y * out.row_stride + x * kBlock);
}

}  // namespace pyengine
