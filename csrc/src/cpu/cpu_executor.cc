#include "cpu/cpu_executor.h"

#include <algorithm>
#include <cstring>

#include "core/aligned_buffer.h"
#include "core/checked_math.h"
#include "cpu/layout_ops.h"

namespace pyengine {
namespace {

// Sizes whose arenas are kept: a tiled image has at most one, a batch of mixed images a few.
constexpr size_t kIdleContexts = 4;

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

std::vector<Region> WholeRegions(const std::vector<Extent>& extents) {
  std::vector<Region> regions(extents.size());
  for (size_t t = 0; t < extents.size(); ++t)
    for (int axis = 0; axis < 2; ++axis) regions[t].axis[axis] = {0, extents[t].size[axis]};
  return regions;
}

// Runs body(span) over blocks x rows in the pieces that the plan chose.
template <class F>
void ParallelSpans(ThreadPool& pool, const OpPlan& plan, int64_t blocks, F&& body) {
  const int64_t groups = CeilDiv(blocks, plan.block_step);
  const int64_t bands = CeilDiv(plan.height, plan.row_step);
  pool.ParallelFor(groups * bands, [&](int64_t i) {
    Span span;
    span.block_begin = i % groups * plan.block_step;
    span.block_end = std::min(blocks, span.block_begin + plan.block_step);
    span.y_begin = i / groups * plan.row_step;
    span.y_end = std::min(plan.height, span.y_begin + plan.row_step);
    span.x_begin = 0;
    span.x_end = plan.width;
    body(span);
  });
}

}  // namespace

struct CpuExecutor::Context {
  Key key;
  Plan plan;
  AlignedBuffer<float> arena;
  std::vector<Plane> planes;  // one per plan.specs; those of the caller's memory set at each call

  Context(Key k, Plan p, int threads)
      : key(std::move(k)),
        plan(std::move(p)),
        arena(static_cast<size_t>(plan.arena_floats + threads * plan.scratch_floats)),
        planes(plan.specs.size()) {
    // Lanes past the last channel are read by element-wise kernels: they must hold numbers. The
    // pass also faults every page in, once.
    std::fill_n(arena.data(), arena.size(), 0.0f);
    for (size_t i = 0; i < planes.size(); ++i)
      if (!plan.program->storages[plan.specs[i].storage].external)
        planes[i] = {arena.data() + plan.specs[i].offset, plan.specs[i].row_stride};
  }
};

CpuExecutor::CpuExecutor(const Graph& graph, const NetworkGeometry& geometry,
                         const WeightMap& weights, const KernelTable& kernels,
                         std::shared_ptr<ThreadPool> pool)
    : Executor(geometry),
      graph_(graph),
      kernels_(kernels),
      pool_(std::move(pool)),
      packed_(graph, weights, *pool_),
      whole_program_(Lower(graph, true, kernels, packed_)),
      grid_(graph.tensors.size(), 1),
      tile_grid_(geometry.alignment) {
  if (!geometry.tileable) return;
  tile_program_ = Lower(graph, false, kernels, packed_);
  for (const Op& op : tile_program_.ops) {
    if (op.step != Step::kWinograd) continue;
    // Strides divide the alignment: tiles then begin on whole blocks at every resolution.
    tile_grid_ = geometry.alignment * kWinogradTile;
    // The output may have been renamed by a fused activation.
    for (int tensor : {graph.nodes[op.node].output, op.out_tensor}) grid_[tensor] = kWinogradTile;
  }
}

CpuExecutor::~CpuExecutor() = default;

std::vector<Region> CpuExecutor::TileRegions(TileSize tile) const {
  return NeededRegions(graph_, {{{0, tile.height}, {0, tile.width}}}, grid_);
}

CpuExecutor::Loan CpuExecutor::Borrow(const Key& key) {
  Loan loan;
  {
    std::scoped_lock lock(mutex_);
    for (auto it = idle_.begin(); it != idle_.end(); ++it)
      if ((*it)->key == key) {
        loan.splice(loan.begin(), idle_, it);
        return loan;
      }
  }
  const TileSize size{key.second.first, key.second.second};
  if (key.first == &tile_program_) {
    Plan plan = MakePlan(graph_, tile_program_, TileRegions(size), pool_->threads());
    loan.push_back(std::make_unique<Context>(key, std::move(plan), pool_->threads()));
    return loan;
  }
  const std::vector<Extent> extents = Extents(graph_, size.height, size.width);
  Plan plan = MakePlan(graph_, whole_program_, WholeRegions(extents), pool_->threads());
  plan.extents = extents;
  loan.push_back(std::make_unique<Context>(key, std::move(plan), pool_->threads()));
  return loan;
}

void CpuExecutor::Return(Loan loan) {
  Loan evicted;  // freed after the lock is
  std::scoped_lock lock(mutex_);
  idle_.splice(idle_.begin(), loan);
  if (idle_.size() > kIdleContexts) evicted.splice(evicted.begin(), idle_, std::prev(idle_.end()));
}

Window CpuExecutor::WindowFor(TileSize tile) const {
  const Region in = TileRegions(tile)[0];
  Window window;
  window.height = in.axis[0].size();
  window.width = in.axis[1].size();
  window.top = geometry().margin - in.axis[0].begin;
  window.left = geometry().margin - in.axis[1].begin;
  return window;
}

void CpuExecutor::RunTile(const float* windows, float* logits, int64_t n, TileSize tile) {
  Loan loan = Borrow({&tile_program_, {tile.height, tile.width}});
  const Buffer& in = loan.front()->plan.buffers.front();
  const int64_t in_floats = in.plane_floats * geometry().channels;
  const int64_t out_floats = tile.height * tile.width * geometry().classes;
  for (int64_t i = 0; i < n; ++i)
    Execute(*loan.front(), windows + i * in_floats, logits + i * out_floats);
  Return(std::move(loan));
}

void CpuExecutor::Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) {
  Loan loan = Borrow({&whole_program_, {h, w}});
  const Extent& size = loan.front()->plan.extents[graph_.output];
  const int64_t in_floats = geometry().channels * h * w;
  const int64_t out_floats = graph_.tensors[graph_.output].channels * size.size[0] * size.size[1];
  for (int64_t i = 0; i < n; ++i) Execute(*loan.front(), in + i * in_floats, out + i * out_floats);
  Return(std::move(loan));
}

