#include "cpu/plan.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "core/checked_math.h"
#include "cpu/rolling.h"
#include "cpu/schedule.h"

namespace pyengine {
namespace {

constexpr int64_t kFloatsPerLine = 16;  // 64-byte cache line

class Planner {
 public:
  Planner(const Program& program, const std::vector<Region>& regions, int threads)
      : program_(program), regions_(regions), threads_(threads) {
    plan_.program = &program;
  }

  Plan Run() {
    for (const Storage& storage : program_.storages) plan_.buffers.push_back(BufferFor(storage));
    const std::vector<int> groups = GroupOps(program_, plan_.buffers);
    const std::map<int, int> fused = FusedPools();
    for (const Op& op : program_.ops) plan_.ops.push_back(PlanOp(op));
    for (const auto& [conv, pool] : fused) {
      auto& winograd = std::get<WinogradPart>(plan_.ops[conv].part);
      winograd.pools = pool;
      for (int axis = 0; axis < 2; ++axis) winograd.pool_at[axis] = FirstWindow(conv, pool, axis);
      plan_.ops[pool].pooled_by = conv;
    }
    ScheduleBorders();
    plan_.schedule = MakeSchedule(program_, plan_, groups, threads_);
    RollBuffers(program_, groups, plan_);
    PlaceBuffers(groups, fused);
    for (size_t i = 0; i < program_.ops.size(); ++i) PlacePlanes(program_.ops[i], plan_.ops[i]);
    SizeScratch();
    return std::move(plan_);
  }

 private:
  const Region& RegionOf(int tensor) const { return regions_[tensor]; }

  Buffer BufferFor(const Storage& storage) const {
    const Region& region = RegionOf(storage.tensor);
    const auto range = [&](int axis, int64_t of_table) {
      return of_table ? Range{.begin = 0, .end = of_table}
                      : WholeGroups(region.axis[axis], storage.group[axis]);
    };
    const Range rows = range(0, storage.table_rows), columns = range(1, storage.table_pixels);
    Buffer b;
    b.y0 = rows.begin - storage.border.top;
    b.x0 = columns.begin - storage.border.left;
    b.rows = rows.size() + storage.border.top + storage.border.bottom;
    b.columns = columns.size() + storage.border.left + storage.border.right;
    b.rows_held = b.rows;
    b.row_stride = CheckedMul(b.columns, storage.lanes, "activation");
    b.plane_floats = CheckedMul(b.rows, b.row_stride, "activation");
    return b;
  }

  // Where the first window of `pool` begins in the outputs of `conv`.
  int64_t FirstWindow(int conv, int pool, int axis) const {
    return 2 * RegionOf(program_.ops[pool].out_tensor).axis[axis].begin -
           RegionOf(program_.ops[conv].out_tensor).axis[axis].begin;
  }

  // Whether `pool` reads just what the convolution writes, every window within its output and
  // within one of its patches.
  bool CanFusePool(int conv_index, int pool_index) const {
    const Op &conv = program_.ops[conv_index], &pool = program_.ops[pool_index];
    const auto same = [](const BlockRef& a, const BlockRef& b) {
      return a.storage == b.storage && a.block == b.block && a.dy == b.dy && a.dx == b.dx;
    };
    if (!conv.step->can_take_maxima() || conv.out_tensor != pool.in_tensor[0] ||
        !std::equal(conv.out.begin(), conv.out.end(), pool.in[0].begin(), pool.in[0].end(), same))
      return false;
    for (int axis = 0; axis < 2; ++axis) {
      const int64_t at = FirstWindow(conv_index, pool_index, axis);
      const int64_t windows = RegionOf(pool.out_tensor).axis[axis].size();
      if (windows <= 0 || at < 0 || at % 2 != 0 ||
          at + 2 * windows > RegionOf(conv.out_tensor).axis[axis].size())
        return false;
    }
    return true;
  }

  // Maxima of 2x2 that are fused into a Winograd convolution, by convolution.
  std::map<int, int> FusedPools() const {
    std::map<int, int> fused;
    const auto count = static_cast<int>(program_.ops.size());
    for (int pool = 0; pool < count; ++pool) {
      if (!program_.ops[pool].step->is_maximum_of_2x2()) continue;
      for (int conv = 0; conv < pool; ++conv)
        if (CanFusePool(conv, pool)) fused[conv] = pool;
    }
    return fused;
  }

