/// \file
/// The interface between the tiler and whatever computes the network.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pyengine/export.h"

namespace pyengine {

/// Size of one output tile, or of an image or volume [px].
struct TileSize {
  int64_t height = 0;
  int64_t width = 0;
  int64_t depth = 1;  ///< Slices; 1: an image.
  bool operator==(const TileSize& o) const {
    return height == o.height && width == o.width && depth == o.depth;
  }
};

/// One tile: the output pixels to compute, and how far the image goes on.
struct Tile {
  TileSize size;
  /// Pixels from the tile's origin to the image's end: at least `size`, and never more than `size`
  /// plus Executor::TileReach().
  TileSize to_end;
  bool operator==(const Tile& o) const { return size == o.size && to_end == o.to_end; }
};

/// The input pixels that a tile needs: `height` x `width` from (tile.y - top, tile.x - left), and
/// of volumes `depth` slices from tile.z - front.
struct Window {
  int64_t height = 0;
  int64_t width = 0;
  int64_t top = 0;
  int64_t left = 0;
  int64_t depth = 1;
  int64_t front = 0;
};

/// Where the time of one pass goes: one operation, activations and copies fused into it included.
struct OpTime {
  std::string layer;      ///< Name in the graph.
  std::string algorithm;  ///< "winograd", "direct", "copy" and so on.
  double seconds = 0;     ///< Median over the passes.
  double flops = 0;       ///< Multiply-adds count twice; of the direct algorithm.
  double bytes = 0;       ///< Inputs, outputs and weights, each once.
};

/// One axis of a network. The fields mean what those of the same names in NetworkGeometry do.
struct AxisGeometry {
  int64_t before = 0;        ///< [px]
  int64_t after = 0;         ///< [px]
  int64_t margin = 0;        ///< [px]
  int64_t alignment = 1;     ///< [px]
  int64_t size_residue = 0;  ///< [px]
  int64_t fixed = 0;         ///< The only size of inputs that it accepts [px]; 0: any such.
  int64_t halo() const { return before > after ? before : after; }
};

/// What the tiler must know of a dense network.
///
/// An image pixel p is output index p of the network and input index p + margin.
struct NetworkGeometry {
  int64_t channels = 1;      ///< Input channels.
  int64_t classes = 1;       ///< Channels of the logits.
  int64_t halo = 0;          ///< Context a tile needs on any side: max(before, after) [px].
  int64_t before = 0;        ///< Context above and left, rounded up to the pooling grid [px].
  int64_t after = 0;         ///< Context below and right [px].
  int64_t margin = 0;        ///< Pixels the network loses per side (valid convolutions) [px].
  int64_t alignment = 1;     ///< Tile origins are multiples of it [px].
  int64_t size_residue = 0;  ///< Input sizes the network accepts, modulo `alignment` [px].
  int64_t fixed_height = 0;  ///< The only height of inputs that it accepts [px]; 0: any such.
  int64_t fixed_width = 0;   ///< As fixed_height.
  bool dense = true;         ///< One output per pixel of the image, less the margin.
  bool tileable = true;      ///< `dense`, and no output pixel depends on the whole image.
  bool volume = false;       ///< The network is over slices, rows and columns.
  /// Each axis by itself. Of volumes, whose axes differ, the numbers above are the larger of y's
  /// and x's; of images y and x agree.
  AxisGeometry z, y, x;
};

/// The smallest input with full context for a tile whose origin is a multiple of the alignment, of
/// a size that the network accepts.
PYENGINE_EXPORT Window SmallestWindow(const NetworkGeometry& geometry, TileSize tile);

/// What an engine, or its executor, holds [bytes]. Memory of a GPU is not counted.
struct MemoryUse {
  int64_t weights_bytes = 0;  ///< Until it is closed.
  int64_t in_use_bytes = 0;   ///< Working memory of calls that run.
  int64_t idle_bytes = 0;     ///< Working memory kept for later calls.
};

/// Rows of an image from `y` on: (channels, rows, width), channels `plane_stride` floats apart.
using ReadRows = std::function<void(int64_t y, int64_t rows, float* to, int64_t plane_stride)>;
/// Rows of a result, likewise.
using WriteRows =
    std::function<void(int64_t y, int64_t rows, const float* from, int64_t plane_stride)>;

/// What Executor::RunRows may take, and whom it tells.
struct RunLimits {
  int64_t memory_bytes = 0;  ///< Working memory.
  /// Learns how many parts of the work are done, of how many; what it throws ends the run.
  std::function<void(int64_t done, int64_t total)> progress;
};

/// Computes the network. Implementations must be safe to call from several threads.
class PYENGINE_EXPORT Executor {
 public:
  explicit Executor(const NetworkGeometry& geometry) : geometry_(geometry) {}
  virtual ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  const NetworkGeometry& geometry() const noexcept { return geometry_; }