int64_t CpuExecutor::TileMemoryBytes(TileSize tile) const {
  const std::vector<Region> regions = TileRegions(tile);
  const Plan plan = MakePlan(graph_, tile_program_, regions, pool_->threads());
  const int64_t window = regions[0].axis[0].size() * regions[0].axis[1].size();
  const int64_t floats = plan.arena_floats + pool_->threads() * plan.scratch_floats +
                         window * geometry().channels +
                         tile.height * tile.width * geometry().classes;
  return floats * static_cast<int64_t>(sizeof(float));
}

int64_t CpuExecutor::RunMemoryBytes(int64_t h, int64_t w) const {
  const Plan plan =
      MakePlan(graph_, whole_program_, WholeRegions(Extents(graph_, h, w)), pool_->threads());
  return (plan.arena_floats + pool_->threads() * plan.scratch_floats) *
         static_cast<int64_t>(sizeof(float));
}

double CpuExecutor::TileCost(TileSize tile) const {
  const std::vector<Region> regions = TileRegions(tile);
  double flops = 0;
  for (const Node& node : graph_.nodes) {
    const Region& r = regions[node.output];
    if (r.axis[0].empty() || r.axis[1].empty()) continue;
    const double pixels = double(r.axis[0].size()) * double(r.axis[1].size());
    flops += NodeFlops(node, pixels);
    // Moving a value costs about as much as this many operations, in memory-bound layers too.
    constexpr double kFlopsPerValue = 8;
    flops += kFlopsPerValue * pixels * double(graph_.tensors[node.output].channels);
  }
  return flops;
}

void CpuExecutor::Execute(Context& context, const float* in, float* out) {
  const Plan& plan = context.plan;
  const Program& program = *plan.program;
  const int last = static_cast<int>(program.storages.size()) - 1;
  for (size_t i = 0; i < program.ops.size(); ++i) {
    const OpPlan& op = plan.ops[i];
    if (op.touches_caller) {
      const auto resolve = [&](size_t begin, size_t count) {
        for (size_t p = begin; p < begin + count; ++p) {
          const PlaneSpec& spec = plan.specs[p];
          if (!program.storages[spec.storage].external) continue;
          // Kernels never write through their input planes.
          float* base = spec.storage == last ? out : const_cast<float*>(in);
          context.planes[p] = {base + spec.offset, spec.row_stride};
        }
      };
      resolve(op.in_begin[0], op.in_count[0]);
      resolve(op.in_begin[1], op.in_count[1]);
      resolve(op.out_begin, op.out_count);
    }
    if (op.height > 0 && op.width > 0) RunStep(program.ops[i], op, context);
    for (int s : op.borders_after) {
      const Storage& storage = program.storages[s];
      const Buffer& b = plan.buffers[s];
      const Extent& extent = plan.extents[storage.tensor];
      pool_->ParallelFor(storage.blocks(), [&](int64_t block) {
        const Plane plane{context.arena.data() + b.offset + block * b.plane_floats -
                              b.y0 * b.row_stride - b.x0 * storage.lanes,
                          b.row_stride};
        FillBorder(plane, storage.lanes, extent.size[0], extent.size[1], storage.border,
                   storage.border_mode, storage.border_value);
      });
    }
  }
}

