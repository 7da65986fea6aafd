// Maxima and means of windows, and means of whole planes.
#include "cpu/layout_ops.h"
#include "cpu/lowering.h"
#include "cpu/steps/step_run.h"
#include "graph/ops/op_type.h"

namespace pyengine {
namespace {

class Pool final : public Step {
 public:
  Pool(const Node& node, bool maximum)
      : window_(WindowOf(node)),
        padding_(node.amounts),
        maximum_(maximum),
        count_all_(node.count_include_pad) {}

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
    return maximum_ && !padding_.Any() && window_.kernel[0] == 2 && window_.kernel[1] == 2 &&
           window_.stride[0] == 2 && window_.stride[1] == 2;
  }

  Placing Place(const Region& out, const Region& in) const override {
    Placing placing = PlaceAlike(out);
    WindowPart part;
    for (int axis = 0; axis < 2; ++axis) {
      const int64_t at = out.axis[axis].begin * window_.stride[axis] - Before(padding_, axis);
      placing.in_at[axis] = at;
      // On the infinite plane the region holds every tap by construction.
      part.valid[axis][0] = in.axis[axis].begin - at;
      part.valid[axis][1] = in.axis[axis].end - at;
    }
    placing.part = part;
    return placing;
  }

  void Run(const StepRun& run) const override {
    const auto& valid = std::get<WindowPart>(run.plan.part).valid;
    const PoolArgs args{.in = run.in[0],
                        .out = run.out,
                        .maximum = maximum_,
                        .count_all = count_all_,
                        .kernel_y = window_.kernel[0],
                        .kernel_x = window_.kernel[1],
                        .stride_y = window_.stride[0],
                        .stride_x = window_.stride[1],
                        .valid_y_begin = valid[0][0],
                        .valid_y_end = valid[0][1],
                        .valid_x_begin = valid[1][0],
                        .valid_x_end = valid[1][1]};
    ParallelSpans(run, [&](const Span& span) { run.kernels.pool(args, span); });
  }

 private:
  WindowShape window_;
  Amounts padding_;
  bool maximum_;
  bool count_all_;  // a mean divides by the window's size, padding included
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

void LowerGlobalAvgPool(Lowering& lowering, int index) {
  lowering.EmitBlocked(index, std::make_unique<GlobalAveragePool>());
}

}  // namespace pyengine
