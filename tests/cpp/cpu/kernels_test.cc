// Every vectorised kernel against the reference, on awkward sizes, with guards around the outputs.
//
// Tolerances: a convolution sums its products by multiply-adds in the same order in both, so
// results must be equal to the last bit. The portable table rounds products before it adds them, so
// it has a reference that does. Operators with transcendental functions differ by the polynomials'
// error, stated in simd/elementary.inc.h.
#include "cpu/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/isa.h"
#include "support/random_tensor.h"
#include "support/unfused_reference.h"

namespace pyengine {
namespace {

constexpr ActivationArgs kNoActivation = {
    .kind = Activation::kNone, .alpha = 0, .beta = 0, .slopes = nullptr};
constexpr ActivationArgs kRelu = {
    .kind = Activation::kRelu, .alpha = 0, .beta = 0, .slopes = nullptr};
constexpr int64_t kWidths[] = {1, 2, 3, 5, 6, 7, 8, 11, 12, 13, 15, 16, 17, 25, 97};

class Kernels : public testing::TestWithParam<std::string> {
 protected:
  const KernelTable& fast = SelectKernels(GetParam(), Accuracy::kFast);
  const KernelTable& reference =
      GetParam() == "portable" ? kUnfusedReferenceKernels : kReferenceKernels;
};

TEST_P(Kernels, ForcedTableIsTheActiveOne) {
  EXPECT_EQ(fast.isa, GetParam());
}

struct ConvCase {
  int64_t cin, cout, kernel, stride, dilation, in_lanes;
};

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
      ConvArgs args{.in = in.planes.data(),
                    .out = out.planes.data(),
                    .blocks = list.data(),
                    .bias = bias.data(),
                    .activation = kRelu,
                    .in_channels = c.cin,
                    .in_lanes = c.in_lanes,
                    .in_pixel_stride = c.in_lanes,
                    .out_pixel_stride = kBlock,
                    .kernel_y = c.kernel,
                    .kernel_x = c.kernel,
                    .stride_y = c.stride,
                    .stride_x = c.stride,
                    .dilation_y = c.dilation,
                    .dilation_x = c.dilation};
      const Span span{0, blocks, 0, height, 0, width};
      fast.conv(args, span);
      args.out = want.planes.data();
      reference.conv(args, span);
      ExpectEqual(want, out);
    }
}

