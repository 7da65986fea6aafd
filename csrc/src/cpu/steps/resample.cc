// Resizing by any rule: as many taps per axis as the rule has, their weights by table.
#include "cpu/lowering.h"
#include "cpu/steps/step_run.h"
#include "graph/resize_taps.h"

namespace pyengine {
namespace {

class Resample final : public Step {
 public:
  // `finite`: there is a last pixel, which is repeated beyond the ends or, where the rule says so,
  // left out.
  Resample(const Node& node, bool finite) : rule_(node.resize) {
    rule_.exclude_outside = rule_.exclude_outside && finite;
    std::copy_n(node.scale_num, 2, num_);
    std::copy_n(node.scale_den, 2, den_);
  }

  const char* algorithm() const override { return "resize"; }
  bool by_rows() const override { return true; }
  int64_t FirstInputRow(const OpPlan& plan, int64_t y) const override {
    const ResampleAxis& rows = Part(plan).axis[0];
    return rows.index[static_cast<size_t>(y * rows.taps)];
  }
  int64_t InputRowsEnd(const OpPlan& plan, int64_t y_end) const override {
    const ResampleAxis& rows = Part(plan).axis[0];
    return rows.index[static_cast<size_t>(y_end * rows.taps - 1)] + 1;
  }
  Resolution resolution() const override {
    if (num_[0] == 0) return Resolution::kLarger;  // either: a group of its own
    return num_[0] < den_[0] ? Resolution::kSmaller : Resolution::kLarger;
  }
  double InputsPerOutput() const override {
    return num_[0] == 0 ? 1 : double(den_[0] * den_[1]) / double(num_[0] * num_[1]);
  }

  Placing Place(const Region& out, const Region& in) const override {
    Placing placing = PlaceAlike(out);
    ResamplePart part;
    for (int axis = 0; axis < 2; ++axis) {
      placing.in_at[axis] = in.axis[axis].begin;
      part.axis[axis] = TableOf(axis, out.axis[axis], in.axis[axis]);
    }
    placing.part = std::move(part);
    return placing;
  }

  void Run(const StepRun& run) const override {
    const ResampleAxis &y = Part(run.plan).axis[0], &x = Part(run.plan).axis[1];
    const ResampleArgs args{.in = run.in[0],
                            .out = run.out,
                            .y_taps = y.taps,
                            .x_taps = x.taps,
                            .y_index = y.index.data(),
                            .x_index = x.index.data(),
                            .y_weight = y.weight.data(),
                            .x_weight = x.weight.data()};
    ParallelSpans(run, [&](const Span& span) { run.kernels.resample(args, span); });
  }

 private:
  static const ResamplePart& Part(const OpPlan& plan) { return std::get<ResamplePart>(plan.part); }

  ResampleAxis TableOf(int axis, const Range& out, const Range& in) const {
    const bool scaled = num_[axis] != 0;
    const ResizeAxis sizes{.num = scaled ? num_[axis] : std::max<int64_t>(1, out.size()),
                           .den = scaled ? den_[axis] : std::max<int64_t>(1, in.size()),
                           .in_size = in.size(),
                           .out_size = out.size()};
    ResampleAxis table{.taps = TapCount(rule_, sizes), .index = {}, .weight = {}};
    for (int64_t i = out.begin; i < out.end; ++i) {
      const ResizeTaps taps = TapsOf(rule_, sizes, i);
      for (int64_t tap = 0; tap < table.taps; ++tap) {
        table.index.push_back(std::clamp(taps.first + tap, in.begin, in.end - 1) - in.begin);
        table.weight.push_back(static_cast<float>(taps.weights[static_cast<size_t>(tap)]));
      }
    }
    return table;
  }

  ResizeRule rule_;
  int64_t num_[2], den_[2];
};

}  // namespace

void LowerResize(Lowering& lowering, int index) {
  lowering.EmitBlocked(index, std::make_unique<Resample>(lowering.node(index), lowering.finite()));
}

}  // namespace pyengine
