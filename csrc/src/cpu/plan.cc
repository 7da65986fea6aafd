#include "cpu/plan.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "core/checked_math.h"
#include "cpu/rolling.h"
#include "cpu/schedule.h"

namespace pyengine {
namespace {

constexpr int64_t kFloatsPerLine = 16;  // 64-byte cache line

// Times, in groups, between which a storage holds what is needed; none: nobody writes it.
struct Lifetime {
  int first = -1, last = -1;
  bool any() const { return first >= 0; }
  bool Meets(const Lifetime& o) const { return last >= o.first && o.last >= first; }
};

class Planner {
 public:
  // `memory_floats`: as of MakePlanWithin; none: as much as it takes.
  Planner(const Program& program, const std::vector<Region>& regions, int threads,
          std::optional<int64_t> memory_floats)
      : program_(program), regions_(regions), threads_(threads), memory_floats_(memory_floats) {
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
      for (Axis axis : {Axis::kY, Axis::kX}) winograd.pool_at[axis] = FirstWindow(conv, pool, axis);
      plan_.ops[pool].pooled_by = conv;
    }
    ScheduleBorders();
    plan_.schedule = MakeSchedule(program_, plan_, groups, threads_, memory_floats_.has_value());
    RollBuffers(program_, groups, plan_);
    SizeScratch();
    PlaceBuffers(Lifetimes(groups, fused));
    PlaceConstantRows();
    for (size_t i = 0; i < program_.ops.size(); ++i) PlacePlanes(program_.ops[i], plan_.ops[i]);
    return std::move(plan_);
  }

 private:
  const Region& RegionOf(int tensor) const { return regions_[tensor]; }

  Buffer BufferFor(const Storage& storage) const {
    const Region& region = RegionOf(storage.tensor);
    const auto range = [&](Axis axis, int64_t of_table) {
      return of_table ? Range{.begin = 0, .end = of_table}
                      : WholeGroups(region.axis[axis], storage.group[axis]);
    };
    const Range rows = range(Axis::kY, storage.table_rows),
                columns = range(Axis::kX, storage.table_pixels);
    const Range slices = storage.table_rows ? Range{.begin = 0, .end = 1}
                                            : WholeGroups(region.axis.z, storage.group.z);
    const Amounts& border = storage.border;
    Buffer b;
    b.z0 = slices.begin;
    b.y0 = rows.begin - border.before.y;
    b.x0 = columns.begin - border.before.x;
    b.slices = slices.size();
    b.rows = rows.size() + border.before.y + border.after.y;
    b.columns = columns.size() + border.before.x + border.after.x;
    b.slices_held = b.slices;
    b.rows_held = b.rows;
    b.row_stride = CheckedMul(b.columns, storage.lanes, "activation");
    b.plane_floats = CheckedMul(b.rows, b.row_stride, "activation");
    // A slice's blocks lie side by side, as they are read; the caller's slices lie within channels.
    const int64_t blocks = storage.external ? 1 : storage.blocks();
    b.slice_floats = CheckedMul(b.plane_floats, blocks, "activation");
    b.block_floats =
        storage.external ? CheckedMul(b.plane_floats, b.slices, "activation") : b.plane_floats;
    return b;
  }

  // Where the first window of `pool` begins in the outputs of `conv`.
  int64_t FirstWindow(int conv, int pool, Axis axis) const {
    return 2 * RegionOf(program_.ops[pool].out_tensor).axis[axis].begin -
           RegionOf(program_.ops[conv].out_tensor).axis[axis].begin;
  }

