// What kernels of all instruction sets share: elementary functions, activations and helpers. A
// translation unit with its own compiler flags defines V16 (a vector of 16 floats) and Register
// (one of the machine's, kRegisters per V16) with the functions named here, and includes this file
// inside an anonymous namespace. Nothing here calls the standard library: an inline function of its
// headers, compiled with these flags, could be the copy that the linker keeps for everybody.
//
// Needed: LoadRegister, StoreRegister, BroadcastRegister, SetRegister, AddRegister, SubRegister,
// MulRegister, MaxRegister, FmaRegister, AccumulateRegister; Load, Store, Set1, Add, Sub, Mul, Div,
// Fma, Max, Min, SelectPositive, Abs, CopySign, Round, ScaleByPowerOfTwo.

// ---- elementary functions --------------------------------------------------------------------

// exp(x) to about 1 ulp: x = n ln 2 + r with |r| <= ln 2 / 2, polynomial in r (Cephes expf).
static inline V16 Exp(V16 x) {
  x = Min(Max(x, Set1(-87.33654f)), Set1(88.37626f));
  const V16 n = Round(Mul(x, Set1(1.44269504088896341f)));
  V16 r = Fma(n, Set1(-0.693359375f), x);
  r = Fma(n, Set1(2.12194440e-4f), r);
  V16 p = Set1(1.9875691500e-4f);
  p = Fma(p, r, Set1(1.3981999507e-3f));
  p = Fma(p, r, Set1(8.3334519073e-3f));
  p = Fma(p, r, Set1(4.1665795894e-2f));
  p = Fma(p, r, Set1(1.6666665459e-1f));
  p = Fma(p, r, Set1(5.0000001201e-1f));
  p = Fma(p, Mul(r, r), r);
  return ScaleByPowerOfTwo(Add(p, Set1(1.0f)), n);
}

static inline V16 Sigmoid(V16 x) {
  return Div(Set1(1.0f), Add(Set1(1.0f), Exp(Sub(Set1(0.0f), x))));
}

// 1 - 2 / (exp(2|x|) + 1), with the sign of x; absolute error below 2e-7.
static inline V16 Tanh(V16 x) {
  const V16 e = Exp(Mul(Set1(2.0f), Abs(x)));
  return CopySign(Sub(Set1(1.0f), Div(Set1(2.0f), Add(e, Set1(1.0f)))), x);
}

// Abramowitz and Stegun 7.1.26, absolute error below 2e-7 (with single-precision rounding 4e-7).
static inline V16 Erf(V16 x) {
  const V16 a = Abs(x);
  const V16 t = Div(Set1(1.0f), Fma(Set1(0.3275911f), a, Set1(1.0f)));
  V16 p = Set1(1.061405429f);
  p = Fma(p, t, Set1(-1.453152027f));
  p = Fma(p, t, Set1(1.421413741f));
  p = Fma(p, t, Set1(-0.284496736f));
  p = Fma(p, t, Set1(0.254829592f));
  const V16 e = Exp(Sub(Set1(0.0f), Mul(a, a)));
  return CopySign(Sub(Set1(1.0f), Mul(Mul(p, t), e)), x);
}

static inline V16 Clamp(V16 x, float low, float high) {
  return Min(Max(x, Set1(low)), Set1(high));
}

// `slopes` points at the 16 slopes of this block (PReLU), else anything.
static inline V16 Activate(const ActivationArgs& a, V16 x, const float* slopes) {
  switch (a.kind) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return Max(x, Set1(0.0f));
    case Activation::kLeakyRelu:
      return SelectPositive(x, x, Mul(x, Set1(a.alpha)));
    case Activation::kPRelu:
      return SelectPositive(x, x, Mul(x, Load(slopes)));
    case Activation::kElu:
      return SelectPositive(x, x, Mul(Set1(a.alpha), Sub(Exp(x), Set1(1.0f))));
    case Activation::kSilu:
      return Mul(x, Sigmoid(x));
    case Activation::kGelu:
      return Mul(Mul(Set1(0.5f), x), Add(Set1(1.0f), Erf(Mul(x, Set1(0.70710678f)))));
    case Activation::kGeluTanh: {
      const V16 cubic = Mul(Mul(Mul(Set1(0.044715f), x), x), x);
      return Mul(Mul(Set1(0.5f), x), Add(Set1(1.0f), Tanh(Mul(Set1(0.79788456f), Add(x, cubic)))));
    }
    case Activation::kSigmoid:
      return Sigmoid(x);
    case Activation::kTanh:
      return Tanh(x);
    case Activation::kHardSwish:
      return Mul(x, Mul(Clamp(Add(x, Set1(3.0f)), 0.0f, 6.0f), Set1(1.0f / 6.0f)));
    case Activation::kHardSigmoid:
      return Clamp(Fma(x, Set1(a.alpha), Set1(a.beta)), 0.0f, 1.0f);
    case Activation::kClip:
      return Clamp(x, a.alpha, a.beta);
    case Activation::kErf:
      return Erf(x);
  }
  return x;
}

static inline const float* Slopes(const ActivationArgs& a, int64_t block) {
  return a.slopes ? a.slopes + block * kBlock : nullptr;
}

// Activations that are a maximum with a constant need no second pass over what was written.
static inline bool IsFloor(Activation kind) {
  return kind == Activation::kNone || kind == Activation::kRelu;
}
static inline Register Floor(Activation kind) {
  return SetRegister(kind == Activation::kRelu ? 0.0f : -__builtin_inff());
}

// Stores of a kernel mostly meet lines that no cache of this core holds: asked for one register
// tile ahead, they are there when it is finished.
static inline void PrefetchForStore(const float* p) {
  __builtin_prefetch(p, 1);
}

static inline int64_t Smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

template <int N>
struct Constant {
  static constexpr int value = N;
};
