#include "cpu/run_plan.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/checked_math.h"
#include "cpu/layout_ops.h"

namespace pyengine {
namespace {

using Clock = std::chrono::steady_clock;

::pyengine::Activation ToKernel(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::kNone:
      return Activation::kNone;
    case ActivationKind::kRelu:
      return Activation::kRelu;
    case ActivationKind::kLeakyRelu:
      return Activation::kLeakyRelu;
    case ActivationKind::kPRelu:
      return Activation::kPRelu;
    case ActivationKind::kElu:
      return Activation::kElu;
    case ActivationKind::kSilu:
      return Activation::kSilu;
    case ActivationKind::kGelu:
      return Activation::kGelu;
    case ActivationKind::kGeluTanh:
      return Activation::kGeluTanh;
    case ActivationKind::kSigmoid:
      return Activation::kSigmoid;
    case ActivationKind::kTanh:
      return Activation::kTanh;
    case ActivationKind::kHardSwish:
      return Activation::kHardSwish;
    case ActivationKind::kHardSigmoid:
      return Activation::kHardSigmoid;
    case ActivationKind::kClip:
      return Activation::kClip;
    case ActivationKind::kErf:
      return Activation::kErf;
  }
  return Activation::kNone;
}

Range RowPiece(const Work& work, int64_t i) {
  return EqualPart({work.y_begin, work.y_end}, i, work.row_pieces);
}

// Runs body(span) over blocks x rows in the pieces that the schedule chose.
template <class F>
void ParallelSpans(ThreadPool& pool, const Work& work, const OpPlan& plan, int64_t blocks,
                   F&& body) {
  const int64_t groups = CeilDiv(blocks, work.block_step);
  pool.ParallelFor(groups * work.row_pieces, [&](int64_t i) {
    const Range rows = RowPiece(work, i / groups);
    Span span;
    span.block_begin = i % groups * work.block_step;
    span.block_end = std::min(blocks, span.block_begin + work.block_step);
    span.y_begin = rows.begin;
    span.y_end = rows.end;
    span.x_begin = 0;
    span.x_end = plan.width;
    body(span);
  });
}

class PlanRunner {
 public:
  PlanRunner(const Graph& graph, const KernelTable& kernels, ThreadPool& pool, Context& context)
      : graph_(graph), kernels_(kernels), pool_(pool), context_(context) {}

  void Run(const float* in, float* out, double* seconds);

 private:
  void RunStep(const Op& op, const Work& work);
  WinogradSpan PieceOf(const Op& op, const Work& work, int64_t piece) const;
  void RunWinograd(const WinogradArgs& args, const Op& op, const Work& work);
  void RunSharedWinograd(const WinogradArgs& args, const Op& op, const Work& work);
  void RunPlanarConv(const ConvArgs& args, const Op& op, const Work& work);
  void FillBorderRows(int storage, const Work& work);
  void PointPlanes(const float* in, float* out);
  void RollRows(const Roll& roll);
  WinogradPool PoolOf(const OpPlan& conv) const;
  // A thread's memory; all threads' lie side by side.
  float* Scratch(int thread) const {
    const Plan& plan = *context_.plan;
    return context_.arena.data() + plan.arena_floats + thread * plan.scratch_floats;
  }

