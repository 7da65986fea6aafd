/// \file
/// Plain option structs; every default is what most callers want.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pyengine/export.h"
#include "pyengine/thread_options.h"

namespace pyengine {

class Engine;

/// Decides which of several calls computes; see SegmentOptions::scheduler.
class Scheduler;
PYENGINE_EXPORT std::shared_ptr<Scheduler> MakeScheduler();

/// How much rounding the CPU engine may add to save time.
enum class Accuracy {
  kDefault,  ///< About as much as any float32 convolution.
  /// More, for 3x3 convolutions: larger blocks of Winograd's algorithm, a few times as much; on a
  /// processor with AMX its products from numbers of 16 bits of significand, tens of times as much.
  kFast,
  /// As kDefault, and the same bits on every machine: on processors without fused multiply-adds,
  /// which kDefault serves by rounding products, they are computed in plain C++, many times slower.
  /// The CPU only: device "auto" means it, and a GPU is refused.
  kReproducible,
};

/// What to do where no TensorRT plan of the engine file fits the GPU that was asked for.
enum class OnMismatch {
  kRaise,    ///< Refuse to open, naming what differs.
  kRebuild,  ///< Build a plan for this run from the network stored beside one; takes seconds.
  kCpu,      ///< Run on the CPU; EngineInfo::why_not_gpu tells.
};

/// How an engine is opened.
struct EngineOptions {
  /// Threads of one call, the caller's included, 1 to 1024; 0 = every core that affinity and CPU
  /// limits (control groups) leave to the process; hardware threads of one core count once.
  int threads = 0;
  /// "avx512", "avx2", "neon", "portable", for Accuracy::kFast also "amx"; empty = the best this
  /// machine has. Slower by far: "fused", the bits of the first three in plain C++, and
  /// "reference", the oracle of the others. AMX takes the operating system's
  /// leave for the process, after which threads' alternate signal stacks must have room for its
  /// registers (8 KiB more than before).
  std::string isa;
  Accuracy accuracy = Accuracy::kDefault;
  /// Worker threads stay on one core each, other than the first that the process may use; the
  /// caller's thread is left alone.
  bool pin_threads = false;
  /// "cpu"; "cuda" or "cuda:N" for a GPU and a plan that fits it; "auto": the first GPU if the file
  /// holds a plan that fits it, else the CPU.
  std::string device = "auto";
  OnMismatch on_mismatch = OnMismatch::kRaise;
  /// Where to look for TensorRT's libraries; see ListExecutors().
  std::vector<std::string> library_folders = {};
  ThreadOptions thread = {};  ///< Of the engine's worker threads.
  /// Not null: this engine's threads serve the new one, too, and none are started. It may be closed
  /// before the new one.
  const Engine* share_threads = nullptr;
  /// Not empty: these threads serve, and none are started; `threads` says how many at most.
  RunTasksFn run_tasks = {};
  /// For an executor of the caller's own that computes another network than the file's: what tile
  /// origins and input sizes are multiples of, and the context that a tile needs on each side. 0:
  /// both as the file says.
  int64_t executor_alignment_px = 0;
  int64_t executor_halo_px = 0;  ///< See executor_alignment_px.
};

/// How tiles meet.
enum class TileMode {
  kExact,     ///< Full context for every pixel: bit for bit the one-tile result.
  kConstant,  ///< Overlapping windows, logits averaged.
  kGaussian,  ///< Overlapping windows, logits averaged with a Gaussian weight.
  /// As nnU-Net predicts: windows of the size that the file names, at most half a window apart,
  /// its Gaussian, zeros beyond the image, mirrored window by window. On the CPU.
  kNnUnet,
};

/// What a segmentation returns.
enum class OutputKind {
  kLabels,         ///< uint8 (H, W)
  kProbabilities,  ///< float32 (K, H, W), in [0, 1]
  kLogits,         ///< float32 (K, H, W)
};

/// What stands for pixels beyond the image.
enum class PaddingMode {
  kReflect,    ///< Mirror, edge pixel not repeated (numpy "reflect"); the exactness contract.
  kReplicate,  ///< Edge pixel repeated (numpy "edge").
  kConstant,   ///< Zero after normalisation.
};

/// Over which views of an image the logits are averaged (test-time augmentation). Whole images
/// only; takes as many passes, and two sets of logits of the image.
enum class Augmentation {
  kNone,    ///< The image alone.
  kFlips,   ///< It and its flips along each axis and both: 4 passes.
  kD4,      ///< All flips and quarter turns: 8 passes.
  kMirror,  ///< Flips along the axes that the file names, as nnU-Net does, and all at once.
};

/// Called after each batch of tiles; returning false cancels the call, also after the last one.
using ProgressFn = std::function<bool(int64_t tiles_done, int64_t tiles_total)>;

/// Told of finished slices of a volume's result, in order: labels (slices, height, width), or float
/// scores whose classes are `class_stride` values apart. `data` lives as long as the call.
using SlabFn = std::function<void(int64_t first_slice, int64_t slices, const void* data,
                                  int64_t class_stride)>;

/// Asked about every 5 ms while a network computes; returning true cancels the call.
using CancelFn = std::function<bool()>;

/// What became of the pixels of a call's exact tiles.
struct TileReport {
  int64_t computed_px = 0;
  int64_t repeated_px = 0;    ///< Copied: their windows are one constant that was met before.
  int64_t background_px = 0;  ///< Left out: they are no foreground.
};

/// Called at the end of a call, once for each pass over the image.
using TileReportFn = std::function<void(const TileReport&)>;

/// How one image is segmented.
struct SegmentOptions {
  int64_t tile_height_px = 0;  ///< Output tile; 0 = chosen by the cost model.
  int64_t tile_width_px = 0;   ///< As tile_height_px.
  int64_t tile_depth_px = 0;   ///< As tile_height_px, of volumes.
  int batch_size = 0;          ///< Tiles per network call; 0 = 1 on the CPU, the plan's on a GPU.
  /// Working memory beside image and result. 0: 1 GiB; where that takes more than a quarter longer
  /// (or is too little), half of what was free when the engine was opened. The result is the same.
  /// What a whole image needs beyond it lies in a temporary file.
  int64_t max_memory_bytes = 0;
  TileMode mode = TileMode::kExact;
  double overlap = 0.25;  ///< Blending only: fraction of the tile (< 1) or pixels (>= 1).
  PaddingMode padding = PaddingMode::kReflect;
  ProgressFn progress;
  /// The call stays on the caller's thread: for callers that segment one image per thread of their
  /// own. The result is the same.
  bool one_thread = false;
  Augmentation augmentation = Augmentation::kNone;
  /// Comes on the caller's thread, between two operations on the CPU, within a tile too: the call
  /// returns after the operation, or band of rows, at hand.
  CancelFn cancelled;
  /// Calls that name one scheduler compute one at a time, whatever their engines: the one of the
  /// highest priority first, among equals the one that waited longest. A call of higher priority
  /// takes over between two operations of another. Null: calls share the threads as it comes.
  std::shared_ptr<Scheduler> scheduler;
  int priority = 0;  ///< Among those of the scheduler.
  /// Region of interest: the result is that part of the image alone, bit for bit as in the whole.
  /// In exact mode, without augmentation, on the CPU only what it needs is computed.
  int64_t region_top_px = 0;
  int64_t region_left_px = 0;    ///< As region_top_px.
  int64_t region_height_px = 0;  ///< 0, as region_width_px: the whole image.
  int64_t region_width_px = 0;   ///< As region_height_px.
  /// A pixel's value is raw * source_scale + source_offset; a scale of 0 is 1.
  double source_scale = 1;
  double source_offset = 0;  ///< See source_scale.
  /// NaN or infinity that arises in the network ends the call (ErrorCode::kNotFinite), naming the
  /// first layer that gave it; of an executor of the caller's own its results are looked at. Reads
  /// each layer's result once more. Not on a GPU.
  bool check_finite = false;
  /// On the CPU a part of a tile whose whole window is one constant is computed once, and copied
  /// where it comes again; the result is the same. True: all is computed.
  bool every_tile = false;
  /// Where the image is worth computing, by square cells from its first pixel on, row by row: 0 for
  /// cells that become background, label 0. Parts of exact tiles without others are not computed.
  /// Empty: all of it is. Labels, or probabilities of one result.
  std::vector<uint8_t> foreground;
  int64_t foreground_cell_px = 0;  ///< Side of a cell.
  TileReportFn report;             ///< Of exact tiles on the CPU.
  bool has_region() const { return region_height_px != 0 || region_width_px != 0; }
};

}  // namespace pyengine
