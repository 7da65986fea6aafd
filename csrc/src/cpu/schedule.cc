#include "cpu/schedule.h"

#include <algorithm>

#include "core/checked_math.h"
#include "cpu/conv_table.h"
#include "cpu/cpu_features.h"
#include "cpu/op_rows.h"

namespace pyengine {
namespace {

// Smaller planes stay in any last-level cache.
constexpr int64_t kInterleavedBytes = int64_t(4) << 20;
// One part in so many of a large last-level cache keeps a plane until it is read: layers' other
// planes and weights pass through it too.
constexpr int64_t kCacheShare = 8;
// Of one plane's rows at a time: a few operations' rows fit the second-level caches.
constexpr int64_t kBandBytes = int64_t(1) << 19;
// Rows made up by reflection need the rows that they mirror.
constexpr int64_t kMaxBorderRows = 4;
constexpr int64_t kMinBandRows = 8;
// Whole blocks of either size.
constexpr int64_t kBandStepRows = 12;

// Whether rows of the operation depend on nearby rows alone.
bool ByRows(const Op& op) {
  switch (op.step) {
    case Step::kGlobalAvgPool:
    case Step::kFlatten:
      return false;
    case Step::kConv:
      return !op.transposed || op.phases > 1;
    default:
      return true;
  }
}

class Scheduler {
 public:
  Scheduler(const Program& program, const Plan& plan, const std::vector<int>& groups, int threads)
      : program_(program), plan_(plan), groups_(groups), threads_(threads) {
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
      const int64_t band = end - begin == 1 ? plan_.ops[last].height : BandRows(begin, end);
      while (done_[last] < plan_.ops[last].height) Advance(last, done_[last] + band);
      // What later groups need beyond the last one's rows.
      for (size_t i = begin; i < end; ++i) Advance(static_cast<int>(i), plan_.ops[i].height);
      std::fill(writer_.begin(), writer_.end(), -1);
      begin = end;
    }
    return std::move(schedule_);
  }

 private:
  // Rows of the group's last operation that correspond to kBandBytes of its largest plane.
  int64_t BandRows(size_t begin, size_t end) const {
    int64_t bytes = 1, rows = 1;
    for (size_t i = begin; i < end; ++i) {
      const int storage = program_.ops[i].out[0].storage;
      bytes = std::max(bytes, StorageBytes(program_.storages[storage], plan_.buffers[storage]));
      rows = std::max(rows, plan_.buffers[storage].rows);
    }
    const int64_t band = std::max(kMinBandRows, kBandBytes * rows / bytes);
    const int64_t last = std::max<int64_t>(1, plan_.ops[end - 1].height);
    return RoundUp(std::max<int64_t>(1, band * last / rows), kBandStepRows);
  }

  // Computes the operation's rows up to `target`, and first what they need of others in the group.
  void Advance(int op_index, int64_t target) {
    const Op& op = program_.ops[op_index];
    const OpPlan& plan = plan_.ops[op_index];
    if (op.winograd_tile > 0) target = RoundUp(target, op.winograd_tile);
    target = std::min(target, plan.height);
    if (target <= done_[op_index]) return;
    for (int i = 0; i < 2; ++i)
      for (const BlockRef& ref : op.in[i]) {
        const int writer = writer_[ref.storage];
        if (writer < 0 || writer == op_index) continue;
        const OpPlan& source = plan_.ops[writer];
        const int64_t end = InputRowsEnd(op, plan, plan_.tables, target);
        const int64_t rows = plan.in_row[i] + ref.dy + end - source.out_row;
        Advance(writer, CeilDiv(rows, source.out_row_step));
      }
    Work work{op_index, done_[op_index], target};
    Share(op, plan, work);
    schedule_.push_back(work);
    done_[op_index] = target;
  }