  const Graph& graph_;
  const KernelTable& kernels_;
  ThreadPool& pool_;
  Context& context_;
};

void PlanRunner::Run(const float* in, float* out, double* seconds) {
  const Plan& plan = *context_.plan;
  const Program& program = *plan.program;
  PointPlanes(in, out);
  if (seconds) std::fill_n(seconds, program.ops.size(), 0.0);
  for (const Work& work : plan.schedule) {
    const auto start = seconds ? Clock::now() : Clock::time_point();
    for (const Roll& roll : work.rolls) RollRows(roll);
    const OpPlan& op = plan.ops[work.op];
    if (op.width > 0 && op.pooled_by < 0) RunStep(program.ops[work.op], work);
    for (int s : op.borders_after) FillBorderRows(s, work);
    if (seconds) seconds[work.op] += std::chrono::duration<double>(Clock::now() - start).count();
  }
}

// Every storage begins with its first row.
void PlanRunner::PointPlanes(const float* in, float* out) {
  const Plan& plan = *context_.plan;
  const std::vector<Storage>& storages = plan.program->storages;
  for (size_t s = 0; s < storages.size(); ++s) context_.first_row[s] = plan.buffers[s].y0;
  const int last = static_cast<int>(storages.size()) - 1;
  for (size_t p = 0; p < plan.specs.size(); ++p) {
    const PlaneSpec& spec = plan.specs[p];
    float* base = context_.arena.data();
    // Kernels never write through their input planes.
    if (storages[spec.storage].external) base = spec.storage == last ? out : const_cast<float*>(in);
    context_.planes[p] = {base + spec.offset, spec.row_stride};
  }
}

void PlanRunner::RollRows(const Roll& roll) {
  const Plan& plan = *context_.plan;
  const Buffer& buffer = plan.buffers[roll.storage];
  const int64_t distance = roll.by * buffer.row_stride;
  pool_.ParallelFor(plan.program->storages[roll.storage].blocks(), [&](int64_t block) {
    float* front = context_.arena.data() + buffer.offset + block * buffer.plane_floats;
    std::memmove(front, front + distance,
                 static_cast<size_t>(roll.rows * buffer.row_stride) * sizeof(float));
  });
  context_.first_row[roll.storage] += roll.by;
  for (size_t p = 0; p < plan.specs.size(); ++p)
    if (plan.specs[p].storage == roll.storage) context_.planes[p].data -= distance;
}

// Made-up pixels beside the rows just computed, and above the first and below the last row.
void PlanRunner::FillBorderRows(int s, const Work& work) {
  const Plan& plan = *context_.plan;
  const Storage& storage = plan.program->storages[s];
  const Buffer& b = plan.buffers[s];
  const Extent& extent = plan.extents[storage.tensor];
  const OpPlan& op = plan.ops[work.op];
  const int64_t begin = work.y_begin * op.out_row_step;
  const int64_t end = work.y_end == op.height ? extent.size[0] : work.y_end * op.out_row_step;
  pool_.ParallelFor(storage.blocks(), [&](int64_t block) {
    const Plane plane{context_.arena.data() + b.offset + block * b.plane_floats -
                          context_.first_row[s] * b.row_stride - b.x0 * storage.lanes,
                      b.row_stride};
    FillBorder(plane, storage.lanes, extent.size[0], extent.size[1], storage.border,
               storage.border_mode, storage.border_value, begin, end);
  });
}

WinogradPool PlanRunner::PoolOf(const OpPlan& conv) const {
  if (conv.pools < 0) return {};
  const OpPlan& pool = context_.plan->ops[conv.pools];
  Plane* out = context_.planes.data() + pool.out_begin;
  return {out, conv.pool_at[0], conv.pool_at[1], pool.height, pool.width};
}

// All output blocks of a piece of tiles.
WinogradSpan PlanRunner::PieceOf(const Op& op, const Work& work, int64_t piece) const {
  const OpPlan& plan = context_.plan->ops[work.op];
  const int64_t first = work.y_begin / op.winograd_tile * plan.tile_columns;
  const Range tiles = work.tiles.Piece(piece);
  return {first + tiles.begin, first + tiles.end, 0, static_cast<int64_t>(plan.out_count),
          first + work.tiles.After(piece).end};
}

// Each thread takes pieces of tiles for itself.
void PlanRunner::RunWinograd(const WinogradArgs& args, const Op& op, const Work& work) {
  const int64_t pieces = work.tiles.count();
  pool_.ParallelFor(pieces * CeilDiv(args.out_blocks, work.block_step), [&](int64_t i, int thread) {
    WinogradSpan span = PieceOf(op, work, i % pieces);
    span.block_begin = i / pieces * work.block_step;
    span.block_end = std::min(args.out_blocks, span.block_begin + work.block_step);
    const int64_t tiles = span.tile_end - span.tile_begin;
    float* v = Scratch(thread);
    op.winograd->transform(args, span, 0, tiles, v);
    op.winograd->multiply(args, span, v,
                          v + op.winograd->v_floats(args.tile, tiles, args.in_channels));
  });
}

// One piece after the other: the threads transform some of its tiles each, then multiply some of
// the output blocks each. Weights, which are larger than caches, pass once for all threads.
void PlanRunner::RunSharedWinograd(const WinogradArgs& args, const Op& op, const Work& work) {
  float* v = Scratch(0);
  const int64_t most = work.tiles.most_tiles();
  float* m = v + op.winograd->v_floats(args.tile, most, args.in_channels);
  const int64_t m_floats = op.winograd->m_floats(args.tile, most, work.block_step);
  // As many tiles as transforms handle in one go, or more.
  constexpr int64_t kTransformStep = 6;
  for (int64_t piece = 0; piece < work.tiles.count(); ++piece) {
    const WinogradSpan all = PieceOf(op, work, piece);
    const Range tiles{0, all.tile_end - all.tile_begin};
    const int64_t parts =
        std::min<int64_t>(2 * pool_.threads(), CeilDiv(tiles.end, kTransformStep));
    pool_.ParallelFor(parts, [&](int64_t i) {
      const Range part = EqualPart(tiles, i, parts, kTransformStep);
      op.winograd->transform(args, all, part.begin, part.end, v);
    });
    pool_.ParallelFor(CeilDiv(args.out_blocks, work.block_step), [&](int64_t i, int thread) {
      WinogradSpan span = all;
      span.block_begin = i * work.block_step;
      span.block_end = std::min(args.out_blocks, span.block_begin + work.block_step);
      op.winograd->multiply(args, span, v, m + thread * m_floats);
    });
  }
}

// Up to 16 channels, by a kernel that writes planes, or each row as a block, in cache, that is
// taken apart.
void PlanRunner::RunPlanarConv(const ConvArgs& args, const Op& op, const Work& work) {
  const OpPlan& plan = context_.plan->ops[work.op];
  const Plane* out = context_.planes.data() + plan.out_begin;
  pool_.ParallelFor(work.row_pieces, [&](int64_t i, int thread) {
    const Range rows = RowPiece(work, i);
    if (op.planar_kernel) {
      kernels_.planar_conv(args, {0, op.channels, rows.begin, rows.end, 0, plan.width});
      return;
    }
    Plane row{Scratch(thread), 0};
    ConvArgs one = args;
    one.out = &row;
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      kernels_.conv(one, {0, 1, y, y + 1, 0, plan.width});
      CopyChannels(&row, kBlock, out, 1, op.channels, 0, plan.width, y, y + 1);
    }
  });
}

