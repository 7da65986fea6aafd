// Norms. Those over a whole plane are three operations: moments of each row, which can follow the
// operation before band by band; their joining, which waits for the last row; and a factor and a
// summand per channel, which can again be interleaved with what follows.
#include <cmath>
#include <cstring>

#include "cpu/lowering.h"
#include "cpu/steps/step_run.h"

namespace pyengine {
namespace {

constexpr int64_t kMomentsPixels = 4;  // 16 doubles twice, as pixels of 16 floats

class RowMomentsStep final : public RowByRow {
 public:
  const char* algorithm() const override { return "moments"; }

  void Run(const StepRun& run) const override {
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      run.kernels.row_moments({.in = slice.in[0], .out = slice.out}, span);
    });
  }
};

// Mean and sum of squared distances from it.
struct Moments {
  double mean = 0, squares = 0;
};

// Of `count` parts of `size` numbers each; `part(i)` gives the moments of one.
template <class F>
Moments Join(int64_t count, double size, F&& part) {
  Moments all;
  for (int64_t i = 0; i < count; ++i) all.mean += part(i).mean;
  all.mean /= double(count);
  for (int64_t i = 0; i < count; ++i) {
    const Moments one = part(i);
    all.squares += one.squares + size * (one.mean - all.mean) * (one.mean - all.mean);
  }
  return all;
}

// From the moments of all rows to a factor (first half of the pixels) and a summand (second half)
// for each channel, those of one block in each pixel.
class JoinMoments final : public WholePlane {
 public:
  JoinMoments(const Node& node, const PackedAffine* affine)
      : groups_(node.groups), epsilon_(node.epsilon), affine_(affine) {}

  const char* algorithm() const override { return "moments"; }

  Placing Place(const Region& out, const Region& in) const override {
    Placing placing = WholePlane::Place(out, in);
    placing.out_at = {};
    placing.size = kOnes;
    return placing;
  }

  void Run(const StepRun& run) const override {
    const Axes& size = std::get<WholePlanePart>(run.plan.part).size;
    const SliceRun slice = run.Slice(0);
    const int64_t per_group = run.op.in_channels / groups_;
    const auto pixels = double(Product(size));
    run.pool.ParallelFor(groups_, [&](int64_t group) {
      const int64_t first = group * per_group;
      const auto of_channel = [&](int64_t c) {
        return Join(size.z * size.y, double(size.x),
                    [&](int64_t row) { return OfRow(slice.in[0], first + c, size, row); });
      };
      // Of each channel twice: few numbers beside the planes', and no memory.
      const Moments all = per_group == 1 ? of_channel(0) : Join(per_group, pixels, of_channel);
      const double variance = all.squares / (pixels * double(per_group));
      const double factor = 1 / std::sqrt(std::max(0.0, variance) + epsilon_);
      for (int64_t c = first; c < first + per_group; ++c) Write(run, slice, c, all.mean, factor);
    });
  }

 private:
  // Rows are counted through all slices.
  static Moments OfRow(const Plane* tables, int64_t channel, const Axes& size, int64_t row) {
    const Plane& plane = tables[channel / kBlock * size.z + row / size.y];
    const float* mean = plane.data + row % size.y * plane.row_stride + channel % kBlock * 2;
    Moments moments;
    std::memcpy(&moments.mean, mean, sizeof(double));
    std::memcpy(&moments.squares, mean + 2 * kBlock, sizeof(double));
    return moments;
  }

  void Write(const StepRun& run, const SliceRun& slice, int64_t channel, double mean,
             double factor) const {
    const auto index = static_cast<size_t>(channel);
    const bool scaled = affine_ && affine_->scale.size(),
               shifted = affine_ && affine_->shift.size();
    const double scale = factor * (scaled ? double(affine_->scale[index]) : 1);
    const double shift = (shifted ? double(affine_->shift[index]) : 0) - mean * scale;
    const int64_t blocks = CeilDiv(run.op.in_channels, kBlock);
    slice.out[0].data[channel] = static_cast<float>(scale);
    slice.out[0].data[blocks * kBlock + channel] = static_cast<float>(shift);
  }

