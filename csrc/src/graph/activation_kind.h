// What is done to each number by itself, for graph and kernels alike. Plain data only: kernels
// include it.
#pragma once

namespace pyengine {

enum class ActivationKind : int {
  kNone,
  kRelu,
  kLeakyRelu,  // alpha: slope below zero
  kPRelu,      // slopes per channel
  kElu,        // alpha
  kSilu,
  kGelu,      // exact, with erf
  kGeluTanh,  // tanh approximation
  kSigmoid,
  kTanh,
  kHardSwish,
  kHardSigmoid,  // clamp(alpha * x + beta, 0, 1)
  kClip,         // clamp(x, alpha, beta)
  kErf,
  kAbs,
  kExp,
  kSoftplus,  // log(1 + exp(alpha * x)) / alpha
  kMish,      // x * tanh(log(1 + exp(x)))
  kSoftsign,  // last: graph/ops/pointwise.cc counts by it
};

// Comparisons give 1 or 0.
enum class BinaryKind : int {
  kAdd,
  kMul,
  kSub,
  kDiv,
  kMax,
  kMin,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqual,  // last: graph/ops/arithmetic.cc counts by it
};

}  // namespace pyengine
