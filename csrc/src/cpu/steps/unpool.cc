// Where in its window a maximum lies, and maxima put back to where they came from.
#include "cpu/lowering.h"
#include "cpu/steps/step_run.h"
#include "cpu/unpool_ops.h"
#include "graph/ops/op_type.h"

namespace pyengine {
namespace {

class MaxIndices final : public Step {
 public:
  explicit MaxIndices(const Node& node) : window_(WindowOf(node)), padding_(node.amounts) {}

  const char* algorithm() const override { return "pool"; }
  bool by_rows() const override { return true; }
  int64_t FirstInputRow(const OpPlan& /*plan*/, int64_t y) const override {
    return y * window_.stride.y;
  }
  int64_t InputRowsEnd(const OpPlan& /*plan*/, int64_t y_end) const override {
    return window_.InputRowsEnd(y_end);
  }
  Resolution resolution() const override { return window_.resolution(); }
  double InputsPerOutput() const override { return double(window_.stride_pixels()); }
  Placing Place(const Region& out, const Region& in) const override {
    return PlaceWindows(window_, padding_, out, in);
  }

  void Run(const StepRun& run) const override {
    const auto& part = std::get<WindowPart>(run.plan.part);
    const PoolAxis y = AxisOf(window_, part, Axis::kY), x = AxisOf(window_, part, Axis::kX);
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      for (int64_t b = span.block_begin; b < span.block_end; ++b)
        MaxIndexRows(y, x, slice.in[0][b], slice.out[b], run.plan.width, span.y_begin, span.y_end);
    });
  }

 private:
  WindowShape window_;
  Amounts padding_;
};

class MaxUnpool final : public Step {
 public:
  explicit MaxUnpool(const Node& node) : window_(WindowOf(node)), padding_(node.amounts) {}

  const char* algorithm() const override { return "copy"; }
  bool by_rows() const override { return true; }
  int64_t FirstInputRow(const OpPlan& plan, int64_t y) const override {
    const auto& part = std::get<UnpoolPart>(plan.part);
    return std::min((part.at.y + y) / window_.stride.y, part.windows.y);
  }
  int64_t InputRowsEnd(const OpPlan& plan, int64_t y_end) const override {
    const auto& part = std::get<UnpoolPart>(plan.part);
    return std::min((part.at.y + y_end - 1) / window_.stride.y + 1, part.windows.y);
  }
  Resolution resolution() const override { return Resolution::kLarger; }
  double InputsPerOutput() const override { return 1 / double(window_.stride_pixels()); }

  Placing Place(const Region& out, const Region& in) const override {
    Placing placing = PlaceAlike(out);
    UnpoolPart part;
    for (Axis axis : kAxes) {
      const int64_t first = out.axis[axis].begin + padding_.before[axis];
      placing.in_at[axis] = FloorDiv(first, window_.stride[axis]);
      part.at[axis] = FloorMod(first, window_.stride[axis]);
      part.windows[axis] = in.axis[axis].end - placing.in_at[axis];
    }
    placing.part = part;
    return placing;
  }

  void Run(const StepRun& run) const override {
    const auto& part = std::get<UnpoolPart>(run.plan.part);
    const auto axis = [&](Axis i) {
      return UnpoolAxis{.kernel = window_.kernel[i],
                        .stride = window_.stride[i],
                        .at = part.at[i],
                        .windows = part.windows[i]};
    };
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      for (int64_t b = span.block_begin; b < span.block_end; ++b)
        UnpoolRows(axis(Axis::kY), axis(Axis::kX), slice.in[0][b], slice.in[1][b], slice.out[b],
                   run.plan.width, span.y_begin, span.y_end);
    });
  }

 private:
  WindowShape window_;
  Amounts padding_;
};

}  // namespace

void LowerMaxPoolIndices(Lowering& lowering, int index) {
  RequireSliceBySlice(lowering.node(index));
  lowering.EmitBlocked(index, std::make_unique<MaxIndices>(lowering.node(index)));
}

void LowerMaxUnpool(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  RequireSliceBySlice(node);
  Op op = lowering.NewOp(index, std::make_unique<MaxUnpool>(node));
  for (int i = 0; i < 2; ++i) {
    op.in_tensor[i] = node.inputs[i];
    op.in[i] = lowering.Blocked(node.inputs[i]).refs;
  }
  lowering.Emit(std::move(op));
}

}  // namespace pyengine
