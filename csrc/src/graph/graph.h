// The network as an executor-neutral graph: what the engine file stores.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/axes.h"
#include "core/json.h"
#include "graph/activation_kind.h"
#include "graph/resize_taps.h"

namespace pyengine {

enum class OpKind {
#define PYENGINE_OP(name) k##name,
#include "graph/ops/op_list.inc"
#undef PYENGINE_OP
};

// Functions of the C library.
enum class FunctionKind {
  kSqrt,
  kReciprocal,
  kLog,
  kSign,
  kFloor,
  kCeil,
  kRound,  // halves to even
  kTrunc,
  kSin,
  kCos,
  kPow,  // last: graph/ops/arithmetic.cc counts by it; alpha: the exponent
};

// How many numbers become one.
enum class ReduceKind {
  kMean,
  kSum,
  kMax,
  kMin,
  kL1,
  kL2,
  kSumSquare,  // last: graph/ops/reduce.cc counts by it
};

enum class BorderMode { kZero, kReflect, kReplicate, kConstant };

constexpr int64_t kMaxChannels = 1 << 20;

// Pixels before and after a tensor's own.
struct Amounts {
  Axes before, after;
  bool Any() const { return !(before == Axes{} && after == Axes{}); }
};

struct Node {
  OpKind op = OpKind::kConv;
  std::string name;
  std::vector<int> inputs;
  int output = -1;
  bool volume = false;  // of a graph over (z, y, x)

  // Convolution: weight (O, I/groups, [kd,] kh, kw), bias (O) or empty; transposed (I, O/groups,
  // [kd,] kh, kw); linear (O, I). Affine: weight = scale, bias = shift. PReLU: weight = slopes.
  std::string weight, bias;
  int64_t in_channels = 0, out_channels = 0, groups = 1;
  Axes kernel = kOnes, stride = kOnes, dilation = kOnes, output_padding;
  Amounts amounts;  // conv and pool padding; pad and crop amounts
  BorderMode border = BorderMode::kZero;
  float border_value = 0;
  bool direct =
      false;  // convolution: not by Winograd, which rounds a whole patch by its largest value
  bool count_include_pad = true;
  bool ceil_mode = false;  // a last window may reach beyond the padding
  bool align_corners = false;
  // depth_to_space: input channel = pixel of the block * channels + channel.
  bool blocks_first = false;
  // onnx: the image is cut into cells of so many pixels, of which each gives a cell of the output.
  int64_t cell_px = 1;
  bool whole_image = false, vector = false;

  ActivationKind activation = ActivationKind::kNone;
  BinaryKind binary = BinaryKind::kAdd;
  FunctionKind function = FunctionKind::kSqrt;
  ReduceKind reduce = ReduceKind::kMean;
  float alpha = 0, beta = 0;
  bool constant_first = false;  // binary: the weight is the left operand
  bool over_channels = false;   // reduce: of each pixel, else over all pixels
  double epsilon = 1e-5;        // norms
  bool subtract_mean = true;    // layer norm

  ResizeRule resize;
  Axes scale_num, scale_den = kOnes;  // resize; 0: to `size`
  Axes size{.z = 1};                  // of the result
  std::vector<int64_t> channels;      // select: those that are taken
};

// A tensor is a stack of planes, or a vector (planes of one pixel, which no tile can change).
struct TensorInfo {
  std::string name;
  int64_t channels = 0;
  bool vector = false;
};

// Size of a tensor on a finite image.
struct Extent {
  Axes size = kOnes;
};

// "480 x 640", or "32 x 480 x 640" where there are several slices.
std::string SizeText(const Extent& extent);

struct Graph {
  std::vector<TensorInfo> tensors;  // 0 is the image
  std::vector<Node> nodes;          // in an order in which every input precedes its use
  int output = 0;
  bool volume = false;  // over (z, y, x); else images, of one slice

  int64_t channels() const { return tensors[0].channels; }
};

// The operator's word in the engine file.
const char* OpName(OpKind op);

// Reads and checks the graph of an engine file.
// Throws Error(kBadEngineFile) naming the field, Error(kUnsupported) naming an unknown operator.
Graph ParseGraph(const Json& json);

}  // namespace pyengine
