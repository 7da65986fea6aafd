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
    run.pool.ParallelFor(RowPieces(run.work), [&](int64_t i) {
      const auto [z, rows] = RowPieceAt(run.work, i);
      const SliceRun slice = run.Slice(z);
      CopyChannels(slice.in[0], op.in_lanes, slice.out, op.out_lanes, op.channels, channel_offset_,
                   run.plan.width, rows.begin, rows.end);
    });
  }

 private:
  int64_t channel_offset_;
};

// Planes to a vector in (channel, z, y, x) order.
class FlattenStep final : public WholePlane {
 public:
  const char* algorithm() const override { return "copy"; }

  void Run(const StepRun& run) const override {
    const SliceRun slice = run.Slice(0);
    Flatten(slice.in[0], slice.out, run.op.in_channels,
            std::get<WholePlanePart>(run.plan.part).size);
  }
};

// Channels in another order.
class Select final : public RowByRow {
 public:
  explicit Select(std::vector<int64_t> channels) : channels_(std::move(channels)) {}

  const char* algorithm() const override { return "copy"; }

  void Run(const StepRun& run) const override {
    const auto count = static_cast<int64_t>(channels_.size());
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      for (int64_t b = span.block_begin; b < span.block_end; ++b)
        SelectRows(slice.in[0], slice.out[b], channels_.data() + b * kBlock,
                   std::min<int64_t>(kBlock, count - b * kBlock), run.plan.width, span.y_begin,
                   span.y_end);
    });
  }

 private:
  std::vector<int64_t> channels_;
};

// A vector at every pixel.
class Expand final : public RowByRow {
 public:
  const char* algorithm() const override { return "copy"; }

  void Run(const StepRun& run) const override {
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      for (int64_t b = span.block_begin; b < span.block_end; ++b)
        ExpandRows(slice.in[0][b], slice.out[b], run.plan.width, span.y_begin, span.y_end);
    });
  }
};

// Planes that are the same for every image.
class Constant final : public RowByRow {
 public:
  Constant(const Node& node, const float* planes) : size_(node.size), planes_(planes) {}

  const char* algorithm() const override { return "copy"; }

  void Run(const StepRun& run) const override {
    // Kernels never write through their input planes.
    auto* planes = const_cast<float*>(planes_);
    const int64_t row_stride = size_.x * kBlock;
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      for (int64_t b = span.block_begin; b < span.block_end; ++b) {
        const int64_t plane = b * size_.z + slice.z;
        const Plane from{.data = planes + plane * size_.y * row_stride, .row_stride = row_stride};
        CopyChannels(&from, kBlock, &slice.out[b], kBlock, kBlock, 0, size_.x, span.y_begin,
                     span.y_end);
      }
    });
  }

 private:
  Axes size_;
  const float* planes_;
};

// Whether channels [begin, end) of the result are the lanes of one block, in order.
bool IsBlock(const std::vector<int64_t>& channels, size_t begin, size_t end) {
  bool same = channels[begin] % kBlock == 0;
  for (size_t i = begin; i < end; ++i)
    same = same && channels[i] == channels[begin] + static_cast<int64_t>(i - begin);
  return same;
}

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

// Free where whole blocks are taken.
void LowerSelect(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  const Value in = lowering.Blocked(node.inputs[0]);
  Value taken = in;
  taken.refs.clear();
  taken.producers.clear();
  for (size_t begin = 0; begin < node.channels.size(); begin += kBlock) {
    const size_t end = std::min(node.channels.size(), begin + kBlock);
    if (!IsBlock(node.channels, begin, end))
      return lowering.EmitBlocked(index, std::make_unique<Select>(node.channels));
    taken.refs.push_back(in.refs[static_cast<size_t>(node.channels[begin] / kBlock)]);
  }
  lowering.value(node.output) = std::move(taken);
}

void LowerExpand(Lowering& lowering, int index) {
  Op op = lowering.NewOp(index, std::make_unique<Expand>());
  op.in[0] = lowering.Blocked(lowering.node(index).inputs[0]).refs;
  op.still[0] = true;
  lowering.Emit(std::move(op));
}

// Its input tells nothing but the size, which is that of its output.
void LowerConstant(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  Op op = lowering.NewOp(index, std::make_unique<Constant>(node, lowering.weights().Planes(index)));
  op.in_tensor[0] = node.output;
  lowering.Emit(std::move(op));
}

void LowerCrop(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  lowering.value(node.output) =
      Lowering::Shifted(lowering.Blocked(node.inputs[0]), node.amounts.before);
}

void LowerPad(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  const int in = node.inputs[0];
  lowering.value(node.output) =
      lowering.Padded(in, lowering.Blocked(in), node.amounts, node.border, node.border_value);
}

}  // namespace pyengine
