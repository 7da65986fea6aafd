// What an engine file says of its network: the manifest, checked against the graph.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "graph/graph.h"
#include "graph/head.h"
#include "graph/normalisation.h"
#include "pyengine/engine_info.h"

namespace pyengine {

struct Manifest {
  Json json;  // verified; what back ends keep in it they read themselves
  std::string task;
  std::vector<ClassInfo> classes;
  PixelType input_type = PixelType::kUint8;  // of the training images
  Normalisation normalisation;
  Head head = Head::kNone;
  bool head_in_network = false;  // Run() must apply the head, as the source network did
  int64_t sample_height = 0, sample_width = 0;
  int64_t halo = 0, alignment = 1;
};

// Throws Error(kBadEngineFile) naming the field that is missing, wrong or contradicts the graph.
Manifest ReadManifest(Json json, const Graph& graph);

}  // namespace pyengine
