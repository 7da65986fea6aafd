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

Range WholeGroups(const Range& range, int64_t group) {
  return {FloorDiv(range.begin, group) * group, CeilDiv(range.end, group) * group};
}

class Planner {
 public:
  Planner(const Graph& graph, const Program& program, const std::vector<Region>& regions,
          int threads)
      : graph_(graph), program_(program), regions_(regions), threads_(threads) {
    plan_.program = &program;
  }

  Plan Run() {
    for (const Storage& storage : program_.storages) plan_.buffers.push_back(BufferFor(storage));
    const std::vector<int> groups = GroupOps(program_, plan_.buffers);
    const std::map<int, int> fused = FusedPools();
    for (const Op& op : program_.ops) plan_.ops.push_back(PlanOp(op));
    for (const auto& [conv, pool] : fused) {
      plan_.ops[conv].pools = pool;
      plan_.ops[pool].pooled_by = conv;
      for (int axis = 0; axis < 2; ++axis)
        plan_.ops[conv].pool_at[axis] = FirstWindow(conv, pool, axis);
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
    const Range rows = WholeGroups(region.axis[0], storage.group[0]);
    const Range columns = WholeGroups(region.axis[1], storage.group[1]);
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

  bool IsMaximumOf2x2(const Op& op) const {
    if (op.step != Step::kPool) return false;
    const Node& node = graph_.nodes[op.node];
    return node.op == OpKind::kMaxPool && !node.amounts.Any() && op.kernel[0] == 2 &&
           op.kernel[1] == 2 && op.stride[0] == 2 && op.stride[1] == 2;
  }

  // Whether `pool` reads just what the convolution writes, every window within its output and
  // within one of its blocks.
  bool PoolsOnTheWay(int conv_index, int pool_index) const {
    const Op &conv = program_.ops[conv_index], &pool = program_.ops[pool_index];
    const auto same = [](const BlockRef& a, const BlockRef& b) {
      return a.storage == b.storage && a.block == b.block && a.dy == b.dy && a.dx == b.dx;
    };
    if (conv.step != Step::kWinograd || conv.out_tensor != pool.in_tensor[0] ||
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

  // Maxima of 2x2 that a Winograd convolution computes on its way, by convolution.
  std::map<int, int> FusedPools() const {
    std::map<int, int> fused;
    const auto count = static_cast<int>(program_.ops.size());
    for (int pool = 0; pool < count; ++pool) {
      if (!IsMaximumOf2x2(program_.ops[pool])) continue;
      for (int conv = 0; conv < pool; ++conv)
        if (PoolsOnTheWay(conv, pool)) fused[conv] = pool;
    }
    return fused;
  }

  // Storages that are never alive together may share memory: largest first, each at the lowest
  // place that does not meet another one alive at the same time. Time is counted in groups.
  // A plane pooled on the way is alive from the convolution on.
  void PlaceBuffers(const std::vector<int>& groups, const std::map<int, int>& fused) {
    const size_t count = program_.storages.size();
    std::vector<int> first(count, -1), last(count, -1);
    for (size_t i = 0; i < program_.ops.size(); ++i) {
      const Op& op = program_.ops[i];
      for (const auto* refs : {&op.in[0], &op.in[1], &op.out})
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
      plan_.specs.push_back({ref.storage,
                             b.offset + ref.block * b.plane_floats +
                                 (y + ref.dy - b.y0) * b.row_stride + (x + ref.dx - b.x0) * s.lanes,
                             b.row_stride * row_step});
    }
    return begin;
  }

  OpPlan PlanOp(const Op& op) {
    OpPlan plan;
    // An empty region (a phase or a branch that nothing needs) leaves sizes of 0.
    const Region& out = RegionOf(op.out_tensor);
    int64_t in_at[2], out_at[2], size[2], row_step = 1;
    for (int axis = 0; axis < 2; ++axis) {
      const Range& r = out.axis[axis];
      out_at[axis] = r.begin;
      in_at[axis] = r.begin;
      size[axis] = std::max<int64_t>(0, r.size());
      if (op.transposed && op.phases > 1) {
        // Whole groups of phases follow from the same inputs.
        const int64_t s = op.stride[axis];
        const Range groups = WholeGroups(r, s);
        out_at[axis] = groups.begin;
        size[axis] = r.empty() ? 0 : groups.size() / s;
        in_at[axis] = groups.begin / s + op.first_tap[axis];
        if (axis == 0) row_step = s;
      } else if (op.transposed) {
        const int64_t s = op.stride[axis];
        const int64_t m = CeilDiv(r.begin - op.phase[axis], s);
        size[axis] = std::max<int64_t>(0, FloorDiv(r.end - 1 - op.phase[axis], s) - m + 1);
        out_at[axis] = m * s + op.phase[axis];
        in_at[axis] = m + op.first_tap[axis];
        if (axis == 0) row_step = s;
      } else if (op.step == Step::kConv || op.step == Step::kDepthwise ||
                 op.step == Step::kWinograd) {
        in_at[axis] = r.begin * op.stride[axis];
      }
    }
    switch (op.step) {
      case Step::kPool:
        PlanPool(op, in_at, plan);
        break;
      case Step::kUpsample:
        PlanUpsample(op, in_at, plan);
        break;
      case Step::kGlobalAvgPool:
      case Step::kFlatten:
        in_at[0] = in_at[1] = 0;
        plan.in_height = RegionOf(op.in_tensor[0]).axis[0].size();
        plan.in_width = RegionOf(op.in_tensor[0]).axis[1].size();
        break;
      default:
        break;
    }
    plan.height = size[0];
    plan.width = size[1];
    if (op.winograd_tile > 0) plan.tile_columns = CeilDiv(plan.width, op.winograd_tile);
    plan.out_count = op.out.size();
    for (int i = 0; i < 2; ++i) {
      plan.in_count[i] = op.in[i].size();
      // A vector beside planes is the same pixel in every row.
      const bool vector = op.in_tensor[i] >= 0 && graph_.tensors[op.in_tensor[i]].vector;
      plan.in_row[i] = vector ? 0 : in_at[0];
      plan.in_column[i] = vector ? 0 : in_at[1];
    }
    plan.out_row = out_at[0];
    plan.out_column = out_at[1];
    plan.out_row_step = row_step;
    return plan;
  }

  void PlacePlanes(const Op& op, OpPlan& plan) {
    plan.out_begin = AddPlanes(op.out, plan.out_row, plan.out_column, plan.out_row_step);
    for (int i = 0; i < 2; ++i) {
      if (op.in_tensor[i] < 0) continue;
      const bool vector = graph_.tensors[op.in_tensor[i]].vector;
      plan.in_begin[i] =
          AddPlanes(op.in[i], plan.in_row[i], plan.in_column[i], vector && plan.height > 1 ? 0 : 1);
    }
  }

  void PlanPool(const Op& op, int64_t in_at[2], OpPlan& plan) const {
    const Node& node = graph_.nodes[op.node];
    const Region& out = RegionOf(op.out_tensor);
    const Region& in = RegionOf(op.in_tensor[0]);
    const int64_t before[2] = {node.amounts.top, node.amounts.left};
    for (int axis = 0; axis < 2; ++axis) {
      in_at[axis] = out.axis[axis].begin * op.stride[axis] - before[axis];
      // On the infinite plane the region holds every tap by construction.
      plan.valid[axis][0] = in.axis[axis].begin - in_at[axis];
      plan.valid[axis][1] = in.axis[axis].end - in_at[axis];
    }
  }

  void PlanUpsample(const Op& op, int64_t in_at[2], OpPlan& plan) {
    const Node& node = graph_.nodes[op.node];
    const Region& out = RegionOf(op.out_tensor);
    const Region& in = RegionOf(op.in_tensor[0]);
    UpsampleTables tables;
    for (int axis = 0; axis < 2; ++axis) {
      auto& index = axis ? tables.x_index : tables.y_index;
      auto& next = axis ? tables.x_next : tables.y_next;
      auto& weight = axis ? tables.x_weight : tables.y_weight;
      const Range& need = in.axis[axis];
      in_at[axis] = need.begin;
      const int64_t s = op.stride[axis];
      for (int64_t i = out.axis[axis].begin; i < out.axis[axis].end; ++i) {
        int64_t a = FloorDiv(i, s);
        float w = 0;
        if (node.op == OpKind::kUpsampleBilinear) {
          if (node.align_corners) {
            const int64_t size = out.axis[axis].size();
            const double position =
                size > 1 ? double(i) * double(need.size() - 1) / double(size - 1) : 0;
            a = static_cast<int64_t>(position);
            w = static_cast<float>(position - double(a));
          } else {
            // (i + 0.5) / s - 0.5 = a + w; w depends on i mod s alone, so that tiles agree.
            a = FloorDiv(2 * i + 1 - s, 2 * s);
            w = static_cast<float>(double(FloorMod(2 * i + 1 - s, 2 * s)) / double(2 * s));
          }
        }
        // Beyond a finite image the edge pixel repeats; on the infinite plane both taps exist.
        index.push_back(std::clamp(a, need.begin, need.end - 1) - need.begin);
        next.push_back(std::clamp(a + 1, need.begin, need.end - 1) - need.begin);
        weight.push_back(w);
      }
    }
    if (node.op == OpKind::kUpsampleNearest) tables.y_weight.clear(), tables.x_weight.clear();
    plan.tables = static_cast<int>(plan_.tables.size());
    plan_.tables.push_back(std::move(tables));
  }

  // Per thread: what Winograd transforms of one piece, or one row of a planar result in blocks.
  void SizeScratch() {
    for (const Work& work : plan_.schedule) {
      const Op& op = program_.ops[work.op];
      int64_t floats = 0;
      if (op.step == Step::kWinograd) {
        // Some times the layer's weights, which are in memory: the kernels need not check.
        const int64_t most = work.tiles.most_tiles();
        const int64_t v = op.winograd->v_floats(op.winograd_tile, most, op.in_channels);
        const int64_t m = op.winograd->m_floats(op.winograd_tile, most, work.block_step);
        floats = m + (work.shared_pieces ? RoundUp(CeilDiv(v, threads_), kBlock) : v);
      } else if (op.step == Step::kConv && op.out_lanes == 1 && !op.planar_kernel) {
        floats = CheckedMul(plan_.ops[work.op].width, kBlock, "scratch");
      }
      plan_.scratch_floats = std::max(plan_.scratch_floats, floats);
    }
  }

  // Made-up pixels are filled once the last operation has written into the storage.
  void ScheduleBorders() {
    std::vector<int> writer(program_.storages.size(), -1);
    for (size_t i = 0; i < program_.ops.size(); ++i)
      for (const BlockRef& ref : program_.ops[i].out) writer[ref.storage] = static_cast<int>(i);
    for (size_t s = 0; s < program_.storages.size(); ++s)
      if (program_.storages[s].has_border && writer[s] >= 0)
        plan_.ops[writer[s]].borders_after.push_back(static_cast<int>(s));
  }

  const Graph& graph_;
  const Program& program_;
  const std::vector<Region>& regions_;
  const int threads_;
  Plan plan_;
};

}  // namespace

Plan MakePlan(const Graph& graph, const Program& program, const std::vector<Region>& regions,
              int threads) {
  return Planner(graph, program, regions, threads).Run();
}

}  // namespace pyengine