  /// The network itself: `in` (n, channels, h, w) to `out` (n, classes, h - 2 * margin,
  /// w - 2 * margin), float32, dense NCHW. Blocks; throws Error.
  virtual void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) = 0;

  /// The same of volumes: `in` (n, channels, depth, height, width) to `out` (n, classes, depth - 2
  /// * z.margin, and so on). The default knows images alone, and passes them to Run().
  virtual void RunVolume(const float* in, float* out, int64_t n, TileSize size);

  /// Where an image takes several tiles, their origins are multiples of it [px]; a multiple of the
  /// alignment. Executors that compute blocks of pixels together need them at equal places.
  virtual int64_t TileGrid() const;

  /// How far beyond a tile the image's end still matters to it [px]. The default is 0.
  virtual int64_t TileReach() const;

  /// TileGrid() and TileReach() of each axis. The default is theirs; of slices, the alignment and
  /// 0.
  virtual TileSize BoxGrid() const;
  virtual TileSize BoxReach() const;

  /// The window that RunTile wants for a tile whose origin is a multiple of TileGrid() (of
  /// BoxGrid() in volumes). Its rows follow from the tile's rows alone, its columns from the
  /// columns, its slices from the slices. The default is SmallestWindow().
  virtual Window WindowFor(const Tile& tile) const;

  /// `windows` (n, channels, window.height, window.width) to `logits` (n, classes, size.height,
  /// size.width); of volumes with depths before the heights. The default calls Run or RunVolume,
  /// and crops.
  virtual void RunTile(const float* windows, float* logits, int64_t n, const Tile& tile);

  /// Whether equal windows of equal tiles always have equal logits, bit for bit and whatever goes
  /// with them: of windows that are one constant, one is then computed. The default says no.
  virtual bool Repeatable() const;

  /// Times of RunTile's operations on one h x w tile (or of Run's, where there are no tiles), over
  /// `passes` passes. The default knows none.
  virtual std::vector<OpTime> Profile(int64_t h, int64_t w, int passes);
  virtual std::vector<OpTime> ProfileVolume(TileSize size, int passes);

  /// Working memory of RunTile for one tile, its input and output included [bytes].
  virtual int64_t TileMemoryBytes(const Tile& tile) const;

  /// Working memory of Run for one image [bytes]; 0 = not known.
  virtual int64_t RunMemoryBytes(int64_t h, int64_t w) const;
  virtual int64_t RunVolumeMemoryBytes(TileSize size) const;

  /// As Run with one image, which comes and goes by bands of rows: for images whose planes memory
  /// does not hold. The results are those of Run. The default holds all of it.
  virtual void RunRows(int64_t h, int64_t w, const ReadRows& read, const WriteRows& write,
                       const RunLimits& limits);

  /// What it holds. The default knows nothing.
  virtual MemoryUse Memory() const;

  /// Frees working memory that no call uses. The default has none.
  virtual void Trim();

  /// Relative time of one tile; only ratios matter.
  virtual double TileCost(const Tile& tile) const;

 private:
  NetworkGeometry geometry_;
};

}  // namespace pyengine
