// Slow, obvious kernels on a function MultiplyAdd(a, b, c) = a * b + c, included inside an
// anonymous namespace: the oracle for every other table.
#pragma once

// What is not a number stays so.
float Clamp(float x, float low, float high) {
  return x < low ? low : x > high ? high : x;
}

float Activate(const ActivationArgs& a, float x, int64_t channel) {
  switch (a.kind) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return x < 0 ? 0 : x;
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
      return x * Clamp(x + 3, 0.f, 6.f) / 6;
    case Activation::kHardSigmoid:
      return Clamp(a.alpha * x + a.beta, 0.f, 1.f);
    case Activation::kClip:
      return Clamp(x, a.alpha, a.beta);
    case Activation::kErf:
      return std::erf(x);
    case Activation::kAbs:
      return std::fabs(x);
    case Activation::kExp:
      return std::exp(x);
    case Activation::kSoftplus:
      return (std::fmax(a.alpha * x, 0.f) + std::log1p(std::exp(-std::fabs(a.alpha * x)))) /
             a.alpha;
    case Activation::kMish:
      return x * std::tanh(x > 20 ? x : std::log1p(std::exp(x)));
    case Activation::kSoftsign:
      return x / (1 + std::fabs(x));
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
      const int64_t left = a.in_channels - p / a.in_slices * a.in_lanes;
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
    const float* weights = a.weights + block * a.kernel_z * a.kernel_y * a.kernel_x * kBlock;
    float sum = a.bias[block * kBlock + lane];
    for (int64_t kz = 0; kz < a.kernel_z; ++kz)
      for (int64_t ky = 0; ky < a.kernel_y; ++ky)
        for (int64_t kx = 0; kx < a.kernel_x; ++kx, weights += kBlock)
          sum = MultiplyAdd(At(a.in[block * a.kernel_z + kz], y * a.stride_y + ky * a.dilation_y,
                               x * a.stride_x + kx * a.dilation_x)[lane],
                            weights[lane], sum);
    At(a.out[block], y, x)[lane] = Activate(a.activation, sum, block * kBlock + lane);
  });
}

bool Within(int64_t tap, int64_t begin, int64_t end) {
  return tap >= begin && tap < end;
}
bool IsValid(const PoolAxis& axis, int64_t tap) {
  return Within(tap, axis.valid_begin, axis.valid_end);
}
bool IsCounted(const PoolAxis& axis, int64_t tap) {
  return Within(tap, axis.counted_begin, axis.counted_end);
}

void Pool(const PoolArgs& a, const Span& span) {
  ForEach(span, [&](int64_t block, int64_t y, int64_t x, int64_t lane) {
    float result = a.maximum ? -INFINITY : 0;
    int64_t taps = 0;
    for (int64_t kz = 0; kz < a.z.kernel; ++kz)
      for (int64_t ky = 0; ky < a.y.kernel; ++ky)
        for (int64_t kx = 0; kx < a.x.kernel; ++kx) {
          const int64_t iz = a.slice * a.z.stride + kz * a.z.dilation;
          const int64_t iy = y * a.y.stride + ky * a.y.dilation;
          const int64_t ix = x * a.x.stride + kx * a.x.dilation;
          taps += IsCounted(a.z, iz) && IsCounted(a.y, iy) && IsCounted(a.x, ix);
          if (!IsValid(a.z, iz) || !IsValid(a.y, iy) || !IsValid(a.x, ix)) continue;
          const float value = At(a.in[block * a.z.kernel + kz], iy, ix)[lane];
          if (a.maximum)
            result = value > result ? value : result;
          else
            result += value;
        }
    if (!a.maximum) result /= static_cast<float>(taps);
    At(a.out[block], y, x)[lane] = result;
  });
}

float Upsampled(const UpsampleArgs& a, const Plane& in, int64_t y, int64_t x, int64_t lane) {
  const float first = At(in, a.y_index[y], a.x_index[x])[lane];
  if (!a.y_weight) return first;
  const float wx = a.x_weight[x], wy = a.y_weight[y];
  const float right = At(in, a.y_index[y], a.x_next[x])[lane];
  const float below = At(in, a.y_next[y], a.x_index[x])[lane];
  const float across = At(in, a.y_next[y], a.x_next[x])[lane];
  const float top = MultiplyAdd(right - first, wx, first);
  const float bottom = MultiplyAdd(across - below, wx, below);
  return MultiplyAdd(bottom - top, wy, top);
}

void Upsample(const UpsampleArgs& a, const Span& span) {
  ForEach(span, [&](int64_t block, int64_t y, int64_t x, int64_t lane) {
    const Plane* in = a.in + block * a.z_taps;
    float result = Upsampled(a, in[0], y, x, lane);
    if (a.z_taps == 2)
      result = MultiplyAdd(Upsampled(a, in[1], y, x, lane) - result, a.z_weight, result);
    At(a.out[block], y, x)[lane] = result;
  });
}

