// The vectorised kernels but Winograd's, once for all instruction sets. Included after
// functions.inc.h; needs kConvPixels and kConvBlocks too, the register tile.

// ---- convolution -----------------------------------------------------------------------------

// Weights of one chunk of input planes stay in the first-level cache while the pixels of a
// sub-tile pass: about 18 KiB per output block. Sub-tiles keep inputs and sums in the second level.
constexpr int64_t kChunkFloats = 18 * 1024 / 4;
constexpr int64_t kTileColumns = 96;
constexpr int64_t kTilePixels = 1024;
// Of one tap (1x1, a phase of a transposed convolution): inputs are read once per output block, so
// that they must stay in the second level while all blocks' weights pass.
constexpr int64_t kOneTapPixels = 96;

struct ConvStep {
  const float* weights[2];  // of the chunk's first plane, per output block
  int64_t block;            // first output block
  int64_t plane_begin, plane_end;
  bool first, last;  // chunk of the sum
};

// The micro-kernel: adds to the sums of PX pixels the products of one input channel, `pixel` floats
// from one pixel to the next, with its weights for OB output blocks. BEGIN: these products are the
// first. Sums must stay in the caller's registers, hence always inline.
template <int PX, int OB, bool BEGIN = false>
__attribute__((always_inline)) static inline void MultiplyLane(
    const float* in, int64_t pixel, const float* const (&w)[OB], int64_t lane,
    Register (&acc)[PX][OB * kRegisters]) {
  constexpr int kHalves = OB * kRegisters;
  constexpr int kWidth = kBlock / kRegisters;
  Register weight[kHalves];
  PYENGINE_UNROLL for (int h = 0; h < kHalves; ++h) weight[h] =
      LoadRegister(w[h / kRegisters] + lane * kBlock + h % kRegisters * kWidth);
  PYENGINE_UNROLL for (int p = 0; p < PX; ++p) {
    const Register value = BroadcastRegister(in + p * pixel + lane);
    PYENGINE_UNROLL for (int h = 0; h < kHalves; ++h) {
      if (BEGIN)
        acc[p][h] = MulRegister(value, weight[h]);
      else
        AccumulateRegister(acc[p][h], value, weight[h]);
    }
  }
}

// The same for `lanes` input channels. A whole block goes without jumps: with AVX2 one jump per
// channel costs 2 to 5 % of a network's time.
template <int PX, int OB, bool BEGIN = false>
__attribute__((always_inline)) static inline void MultiplyLanes(
    const float* in, int64_t pixel, int64_t lanes, const float* const (&w)[OB],
    Register (&acc)[PX][OB * kRegisters]) {
  if (lanes == kBlock) {
    MultiplyLane<PX, OB, BEGIN>(in, pixel, w, 0, acc);
    PYENGINE_UNROLL for (int64_t lane = 1; lane < kBlock; ++lane)
        MultiplyLane<PX, OB>(in, pixel, w, lane, acc);
  } else {
    if (BEGIN)
      PYENGINE_UNROLL for (int p = 0; p < PX; ++p)
          PYENGINE_UNROLL for (int h = 0; h < OB * kRegisters; ++h) acc[p][h] = SetRegister(0.0f);
    for (int64_t lane = 0; lane < lanes; ++lane) MultiplyLane<PX, OB>(in, pixel, w, lane, acc);
  }
}

