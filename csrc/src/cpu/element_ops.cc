#include "cpu/element_ops.h"

#include <cmath>

namespace pyengine {
namespace {

template <class F>
void ForEachNumber(const Plane& in, const Plane& out, int64_t lanes, int64_t width, int64_t y_begin,
                   int64_t y_end, F&& function) {
  for (int64_t y = y_begin; y < y_end; ++y) {
    const float* from = in.data + y * in.row_stride;
    float* to = out.data + y * out.row_stride;
    for (int64_t x = 0; x < width; ++x, from += kBlock, to += kBlock) {
      for (int64_t lane = 0; lane < lanes; ++lane) to[lane] = function(from[lane]);
      for (int64_t lane = lanes; lane < kBlock; ++lane) to[lane] = 0;
    }
  }
}

}  // namespace

void FunctionRows(FunctionKind kind, float alpha, const Plane& in, const Plane& out, int64_t lanes,
                  int64_t width, int64_t y_begin, int64_t y_end) {
  const auto apply = [&](auto&& function) {
    ForEachNumber(in, out, lanes, width, y_begin, y_end, function);
  };
  switch (kind) {
    case FunctionKind::kSqrt:
      return apply([](float x) { return std::sqrt(x); });
    case FunctionKind::kReciprocal:
      return apply([](float x) { return 1 / x; });
    case FunctionKind::kLog:
      return apply([](float x) { return std::log(x); });
    case FunctionKind::kSign:
      return apply([](float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : x; });
    case FunctionKind::kFloor:
      return apply([](float x) { return std::floor(x); });
    case FunctionKind::kCeil:
      return apply([](float x) { return std::ceil(x); });
    case FunctionKind::kRound:
      return apply([](float x) { return std::nearbyint(x); });
    case FunctionKind::kTrunc:
      return apply([](float x) { return std::trunc(x); });
    case FunctionKind::kSin:
      return apply([](float x) { return std::sin(x); });
    case FunctionKind::kCos:
      return apply([](float x) { return std::cos(x); });
    case FunctionKind::kPow:
      return apply([alpha](float x) { return std::pow(x, alpha); });
  }
}

void WhereRows(const Choice& condition, const Choice& a, const Choice& b, const Plane& out,
               int64_t width, int64_t y_begin, int64_t y_end) {
  for (int64_t y = y_begin; y < y_end; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t lane = 0; lane < kBlock; ++lane) {
        const auto at = [&](const Choice& choice) {
          return choice.plane.data[y * choice.plane.row_stride + x * choice.pixel_stride +
                                   (choice.one_channel ? 0 : lane)];
        };
        out.data[y * out.row_stride + x * kBlock + lane] = at(condition) > 0 ? at(a) : at(b);
      }
}

}  // namespace pyengine
