#include "cpu/program.h"

#include <algorithm>

#include "core/checked_math.h"
#include "cpu/conv_table.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// What the operations below know of a tensor while the graph is walked.
struct Value {
  std::vector<BlockRef> refs;
  int64_t lanes = kBlock;
  bool whole = true;           // false once cropped or padded: its storage has another extent
  std::vector<int> producers;  // operations whose output it is, while an activation may still fuse
};

class Lowering {
 public:
  Lowering(const Graph& graph, bool finite, bool fast, const KernelTable& kernels,
           PackedWeights& weights)
      : graph_(graph),
        fast_(fast),
        kernels_(kernels),
        weights_(weights),
        values_(graph.tensors.size()) {
    program_.finite = finite;
  }

  Program Run() {
    FindLive();
    const int input = AddStorage(0, 1);
    program_.storages[input].external = true;
    values_[0] = Whole(input);
    for (size_t i = 0; i < graph_.nodes.size(); ++i)
      if (live_[i]) LowerNode(static_cast<int>(i));
    const Value& last = values_[graph_.output];
    const int output = AddStorage(graph_.output, 1);
    program_.storages[output].external = true;
    if (Op* writer = LastConv(last)) {
      writer->out = Whole(output).refs;
      writer->out_lanes = 1;
      writer->planar_kernel =
          HasPlanarKernel(graph_.nodes[writer->node], writer->in_lanes, kernels_);
    } else {
      EmitCopy(last, graph_.output, graph_.output, Whole(output), 0);
    }
    return std::move(program_);
  }

 private:
  const TensorInfo& Tensor(int t) const { return graph_.tensors[t]; }

  void FindLive() {
    live_.assign(graph_.nodes.size(), false);
    consumers_.assign(graph_.tensors.size(), 0);
    std::vector<bool> needed(graph_.tensors.size(), false);
    needed[graph_.output] = true;
    consumers_[graph_.output] = 1;
    for (size_t i = graph_.nodes.size(); i-- > 0;) {
      const Node& node = graph_.nodes[i];
      if (!needed[node.output]) continue;
      live_[i] = true;
      for (int t : node.inputs) needed[t] = true, ++consumers_[t];
    }
  }

  // The convolution that computes the network's output and nothing else reads, if it is one and
  // one block holds its channels: it may as well write the caller's planes.
  Op* LastConv(const Value& last) {
    if (last.refs.size() != 1 || last.refs[0].dy != 0 || last.refs[0].dx != 0) return nullptr;
    Op* writer = nullptr;
    for (Op& op : program_.ops) {
      const auto uses = [&](const std::vector<BlockRef>& refs) {
        for (const BlockRef& ref : refs)
          if (ref.storage == last.refs[0].storage) return true;
        return false;
      };
      if (uses(op.in[0]) || uses(op.in[1]) || (writer && uses(op.out))) return nullptr;
      if (uses(op.out)) writer = &op;
    }
    const bool fits = writer && writer->step == Step::kConv && !writer->transposed &&
                      writer->out_tensor == graph_.output;
    return fits ? writer : nullptr;
  }

  int AddStorage(int tensor, int64_t lanes) {
    Storage storage;
    storage.tensor = tensor;
    storage.channels = Tensor(tensor).channels;
    storage.lanes = lanes;
    program_.storages.push_back(storage);
    return static_cast<int>(program_.storages.size()) - 1;
  }

  Value Whole(int storage) const {
    Value value;
    value.lanes = program_.storages[storage].lanes;
    for (int64_t b = 0; b < program_.storages[storage].blocks(); ++b)
      value.refs.push_back({storage, b, 0, 0});
    return value;
  }

  void EmitCopy(const Value& from, int in_tensor, int out_tensor, const Value& to,
                int64_t channel_offset) {
    Op op;
    op.step = Step::kCopy;
    op.in_tensor[0] = in_tensor;
    op.out_tensor = out_tensor;
    op.in[0] = from.refs;
    op.out = to.refs;
    op.in_lanes = from.lanes;
    op.out_lanes = to.lanes;
    op.channels = Tensor(in_tensor).channels;
    op.channel_offset = channel_offset;
    program_.ops.push_back(std::move(op));
  }

