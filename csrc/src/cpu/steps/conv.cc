// Convolutions computed directly: many channels to many, and one by one (depthwise). Linear layers
// are convolutions of one tap.
#include "cpu/conv_table.h"
#include "cpu/layout_ops.h"
#include "cpu/lowering.h"
#include "cpu/steps/step_run.h"
#include "cpu/steps/winograd.h"

namespace pyengine {
namespace {

// What direct and depthwise convolutions share. The padding is in where the planes begin.
class WindowedConv : public WithActivation<Step> {
 public:
  WindowedConv(const Node& node, const PackedConv* packed)
      : window_(WindowOf(node)), groups_(node.groups), packed_(packed) {}

  bool by_rows() const override { return true; }
  int64_t FirstInputRow(const OpPlan& /*plan*/, int64_t y) const override {
    return y * window_.stride.y;
  }
  int64_t InputRowsEnd(const OpPlan& /*plan*/, int64_t y_end) const override {
    return window_.InputRowsEnd(y_end);
  }
  Resolution resolution() const override { return window_.resolution(); }
  int64_t slice_taps() const override { return window_.kernel.z; }

  Placing Place(const Region& out, const Region& /*in*/) const override {
    Placing placing = PlaceAlike(out);
    for (Axis axis : kAxes) placing.in_at[axis] *= window_.stride[axis];
    placing.slices = SlicesUnder(window_, placing.in_at.z, placing.size.z);
    return placing;
  }

  double MultiplyAdds(const Op& op) const override {
    return double(op.in_channels) * double(op.channels) / double(groups_) * double(window_.taps());
  }
  double InputsPerOutput() const override { return double(window_.stride_pixels()); }

 protected:
  const WindowShape& window() const { return window_; }
  const PackedConv& packed() const { return *packed_; }

 private:
  WindowShape window_;
  int64_t groups_;
  const PackedConv* packed_;
};

class DirectConv final : public WindowedConv {
 public:
  using WindowedConv::WindowedConv;

  const char* algorithm() const override { return "direct"; }

  void Share(const Op& op, const OpPlan& /*plan*/, int threads, Work& work) const override {
    ShareConv(op, window().taps(), threads, work);
  }

  // Without a kernel that writes planes, each row is computed as a block, in cache, and taken
  // apart.
  int64_t ScratchFloats(const Op& op, const OpPlan& plan, const Work& /*work*/,
                        int /*threads*/) const override {
    if (op.out_lanes != 1 || planar_kernel_) return 0;
    return CheckedMul(plan.width, kBlock, "scratch");
  }

  bool WritePlanes(const Op& op, const KernelTable& kernels) override {
    planar_kernel_ = HasPlanarKernel(window(), op.in_lanes, kernels);
    return true;
  }

  void Run(const StepRun& run) const override {
    if (run.op.out_lanes == 1) return RunPlanar(run);
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      run.kernels.conv(Args(run, slice), span);
    });
  }

 private:
  ConvArgs Args(const StepRun& run, const SliceRun& slice) const {
    return {.in = slice.in[0],
            .out = slice.out,
            .blocks = packed().blocks.data(),
            .bias = packed().bias.data(),
            .activation = activation(),
            .in_channels = run.op.in_channels,
            .in_slices = window().kernel.z,
            .in_lanes = run.op.in_lanes,
            .in_pixel_stride = run.op.in_lanes,
            .out_pixel_stride = kBlock,
            .kernel_y = window().kernel.y,
            .kernel_x = window().kernel.x,
            .stride_y = window().stride.y,
            .stride_x = window().stride.x,
            .dilation_y = window().dilation.y,
            .dilation_x = window().dilation.x};
  }

  // Up to 16 channels into the caller's planes.
  void RunPlanar(const StepRun& run) const {
    const int64_t width = run.plan.width, channels = run.op.channels;
    run.pool.ParallelFor(RowPieces(run.work), [&](int64_t i, int thread) {
      const auto [z, rows] = RowPieceAt(run.work, i);
      const SliceRun slice = run.Slice(z);
      const ConvArgs args = Args(run, slice);
      if (planar_kernel_) {
        run.kernels.planar_conv(args, {.block_begin = 0,
                                       .block_end = channels,
                                       .y_begin = rows.begin,
                                       .y_end = rows.end,
                                       .x_begin = 0,
                                       .x_end = width});
        return;
      }
      Plane row{.data = run.Scratch(thread), .row_stride = 0};
      ConvArgs one = args;
      one.out = &row;
      for (int64_t y = rows.begin; y < rows.end; ++y) {
        run.kernels.conv(one, {.block_begin = 0,
                               .block_end = 1,
                               .y_begin = y,
                               .y_end = y + 1,
                               .x_begin = 0,
                               .x_end = width});
        CopyChannels(&row, kBlock, slice.out, 1, channels, 0, width, y, y + 1);
      }
    });
  }

  bool planar_kernel_ = false;  // KernelTable::planar_conv writes the caller's planes
};

class DepthwiseConv final : public WindowedConv {
 public:
  using WindowedConv::WindowedConv;

  const char* algorithm() const override { return "depthwise"; }

  void Run(const StepRun& run) const override {
    const DepthwiseArgs args{.in = nullptr,
                             .out = nullptr,
                             .weights = packed().weights.data(),
                             .bias = packed().bias.data(),
                             .activation = activation(),
                             .kernel_z = window().kernel.z,
                             .kernel_y = window().kernel.y,
                             .kernel_x = window().kernel.x,
                             .stride_y = window().stride.y,
                             .stride_x = window().stride.x,
                             .dilation_y = window().dilation.y,
                             .dilation_x = window().dilation.x};
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      DepthwiseArgs of_slice = args;
      of_slice.in = slice.in[0], of_slice.out = slice.out;
      run.kernels.depthwise(of_slice, span);
    });
  }
};

}  // namespace

void LowerConv(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  const int in = node.inputs[0];
  const bool depthwise = PackedWeights::IsDepthwise(node);
  // Images have few channels: read them planar instead of padding them to 16.
  const bool planar =
      !depthwise && lowering.value(in).lanes == 1 && lowering.tensor(in).channels <= 4;
  const Value value = planar ? lowering.value(in) : lowering.Blocked(in);
  const int64_t patch = planar ? 0 : WinogradPatch(node, lowering.kernels(), lowering.fast());
  const std::vector<BlockRef> planes =
      lowering.Padded(in, value, node.amounts, node.border, node.border_value).refs;
  const PackedConv* packed =
      patch ? lowering.weights().Winograd(index, patch, *lowering.kernels().winograd)
            : lowering.weights().Conv(index, value.lanes);
  std::unique_ptr<Step> step;
  if (patch)
    step = MakeWinograd(node, patch, packed, *lowering.kernels().winograd);
  else if (depthwise)
    step = std::make_unique<DepthwiseConv>(node, packed);
  else
    step = std::make_unique<DirectConv>(node, packed);
  Op op = lowering.NewOp(index, std::move(step));
  op.in[0] = planes;
  op.in_lanes = value.lanes;
  lowering.Emit(std::move(op));
}

void LowerLinear(Lowering& lowering, int index) {
  LowerConv(lowering, index);
}

}  // namespace pyengine
