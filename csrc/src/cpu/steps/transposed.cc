// Transposed convolutions: output i = j * s + r meets input j through taps k = r, r + s, ...: one
// small convolution per phase r and axis, on the same input. Where the kernel is a multiple of the
// stride and nothing is cut off, all phases are one operation. Dilation makes a larger kernel, with
// zeros between its taps.
#include "core/checked_math.h"
#include "cpu/lowering.h"
#include "cpu/steps/step_run.h"

namespace pyengine {
namespace {

// Taps of one phase, or of each phase where all are computed together.
struct PhaseShape {
  Axes taps;
  Axes first_tap;  // input index of output (i - phase) / stride, less that quotient
  Axes phase;      // of one phase: output indices congruent to it, modulo the stride
};

// One phase: outputs `stride` pixels apart.
class TransposedPhase : public WithActivation<Step> {
 public:
  TransposedPhase(const Node& node, const PhaseShape& shape, const PackedConv* packed)
      : window_(WindowOf(node)), groups_(node.groups), shape_(shape), packed_(packed) {}

  const char* algorithm() const override { return "direct"; }
  // Several phases write the rows of one plane.
  bool by_rows() const override { return false; }
  bool in_bands() const override { return true; }
  int64_t FirstInputRow(const OpPlan& /*plan*/, int64_t y) const override { return y; }
  int64_t InputRowsEnd(const OpPlan& /*plan*/, int64_t y_end) const override {
    return y_end + shape_.taps.y - 1;
  }
  Resolution resolution() const override { return Resolution::kLarger; }
  int64_t slice_taps() const override { return shape_.taps.z; }

  Placing Place(const Region& out, const Region& /*in*/) const override {
    Placing placing;
    for (Axis axis : kAxes) {
      const Range& r = out.axis[axis];
      const int64_t s = window_.stride[axis], phase = shape_.phase[axis];
      const int64_t m = CeilDiv(r.begin - phase, s);
      placing.size[axis] = std::max<int64_t>(0, FloorDiv(r.end - 1 - phase, s) - m + 1);
      placing.out_at[axis] = m * s + phase;
      placing.in_at[axis] = m + shape_.first_tap[axis];
    }
    placing.out_step = window_.stride;
    placing.slices = Slices(placing);
    return placing;
  }

  void Share(const Op& op, const OpPlan& /*plan*/, int threads, Work& work) const override {
    ShareConv(op, Product(shape_.taps), threads, work);
  }

  void Run(const StepRun& run) const override {
    const ConvArgs args{.in = nullptr,
                        .out = nullptr,
                        .blocks = packed_->blocks.data(),
                        .bias = packed_->bias.data(),
                        .activation = activation(),
                        .in_channels = run.op.in_channels,
                        .in_slices = shape_.taps.z,
                        .in_lanes = run.op.in_lanes,
                        .in_pixel_stride = run.op.in_lanes,
                        .out_pixel_stride = kBlock * window_.stride.x,
                        .kernel_y = shape_.taps.y,
                        .kernel_x = shape_.taps.x,
                        .stride_y = 1,
                        .stride_x = 1,
                        .dilation_y = 1,
                        .dilation_x = 1};
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      ConvArgs of_slice = args;
      of_slice.in = slice.in[0], of_slice.out = slice.out;
      run.kernels.conv(of_slice, span);
    });
  }

  double MultiplyAdds(const Op& op) const override {
    return double(op.in_channels) * double(op.channels) / double(groups_) *
           double(Product(shape_.taps)) * double(phases());
  }
  double RegionShare() const override { return 1 / double(window_.stride_pixels()); }

 protected:
  const Axes& stride() const { return window_.stride; }
  const PhaseShape& shape() const { return shape_; }
  // Those that the taps meet.
  SliceTaps Slices(const Placing& placing) const {
    return SlicesUnder({.kernel = shape_.taps}, placing.in_at.z, placing.size.z);
  }

 private:
  WindowShape window_;  // of the transposed convolution
  int64_t groups_;
  PhaseShape shape_;
  const PackedConv* packed_;
};

// All phases at once: for each block of channels as many output blocks as there are phases.
class TransposedPhases final : public TransposedPhase {
 public:
  using TransposedPhase::TransposedPhase;

  bool by_rows() const override { return true; }
  int64_t phases() const override { return Product(stride()); }

