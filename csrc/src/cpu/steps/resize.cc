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
  // Slices are mixed where they are more than before.
  int64_t slice_taps() const override {
    return taps_ != Taps::kNearest && window_.stride.z > 1 ? 2 : 1;
  }
  double InputsPerOutput() const override { return 1 / double(window_.stride_pixels()); }

  Placing Place(const Region& out, const Region& in) const override {
    Placing placing = PlaceAlike(out);
    for (Axis axis : kAxes) placing.in_at[axis] = in.axis[axis].begin;
    ResizePart part;
    FillTable(Axis::kY, out.axis.y, in.axis.y, part.y_index, part.y_next, part.y_weight);
    FillTable(Axis::kX, out.axis.x, in.axis.x, part.x_index, part.x_next, part.x_weight);
    std::vector<int64_t> first, next;
    FillTable(Axis::kZ, out.axis.z, in.axis.z, first, next, part.z_weight);
    placing.slices = {.count = slice_taps(), .index = {}};
    for (size_t z = 0; z < first.size(); ++z) {
      placing.slices.index.push_back(in.axis.z.begin + first[z]);
      if (placing.slices.count == 2) placing.slices.index.push_back(in.axis.z.begin + next[z]);
    }
    placing.part = std::move(part);
    return placing;
  }

  void Run(const StepRun& run) const override {
    const auto& t = std::get<ResizePart>(run.plan.part);
    const auto args = [&](const SliceRun& slice) {
      return UpsampleArgs{.in = slice.in[0],
                          .out = slice.out,
                          .z_taps = run.plan.slices.count,
                          .z_weight = slice_taps() == 2 ? t.z_weight[slice.z] : 0.0f,
                          .y_index = t.y_index.data(),
                          .y_next = t.y_next.data(),
                          .x_index = t.x_index.data(),
                          .x_next = t.x_next.data(),
                          .y_weight = t.y_weight.empty() ? nullptr : t.y_weight.data(),
                          .x_weight = t.x_weight.data()};
    };
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      run.kernels.upsample(args(slice), span);
    });
  }

 private:
  void FillTable(Axis axis, const Range& out, const Range& in, std::vector<int64_t>& index,
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
  std::pair<int64_t, float> FirstTap(Axis axis, int64_t i, int64_t out_size,
                                     int64_t in_size) const {
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
    return (FloorMod(plan.out_at.y, window_.stride.y) + y) / window_.stride.y;
  }
  int64_t InputRowsEnd(const OpPlan& plan, int64_t y_end) const override {
    return FirstInputRow(plan, y_end - 1) + 1;
  }
  Resolution resolution() const override { return Resolution::kLarger; }
  double InputsPerOutput() const override { return 1 / double(window_.stride_pixels()); }

  Placing Place(const Region& out, const Region& /*in*/) const override {
    Placing placing = PlaceAlike(out);
    for (Axis axis : kAxes)
      placing.in_at[axis] = FloorDiv(out.axis[axis].begin, window_.stride[axis]);
    return placing;
  }

  void Run(const StepRun& run) const override {
    const auto args = [&](const SliceRun& slice) {
      return DepthToSpaceArgs{.in = slice.in[0],
                              .out = slice.out,
                              .block_y = window_.stride.y,
                              .block_x = window_.stride.x,
                              .at_y = FloorMod(run.plan.out_at.y, window_.stride.y),
                              .at_x = FloorMod(run.plan.out_at.x, window_.stride.x),
                              .channels = run.op.channels,
                              .blocks_first = blocks_first_};
    };
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      for (int64_t b = span.block_begin; b < span.block_end; ++b)
        DepthToSpaceRows(args(slice), b, run.plan.width, span.y_begin, span.y_end);
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
    return y * window_.stride.y;
  }
  int64_t InputRowsEnd(const OpPlan& /*plan*/, int64_t y_end) const override {
    return y_end * window_.stride.y;
  }
  Resolution resolution() const override { return window_.resolution(); }
  double InputsPerOutput() const override { return double(window_.stride_pixels()); }

  Placing Place(const Region& out, const Region& /*in*/) const override {
    Placing placing = PlaceAlike(out);
    for (Axis axis : kAxes) placing.in_at[axis] *= window_.stride[axis];
    return placing;
  }

  void Run(const StepRun& run) const override {
    const auto args = [&](const SliceRun& slice) {
      return SpaceToDepthArgs{.in = slice.in[0],
                              .out = slice.out,
                              .block_y = window_.stride.y,
                              .block_x = window_.stride.x,
                              .in_channels = run.op.in_channels,
                              .channels = run.op.channels,
                              .blocks_first = blocks_first_};
    };
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      for (int64_t b = span.block_begin; b < span.block_end; ++b)
        SpaceToDepthRows(args(slice), b, run.plan.width, span.y_begin, span.y_end);
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
  RequireSliceBySlice(node);
  lowering.EmitBlocked(index, std::make_unique<DepthToSpace>(node));
}

void LowerSpaceToDepth(Lowering& lowering, int index) {
  RequireSliceBySlice(lowering.node(index));
  lowering.EmitBlocked(index, std::make_unique<SpaceToDepth>(lowering.node(index)));
}

void LowerUpsampleBilinear(Lowering& lowering, int index) {
  const bool aligned = lowering.node(index).align_corners;
  LowerUpsample(lowering, index, aligned ? Taps::kBilinearAlignedCorners : Taps::kBilinear);
}

}  // namespace pyengine