  // Whether `pool` reads just what the convolution writes, every window within its output and
  // within one of its patches.
  bool CanFusePool(int conv_index, int pool_index) const {
    const Op &conv = program_.ops[conv_index], &pool = program_.ops[pool_index];
    const auto same = [](const BlockRef& a, const BlockRef& b) {
      return a.storage == b.storage && a.block == b.block && a.shift == b.shift;
    };
    if (!conv.step->can_take_maxima() || conv.out_tensor != pool.in_tensor[0] ||
        !std::equal(conv.out.begin(), conv.out.end(), pool.in[0].begin(), pool.in[0].end(), same))
      return false;
    if (RegionOf(conv.out_tensor).axis.z.size() != 1) return false;
    for (Axis axis : {Axis::kY, Axis::kX}) {
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

  // A plane of fused maxima is alive from the convolution on.
  std::vector<Lifetime> Lifetimes(const std::vector<int>& groups,
                                  const std::map<int, int>& fused) const {
    std::vector<Lifetime> lives(program_.storages.size());
    for (size_t i = 0; i < program_.ops.size(); ++i) {
      const Op& op = program_.ops[i];
      for (const auto* refs : {&op.in[0], &op.in[1], &op.in[2], &op.out})
        for (const BlockRef& ref : *refs) {
          Lifetime& life = lives[ref.storage];
          if (!life.any()) life.first = groups[i];
          life.last = groups[i];
        }
      const auto pool = fused.find(static_cast<int>(i));
      if (pool == fused.end()) continue;
      for (const BlockRef& ref : program_.ops[pool->second].out)
        lives[ref.storage].first = groups[i];
    }
    return lives;
  }

  void PlaceBuffers(const std::vector<Lifetime>& lives) {
    std::vector<size_t> order;  // largest first
    for (size_t s = 0; s < program_.storages.size(); ++s)
      if (!program_.storages[s].external && lives[s].any()) order.push_back(s);
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return FloatsOf(a) > FloatsOf(b); });
    plan_.arena_floats = Place(order, lives, kFloatsPerLine);
    if (!memory_floats_) return;
    const int64_t left = *memory_floats_ - threads_ * plan_.scratch_floats;
    std::vector<size_t> in_file;
    while (plan_.arena_floats > left && !order.empty()) {
      in_file.push_back(order.front());
      order.erase(order.begin());
      plan_.arena_floats = Place(order, lives, kFloatsPerLine);
    }
    plan_.file_floats = Place(in_file, lives, kFileAlignFloats);
    for (size_t s : in_file) plan_.buffers[s].in_file = true;
    for (size_t s = 0; s < program_.storages.size(); ++s)
      if (program_.storages[s].external) plan_.buffers[s].in_file = true;
  }

  int64_t FloatsOf(size_t storage) const {
    const Buffer& b = plan_.buffers[storage];
    return CheckedMul(b.slice_floats, b.slices_held, "activation");
  }

  // Storages that are never alive together may share memory: in the order given, each at the lowest
  // place that does not meet another one alive at the same time. Returns what they take together.
  int64_t Place(const std::vector<size_t>& order, const std::vector<Lifetime>& lives,
                int64_t align_floats) {
    int64_t floats = 0;
    std::vector<size_t> placed;  // by offset
    const auto size = [&](size_t s) { return RoundUp(FloatsOf(s), align_floats); };
    for (size_t s : order) {
      int64_t offset = 0;
      for (size_t other : placed) {
        if (!lives[other].Meets(lives[s])) continue;
        const Buffer& b = plan_.buffers[other];
        if (offset + size(s) <= b.offset) break;
        offset = std::max(offset, b.offset + size(other));
      }
      plan_.buffers[s].offset = offset;
      floats = std::max(floats, CheckedAdd(offset, size(s), "activation"));
      placed.insert(std::upper_bound(placed.begin(), placed.end(), s,
                                     [&](size_t a, size_t b) {
                                       return plan_.buffers[a].offset < plan_.buffers[b].offset;
                                     }),
                    s);
    }
    return floats;
  }

  // Slices beyond the ends that are all alike: a row for each number that they are of.
  void PlaceConstantRows() {
    for (size_t s = 0; s < program_.storages.size(); ++s) {
      const Storage& storage = program_.storages[s];
      if (!storage.has_slice_border() || storage.border_mode == BorderMode::kReflect ||
          storage.border_mode == BorderMode::kReplicate)
        continue;
      const float value = storage.border_mode == BorderMode::kConstant ? storage.border_value : 0;
      const int64_t floats = RoundUp(plan_.buffers[s].row_stride, kFloatsPerLine);
      auto row = std::find_if(
          plan_.constant_rows.begin(), plan_.constant_rows.end(),
          [&](const ConstantRow& one) { return one.value == value && one.floats >= floats; });
      if (row == plan_.constant_rows.end()) {
        plan_.constant_rows.push_back(
            {.value = value, .offset = plan_.arena_floats, .floats = floats});
        row = plan_.constant_rows.end() - 1;
        plan_.arena_floats = CheckedAdd(plan_.arena_floats, floats, "activation");
      }
      plan_.buffers[s].outside = row->offset;
    }
  }

