// Winograd's products of matrices by AMX's tile registers, which multiply bfloat16 and add in
// float32, 16 times as fast as vector registers multiply float32.
//
// A number is taken as the sum of two bfloat16, high + low: 16 of a float32's 24 bits of
// significand. Of the four products of parts that of the low ones is left out; it is of the size of
// what the parts leave out. Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial
// Intelligence Datatype For Higher-Precision Computations", 2019, arXiv:1904.06376.
//
// V of one point: [32 channels][part][patch][32 bfloat16], patches up to a multiple of 16. Weights
// of one point and output block: [32 channels][part][16 pairs of channels][16 output channels][2].
// A pair is a channel of one input plane and the same channel of the next.
#include <immintrin.h>

#include "cpu/kernels/kernels.h"

namespace pyengine {
namespace {

#include "cpu/kernels/avx512/registers.inc.h"
#include "cpu/kernels/simd/winograd.inc.h"

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileFloats = 256;  // of one tile register, two bfloat16 each
constexpr int64_t kParts = 2;
constexpr int64_t kStrideBytes = 64;  // of rows of V and of the weights

// What LDTILECFG reads.
struct TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// The nearest number with the significand of a bfloat16.
static inline Register HighPart(Register x) {
  const __m512i half = _mm512_set1_epi32(0x8000), mask = _mm512_set1_epi32(int(0xFFFF0000u));
  return _mm512_castsi512_ps(
      _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x), half), mask));
}

// Pairs of bfloat16, those of `even` first; both hold nothing below their upper 16 bits.
static inline Register Pairs(Register even, Register odd) {
  return _mm512_castsi512_ps(
      _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(even), 16), _mm512_castps_si512(odd)));
}

// Both parts of a pair of vectors, `step` floats apart.
static inline void StoreParts(float* to, int64_t step, Register even, Register odd) {
  const Register even_high = HighPart(even), odd_high = HighPart(odd);
  StoreRegister(to, Pairs(even_high, odd_high));
  StoreRegister(to + step, Pairs(HighPart(SubRegister(even, even_high)),
                                 HighPart(SubRegister(odd, odd_high))));
}

// Compilers take the instructions on tiles to touch no memory.
static inline void OrderMemory() {
  __asm__ volatile("" ::: "memory");
}

// Tile registers: 0 to 3 sum, 4 and 5 hold 16 rows of V each, 6 and 7 the weights of a block each.
// Their names must be literals.
template <int ROWS>
static inline void LoadV(const float* v) {
  _tile_loadd(4, v, kStrideBytes);
  if (ROWS > 1) _tile_loadd(5, v + kTileFloats, kStrideBytes);
}
template <int OB>
static inline void LoadU(const float* u, int64_t block_floats) {
  _tile_loadd(6, u, kStrideBytes);
  if (OB > 1) _tile_loadd(7, u + block_floats, kStrideBytes);
}
template <int ROWS, int OB>
static inline void MultiplyTiles() {
  _tile_dpbf16ps(0, 4, 6);
  if (OB > 1) _tile_dpbf16ps(1, 4, 7);
  if (ROWS > 1) _tile_dpbf16ps(2, 5, 6);
  if (ROWS > 1 && OB > 1) _tile_dpbf16ps(3, 5, 7);
}

struct TileProducts {
  static constexpr int64_t kPlanes = 2;
  static constexpr int kBlocks = 2;
  static constexpr int64_t kSliceBlocks = INT64_MAX;  // all: V comes more slowly than it multiplies

  static int64_t Steps(int64_t in_channels) {
    return (in_channels + 2 * kBlock - 1) / (2 * kBlock);
  }
  static int64_t Rows(int64_t patches) { return (patches + kTileRows - 1) / kTileRows * kTileRows; }
  static int64_t InputFloats(int64_t patches, int64_t in_channels) {
    return Steps(in_channels) * kParts * Rows(patches) * kBlock;
  }
  static int64_t WeightFloats(int64_t in_channels) {
    return Steps(in_channels) * kParts * kTileFloats;
  }

  static inline float* Input(float* v, int64_t patches, int64_t, int64_t patch, int64_t plane) {
    return v + (plane / kPlanes * kParts * Rows(patches) + patch) * kBlock;
  }
  static inline void Store(float* to, int64_t patches, const Register (&values)[kPlanes]) {
    StoreParts(to, Rows(patches) * kBlock, values[0], values[1]);
  }

