// Every vectorised kernel against the reference, on awkward sizes, with guards around the outputs.
//
// Tolerances: a convolution sums K products of standard normal numbers by FMA in the same order in
// both, so results must be equal to the last bit. Operators with transcendental functions differ
// by the polynomials' error, stated in simd/kernels.inc.h: 4e-7 absolute for erf and tanh, times
// the argument for SiLU and GELU.
#include "cpu/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cpu/cpu_features.h"
#include "cpu/weight_pack.h"
#include "support/random_tensor.h"

namespace pyengine {
namespace {

constexpr int64_t kWidths[] = {1, 2, 3, 5, 6, 7, 8, 11, 12, 13, 15, 16, 17, 25, 97};

class Kernels : public testing::TestWithParam<std::string> {
 protected:
  const KernelTable& fast = SelectKernels(GetParam(), true);
};

void ExpectEqual(const GuardedPlanes& a, const GuardedPlanes& b, float tolerance = 0) {
  a.CheckGuards();
  b.CheckGuards();
  for (size_t i = 0; i < a.values().size(); ++i) {
    const float x = a.values()[i], y = b.values()[i];
    ASSERT_NEAR(x, y, tolerance * std::max(1.0f, std::fabs(x))) << i;
  }
}

std::vector<float> Random(int64_t n, uint32_t seed) {
  GuardedPlanes planes(1, 1, (n + kBlock - 1) / kBlock, seed);
  return {planes.planes[0].data, planes.planes[0].data + n};
}

TEST_P(Kernels, ForcedTableIsTheActiveOne) {
  EXPECT_EQ(fast.isa, GetParam());
}

struct ConvCase {
  int64_t cin, cout, kernel, stride, dilation, in_lanes;
};

using Matrix = std::vector<std::vector<double>>;

// Absolute values of B^T for F(tile x tile, 3x3): row p holds the coefficients of the product of
// (x - q) over the other points q; the last row those of the product over all.
Matrix InputGains(const std::vector<double>& points) {
  const size_t patch = points.size() + 1;
  Matrix rows;
  for (size_t p = 0; p < patch; ++p) {
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
    polynomial.resize(patch, 0.0);
    for (double& value : polynomial) value = std::fabs(value);
    rows.push_back(polynomial);
  }
  return rows;
}

// Absolute values of A^T: row k holds the points' k-th powers, infinity counts in the last row.
Matrix OutputGains(const std::vector<double>& points) {
  const size_t tile = points.size() - 1;
  Matrix rows(tile);
  for (size_t k = 0; k < tile; ++k) {
    for (double p : points) rows[k].push_back(std::pow(std::fabs(p), double(k)));
    rows[k].push_back(k + 1 == tile ? 1 : 0);
  }
  return rows;
}

// What rounding can do to Winograd's result at worst: every product's bound, carried through the
// transforms' absolute values, times one rounding per step of the sums and what rounds a product.
double WinogradBound(const Matrix& gains, const std::vector<double>& products, int64_t channels,
                     double product_rounding) {
  const size_t patch = gains[0].size();
  double worst = 0;
  for (const auto& row : gains)
    for (const auto& column : gains) {
      double sum = 0;
      for (size_t r = 0; r < patch; ++r)
        for (size_t c = 0; c < patch; ++c) sum += row[r] * column[c] * products[r * patch + c];
      worst = std::max(worst, sum);
    }
  return worst * (double(channels + 24) * 6e-8 + product_rounding);
}

struct WinogradCase {
  int64_t tile;
  std::vector<double> points;
  double relative_rms;  // on average rounding is far from the worst case
};

TEST_P(Kernels, WinogradIsTheConvolution) {
  if (!fast.winograd) GTEST_SKIP() << "no Winograd in this table";
  // Split into two bfloat16, each factor loses up to 2^-18 of itself; low parts are up to 2^-9 of
  // their factors, so that their product, left out, is as much again.
  const bool split = fast.isa == std::string("amx");
  const double product_rounding = split ? 3 * std::ldexp(1.0, -18) : 0;
  std::vector<WinogradCase> cases = {{4, {0, 0.75, -0.75, 1.5, -1.5}, split ? 8e-5 : 3e-6}};
  if (!split) cases.push_back({6, {0, 0.5, -0.5, 1, -1, 2, -2}, 1e-5});
  const std::pair<int64_t, int64_t> sizes[] = {{4, 4},   {1, 1},   {5, 3},  {8, 31},
                                               {13, 50}, {4, 211}, {6, 12}, {19, 7}};
  const std::pair<int64_t, int64_t> channels[] = {{16, 16}, {17, 33}, {48, 64}, {150, 20}};
  for (const auto& [tile, points, relative_rms] : cases)
    for (const auto& [cin, cout] : channels)
      for (const auto& [height, width] : sizes) {
        const int64_t patch = tile + 2, count = patch * patch;
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
            WinogradKernel(kernels.data() + (o * cin + i) * 9, tile, u.data());
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
        for (size_t r = 0; r < size_t(patch); ++r)
          for (size_t c = 0; c < size_t(patch); ++c) {
            double gain = 0;
            for (double y : input_gains[r])
              for (double x : input_gains[c]) gain += y * x;
            largest[r * size_t(patch) + c] *= gain * double(highest);
          }
        const double bound = WinogradBound(output_gains, largest, cin, product_rounding);
        const int64_t columns = (width + tile - 1) / tile;
        const int64_t tiles = (height + tile - 1) / tile * columns;
        WinogradArgs args{in.planes.data(),
                          out.planes.data(),
                          tile,
                          packed.data(),
                          bias.data(),
                          {Activation::kRelu, 0, 0, nullptr},
                          cin,
                          blocks,
                          columns,
                          height,
                          width,
                          {}};
        constexpr float kUntouched = -12345;
        const auto run = [&](const WinogradSpan& span) {
          const int64_t n = span.tile_end - span.tile_begin;
          const int64_t v = fast.winograd->v_floats(tile, n, cin);
          const int64_t m = fast.winograd->m_floats(tile, n, span.block_end - span.block_begin);
          std::vector<float> scratch(static_cast<size_t>(v + m + kBlock), kUntouched);
          fast.winograd->transform(args, span, n / 2, n, scratch.data());
          fast.winograd->transform(args, span, 0, n / 2, scratch.data());
          fast.winograd->multiply(args, span, scratch.data(), scratch.data() + v);
          for (int64_t i = v + m; i < v + m + kBlock; ++i)
            ASSERT_EQ(scratch[static_cast<size_t>(i)], kUntouched) << "beyond the scratch";
        };
        run({0, tiles, 0, blocks, tiles});
        // Any other grouping of tiles and blocks gives the same bits, and maxima taken on the way
        // are those that pooling takes afterwards.
        const int64_t pool_y = height > 4 ? 2 : 0, pool_x = width > 20 ? 6 : 0;
        const int64_t down = (height - pool_y) / 2, across = (width - pool_x) / 2;
        GuardedPlanes pooled(blocks, down, across, 5), pooled_after(blocks, down, across, 5);
        args.out = grouped.planes.data();
        args.pool = {pooled.planes.data(), pool_y, pool_x, down, across};
        for (int64_t t = 0; t < tiles; t += 5)
          for (int64_t b = 0; b < blocks; ++b)
            run({t, std::min(tiles, t + 5), b, b + 1, std::min(tiles, t + 10)});
        ExpectEqual(out, grouped);
        std::vector<Plane> windows = out.planes;
        for (Plane& plane : windows) plane.data += pool_y * plane.row_stride + pool_x * kBlock;
        const PoolArgs pool{
            windows.data(), pooled_after.planes.data(), true, true, 2, 2, 2, 2, 0, 2 * down, 0,
            2 * across};
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
              ASSERT_NEAR(got, want, bound) << tile << " " << cin << " " << height << " " << width;
              error += (got - want) * (got - want), signal += want * want;
            }
        EXPECT_LE(std::sqrt(error / std::max(signal, 1e-9)), relative_rms);
      }
}

TEST_P(Kernels, ConvEqualsReferenceBitForBit) {
  const ConvCase cases[] = {{1, 16, 3, 1, 1, 1},   {3, 20, 3, 2, 1, 1},    {16, 16, 3, 1, 1, 16},
                            {17, 33, 3, 1, 1, 16}, {40, 48, 1, 1, 1, 16},  {5, 3, 5, 1, 2, 16},
                            {32, 64, 2, 2, 1, 16}, {150, 16, 3, 1, 1, 16}, {16, 80, 3, 3, 1, 16},
                            {600, 17, 1, 1, 1, 16}};
  for (const ConvCase& c : cases)
    for (int64_t width : kWidths) {
      const int64_t height = 3;
      const int64_t planes = (c.cin + c.in_lanes - 1) / c.in_lanes;
      const int64_t blocks = (c.cout + kBlock - 1) / kBlock;
      const int64_t reach = (c.kernel - 1) * c.dilation + 1;
      GuardedPlanes in(planes, (height - 1) * c.stride + reach, (width - 1) * c.stride + reach, 1,
                       c.in_lanes);
      GuardedPlanes out(blocks, height, width, 2), want(blocks, height, width, 2);
      const auto weights = Random(blocks * planes * c.in_lanes * c.kernel * c.kernel * kBlock, 3);
      const auto bias = Random(blocks * kBlock, 4);
      std::vector<ConvBlock> list;
      for (int64_t b = 0; b < blocks; ++b)
        list.push_back(
            {weights.data() + b * planes * c.in_lanes * c.kernel * c.kernel * kBlock, 0, planes});
      ConvArgs args{in.planes.data(),
                    out.planes.data(),
                    list.data(),
                    bias.data(),
                    {Activation::kRelu, 0, 0, nullptr},
                    c.cin,
                    c.in_lanes,
                    c.in_lanes,
                    kBlock,
                    c.kernel,
                    c.kernel,
                    c.stride,
                    c.stride,
                    c.dilation,
                    c.dilation};
      const Span span{0, blocks, 0, height, 0, width};
      fast.conv(args, span);
      args.out = want.planes.data();
      kReferenceKernels.conv(args, span);
      ExpectEqual(want, out);
    }
}

TEST_P(Kernels, PlanarConvEqualsReferenceBitForBit) {
  if (!fast.planar_conv) GTEST_SKIP() << "not in this table";
  const auto slopes = Random(kBlock, 5);
  const ActivationArgs activations[] = {{Activation::kRelu, 0, 0, nullptr},
                                        {Activation::kPRelu, 0, 0, slopes.data()},
                                        {Activation::kClip, -0.5f, 0.75f, nullptr}};
  const std::pair<int64_t, int64_t> channels[] = {{1, 2}, {20, 1}, {32, 3}, {150, 7}, {56, 16}};
  for (const ActivationArgs& activation : activations)
    for (const auto& [cin, cout] : channels)
      for (int64_t width : kWidths) {
        const int64_t planes = (cin + kBlock - 1) / kBlock, height = 3;
        GuardedPlanes in(planes, height, width, 1), blocked(1, height, width, 2);
        GuardedPlanes out(cout, height, width, 2, 1), want(cout, height, width, 2, 1);
        const auto weights = Random(planes * kBlock * kBlock, 3), bias = Random(kBlock, 4);
        const ConvBlock block{weights.data(), 0, planes};
        ConvArgs args{in.planes.data(),
                      out.planes.data(),
                      &block,
                      bias.data(),
                      activation,
                      cin,
                      kBlock,
                      kBlock,
                      kBlock,
                      1,
                      1,
                      1,
                      1,
                      1,
                      1};
        // Not the first row: it must stay as it is.
        fast.planar_conv(args, {0, cout, 1, height, 0, width});
        args.out = blocked.planes.data();
        kReferenceKernels.conv(args, {0, 1, 1, height, 0, width});
        for (int64_t o = 0; o < cout; ++o)
          for (int64_t i = width; i < height * width; ++i)
            want.planes[static_cast<size_t>(o)].data[i] = blocked.planes[0].data[i * kBlock + o];
        ExpectEqual(want, out);
      }
}

TEST_P(Kernels, ConvOfAPartWritesOnlyThatPart) {
  GuardedPlanes in(2, 12, 20, 1), out(3, 10, 18, 2), want(3, 10, 18, 2);
  const auto weights = Random(3 * 2 * 9 * kBlock * kBlock, 3);
  const auto bias = Random(3 * kBlock, 4);
  std::vector<ConvBlock> list;
  for (int64_t b = 0; b < 3; ++b)
    list.push_back({weights.data() + b * 2 * 9 * kBlock * kBlock, 0, 2});
  ConvArgs args{in.planes.data(),
                out.planes.data(),
                list.data(),
                bias.data(),
                {Activation::kNone, 0, 0, nullptr},
                32,
                16,
                16,
                kBlock,
                3,
                3,
                1,
                1,
                1,
                1};
  const Span span{1, 3, 2, 7, 3, 16};
  fast.conv(args, span);
  args.out = want.planes.data();
  kReferenceKernels.conv(args, span);
  ExpectEqual(want, out);  // untouched values are equal because both started alike
}

TEST_P(Kernels, DepthwiseEqualsReference) {
  for (int64_t width : kWidths)
    for (int64_t stride : {1, 2}) {
      GuardedPlanes in(2, 2 * stride + 3, (width - 1) * stride + 3, 1);
      GuardedPlanes out(2, 3, width, 2), want(2, 3, width, 2);
      const auto weights = Random(2 * 9 * kBlock, 3), bias = Random(2 * kBlock, 4);
      DepthwiseArgs args{in.planes.data(),
                         out.planes.data(),
                         weights.data(),
                         bias.data(),
                         {Activation::kNone, 0, 0, nullptr},
                         3,
                         3,
                         stride,
                         stride,
                         1,
                         1};
      const Span span{0, 2, 0, 3, 0, width};
      fast.depthwise(args, span);
      args.out = want.planes.data();
      kReferenceKernels.depthwise(args, span);
      ExpectEqual(want, out);
    }
}

TEST_P(Kernels, PoolEqualsReferenceAlsoAtBorders) {
  for (int64_t width : kWidths)
    for (bool maximum : {true, false})
      for (bool count_all : {true, false}) {
        GuardedPlanes in(2, 9, 2 * width + 3, 1), out(2, 4, width, 2), want(2, 4, width, 2);
        PoolArgs args{in.planes.data(), out.planes.data(), maximum, count_all, 3, 3, 2, 2, 1, 8, 1,
                      2 * width};
        const Span span{0, 2, 0, 4, 0, width};
        fast.pool(args, span);
        args.out = want.planes.data();
        kReferenceKernels.pool(args, span);
        ExpectEqual(want, out);
      }
}

TEST_P(Kernels, UpsampleEqualsReference) {
  for (bool linear : {false, true})
    for (int64_t width : kWidths) {
      GuardedPlanes in(1, 4, width + 1, 1), out(1, 6, 2 * width, 2), want(1, 6, 2 * width, 2);
      std::vector<int64_t> y, yn, x, xn;
      std::vector<float> wy, wx;
      for (int64_t i = 0; i < 6; ++i)
        y.push_back(i / 2), yn.push_back(i / 2 + 1), wy.push_back(0.25f);
      for (int64_t i = 0; i < 2 * width; ++i)
        x.push_back(i / 2), xn.push_back(i / 2 + 1), wx.push_back(0.75f);
      UpsampleArgs args{in.planes.data(),
                        out.planes.data(),
                        y.data(),
                        yn.data(),
                        x.data(),
                        xn.data(),
                        linear ? wy.data() : nullptr,
                        wx.data()};
      const Span span{0, 1, 0, 6, 0, 2 * width};
      fast.upsample(args, span);
      args.out = want.planes.data();
      kReferenceKernels.upsample(args, span);
      ExpectEqual(want, out);
    }
}

TEST_P(Kernels, BinaryEqualsReferenceWithBroadcasts) {
  for (Binary op : {Binary::kAdd, Binary::kMul})
    for (int64_t pixel : {16, 0})
      for (bool broadcast : {false, true}) {
        GuardedPlanes a(2, 3, 5, 1), b(2, 3, 5, 5), out(2, 3, 5, 2), want(2, 3, 5, 2);
        if (pixel == 0)
          for (Plane& plane : b.planes) plane.row_stride = 0;
        BinaryArgs args{a.planes.data(),
                        b.planes.data(),
                        out.planes.data(),
                        kBlock,
                        pixel,
                        false,
                        broadcast,
                        op,
                        {Activation::kRelu, 0, 0, nullptr}};
        const Span span{0, 2, 0, 3, 0, 5};
        fast.binary(args, span);
        args.out = want.planes.data();
        kReferenceKernels.binary(args, span);
        ExpectEqual(want, out);
      }
}

TEST_P(Kernels, ActivationsFollowReference) {
  const auto slopes = Random(2 * kBlock, 9);
  for (int kind = 0; kind <= static_cast<int>(Activation::kErf); ++kind) {
    GuardedPlanes in(2, 3, 97, 1), out(2, 3, 97, 2), want(2, 3, 97, 2);
    // Large arguments too: exp must neither overflow nor lose the sign of its limits.
    for (int i = 0; i < 64; ++i) in.planes[0].data[i] = static_cast<float>(i - 32) * 5;
    AffineArgs args{in.planes.data(),
                    out.planes.data(),
                    nullptr,
                    nullptr,
                    {static_cast<Activation>(kind), 0.3f, 0.6f, slopes.data()}};
    const Span span{0, 2, 0, 3, 0, 97};
    fast.affine(args, span);
    args.out = want.planes.data();
    kReferenceKernels.affine(args, span);
    ExpectEqual(want, out, 2e-6f);
  }
}

TEST_P(Kernels, AffineEqualsReference) {
  const auto scale = Random(2 * kBlock, 7), shift = Random(2 * kBlock, 8);
  GuardedPlanes in(2, 3, 13, 1), out(2, 3, 13, 2), want(2, 3, 13, 2);
  AffineArgs args{in.planes.data(),
                  out.planes.data(),
                  scale.data(),
                  shift.data(),
                  {Activation::kNone, 0, 0, nullptr}};
  const Span span{0, 2, 0, 3, 0, 13};
  fast.affine(args, span);
  args.out = want.planes.data();
  kReferenceKernels.affine(args, span);
  ExpectEqual(want, out);
}

TEST_P(Kernels, SoftmaxSumsToOneAndFollowsReference) {
  for (int64_t channels : {1, 2, 15, 16, 17, 32}) {
    const int64_t blocks = (channels + kBlock - 1) / kBlock;
    GuardedPlanes in(blocks, 2, 7, 1), out(blocks, 2, 7, 2), want(blocks, 2, 7, 2);
    SoftmaxArgs args{in.planes.data(), out.planes.data(), channels};
    const Span span{0, blocks, 0, 2, 0, 7};
    fast.softmax(args, span);
    args.out = want.planes.data();
    kReferenceKernels.softmax(args, span);
    out.CheckGuards();
    for (int64_t pixel = 0; pixel < 14; ++pixel) {
      float sum = 0;
      for (int64_t c = 0; c < channels; ++c) {
        const float value = out.planes[c / kBlock].data[pixel * kBlock + c % kBlock];
        ASSERT_NEAR(value, want.planes[c / kBlock].data[pixel * kBlock + c % kBlock], 1e-6f);
        sum += value;
      }
      ASSERT_NEAR(sum, 1, 1e-5f);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Kernels, testing::ValuesIn(UsableIsas(true)),
                         [](const auto& isa) { return isa.param; });

}  // namespace
}  // namespace pyengine
