// Enlargements by whole factors: the nearest pixel, two taps per axis mixed, or pixels from
// channels.
#include "core/checked_math.h"
#include "cpu/layout_ops.h"
#include "cpu/lowering.h"
#include "cpu/steps/step_run.h"

namespace pyengine {
namespace {

enum class Taps { kNearest, kBilinear, kBilinearAlignedCorners };

class Upsample final : public Step {
 public:
  Upsample(const Node& node, Taps taps) : window_(WindowOf(node)), taps_(taps) {}

  const char* algorithm() const override { return "upsample"; }
  bool by_rows() const override { return true; }
  int64_t FirstInputRow(const OpPlan& plan, int64_t y) const override {
    return std::get<ResizePart>(plan.part).y_index[y];
  }
  int64_t InputRowsEnd(const OpPlan& plan, int64_t y_end) const override {
    return std::get<ResizePart>(plan.part).y_next[y_end - 1] + 1;
  }
  Resolution resolution() const override { return Resolution::kLarger; }
  double InputsPerOutput() const override { return 1 / double(window_.stride_area()); }

  Placing Place(const Region& out, const Region& in) const override {
    Placing placing = PlaceAlike(out);
    for (int axis = 0; axis < 2; ++axis) placing.in_at[axis] = in.axis[axis].begin;
    ResizePart part;
    FillTable(0, out.axis[0], in.axis[0], part.y_index, part.y_next, part.y_weight);
    FillTable(1, out.axis[1], in.axis[1], part.x_index, part.x_next, part.x_weight);
    placing.part = std::move(part);
    return placing;
  }

  void Run(const StepRun& run) const override {
    const auto& t = std::get<ResizePart>(run.plan.part);
    const UpsampleArgs args{.in = run.in[0],
                            .out = run.out,
                            .y_index = t.y_index.data(),
                            .y_next = t.y_next.data(),
                            .x_index = t.x_index.data(),
                            .x_next = t.x_next.data(),
                            .y_weight = t.y_weight.empty() ? nullptr : t.y_weight.data(),
                            .x_weight = t.x_weight.data()};
    ParallelSpans(run, [&](const Span& span) { run.kernels.upsample(args, span); });
  }

 private:
  void FillTable(int axis, const Range& out, const Range& in, std::vector<int64_t>& index,
                 std::vector<int64_t>& next, std::vector<float>& weight) const {
    for (int64_t i = out.begin; i < out.end; ++i) {
      const auto [first, w] = FirstTap(axis, i, out.size(), in.size());
      // Beyond a finite image the edge pixel repeats; on the infinite plane both taps exist.
      index.push_back(std::clamp(first, in.begin, in.end - 1) - in.begin);
      next.push_back(std::clamp(first + 1, in.begin, in.end - 1) - in.begin);
      if (taps_ != Taps::kNearest) weight.push_back(w);
    }
  }

  // The first tap of output `i`, and the weight of the one after it.
  std::pair<int64_t, float> FirstTap(int axis, int64_t i, int64_t out_size, int64_t in_size) const {
    const int64_t s = window_.stride[axis];
    switch (taps_) {
      case Taps::kNearest:
        break;
      case Taps::kBilinear:
        // (i + 0.5) / s - 0.5 = first + w; w depends on i mod s alone, so that tiles agree.
        return {FloorDiv(2 * i + 1 - s, 2 * s),
                static_cast<float>(double(FloorMod(2 * i + 1 - s, 2 * s)) / double(2 * s))};
      case Taps::kBilinearAlignedCorners: {
        const double position =
            out_size > 1 ? double(i) * double(in_size - 1) / double(out_size - 1) : 0;
        const auto first = static_cast<int64_t>(position);
        return {first, static_cast<float>(position - double(first))};
      }
    }
    return {FloorDiv(i, s), 0.0f};
  }

  WindowShape window_;  // its stride is the factor
  Taps taps_;
};

// Pixels of a block lie in channels (pixel shuffle).
class DepthToSpace final : public Step {
 public:
  explicit DepthToSpace(const Node& node)
      : window_(WindowOf(node)), blocks_first_(node.blocks_first) {}