  // Several pieces per thread, so that a thread that the system holds up does not stall the rest.
  void Share(const Op& op, const OpPlan& plan, Work& work) const {
    const int64_t rows = work.y_end - work.y_begin;
    const int64_t blocks = std::max<int64_t>(1, static_cast<int64_t>(plan.out_count));
    const int64_t wanted = threads_ == 1 ? 1 : int64_t(threads_) * 4;
    if (op.step == Step::kWinograd) return ShareWinograd(op, plan, blocks, wanted, work);
    int64_t pieces = wanted;
    work.block_step = blocks;
    if (op.step == Step::kConv) {
      // Kernels of one tap read a piece's inputs once for all its blocks: only where rows are too
      // few for the threads (linear layers) are blocks dealt out.
      const bool one_tap = op.kernel[0] * op.kernel[1] == 1;
      const int64_t by_blocks = std::clamp<int64_t>(wanted / std::max<int64_t>(1, rows), 1, blocks);
      work.block_step = one_tap ? CeilDiv(blocks, by_blocks) : std::min<int64_t>(blocks, 4);
      pieces = wanted / CeilDiv(blocks, work.block_step);
    } else if (op.step != Step::kSoftmax && op.step != Step::kCopy) {
      work.block_step = 1;
      pieces = CeilDiv(wanted, blocks);
    }
    work.row_pieces = std::clamp<int64_t>(pieces, 1, std::max<int64_t>(1, rows));
  }

  // Weights pass once per piece of tiles, tiles are transformed once per piece of blocks: about as
  // many tiles as the cache for transformed inputs allows, and where that leaves too few pieces for
  // the threads (deep, small planes), pieces of blocks as well. Shared pieces are transformed once:
  // their blocks are dealt out in the smallest parts.
  void ShareWinograd(const Op& op, const OpPlan& plan, int64_t blocks, int64_t wanted,
                     Work& work) const {
    const int64_t tiles = CeilDiv(work.y_end - work.y_begin, op.winograd_tile) * plan.tile_columns;
    const WinogradPiece piece = WinogradPieces(op.in_channels, op.channels, *op.winograd, threads_);
    work.shared_pieces = piece.shared;
    work.tiles = TilePieces(tiles, piece.tiles, piece.shared ? 1 : threads_);
    if (piece.shared) {
      work.block_step = op.winograd->slice_blocks;
      return;
    }
    const int64_t pairs = CeilDiv(blocks, 2), parts = wanted / 2 / work.tiles.count();
    work.block_step = CeilDiv(pairs, std::clamp<int64_t>(parts, 1, pairs)) * 2;
  }

  const Program& program_;
  const Plan& plan_;
  const std::vector<int>& groups_;
  const int threads_;
  std::vector<int64_t> done_;  // rows computed so far, per operation
  std::vector<int> writer_;    // operation of this group that writes a storage, or -1
  std::vector<Work> schedule_;
};

}  // namespace

int64_t StorageBytes(const Storage& storage, const Buffer& buffer) {
  return storage.blocks() * buffer.plane_floats * static_cast<int64_t>(sizeof(float));
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
    for (int i = 0; i < 2; ++i)
      for (const BlockRef& ref : op.in[i])
        follows = follows || (in_group[ref.storage] && StorageBytes(program.storages[ref.storage],
                                                                    buffers[ref.storage]) >= least);
    const bool large = StorageBytes(storage, buffers[out]) >= least;
    const bool borders_fit = std::max(storage.border.top, storage.border.bottom) <= kMaxBorderRows;
    const bool by_rows = ByRows(op) && writers[out] == 1 && borders_fit && (large || follows);
    const bool enlarges = op.transposed || op.step == Step::kUpsample;
    if (!open || !by_rows || enlarges) {
      ++group;
      std::fill(in_group.begin(), in_group.end(), false);
    }
    groups.push_back(group);
    in_group[out] = true;
    // Behind a stride, bands would be thin: the next resolution is a group of its own.
    const bool shrinks = !op.transposed && op.step != Step::kUpsample && op.stride[0] > 1;
    open = by_rows && !shrinks;
  }
  return groups;
}

std::vector<Work> MakeSchedule(const Program& program, const Plan& plan,
                               const std::vector<int>& groups, int threads) {
  return Scheduler(program, plan, groups, threads).Run();
}

}  // namespace pyengine