  // The value in blocks of 16, as every kernel but the convolution wants it.
  Value Blocked(int tensor) {
    Value& value = values_[tensor];
    if (value.lanes == kBlock) return value;
    const int storage = AddStorage(tensor, kBlock);
    const Value blocked = Whole(storage);
    EmitCopy(value, tensor, tensor, blocked, 0);
    value = blocked;
    return value;
  }

  // `value` with indices shifted by the padding; on a finite image with the made-up pixels too.
  Value Padded(int tensor, Value value, const Amounts& amounts, BorderMode mode, float fill) {
    if (!amounts.Any()) return value;
    if (program_.finite) {
      bool free = value.whole;
      for (const BlockRef& ref : value.refs) {
        const Storage& s = program_.storages[ref.storage];
        free = free && !s.external &&
               (!s.has_border || (s.border_mode == mode && s.border_value == fill));
      }
      if (!free) {
        const int storage = AddStorage(tensor, value.lanes);
        const Value copy = Whole(storage);
        EmitCopy(value, tensor, tensor, copy, 0);
        value = copy;
      }
      for (const BlockRef& ref : value.refs) {
        Storage& s = program_.storages[ref.storage];
        s.has_border = true;
        s.border_mode = mode;
        s.border_value = fill;
        s.border.top = std::max(s.border.top, amounts.top);
        s.border.left = std::max(s.border.left, amounts.left);
        s.border.bottom = std::max(s.border.bottom, amounts.bottom);
        s.border.right = std::max(s.border.right, amounts.right);
      }
    }
    return Shifted(value, -amounts.top, -amounts.left);
  }

  static Value Shifted(Value value, int64_t dy, int64_t dx) {
    for (BlockRef& ref : value.refs) ref.dy += dy, ref.dx += dx;
    value.whole = false;
    value.producers.clear();
    return value;
  }

  // A new storage for the node's output, and the operation that fills it.
  Op NewOp(Step step, int index) {
    const Node& node = graph_.nodes[index];
    Op op;
    op.step = step;
    op.node = index;
    op.in_tensor[0] = node.inputs[0];
    op.out_tensor = node.output;
    op.in_channels = Tensor(node.inputs[0]).channels;
    op.channels = Tensor(node.output).channels;
    for (int axis = 0; axis < 2; ++axis) {
      op.kernel[axis] = node.kernel[axis];
      op.stride[axis] = node.stride[axis];
      op.dilation[axis] = node.dilation[axis];
    }
    return op;
  }

  void Emit(Op op, bool may_fuse) {
    const int tensor = op.out_tensor;
    if (values_[tensor].refs.empty()) values_[tensor] = Whole(AddStorage(tensor, kBlock));
    op.out = values_[tensor].refs;
    if (may_fuse) values_[tensor].producers.push_back(static_cast<int>(program_.ops.size()));
    program_.ops.push_back(std::move(op));
  }

  void LowerConv(int index) {
    const Node& node = graph_.nodes[index];
    const int in = node.inputs[0];
    const bool depthwise = PackedWeights::IsDepthwise(node);
    // Images have few channels: read them planar instead of padding them to 16.
    const bool planar = !depthwise && values_[in].lanes == 1 && Tensor(in).channels <= 4;
    const Value value = planar ? values_[in] : Blocked(in);
    const int64_t tile = planar ? 0 : WinogradTile(node, kernels_, fast_);
    Op op = NewOp(depthwise ? Step::kDepthwise : tile ? Step::kWinograd : Step::kConv, index);
    op.winograd_tile = tile;
    op.winograd = tile ? kernels_.winograd : nullptr;
    op.in[0] = Padded(in, value, node.amounts, node.border, node.border_value).refs;
    op.in_lanes = value.lanes;
    op.packed = tile ? weights_.Winograd(index, tile, *kernels_.winograd)
                     : weights_.Conv(index, value.lanes);
    Emit(std::move(op), true);
  }