  // 16 * ROWS patches; `block` floats from one block's weights to the next; `add`: to what M holds.
  template <int ROWS, int OB>
  static void MultiplyRows(int64_t steps, const float* v, int64_t low, const float* u,
                           int64_t block, bool add, float* m) {
    constexpr int64_t kRowBytes = OB * kBlock * 4;
    _tile_zero(0);
    if (OB > 1) _tile_zero(1);
    if (ROWS > 1) _tile_zero(2);
    if (ROWS > 1 && OB > 1) _tile_zero(3);
    if (add) {
      _tile_loadd(0, m, kRowBytes);
      if (OB > 1) _tile_loadd(1, m + kBlock, kRowBytes);
      if (ROWS > 1) _tile_loadd(2, m + kTileRows * OB * kBlock, kRowBytes);
      if (ROWS > 1 && OB > 1) _tile_loadd(3, m + kTileRows * OB * kBlock + kBlock, kRowBytes);
    }
    for (int64_t k = 0; k < steps; ++k, v += kParts * low, u += kParts * kTileFloats) {
      LoadV<ROWS>(v + low);
      LoadU<OB>(u, block);
      MultiplyTiles<ROWS, OB>();
      LoadV<ROWS>(v);
      MultiplyTiles<ROWS, OB>();
      LoadU<OB>(u + kTileFloats, block);
      MultiplyTiles<ROWS, OB>();
    }
    _tile_stored(0, m, kRowBytes);
    if (OB > 1) _tile_stored(1, m + kBlock, kRowBytes);
    if (ROWS > 1) _tile_stored(2, m + kTileRows * OB * kBlock, kRowBytes);
    if (ROWS > 1 && OB > 1) _tile_stored(3, m + kTileRows * OB * kBlock + kBlock, kRowBytes);
  }

  template <int OB>
  static void Multiply(const WinogradArgs& a, int64_t patches, int64_t in_slice, const float* v,
                       const float* u, float* m) {
    const int64_t steps = Steps(a.in_channels), rows = Rows(patches), low = rows * kBlock;
    const int64_t floats = WeightFloats(a.in_channels), block = floats * a.in_slices;
    const bool add = in_slice > 0;
    u += floats * in_slice;
    OrderMemory();
    int64_t t = 0;
    for (; t + 2 * kTileRows <= rows; t += 2 * kTileRows)
      MultiplyRows<2, OB>(steps, v + t * kBlock, low, u, block, add, m + t * OB * kBlock);
    if (t < rows)
      MultiplyRows<1, OB>(steps, v + t * kBlock, low, u, block, add, m + t * OB * kBlock);
    OrderMemory();
  }
};

static void Transform(const WinogradArgs& a, const WinogradSpan& span, int64_t begin, int64_t end,
                      float* v) {
  const int64_t patches = span.patch_end - span.patch_begin;
  const int64_t floats = WinogradInputFloats<TileProducts>(a.patch, patches, a.in_channels);
  for (int64_t i = 0; i < a.in_slices; ++i, v += floats)
    WinogradInput<F4x4, TileProducts>(a, span, i, begin, end, v);
}

static void Multiply(const WinogradArgs& a, const WinogradSpan& span, const float* v, float* m) {
  TileConfig config;
  for (int i = 0; i < 8; ++i) config.row_bytes[i] = kStrideBytes, config.rows[i] = kTileRows;
  OrderMemory();
  _tile_loadconfig(&config);
  WinogradMultiply<F4x4, TileProducts>(a, span, v, m);
  // Threads that hold no tiles are cheaper to switch and may sleep deeply.
  _tile_release();
}

static void Pack(const float* weights, int64_t in_channels, float* packed) {
  const auto row = [&](int64_t channel) {
    return channel < in_channels ? LoadRegister(weights + channel * kBlock) : SetRegister(0.0f);
  };
  for (int64_t first = 0; first < in_channels; first += 2 * kBlock, packed += kParts * kTileFloats)
    for (int64_t c = 0; c < kBlock; ++c)
      StoreParts(packed + c * kBlock, kTileFloats, row(first + c), row(first + kBlock + c));
}

}  // namespace

constinit const WinogradKernels kAmxWinograd = {
    .transform = Transform,
    .multiply = Multiply,
    .v_floats = WinogradInputFloats<TileProducts>,
    .m_floats = WinogradProductFloats<TileProducts>,
    .weight_floats = TileProducts::WeightFloats,
    .pack = Pack,
    .slice_blocks = TileProducts::kSliceBlocks,
    .fast_patch = kWinogradPatch,
    .matrix_unit = true,
};

}  // namespace pyengine
