#include "graph/weights.h"

#include <set>

#include "core/checked_math.h"
#include "graph/ops/op_type.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

std::string Text(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

void Require(const Node& node, const WeightMap& weights, const std::string& name,
             const std::vector<int64_t>& shape) {
  const auto found = weights.find(name);
  const std::string who = "graph node '" + node.name + "': weight '" + name + "'";
  if (found == weights.end()) throw Error(ErrorCode::kBadEngineFile, who + " is not in the file");
  if (found->second.shape != shape)
    throw Error(ErrorCode::kBadEngineFile,
                who + " has shape " + Text(found->second.shape) + ", needs " + Text(shape));
}

}  // namespace

int64_t WeightTensor::count() const {
  int64_t count = 1;
  for (int64_t d : shape) count = CheckedMul(count, d, "weight");
  return count;
}

void CheckWeights(const Graph& graph, const WeightMap& weights) {
  for (const Node& node : graph.nodes) {
    const int64_t channels = graph.tensors[node.output].channels;
    const std::vector<int64_t> shape = TypeOf(node.op).weight_shape(node, channels);
    if (!shape.empty()) Require(node, weights, node.weight, shape);
    if (!node.bias.empty()) Require(node, weights, node.bias, {channels});
  }
}

int64_t NodeParameters(const Node& node, const WeightMap& weights) {
  int64_t count = 0;
  for (const std::string* name : {&node.weight, &node.bias})
    if (!name->empty()) count += weights.at(*name).count();
  return count;
}

int64_t GraphParameters(const Graph& graph, const WeightMap& weights) {
  std::set<std::string> names;
  for (const Node& node : graph.nodes) names.insert({node.weight, node.bias});
  names.erase("");
  int64_t count = 0;
  for (const std::string& name : names) count += weights.at(name).count();
  return count;
}

}  // namespace pyengine