  // Output i = j * s + r meets input j through taps k = r, r + s, ...: one small convolution per
  // phase r and axis, on the same input.
  void LowerConvTranspose(int index) {
    const Node& node = graph_.nodes[index];
    const int in = node.inputs[0];
    const int64_t before[2] = {node.amounts.top, node.amounts.left};
    const int64_t after[2] = {node.amounts.bottom, node.amounts.right};
    int64_t pad_before[2], pad_after[2];
    for (int axis = 0; axis < 2; ++axis) {
      // Taps that reach past the input's ends see zeros on a finite image.
      const int64_t k = node.kernel[axis], s = node.stride[axis];
      pad_before[axis] = std::max<int64_t>(0, -CeilDiv(before[axis] - (k - 1), s));
      pad_after[axis] =
          std::max<int64_t>(0, FloorDiv(k - 1 + node.output_padding[axis] - after[axis], s));
    }
    const Amounts pads{pad_before[0], pad_before[1], pad_after[0], pad_after[1]};
    const Value value = Shifted(Padded(in, Blocked(in), pads, BorderMode::kZero, 0), pads.top,
                                pads.left);  // back to the input's own indices
    const bool together = node.groups == 1 && !node.amounts.Any() && node.output_padding[0] == 0 &&
                          node.output_padding[1] == 0 && node.kernel[0] % node.stride[0] == 0 &&
                          node.kernel[1] % node.stride[1] == 0;
    if (together) return EmitPhases(index, value);
    int64_t r[2];
    for (r[0] = 0; r[0] < node.stride[0]; ++r[0])
      for (r[1] = 0; r[1] < node.stride[1]; ++r[1]) {
        Op op = NewOp(Step::kConv, index);
        op.transposed = true;
        for (int axis = 0; axis < 2; ++axis) {
          const int64_t s = node.stride[axis];
          op.kernel[axis] =
              r[axis] < node.kernel[axis] ? CeilDiv(node.kernel[axis] - r[axis], s) : 0;
          // r is the phase of i + before; the output's own phase is r - before.
          op.phase[axis] = FloorMod(r[axis] - before[axis], s);
          op.first_tap[axis] =
              (op.phase[axis] + before[axis] - r[axis]) / s - (op.kernel[axis] - 1);
          op.dilation[axis] = 1;
        }
        op.in[0] = value.refs;
        op.packed = weights_.TransposedPhase(index, r, op.kernel);
        Emit(std::move(op), true);
      }
  }

  // All phases at once: kernels that are multiples of the stride, nothing cut off.
  void EmitPhases(int index, const Value& value) {
    const Node& node = graph_.nodes[index];
    Op op = NewOp(Step::kConv, index);
    op.transposed = true;
    op.phases = node.stride[0] * node.stride[1];
    for (int axis = 0; axis < 2; ++axis) {
      op.kernel[axis] = node.kernel[axis] / node.stride[axis];
      op.first_tap[axis] = 1 - op.kernel[axis];
      op.dilation[axis] = 1;
    }
    op.in[0] = value.refs;
    op.packed = weights_.TransposedPhases(index, op.kernel);
    Emit(std::move(op), true);
    // Neighbours along x follow each other: they share input pixels and cache lines of the output.
    std::vector<BlockRef> out;
    for (const BlockRef& ref : program_.ops.back().out) {
      std::copy_n(node.stride, 2, program_.storages[ref.storage].group);
      for (int64_t y = 0; y < node.stride[0]; ++y)
        for (int64_t x = 0; x < node.stride[1]; ++x)
          out.push_back({ref.storage, ref.block, ref.dy + y, ref.dx + x});
    }
    program_.ops.back().out = std::move(out);
  }

  void LowerActivation(int index) {
    const Node& node = graph_.nodes[index];
    const int in = node.inputs[0];
    const float* slopes =
        node.activation == ActivationKind::kPRelu ? weights_.Slopes(index) : nullptr;
    const auto set = [&](Op& op) {
      op.activation = node.activation;
      op.alpha = node.alpha;
      op.beta = node.beta;
      op.slopes = slopes;
    };
    Value& value = values_[in];
    // Slopes are counted by block of channels, phases by block of the operation.
    const bool phases =
        !value.producers.empty() && slopes && program_.ops[value.producers.front()].phases > 1;
    if (!value.producers.empty() && consumers_[in] == 1 && !phases) {
      for (int producer : value.producers) {
        Op& op = program_.ops[producer];
        set(op);
        // The fused tensor lives in the producer's storage, under its own name.
        op.out_tensor = node.output;
        for (const BlockRef& ref : op.out) program_.storages[ref.storage].tensor = node.output;
      }
      values_[node.output] = value;
      values_[node.output].producers.clear();
      return;
    }
    Op op = NewOp(Step::kAffine, index);
    op.in[0] = Blocked(in).refs;
    set(op);
    Emit(std::move(op), false);
  }