  // The plane that holds index `at` of a block. Padding's slices are mirrored ones, or a row.
  PlaneSpec PlaneAt(const BlockRef& ref, const Axes& at, int64_t row_step) const {
    const Buffer& b = plan_.buffers[ref.storage];
    const Storage& s = program_.storages[ref.storage];
    const int64_t column = (at.x + ref.shift.x - b.x0) * s.lanes;
    int64_t slice = at.z + ref.shift.z - b.z0;
    if (slice < 0 || slice >= b.slices) {
      if (b.outside >= 0)
        return {.storage = ref.storage, .offset = b.outside + column, .row_stride = 0};
      if (s.has_slice_border() && s.border_mode == BorderMode::kReflect)
        slice = slice < 0 ? -slice : 2 * (b.slices - 1) - slice;
      slice = std::clamp<int64_t>(slice, 0, b.slices - 1);
    }
    return {.storage = ref.storage,
            .offset = b.offset + ref.block * b.block_floats +
                      slice % b.slices_held * b.slice_floats +
                      (at.y + ref.shift.y - b.y0) * b.row_stride + column,
            .row_stride = b.row_stride * row_step};
  }

  OpPlan PlanOp(const Op& op) const {
    Placing placing = op.step->Place(RegionOf(op.out_tensor), RegionOf(op.in_tensor[0]));
    OpPlan plan;
    plan.depth = placing.size.z;
    plan.height = placing.size.y;
    plan.width = placing.size.x;
    for (int i = 0; i < kOpInputs; ++i)
      if (!op.still[i]) plan.in_at[i] = placing.in_at;
    plan.out_at = placing.out_at;
    plan.out_step = placing.out_step;
    plan.slices = std::move(placing.slices);
    plan.part = std::move(placing.part);
    return plan;
  }

  // For every output slice its own planes, one after the other; inputs that are still have one set.
  void PlacePlanes(const Op& op, OpPlan& plan) {
    plan.out_begin = plan_.specs.size();
    plan.out_planes = op.out.size();
    for (int64_t z = 0; z < plan.depth; ++z) {
      Axes at = plan.out_at;
      at.z += z * plan.out_step.z;
      for (const BlockRef& ref : op.out) plan_.specs.push_back(PlaneAt(ref, at, plan.out_step.y));
    }
    for (int i = 0; i < kOpInputs; ++i) {
      plan.in_begin[i] = plan_.specs.size();
      if (op.still[i]) {
        for (const BlockRef& ref : op.in[i]) plan_.specs.push_back(PlaneAt(ref, {}, 0));
        continue;
      }
      plan.in_planes[i] = op.in[i].size() * static_cast<size_t>(plan.slices.count);
      for (int64_t z = 0; z < plan.depth; ++z) AddInputPlanes(op.in[i], plan, plan.in_at[i], z);
    }
  }

  // Of one output slice.
  void AddInputPlanes(const std::vector<BlockRef>& refs, const OpPlan& plan, Axes at, int64_t z) {
    const SliceTaps& taps = plan.slices;
    const int64_t first = at.z;
    const auto add = [&](const BlockRef& ref, int64_t tap) {
      at.z = taps.index.empty() ? first + z : taps.index[static_cast<size_t>(z * taps.count + tap)];
      plan_.specs.push_back(PlaneAt(ref, at, 1));
    };
    if (taps.outermost) {
      for (int64_t tap = 0; tap < taps.count; ++tap)
        for (const BlockRef& ref : refs) add(ref, tap);
    } else {
      for (const BlockRef& ref : refs)
        for (int64_t tap = 0; tap < taps.count; ++tap) add(ref, tap);
    }
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
  const std::optional<int64_t> memory_floats_;
  Plan plan_;
};

}  // namespace

Plan MakePlan(const Program& program, const std::vector<Region>& regions, int threads) {
  return Planner(program, regions, threads, std::nullopt).Run();
}

Plan MakePlanWithin(const Program& program, const std::vector<Region>& regions, int threads,
                    int64_t memory_floats) {
  return Planner(program, regions, threads, memory_floats).Run();
}

}  // namespace pyengine
