#include "cpu/cpu_executor.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>

#include "core/aligned_buffer.h"
#include "core/checked_math.h"
#include "cpu/layout_ops.h"

namespace pyengine {
namespace {

// Plans are small. A tiled image has one for tiles inside and a few for those at its end.
constexpr size_t kKeptPlans = 24;
// Arenas are not: as many are kept as calls usually run at a time.
constexpr size_t kIdleArenas = 4;

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

using Clock = std::chrono::steady_clock;

const char* StepName(Step step) {
  switch (step) {
    case Step::kWinograd:
      return "winograd";
    case Step::kConv:
      return "direct";
    case Step::kDepthwise:
      return "depthwise";
    case Step::kPool:
    case Step::kGlobalAvgPool:
      return "pool";
    case Step::kUpsample:
      return "upsample";
    case Step::kBinary:
    case Step::kAffine:
    case Step::kSoftmax:
      return "element-wise";
    case Step::kCopy:
    case Step::kFlatten:
      return "copy";
  }
  return "";
}

std::vector<Region> WholeRegions(const std::vector<Extent>& extents) {
  std::vector<Region> regions(extents.size());
  for (size_t t = 0; t < extents.size(); ++t)
    for (int axis = 0; axis < 2; ++axis) regions[t].axis[axis] = {0, extents[t].size[axis]};
  return regions;
}

// Runs body(span) over blocks x rows in the pieces that the schedule chose.
template <class F>
void ParallelSpans(ThreadPool& pool, const Work& work, const OpPlan& plan, int64_t blocks,
                   F&& body) {
  const int64_t groups = CeilDiv(blocks, work.block_step);
  const int64_t bands = CeilDiv(work.y_end - work.y_begin, work.row_step);
  pool.ParallelFor(groups * bands, [&](int64_t i) {
    Span span;
    span.block_begin = i % groups * work.block_step;
    span.block_end = std::min(blocks, span.block_begin + work.block_step);
    span.y_begin = work.y_begin + i / groups * work.row_step;
    span.y_end = std::min(work.y_end, span.y_begin + work.row_step);
    span.x_begin = 0;
    span.x_end = plan.width;
    body(span);
  });
}

}  // namespace

struct CpuExecutor::Context {
  std::shared_ptr<const Plan> plan;
  AlignedBuffer<float> arena;
  std::vector<Plane> planes;  // one per plan->specs; those of the caller's memory set at each call