TEST_P(Kernels, PlanarConvEqualsReferenceBitForBit) {
  if (!fast.planar_conv) GTEST_SKIP() << "not in this table";
  const auto slopes = Random(kBlock, 5);
  const ActivationArgs activations[] = {
      kRelu,
      {.kind = Activation::kPRelu, .alpha = 0, .beta = 0, .slopes = slopes.data()},
      {.kind = Activation::kClip, .alpha = -0.5f, .beta = 0.75f, .slopes = nullptr}};
  const std::pair<int64_t, int64_t> channels[] = {{1, 2}, {20, 1}, {32, 3}, {150, 7}, {56, 16}};
  for (const ActivationArgs& activation : activations)
    for (const auto& [cin, cout] : channels)
      for (int64_t width : kWidths) {
        const int64_t planes = (cin + kBlock - 1) / kBlock, height = 3;
        GuardedPlanes in(planes, height, width, 1), blocked(1, height, width, 2);
        GuardedPlanes out(cout, height, width, 2, 1), want(cout, height, width, 2, 1);
        const auto weights = Random(planes * kBlock * kBlock, 3), bias = Random(kBlock, 4);
        const ConvBlock block{weights.data(), 0, planes};
        ConvArgs args{.in = in.planes.data(),
                      .out = out.planes.data(),
                      .blocks = &block,
                      .bias = bias.data(),
                      .activation = activation,
                      .in_channels = cin,
                      .in_lanes = kBlock,
                      .in_pixel_stride = kBlock,
                      .out_pixel_stride = kBlock,
                      .kernel_y = 1,
                      .kernel_x = 1,
                      .stride_y = 1,
                      .stride_x = 1,
                      .dilation_y = 1,
                      .dilation_x = 1};
        // Not the first row: it must stay as it is.
        fast.planar_conv(args, {0, cout, 1, height, 0, width});
        args.out = blocked.planes.data();
        reference.conv(args, {0, 1, 1, height, 0, width});
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
  ConvArgs args{.in = in.planes.data(),
                .out = out.planes.data(),
                .blocks = list.data(),
                .bias = bias.data(),
                .activation = kNoActivation,
                .in_channels = 32,
                .in_lanes = kBlock,
                .in_pixel_stride = kBlock,
                .out_pixel_stride = kBlock,
                .kernel_y = 3,
                .kernel_x = 3,
                .stride_y = 1,
                .stride_x = 1,
                .dilation_y = 1,
                .dilation_x = 1};
  const Span span{1, 3, 2, 7, 3, 16};
  fast.conv(args, span);
  args.out = want.planes.data();
  reference.conv(args, span);
  ExpectEqual(want, out);  // untouched values are equal because both started alike
}

TEST_P(Kernels, DepthwiseEqualsReference) {
  for (int64_t width : kWidths)
    for (int64_t stride : {1, 2}) {
      GuardedPlanes in(2, 2 * stride + 3, (width - 1) * stride + 3, 1);
      GuardedPlanes out(2, 3, width, 2), want(2, 3, width, 2);
      const auto weights = Random(2 * 9 * kBlock, 3), bias = Random(2 * kBlock, 4);
      DepthwiseArgs args{.in = in.planes.data(),
                         .out = out.planes.data(),
                         .weights = weights.data(),
                         .bias = bias.data(),
                         .activation = kNoActivation,
                         .kernel_y = 3,
                         .kernel_x = 3,
                         .stride_y = stride,
                         .stride_x = stride,
                         .dilation_y = 1,
                         .dilation_x = 1};
      const Span span{0, 2, 0, 3, 0, width};
      fast.depthwise(args, span);
      args.out = want.planes.data();
      reference.depthwise(args, span);
      ExpectEqual(want, out);
    }
}

TEST_P(Kernels, PoolEqualsReferenceAlsoAtBorders) {
  for (int64_t width : kWidths)
    for (bool maximum : {true, false})
      for (bool count_padding : {true, false})
        for (int64_t dilation : {1, 2}) {
          GuardedPlanes in(2, 12, 2 * width + 5, 1), out(2, 4, width, 2), want(2, 4, width, 2);
          const int64_t more = count_padding ? 1 : 0;
          PoolArgs args{.in = in.planes.data(),
                        .out = out.planes.data(),
                        .maximum = maximum,
                        .y = {.kernel = 3,
                              .stride = 2,
                              .dilation = dilation,
                              .valid_begin = 1,
                              .valid_end = 8,
                              .counted_begin = 1 - more,
                              .counted_end = 8 + more},
                        .x = {.kernel = 3,
                              .stride = 2,
                              .dilation = dilation,
                              .valid_begin = 1,
                              .valid_end = 2 * width + 1,
                              .counted_begin = 1 - more,
                              .counted_end = 2 * width + 1 + more}};
          const Span span{0, 2, 0, 4, 0, width};
          fast.pool(args, span);
          args.out = want.planes.data();
          reference.pool(args, span);
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
      UpsampleArgs args{.in = in.planes.data(),
                        .out = out.planes.data(),
                        .y_index = y.data(),
                        .y_next = yn.data(),
                        .x_index = x.data(),
                        .x_next = xn.data(),
                        .y_weight = linear ? wy.data() : nullptr,
                        .x_weight = wx.data()};
      const Span span{0, 1, 0, 6, 0, 2 * width};
      fast.upsample(args, span);
      args.out = want.planes.data();
      reference.upsample(args, span);
      ExpectEqual(want, out);
    }
}

TEST_P(Kernels, ResampleEqualsReference) {
  for (int64_t taps : {1, 2, 4, 7})
    for (int64_t width : kWidths) {
      GuardedPlanes in(2, 5, width + 3, 1), out(2, 4, width, 2), want(2, 4, width, 2);
      std::vector<int64_t> y, x;
      for (int64_t i = 0; i < 4 * taps; ++i) y.push_back(i * 3 % 5);
      for (int64_t i = 0; i < width * taps; ++i) x.push_back(i * 7 % (width + 3));
      const auto wy = Random(4 * taps, 3), wx = Random(width * taps, 4);
      ResampleArgs args{.in = in.planes.data(),
                        .out = out.planes.data(),
                        .y_taps = taps,
                        .x_taps = taps,
                        .y_index = y.data(),
                        .x_index = x.data(),
                        .y_weight = wy.data(),
                        .x_weight = wx.data()};
      const Span span{0, 2, 1, 4, 0, width};
      fast.resample(args, span);
      args.out = want.planes.data();
      reference.resample(args, span);
      ExpectEqual(want, out);
    }
}

// Doubles that lie in planes of floats: the same bits.
TEST_P(Kernels, RowMomentsEqualReferenceBitForBit) {
  for (int64_t width : kWidths) {
    GuardedPlanes in(2, 3, width, 1), out(2, 3, 4, 2), want(2, 3, 4, 2);
    for (Plane& plane : in.planes)
      for (int64_t i = 0; i < kBlock; ++i) plane.data[i] += 1000;  // the first pixel is far off
    RowMomentsArgs args{.in = in.planes.data(), .out = out.planes.data()};
    const Span span{0, 2, 1, 3, 0, width};
    fast.row_moments(args, span);
    args.out = want.planes.data();
    reference.row_moments(args, span);
    out.CheckGuards();
    ASSERT_EQ(
        std::memcmp(out.values().data(), want.values().data(), out.values().size() * sizeof(float)),
        0);
    double moments[2];
    std::memcpy(&moments[0], out.planes[1].data + out.planes[1].row_stride + 2 * 5, sizeof(double));
    std::memcpy(&moments[1], out.planes[1].data + out.planes[1].row_stride + 2 * kBlock + 2 * 5,
                sizeof(double));
    double mean = 0, squares = 0;
    const float* row = in.planes[1].data + in.planes[1].row_stride + 5;
    for (int64_t x = 0; x < width; ++x) mean += double(row[x * kBlock]) / double(width);
    for (int64_t x = 0; x < width; ++x)
      squares += (double(row[x * kBlock]) - mean) * (double(row[x * kBlock]) - mean);
    EXPECT_NEAR(moments[0], mean, 1e-11);    // 1000 * 97 roundings of 1.1e-16
    EXPECT_NEAR(moments[1], squares, 1e-7);  // 1e6 * 97 of them, a few times
  }
}

// Float32 sums of up to 40 blocks and a few roundings after: 40 / 2 * 6e-8 of numbers of about 1.
TEST_P(Kernels, LayerNormFollowsReference) {
  const auto scale = Random(3 * kBlock, 7), shift = Random(3 * kBlock, 8);
  for (int64_t channels : {1, 3, 15, 16, 17, 33, 48})
    for (bool subtract_mean : {true, false})
      for (bool affine : {true, false}) {
        const int64_t blocks = (channels + kBlock - 1) / kBlock;
        GuardedPlanes in(blocks, 2, 7, 1), out(blocks, 2, 7, 2), want(blocks, 2, 7, 2);
        // A mean far from 0 must not cost precision.
        for (int64_t c = 0; c < channels; ++c) in.planes[c / kBlock].data[c % kBlock] += 1000;
        LayerNormArgs args{.in = in.planes.data(),
                           .out = out.planes.data(),
                           .scale = affine ? scale.data() : nullptr,
                           .shift = affine ? shift.data() : nullptr,
                           .channels = channels,
                           .epsilon = 1e-3,
                           .subtract_mean = subtract_mean,
                           .activation = kNoActivation};
        const Span span{0, blocks, 0, 2, 0, 7};
        fast.layer_norm(args, span);
        args.out = want.planes.data();
        reference.layer_norm(args, span);
        out.CheckGuards();
        for (int64_t pixel = 0; pixel < 14; ++pixel)
          for (int64_t c = 0; c < channels; ++c)
            ASSERT_NEAR(out.planes[c / kBlock].data[pixel * kBlock + c % kBlock],
                        want.planes[c / kBlock].data[pixel * kBlock + c % kBlock], 5e-6f)
                << channels << " " << pixel << " " << c;
      }
}

TEST_P(Kernels, BinaryEqualsReferenceWithBroadcasts) {
  for (int kind = 0; kind <= static_cast<int>(Binary::kEqual); ++kind)
    for (int64_t pixel : {16, 0})
      for (bool broadcast : {false, true}) {
        const auto op = static_cast<Binary>(kind);
        const bool takes_activation = op == Binary::kAdd || op == Binary::kMul;
        GuardedPlanes a(2, 3, 5, 1), b(2, 3, 5, 5), out(2, 3, 5, 2), want(2, 3, 5, 2);
        std::copy_n(b.planes[0].data, 5, a.planes[0].data);  // some are equal
        if (pixel == 0)
          for (Plane& plane : b.planes) plane.row_stride = 0;
        BinaryArgs args{.a = a.planes.data(),
                        .b = b.planes.data(),
                        .out = out.planes.data(),
                        .a_pixel_stride = kBlock,
                        .b_pixel_stride = pixel,
                        .a_broadcast = false,
                        .b_broadcast = broadcast,
                        .channels = 20,
                        .op = op,
                        .activation = takes_activation ? kRelu : kNoActivation};
        const Span span{0, 2, 0, 3, 0, 5};
        fast.binary(args, span);
        args.out = want.planes.data();
        reference.binary(args, span);
        ExpectEqual(want, out);
      }
}

TEST_P(Kernels, ActivationsFollowReference) {
  const auto slopes = Random(2 * kBlock, 9);
  for (int kind = 0; kind <= static_cast<int>(Activation::kSoftsign); ++kind) {
    GuardedPlanes in(2, 3, 97, 1), out(2, 3, 97, 2), want(2, 3, 97, 2);
    // Large arguments too: exp must neither overflow nor lose the sign of its limits.
    for (int i = 0; i < 64; ++i) in.planes[0].data[i] = static_cast<float>(i - 32) * 5;
    AffineArgs args{.in = in.planes.data(),
                    .out = out.planes.data(),
                    .scale = nullptr,
                    .shift = nullptr,
                    .activation = {.kind = static_cast<Activation>(kind),
                                   .alpha = 0.3f,
                                   .beta = 0.6f,
                                   .slopes = slopes.data()}};
    const Span span{0, 2, 0, 3, 0, 97};
    fast.affine(args, span);
    args.out = want.planes.data();
    reference.affine(args, span);
    ExpectEqual(want, out, 2e-6f);
  }
}

// Of every magnitude that float32 has, subnormal numbers included: within the relative errors that
// simd/elementary.inc.h derives, or the spacing of subnormal numbers.
TEST_P(Kernels, TanhErfAndEluLoseNoSmallArguments) {
  constexpr int64_t kColumns = 4096;  // x 16 lanes: 400 numbers per power of two
  constexpr double kSubnormal = 1.5e-45;
  struct Case {
    Activation kind;
    double (*exact)(double);
    double relative;
  };
  const Case cases[] = {
      {.kind = Activation::kTanh, .exact = [](double x) { return std::tanh(x); }, .relative = 4e-7},
      {.kind = Activation::kErf, .exact = [](double x) { return std::erf(x); }, .relative = 7.5e-7},
      {.kind = Activation::kElu,
       .exact = [](double x) { return x > 0 ? x : std::expm1(x); },
       .relative = 3e-7}};
  for (const Case& c : cases) {
    GuardedPlanes in(1, 1, kColumns, 1), out(1, 1, kColumns, 2);
    const Plane& arguments = in.planes[0];
    for (int64_t i = 0; i < kColumns * kBlock; ++i) {
      const double size = std::exp2(-149 + double(i / 2) / (kColumns * kBlock / 2) * (149 + 8));
      arguments.data[i] = static_cast<float>(i % 2 ? -size : size);
    }
    const AffineArgs args{.in = in.planes.data(),
                          .out = out.planes.data(),
                          .scale = nullptr,
                          .shift = nullptr,
                          .activation = {.kind = c.kind, .alpha = 1, .beta = 0, .slopes = nullptr}};
    fast.affine(args, {0, 1, 0, 1, 0, kColumns});
    out.CheckGuards();
    for (int64_t i = 0; i < kColumns * kBlock; ++i) {
      const double x = double(arguments.data[i]), want = c.exact(x);
      const double error = std::fabs(double(out.planes[0].data[i]) - want);
      ASSERT_LE(error, c.relative * std::fabs(want) + kSubnormal) << x;
    }
  }
}

TEST_P(Kernels, AffineEqualsReference) {
  const auto scale = Random(2 * kBlock, 7), shift = Random(2 * kBlock, 8);
  GuardedPlanes in(2, 3, 13, 1), out(2, 3, 13, 2), want(2, 3, 13, 2);
  AffineArgs args{.in = in.planes.data(),
                  .out = out.planes.data(),
                  .scale = scale.data(),
                  .shift = shift.data(),
                  .activation = kNoActivation};
  const Span span{0, 2, 0, 3, 0, 13};
  fast.affine(args, span);
  args.out = want.planes.data();
  reference.affine(args, span);
  ExpectEqual(want, out);
}

TEST_P(Kernels, SoftmaxSumsToOneAndFollowsReference) {
  for (int64_t channels : {1, 2, 15, 16, 17, 32}) {
    const int64_t blocks = (channels + kBlock - 1) / kBlock;
    GuardedPlanes in(blocks, 2, 7, 1), out(blocks, 2, 7, 2), want(blocks, 2, 7, 2);
    SoftmaxArgs args{.in = in.planes.data(), .out = out.planes.data(), .channels = channels};
    const Span span{0, blocks, 0, 2, 0, 7};
    fast.softmax(args, span);
    args.out = want.planes.data();
    reference.softmax(args, span);
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

INSTANTIATE_TEST_SUITE_P(Isa, Kernels, testing::ValuesIn(UsableIsas(Accuracy::kFast)),
                         [](const auto& isa) { return isa.param; });

}  // namespace
}  // namespace pyengine
