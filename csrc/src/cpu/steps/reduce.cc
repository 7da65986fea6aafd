// Many numbers become one: over all pixels of a channel, or over the channels of a pixel.
#include "cpu/lowering.h"
#include "cpu/reduce_ops.h"
#include "cpu/steps/step_run.h"

namespace pyengine {
namespace {

class PlaneReduction final : public WholePlane {
 public:
  explicit PlaneReduction(ReduceKind kind) : kind_(kind) {}

  const char* algorithm() const override { return "reduce"; }

  void Run(const StepRun& run) const override {
    const Axes size = std::get<WholePlanePart>(run.plan.part).size;
    const SliceRun slice = run.Slice(0);
    run.pool.ParallelFor(run.out_blocks(), [&](int64_t b) {
      ReducePixels(kind_, slice.in[0] + b * size.z, slice.out[b], size);
    });
  }

 private:
  ReduceKind kind_;
};

class ChannelReduction final : public RowByRow {
 public:
  explicit ChannelReduction(ReduceKind kind) : kind_(kind) {}

  const char* algorithm() const override { return "reduce"; }

  void Run(const StepRun& run) const override {
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      ReduceChannels(kind_, slice.in[0], slice.out[0], run.op.in_channels, run.plan.width,
                     span.y_begin, span.y_end);
    });
  }

 private:
  ReduceKind kind_;
};

class ArgMax final : public RowByRow {
 public:
  const char* algorithm() const override { return "reduce"; }

  void Run(const StepRun& run) const override {
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      ArgMaxRows(slice.in[0], slice.out[0], run.op.in_channels, run.plan.width, span.y_begin,
                 span.y_end);
    });
  }
};

}  // namespace

void LowerReduce(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  if (node.over_channels)
    lowering.EmitBlocked(index, std::make_unique<ChannelReduction>(node.reduce));
  else
    lowering.EmitBlocked(index, std::make_unique<PlaneReduction>(node.reduce));
}

void LowerArgMax(Lowering& lowering, int index) {
  lowering.EmitBlocked(index, std::make_unique<ArgMax>());
}

}  // namespace pyengine
