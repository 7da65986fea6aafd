// What cuts an image, has the network computed and writes the result: on the host or on a device.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/range.h"
#include "graph/head.h"
#include "preprocessing/normalisation.h"
#include "pyengine/executor.h"
#include "pyengine/options.h"
#include "pyengine/tile_plan.h"
#include "tiling/checked_image.h"
#include "tiling/scores.h"

namespace pyengine {

// The network between image and result, whatever computes it.
struct SegmentationModel {
  NetworkGeometry geometry;
  Normalisation normalisation;
  Head head = Head::kNone;
  TileSize window = {};  // of nnU-Net's windows; 0: the file names none
  bool mirror_z = false, mirror_y = false,
       mirror_x = false;         // along which axes it was trained to be mirrored
  std::string why_not_tileable;  // told to callers who ask for tiles of a network that has none
};

// What a segmenter can do with arrays that lie on its device.
class DeviceArrays {
 public:
  // As Segmenter::Segment of a whole image in exact tiles, with `image` and `out` in memory that
  // the device reaches, else Error(kInvalidArgument). Enqueued on the caller's stream; does not
  // block. Progress is told when tiles are enqueued.
  virtual void SegmentOnDevice(const CheckedImage& image, const OutputView& out,
                               const SegmentOptions& options, void* stream) const = 0;
  virtual std::shared_ptr<void> AllocateOnDevice(size_t bytes) const = 0;
  // What is enqueued on `stream` from now on waits for what `awaited` holds by now.
  virtual void StreamWait(void* stream, void* awaited) const = 0;

 protected:
  ~DeviceArrays() = default;
};

class VolumeImage;
struct VolumeOutput;

// Images, sizes, bands, results and options come from the facade, which has checked them
// (checked_image.h, checks.h). All methods may be called from several threads at once.
class Segmenter {
 public:
  Segmenter() = default;
  virtual ~Segmenter() = default;
  Segmenter(const Segmenter&) = delete;
  Segmenter& operator=(const Segmenter&) = delete;

  // How an image of this size is cut into exact tiles. Throws Error(kUnsupported) if the network
  // has none, Error(kInvalidArgument) if none fits the options.
  virtual TilePlan Plan(int64_t height, int64_t width, const SegmentOptions& options) const = 0;

  // Rows of the image that the band `rows` of the result needs, mirrored ones included.
  virtual Range BandRows(int64_t height, int64_t width, Range rows,
                         const SegmentOptions& options) const = 0;

  // Segments `rows`, or what of them is in the options' region. In exact mode they begin with a row
  // of tiles or no later than the region, or are all of the image's where there are none; on a
  // device all of them where windows overlap. The view holds BandRows().
  virtual void Segment(const CheckedImage& image, Range rows, const OutputView& out,
                       const SegmentOptions& options) const = 0;

  // Whether it computes the options' region alone. Otherwise they have none when they come here.
  virtual bool CutsRegions(const SegmentOptions& /*options*/) const { return false; }

  // A volume, for networks over (z, y, x). The default has none.
  virtual void SegmentVolume(const VolumeImage& volume, const VolumeOutput& output,
                             const SegmentOptions& options) const;

  // The network itself, and the times of its operations: as Executor's.
  virtual void Run(const float* in, float* out, int64_t n, TileSize size) const = 0;
  virtual std::vector<OpTime> Profile(TileSize size, int passes) const = 0;

  // As Executor's, with buffers of its own.
  virtual MemoryUse Memory() const { return {}; }
  virtual void Trim() const {}

  // Null where there is no device.
  virtual const DeviceArrays* device_arrays() const { return nullptr; }
};

}  // namespace pyengine
