// AVX-512F/DQ: one register is a V16. Included inside an anonymous namespace, for
// simd/functions.inc.h.

using Register = __m512;
constexpr int kRegisters = 1;
static inline Register LoadRegister(const float* p) {
  return _mm512_loadu_ps(p);
}
static inline void StoreRegister(float* p, Register v) {
  _mm512_storeu_ps(p, v);
}
static inline Register BroadcastRegister(const float* p) {
  return _mm512_set1_ps(*p);
}
static inline Register SetRegister(float x) {
  return _mm512_set1_ps(x);
}
static inline Register AddRegister(Register a, Register b) {
  return _mm512_add_ps(a, b);
}
static inline Register SubRegister(Register a, Register b) {
  return _mm512_sub_ps(a, b);
}
static inline Register MulRegister(Register a, Register b) {
  return _mm512_mul_ps(a, b);
}
// b where either is not a number.
static inline Register MaxRegister(Register a, Register b) {
  return _mm512_max_ps(a, b);
}
static inline Register FmaRegister(Register a, Register b, Register c) {
  return _mm512_fmadd_ps(a, b, c);
}

using V16 = __m512;

static inline V16 Load(const float* p) {
  return _mm512_loadu_ps(p);
}
static inline void Store(float* p, V16 v) {
  _mm512_storeu_ps(p, v);
}
static inline V16 Set1(float x) {
  return _mm512_set1_ps(x);
}
static inline V16 Add(V16 a, V16 b) {
  return _mm512_add_ps(a, b);
}
static inline V16 Sub(V16 a, V16 b) {
  return _mm512_sub_ps(a, b);
}
static inline V16 Mul(V16 a, V16 b) {
  return _mm512_mul_ps(a, b);
}
static inline V16 Div(V16 a, V16 b) {
  return _mm512_div_ps(a, b);
}
static inline V16 Fma(V16 a, V16 b, V16 c) {
  return _mm512_fmadd_ps(a, b, c);
}
static inline V16 Max(V16 a, V16 b) {
  return _mm512_max_ps(a, b);
}
static inline V16 Min(V16 a, V16 b) {
  return _mm512_min_ps(a, b);
}
// x > 0 ? a : b
static inline V16 SelectPositive(V16 x, V16 a, V16 b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), b, a);
}
static inline V16 Abs(V16 x) {
  return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x);
}
static inline V16 CopySign(V16 x, V16 from) {
  const __m512 sign = _mm512_set1_ps(-0.0f);
  return _mm512_or_ps(_mm512_andnot_ps(sign, x), _mm512_and_ps(sign, from));
}
static inline V16 Round(V16 x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// x * 2^n for integral n.
static inline V16 ScaleByPowerOfTwo(V16 x, V16 n) {
  return _mm512_scalef_ps(x, n);
}
