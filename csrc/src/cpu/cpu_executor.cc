#include "cpu/cpu_executor.h"

#include <algorithm>
#include <numeric>

#include "core/cancellation.h"
#include "core/checked_math.h"
#include "cpu/op_cost.h"

namespace pyengine {
namespace {

// Plans are small. A tiled image has one for tiles inside and a few for those at its end.
constexpr size_t kKeptPlans = 24;
// Arenas are not: as many are kept as calls usually run at a time.
constexpr size_t kIdleArenas = 4;
// Of an image or a result that are read or written between a caller and a file.
constexpr int64_t kBandFloats = int64_t(1) << 20;

std::vector<Region> WholeRegions(const std::vector<Extent>& extents) {
  std::vector<Region> regions(extents.size());
  for (size_t t = 0; t < extents.size(); ++t)
    for (Axis axis : kAxes) regions[t].axis[axis] = {.begin = 0, .end = extents[t].size[axis]};
  return regions;
}

Axes AxesOf(const TileSize& size) {
  return {.z = size.depth, .y = size.height, .x = size.width};
}

Region BoxOf(const TileSize& size) {
  Region box;
  for (Axis axis : kAxes) box.axis[axis] = {.begin = 0, .end = AxesOf(size)[axis]};
  return box;
}

}  // namespace

CpuExecutor::CpuExecutor(const Graph& graph, const NetworkGeometry& geometry,
                         const WeightMap& weights, const KernelTable& kernels, bool fast,
                         std::shared_ptr<ThreadPool> pool)
    : Executor(geometry),
      graph_(graph),
      kernels_(kernels),
      pool_(std::move(pool)),
      packed_(graph, weights, *pool_),
      whole_program_(Lower(graph, true, fast, kernels, packed_)),
      grid_(graph.tensors.size(), kOnes),
      tile_grid_{.z = geometry.z.alignment, .y = geometry.y.alignment, .x = geometry.x.alignment},
      plans_(kKeptPlans),
      contexts_(kIdleArenas) {
  if (!geometry.tileable) return;
  tile_program_ = Lower(graph, false, fast, kernels, packed_);
  for (const Op& op : tile_program_.ops) {
    const int64_t patch_px = op.step->patch_px();
    if (patch_px == 1) continue;
    // Strides divide the alignment: tiles then begin on whole patches at every resolution.
    tile_grid_.y = std::lcm(tile_grid_.y, geometry.y.alignment * patch_px);
    tile_grid_.x = std::lcm(tile_grid_.x, geometry.x.alignment * patch_px);
    // The output may have been renamed by a fused activation.
    for (int tensor : {graph.nodes[op.node].output, op.out_tensor})
      grid_[tensor] = {.z = 1, .y = patch_px, .x = patch_px};
  }
  for (Axis axis : kAxes) tile_reach_[axis] = FindTileReach(axis);
}

CpuExecutor::~CpuExecutor() = default;

std::vector<Region> CpuExecutor::TileRegions(const Tile& tile) const {
  const std::vector<Region> limits = NeededRegions(graph_, BoxOf(tile.to_end));
  return NeededBlocks(graph_, BoxOf(tile.size), grid_, limits);
}

// The image's end matters where a patch beyond the tile, computed for the tile's sake, might be
// cut by it. Regions of tiles on the grid differ by whole grid steps, so one tile tells for all.
int64_t CpuExecutor::FindTileReach(Axis axis) const {
  const auto regions = [&](int64_t beyond) {
    Axes to_end = tile_grid_;
    to_end[axis] += beyond;
    return TileRegions({.size = SizeOf(tile_grid_), .to_end = SizeOf(to_end)});
  };
  const std::vector<Region> far = regions(2 * kMaxHaloPx);
  for (int64_t reach = 0;; reach += tile_grid_[axis]) {
    const std::vector<Region> near = regions(reach);
    bool same = true;
    for (size_t t = 0; t < far.size(); ++t)
      same = same && near[t].axis[axis].end == far[t].axis[axis].end;
    if (same) return reach;
  }
}

std::shared_ptr<const Plan> CpuExecutor::FindPlan(const Key& key) {
  {
    std::scoped_lock lock(mutex_);
    if (const auto* plan = plans_.Find(key)) return *plan;
  }
  auto plan = std::make_shared<Plan>();
  if (key.program == &tile_program_) {
    *plan = MakePlan(tile_program_, TileRegions(key.tile), pool_->threads());
  } else {
    const std::vector<Extent> extents = Extents(graph_, AxesOf(key.tile.size));
    const std::vector<Region> regions = WholeRegions(extents);
    *plan = key.memory_bytes > 0
                ? MakePlanWithin(whole_program_, regions, pool_->threads(),
                                 key.memory_bytes / static_cast<int64_t>(sizeof(float)))
                : MakePlan(whole_program_, regions, pool_->threads());
    plan->extents = extents;
  }
  std::scoped_lock lock(mutex_);
  plans_.Add(key, plan);
  return plan;
}

Lender<Context>::Lease CpuExecutor::Borrow(const Key& key) {
  std::shared_ptr<const Plan> plan = FindPlan(key);
  // Rather one that ran this plan last: its planes are set.
  auto context =
      contexts_.BorrowLike([&](const Context& c) { return c.plan == plan; }, &contexts_bytes_);
  context->Fit(std::move(plan), *pool_);
  return context;
}

Window CpuExecutor::WindowFor(const Tile& tile) const {
  const Region in = TileRegions(tile)[0];
  return {.height = in.axis.y.size(),
          .width = in.axis.x.size(),
          .top = geometry().y.margin - in.axis.y.begin,
          .left = geometry().x.margin - in.axis.x.begin,
          .depth = in.axis.z.size(),
          .front = geometry().z.margin - in.axis.z.begin};
}

MemoryUse CpuExecutor::Memory() const {
  MemoryUse use{.weights_bytes = packed_.bytes()};
  contexts_.VisitIdle([&](const Context& context) { use.idle_bytes += context.held.get(); });
  use.in_use_bytes = std::max<int64_t>(0, contexts_bytes_ - use.idle_bytes);
  return use;
}

void CpuExecutor::RunTile(const float* windows, float* logits, int64_t n, const Tile& tile) {
  auto context = Borrow({.program = &tile_program_, .tile = tile});
  const Buffer& in = context->plan->buffers.front();
  const int64_t in_floats = in.block_floats * geometry().channels;
  const int64_t out_floats = Product(AxesOf(tile.size)) * geometry().classes;
  for (int64_t i = 0; i < n; ++i)
    RunPlan(graph_, kernels_, *pool_, *context, windows + i * in_floats, logits + i * out_floats);
}

void CpuExecutor::Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) {
  RunVolume(in, out, n, {.height = h, .width = w});
}

