// Slow, obvious kernels on a function MultiplyAdd(a, b, c) = a * b + c, included inside an
// anonymous namespace: the oracle for every other table.
#pragma once

float Activate(const ActivationArgs& a, float x, int64_t channel) {
  switch (a.kind) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return x > 0 ? x : 0;
    case Activation::kLeakyRelu:
      return x > 0 ? x : a.alpha * x;
    case Activation::kPRelu:
      return x > 0 ? x : a.slopes[channel] * x;
    case Activation::kElu:
      return x > 0 ? x : a.alpha * std::expm1(x);
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGelu:
      return 0.5f * x * (1 + std::erf(x * 0.70710678f));
    case Activation::kGeluTanh:
      return 0.5f * x * (1 + std::tanh(0.79788456f * (x + 0.044715f * x * x * x)));
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kHardSwish:
      return x * std::fmin(std::fmax(x + 3, 0.f), 6.f) / 6;
    case Activation::kHardSigmoid:
      return std::fmin(std::fmax(a.alpha * x + a.beta, 0.f), 1.f);
    case Activation::kClip:
      return std::fmin(std::fmax(x, a.alpha), a.beta);
    case Activation::kErf:
      return std::erf(x);
  }
  return x;
}

float* At(const Plane& plane, int64_t y, int64_t x, int64_t pixel_stride = kBlock) {
  return plane.data + y * plane.row_stride + x * pixel_stride;
}

template <class F>
void ForEach(const Span& span, F&& body) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block)
    for (int64_t y = span.y_begin; y < span.y_end; ++y)
      for (int64_t x = span.x_begin; x < span.x_end; ++x)
        for (int64_t lane = 0; lane < kBlock; ++lane) body(block, y, x, lane);
}

void Conv(const ConvArgs& a, const Span& span) {
  ForEach(span, [&](int64_t block, int64_t y, int64_t x, int64_t lane) {
    const ConvBlock& conv = a.blocks[block];
    const float* weights = conv.weights;
    float sum = a.bias[block * kBlock + lane];
    for (int64_t p = conv.plane_begin; p < conv.plane_begin + conv.plane_count; ++p) {
      const int64_t left = a.in_channels - p * a.in_lanes;
      const int64_t lanes = left < a.in_lanes ? left : a.in_lanes;
      for (int64_t ky = 0; ky < a.kernel_y; ++ky)
        for (int64_t kx = 0; kx < a.kernel_x; ++kx) {
          const float* in = At(a.in[p], y * a.stride_y + ky * a.dilation_y,
                               x * a.stride_x + kx * a.dilation_x, a.in_pixel_stride);
          for (int64_t c = 0; c < lanes; ++c, weights += kBlock)
            sum = MultiplyAdd(in[c], weights[lane], sum);
        }
    }
    At(a.out[block], y, x, a.out_pixel_stride)[lane] =
        Activate(a.activation, sum, block * kBlock + lane);
  });
}

void Depthwise(const DepthwiseArgs& a, const Span& span) {
  ForEach(span, [&](int64_t block, int64_t y, int64_t x, int64_t lane) {
    const float* weights = a.weights + block * a.kernel_y * a.kernel_x * kBlock;
    float sum = a.bias[block * kBlock + lane];
    for (int64_t ky = 0; ky < a.kernel_y; ++ky)
      for (int64_t kx = 0; kx < a.kernel_x; ++kx, weights += kBlock)
        sum = MultiplyAdd(At(a.in[block], y * a.stride_y + ky * a.dilation_y,
                             x * a.stride_x + kx * a.dilation_x)[lane],
                          weights[lane], sum);
    At(a.out[block], y, x)[lane] = Activate(a.activation, sum, block * kBlock + lane);
  });
}