// One register tile: PX pixels of a row times OB output blocks. PS is the distance of neighbouring
// input pixels in floats where the compiler may know it, else 0. Sums are kept as single registers:
// compilers leave arrays of multi-register structures on the stack.
template <int PX, int OB, int PS>
static inline void ConvTile(const ConvArgs& a, const ConvStep& step, int64_t y, int64_t x) {
  constexpr int kHalves = OB * kRegisters;  // registers per pixel
  constexpr int kWidth = kBlock / kRegisters;
  const int64_t pixel = PS ? PS : a.in_pixel_stride * a.stride_x;
  Register acc[PX][kHalves];
  float* out[kHalves];
  const float* w[OB];
  PYENGINE_UNROLL for (int h = 0; h < kHalves; ++h) {
    const Plane& plane = a.out[step.block + h / kRegisters];
    out[h] = plane.data + y * plane.row_stride + x * a.out_pixel_stride + h % kRegisters * kWidth;
    const Register bias = LoadRegister(a.bias + step.block * kBlock + h * kWidth);
    PYENGINE_UNROLL for (int p = 0; p < PX; ++p) acc[p][h] =
        step.first ? bias : LoadRegister(out[h] + p * a.out_pixel_stride);
  }
  PYENGINE_UNROLL for (int b = 0; b < OB; ++b) {
    w[b] = step.weights[b];
    PYENGINE_UNROLL for (int p = 0; p < PX; ++p)
        PrefetchForStore(out[b * kRegisters] + (PX + p) * a.out_pixel_stride);
  }
  for (int64_t plane = step.plane_begin; plane < step.plane_end; ++plane) {
    // Neighbours one float apart are planar input: one lane, known here, saves a loop per tap.
    const int64_t lanes = PS == 1 ? 1 : Smaller(a.in_lanes, a.in_channels - plane * a.in_lanes);
    const int64_t row_stride = a.in[plane].row_stride;
    const float* corner =
        a.in[plane].data + y * a.stride_y * row_stride + x * a.stride_x * a.in_pixel_stride;
    for (int64_t ky = 0; ky < a.kernel_y; ++ky) {
      for (int64_t kx = 0; kx < a.kernel_x; ++kx) {
        const float* in =
            corner + ky * a.dilation_y * row_stride + kx * a.dilation_x * a.in_pixel_stride;
        MultiplyLanes<PX, OB>(in, pixel, lanes, w, acc);
        PYENGINE_UNROLL for (int b = 0; b < OB; ++b) w[b] += lanes * kBlock;
      }
    }
  }
  const Register floor = Floor(step.last ? a.activation.kind : Activation::kNone);
  PYENGINE_UNROLL for (int h = 0; h < kHalves; ++h) PYENGINE_UNROLL for (int p = 0; p < PX; ++p)
      StoreRegister(out[h] + p * a.out_pixel_stride, MaxRegister(floor, acc[p][h]));
  if (!step.last || IsFloor(a.activation.kind)) return;
  for (int b = 0; b < OB; ++b)
    for (int p = 0; p < PX; ++p) {
      float* value = out[b * kRegisters] + p * a.out_pixel_stride;
      Store(value, Activate(a.activation, Load(value), Slopes(a.activation, step.block + b)));
    }
}

template <int OB, int PS>
static void ConvRow(const ConvArgs& a, const ConvStep& step, int64_t y, int64_t x, int64_t x_end) {
  for (; x + kConvPixels <= x_end; x += kConvPixels) ConvTile<kConvPixels, OB, PS>(a, step, y, x);
  if (kConvPixels > 8 && x + 8 <= x_end) ConvTile<8, OB, PS>(a, step, y, x), x += 8;
  if (x + 4 <= x_end) ConvTile<4, OB, PS>(a, step, y, x), x += 4;
  if (x + 2 <= x_end) ConvTile<2, OB, PS>(a, step, y, x), x += 2;
  if (x < x_end) ConvTile<1, OB, PS>(a, step, y, x);
}

template <int OB>
static void ConvRowAnyStride(const ConvArgs& a, const ConvStep& step, int64_t y, int64_t x,
                             int64_t x_end) {
  const int64_t pixel = a.in_pixel_stride * a.stride_x;
  if (pixel == kBlock)
    ConvRow<OB, kBlock>(a, step, y, x, x_end);
  else if (pixel == 1)
    ConvRow<OB, 1>(a, step, y, x, x_end);
  else
    ConvRow<OB, 0>(a, step, y, x, x_end);
}

static void ConvSubTile(const ConvArgs& a, int64_t block, int blocks, const Span& tile) {
  const ConvBlock& conv = a.blocks[block];
  const int64_t plane_floats = a.in_lanes * a.kernel_y * a.kernel_x * kBlock;
  int64_t chunk = plane_floats ? kChunkFloats / plane_floats : conv.plane_count;
  if (chunk < 1) chunk = 1;
  const int64_t end = conv.plane_begin + conv.plane_count;
  int64_t plane = conv.plane_begin;
  do {  // at least once: a phase of a transposed convolution may have no taps, only the bias
    ConvStep step;
    step.block = block;
    step.plane_begin = plane;
    step.plane_end = Smaller(end, plane + chunk);
    step.first = plane == conv.plane_begin;
    step.last = step.plane_end == end;
    for (int b = 0; b < blocks; ++b)
      step.weights[b] = a.blocks[block + b].weights + (plane - conv.plane_begin) * plane_floats;
    for (int64_t y = tile.y_begin; y < tile.y_end; ++y) {
      if (blocks == 2)
        ConvRowAnyStride<kConvBlocks>(a, step, y, tile.x_begin, tile.x_end);
      else
        ConvRowAnyStride<1>(a, step, y, tile.x_begin, tile.x_end);
    }
    plane = step.plane_end;
  } while (plane < end);
}

