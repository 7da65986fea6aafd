// What a TensorRT plan was built from and for: all that must agree before it may run.
#pragma once

#include <cstdint>
#include <string>

#include "core/json.h"
#include "pyengine/executor.h"

namespace pyengine {

// Sizes of the network's input that a plan takes [px], and how many at once.
struct PlanProfile {
  int64_t min_height = 0, min_width = 0;
  int64_t max_height = 0, max_width = 0;  // also what it is tuned for
  int max_batch = 1;
};

// From the smallest tile to one of `tile`; networks without tiles take `sample` only.
// Throws Error(kInvalidArgument) for a tile or batch below 1.
PlanProfile ProfileFor(const NetworkGeometry& geometry, TileSize sample, TileSize tile,
                       int max_batch);

struct PlanKey {
  std::string flavour;             // "tensorrt" or "tensorrt-rtx"
  std::string version;             // of the library, "1.7.1"
  std::string compute_capability;  // "8.9"; "any": portable, as TensorRT for RTX builds without GPU
  std::string gpu;                 // name of the model; "any": likewise
  std::string precision;           // "fp16", "fp32" or "int8"
  std::string onnx_sha256;         // of the network that the plan was built from
  PlanProfile profile;
};

// From a plan's `key` in the manifest; throws Error(kBadEngineFile) naming the field.
PlanKey ParsePlanKey(const Json& json);

// Empty if a plan of key `stored` can serve where `wanted` is; else the first field that differs,
// with both values. The profile fits if it covers the wanted one.
std::string Mismatch(const PlanKey& stored, const PlanKey& wanted);

}  // namespace pyengine
