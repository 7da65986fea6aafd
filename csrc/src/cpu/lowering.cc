#include "cpu/lowering.h"

#include <algorithm>

#include "cpu/steps/copy.h"
#include "graph/ops/op_type.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// A hundred times what large networks need; takes 128 MB.
constexpr size_t kMaxPlanes = size_t(1) << 22;

}  // namespace

Lowering::Lowering(const Graph& graph, bool finite, bool fast, const KernelTable& kernels,
                   PackedWeights& weights)
    : graph_(graph),
      fast_(fast),
      kernels_(kernels),
      weights_(weights),
      values_(graph.tensors.size()) {
  program_.finite = finite;
  program_.volume = graph.volume;
}

Program Lowering::Run() {
  FindLive();
  const int input = AddStorage(0, 1);
  program_.storages[input].external = true;
  values_[0] = Whole(input);
  for (size_t i = 0; i < graph_.nodes.size(); ++i)
    if (live_[i]) {
      LowerNode(static_cast<int>(i));
      CountPlanes(values_[graph_.nodes[i].output].refs.size());
    }
  const Value& last = values_[graph_.output];
  const int output = AddStorage(graph_.output, 1);
  program_.storages[output].external = true;
  Op* writer = LastWriter(last);
  if (writer && writer->step->WritePlanes(*writer, kernels_)) {
    writer->out = Whole(output).refs;
    writer->out_lanes = 1;
  } else {
    EmitCopy(last, graph_.output, graph_.output, Whole(output), 0);
  }
  return std::move(program_);
}

void Lowering::CountPlanes(size_t planes) {
  planes_ += planes;
  if (planes_ > kMaxPlanes)
    throw Error(ErrorCode::kUnsupported, "the network's operations read and write more than " +
                                             std::to_string(kMaxPlanes) + " planes of 16 channels");
}

void Lowering::FindLive() {
  live_.assign(graph_.nodes.size(), false);
  consumers_.assign(graph_.tensors.size(), 0);
  std::vector<bool> needed(graph_.tensors.size(), false);
  needed[graph_.output] = true;
  consumers_[graph_.output] = 1;
  for (size_t i = graph_.nodes.size(); i-- > 0;) {
    const Node& node = graph_.nodes[i];
    if (!needed[node.output]) continue;
    live_[i] = true;
    for (int t : node.inputs)
      if (t != LikeOf(node)) needed[t] = true, ++consumers_[t];
  }
}

void Lowering::LowerNode(int index) {
  switch (graph_.nodes[index].op) {
#define PYENGINE_OP(name) \
  case OpKind::k##name:   \
    return Lower##name(*this, index);
#include "graph/ops/op_list.inc"
#undef PYENGINE_OP
  }
}

// The one operation that computes the network's output and nothing else reads, if one block holds
// its channels: it may as well write the caller's planes.
Op* Lowering::LastWriter(const Value& last) {
  if (last.refs.size() != 1 || !(last.refs[0].shift == Axes{})) return nullptr;
  Op* writer = nullptr;
  for (Op& op : program_.ops) {
    const auto uses = [&](const std::vector<BlockRef>& refs) {
      return std::any_of(refs.begin(), refs.end(),
                         [&](const BlockRef& ref) { return ref.storage == last.refs[0].storage; });
    };
    if (uses(op.in[0]) || uses(op.in[1]) || uses(op.in[2]) || (writer && uses(op.out)))
      return nullptr;
    if (uses(op.out)) writer = &op;
  }
  return writer && writer->out_tensor == graph_.output ? writer : nullptr;
}

int Lowering::AddStorage(int tensor, int64_t lanes) {
  Storage storage;
  storage.tensor = tensor;
  storage.channels = graph_.tensors[tensor].channels;
  storage.lanes = lanes;
  program_.storages.push_back(storage);
  return static_cast<int>(program_.storages.size()) - 1;
}

int Lowering::AddTable(int tensor, int64_t pixels, int64_t rows, int64_t blocks) {
  const int index = AddStorage(tensor, kBlock);
  Storage& table = program_.storages[index];
  table.table_pixels = pixels;
  table.table_rows = rows;
  if (blocks) table.channels = blocks * kBlock;
  return index;
}

Value Lowering::Whole(int storage) const {
  Value value;
  value.lanes = program_.storages[storage].lanes;
  for (int64_t b = 0; b < program_.storages[storage].blocks(); ++b)
    value.refs.push_back({.storage = storage, .block = b, .shift = {}});
  return value;
}

Value Lowering::Blocked(int tensor) {
  Value& value = values_[tensor];
  if (value.lanes == kBlock) return value;
  const Value blocked = Whole(AddStorage(tensor, kBlock));
  EmitCopy(value, tensor, tensor, blocked, 0);
  value = blocked;
  return value;
}

