/// \file
/// What an opened engine says of itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pyengine/executor.h"
#include "pyengine/image_view.h"

namespace pyengine {

/// One output class.
struct ClassInfo {
  std::string name;
  uint8_t color[3] = {0, 0, 0};  ///< RGB for overlays.
};

/// One row of the layer table.
struct LayerInfo {
  std::string name;
  std::string op;
  int64_t channels = 0;  ///< Output channels.
  int64_t parameters = 0;
  double flops_per_pixel = 0;  ///< Per output pixel of the network.
  double stride_px = 1;        ///< Input pixels per step of this layer's grid.
};

/// One result of a network that has several, or one of another resolution than the image. Its
/// scores are some of the planes that SegmentScores() gives, which all have the image's size.
struct ResultInfo {
  std::string name;
  int64_t first_plane = 0;
  int64_t planes = 0;
  std::string activation;  ///< As EngineInfo::activation; SegmentScores() applies it.
  /// Of the planes' pixels (y, x) those count whose indices are multiples of it: the result has one
  /// pixel for so many of the image, along each axis.
  int64_t shrink = 1;
  /// So many pixels for one of the image, along each axis: plane (i * enlarge + j) * channels + k,
  /// with planes / (enlarge * enlarge) channels, holds pixels (y * enlarge + i, x * enlarge + j) of
  /// channel k.
  int64_t enlarge = 1;
};

/// What an engine file says of itself; immutable.
struct EngineInfo {
  std::string task;  ///< "segmentation" or "classification"
  NetworkGeometry geometry;
  std::string not_tileable_reason;  ///< Empty if tileable.
  int64_t receptive_field_px = 0;
  int64_t parameters = 0;      ///< Those that layers share count once.
  double flops_per_pixel = 0;  ///< Of a whole-image pass (classification: of one image).
  int64_t sample_height = 0;   ///< Size the network was built with [px].
  int64_t sample_width = 0;
  int64_t sample_depth = 1;  ///< Slices; 1: images.
  /// Of the training images, for information: their values were 0 to 255, 0 to 65535 or any. Images
  /// of other types are taken as they are, on the same scale.
  PixelType input_type = PixelType::kUint8;
  /// Network input = pixel * gain + offset, one per channel; the first step where there are more
  /// (`more_preprocessing`).
  std::vector<float> input_gain;
  std::vector<float> input_offset;  ///< One per channel.
  bool more_preprocessing = false;  ///< Engine::Normalise() knows them.
  /// Some of them depend on the whole image: SegmentBand() needs its ImageStatistics.
  bool preprocessing_needs_image = false;
  std::string activation;  ///< "softmax", "sigmoid" or "none": logits to probabilities.
  std::vector<ClassInfo> classes;
  std::vector<LayerInfo> layers;
  std::vector<ResultInfo> results;  ///< Empty: one, of the image's resolution.
  std::string device;               ///< What computes: "cpu", or "cuda:N".
  std::string gpu;                  ///< GPU, library and precision in use; empty on the CPU.
  std::string why_not_gpu;  ///< Why a GPU was not taken though one was asked for or possible.
  /// Instruction set in use. "portable": no kernels are written for this processor, and it computes
  /// several times slower than it could; "reference" is slower by far.
  std::string isa;
  int threads = 1;
  std::string manifest_json;  ///< The file's manifest, verified.
  std::string graph_json;     ///< The file's graph, verified.
};

/// Makes the executor of an engine that is being opened.
using ExecutorFactory = std::function<std::shared_ptr<Executor>(const EngineInfo& info)>;

}  // namespace pyengine