void CpuExecutor::RunVolume(const float* in, float* out, int64_t n, TileSize size) {
  auto context = Borrow({.program = &whole_program_, .tile = {.size = size, .to_end = size}});
  const Extent& out_size = context->plan->extents[graph_.output];
  const int64_t in_floats = geometry().channels * Product(AxesOf(size));
  const int64_t out_floats = graph_.tensors[graph_.output].channels * Product(out_size.size);
  for (int64_t i = 0; i < n; ++i)
    RunPlan(graph_, kernels_, *pool_, *context, in + i * in_floats, out + i * out_floats);
}

void CpuExecutor::RunRows(int64_t h, int64_t w, const ReadRows& read, const WriteRows& write,
                          const RunLimits& limits) {
  const TileSize size{.height = h, .width = w};
  auto context = Borrow({.program = &whole_program_,
                         .tile = {.size = size, .to_end = size},
                         .memory_bytes = limits.memory_bytes});
  const Plan& plan = *context->plan;
  const auto floats_of = [&](size_t storage) {
    return RoundUp(CheckedMul(plan.buffers[storage].block_floats,
                              whole_program_.storages[storage].blocks(), "image"),
                   kFileAlignFloats);
  };
  const int64_t in_floats = floats_of(0), out_floats = floats_of(plan.buffers.size() - 1);
  const FileMemory memory(
      ScratchFolder(),
      CheckedMul(CheckedAdd(CheckedAdd(in_floats, out_floats, "image"), plan.file_floats, "image"),
                 sizeof(float), "image"));
  float* const in = memory.data();
  float* const out = in + in_floats;
  // Calls `body` with the row and the number of rows of each band of planes that begin at `planes`.
  const auto for_each_band = [&](const Buffer& b, int64_t blocks, const float* planes,
                                 auto&& body) {
    const int64_t rows = std::max<int64_t>(1, kBandFloats / (b.row_stride * blocks));
    for (int64_t y = 0; y < b.rows; y += rows) {
      ThrowIfCancelled();
      const int64_t n = std::min(rows, b.rows - y);
      body(y, n);
      for (int64_t block = 0; block < blocks; ++block)
        memory.Release(planes + block * b.block_floats + y * b.row_stride, n * b.row_stride);
    }
  };
  const Buffer &image = plan.buffers.front(), &result = plan.buffers.back();
  for_each_band(image, geometry().channels, in, [&](int64_t y, int64_t rows) {
    read(y, rows, in + y * image.row_stride, image.block_floats);
  });
  RunPlanInFile(graph_, kernels_, *pool_, *context,
                {.memory = memory, .in = in, .out = out, .planes = out + out_floats},
                limits.progress);
  for_each_band(result, geometry().classes, out, [&](int64_t y, int64_t rows) {
    write(y, rows, out + y * result.row_stride, result.block_floats);
  });
}

