// Reads and verifies `*.pyengine` files; ENGINE_FORMAT.md describes the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/weights.h"
#include "pyengine/engine.h"

namespace pyengine {

// Per input channel: network input = pixel * gain + offset.
struct Normalisation {
  std::vector<float> gain, offset;
};

// How logits become probabilities.
enum class Head { kNone, kSoftmax, kSigmoid };

struct EngineFile {
  std::string manifest_json, graph_json;
  Graph graph;
  WeightMap weights;

  std::string task;
  std::vector<ClassInfo> classes;
  Normalisation normalisation;
  Head head = Head::kNone;
  bool head_in_network = false;  // Run() must apply the head, as the source network did
  int64_t sample_height = 0, sample_width = 0;
  int64_t halo = 0, alignment = 1;
};

// Throws Error(kIo) or Error(kBadEngineFile), naming the path and the offending field.
EngineFile ReadEngineFile(const std::string& path);

}  // namespace pyengine
