/// \file
/// An opened engine file: the door for C++ programs.
///
/// \code
/// auto engine = pyengine::Engine::Open("em-membranes.pyengine");
/// std::vector<uint8_t> labels(height * width);
/// engine.SegmentLabels(view, labels.data(), width);
/// \endcode
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pyengine/classification.h"
#include "pyengine/engine_info.h"
#include "pyengine/executor.h"
#include "pyengine/export.h"
#include "pyengine/image_statistics.h"
#include "pyengine/image_view.h"
#include "pyengine/options.h"
#include "pyengine/tile_plan.h"
#include "pyengine/value_range.h"

namespace pyengine {

/// A network ready to segment or classify. All const methods may be called from several threads at
/// once. On the CPU a process forked while no call ran may use its parent's engine: it starts
/// worker threads of its own.
class PYENGINE_EXPORT Engine {
 public:
  /// Opens and verifies an engine file.
  /// \throws Error kIo, kBadEngineFile (naming the field), kUnsupported, kInvalidArgument.
  static Engine Open(const std::string& path, const EngineOptions& options = {});

  /// The same, with the network computed by what `factory` makes instead of the CPU engine. The
  /// factory is told what the file says; its executor must have `info.geometry`, in which
  /// EngineOptions::executor_alignment_px puts another halo and alignment.
  static Engine Open(const std::string& path, const ExecutorFactory& factory,
                     const EngineOptions& options = {});

  /// The same for the bytes of an engine file, of which nothing is kept: those that the host
  /// decrypted or unpacked.
  static Engine OpenMemory(const void* data, size_t bytes, const EngineOptions& options = {});

  /// The same for a regular file that is open for reading. The descriptor stays the caller's, and
  /// its position where it was.
  static Engine OpenDescriptor(int descriptor, const EngineOptions& options = {});

  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  /// What the file says, and what computes; lives as long as the engine.
  const EngineInfo& info() const noexcept;

  /// How an image of this size would be cut under these options.
  /// \throws Error kUnsupported if the network has no tiles; kInvalidArgument for an option out of
  ///   range, or if no tile fits max_memory_bytes.
  TilePlan Plan(int64_t height, int64_t width, const SegmentOptions& options = {}) const;

  /// Makes plans, memory and pages ready for images of this size, so that the first call with these
  /// options takes what the hundredth takes. Their callbacks are not called.
  /// \throws Error as SegmentLabels().
  void Prepare(int64_t height, int64_t width, const SegmentOptions& options = {}) const;

  /// What it holds.
  MemoryUse Memory() const;

  /// Frees working memory that no call uses. The next call allocates again.
  void Trim() const;

  /// Whether an image is on the network's scale. Looks at all pixels.
  /// \throws Error kInvalidArgument if it is no image, as SegmentLabels().
  ValueRange CheckRange(const ImageView& image, const SegmentOptions& options = {}) const;

  /// Labels (height, width) of the image, or of the options' region, into `labels`, rows
  /// `row_stride` >= width [bytes] apart. Blocks; the progress callback comes on the caller's
  /// thread.
  /// \throws Error kInvalidArgument (image, result or option), kUnsupported (the network cannot do
  ///   this), kCancelled, kOutOfMemory. What was written of the result is undefined then.
  void SegmentLabels(const ImageView& image, uint8_t* labels, int64_t row_stride,
                     const SegmentOptions& options = {}) const;

  /// Probabilities or logits (classes, height, width), dense, into `scores`.
  /// \throws Error as SegmentLabels().
  void SegmentScores(const ImageView& image, OutputKind kind, float* scores,
                     const SegmentOptions& options = {}) const;

  /// A volume, for networks over (z, y, x) (NetworkGeometry::volume). In exact mode bit for bit
  /// what one box gives, whatever the boxes are.
  /// \param slices  All slices, one below the other: an image of depth * height rows.
  /// \param depth   Slices.
  /// \param out     Labels (depth, height, width) of uint8, or float (classes, depth, height,
  ///   width), dense.
  /// \throws Error as SegmentLabels(); kUnsupported also for networks over images, a region, and
  ///   augmentation but kMirror in mode kNnUnet, kGaussian or kConstant.
  void SegmentVolume(const ImageView& slices, int64_t depth, OutputKind kind, void* out,
                     const SegmentOptions& options = {}) const;
  /// The same, handed to `slab` as soon as slices are finished: nothing of the size of the result
  /// is held. `slab` comes on the caller's thread.
  void SegmentVolume(const ImageView& slices, int64_t depth, OutputKind kind, const SlabFn& slab,
                     const SegmentOptions& options = {}) const;

