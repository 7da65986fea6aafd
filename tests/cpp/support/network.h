// Small networks for tests, node by node.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "graph/weights.h"

namespace pyengine {

// A graph in the making, with weights of ones.
struct Network {
  Graph graph;
  WeightMap weights;

  Network() { graph.tensors.push_back({"image", 1}); }

  int Add(Node node, std::vector<int> inputs, int64_t channels) {
    node.name = "node " + std::to_string(graph.nodes.size());
    node.inputs = std::move(inputs);
    node.output = static_cast<int>(graph.tensors.size());
    graph.tensors.push_back({node.name, channels});
    graph.nodes.push_back(node);
    return graph.output = node.output;
  }
  int Conv(int in, int64_t out_channels, int64_t kernel, BorderMode border) {
    Node node;
    node.in_channels = graph.tensors[in].channels;
    node.out_channels = out_channels;
    node.kernel.y = node.kernel.x = kernel;
    const int64_t pad = kernel / 2;
    node.amounts.before = node.amounts.after = {.z = 0, .y = pad, .x = pad};
    node.border = border;
    return Weighted(node, in, {out_channels, node.in_channels, kernel, kernel});
  }
  int Enlarge(int in, int64_t out_channels) {
    Node node;
    node.op = OpKind::kConvTranspose;
    node.in_channels = graph.tensors[in].channels;
    node.out_channels = out_channels;
    for (Axis axis : {Axis::kY, Axis::kX}) node.kernel[axis] = node.stride[axis] = 2;
    return Weighted(node, in, {node.in_channels, out_channels, 2, 2});
  }
  // Every pixel becomes `factor` x `factor` pixels, of which the kernel reaches one.
  int Scatter(int in, int64_t out_channels, int64_t factor) {
    Node node;
    node.op = OpKind::kConvTranspose;
    node.in_channels = graph.tensors[in].channels;
    node.out_channels = out_channels;
    for (Axis axis : {Axis::kY, Axis::kX}) {
      node.stride[axis] = factor;
      node.output_padding[axis] = factor - 1;
    }
    return Weighted(node, in, {node.in_channels, out_channels, 1, 1});
  }
  int Halve(int in) {
    Node node;
    node.op = OpKind::kMaxPool;
    for (Axis axis : {Axis::kY, Axis::kX}) node.kernel[axis] = node.stride[axis] = 2;
    return Add(node, {in}, graph.tensors[in].channels);
  }
  int Activation(int in, ActivationKind kind) {
    Node node;
    node.op = OpKind::kActivation;
    node.activation = kind;
    return Add(node, {in}, graph.tensors[in].channels);
  }
  int Upsample(int in, OpKind op) {
    Node node;
    node.op = op;
    for (Axis axis : {Axis::kY, Axis::kX}) node.stride[axis] = 2;
    return Add(node, {in}, graph.tensors[in].channels);
  }
  int Softmax(int in) {
    Node node;
    node.op = OpKind::kSoftmax;
    return Add(node, {in}, graph.tensors[in].channels);
  }
  int Sum(int a, int b) {
    Node node;
    node.op = OpKind::kAdd;
    return Add(node, {a, b}, graph.tensors[a].channels);
  }
  int Join(int a, int b) {
    Node node;
    node.op = OpKind::kConcat;
    return Add(node, {a, b}, graph.tensors[a].channels + graph.tensors[b].channels);
  }

 private:
  int Weighted(Node node, int in, std::vector<int64_t> shape) {
    node.weight = "weight " + std::to_string(graph.nodes.size());
    WeightTensor ones{std::move(shape), {}};
    ones.values.assign(static_cast<size_t>(ones.count()), 1.0f);
    weights[node.weight] = std::move(ones);
    return Add(node, {in}, node.out_channels);
  }
};

}  // namespace pyengine