  void Fit(std::shared_ptr<const Plan> wanted, int threads) {
    if (plan == wanted) return;
    plan.reset();
    const auto floats =
        static_cast<size_t>(wanted->arena_floats + threads * wanted->scratch_floats);
    if (arena.size() < floats) {
      arena = {};  // first, so that never both are there
      arena = AlignedBuffer<float>(floats);
      // Lanes past the last channel are read by element-wise kernels: they must hold numbers. The
      // pass also faults every page in, once.
      std::fill_n(arena.data(), arena.size(), 0.0f);
    }
    planes.resize(wanted->specs.size());
    for (size_t i = 0; i < planes.size(); ++i) {
      const PlaneSpec& spec = wanted->specs[i];
      if (!wanted->program->storages[spec.storage].external)
        planes[i] = {arena.data() + spec.offset, spec.row_stride};
    }
    plan = std::move(wanted);
  }
};

CpuExecutor::CpuExecutor(const Graph& graph, const NetworkGeometry& geometry,
                         const WeightMap& weights, const KernelTable& kernels, bool fast,
                         std::shared_ptr<ThreadPool> pool)
    : Executor(geometry),
      graph_(graph),
      kernels_(kernels),
      pool_(std::move(pool)),
      packed_(graph, weights, *pool_),
      whole_program_(Lower(graph, true, fast, kernels, packed_)),
      grid_(graph.tensors.size(), 1),
      tile_grid_(geometry.alignment) {
  if (!geometry.tileable) return;
  tile_program_ = Lower(graph, false, fast, kernels, packed_);
  for (const Op& op : tile_program_.ops) {
    if (op.winograd_tile == 0) continue;
    // Strides divide the alignment: tiles then begin on whole blocks at every resolution.
    tile_grid_ = std::lcm(tile_grid_, geometry.alignment * op.winograd_tile);
    // The output may have been renamed by a fused activation.
    for (int tensor : {graph.nodes[op.node].output, op.out_tensor})
      grid_[tensor] = op.winograd_tile;
  }
  tile_reach_ = FindTileReach();
}

CpuExecutor::~CpuExecutor() = default;

std::vector<Region> CpuExecutor::TileRegions(const Tile& tile) const {
  const TileSize& end = tile.to_end;
  const std::vector<Region> limits = NeededRegions(graph_, {{{0, end.height}, {0, end.width}}});
  std::vector<Region> regions =
      NeededBlocks(graph_, {{{0, tile.size.height}, {0, tile.size.width}}}, grid_, limits);
  // Whole groups of phases follow from the same inputs.
  for (const Op& op : tile_program_.ops) {
    if (op.phases == 1) continue;
    for (int axis = 0; axis < 2; ++axis) {
      Range& range = regions[op.out_tensor].axis[axis];
      const int64_t s = op.stride[axis];
      range = {FloorDiv(range.begin, s) * s, CeilDiv(range.end, s) * s};
    }
  }
  return regions;
}

// The image's end matters where a block beyond the tile, computed for the tile's sake, might be
// cut by it. Regions of tiles on the grid differ by whole grid steps, so one tile tells for all.
int64_t CpuExecutor::FindTileReach() const {
  const auto regions = [&](int64_t to_end) {
    return TileRegions({{tile_grid_, tile_grid_}, {to_end, to_end}});
  };
  const std::vector<Region> far = regions(tile_grid_ + 2 * kMaxHaloPx);
  for (int64_t reach = 0;; reach += tile_grid_) {
    const std::vector<Region> near = regions(tile_grid_ + reach);
    bool same = true;
    for (size_t t = 0; t < far.size(); ++t)
      for (int axis = 0; axis < 2; ++axis)
        same = same && near[t].axis[axis].end == far[t].axis[axis].end;
    if (same) return reach;
  }
}

std::shared_ptr<const Plan> CpuExecutor::FindPlan(const Key& key) {
  {
    std::scoped_lock lock(mutex_);
    for (auto it = plans_.begin(); it != plans_.end(); ++it)
      if (it->first == key) {
        plans_.splice(plans_.begin(), plans_, it);
        return it->second;
      }
  }
  auto plan = std::make_shared<Plan>();
  if (key.program == &tile_program_) {
    *plan = MakePlan(graph_, tile_program_, TileRegions(key.tile), pool_->threads());
  } else {
    const TileSize& size = key.tile.size;
    const std::vector<Extent> extents = Extents(graph_, size.height, size.width);
    *plan = MakePlan(graph_, whole_program_, WholeRegions(extents), pool_->threads());
    plan->extents = extents;
  }
  std::scoped_lock lock(mutex_);
  plans_.emplace_front(key, plan);
  if (plans_.size() > kKeptPlans) plans_.pop_back();
  return plan;
}

CpuExecutor::Loan CpuExecutor::Borrow(const Key& key) {
  std::shared_ptr<const Plan> plan = FindPlan(key);
  Loan loan;
  {
    // Rather one that ran this plan last, else the one used last.
    std::scoped_lock lock(mutex_);
    auto found = std::find_if(idle_.begin(), idle_.end(),
                              [&](const Context& context) { return context.plan == plan; });
    if (found == idle_.end()) found = idle_.begin();
    if (found != idle_.end()) loan.splice(loan.begin(), idle_, found);
  }
  if (loan.empty()) loan.emplace_back();
  loan.front().Fit(std::move(plan), pool_->threads());
  return loan;
}

void CpuExecutor::Return(Loan loan) {
  Loan evicted;  // freed after the lock is
  std::scoped_lock lock(mutex_);
  idle_.splice(idle_.begin(), loan);
  if (idle_.size() > kIdleArenas) evicted.splice(evicted.begin(), idle_, std::prev(idle_.end()));
}

Window CpuExecutor::WindowFor(const Tile& tile) const {
  const Region in = TileRegions(tile)[0];
  Window window;
  window.height = in.axis[0].size();
  window.width = in.axis[1].size();
  window.top = geometry().margin - in.axis[0].begin;
  window.left = geometry().margin - in.axis[1].begin;
  return window;
}

void CpuExecutor::RunTile(const float* windows, float* logits, int64_t n, const Tile& tile) {
  Loan loan = Borrow({&tile_program_, tile});
  const Buffer& in = loan.front().plan->buffers.front();
  const int64_t in_floats = in.plane_floats * geometry().channels;
  const int64_t out_floats = tile.size.height * tile.size.width * geometry().classes;
  for (int64_t i = 0; i < n; ++i)
    Execute(loan.front(), windows + i * in_floats, logits + i * out_floats);
  Return(std::move(loan));
}

void CpuExecutor::Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) {
  Loan loan = Borrow({&whole_program_, {{h, w}, {h, w}}});
  const Extent& size = loan.front().plan->extents[graph_.output];
  const int64_t in_floats = geometry().channels * h * w;
  const int64_t out_floats = graph_.tensors[graph_.output].channels * size.size[0] * size.size[1];
  for (int64_t i = 0; i < n; ++i) Execute(loan.front(), in + i * in_floats, out + i * out_floats);
  Return(std::move(loan));
}

