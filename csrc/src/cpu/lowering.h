// Walks the graph once and turns its nodes into operations.
//
// Each operator's part lies in cpu/steps; this class knows what they share: which planes hold a
// tensor, in which layout, and which operation may still take up an activation.
#pragma once

#include <memory>
#include <vector>

#include "cpu/program.h"

namespace pyengine {

// The planes that hold a tensor.
struct Value {
  std::vector<BlockRef> refs;
  int64_t lanes = kBlock;
  bool whole = true;           // false once cropped or padded: its storage has another extent
  std::vector<int> producers;  // operations whose output it is, while an activation may still fuse
};

class Lowering {
 public:
  Lowering(const Graph& graph, bool finite, bool fast, const KernelTable& kernels,
           PackedWeights& weights);

  Program Run();

  // ---- for the operators' lowerings

  const Node& node(int index) const { return graph_.nodes[index]; }
  const TensorInfo& tensor(int tensor) const { return graph_.tensors[tensor]; }
  const KernelTable& kernels() const { return kernels_; }
  PackedWeights& weights() { return weights_; }
  // The network on a whole image; else on the infinite plane.
  bool finite() const { return program_.finite; }
  // Algorithms that round more than float32 does by itself are allowed.
  bool fast() const { return fast_; }

  Value& value(int tensor) { return values_[tensor]; }
  Storage& storage(int index) { return program_.storages[index]; }

  // Memory for a tensor, and the value that fills it.
  int AddStorage(int tensor, int64_t lanes);
  // Memory for numbers beside a tensor: `pixels` per row, and `rows` (0: as many as the tensor
  // has), for each block of its channels; `blocks` 0: as many as the tensor has.
  int AddTable(int tensor, int64_t pixels, int64_t rows = 0, int64_t blocks = 0);
  Value Whole(int storage) const;
  // The value in blocks of 16, as every kernel but the convolution wants it.
  Value Blocked(int tensor);
  // `value` with indices shifted by the padding; on a finite image with the padding itself too.
  Value Padded(int tensor, Value value, const Amounts& amounts, BorderMode mode, float fill);
  static Value Shifted(Value value, const Axes& by);

  // An operation for the node's output from its first input; its planes are still to be set.
  Op NewOp(int index, std::unique_ptr<Step> step) const;
  // Appends the operation; its output planes are new ones, or those of the operations before it
  // that give the same tensor.
  Op& Emit(Op op);
  // The whole of most lowerings: an operation that reads the node's first input in blocks of 16.
  void EmitBlocked(int index, std::unique_ptr<Step> step);
  // Appends an operation whose planes are all set.
  void Append(Op op);
  // Copies a tensor into channels from `channel_offset` on of `to`.
  void EmitCopy(const Value& from, int in_tensor, int out_tensor, const Value& to,
                int64_t channel_offset);
  // Gives the activation of node `index` to the operations that compute its input, which then
  // compute its output; false if one cannot take it or their output has other readers.
  bool Fuse(int index, const ActivationArgs& activation);

 private:
  void FindLive();
  // Throws Error(kUnsupported) once the program points at too many planes: forged files could name
  // more than fit into memory.
  void CountPlanes(size_t planes);
  void LowerNode(int index);
  Op* LastWriter(const Value& last);

  const Graph& graph_;
  const bool fast_;
  const KernelTable& kernels_;
  PackedWeights& weights_;
  Program program_;
  std::vector<Value> values_;
  std::vector<bool> live_;
  std::vector<int> consumers_;
  size_t planes_ = 0;
};

// Throws Error(kUnsupported) where windows or blocks hold several slices.
void RequireSliceBySlice(const Node& node);

// One for each operator, in the file of its algorithm in cpu/steps.
#define PYENGINE_OP(name) void Lower##name(Lowering& lowering, int index);
#include "graph/ops/op_list.inc"
#undef PYENGINE_OP

}  // namespace pyengine