void CpuExecutor::RunStep(const Op& op, const OpPlan& plan, Context& context) {
  const Plane* in = context.planes.data() + plan.in_begin[0];
  Plane* out = context.planes.data() + plan.out_begin;
  const auto blocks = static_cast<int64_t>(plan.out_count);
  const ActivationArgs activation{ToKernel(op.activation), op.alpha, op.beta, op.slopes};
  switch (op.step) {
    case Step::kWinograd: {
      const WinogradArgs args{in,
                              out,
                              op.packed->weights.data(),
                              op.packed->bias.data(),
                              activation,
                              op.in_channels,
                              plan.tile_columns,
                              plan.height,
                              plan.width};
      float* scratch = context.arena.data() + context.plan.arena_floats;
      const int64_t groups = CeilDiv(plan.tiles, plan.tile_step);
      const int64_t parts = CeilDiv(blocks, plan.block_step);
      pool_->ParallelFor(groups * parts, [&](int64_t i, int thread) {
        WinogradSpan span;
        span.tile_begin = i % groups * plan.tile_step;
        span.tile_end = std::min(plan.tiles, span.tile_begin + plan.tile_step);
        span.block_begin = i / groups * plan.block_step;
        span.block_end = std::min(blocks, span.block_begin + plan.block_step);
        kernels_.winograd(args, span, scratch + thread * context.plan.scratch_floats);
      });
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
      ParallelSpans(*pool_, plan, blocks, [&](const Span& span) { kernels_.conv(args, span); });
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
      ParallelSpans(*pool_, plan, blocks,
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
      ParallelSpans(*pool_, plan, blocks, [&](const Span& span) { kernels_.pool(args, span); });
      break;
    }
    case Step::kUpsample: {
      const UpsampleTables& t = context.plan.tables[plan.tables];
      const UpsampleArgs args{in,
                              out,
                              t.y_index.data(),
                              t.y_next.data(),
                              t.x_index.data(),
                              t.x_next.data(),
                              t.y_weight.empty() ? nullptr : t.y_weight.data(),
                              t.x_weight.data()};
      ParallelSpans(*pool_, plan, blocks, [&](const Span& span) { kernels_.upsample(args, span); });
      break;
    }
    case Step::kBinary: {
      // A vector beside planes is one pixel that meets every pixel; one channel meets all.
      const Plane* b = context.planes.data() + plan.in_begin[1];
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
      ParallelSpans(*pool_, plan, blocks, [&](const Span& span) { kernels_.binary(args, span); });
      break;
    }
    case Step::kAffine: {
      const AffineArgs args{in, out, op.affine ? op.affine->scale.data() : nullptr,
                            op.affine ? op.affine->shift.data() : nullptr, activation};
      ParallelSpans(*pool_, plan, blocks, [&](const Span& span) { kernels_.affine(args, span); });
      break;
    }
    case Step::kSoftmax: {
      const SoftmaxArgs args{in, out, op.channels};
      ParallelSpans(*pool_, plan, blocks, [&](const Span& span) { kernels_.softmax(args, span); });
      break;
    }
    case Step::kGlobalAvgPool:
      pool_->ParallelFor(
          blocks, [&](int64_t b) { GlobalAverage(in[b], out[b], plan.in_height, plan.in_width); });
      break;
    case Step::kFlatten:
      Flatten(in, out, op.in_channels, plan.in_height, plan.in_width);
      break;
    case Step::kCopy: {
      const int64_t bands = CeilDiv(plan.height, plan.row_step);
      pool_->ParallelFor(bands, [&](int64_t i) {
        CopyChannels(in, op.in_lanes, out, op.out_lanes, op.channels, op.channel_offset, plan.width,
                     i * plan.row_step, std::min(plan.height, (i + 1) * plan.row_step));
      });
      break;
    }
  }
}

}  // namespace pyengine