void PlanRunner::RunStep(const Op& op, const Work& work) {
  const OpPlan& plan = context_.plan->ops[work.op];
  const Plane* in = context_.planes.data() + plan.in_begin[0];
  Plane* out = context_.planes.data() + plan.out_begin;
  const auto blocks = static_cast<int64_t>(plan.out_count);
  const ActivationArgs activation{ToKernel(op.activation), op.alpha, op.beta, op.slopes};
  switch (op.step) {
    case Step::kWinograd: {
      const WinogradArgs args{in,
                              out,
                              op.winograd_tile,
                              op.packed->weights.data(),
                              op.packed->bias.data(),
                              activation,
                              op.in_channels,
                              blocks,
                              plan.tile_columns,
                              plan.height,
                              plan.width,
                              PoolOf(plan)};
      if (work.shared_pieces)
        RunSharedWinograd(args, op, work);
      else
        RunWinograd(args, op, work);
      break;
    }
    case Step::kConv: {
      const int64_t step = op.transposed ? 1 : op.stride[0];
      const ConvArgs args{in,
                          out,
                          op.packed->blocks.data(),
                          op.packed->bias.data(),
                          activation,
                          op.in_channels,
                          op.in_lanes,
                          op.in_lanes,
                          op.transposed ? kBlock * op.stride[1] : kBlock,
                          op.kernel[0],
                          op.kernel[1],
                          step,
                          op.transposed ? 1 : op.stride[1],
                          op.dilation[0],
                          op.dilation[1]};
      if (op.out_lanes == 1) {
        RunPlanarConv(args, op, work);
        break;
      }
      ParallelSpans(pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.conv(args, span); });
      break;
    }
    case Step::kDepthwise: {
      const DepthwiseArgs args{in,
                               out,
                               op.packed->weights.data(),
                               op.packed->bias.data(),
                               activation,
                               op.kernel[0],
                               op.kernel[1],
                               op.stride[0],
                               op.stride[1],
                               op.dilation[0],
                               op.dilation[1]};
      ParallelSpans(pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.depthwise(args, span); });
      break;
    }
    case Step::kPool: {
      const Node& node = graph_.nodes[op.node];
      const PoolArgs args{in,
                          out,
                          node.op == OpKind::kMaxPool,
                          node.count_include_pad,
                          op.kernel[0],
                          op.kernel[1],
                          op.stride[0],
                          op.stride[1],
                          plan.valid[0][0],
                          plan.valid[0][1],
                          plan.valid[1][0],
                          plan.valid[1][1]};
      ParallelSpans(pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.pool(args, span); });
      break;
    }
    case Step::kUpsample: {
      const UpsampleTables& t = context_.plan->tables[plan.tables];
      const UpsampleArgs args{in,
                              out,
                              t.y_index.data(),
                              t.y_next.data(),
                              t.x_index.data(),
                              t.x_next.data(),
                              t.y_weight.empty() ? nullptr : t.y_weight.data(),
                              t.x_weight.data()};
      ParallelSpans(pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.upsample(args, span); });
      break;
    }
    case Step::kBinary: {
      // A vector beside planes is one pixel that meets every pixel; one channel meets all.
      const Plane* b = context_.planes.data() + plan.in_begin[1];
      const auto vector = [&](int i) {
        return graph_.tensors[op.in_tensor[i]].vector && !graph_.tensors[op.out_tensor].vector;
      };
      const auto single = [&](int i) {
        return graph_.tensors[op.in_tensor[i]].channels == 1 && op.channels > 1;
      };
      const BinaryArgs args{in,
                            b,
                            out,
                            vector(0) ? 0 : kBlock,
                            vector(1) ? 0 : kBlock,
                            single(0),
                            single(1),
                            graph_.nodes[op.node].op == OpKind::kAdd ? Binary::kAdd : Binary::kMul,
                            activation};
      ParallelSpans(pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.binary(args, span); });
      break;
    }
    case Step::kAffine: {
      const AffineArgs args{in, out, op.affine ? op.affine->scale.data() : nullptr,
                            op.affine ? op.affine->shift.data() : nullptr, activation};
      ParallelSpans(pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.affine(args, span); });
      break;
    }
    case Step::kSoftmax: {
      const SoftmaxArgs args{in, out, op.channels};
      ParallelSpans(pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.softmax(args, span); });
      break;
    }
    case Step::kGlobalAvgPool:
      pool_.ParallelFor(
          blocks, [&](int64_t b) { GlobalAverage(in[b], out[b], plan.in_height, plan.in_width); });
      break;
    case Step::kFlatten:
      Flatten(in, out, op.in_channels, plan.in_height, plan.in_width);
      break;
    case Step::kCopy: {
      pool_.ParallelFor(work.row_pieces, [&](int64_t i) {
        const Range rows = RowPiece(work, i);
        CopyChannels(in, op.in_lanes, out, op.out_lanes, op.channels, op.channel_offset, plan.width,
                     rows.begin, rows.end);
      });
      break;
    }
  }
}

}  // namespace

