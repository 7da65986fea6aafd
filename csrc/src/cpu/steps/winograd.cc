#include "cpu/steps/winograd.h"

#include "cpu/conv_table.h"
#include "cpu/steps/step_run.h"

namespace pyengine {
namespace {

class WinogradConv final : public WithActivation<Step> {
 public:
  WinogradConv(const Node& node, int64_t patch_px, const PackedConv* packed,
               const WinogradKernels& kernels)
      : window_(WindowOf(node)), patch_px_(patch_px), packed_(packed), kernels_(kernels) {}

  const char* algorithm() const override { return "winograd"; }
  bool by_rows() const override { return true; }
  int64_t FirstInputRow(const OpPlan& /*plan*/, int64_t y) const override { return y; }
  int64_t InputRowsEnd(const OpPlan& plan, int64_t y_end) const override {
    return std::min(RoundUp(y_end, patch_px_), plan.height) + 2;
  }
  Resolution resolution() const override { return Resolution::kSame; }
  int64_t patch_px() const override { return patch_px_; }
  int64_t slice_taps() const override { return window_.kernel.z; }
  bool can_take_maxima() const override { return true; }

  Placing Place(const Region& out, const Region& /*in*/) const override {
    Placing placing = PlaceAlike(out);
    placing.slices = SlicesUnder(window_, placing.in_at.z, placing.size.z);
    placing.slices.outermost = true;
    placing.part = WinogradPart{.patch_rows = CeilDiv(placing.size.y, patch_px_),
                                .patch_columns = CeilDiv(placing.size.x, patch_px_)};
    return placing;
  }

  // Weights pass once per piece of patches, patches are transformed once per piece of blocks: about
  // as many patches as the cache for transformed inputs allows, and where that leaves too few
  // pieces for the threads (deep, small planes), pieces of blocks as well. Shared pieces are
  // transformed once: their blocks are dealt out in the smallest parts.
  void Share(const Op& op, const OpPlan& plan, int threads, Work& work) const override {
    const int64_t patches =
        CeilDiv(work.y_end - work.y_begin, patch_px_) * Part(plan).patch_columns * work.slices();
    const WinogradPiece piece =
        WinogradPieces(op.in_channels * slice_taps(), op.channels, kernels_, threads);
    work.shared_pieces = piece.shared;
    work.patches = PatchPieces(patches, piece.patches, piece.shared ? 1 : threads);
    if (piece.shared) {
      work.block_step = kernels_.slice_blocks;
      return;
    }
    const int64_t pairs = CeilDiv(static_cast<int64_t>(op.out.size()), 2);
    const int64_t parts = WantedPieces(threads) / 2 / work.patches.count();
    work.block_step = CeilDiv(pairs, std::clamp<int64_t>(parts, 1, pairs)) * 2;
  }

  // Some times the layer's weights, which are in memory: the kernels need not check.
  int64_t ScratchFloats(const Op& op, const OpPlan& /*plan*/, const Work& work,
                        int threads) const override {
    const int64_t most = work.patches.most();
    const int64_t v = slice_taps() * kernels_.v_floats(patch_px_, most, op.in_channels);
    const int64_t m = kernels_.m_floats(patch_px_, most, work.block_step);
    return m + (work.shared_pieces ? RoundUp(CeilDiv(v, threads), kBlock) : v);
  }

  void Run(const StepRun& run) const override {
    const SliceRun first = run.Slice(0);
    const WinogradArgs args{.in = first.in[0],
                            .out = first.out,
                            .patch = patch_px_,
                            .weights = packed_->weights.data(),
                            .bias = packed_->bias.data(),
                            .activation = activation(),
                            .in_channels = run.op.in_channels,
                            .out_blocks = run.out_blocks(),
                            .in_slices = slice_taps(),
                            .patch_rows = Part(run.plan).patch_rows,
                            .patch_columns = Part(run.plan).patch_columns,
                            .height = run.plan.height,
                            .width = run.plan.width,
                            .pool = FusedMaxima(run)};
    if (run.work.shared_pieces)
      RunShared(run, args);
    else
      RunApart(run, args);
  }

  double MultiplyAdds(const Op& op) const override {
    return double(op.in_channels) * double(op.channels) * double(window_.taps());
  }