  int64_t groups_;
  double epsilon_;
  const PackedAffine* affine_;
};

// x * factor + summand, as JoinMoments wrote them.
class Normalise final : public WithActivation<RowByRow> {
 public:
  const char* algorithm() const override { return "element-wise"; }

  void Run(const StepRun& run) const override {
    const float* factors = run.Slice(0).in[1][0].data;
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      run.kernels.affine({.in = slice.in[0],
                          .out = slice.out,
                          .scale = factors,
                          .shift = factors + run.out_blocks() * kBlock,
                          .activation = activation()},
                         span);
    });
  }
};

class LayerNormStep final : public WithActivation<RowByRow> {
 public:
  LayerNormStep(const Node& node, const PackedAffine* affine)
      : epsilon_(node.epsilon), subtract_mean_(node.subtract_mean), affine_(affine) {}

  const char* algorithm() const override { return "element-wise"; }

  void Share(const Op& op, const OpPlan& /*plan*/, int threads, Work& work) const override {
    work.block_step = static_cast<int64_t>(op.out.size());
    SetRowPieces(WantedPieces(threads), work);
  }

  void Run(const StepRun& run) const override {
    const LayerNormArgs args{
        .in = nullptr,
        .out = nullptr,
        .scale = affine_ && affine_->scale.size() ? affine_->scale.data() : nullptr,
        .shift = affine_ && affine_->shift.size() ? affine_->shift.data() : nullptr,
        .channels = run.op.channels,
        .epsilon = epsilon_,
        .subtract_mean = subtract_mean_,
        .activation = activation()};
    ParallelSpans(run, [&](const SliceRun& slice, const Span& span) {
      LayerNormArgs of_slice = args;
      of_slice.in = slice.in[0], of_slice.out = slice.out;
      run.kernels.layer_norm(of_slice, span);
    });
  }

 private:
  double epsilon_;
  bool subtract_mean_;
  const PackedAffine* affine_;
};

const PackedAffine* AffineOf(Lowering& lowering, int index) {
  const Node& node = lowering.node(index);
  return node.weight.empty() && node.bias.empty() ? nullptr : lowering.weights().Affine(index);
}

}  // namespace

void LowerGroupNorm(Lowering& lowering, int index) {
  const int in = lowering.node(index).inputs[0];
  const std::vector<BlockRef> planes = lowering.Blocked(in).refs;
  const Value rows = lowering.Whole(lowering.AddTable(in, kMomentsPixels));
  const auto blocks = static_cast<int64_t>(planes.size());
  const Value factors = lowering.Whole(lowering.AddTable(in, 2 * blocks, 1, 1));

  Op moments = lowering.NewOp(index, std::make_unique<RowMomentsStep>());
  moments.out_tensor = in;
  moments.in[0] = planes;
  moments.out = rows.refs;
  lowering.Append(std::move(moments));

  const PackedAffine* affine = AffineOf(lowering, index);
  Op join = lowering.NewOp(index, std::make_unique<JoinMoments>(lowering.node(index), affine));
  join.out_tensor = in;
  join.in[0] = rows.refs;
  join.out = factors.refs;
  lowering.Append(std::move(join));

  Op normalise = lowering.NewOp(index, std::make_unique<Normalise>());
  normalise.in[0] = planes;
  normalise.in[1] = factors.refs;
  normalise.still[1] = true;
  lowering.Emit(std::move(normalise));
}

void LowerLayerNorm(Lowering& lowering, int index) {
  const PackedAffine* affine = AffineOf(lowering, index);
  lowering.EmitBlocked(index, std::make_unique<LayerNormStep>(lowering.node(index), affine));
}

}  // namespace pyengine
