// Arithmetic and comparisons of two tensors or of one and constants, a choice between two, and
// functions of the C library.
#include "cpu/element_ops.h"
#include "cpu/lowering.h"
#include "cpu/steps/step_run.h"

namespace pyengine {
namespace {

// What an element-wise operator meets: planes, one pixel that meets every pixel, one channel that
// meets all, or constants, which are a pixel of their own.
struct Operand {
  int input = 0;
  bool still = false;
  bool one_channel = false;
  // Constants: a pixel for each block, made here once, since no call may allocate.
  std::vector<Plane> constants = {};

  int64_t pixel_stride() const { return still || !constants.empty() ? 0 : kBlock; }
  const Plane* Planes(const SliceRun& slice) const {
    return constants.empty() ? slice.in[input] : constants.data();
  }
  const Plane& PlaneOf(const SliceRun& slice, int64_t block) const {
    return Planes(slice)[one_channel ? 0 : block];
  }
};

class BinaryStep final : public WithActivation<RowByRow> {
 public:
  BinaryStep(Binary op, Operand a, Operand b) : op_(op), a_(std::move(a)), b_(std::move(b)) {}

  const char* algorithm() const override { return "element-wise"; }

  bool CanFuse(const ActivationArgs& activation) const override {
    return (op_ == Binary::kAdd || op_ == Binary::kMul) && WithActivation::CanFuse(activation);
  }

  void Run(const StepRun& run) const override {
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      run.kernels.binary({.a = a_.Planes(slice),
                          .b = b_.Planes(slice),
                          .out = slice.out,
                          .a_pixel_stride = a_.pixel_stride(),
                          .b_pixel_stride = b_.pixel_stride(),
                          .a_broadcast = a_.one_channel,
                          .b_broadcast = b_.one_channel,
                          .channels = run.op.channels,
                          .op = op_,
                          .activation = activation()},
                         span);
    });
  }

 private:
  Binary op_;
  Operand a_, b_;
};

class Where final : public RowByRow {
 public:
  Where(Operand condition, Operand a, Operand b)
      : condition_(std::move(condition)), a_(std::move(a)), b_(std::move(b)) {}

  const char* algorithm() const override { return "element-wise"; }

  void Run(const StepRun& run) const override {
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      for (int64_t block = span.block_begin; block < span.block_end; ++block) {
        const auto choice = [&](const Operand& operand) {
          return Choice{.plane = operand.PlaneOf(slice, block),
                        .pixel_stride = operand.pixel_stride(),
                        .one_channel = operand.one_channel};
        };
        WhereRows(choice(condition_), choice(a_), choice(b_), slice.out[block], run.plan.width,
                  span.y_begin, span.y_end);
      }
    });
  }

 private:
  Operand condition_, a_, b_;
};

class Function final : public RowByRow {
 public:
  Function(FunctionKind kind, float alpha) : kind_(kind), alpha_(alpha) {}

  const char* algorithm() const override { return "element-wise"; }

  void Run(const StepRun& run) const override {
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      for (int64_t b = span.block_begin; b < span.block_end; ++b)
        FunctionRows(kind_, alpha_, slice.in[0][b], slice.out[b],
                     std::min<int64_t>(kBlock, run.op.channels - b * kBlock), run.plan.width,
                     span.y_begin, span.y_end);
    });
  }

 private:
  FunctionKind kind_;
  float alpha_;
};

Operand InputOperand(const Lowering& lowering, int index, int input) {
  const Node& node = lowering.node(index);
  const TensorInfo &in = lowering.tensor(node.inputs[input]), &out = lowering.tensor(node.output);
  return {.input = input,
          .still = in.vector && !out.vector,
          .one_channel = in.channels == 1 && out.channels > 1};
}

// Kernels never write through their input planes.
Operand ConstantOperand(const AlignedBuffer<float>& constants) {
  Operand operand;
  auto* data = const_cast<float*>(constants.data());
  for (size_t at = 0; at < constants.size(); at += kBlock)
    operand.constants.push_back({.data = data + at, .row_stride = 0});
  return operand;
}

void EmitElementWise(Lowering& lowering, int index, std::unique_ptr<Step> step) {
  const Node& node = lowering.node(index);
  Op op = lowering.NewOp(index, std::move(step));
  for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
    op.still[i] = InputOperand(lowering, index, i).still;
    op.in_tensor[i] = node.inputs[i];
    op.in[i] = lowering.Blocked(node.inputs[i]).refs;
  }
  lowering.Emit(std::move(op));
}

void LowerBinaryOf(Lowering& lowering, int index, Binary kind) {
  const Node& node = lowering.node(index);
  Operand a = InputOperand(lowering, index, 0);
  Operand b = node.inputs.size() > 1 ? InputOperand(lowering, index, 1)
                                     : ConstantOperand(lowering.weights().Affine(index)->scale);
  if (node.constant_first) std::swap(a, b);
  EmitElementWise(lowering, index, std::make_unique<BinaryStep>(kind, std::move(a), std::move(b)));
}

}  // namespace

void LowerAdd(Lowering& lowering, int index) {
  LowerBinaryOf(lowering, index, Binary::kAdd);
}

void LowerMul(Lowering& lowering, int index) {
  LowerBinaryOf(lowering, index, Binary::kMul);
}

void LowerBinary(Lowering& lowering, int index) {
  LowerBinaryOf(lowering, index, lowering.node(index).binary);
}

void LowerWhere(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  int next = 1;
  const auto choice = [&](const std::string& constants, auto packed) {
    return constants.empty() ? InputOperand(lowering, index, next++)
                             : ConstantOperand(lowering.weights().Affine(index)->*packed);
  };
  Operand a = choice(node.weight, &PackedAffine::scale);
  Operand b = choice(node.bias, &PackedAffine::shift);
  EmitElementWise(
      lowering, index,
      std::make_unique<Where>(InputOperand(lowering, index, 0), std::move(a), std::move(b)));
}

void LowerFunction(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  lowering.EmitBlocked(index, std::make_unique<Function>(node.function, node.alpha));
}

}  // namespace pyengine