  void LowerConcat(int index) {
    const Node& node = graph_.nodes[index];
    bool aligned = true;
    for (size_t i = 0; i + 1 < node.inputs.size(); ++i)
      aligned = aligned && Tensor(node.inputs[i]).channels % kBlock == 0;
    if (aligned) {
      Value joined;
      for (int t : node.inputs) {
        const Value part = Blocked(t);
        joined.refs.insert(joined.refs.end(), part.refs.begin(), part.refs.end());
        joined.whole = joined.whole && part.whole;
      }
      values_[node.output] = joined;
      return;
    }
    const Value out = Whole(AddStorage(node.output, kBlock));
    int64_t offset = 0;
    for (int t : node.inputs) {
      EmitCopy(values_[t], t, node.output, out, offset);
      offset += Tensor(t).channels;
    }
    values_[node.output] = out;
  }

  void LowerNode(int index) {
    const Node& node = graph_.nodes[index];
    const int in = node.inputs[0];
    switch (node.op) {
      case OpKind::kConv:
      case OpKind::kLinear:
        return LowerConv(index);
      case OpKind::kConvTranspose:
        return LowerConvTranspose(index);
      case OpKind::kActivation:
        return LowerActivation(index);
      case OpKind::kConcat:
        return LowerConcat(index);
      case OpKind::kCrop:
        values_[node.output] = Shifted(Blocked(in), node.amounts.top, node.amounts.left);
        return;
      case OpKind::kPad:
        values_[node.output] =
            Padded(in, Blocked(in), node.amounts, node.border, node.border_value);
        return;
      case OpKind::kFlatten:
        if (node.out_channels == Tensor(in).channels) {
          values_[node.output] = Blocked(in);
          values_[node.output].producers.clear();
          return;
        }
        break;
      default:
        break;
    }
    Op op = NewOp(StepOf(node.op), index);
    op.in[0] = Blocked(in).refs;
    if (node.op == OpKind::kAffine) op.affine = weights_.Affine(index);
    if (node.op == OpKind::kAdd || node.op == OpKind::kMul) {
      op.in_tensor[1] = node.inputs[1];
      op.in[1] = Blocked(node.inputs[1]).refs;
    }
    const bool may_fuse = op.step == Step::kAffine || op.step == Step::kBinary;
    Emit(std::move(op), may_fuse);
  }

  static Step StepOf(OpKind kind) {
    switch (kind) {
      case OpKind::kAffine:
        return Step::kAffine;
      case OpKind::kMaxPool:
      case OpKind::kAvgPool:
        return Step::kPool;
      case OpKind::kGlobalAvgPool:
        return Step::kGlobalAvgPool;
      case OpKind::kUpsampleNearest:
      case OpKind::kUpsampleBilinear:
        return Step::kUpsample;
      case OpKind::kAdd:
      case OpKind::kMul:
        return Step::kBinary;
      case OpKind::kFlatten:
        return Step::kFlatten;
      case OpKind::kSoftmax:
        return Step::kSoftmax;
      default:
        throw Error(ErrorCode::kInternal, "operator without a lowering");
    }
  }

  const Graph& graph_;
  const bool fast_;
  const KernelTable& kernels_;
  PackedWeights& weights_;
  Program program_;
  std::vector<Value> values_;
  std::vector<bool> live_;
  std::vector<int> consumers_;
};

}  // namespace

Program Lower(const Graph& graph, bool finite, bool fast, const KernelTable& kernels,
              PackedWeights& weights) {
  return Lowering(graph, finite, fast, kernels, weights).Run();
}

}  // namespace pyengine