void Pool(const PoolArgs& a, const Span& span) {
  ForEach(span, [&](int64_t block, int64_t y, int64_t x, int64_t lane) {
    float result = a.maximum ? -INFINITY : 0;
    int64_t taps = 0;
    for (int64_t ky = 0; ky < a.kernel_y; ++ky)
      for (int64_t kx = 0; kx < a.kernel_x; ++kx) {
        const int64_t iy = y * a.stride_y + ky, ix = x * a.stride_x + kx;
        if (iy < a.valid_y_begin || iy >= a.valid_y_end || ix < a.valid_x_begin ||
            ix >= a.valid_x_end)
          continue;
        const float value = At(a.in[block], iy, ix)[lane];
        if (a.maximum)
          result = value > result ? value : result;
        else
          result += value;
        ++taps;
      }
    if (!a.maximum) result /= static_cast<float>(a.count_all ? a.kernel_y * a.kernel_x : taps);
    At(a.out[block], y, x)[lane] = result;
  });
}

void Upsample(const UpsampleArgs& a, const Span& span) {
  ForEach(span, [&](int64_t block, int64_t y, int64_t x, int64_t lane) {
    const Plane& in = a.in[block];
    float result = At(in, a.y_index[y], a.x_index[x])[lane];
    if (a.y_weight) {
      const float wx = a.x_weight[x], wy = a.y_weight[y];
      const float right = At(in, a.y_index[y], a.x_next[x])[lane];
      const float below = At(in, a.y_next[y], a.x_index[x])[lane];
      const float across = At(in, a.y_next[y], a.x_next[x])[lane];
      const float top = MultiplyAdd(right - result, wx, result);
      const float bottom = MultiplyAdd(across - below, wx, below);
      result = MultiplyAdd(bottom - top, wy, top);
    }
    At(a.out[block], y, x)[lane] = result;
  });
}

void BinaryOp(const BinaryArgs& a, const Span& span) {
  ForEach(span, [&](int64_t block, int64_t y, int64_t x, int64_t lane) {
    const float left =
        At(a.a[a.a_broadcast ? 0 : block], y, x, a.a_pixel_stride)[a.a_broadcast ? 0 : lane];
    const float right =
        At(a.b[a.b_broadcast ? 0 : block], y, x, a.b_pixel_stride)[a.b_broadcast ? 0 : lane];
    At(a.out[block], y, x)[lane] = Activate(
        a.activation, a.op == Binary::kAdd ? left + right : left * right, block * kBlock + lane);
  });
}

void Affine(const AffineArgs& a, const Span& span) {
  ForEach(span, [&](int64_t block, int64_t y, int64_t x, int64_t lane) {
    const int64_t channel = block * kBlock + lane;
    float value = At(a.in[block], y, x)[lane];
    if (a.scale) value = MultiplyAdd(value, a.scale[channel], a.shift[channel]);
    At(a.out[block], y, x)[lane] = Activate(a.activation, value, channel);
  });
}

void Softmax(const SoftmaxArgs& a, const Span& span) {
  for (int64_t y = span.y_begin; y < span.y_end; ++y)
    for (int64_t x = span.x_begin; x < span.x_end; ++x) {
      float highest = -INFINITY, sum = 0;
      for (int64_t c = 0; c < a.channels; ++c)
        highest = std::fmax(highest, At(a.in[c / kBlock], y, x)[c % kBlock]);
      for (int64_t c = 0; c < a.channels; ++c)
        sum += std::exp(At(a.in[c / kBlock], y, x)[c % kBlock] - highest);
      for (int64_t c = 0; c < a.channels; ++c)
        At(a.out[c / kBlock], y, x)[c % kBlock] =
            std::exp(At(a.in[c / kBlock], y, x)[c % kBlock] - highest) / sum;
    }
}

constexpr KernelTable ScalarTable(const char* isa) noexcept {
  return {.isa = isa,
          .conv = Conv,
          .planar_conv = nullptr,
          .winograd = nullptr,
          .depthwise = Depthwise,
          .pool = Pool,
          .upsample = Upsample,
          .binary = BinaryOp,
          .affine = Affine,
          .softmax = Softmax};
}
