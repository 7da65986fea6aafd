// Winograd's convolutions against the direct sum in float64, on awkward sizes, with guards around
// the outputs: within a bound derived from the transforms, in one piece and in many to the same
// bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cpu/isa.h"
#include "cpu/kernels/kernels.h"
#include "cpu/weight_pack.h"
#include "support/random_tensor.h"

namespace pyengine {
namespace {

class Winograd : public testing::TestWithParam<std::string> {
 protected:
  const KernelTable& fast = SelectKernels(GetParam(), Accuracy::kFast);
};

using Matrix = std::vector<std::vector<double>>;

// Absolute values of B^T for F(patch x patch, 3x3): row p holds the coefficients of the product of
// (x - q) over the other points q; the last row those of the product over all.
Matrix InputGains(const std::vector<double>& points) {
  const size_t input_px = points.size() + 1;
  Matrix rows;
  for (size_t p = 0; p < input_px; ++p) {
    std::vector<double> polynomial = {1};
    for (size_t q = 0; q < points.size(); ++q) {
      if (q == p) continue;
      std::vector<double> longer(polynomial.size() + 1, 0.0);
      for (size_t i = 0; i < polynomial.size(); ++i) {
        longer[i + 1] += polynomial[i];
        longer[i] -= points[q] * polynomial[i];
      }
      polynomial = longer;
    }
    polynomial.resize(input_px, 0.0);
    for (double& value : polynomial) value = std::fabs(value);
    rows.push_back(polynomial);
  }
  return rows;
}

// Absolute values of A^T: row k holds the points' k-th powers, infinity counts in the last row.
Matrix OutputGains(const std::vector<double>& points) {
  const size_t patch = points.size() - 1;
  Matrix rows(patch);
  for (size_t k = 0; k < patch; ++k) {
    for (double p : points) rows[k].push_back(std::pow(std::fabs(p), double(k)));
    rows[k].push_back(k + 1 == patch ? 1 : 0);
  }
  return rows;
}

// What rounding can do to Winograd's result at worst: every product's bound, carried through the
// transforms' absolute values, times the roundings per step of the sums and what rounds a product.
double WinogradBound(const Matrix& gains, const std::vector<double>& products, int64_t channels,
                     double roundings, double product_rounding) {
  const size_t input_px = gains[0].size();
  double worst = 0;
  for (const auto& row : gains)
    for (const auto& column : gains) {
      double sum = 0;
      for (size_t r = 0; r < input_px; ++r)
        for (size_t c = 0; c < input_px; ++c)
          sum += row[r] * column[c] * products[r * input_px + c];
      worst = std::max(worst, sum);
    }
  return worst * (double(channels + 24) * roundings * 6e-8 + product_rounding);
}

struct WinogradCase {
  int64_t patch;
  std::vector<double> points;
  double relative_rms;  // on average rounding is far from the worst case
};

TEST_P(Winograd, IsTheConvolution) {
  if (!fast.winograd) GTEST_SKIP() << "no Winograd in this table";
  // Split into two bfloat16, each factor loses up to 2^-18 of itself; low parts are up to 2^-9 of
  // their factors, so that their product, left out, is as much again. Where multiply-adds are not
  // fused, every step of sums and transforms rounds twice, on average the square root of 2 as much.
  const bool split = fast.isa == std::string("amx");
  const bool fused = fast.isa != std::string("portable");
  const double product_rounding = split ? 3 * std::ldexp(1.0, -18) : 0;
  const double roundings = fused ? 1 : 2;
  const double average = std::sqrt(roundings);
  std::vector<WinogradCase> cases = {
      {.patch = 4, .points = {0, 0.75, -0.75, 1.5, -1.5}, .relative_rms = split ? 8e-5 : 3e-6}};
  if (!split)
    cases.push_back({.patch = 6, .points = {0, 0.5, -0.5, 1, -1, 2, -2}, .relative_rms = 1e-5});
  const std::pair<int64_t, int64_t> sizes[] = {{4, 4},   {1, 1},   {5, 3},  {8, 31},
                                               {13, 50}, {4, 211}, {6, 12}, {19, 7}};
  const std::pair<int64_t, int64_t> channels[] = {{16, 16}, {17, 33}, {48, 64}, {150, 20}};
  for (const auto& [patch, points, relative_rms] : cases)
    for (const auto& [cin, cout] : channels)
      for (const auto& [height, width] : sizes) {
        const int64_t input_px = patch + 2, count = input_px * input_px;
        const Matrix input_gains = InputGains(points), output_gains = OutputGains(points);
        const int64_t planes = (cin + kBlock - 1) / kBlock, blocks = (cout + kBlock - 1) / kBlock;
        GuardedPlanes in(planes, height + 2, width + 2, 1);
        GuardedPlanes out(blocks, height, width, 2), grouped(blocks, height, width, 2);
        const auto kernels = Random(cout * cin * 9, 3);
        const auto bias = Random(blocks * kBlock, 4);
        std::vector<float> plain(static_cast<size_t>(blocks * count * cin * kBlock), 0.0f);
        // Over output channels, of sum_i |U|.
        std::vector<double> largest(static_cast<size_t>(count), 0.0);
        for (int64_t o = 0; o < cout; ++o) {
          std::vector<double> sum(static_cast<size_t>(count), 0.0);
          for (int64_t i = 0; i < cin; ++i) {
            std::vector<double> u(static_cast<size_t>(count));
            WinogradKernel(kernels.data() + (o * cin + i) * 9, patch, u.data());
            for (int64_t xi = 0; xi < count; ++xi) {
              const double value = u[static_cast<size_t>(xi)];
              plain[static_cast<size_t>(((xi * blocks + o / kBlock) * cin + i) * kBlock +
                                        o % kBlock)] = static_cast<float>(value);
              sum[static_cast<size_t>(xi)] += std::fabs(value);
            }
          }
          for (size_t xi = 0; xi < sum.size(); ++xi) largest[xi] = std::max(largest[xi], sum[xi]);
        }
        const int64_t each = fast.winograd->weight_floats(cin);
        std::vector<float> packed(static_cast<size_t>(blocks * count * each));
        float* next = packed.data();
        const int64_t most = std::min(blocks, fast.winograd->slice_blocks);
        for (int64_t slice = 0; slice < blocks; slice += most)
          for (int64_t xi = 0; xi < count; ++xi)
            for (int64_t b = slice; b < std::min(blocks, slice + most); ++b, next += each)
              fast.winograd->pack(plain.data() + (xi * blocks + b) * cin * kBlock, cin, next);
        float highest = 0;
        for (float v : in.values()) highest = std::max(highest, std::fabs(v));
        for (size_t r = 0; r < size_t(input_px); ++r)
          for (size_t c = 0; c < size_t(input_px); ++c) {
            double gain = 0;
            for (double y : input_gains[r])
              for (double x : input_gains[c]) gain += y * x;
            largest[r * size_t(input_px) + c] *= gain * double(highest);
          }
        const double bound = WinogradBound(output_gains, largest, cin, roundings, product_rounding);
        const int64_t columns = (width + patch - 1) / patch;
        const int64_t patches = (height + patch - 1) / patch * columns;
        WinogradArgs args{
            .in = in.planes.data(),
            .out = out.planes.data(),
            .patch = patch,
            .weights = packed.data(),
            .bias = bias.data(),
            .activation = {.kind = Activation::kRelu, .alpha = 0, .beta = 0, .slopes = nullptr},
            .in_channels = cin,
            .out_blocks = blocks,
            .patch_columns = columns,
            .height = height,
            .width = width,
            .pool = {}};
        constexpr float kUntouched = -12345;
        const auto run = [&](const WinogradSpan& span) {
          const int64_t n = span.patch_end - span.patch_begin;
          const int64_t v = fast.winograd->v_floats(args.patch, n, args.in_channels);
          const int64_t m =
              fast.winograd->m_floats(args.patch, n, span.block_end - span.block_begin);
          std::vector<float> scratch(static_cast<size_t>(v + m + kBlock), kUntouched);
          fast.winograd->transform(args, span, n / 2, n, scratch.data());
          fast.winograd->transform(args, span, 0, n / 2, scratch.data());
          fast.winograd->multiply(args, span, scratch.data(), scratch.data() + v);
          for (int64_t i = v + m; i < v + m + kBlock; ++i)
            ASSERT_EQ(scratch[static_cast<size_t>(i)], kUntouched) << "beyond the scratch";
        };
        run({0, patches, 0, blocks, patches});
        // Any other grouping of patches and blocks gives the same bits, and maxima taken on the way
        // are those that pooling takes afterwards.
        const int64_t pool_y = height > 4 ? 2 : 0, pool_x = width > 20 ? 6 : 0;
        const int64_t down = (height - pool_y) / 2, across = (width - pool_x) / 2;
        GuardedPlanes pooled(blocks, down, across, 5), pooled_after(blocks, down, across, 5);
        args.out = grouped.planes.data();
        args.pool = {
            .out = pooled.planes.data(), .y = pool_y, .x = pool_x, .height = down, .width = across};
        for (int64_t t = 0; t < patches; t += 5)
          for (int64_t b = 0; b < blocks; ++b)
            run({t, std::min(patches, t + 5), b, b + 1, std::min(patches, t + 10)});
        ExpectEqual(out, grouped);
        std::vector<Plane> windows = out.planes;
        for (Plane& plane : windows) plane.data += pool_y * plane.row_stride + pool_x * kBlock;
        const auto axis = [](int64_t pixels) {
          return PoolAxis{.kernel = 2,
                          .stride = 2,
                          .dilation = 1,
                          .valid_begin = 0,
                          .valid_end = pixels,
                          .counted_begin = 0,
                          .counted_end = pixels};
        };
        const PoolArgs pool{.in = windows.data(),
                            .out = pooled_after.planes.data(),
                            .maximum = true,
                            .y = axis(2 * down),
                            .x = axis(2 * across)};
        fast.pool(pool, {0, blocks, 0, down, 0, across});
        ExpectEqual(pooled_after, pooled);
        double error = 0, signal = 0;
        for (int64_t o = 0; o < cout; ++o)
          for (int64_t y = 0; y < height; ++y)
            for (int64_t x = 0; x < width; ++x) {
              double want = double(bias[static_cast<size_t>(o)]);
              for (int64_t i = 0; i < cin; ++i)
                for (int64_t k = 0; k < 9; ++k) {
                  const Plane& plane = in.planes[static_cast<size_t>(i / kBlock)];
                  want += double(plane.data[(y + k / 3) * plane.row_stride + (x + k % 3) * kBlock +
                                            i % kBlock]) *
                          double(kernels[static_cast<size_t>((o * cin + i) * 9 + k)]);
                }
              want = std::max(want, 0.0);
              const Plane& plane = out.planes[static_cast<size_t>(o / kBlock)];
              const double got = double(plane.data[y * plane.row_stride + x * kBlock + o % kBlock]);
              ASSERT_NEAR(got, want, bound) << patch << " " << cin << " " << height << " " << width;
              error += (got - want) * (got - want), signal += want * want;
            }
        EXPECT_LE(std::sqrt(error / std::max(signal, 1e-9)), relative_rms * average);
      }
}

INSTANTIATE_TEST_SUITE_P(Isa, Winograd, testing::ValuesIn(UsableIsas(Accuracy::kFast)),
                         [](const auto& isa) { return isa.param; });

}  // namespace
}  // namespace pyengine
