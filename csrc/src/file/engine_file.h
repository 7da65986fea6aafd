// Reads and verifies `*.pyengine` files; ENGINE_FORMAT.md describes the bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/head.h"
#include "graph/weights.h"
#include "pyengine/engine.h"
#include "tensorrt/plan_key.h"

namespace pyengine {

// Per input channel: network input = pixel * gain + offset.
struct Normalisation {
  std::vector<float> gain, offset;
};

// A TensorRT plan in the file.
struct StoredPlan {
  PlanKey key;
  std::string plan, onnx;  // names of attachments
};

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

  std::vector<StoredPlan> plans;
  std::map<std::string, std::string> attachments;  // bytes by name, where they were asked for
};

// Throws Error(kIo) or Error(kBadEngineFile), naming the path and the offending field.
// `with_plans`: also keeps the plans' attachments.
EngineFile ReadEngineFile(const std::string& path, bool with_plans = false);

}  // namespace pyengine
