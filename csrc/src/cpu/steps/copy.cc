#include "cpu/steps/copy.h"

#include "cpu/layout_ops.h"
#include "cpu/lowering.h"
#include "cpu/steps/step_run.h"

namespace pyengine {
namespace {

class Copy final : public RowByRow {
 public:
  explicit Copy(int64_t channel_offset) : channel_offset_(channel_offset) {}

  const char* algorithm() const override { return "copy"; }

  void Share(const Op& op, const OpPlan& /*plan*/, int threads, Work& work) const override {
    work.block_step = static_cast<int64_t>(op.out.size());
    SetRowPieces(WantedPieces(threads), work);
  }

  void Run(const StepRun& run) const override {
    const Op& op = run.op;
    run.pool.ParallelFor(run.work.row_pieces, [&](int64_t i) {
      const Range rows = RowPiece(run.work, i);
      CopyChannels(run.in[0], op.in_lanes, run.out, op.out_lanes, op.channels, channel_offset_,
                   run.plan.width, rows.begin, rows.end);
    });
  }

 private:
  int64_t channel_offset_;
};

// Planes to a vector in (channel, y, x) order.
class FlattenStep final : public WholePlane {
 public:
  const char* algorithm() const override { return "copy"; }

  void Run(const StepRun& run) const override {
    const auto& plane = std::get<WholePlanePart>(run.plan.part);
    Flatten(run.in[0], run.out, run.op.in_channels, plane.height, plane.width);
  }
};

}  // namespace

std::unique_ptr<Step> MakeCopy(int64_t channel_offset) {
  return std::make_unique<Copy>(channel_offset);
}

void LowerFlatten(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  const int in = node.inputs[0];
  if (node.out_channels == lowering.tensor(in).channels) {
    lowering.value(node.output) = lowering.Blocked(in);
    lowering.value(node.output).producers.clear();
    return;
  }
  lowering.EmitBlocked(index, std::make_unique<FlattenStep>());
}

// Free where every part but the last fills its blocks; else each part is copied into place.
void LowerConcat(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  bool aligned = true;
  for (size_t i = 0; i + 1 < node.inputs.size(); ++i)
    aligned = aligned && lowering.tensor(node.inputs[i]).channels % kBlock == 0;
  if (aligned) {
    Value joined;
    for (int t : node.inputs) {
      const Value part = lowering.Blocked(t);
      joined.refs.insert(joined.refs.end(), part.refs.begin(), part.refs.end());
      joined.whole = joined.whole && part.whole;
    }
    lowering.value(node.output) = std::move(joined);
    return;
  }
  const Value out = lowering.Whole(lowering.AddStorage(node.output, kBlock));
  int64_t offset = 0;
  for (int t : node.inputs) {
    lowering.EmitCopy(lowering.value(t), t, node.output, out, offset);
    offset += lowering.tensor(t).channels;
  }
  lowering.value(node.output) = out;
}

void LowerCrop(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  lowering.value(node.output) =
      Lowering::Shifted(lowering.Blocked(node.inputs[0]), node.amounts.top, node.amounts.left);
}

void LowerPad(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  const int in = node.inputs[0];
  lowering.value(node.output) =
      lowering.Padded(in, lowering.Blocked(in), node.amounts, node.border, node.border_value);
}

}  // namespace pyengine