int64_t CpuExecutor::TileMemoryBytes(const Tile& tile) const {
  const std::vector<Region> regions = TileRegions(tile);
  const Plan plan = MakePlan(tile_program_, regions, pool_->threads());
  const int64_t floats = plan.arena_floats + pool_->threads() * plan.scratch_floats +
                         plan.buffers.front().block_floats * geometry().channels +
                         Product(AxesOf(tile.size)) * geometry().classes;
  return floats * static_cast<int64_t>(sizeof(float));
}

int64_t CpuExecutor::RunMemoryBytes(int64_t h, int64_t w) const {
  return RunVolumeMemoryBytes({.height = h, .width = w});
}

int64_t CpuExecutor::RunVolumeMemoryBytes(TileSize size) const {
  const std::vector<Extent> extents = Extents(graph_, AxesOf(size));
  const Plan plan = MakePlan(whole_program_, WholeRegions(extents), pool_->threads());
  return (plan.arena_floats + pool_->threads() * plan.scratch_floats) *
         static_cast<int64_t>(sizeof(float));
}

double CpuExecutor::TileCost(const Tile& tile) const {
  const std::vector<Region> regions = TileRegions(tile);
  double cost = 0;
  for (const Op& op : tile_program_.ops) {
    const Region& r = regions[op.out_tensor];
    if (r.empty()) continue;
    double pixels = 1;
    for (Axis axis : kAxes) pixels *= double(r.axis[axis].size());
    cost += OpCost(graph_, op, pixels);
  }
  return cost;
}

std::vector<OpTime> CpuExecutor::Profile(int64_t h, int64_t w, int passes) {
  return ProfileVolume({.height = h, .width = w}, passes);
}

std::vector<OpTime> CpuExecutor::ProfileVolume(TileSize size, int passes) {
  const bool tiled = geometry().tileable;
  const Program& program = tiled ? tile_program_ : whole_program_;
  auto context = Borrow({.program = &program, .tile = {.size = size, .to_end = size}});
  const Plan& plan = *context->plan;
  const auto floats = [&](size_t storage) {
    return plan.buffers[storage].block_floats * program.storages[storage].blocks();
  };
  const std::vector<float> in(floats(0), 0.5f);
  std::vector<float> out(floats(program.storages.size() - 1));
  std::vector<std::vector<double>> times(passes, std::vector<double>(program.ops.size()));
  for (std::vector<double>& pass : times)
    RunPlan(graph_, kernels_, *pool_, *context, in.data(), out.data(), pass.data());
  std::vector<OpTime> result;
  for (size_t i = 0; i < program.ops.size(); ++i) {
    if (plan.ops[i].pooled_by >= 0) continue;
    std::vector<double> sorted;
    sorted.reserve(times.size());
    for (const std::vector<double>& pass : times) sorted.push_back(pass[i]);
    std::nth_element(sorted.begin(), sorted.begin() + passes / 2, sorted.end());
    const OpPlan& op = plan.ops[i];
    OpTime time =
        DescribeOp(graph_, program.ops[i], double(op.depth) * double(op.height) * double(op.width));
    time.seconds = sorted[passes / 2];
    result.push_back(std::move(time));
  }
  return result;
}

}  // namespace pyengine
