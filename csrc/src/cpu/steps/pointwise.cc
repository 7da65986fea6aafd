// Per channel, per pixel: affine steps and activations, sums and products, softmax.
#include "cpu/lowering.h"
#include "cpu/steps/step_run.h"

namespace pyengine {
namespace {

// x * scale + shift per channel, or an activation alone; both where one follows.
class Affine final : public WithActivation<RowByRow> {
 public:
  Affine(const PackedAffine* affine, const ActivationArgs& activation)
      : WithActivation(activation), affine_(affine) {}

  const char* algorithm() const override { return "element-wise"; }

  void Run(const StepRun& run) const override {
    const AffineArgs args{.in = run.in[0],
                          .out = run.out,
                          .scale = affine_ ? affine_->scale.data() : nullptr,
                          .shift = affine_ ? affine_->shift.data() : nullptr,
                          .activation = activation()};
    ParallelSpans(run, [&](const Span& span) { run.kernels.affine(args, span); });
  }

 private:
  const PackedAffine* affine_;
};

// A vector beside planes is one pixel that meets every pixel; one channel meets all.
class BinaryStep final : public WithActivation<RowByRow> {
 public:
  struct Operand {
    bool vector_beside_planes, one_channel;
  };

  BinaryStep(Binary op, Operand a, Operand b) : op_(op), a_(a), b_(b) {}

  const char* algorithm() const override { return "element-wise"; }

  void Run(const StepRun& run) const override {
    const BinaryArgs args{.a = run.in[0],
                          .b = run.in[1],
                          .out = run.out,
                          .a_pixel_stride = a_.vector_beside_planes ? 0 : kBlock,
                          .b_pixel_stride = b_.vector_beside_planes ? 0 : kBlock,
                          .a_broadcast = a_.one_channel,
                          .b_broadcast = b_.one_channel,
                          .op = op_,
                          .activation = activation()};
    ParallelSpans(run, [&](const Span& span) { run.kernels.binary(args, span); });
  }

 private:
  Binary op_;
  Operand a_, b_;
};

class Softmax final : public RowByRow {
 public:
  const char* algorithm() const override { return "element-wise"; }

  void Share(const Op& op, const OpPlan& /*plan*/, int threads, Work& work) const override {
    work.block_step = static_cast<int64_t>(op.out.size());
    SetRowPieces(WantedPieces(threads), work);
  }

  void Run(const StepRun& run) const override {
    const SoftmaxArgs args{.in = run.in[0], .out = run.out, .channels = run.op.channels};
    ParallelSpans(run, [&](const Span& span) { run.kernels.softmax(args, span); });
  }
};

void LowerBinary(Lowering& lowering, int index, Binary kind) {
  const Node& node = lowering.node(index);
  const auto operand = [&](int i) {
    const TensorInfo& in = lowering.tensor(node.inputs[i]);
    const TensorInfo& out = lowering.tensor(node.output);
    return BinaryStep::Operand{.vector_beside_planes = in.vector && !out.vector,
                               .one_channel = in.channels == 1 && out.channels > 1};
  };
  Op op = lowering.NewOp(index, std::make_unique<BinaryStep>(kind, operand(0), operand(1)));
  for (int i = 0; i < 2; ++i) {
    op.in_tensor[i] = node.inputs[i];
    op.in[i] = lowering.Blocked(node.inputs[i]).refs;
  }
  lowering.Emit(std::move(op));
}

}  // namespace

void LowerAffine(Lowering& lowering, int index) {
  const PackedAffine* packed = lowering.weights().Affine(index);
  lowering.EmitBlocked(index, std::make_unique<Affine>(packed, ActivationArgs{}));
}

void LowerActivation(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  const bool slopes = node.activation == ActivationKind::kPRelu;
  const ActivationArgs activation{.kind = node.activation,
                                  .alpha = node.alpha,
                                  .beta = node.beta,
                                  .slopes = slopes ? lowering.weights().Slopes(index) : nullptr};
  if (lowering.Fuse(index, activation)) return;
  lowering.EmitBlocked(index, std::make_unique<Affine>(nullptr, activation));
}

void LowerAdd(Lowering& lowering, int index) {
  LowerBinary(lowering, index, Binary::kAdd);
}

void LowerMul(Lowering& lowering, int index) {
  LowerBinary(lowering, index, Binary::kMul);
}

void LowerSoftmax(Lowering& lowering, int index) {
  lowering.EmitBlocked(index, std::make_unique<Softmax>());
}

}  // namespace pyengine