Value Lowering::Padded(int tensor, Value value, const Amounts& amounts, BorderMode mode,
                       float fill) {
  if (!amounts.Any()) return value;
  if (program_.finite) {
    bool free = value.whole;
    for (const BlockRef& ref : value.refs) {
      const Storage& s = program_.storages[ref.storage];
      free = free && !s.external &&
             (!s.has_border || (s.border_mode == mode && s.border_value == fill));
    }
    if (!free) {
      const Value copy = Whole(AddStorage(tensor, value.lanes));
      EmitCopy(value, tensor, tensor, copy, 0);
      value = copy;
    }
    for (const BlockRef& ref : value.refs) {
      Storage& s = program_.storages[ref.storage];
      s.has_border = true;
      s.border_mode = mode;
      s.border_value = fill;
      for (Axis axis : kAxes) {
        s.border.before[axis] = std::max(s.border.before[axis], amounts.before[axis]);
        s.border.after[axis] = std::max(s.border.after[axis], amounts.after[axis]);
      }
    }
  }
  const Axes& before = amounts.before;
  return Shifted(value, {.z = -before.z, .y = -before.y, .x = -before.x});
}

Value Lowering::Shifted(Value value, const Axes& by) {
  for (BlockRef& ref : value.refs)
    for (Axis axis : kAxes) ref.shift[axis] += by[axis];
  value.whole = false;
  value.producers.clear();
  return value;
}

Op Lowering::NewOp(int index, std::unique_ptr<Step> step) const {
  const Node& node = graph_.nodes[index];
  Op op;
  op.node = index;
  op.in_tensor[0] = node.inputs[0];
  op.out_tensor = node.output;
  op.in_channels = graph_.tensors[node.inputs[0]].channels;
  op.channels = graph_.tensors[node.output].channels;
  op.step = std::move(step);
  return op;
}

Op& Lowering::Emit(Op op) {
  Value& value = values_[op.out_tensor];
  if (value.refs.empty()) value = Whole(AddStorage(op.out_tensor, kBlock));
  op.out = value.refs;
  value.producers.push_back(static_cast<int>(program_.ops.size()));
  Append(std::move(op));
  return program_.ops.back();
}

void Lowering::EmitBlocked(int index, std::unique_ptr<Step> step) {
  Op op = NewOp(index, std::move(step));
  op.in[0] = Blocked(graph_.nodes[index].inputs[0]).refs;
  Emit(std::move(op));
}

void Lowering::Append(Op op) {
  const size_t inputs = op.in[0].size() + op.in[1].size() + op.in[2].size();
  CountPlanes(inputs * static_cast<size_t>(op.step->slice_taps()) + op.out.size());
  program_.ops.push_back(std::move(op));
}

void Lowering::EmitCopy(const Value& from, int in_tensor, int out_tensor, const Value& to,
                        int64_t channel_offset) {
  Op op;
  op.in_tensor[0] = in_tensor;
  op.out_tensor = out_tensor;
  op.in[0] = from.refs;
  op.out = to.refs;
  op.in_lanes = from.lanes;
  op.out_lanes = to.lanes;
  op.channels = graph_.tensors[in_tensor].channels;
  op.step = MakeCopy(channel_offset);
  Append(std::move(op));
}

bool Lowering::Fuse(int index, const ActivationArgs& activation) {
  const Node& node = graph_.nodes[index];
  Value& value = values_[node.inputs[0]];
  const bool fits = !value.producers.empty() && consumers_[node.inputs[0]] == 1 &&
                    std::all_of(value.producers.begin(), value.producers.end(), [&](int producer) {
                      return program_.ops[producer].step->CanFuse(activation);
                    });
  if (!fits) return false;
  for (int producer : value.producers) {
    Op& op = program_.ops[producer];
    op.step->Fuse(activation);
    // The fused tensor lives in the producer's storage, under its own name.
    op.out_tensor = node.output;
    for (const BlockRef& ref : op.out) program_.storages[ref.storage].tensor = node.output;
  }
  values_[node.output] = value;
  values_[node.output].producers.clear();
  return true;
}

void RequireSliceBySlice(const Node& node) {
  if (node.kernel.z == 1 && node.stride.z == 1 && node.amounts.before.z == 0 &&
      node.amounts.after.z == 0)
    return;
  throw Error(ErrorCode::kUnsupported, "'" + node.name + "' (" + OpName(node.op) +
                                           ") over several slices is not one that the CPU "
                                           "executor runs");
}

Program Lower(const Graph& graph, bool finite, bool fast, const KernelTable& kernels,
              PackedWeights& weights) {
  return Lowering(graph, finite, fast, kernels, weights).Run();
}

}  // namespace pyengine