  /// The same for an image and results in the memory of the engine's GPU, enqueued on
  /// `cuda_stream` (a cudaStream_t; null: the default stream) without waiting. Exact mode only.
  /// Values are not looked at: NaN and infinity go through. The progress callback is told when
  /// tiles are enqueued.
  /// \throws Error kUnsupported if the engine does not run on a GPU or the network has no tiles;
  ///   kInvalidArgument if image or results lie in unpinned host memory or on another GPU.
  void SegmentLabelsOnDevice(const ImageView& image, uint8_t* labels, int64_t row_stride,
                             void* cuda_stream, const SegmentOptions& options = {}) const;
  /// Dense (K, H, W) scores; see SegmentLabelsOnDevice().
  void SegmentScoresOnDevice(const ImageView& image, OutputKind kind, float* scores,
                             void* cuda_stream, const SegmentOptions& options = {}) const;

  /// Memory of the engine's GPU, freed with the last copy of the pointer.
  std::shared_ptr<void> AllocateOnDevice(size_t bytes) const;

  /// What is enqueued on `stream` from now on waits for what `awaited` holds by now (cudaStream_t
  /// of the engine's GPU; null: the default stream). Does not block.
  /// \throws Error kUnsupported if the engine does not run on a GPU.
  void StreamWait(void* stream, void* awaited) const;

  /// First and last + 1 row of the image that SegmentBand() needs for rows [row_begin, row_end) of
  /// the result.
  /// \throws Error as Plan(); kInvalidArgument for rows outside the image.
  void BandRows(int64_t height, int64_t width, int64_t row_begin, int64_t row_end,
                const SegmentOptions& options, int64_t rows[2]) const;

  /// Rows [row_begin, row_end) of the result, from an image of which only some rows are present:
  /// at least BandRows(). In exact mode `row_begin` must be a multiple of the tile height,
  /// counted from TilePlan::top_px, or no later than the region begins; the other modes compute
  /// windows that reach into two bands for both. `out` holds uint8 (rows, W) or float32
  /// (K, rows, W), of what of the rows is in the region. Bands, with the same options for all, are
  /// bit for bit the whole result.
  /// \throws Error as SegmentLabels(); kInvalidArgument also where rows of the image are missing,
  ///   or `statistics` of the whole image where EngineInfo::preprocessing_needs_image.
  void SegmentBand(const ImageView& image, OutputKind kind, int64_t row_begin, int64_t row_end,
                   void* out, const SegmentOptions& options = {},
                   const ImageStatistics* statistics = nullptr) const;

  /// Begins the statistics of an image of `height` rows, for preprocessing that depends on it. They
  /// may outlive the engine.
  /// \throws Error kInvalidArgument if `height` is out of range.
  ImageStatistics Statistics(int64_t height) const;

  /// Class of a whole image, which is resized bilinearly (with antialiasing, as Pillow does it) to
  /// the size that the network was built with, and normalised.
  /// \throws Error kUnsupported if the engine's task is not classification; kInvalidArgument if the
  ///   image has another number of channels, or holds NaN or infinity.
  Classification Classify(const ImageView& image) const;

  /// The pixels of an image as the network takes them, for Run(): all of its preprocessing. The
  /// size stays.
  /// \param planes  Room for (channels, height, width) values, dense.
  /// \throws Error kInvalidArgument as Classify().
  void Normalise(const ImageView& image, float* planes) const;

  /// The network itself: no tiling, no normalisation, its own padding.
  /// \param in   (n, channels, h, w) values, dense; see Normalise().
  /// \param out  Room for n times RunOutputShape() values.
  /// \throws Error kInvalidArgument if the network does not accept this size.
  void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) const;

  /// The same of a network over volumes: `in` (n, channels, depth, height, width).
  void RunVolume(const float* in, float* out, int64_t n, TileSize size) const;

  /// Times of the network's operations on one h x w image in one piece, over `passes` passes.
  /// \throws Error kInvalidArgument if `passes` < 1 or the network does not accept this size.
  std::vector<OpTime> Profile(int64_t h, int64_t w, int passes) const;
  std::vector<OpTime> ProfileVolume(TileSize size, int passes) const;

  /// Shape (classes, height, width) of Run's result for one h x w input.
  /// \throws Error kInvalidArgument if the network does not accept this size.
  void RunOutputShape(int64_t h, int64_t w, int64_t shape[3]) const;
  /// Shape (classes, depth, height, width) of RunVolume's.
  void RunVolumeOutputShape(TileSize size, int64_t shape[4]) const;

 private:
  struct PYENGINE_HIDDEN Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyengine
