// A whole network that the file keeps as ONNX, for executors that run that: all that is known of it
// here is its geometry, which the build step has probed.
#include "core/checked_math.h"
#include "graph/ops/op_type.h"

namespace pyengine {
namespace {

constexpr int64_t kMaxCellPx = 4096;

void ReadOnnx(const Json& json, Node& node) {
  node.cell_px = json.At("cell_px").Int(1, kMaxCellPx);
  node.whole_image = json.At("whole_image").Bool();
  if (json.Has("vector")) node.vector = json.At("vector").Bool();
}

TensorInfo InferOnnx(const Json& json, const Node& node, const std::vector<TensorInfo>& in) {
  if (node.volume) json.Fail("is of networks over images alone");
  if (in[0].vector) json.Fail("needs planes, got a vector");
  if (node.out_channels == 0) json.Fail("field 'out_channels' is missing");
  return {.name = {}, .channels = node.out_channels, .vector = node.vector};
}

// The cells that the outputs lie in, and the context of these.
Range CellInput(const Node& node, Axis axis, Range out) {
  if (axis == Axis::kZ) return out;
  const int64_t begin = FloorDiv(out.begin, node.cell_px) * node.cell_px;
  return {.begin = begin - node.amounts.before[axis],
          .end = RoundUp(out.end, node.cell_px) + node.amounts.after[axis]};
}

const char* SeesAll(const Node& node) {
  return node.whole_image ? "is run by onnxruntime, and how far its pixels see is not known" : "";
}

}  // namespace

const OpType kOnnxType = {
    .word = "onnx",
    .inputs = 1,
    .fields = kHasAmounts,
    .read = ReadOnnx,
    .infer = InferOnnx,
    .weight_shape = NoWeight,
    .needed_input = CellInput,
    .output_size = SameSize,
    .step = SameStep,
    .check_extent = AnyExtent,
    .whole_image_reason = SeesAll,
    .flops = NoFlops,
};

}  // namespace pyengine
