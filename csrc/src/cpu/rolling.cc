#include "cpu/rolling.h"

#include <algorithm>

#include "cpu/schedule.h"

namespace pyengine {
namespace {

// An operation that reads a storage through its input `input`, whose planes begin at `line` of the
// storage: a row, or a slice.
struct Reader {
  int op = 0, input = 0;
  int64_t line = 0;
};

// One storage, written by one operation, through the schedule.
class Roller {
 public:
  Roller(const Program& program, Plan& plan, int storage)
      : plan_(plan), program_(program), storage_(storage), band_(program.band_axis()) {
    for (size_t i = 0; i < program.ops.size(); ++i) {
      const Op& op = program.ops[i];
      const OpPlan& sizes = plan.ops[i];
      for (const BlockRef& ref : op.out)
        if (ref.storage == storage) {
          // Phases of a transposed convolution begin in several rows.
          const int64_t line = sizes.out_at[band_] + ref.shift[band_];
          out_line_ = writer_ < 0 ? line : std::min(out_line_, line);
          writer_ = static_cast<int>(i);
        }
      // A pooling fused into a convolution reads what was written just now.
      if (sizes.pooled_by >= 0) continue;
      for (int k = 0; k < kOpInputs; ++k)
        for (const BlockRef& ref : op.in[k])
          if (ref.storage == storage)
            readers_.push_back({.op = static_cast<int>(i),
                                .input = k,
                                .line = sizes.in_at[k][band_] + ref.shift[band_]});
    }
  }

  void Run() {
    Buffer& buffer = plan_.buffers[storage_];
    int64_t held = 0;
    ForEachWrite(
        [&](Work&, int64_t keep, int64_t, int64_t end) { held = std::max(held, end - keep); });
    if (band_ == Axis::kZ) {
      // Pointed at, not moved.
      buffer.slices_held = std::min(held, buffer.slices);
      return;
    }
    if (held >= buffer.rows) return;
    buffer.rows_held = held;
    buffer.plane_floats = buffer.block_floats = held * buffer.row_stride;
    buffer.slice_floats = buffer.plane_floats * program_.storages[storage_].blocks();
    int64_t first = buffer.y0;  // the row that lies at the front
    ForEachWrite([&](Work& work, int64_t keep, int64_t written, int64_t end) {
      if (end - first <= held) return;
      work.rolls.push_back(
          {.storage = storage_, .by = keep - first, .rows = std::max<int64_t>(0, written - keep)});
      first = keep;
    });
  }

 private:
  // Calls f(work, first row still needed, one past the last row written before and after).
  template <class F>
  void ForEachWrite(F&& f) {
    const Buffer& buffer = plan_.buffers[storage_];
    const Storage& storage = program_.storages[storage_];
    const int64_t first = band_ == Axis::kZ ? buffer.z0 : buffer.y0;
    const int64_t lines_end = first + (band_ == Axis::kZ ? buffer.slices : buffer.rows);
    std::vector<int64_t> done(program_.ops.size(), 0);
    int64_t written = first;
    for (Work& work : plan_.schedule) {
      const OpPlan& op = plan_.ops[work.op];
      if (work.op == writer_) {
        const int64_t done_now = work.lines(band_).end;
        const bool last = done_now == op.lines(band_);
        const int64_t end = last ? lines_end : out_line_ + done_now * op.out_step[band_];
        int64_t keep = written;
        for (const Reader& reader : readers_)
          if (done[reader.op] < plan_.ops[reader.op].lines(band_))
            keep = std::min(keep, reader.line + FirstInput(reader, done[reader.op]));
        // Padding below the last row mirrors as many above it.
        if (storage.has_border && band_ == Axis::kY)
          keep = std::min(keep, written - storage.border.after.y - 1);
        keep = std::max(keep, first);
        f(work, keep, written, end);
        written = end;
      }
      done[work.op] = work.lines(band_).end;
    }
  }

  // Counted from the reader's planes.
  int64_t FirstInput(const Reader& reader, int64_t done) const {
    const OpPlan& plan = plan_.ops[reader.op];
    return band_ == Axis::kZ ? plan.slices.First(plan.in_at[reader.input].z, done)
                             : program_.ops[reader.op].step->FirstInputRow(plan, done);
  }

  Plan& plan_;
  const Program& program_;
  int storage_ = 0;
  Axis band_;
  int writer_ = -1;
  int64_t out_line_ = 0;  // of the writer's output row or slice 0
  std::vector<Reader> readers_;
};

}  // namespace

void RollBuffers(const Program& program, const std::vector<int>& groups, Plan& plan) {
  // GroupOps lets no two operations of a group write into one storage.
  std::vector<int> group(program.storages.size(), -1);
  std::vector<bool> rolls(program.storages.size(), true);
  for (size_t i = 0; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    for (const auto* refs : {&op.in[0], &op.in[1], &op.in[2], &op.out})
      for (const BlockRef& ref : *refs) {
        int& one = group[ref.storage];
        if (one >= 0 && one != groups[i]) rolls[ref.storage] = false;
        one = groups[i];
      }
    if (plan.ops[i].pooled_by >= 0) rolls[op.out[0].storage] = false;
  }
  for (size_t s = 0; s < program.storages.size(); ++s) {
    const Storage& storage = program.storages[s];
    if (rolls[s] && group[s] >= 0 && !storage.external &&
        StorageBytes(storage, plan.buffers[s]) >= InterleavedBytes())
      Roller(program, plan, static_cast<int>(s)).Run();
  }
}

}  // namespace pyengine
