// Per channel, per pixel: affine steps, activations, softmax.
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
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      run.kernels.affine({.in = slice.in[0],
                          .out = slice.out,
                          .scale = affine_ ? affine_->scale.data() : nullptr,
                          .shift = affine_ ? affine_->shift.data() : nullptr,
                          .activation = activation()},
                         span);
    });
  }

 private:
  const PackedAffine* affine_;
};

class Softmax final : public RowByRow {
 public:
  const char* algorithm() const override { return "element-wise"; }

  void Share(const Op& op, const OpPlan& /*plan*/, int threads, Work& work) const override {
    work.block_step = static_cast<int64_t>(op.out.size());
    SetRowPieces(WantedPieces(threads), work);
  }

  void Run(const StepRun& run) const override {
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      run.kernels.softmax({.in = slice.in[0], .out = slice.out, .channels = run.op.channels}, span);
    });
  }
};

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

void LowerSoftmax(Lowering& lowering, int index) {
  lowering.EmitBlocked(index, std::make_unique<Softmax>());
}

}  // namespace pyengine
