// What an operator of the network is, whoever computes it: its word in the engine file, what it
// accepts, and its index arithmetic. Each is a row in the file of its family in this folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/range.h"
#include "graph/graph.h"
#include "pyengine/error.h"

namespace pyengine {

// By how much an operator's step on the image differs from its input's: a stride of 2 is {2, 1},
// an enlargement by 2 is {1, 2}.
struct StepFactor {
  int64_t num = 1, den = 1;
};

// The fields of Node that several operators share, of those whose value would matter to what an
// operator without them does.
enum SharedFields : unsigned {
  kNoFields = 0,
  kHasKernel = 1,
  kHasStride = 2,
  kHasDilation = 4,
  kHasGroups = 8,
  kHasAmounts = 16,
  kHasBorder = 32,
  kHasOutputPadding = 64,
  kHasBias = 128,  // without a weight, too
};

struct OpType {
  const char* word;                   // in the engine file
  const char* volume_word = nullptr;  // of graphs over (z, y, x), where it is another
  int inputs;                         // tensors that it reads; 0: one or more, which are joined
  int optional = 0;                   // further ones that may follow
  // The input (counted from 0) of which the size alone counts, where it is given: the result's.
  int like = -1;

  // SharedFields that it has; the others are checked in files, and passed over.
  unsigned fields;
  // Reads what this operator alone has; graph.cc reads the fields that several share.
  void (*read)(const Json& json, Node& node);
  // Checks the attributes against the inputs; the result's channels, and whether it is a vector.
  // `json` is the node, for errors that name the field. Throws Error(kBadEngineFile).
  TensorInfo (*infer)(const Json& json, const Node& node, const std::vector<TensorInfo>& in);
  // The shape of the weight; empty: it has none.
  std::vector<int64_t> (*weight_shape)(const Node& node, int64_t channels);

  // Input indices that output indices `out` need on one axis, padding seen as a
  // shift. Not asked of operators that need the whole plane.
  Range (*needed_input)(const Node& node, Axis axis, Range out);
  // Size of the output for an input of size `in`; below 1 where the input is too small.
  int64_t (*output_size)(const Node& node, Axis axis, int64_t in);
  StepFactor (*step)(const Node& node, Axis axis);
  // Throws Error(kInvalidArgument) where its input's extent, of an image of extent `image`, does
  // not suit the operator.
  void (*check_extent)(const Node& node, const TensorInfo& in, const Extent& extent,
                       const Extent& image);
  // Empty, or why an output pixel depends on the whole image: "averages over the whole image".
  const char* (*whole_image_reason)(const Node& node);

  // Multiply-adds count twice; activations and pooling are not counted.
  double (*flops)(const Node& node, double output_pixels);
};

#define PYENGINE_OP(name) extern const OpType k##name##Type;
#include "graph/ops/op_list.inc"
#undef PYENGINE_OP

const OpType& TypeOf(OpKind kind);

// The operator that a file calls `word`.
// Throws Error(kUnsupported) naming it if there is none.
OpKind OpNamed(const std::string& word, bool volume);

// ---- what many operators share -----------------------------------------------------------------

// A word of a file and what it stands for.
template <class Kind>
struct Word {
  const char* word;
  Kind kind;
};
// The kind that `json` names; `what` says of what, for the error.
template <class Kind, size_t N>
Kind ReadWord(const Json& json, const char* what, const Word<Kind> (&words)[N]) {
  for (const Word<Kind>& one : words)
    if (json.String() == one.word) return one.kind;
  throw Error(ErrorCode::kUnsupported,
              std::string(what) + " '" + json.String() + "' is not one that the CPU executor runs");
}

// The tensor whose size the node's result takes; -1: none.
int LikeOf(const Node& node);
// Whether the operator gives one pixel for one pixel.
bool KeepsOnePixel(const Node& node);

// A number for every axis of the graph: [z, y, x] of volumes, else [y, x]. Those that are missing
// stay as they are.
void ReadAxes(const Json& json, bool volume, int64_t min, int64_t max, Axes& out);

// A size of the result.
void ReadSize(const Json& json, Node& node);
int64_t GivenSize(const Node& node, Axis axis, int64_t in);
StepFactor NoStep(const Node& node, Axis axis);
void NoFields(const Json& json, Node& node);
TensorInfo InferSame(const Json& json, const Node& node, const std::vector<TensorInfo>& in);
// Of operators that move or join pixels: a vector stays one where it stays a single pixel.
TensorInfo InferPixels(const Json& json, const Node& node, const std::vector<TensorInfo>& in);
std::vector<int64_t> NoWeight(const Node& node, int64_t channels);
std::vector<int64_t> WeightPerChannel(const Node& node, int64_t channels);
// A number per channel where the node names a weight.
std::vector<int64_t> OptionalWeight(const Node& node, int64_t channels);
Range SameInput(const Node& node, Axis axis, Range out);
int64_t SameSize(const Node& node, Axis axis, int64_t in);
StepFactor SameStep(const Node& node, Axis axis);
void AnyExtent(const Node& node, const TensorInfo& in, const Extent& extent, const Extent& image);
// Padding by reflection needs more pixels than the padding.
void RoomToReflect(const Node& node, const TensorInfo& in, const Extent& extent,
                   const Extent& image);
const char* NotWholeImage(const Node& node);
double NoFlops(const Node& node, double output_pixels);

const char* ReducesAll(const Node& node);

// Windows of `kernel` pixels, `stride` apart: convolution and pooling.
Range WindowInput(const Node& node, Axis axis, Range out);
int64_t WindowSize(const Node& node, Axis axis, int64_t in);
// The same, and one more where `ceil_mode` lets a last window begin within image or padding before.
int64_t PoolSize(const Node& node, Axis axis, int64_t in);
StepFactor Shrinks(const Node& node, Axis axis);
// A window without a single pixel of the image has no maximum and no mean.
void RequirePixelsInWindows(const Json& json, const Node& node);
void ReadCeilMode(const Json& json, Node& node);
// `stride` outputs for each input: enlargements.
int64_t EnlargedSize(const Node& node, Axis axis, int64_t in);
StepFactor Enlarges(const Node& node, Axis axis);

}  // namespace pyengine
