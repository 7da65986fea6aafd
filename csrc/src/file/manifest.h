// What an engine file says of its network: the manifest, checked against the graph.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "graph/graph.h"
#include "graph/head.h"
#include "preprocessing/preprocessing.h"
#include "pyengine/engine_info.h"

namespace pyengine {

// One of the results of a network that has several, or one of another resolution than the image:
// some of its planes, all of which have the image's resolution. See ENGINE_FORMAT.md.
struct NamedOutput {
  std::string name;
  int64_t first_plane = 0, planes = 0;
  Head head = Head::kNone;
  bool head_in_network = false;
  int64_t shrink = 1;   // every so many-th pixel of the planes counts
  int64_t enlarge = 1;  // so many rows and columns of pixels for each pixel of the planes
};

struct Manifest {
  Json json;  // verified; what back ends keep in it they read themselves
  std::string task;
  std::vector<ClassInfo> classes;
  PixelType input_type = PixelType::kUint8;  // of the training images
  Preprocessing preprocessing;
  Head head = Head::kNone;
  bool head_in_network = false;      // Run() must apply the head, as the source network did
  std::vector<NamedOutput> outputs;  // empty: one, of the image's resolution
  int64_t sample_depth = 1, sample_height = 0, sample_width = 0;
  bool fixed_size = false;  // the graph is known to be right at the sample's size alone
  Axes halo, alignment = kOnes;
  // Of nnU-Net's windows; height 0: none are named.
  int64_t window_depth = 1, window_height = 0, window_width = 0;
  bool mirror_z = false, mirror_y = false, mirror_x = false;
};

// Throws Error(kBadEngineFile) naming the field that is missing, wrong or contradicts the graph.
Manifest ReadManifest(Json json, const Graph& graph);

}  // namespace pyengine
