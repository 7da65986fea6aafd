// The tensors of an engine file, by name, as float32.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace pyengine {

struct WeightTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
  int64_t count() const;
};

using WeightMap = std::map<std::string, WeightTensor>;

// Checks that every weight a node names exists with the shape its attributes demand.
// Throws Error(kBadEngineFile) naming the node, the tensor and both shapes.
void CheckWeights(const Graph& graph, const WeightMap& weights);

// Values of one node's weights and bias.
int64_t NodeParameters(const Node& node, const WeightMap& weights);

// Values of all nodes' weights and biases; those that several nodes share count once.
int64_t GraphParameters(const Graph& graph, const WeightMap& weights);

}  // namespace pyengine
