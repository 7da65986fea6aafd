// Maxima and means of windows, and means of whole planes.
#include "cpu/layout_ops.h"
#include "cpu/lowering.h"
#include "cpu/reduce_ops.h"
#include "cpu/steps/step_run.h"

namespace pyengine {
namespace {

class Pool final : public Step {
 public:
  Pool(const Node& node, bool maximum)
      : window_(WindowOf(node)),
        padding_(node.amounts),
        maximum_(maximum),
        count_all_(node.count_include_pad),
        ceil_mode_(node.ceil_mode) {}

  const char* algorithm() const override { return "pool"; }
  bool by_rows() const override { return true; }
  int64_t FirstInputRow(const OpPlan& /*plan*/, int64_t y) const override {
    return y * window_.stride[0];
  }
  int64_t InputRowsEnd(const OpPlan& /*plan*/, int64_t y_end) const override {
    return window_.InputRowsEnd(y_end);
  }
  Resolution resolution() const override { return window_.resolution(); }
  double InputsPerOutput() const override { return double(window_.stride_area()); }

  bool is_maximum_of_2x2() const override {
    return maximum_ && !ceil_mode_ && !padding_.Any() && window_.taps() == 4 &&
           window_.kernel[0] == 2 && window_.stride[0] == 2 && window_.stride[1] == 2 &&
           window_.dilation[0] == 1 && window_.dilation[1] == 1;
  }

  Placing Place(const Region& out, const Region& in) const override {
    return PlaceWindows(window_, padding_, out, in);
  }

  void Run(const StepRun& run) const override {
    const PoolArgs args{.in = run.in[0],
                        .out = run.out,
                        .maximum = maximum_,
                        .y = CountedAxis(run.plan, 0),
                        .x = CountedAxis(run.plan, 1)};
    ParallelSpans(run, [&](const Span& span) { run.kernels.pool(args, span); });
  }

 private:
  PoolAxis CountedAxis(const OpPlan& plan, int axis) const {
    const auto& part = std::get<WindowPart>(plan.part);
    PoolAxis of = AxisOf(window_, part, axis);
    if (!count_all_) return of;
    of.counted_begin = part.padded[axis].begin;
    of.counted_end = part.padded[axis].end;
    return of;
  }

  WindowShape window_;
  Amounts padding_;
  bool maximum_;
  bool count_all_;  // a mean counts padding, too
  bool ceil_mode_;
};

// Every output is of a window of its own, which may be any part of the input.
class AdaptivePool final : public WholePlane {
 public:
  explicit AdaptivePool(ReduceKind kind) : kind_(kind) {}

  const char* algorithm() const override { return "pool"; }

  void Run(const StepRun& run) const override {
    const auto& plane = std::get<WholePlanePart>(run.plan.part);
    const int64_t in[] = {plane.height, plane.width}, out[] = {run.plan.height, run.plan.width};
    run.pool.ParallelFor(run.out_blocks() * out[0], [&](int64_t i) {
      const int64_t b = i / out[0];
      AdaptivePoolRow(kind_, run.in[0][b], run.out[b], in, out, i % out[0]);
    });
  }

 private:
  ReduceKind kind_;
};

class GlobalAveragePool final : public WholePlane {
 public:
  const char* algorithm() const override { return "pool"; }

  void Run(const StepRun& run) const override {
    const auto& plane = std::get<WholePlanePart>(run.plan.part);
    run.pool.ParallelFor(run.out_blocks(), [&](int64_t b) {
      GlobalAverage(run.in[0][b], run.out[b], plane.height, plane.width);
    });
  }
};

}  // namespace

void LowerMaxPool(Lowering& lowering, int index) {
  lowering.EmitBlocked(index, std::make_unique<Pool>(lowering.node(index), true));
}

void LowerAvgPool(Lowering& lowering, int index) {
  lowering.EmitBlocked(index, std::make_unique<Pool>(lowering.node(index), false));
}

void LowerPool(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  lowering.EmitBlocked(index, std::make_unique<Pool>(node, node.reduce == ReduceKind::kMax));
}

void LowerAdaptivePool(Lowering& lowering, int index) {
  lowering.EmitBlocked(index, std::make_unique<AdaptivePool>(lowering.node(index).reduce));
}

void LowerGlobalAvgPool(Lowering& lowering, int index) {
  lowering.EmitBlocked(index, std::make_unique<GlobalAveragePool>());
}

}  // namespace pyengine
