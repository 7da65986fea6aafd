#include "cpu/schedule.h"

#include <algorithm>

#include "core/checked_math.h"
#include "cpu/processor.h"

namespace pyengine {
namespace {

// Smaller planes stay in any last-level cache.
constexpr int64_t kInterleavedBytes = int64_t(4) << 20;
// One part in so many of a large last-level cache keeps a plane until it is read: layers' other
// planes and weights pass through it too.
constexpr int64_t kCacheShare = 8;
// Of one plane's rows at a time: a few operations' rows fit the second-level caches.
constexpr int64_t kBandBytes = int64_t(1) << 19;
// Padding by reflection needs the rows that they mirror.
constexpr int64_t kMaxBorderRows = 4;
constexpr int64_t kMinBandRows = 8;
// Whole patches of either size.
constexpr int64_t kBandStepRows = 12;

class Scheduler {
 public:
  Scheduler(const Program& program, const Plan& plan, const std::vector<int>& groups, int threads,
            bool banded)
      : program_(program), plan_(plan), groups_(groups), threads_(threads), banded_(banded) {
    band_axis_ = program.band_axis();
    done_.assign(program.ops.size(), 0);
    writer_.assign(program.storages.size(), -1);
  }

  std::vector<Work> Run() {
    const size_t count = program_.ops.size();
    for (size_t begin = 0; begin < count;) {
      size_t end = begin + 1;
      while (end < count && groups_[end] == groups_[begin]) ++end;
      for (size_t i = begin; i < end; ++i) writer_[program_.ops[i].out[0].storage] = int(i);
      const int last = static_cast<int>(end) - 1;
      const bool bands = end - begin > 1 || (banded_ && program_.ops[last].step->in_bands());
      const int64_t band = bands ? BandLines(begin, end) : Lines(last);
      while (done_[last] < Lines(last)) Advance(last, done_[last] + band);
      // What later groups need beyond the last one's rows.
      for (size_t i = begin; i < end; ++i) Advance(static_cast<int>(i), Lines(static_cast<int>(i)));
      std::fill(writer_.begin(), writer_.end(), -1);
      begin = end;
    }
    return std::move(schedule_);
  }

 private:
  int64_t Lines(int op) const { return plan_.ops[op].lines(band_axis_); }

  // Rows, or slices, of the group's last operation that correspond to kBandBytes of its largest
  // planes.
  int64_t BandLines(size_t begin, size_t end) const {
    int64_t bytes = 1, lines = 1;
    for (size_t i = begin; i < end; ++i) {
      const int storage = program_.ops[i].out[0].storage;
      const Buffer& buffer = plan_.buffers[storage];
      bytes = std::max(bytes, StorageBytes(program_.storages[storage], buffer));
      lines = std::max(lines, band_axis_ == Axis::kZ ? buffer.slices : buffer.rows);
    }
    const int64_t last = std::max<int64_t>(1, Lines(static_cast<int>(end) - 1));
    const int64_t least = band_axis_ == Axis::kZ ? 1 : kMinBandRows;
    const int64_t band = std::max(least, kBandBytes * lines / bytes);
    const int64_t of_last = std::max<int64_t>(1, band * last / lines);
    return band_axis_ == Axis::kZ ? of_last : RoundUp(of_last, kBandStepRows);
  }

  // Computes the operation's lines up to `target`, and first what they need of others in the group.
  void Advance(int op_index, int64_t target) {
    const Op& op = program_.ops[op_index];
    const OpPlan& plan = plan_.ops[op_index];
    if (band_axis_ == Axis::kY) target = RoundUp(target, op.step->patch_px());
    target = std::min(target, Lines(op_index));
    if (target <= done_[op_index]) return;
    for (int i = 0; i < kOpInputs; ++i)
      for (const BlockRef& ref : op.in[i]) {
        const int writer = writer_[ref.storage];
        if (writer < 0 || writer == op_index) continue;
        const OpPlan& source = plan_.ops[writer];
        const int64_t at = plan.in_at[i][band_axis_];
        const int64_t end = band_axis_ == Axis::kZ ? plan.slices.End(at, target)
                                                   : op.step->InputRowsEnd(plan, target);
        const int64_t lines = at + ref.shift[band_axis_] + end - source.out_at[band_axis_];
        Advance(writer, CeilDiv(lines, source.out_step[band_axis_]));
      }
    Work work{.op = op_index, .z_end = plan.depth, .y_end = plan.height};
    (band_axis_ == Axis::kZ ? work.z_begin : work.y_begin) = done_[op_index];
    (band_axis_ == Axis::kZ ? work.z_end : work.y_end) = target;
    op.step->Share(op, plan, threads_, work);
    schedule_.push_back(work);
    done_[op_index] = target;
  }

  const Program& program_;
  const Plan& plan_;
  const std::vector<int>& groups_;
  const int threads_;
  const bool banded_;
  Axis band_axis_ = Axis::kY;
  std::vector<int64_t> done_;  // rows or slices computed so far, per operation
  std::vector<int> writer_;    // operation of this group that writes a storage, or -1
  std::vector<Work> schedule_;
};

}  // namespace

int64_t StorageBytes(const Storage& storage, const Buffer& buffer) {
  return storage.blocks() * buffer.slices * buffer.plane_floats *
         static_cast<int64_t>(sizeof(float));
}

int64_t InterleavedBytes() {
  static const int64_t bytes = std::max(kInterleavedBytes, LastLevelCacheBytes() / kCacheShare);
  return bytes;
}

std::vector<int> GroupOps(const Program& program, const std::vector<Buffer>& buffers) {
  std::vector<int> writers(program.storages.size(), 0);
  for (const Op& op : program.ops) {
    int previous = -1;
    for (const BlockRef& ref : op.out)
      if (ref.storage != previous) ++writers[previous = ref.storage];
  }
  const int64_t least = InterleavedBytes();
  std::vector<int> groups;
  std::vector<bool> in_group(program.storages.size(), false);
  int group = -1;
  bool open = false;  // whether the next operation may join
  for (const Op& op : program.ops) {
    const int out = op.out[0].storage;
    const Storage& storage = program.storages[out];
    bool follows = false;  // reads a large plane of this group
    for (int i = 0; i < kOpInputs; ++i)
      for (const BlockRef& ref : op.in[i])
        follows = follows || (in_group[ref.storage] && StorageBytes(program.storages[ref.storage],
                                                                    buffers[ref.storage]) >= least);
    const bool large = StorageBytes(storage, buffers[out]) >= least;
    const Amounts& border = storage.border;
    const bool borders_fit =
        program.volume ? !storage.has_slice_border() || storage.border_mode != BorderMode::kReflect
                       : std::max(border.before.y, border.after.y) <= kMaxBorderRows;
    const bool by_rows =
        op.step->by_rows() && writers[out] == 1 && borders_fit && (large || follows);
    const Resolution resolution = op.step->resolution();
    if (!open || !by_rows || resolution == Resolution::kLarger) {
      ++group;
      std::fill(in_group.begin(), in_group.end(), false);
    }
    groups.push_back(group);
    in_group[out] = true;
    // Behind a stride, bands would be thin: the next resolution is a group of its own.
    open = by_rows && resolution != Resolution::kSmaller;
  }
  return groups;
}

std::vector<Work> MakeSchedule(const Program& program, const Plan& plan,
                               const std::vector<int>& groups, int threads, bool banded) {
  return Scheduler(program, plan, groups, threads, banded).Run();
}

}  // namespace pyengine