int64_t CpuExecutor::TileMemoryBytes(const Tile& tile) const {
  const std::vector<Region> regions = TileRegions(tile);
  const Plan plan = MakePlan(graph_, tile_program_, regions, pool_->threads());
  const int64_t window = regions[0].axis[0].size() * regions[0].axis[1].size();
  const int64_t floats = plan.arena_floats + pool_->threads() * plan.scratch_floats +
                         window * geometry().channels +
                         tile.size.height * tile.size.width * geometry().classes;
  return floats * static_cast<int64_t>(sizeof(float));
}

int64_t CpuExecutor::RunMemoryBytes(int64_t h, int64_t w) const {
  const Plan plan =
      MakePlan(graph_, whole_program_, WholeRegions(Extents(graph_, h, w)), pool_->threads());
  return (plan.arena_floats + pool_->threads() * plan.scratch_floats) *
         static_cast<int64_t>(sizeof(float));
}

double CpuExecutor::TileCost(const Tile& tile) const {
  const std::vector<Region> regions = TileRegions(tile);
  // In operations at peak rate, fitted to profiles: how far kernels stay below the peak, and what
  // transforming or moving a byte costs. benchmarks/cost_model.py compares with measured times.
  constexpr double kDirect = 1.25, kOverhead = 1.1;
  constexpr double kPerByte = 10, kPerTransformedByte = 18;
  double cost = 0;
  for (const Op& op : tile_program_.ops) {
    const Region& r = regions[op.out_tensor];
    if (r.axis[0].empty() || r.axis[1].empty()) continue;
    double pixels = double(r.axis[0].size()) * double(r.axis[1].size());
    if (op.transposed) pixels /= double(op.stride[0]) * double(op.stride[1]);
    const OpTime work = Describe(op, pixels);
    if (op.winograd_tile > 0) {
      const auto outputs = double(op.winograd_tile * op.winograd_tile);
      const double products = double(PYENGINE_WINOGRAD_POINTS(op.winograd_tile)) / (9 * outputs);
      cost += kOverhead * products * work.flops + kPerTransformedByte * work.bytes;
    } else {
      cost += kDirect * work.flops + kPerByte * work.bytes;
    }
  }
  return cost;
}