  double Cost(double flops, double bytes) const override {
    // Fitted to profiles, as in Step::Cost; bytes are transformed on their way.
    constexpr double kVectors = 1.1, kMatrixUnit = 0.5, kPerByte = 18;
    const auto outputs = double(patch_px_ * patch_px_);
    const double products = double(PYENGINE_WINOGRAD_POINTS(patch_px_)) / (9 * outputs);
    const double product = kernels_.matrix_unit ? kMatrixUnit : kVectors;
    return product * products * flops + kPerByte * bytes;
  }

 private:
  static const WinogradPart& Part(const OpPlan& plan) { return std::get<WinogradPart>(plan.part); }

  static WinogradPool FusedMaxima(const StepRun& run) {
    const WinogradPart& part = Part(run.plan);
    if (part.pools < 0) return {};
    const OpPlan& pool = run.all.ops[part.pools];
    return {.out = run.planes + pool.out_begin,
            .y = part.pool_at.y,
            .x = part.pool_at.x,
            .height = pool.height,
            .width = pool.width};
  }

  // All output blocks of a piece of patches.
  WinogradSpan Piece(const StepRun& run, int64_t piece) const {
    const WinogradPart& part = Part(run.plan);
    const int64_t row = run.work.z_begin * part.patch_rows + run.work.y_begin / patch_px_;
    const int64_t first = row * part.patch_columns;
    const Range patches = run.work.patches.Piece(piece);
    return {.patch_begin = first + patches.begin,
            .patch_end = first + patches.end,
            .block_begin = 0,
            .block_end = run.out_blocks(),
            .next_end = first + run.work.patches.After(piece).end};
  }

  int64_t VFloats(int64_t patches, const WinogradArgs& args) const {
    return slice_taps() * kernels_.v_floats(patch_px_, patches, args.in_channels);
  }

  // Each thread takes pieces of patches for itself.
  void RunApart(const StepRun& run, const WinogradArgs& args) const {
    const int64_t pieces = run.work.patches.count(), step = run.work.block_step;
    run.pool.ParallelFor(pieces * CeilDiv(args.out_blocks, step), [&](int64_t i, int thread) {
      WinogradSpan span = Piece(run, i % pieces);
      span.block_begin = i / pieces * step;
      span.block_end = std::min(args.out_blocks, span.block_begin + step);
      const int64_t patches = span.patch_end - span.patch_begin;
      float* v = run.Scratch(thread);
      kernels_.transform(args, span, 0, patches, v);
      kernels_.multiply(args, span, v, v + VFloats(patches, args));
    });
  }

  // One piece after the other: the threads transform some of its patches each, then multiply some
  // of the output blocks each. Weights, which are larger than caches, pass once for all threads.
  void RunShared(const StepRun& run, const WinogradArgs& args) const {
    float* v = run.Scratch(0);
    const int64_t most = run.work.patches.most(), step = run.work.block_step;
    float* m = v + VFloats(most, args);
    const int64_t m_floats = kernels_.m_floats(patch_px_, most, step);
    // As many patches as transforms handle in one go, or more.
    constexpr int64_t kTransformStep = 6;
    for (int64_t piece = 0; piece < run.work.patches.count(); ++piece) {
      const WinogradSpan all = Piece(run, piece);
      const Range patches{.begin = 0, .end = all.patch_end - all.patch_begin};
      const int64_t parts =
          std::min<int64_t>(2 * run.pool.threads(), CeilDiv(patches.end, kTransformStep));
      run.pool.ParallelFor(parts, [&](int64_t i) {
        const Range part = EqualPart(patches, i, parts, kTransformStep);
        kernels_.transform(args, all, part.begin, part.end, v);
      });
      run.pool.ParallelFor(CeilDiv(args.out_blocks, step), [&](int64_t i, int thread) {
        WinogradSpan span = all;
        span.block_begin = i * step;
        span.block_end = std::min(args.out_blocks, span.block_begin + step);
        kernels_.multiply(args, span, v, m + thread * m_floats);
      });
    }
  }

  WindowShape window_;
  int64_t patch_px_;
  const PackedConv* packed_;
  const WinogradKernels& kernels_;
};

}  // namespace

std::unique_ptr<Step> MakeWinograd(const Node& node, int64_t patch_px, const PackedConv* packed,
                                   const WinogradKernels& kernels) {
  return std::make_unique<WinogradConv>(node, patch_px, packed, kernels);
}

}  // namespace pyengine