static void Conv(const ConvArgs& a, const Span& span) {
  const int64_t width = span.x_end - span.x_begin;
  const int64_t columns = Smaller(width, kTileColumns);
  const int64_t pixels = a.kernel_y * a.kernel_x == 1 ? kOneTapPixels : kTilePixels;
  int64_t rows = pixels / (columns > 0 ? columns : 1);
  if (rows < 1) rows = 1;
  for (int64_t y = span.y_begin; y < span.y_end; y += rows) {
    for (int64_t x = span.x_begin; x < span.x_end; x += columns) {
      Span tile = span;
      tile.y_begin = y, tile.y_end = Smaller(y + rows, span.y_end);
      tile.x_begin = x, tile.x_end = Smaller(x + columns, span.x_end);
      int64_t block = span.block_begin;
      while (block < span.block_end) {
        const bool pair = kConvBlocks == 2 && block + 2 <= span.block_end &&
                          a.blocks[block].plane_begin == a.blocks[block + 1].plane_begin &&
                          a.blocks[block].plane_count == a.blocks[block + 1].plane_count;
        ConvSubTile(a, block, pair ? 2 : 1, tile);
        block += pair ? 2 : 1;
      }
    }
  }
}

template <int PX>
static inline void DepthwiseTile(const DepthwiseArgs& a, int64_t block, int64_t y, int64_t x) {
  const Plane& in = a.in[block];
  const float* w = a.weights + block * a.kernel_y * a.kernel_x * kBlock;
  V16 acc[PX];
  for (int p = 0; p < PX; ++p) acc[p] = Load(a.bias + block * kBlock);
  for (int64_t ky = 0; ky < a.kernel_y; ++ky)
    for (int64_t kx = 0; kx < a.kernel_x; ++kx, w += kBlock) {
      const float* pixel = in.data + (y * a.stride_y + ky * a.dilation_y) * in.row_stride +
                           (x * a.stride_x + kx * a.dilation_x) * kBlock;
      const V16 weight = Load(w);
      for (int p = 0; p < PX; ++p)
        acc[p] = Fma(Load(pixel + p * a.stride_x * kBlock), weight, acc[p]);
    }
  float* out = a.out[block].data + y * a.out[block].row_stride + x * kBlock;
  for (int p = 0; p < PX; ++p)
    Store(out + p * kBlock, Activate(a.activation, acc[p], Slopes(a.activation, block)));
}

static void Depthwise(const DepthwiseArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block)
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      int64_t x = span.x_begin;
      for (; x + 4 <= span.x_end; x += 4) DepthwiseTile<4>(a, block, y, x);
      for (; x < span.x_end; ++x) DepthwiseTile<1>(a, block, y, x);
    }
}

// Twelve independent chains: more than latency times throughput, fewer than registers.
static double MultiplyAdd(int64_t rounds, float* sink) {
  constexpr int kChains = 12;
  alignas(64) float start[kChains][kBlock];
  for (int c = 0; c < kChains; ++c)
    for (int lane = 0; lane < kBlock; ++lane) start[c][lane] = float(c + lane);
  Register acc[kChains];
  PYENGINE_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = LoadRegister(start[c]);
  const Register x = SetRegister(*sink), y = SetRegister(0.25f);
  for (int64_t i = 0; i < rounds; ++i)
    PYENGINE_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = FmaRegister(x, y, acc[c]);
  for (int c = 1; c < kChains; ++c) acc[0] = MaxRegister(acc[0], acc[c]);
  StoreRegister(start[0], acc[0]);
  *sink = start[0][0];
  constexpr int64_t kFlopsPerRound = 2 * (kBlock / kRegisters) * kChains;
  return double(kFlopsPerRound) * double(rounds);
}

// ---- memory-bound operators ------------------------------------------------------------------

static void Pool(const PoolArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const Plane& in = a.in[block];
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const int64_t iy = y * a.stride_y;
      const int64_t ky_begin = iy < a.valid_y_begin ? a.valid_y_begin - iy : 0;
      const int64_t ky_end = Smaller(a.kernel_y, a.valid_y_end - iy);
      float* out = a.out[block].data + y * a.out[block].row_stride + span.x_begin * kBlock;
      for (int64_t x = span.x_begin; x < span.x_end; ++x, out += kBlock) {
        const int64_t ix = x * a.stride_x;
        const int64_t kx_begin = ix < a.valid_x_begin ? a.valid_x_begin - ix : 0;
        const int64_t kx_end = Smaller(a.kernel_x, a.valid_x_end - ix);
        V16 result = Set1(a.maximum ? -__builtin_inff() : 0.0f);
        for (int64_t ky = ky_begin; ky < ky_end; ++ky) {
          const float* tap = in.data + (iy + ky) * in.row_stride + (ix + kx_begin) * kBlock;
          for (int64_t kx = kx_begin; kx < kx_end; ++kx, tap += kBlock)
            result = a.maximum ? Max(Load(tap), result) : Add(result, Load(tap));
        }
        if (!a.maximum) {
          const int64_t taps =
              a.count_all ? a.kernel_y * a.kernel_x : (ky_end - ky_begin) * (kx_end - kx_begin);
          result = Div(result, Set1(static_cast<float>(taps)));
        }
        Store(out, result);
      }
    }
  }
}