std::vector<OpTime> CpuExecutor::Profile(int64_t h, int64_t w, int passes) {
  const bool tiled = geometry().tileable;
  const Program& program = tiled ? tile_program_ : whole_program_;
  Loan loan = Borrow({&program, {{h, w}, {h, w}}});
  Context& context = loan.front();
  const Plan& plan = *context.plan;
  const auto floats = [&](size_t storage) {
    return plan.buffers[storage].plane_floats * program.storages[storage].blocks();
  };
  const std::vector<float> in(floats(0), 0.5f);
  std::vector<float> out(floats(program.storages.size() - 1));
  std::vector<std::vector<double>> times(passes, std::vector<double>(program.ops.size()));
  for (std::vector<double>& pass : times) Execute(context, in.data(), out.data(), pass.data());
  std::vector<OpTime> result;
  for (size_t i = 0; i < program.ops.size(); ++i) {
    std::vector<double> sorted;
    sorted.reserve(times.size());
    for (const std::vector<double>& pass : times) sorted.push_back(pass[i]);
    std::nth_element(sorted.begin(), sorted.begin() + passes / 2, sorted.end());
    OpTime time = Describe(program.ops[i], double(plan.ops[i].height) * double(plan.ops[i].width));
    time.seconds = sorted[passes / 2];
    result.push_back(std::move(time));
  }
  Return(std::move(loan));
  return result;
}

OpTime CpuExecutor::Describe(const Op& op, double pixels) const {
  OpTime result;
  result.algorithm = StepName(op.step);
  result.layer = op.node < 0 ? graph_.tensors[op.in_tensor[0]].name : graph_.nodes[op.node].name;
  const double values[2] = {double(op.in_channels), double(op.channels)};
  double weights = 0;
  switch (op.step) {
    case Step::kWinograd:
    case Step::kConv:
    case Step::kDepthwise: {
      const double channels =
          values[0] * values[1] / double(op.node < 0 ? 1 : graph_.nodes[op.node].groups);
      weights = channels * double(op.kernel[0]) * double(op.kernel[1]);
      weights *= double(op.phases);
      result.flops = 2 * weights * pixels;
      break;
    }
    default:
      break;
  }
  // Inputs seen from the outputs' side: a stride of 2 reads four pixels per output.
  const double stride = double(op.stride[0]) * double(op.stride[1]);
  const double read = op.transposed ? 1 : op.step == Step::kUpsample ? 1 / stride : stride;
  const double written = values[1] * double(op.phases);
  result.bytes = 4 * (weights + pixels * (written + values[0] * read));
  return result;
}

