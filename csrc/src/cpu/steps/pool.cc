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
    return y * window_.stride.y;
  }
  int64_t InputRowsEnd(const OpPlan& /*plan*/, int64_t y_end) const override {
    return window_.InputRowsEnd(y_end);
  }
  Resolution resolution() const override { return window_.resolution(); }
  int64_t slice_taps() const override { return window_.kernel.z; }
  double InputsPerOutput() const override { return double(window_.stride_pixels()); }

  bool is_maximum_of_2x2() const override {
    return maximum_ && !ceil_mode_ && !padding_.Any() && window_.taps() == 4 &&
           window_.kernel.y == 2 && window_.kernel.x == 2 && window_.stride.z == 1 &&
           window_.stride.y == 2 && window_.stride.x == 2 && window_.dilation.y == 1 &&
           window_.dilation.x == 1;
  }

  Placing Place(const Region& out, const Region& in) const override {
    return PlaceWindows(window_, padding_, out, in);
  }

  void Run(const StepRun& run) const override {
    const PoolAxis z = CountedAxis(run.plan, Axis::kZ), y = CountedAxis(run.plan, Axis::kY),
                   x = CountedAxis(run.plan, Axis::kX);
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      run.kernels.pool({.in = slice.in[0],
                        .out = slice.out,
                        .maximum = maximum_,
                        .slice = slice.z,
                        .z = z,
                        .y = y,
                        .x = x},
                       span);
    });
  }

 private:
  PoolAxis CountedAxis(const OpPlan& plan, Axis axis) const {
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
    const Axes in = std::get<WholePlanePart>(run.plan.part).size;
    const Axes out{.z = run.plan.depth, .y = run.plan.height, .x = run.plan.width};
    run.pool.ParallelFor(run.out_blocks() * out.z * out.y, [&](int64_t i) {
      const int64_t y = i % out.y, z = i / out.y % out.z, b = i / out.y / out.z;
      const SliceRun slice = run.Slice(z);
      AdaptivePoolRow(kind_, slice.in[0] + b * in.z, slice.out[b], in, out, z, y);
    });
  }

 private:
  ReduceKind kind_;
};

class GlobalAveragePool final : public WholePlane {
 public:
  const char* algorithm() const override { return "pool"; }

  void Run(const StepRun& run) const override {
    const Axes size = std::get<WholePlanePart>(run.plan.part).size;
    const SliceRun slice = run.Slice(0);
    run.pool.ParallelFor(run.out_blocks(), [&](int64_t b) {
      GlobalAverage(slice.in[0] + b * size.z, slice.out[b], size);
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