void Context::Fit(std::shared_ptr<const Plan> wanted, ThreadPool& pool) {
  if (plan == wanted) return;
  plan.reset();
  const auto floats =
      static_cast<size_t>(wanted->arena_floats + pool.threads() * wanted->scratch_floats);
  if (arena.size() < floats) {
    arena = {};  // first, so that never both are there
    arena = AlignedBuffer<float>(floats);
    // Lanes past the last channel are read by element-wise kernels: they must hold numbers. The
    // pass also faults every page in, once: most of a first call's extra time, hence shared.
    constexpr size_t kPieceFloats = size_t(1) << 18;
    pool.ParallelFor(CeilDiv(int64_t(floats), int64_t(kPieceFloats)), [&](int64_t i) {
      const size_t begin = size_t(i) * kPieceFloats;
      std::fill_n(arena.data() + begin, std::min(kPieceFloats, floats - begin), 0.0f);
    });
  }
  planes.resize(wanted->specs.size());
  first_row.resize(wanted->buffers.size());
  plan = std::move(wanted);
}

void RunPlan(const Graph& graph, const KernelTable& kernels, ThreadPool& pool, Context& context,
             const float* in, float* out, double* seconds) {
  PlanRunner(graph, kernels, pool, context).Run(in, out, seconds);
}

}  // namespace pyengine