  const char* algorithm() const override { return "copy"; }
  bool by_rows() const override { return true; }
  int64_t FirstInputRow(const OpPlan& plan, int64_t y) const override {
    return (FloorMod(plan.out_row, window_.stride[0]) + y) / window_.stride[0];
  }
  int64_t InputRowsEnd(const OpPlan& plan, int64_t y_end) const override {
    return FirstInputRow(plan, y_end - 1) + 1;
  }
  Resolution resolution() const override { return Resolution::kLarger; }
  double InputsPerOutput() const override { return 1 / double(window_.stride_area()); }

  Placing Place(const Region& out, const Region& /*in*/) const override {
    Placing placing = PlaceAlike(out);
    for (int axis = 0; axis < 2; ++axis)
      placing.in_at[axis] = FloorDiv(out.axis[axis].begin, window_.stride[axis]);
    return placing;
  }

  void Run(const StepRun& run) const override {
    const DepthToSpaceArgs args{.in = run.in[0],
                                .out = run.out,
                                .block_y = window_.stride[0],
                                .block_x = window_.stride[1],
                                .at_y = FloorMod(run.plan.out_row, window_.stride[0]),
                                .at_x = FloorMod(run.plan.out_column, window_.stride[1]),
                                .channels = run.op.channels,
                                .blocks_first = blocks_first_};
    ParallelSpans(run, [&](const Span& span) {
      for (int64_t b = span.block_begin; b < span.block_end; ++b)
        DepthToSpaceRows(args, b, run.plan.width, span.y_begin, span.y_end);
    });
  }

 private:
  WindowShape window_;  // its stride is the block's size
  bool blocks_first_;
};

// Pixels of a block become channels.
class SpaceToDepth final : public Step {
 public:
  explicit SpaceToDepth(const Node& node)
      : window_(WindowOf(node)), blocks_first_(node.blocks_first) {}

  const char* algorithm() const override { return "copy"; }
  bool by_rows() const override { return true; }
  int64_t FirstInputRow(const OpPlan& /*plan*/, int64_t y) const override {
    return y * window_.stride[0];
  }
  int64_t InputRowsEnd(const OpPlan& /*plan*/, int64_t y_end) const override {
    return y_end * window_.stride[0];
  }
  Resolution resolution() const override { return window_.resolution(); }
  double InputsPerOutput() const override { return double(window_.stride_area()); }

  Placing Place(const Region& out, const Region& /*in*/) const override {
    Placing placing = PlaceAlike(out);
    for (int axis = 0; axis < 2; ++axis) placing.in_at[axis] *= window_.stride[axis];
    return placing;
  }

  void Run(const StepRun& run) const override {
    const SpaceToDepthArgs args{.in = run.in[0],
                                .out = run.out,
                                .block_y = window_.stride[0],
                                .block_x = window_.stride[1],
                                .in_channels = run.op.in_channels,
                                .channels = run.op.channels,
                                .blocks_first = blocks_first_};
    ParallelSpans(run, [&](const Span& span) {
      for (int64_t b = span.block_begin; b < span.block_end; ++b)
        SpaceToDepthRows(args, b, run.plan.width, span.y_begin, span.y_end);
    });
  }

 private:
  WindowShape window_;  // its stride is the block's size
  bool blocks_first_;
};

void LowerUpsample(Lowering& lowering, int index, Taps taps) {
  const Node& node = lowering.node(index);
  lowering.EmitBlocked(index, std::make_unique<Upsample>(node, taps));
}

}  // namespace

void LowerUpsampleNearest(Lowering& lowering, int index) {
  LowerUpsample(lowering, index, Taps::kNearest);
}

void LowerDepthToSpace(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  lowering.EmitBlocked(index, std::make_unique<DepthToSpace>(node));
}

void LowerSpaceToDepth(Lowering& lowering, int index) {
  lowering.EmitBlocked(index, std::make_unique<SpaceToDepth>(lowering.node(index)));
}

void LowerUpsampleBilinear(Lowering& lowering, int index) {
  const bool aligned = lowering.node(index).align_corners;
  LowerUpsample(lowering, index, aligned ? Taps::kBilinearAlignedCorners : Taps::kBilinear);
}

}  // namespace pyengine