  // Storages that are never alive together may share memory: largest first, each at the lowest
  // place that does not meet another one alive at the same time. Time is counted in groups.
  // A plane of fused maxima is alive from the convolution on.
  void PlaceBuffers(const std::vector<int>& groups, const std::map<int, int>& fused) {
    const size_t count = program_.storages.size();
    std::vector<int> first(count, -1), last(count, -1);
    for (size_t i = 0; i < program_.ops.size(); ++i) {
      const Op& op = program_.ops[i];
      for (const auto* refs : {&op.in[0], &op.in[1], &op.in[2], &op.out})
        for (const BlockRef& ref : *refs) {
          if (first[ref.storage] < 0) first[ref.storage] = groups[i];
          last[ref.storage] = groups[i];
        }
      const auto pool = fused.find(static_cast<int>(i));
      if (pool == fused.end()) continue;
      for (const BlockRef& ref : program_.ops[pool->second].out) first[ref.storage] = groups[i];
    }
    std::vector<int64_t> size(count, 0);
    std::vector<size_t> order;
    for (size_t s = 0; s < count; ++s) {
      if (program_.storages[s].external || first[s] < 0) continue;
      size[s] = RoundUp(
          CheckedMul(plan_.buffers[s].plane_floats, program_.storages[s].blocks(), "activation"),
          kFloatsPerLine);
      order.push_back(s);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return size[a] > size[b]; });
    std::vector<size_t> placed;  // by offset
    for (size_t s : order) {
      int64_t offset = 0;
      for (size_t other : placed) {
        if (last[other] < first[s] || last[s] < first[other]) continue;
        const Buffer& b = plan_.buffers[other];
        if (offset + size[s] <= b.offset) break;
        offset = std::max(offset, b.offset + size[other]);
      }
      plan_.buffers[s].offset = offset;
      plan_.arena_floats = std::max(plan_.arena_floats, CheckedAdd(offset, size[s], "activation"));
      placed.insert(std::upper_bound(placed.begin(), placed.end(), s,
                                     [&](size_t a, size_t b) {
                                       return plan_.buffers[a].offset < plan_.buffers[b].offset;
                                     }),
                    s);
    }
  }

  // Adds planes that point at tensor index (y, x) of `refs`; returns where they begin in `specs`.
  size_t AddPlanes(const std::vector<BlockRef>& refs, int64_t y, int64_t x, int64_t row_step) {
    const size_t begin = plan_.specs.size();
    for (const BlockRef& ref : refs) {
      const Buffer& b = plan_.buffers[ref.storage];
      const Storage& s = program_.storages[ref.storage];
      plan_.specs.push_back({.storage = ref.storage,
                             .offset = b.offset + ref.block * b.plane_floats +
                                       (y + ref.dy - b.y0) * b.row_stride +
                                       (x + ref.dx - b.x0) * s.lanes,
                             .row_stride = b.row_stride * row_step});
    }
    return begin;
  }

  OpPlan PlanOp(const Op& op) const {
    Placing placing = op.step->Place(RegionOf(op.out_tensor), RegionOf(op.in_tensor[0]));
    OpPlan plan;
    plan.height = placing.size[0];
    plan.width = placing.size[1];
    for (int i = 0; i < kOpInputs; ++i) {
      plan.in_row[i] = op.still[i] ? 0 : placing.in_at[0];
      plan.in_column[i] = op.still[i] ? 0 : placing.in_at[1];
    }
    plan.out_row = placing.out_at[0];
    plan.out_column = placing.out_at[1];
    plan.out_row_step = placing.out_row_step;
    plan.part = std::move(placing.part);
    return plan;
  }

  void PlacePlanes(const Op& op, OpPlan& plan) {
    plan.out_begin = AddPlanes(op.out, plan.out_row, plan.out_column, plan.out_row_step);
    for (int i = 0; i < kOpInputs; ++i)
      plan.in_begin[i] =
          AddPlanes(op.in[i], plan.in_row[i], plan.in_column[i], op.still[i] ? 0 : 1);
  }

  void SizeScratch() {
    for (const Work& work : plan_.schedule) {
      const Op& op = program_.ops[work.op];
      const int64_t floats = op.step->ScratchFloats(op, plan_.ops[work.op], work, threads_);
      plan_.scratch_floats = std::max(plan_.scratch_floats, floats);
    }
  }

  // Padding is filled once the last operation has written into the storage.
  void ScheduleBorders() {
    std::vector<int> writer(program_.storages.size(), -1);
    for (size_t i = 0; i < program_.ops.size(); ++i)
      for (const BlockRef& ref : program_.ops[i].out) writer[ref.storage] = static_cast<int>(i);
    for (size_t s = 0; s < program_.storages.size(); ++s)
      if (program_.storages[s].has_border && writer[s] >= 0)
        plan_.ops[writer[s]].borders_after.push_back(static_cast<int>(s));
  }

  const Program& program_;
  const std::vector<Region>& regions_;
  const int threads_;
  Plan plan_;
};

}  // namespace

Plan MakePlan(const Program& program, const std::vector<Region>& regions, int threads) {
  return Planner(program, regions, threads).Run();
}

}  // namespace pyengine