  // Whole groups of phases follow from the same inputs.
  Placing Place(const Region& out, const Region& /*in*/) const override {
    Placing placing;
    for (Axis axis : kAxes) {
      const int64_t s = stride()[axis];
      const Range groups = WholeGroups(out.axis[axis], s);
      placing.out_at[axis] = groups.begin;
      placing.size[axis] = out.axis[axis].empty() ? 0 : groups.size() / s;
      placing.in_at[axis] = groups.begin / s + shape().first_tap[axis];
    }
    placing.out_step = stride();
    placing.slices = Slices(placing);
    return placing;
  }

  // Slopes are counted by block of channels, phases by block of the operation.
  bool CanFuse(const ActivationArgs& activation) const override {
    return !activation.slopes && TransposedPhase::CanFuse(activation);
  }
};

int64_t DilatedKernel(const Node& node, Axis axis) {
  return (node.kernel[axis] - 1) * node.dilation[axis] + 1;
}

template <class F>
void ForEachPhase(const Node& node, F&& f) {
  for (int64_t z = 0; z < node.stride.z; ++z)
    for (int64_t y = 0; y < node.stride.y; ++y)
      for (int64_t x = 0; x < node.stride.x; ++x) f(Axes{.z = z, .y = y, .x = x});
}

void LowerTogether(Lowering& lowering, int index, const Value& value) {
  const Node& node = lowering.node(index);
  PhaseShape shape{};
  for (Axis axis : kAxes) {
    shape.taps[axis] = DilatedKernel(node, axis) / node.stride[axis];
    shape.first_tap[axis] = 1 - shape.taps[axis];
  }
  const PackedConv* packed = lowering.weights().TransposedPhases(index, shape.taps);
  Op op = lowering.NewOp(index, std::make_unique<TransposedPhases>(node, shape, packed));
  op.in[0] = value.refs;
  Op& emitted = lowering.Emit(std::move(op));
  // Neighbours along x follow each other: they share input pixels and cache lines of the output.
  std::vector<BlockRef> out;
  for (const BlockRef& ref : emitted.out) {
    lowering.storage(ref.storage).group = node.stride;
    ForEachPhase(node, [&](const Axes& phase) {
      Axes shift = ref.shift;
      for (Axis axis : kAxes) shift[axis] += phase[axis];
      out.push_back({.storage = ref.storage, .block = ref.block, .shift = shift});
    });
  }
  emitted.out = std::move(out);
}

void LowerOneByOne(Lowering& lowering, int index, const Value& value) {
  const Node& node = lowering.node(index);
  const Axes& before = node.amounts.before;
  ForEachPhase(node, [&](const Axes& r) {
    PhaseShape shape{};
    for (Axis axis : kAxes) {
      const int64_t s = node.stride[axis], k = DilatedKernel(node, axis);
      shape.taps[axis] = r[axis] < k ? CeilDiv(k - r[axis], s) : 0;
      // r is the phase of i + before; the output's own phase is r - before.
      shape.phase[axis] = FloorMod(r[axis] - before[axis], s);
      shape.first_tap[axis] =
          (shape.phase[axis] + before[axis] - r[axis]) / s - (shape.taps[axis] - 1);
    }
    const PackedConv* packed = lowering.weights().TransposedPhase(index, r, shape.taps);
    Op op = lowering.NewOp(index, std::make_unique<TransposedPhase>(node, shape, packed));
    op.in[0] = value.refs;
    lowering.Emit(std::move(op));
  });
}

}  // namespace

void LowerConvTranspose(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  const int in = node.inputs[0];
  const Axes &before = node.amounts.before, &after = node.amounts.after;
  Amounts pads;
  bool together = node.groups == 1 && !node.amounts.Any();
  for (Axis axis : kAxes) {
    // Taps that reach past the input's ends see zeros on a finite image.
    const int64_t k = DilatedKernel(node, axis), s = node.stride[axis];
    pads.before[axis] = std::max<int64_t>(0, -CeilDiv(before[axis] - (k - 1), s));
    pads.after[axis] =
        std::max<int64_t>(0, FloorDiv(k - 1 + node.output_padding[axis] - after[axis], s));
    together = together && node.output_padding[axis] == 0 && k % s == 0;
  }
  // Padded, then back to the input's own indices.
  const Value value = Lowering::Shifted(
      lowering.Padded(in, lowering.Blocked(in), pads, BorderMode::kZero, 0), pads.before);
  if (together)
    LowerTogether(lowering, index, value);
  else
    LowerOneByOne(lowering, index, value);
}

}  // namespace pyengine