static void Upsample(const UpsampleArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const Plane& in = a.in[block];
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const float* row = in.data + a.y_index[y] * in.row_stride;
      float* out = a.out[block].data + y * a.out[block].row_stride;
      if (!a.y_weight) {
        for (int64_t x = span.x_begin; x < span.x_end; ++x)
          Store(out + x * kBlock, Load(row + a.x_index[x] * kBlock));
        continue;
      }
      const float* next = in.data + a.y_next[y] * in.row_stride;
      const V16 wy = Set1(a.y_weight[y]);
      for (int64_t x = span.x_begin; x < span.x_end; ++x) {
        const int64_t left = a.x_index[x] * kBlock, right = a.x_next[x] * kBlock;
        const V16 wx = Set1(a.x_weight[x]);
        const V16 a0 = Load(row + left), a1 = Load(next + left);
        const V16 top = Fma(Sub(Load(row + right), a0), wx, a0);
        const V16 bottom = Fma(Sub(Load(next + right), a1), wx, a1);
        Store(out + x * kBlock, Fma(Sub(bottom, top), wy, top));
      }
    }
  }
}

static void BinaryOp(const BinaryArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const Plane& pa = a.a[a.a_broadcast ? 0 : block];
    const Plane& pb = a.b[a.b_broadcast ? 0 : block];
    const float* slopes = Slopes(a.activation, block);
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const float* ra = pa.data + y * pa.row_stride;
      const float* rb = pb.data + y * pb.row_stride;
      float* out = a.out[block].data + y * a.out[block].row_stride;
      for (int64_t x = span.x_begin; x < span.x_end; ++x) {
        const float* va = ra + x * a.a_pixel_stride;
        const float* vb = rb + x * a.b_pixel_stride;
        const V16 left = a.a_broadcast ? Set1(*va) : Load(va);
        const V16 right = a.b_broadcast ? Set1(*vb) : Load(vb);
        const V16 result = a.op == Binary::kAdd ? Add(left, right) : Mul(left, right);
        Store(out + x * kBlock, Activate(a.activation, result, slopes));
      }
    }
  }
}

static void Affine(const AffineArgs& a, const Span& span) {
  for (int64_t block = span.block_begin; block < span.block_end; ++block) {
    const float* slopes = Slopes(a.activation, block);
    const V16 scale = a.scale ? Load(a.scale + block * kBlock) : Set1(1.0f);
    const V16 shift = a.scale ? Load(a.shift + block * kBlock) : Set1(0.0f);
    for (int64_t y = span.y_begin; y < span.y_end; ++y) {
      const float* in = a.in[block].data + y * a.in[block].row_stride;
      float* out = a.out[block].data + y * a.out[block].row_stride;
      for (int64_t x = span.x_begin; x < span.x_end; ++x) {
        V16 value = Load(in + x * kBlock);
        if (a.scale) value = Fma(value, scale, shift);
        Store(out + x * kBlock, Activate(a.activation, value, slopes));
      }
    }
  }
}

// Channels of one pixel lie in lanes and planes; the lanes past the last channel stay untouched.
static void Softmax(const SoftmaxArgs& a, const Span& span) {
  const int64_t blocks = (a.channels + kBlock - 1) / kBlock;
  for (int64_t y = span.y_begin; y < span.y_end; ++y)
    for (int64_t x = span.x_begin; x < span.x_end; ++x) {
      float highest = -__builtin_inff();
      for (int64_t c = 0; c < a.channels; ++c) {
        const Plane& in = a.in[c / kBlock];
        const float value = in.data[y * in.row_stride + x * kBlock + c % kBlock];
        highest = value > highest ? value : highest;
      }
      float sum = 0;
      for (int64_t b = 0; b < blocks; ++b) {
        const Plane &in = a.in[b], &plane = a.out[b];
        float* out = plane.data + y * plane.row_stride + x * kBlock;
        Store(out, Exp(Sub(Load(in.data + y * in.row_stride + x * kBlock), Set1(highest))));
        const int64_t lanes = Smaller(kBlock, a.channels - b * kBlock);
        for (int64_t lane = 0; lane < lanes; ++lane) sum += out[lane];
      }
      for (int64_t b = 0; b < blocks; ++b) {
        float* out = a.out[b].data + y * a.out[b].row_stride + x * kBlock;
        Store(out, Div(Load(out), Set1(sum)));
      }
    }
}
