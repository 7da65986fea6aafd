// Activations, for graph and kernels alike. Plain data only: kernels include it.
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
  kErf,          // last: graph/ops/pointwise.cc counts by it
};

}  // namespace pyengine
