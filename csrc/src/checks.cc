#include "checks.h"

#include <cmath>
#include <string>

#include "core/checked_math.h"
#include "core/worker_thread.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

constexpr int64_t kMaxContextPx = 1 << 14;

[[noreturn]] void Refuse(const std::string& problem) {
  throw Error(ErrorCode::kInvalidArgument, problem);
}

template <class Enumeration>
void CheckEnumerator(Enumeration value, Enumeration last, const char* name) {
  const auto number = static_cast<int64_t>(value);
  if (number < 0 || number > static_cast<int64_t>(last))
    Refuse(std::string(name) + " " + std::to_string(number) + " must be from 0 to " +
           std::to_string(static_cast<int64_t>(last)));
}

}  // namespace

void CheckOptions(const SegmentOptions& options) {
  if (options.tile_height_px < 0 || options.tile_width_px < 0)
    Refuse("tile " + std::to_string(options.tile_height_px) + " x " +
           std::to_string(options.tile_width_px) + " px must be positive");
  if (options.tile_depth_px < 0)
    Refuse("tile depth " + std::to_string(options.tile_depth_px) + " px must be positive");
  if (options.batch_size < 0)
    Refuse("batch_size " + std::to_string(options.batch_size) + " must be >= 1");
  if (options.max_memory_bytes < 0) Refuse("max_memory must be positive");
  if (!std::isfinite(options.source_scale) || !std::isfinite(options.source_offset))
    Refuse("source_scale " + std::to_string(options.source_scale) + " and source_offset " +
           std::to_string(options.source_offset) + " must be finite");
  CheckEnumerator(options.mode, TileMode::kNnUnet, "mode");
  CheckEnumerator(options.padding, PaddingMode::kConstant, "padding");
  CheckEnumerator(options.augmentation, Augmentation::kMirror, "augmentation");
}

void CheckOptions(const EngineOptions& options) {
  CheckEnumerator(options.accuracy, Accuracy::kReproducible, "accuracy");
  CheckEnumerator(options.on_mismatch, OnMismatch::kCpu, "on_mismatch");
  for (int64_t px : {options.executor_alignment_px, options.executor_halo_px})
    if (px < 0 || px > kMaxContextPx)
      Refuse("halo and alignment of an executor must be from 0 to " +
             std::to_string(kMaxContextPx) + " px, got " + std::to_string(px));
  CheckOptions(options.thread);
  const bool pool = options.threads != 0;
  const bool own = options.pin_threads || Demanding(options.thread) || !options.thread.name.empty();
  if (options.share_threads != nullptr && (pool || own || options.run_tasks))
    Refuse(
        "share_threads takes another engine's threads as they are: leave threads, pin_threads, "
        "thread and run_tasks unset");
  if (options.run_tasks && own)
    Refuse("run_tasks brings the host's threads as they are: leave pin_threads and thread unset");
  if (options.pin_threads && !options.thread.cores.empty())
    Refuse("pin_threads chooses cores by itself: leave thread.cores unset, or pin_threads");
}

void CheckOptions(const ThreadOptions& options) {
  CheckEnumerator(options.policy, ThreadPolicy::kRoundRobin, "thread.policy");
  const bool real_time = options.policy != ThreadPolicy::kNormal;
  const int least = real_time ? 1 : -20, most = real_time ? 99 : 19;
  if (options.priority < least || options.priority > most)
    Refuse("thread.priority " + std::to_string(options.priority) + " must be from " +
           std::to_string(least) + " to " + std::to_string(most) +
           (real_time ? " in real time" : ", a nice value"));
  for (const int core : options.cores)
    if (core < 0)
      Refuse("thread.cores holds " + std::to_string(core) + "; hardware threads count from 0");
}

void CheckRegion(const SegmentOptions& o, int64_t height, int64_t width) {
  const auto within = [](int64_t begin, int64_t size, int64_t all) {
    return begin >= 0 && size >= 1 && size <= all && begin <= all - size;
  };
  const bool none = !o.has_region() && o.region_top_px == 0 && o.region_left_px == 0;
  if (none || (within(o.region_top_px, o.region_height_px, height) &&
               within(o.region_left_px, o.region_width_px, width)))
    return;
  Refuse("region of " + std::to_string(o.region_height_px) + " x " +
         std::to_string(o.region_width_px) + " px from row " + std::to_string(o.region_top_px) +
         ", column " + std::to_string(o.region_left_px) + " on is not within the image of " +
         std::to_string(height) + " x " + std::to_string(width) + " px");
}

void CheckForeground(const SegmentOptions& o, int64_t height, int64_t width) {
  if (o.foreground.empty() && o.foreground_cell_px == 0) return;
  if (o.foreground_cell_px < 1)
    Refuse("foreground_cell_px " + std::to_string(o.foreground_cell_px) + " must be positive");
  const int64_t down = CeilDiv(height, o.foreground_cell_px);
  const int64_t across = CeilDiv(width, o.foreground_cell_px);
  if (static_cast<int64_t>(o.foreground.size()) != down * across)
    Refuse("foreground has " + std::to_string(o.foreground.size()) + " cells of " +
           std::to_string(o.foreground_cell_px) + " px, the image " + std::to_string(down) + " x " +
           std::to_string(across));
}

void CheckBand(int64_t height, Range rows) {
  if (rows.begin < 0 || rows.end > height || rows.empty())
    Refuse("rows " + std::to_string(rows.begin) + " to " + std::to_string(rows.end) +
           " are not within the image of " + std::to_string(height) + " rows");
}

OutputView CheckOutput(OutputKind kind, void* data, Range rows, int64_t width, int64_t row_stride,
                       int64_t classes, int64_t first_column) {
  CheckEnumerator(kind, OutputKind::kLogits, "output");
  if (data == nullptr) Refuse("the result has no memory");
  if (row_stride < width)
    Refuse("row_stride " + std::to_string(row_stride) + " is smaller than the width " +
           std::to_string(width));
  const bool labels = kind == OutputKind::kLabels;
  const int64_t value_bytes = labels ? 1 : static_cast<int64_t>(sizeof(float));
  const auto address = static_cast<int64_t>(reinterpret_cast<uintptr_t>(data));
  if (address % value_bytes != 0) Refuse("scores must lie at a multiple of 4 bytes");
  const int64_t plane =
      CheckedAdd(CheckedMul(rows.size() - 1, row_stride, "result"), width, "result");
  const int64_t values = CheckedMul(plane, labels ? 1 : classes, "result");
  CheckedAdd(address, CheckedMul(values, value_bytes, "result"), "result");
  return {.kind = kind,
          .data = data,
          .row_stride = row_stride,
          .plane_stride = labels ? 0 : plane,
          .first_row = rows.begin,
          .first_column = first_column};
}

}  // namespace pyengine
