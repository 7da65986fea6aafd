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
  Resample(const Node& node, bool finite)
      : rule_(node.resize), num_(node.scale_num), den_(node.scale_den), volume_(node.volume) {
    rule_.exclude_outside = rule_.exclude_outside && finite;
    // Images have one slice, which no rule changes.
    if (!node.volume) num_.z = den_.z = 1;
  }

  const char* algorithm() const override { return "resize"; }
  bool by_rows() const override { return true; }
  int64_t FirstInputRow(const OpPlan& plan, int64_t y) const override {
    const ResampleAxis& rows = Part(plan).axis.y;
    return rows.index[static_cast<size_t>(y * rows.taps)];
  }
  int64_t InputRowsEnd(const OpPlan& plan, int64_t y_end) const override {
    const ResampleAxis& rows = Part(plan).axis.y;
    return rows.index[static_cast<size_t>(y_end * rows.taps - 1)] + 1;
  }
  Resolution resolution() const override {
    if (num_.y == 0) return Resolution::kLarger;  // either: a group of its own
    return num_.y < den_.y ? Resolution::kSmaller : Resolution::kLarger;
  }
  double InputsPerOutput() const override {
    return num_.y == 0 ? 1 : double(Product(den_)) / double(Product(num_));
  }

  Placing Place(const Region& out, const Region& in) const override {
    Placing placing = PlaceAlike(out);
    ResamplePart part;
    for (Axis axis : kAxes) {
      placing.in_at[axis] = in.axis[axis].begin;
      part.axis[axis] = TableOf(axis, out.axis[axis], in.axis[axis]);
    }
    const std::vector<int64_t>& slices = part.axis.z.index;
    placing.slices = {.count = part.axis.z.taps, .index = {}};
    for (int64_t slice : slices) placing.slices.index.push_back(in.axis.z.begin + slice);
    placing.part = std::move(part);
    return placing;
  }

  void Run(const StepRun& run) const override {
    const ResampleAxis &y = Part(run.plan).axis.y, &x = Part(run.plan).axis.x;
    const ResampleAxis& z = Part(run.plan).axis.z;
    const auto args = [&](const SliceRun& slice) {
      return ResampleArgs{.in = slice.in[0],
                          .out = slice.out,
                          .z_taps = z.taps,
                          .y_taps = y.taps,
                          .x_taps = x.taps,
                          .y_index = y.index.data(),
                          .x_index = x.index.data(),
                          .z_weight = z.weight.data() + slice.z * z.taps,
                          .y_weight = y.weight.data(),
                          .x_weight = x.weight.data()};
    };
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      run.kernels.resample(args(slice), span);
    });
  }

 private:
  static const ResamplePart& Part(const OpPlan& plan) { return std::get<ResamplePart>(plan.part); }

  ResampleAxis TableOf(Axis axis, const Range& out, const Range& in) const {
    if (axis == Axis::kZ && !volume_) return {.taps = 1, .index = {0}, .weight = {1.0f}};
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
  Axes num_, den_;
  bool volume_;
};

}  // namespace

void LowerResize(Lowering& lowering, int index) {
  lowering.EmitBlocked(index, std::make_unique<Resample>(lowering.node(index), lowering.finite()));
}

}  // namespace pyengine