void Resample(const ResampleArgs& a, const Span& span) {
  ForEach(span, [&](int64_t block, int64_t y, int64_t x, int64_t lane) {
    float all = 0;
    for (int64_t tz = 0; tz < a.z_taps; ++tz) {
      const Plane& in = a.in[block * a.z_taps + tz];
      float sum = 0;
      for (int64_t ty = y * a.y_taps; ty < (y + 1) * a.y_taps; ++ty) {
        float line = 0;
        for (int64_t tx = x * a.x_taps; tx < (x + 1) * a.x_taps; ++tx)
          line = MultiplyAdd(At(in, a.y_index[ty], a.x_index[tx])[lane], a.x_weight[tx], line);
        sum = MultiplyAdd(line, a.y_weight[ty], sum);
      }
      all = a.z_taps == 1 ? sum : MultiplyAdd(sum, a.z_weight[tz], all);
    }
    At(a.out[block], y, x)[lane] = all;
  });
}

float Apply(Binary op, float a, float b) {
  switch (op) {
    case Binary::kAdd:
      return a + b;
    case Binary::kMul:
      return a * b;
    case Binary::kSub:
      return a - b;
    case Binary::kDiv:
      return a / b;
    case Binary::kMax:
      return a > b ? a : b;
    case Binary::kMin:
      return a < b ? a : b;
    case Binary::kLess:
      return a < b ? 1 : 0;
    case Binary::kLessEqual:
      return a <= b ? 1 : 0;
    case Binary::kGreater:
      return a > b ? 1 : 0;
    case Binary::kGreaterEqual:
      return a >= b ? 1 : 0;
    case Binary::kEqual:
      return a == b ? 1 : 0;
  }
  return a;
}

void BinaryOp(const BinaryArgs& a, const Span& span) {
  ForEach(span, [&](int64_t block, int64_t y, int64_t x, int64_t lane) {
    const float left =
        At(a.a[a.a_broadcast ? 0 : block], y, x, a.a_pixel_stride)[a.a_broadcast ? 0 : lane];
    const float right =
        At(a.b[a.b_broadcast ? 0 : block], y, x, a.b_pixel_stride)[a.b_broadcast ? 0 : lane];
    const int64_t channel = block * kBlock + lane;
    const bool dead = a.op == Binary::kDiv && channel >= a.channels;
    At(a.out[block], y, x)[lane] =
        dead ? 0 : Activate(a.activation, Apply(a.op, left, right), channel);
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

void RowMoments(const RowMomentsArgs& a, const Span& span) {
  const auto pixels = static_cast<double>(span.x_end - span.x_begin);
  for (int64_t block = span.block_begin; block < span.block_end; ++block)
    for (int64_t y = span.y_begin; y < span.y_end; ++y)
      for (int64_t lane = 0; lane < kBlock; ++lane) {
        const double first = At(a.in[block], y, span.x_begin)[lane];
        double sum = 0, square = 0;
        for (int64_t x = span.x_begin; x < span.x_end; ++x) {
          const double distance = At(a.in[block], y, x)[lane] - first;
          sum += distance;
          square += distance * distance;
        }
        const double mean = sum / pixels;
        const double moments[] = {first + mean, square - sum * mean};
        for (int i = 0; i < 2; ++i)
          std::memcpy(At(a.out[block], y, 2 * i) + 2 * lane, &moments[i], sizeof(double));
      }
}

void LayerNorm(const LayerNormArgs& a, const Span& span) {
  for (int64_t y = span.y_begin; y < span.y_end; ++y)
    for (int64_t x = span.x_begin; x < span.x_end; ++x) {
      const auto value = [&](int64_t c) {
        return static_cast<double>(At(a.in[c / kBlock], y, x)[c % kBlock]);
      };
      double mean = 0, square = 0;
      for (int64_t c = 0; c < a.channels && a.subtract_mean; ++c) mean += value(c);
      mean /= static_cast<double>(a.channels);
      for (int64_t c = 0; c < a.channels; ++c) square += (value(c) - mean) * (value(c) - mean);
      const double root = std::sqrt(square / static_cast<double>(a.channels) + a.epsilon);
      for (int64_t c = 0; c < a.channels; ++c) {
        double result = (value(c) - mean) / root;
        if (a.scale) result *= a.scale[c];
        if (a.shift) result += a.shift[c];
        At(a.out[c / kBlock], y, x)[c % kBlock] =
            Activate(a.activation, static_cast<float>(result), c);
      }
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
          .resample = Resample,
          .binary = BinaryOp,
          .affine = Affine,
          .softmax = Softmax,
          .row_moments = RowMoments,
          .layer_norm = LayerNorm};
}