void CpuExecutor::Execute(Context& context, const float* in, float* out, double* seconds) {
  const Plan& plan = *context.plan;
  const Program& program = *plan.program;
  const int last = static_cast<int>(program.storages.size()) - 1;
  for (const OpPlan& op : plan.ops) {
    if (!op.touches_caller) continue;
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
  if (seconds) std::fill_n(seconds, program.ops.size(), 0.0);
  for (const Work& work : plan.schedule) {
    const auto start = seconds ? Clock::now() : Clock::time_point();
    if (plan.ops[work.op].width > 0) RunStep(program.ops[work.op], work, context);
    for (int s : plan.ops[work.op].borders_after) FillBorderRows(s, work, context);
    if (seconds) seconds[work.op] += std::chrono::duration<double>(Clock::now() - start).count();
  }
}

// Made-up pixels beside the rows just computed, and above the first and below the last row.
void CpuExecutor::FillBorderRows(int s, const Work& work, Context& context) {
  const Plan& plan = *context.plan;
  const Storage& storage = plan.program->storages[s];
  const Buffer& b = plan.buffers[s];
  const Extent& extent = plan.extents[storage.tensor];
  const OpPlan& op = plan.ops[work.op];
  const int64_t begin = work.y_begin * op.out_row_step;
  const int64_t end = work.y_end == op.height ? extent.size[0] : work.y_end * op.out_row_step;
  pool_->ParallelFor(storage.blocks(), [&](int64_t block) {
    const Plane plane{context.arena.data() + b.offset + block * b.plane_floats -
                          b.y0 * b.row_stride - b.x0 * storage.lanes,
                      b.row_stride};
    FillBorder(plane, storage.lanes, extent.size[0], extent.size[1], storage.border,
               storage.border_mode, storage.border_value, begin, end);
  });
}

// Up to 16 channels: each row is computed as a block, in cache, and written as planes.
void CpuExecutor::RunPlanarConv(const ConvArgs& args, const Op& op, const Work& work,
                                Context& context) {
  const OpPlan& plan = context.plan->ops[work.op];
  const Plane* out = context.planes.data() + plan.out_begin;
  float* scratch = context.arena.data() + context.plan->arena_floats;
  const int64_t bands = CeilDiv(work.y_end - work.y_begin, work.row_step);
  pool_->ParallelFor(bands, [&](int64_t i, int thread) {
    Plane row{scratch + thread * context.plan->scratch_floats, 0};
    ConvArgs one = args;
    one.out = &row;
    const int64_t begin = work.y_begin + i * work.row_step;
    for (int64_t y = begin; y < std::min(work.y_end, begin + work.row_step); ++y) {
      kernels_.conv(one, {0, 1, y, y + 1, 0, plan.width});
      const Plane at_y{row.data, 0};
      CopyChannels(&at_y, kBlock, out, 1, op.channels, 0, plan.width, y, y + 1);
    }
  });
}

void CpuExecutor::RunStep(const Op& op, const Work& work, Context& context) {
  const OpPlan& plan = context.plan->ops[work.op];
  const Plane* in = context.planes.data() + plan.in_begin[0];
  Plane* out = context.planes.data() + plan.out_begin;
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
                              plan.tile_columns,
                              plan.height,
                              plan.width};
      float* scratch = context.arena.data() + context.plan->arena_floats;
      const int64_t first = work.y_begin / op.winograd_tile * plan.tile_columns;
      const int64_t tiles = CeilDiv(work.y_end, op.winograd_tile) * plan.tile_columns;
      const int64_t groups = CeilDiv(tiles - first, work.tile_step);
      const int64_t parts = CeilDiv(blocks, work.block_step);
      pool_->ParallelFor(groups * parts, [&](int64_t i, int thread) {
        WinogradSpan span;
        span.tile_begin = first + i % groups * work.tile_step;
        span.tile_end = std::min(tiles, span.tile_begin + work.tile_step);
        span.block_begin = i / groups * work.block_step;
        span.block_end = std::min(blocks, span.block_begin + work.block_step);
        kernels_.winograd(args, span, scratch + thread * context.plan->scratch_floats);
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
      if (op.out_lanes == 1) {
        RunPlanarConv(args, op, work, context);
        break;
      }
      ParallelSpans(*pool_, work, plan, blocks,
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
      ParallelSpans(*pool_, work, plan, blocks,
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
      ParallelSpans(*pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.pool(args, span); });
      break;
    }
    case Step::kUpsample: {
      const UpsampleTables& t = context.plan->tables[plan.tables];
      const UpsampleArgs args{in,
                              out,
                              t.y_index.data(),
                              t.y_next.data(),
                              t.x_index.data(),
                              t.x_next.data(),
                              t.y_weight.empty() ? nullptr : t.y_weight.data(),
                              t.x_weight.data()};
      ParallelSpans(*pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.upsample(args, span); });
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
      ParallelSpans(*pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.binary(args, span); });
      break;
    }
    case Step::kAffine: {
      const AffineArgs args{in, out, op.affine ? op.affine->scale.data() : nullptr,
                            op.affine ? op.affine->shift.data() : nullptr, activation};
      ParallelSpans(*pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.affine(args, span); });
      break;
    }
    case Step::kSoftmax: {
      const SoftmaxArgs args{in, out, op.channels};
      ParallelSpans(*pool_, work, plan, blocks,
                    [&](const Span& span) { kernels_.softmax(args, span); });
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
      const int64_t bands = CeilDiv(work.y_end - work.y_begin, work.row_step);
      pool_->ParallelFor(bands, [&](int64_t i) {
        const int64_t begin = work.y_begin + i * work.row_step;
        CopyChannels(in, op.in_lanes, out, op.out_lanes, op.channels, op.channel_offset, plan.width,
                     begin, std::min(work.y_end, begin + work.row_step));
      });
      break;
    }
  }
}

}  // namespace pyengine
