// Boxes of a volume, cut from an endless one: each on its own is bit for bit what one box gives.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cpu/cpu_executor.h"
#include "cpu/isa.h"
#include "graph/geometry.h"
#include "support/random_tensor.h"

namespace pyengine {
namespace {

struct Volume {
  Graph graph;
  WeightMap weights;

  Volume() {
    graph.volume = true;
    graph.tensors.push_back({"volume", 1});
  }

  int Add(Node node, std::vector<int> inputs, int64_t channels) {
    node.volume = true;
    node.name = "node " + std::to_string(graph.nodes.size());
    node.inputs = std::move(inputs);
    node.output = static_cast<int>(graph.tensors.size());
    graph.tensors.push_back({node.name, channels});
    graph.nodes.push_back(node);
    return graph.output = node.output;
  }
  int Conv(int in, int64_t out_channels, Axes kernel, Axes stride = kOnes) {
    Node node;
    node.in_channels = graph.tensors[in].channels;
    node.out_channels = out_channels;
    node.kernel = kernel;
    node.stride = stride;
    for (Axis axis : kAxes) node.amounts.before[axis] = node.amounts.after[axis] = kernel[axis] / 2;
    return Weighted(node, in, {out_channels, node.in_channels, kernel.z, kernel.y, kernel.x});
  }
  int Enlarge(int in, int64_t out_channels, Axes factor) {
    Node node;
    node.op = OpKind::kConvTranspose;
    node.in_channels = graph.tensors[in].channels;
    node.out_channels = out_channels;
    node.kernel = node.stride = factor;
    return Weighted(node, in, {node.in_channels, out_channels, factor.z, factor.y, factor.x});
  }
  int Upsample(int in, Axes factor) {
    Node node;
    node.op = OpKind::kUpsampleBilinear;
    node.stride = factor;
    return Add(node, {in}, graph.tensors[in].channels);
  }
  int MaxPool(int in, Axes size) {
    Node node;
    node.op = OpKind::kMaxPool;
    node.kernel = node.stride = size;
    return Add(node, {in}, graph.tensors[in].channels);
  }
  int Join(int a, int b) {
    Node node;
    node.op = OpKind::kConcat;
    return Add(node, {a, b}, graph.tensors[a].channels + graph.tensors[b].channels);
  }

 private:
  int Weighted(Node node, int in, std::vector<int64_t> shape) {
    node.weight = "weight " + std::to_string(graph.nodes.size());
    WeightTensor weight{std::move(shape), {}};
    const auto values = Random(weight.count(), static_cast<int>(graph.nodes.size()) + 1);
    weight.values.assign(values.begin(), values.end());
    for (float& value : weight.values) value *= 0.1f;
    weights[node.weight] = std::move(weight);
    return Add(node, {in}, node.out_channels);
  }
};

Volume UNet() {
  Volume net;
  const Axes all{.z = 3, .y = 3, .x = 3}, plane{.z = 1, .y = 3, .x = 3};
  const Axes down{.z = 1, .y = 2, .x = 2}, both{.z = 2, .y = 2, .x = 2};
  const int skip = net.Conv(net.Conv(0, 16, plane), 16, all);
  const int deep = net.Conv(net.Conv(skip, 32, all, both), 32, all);
  const int deeper = net.Conv(net.MaxPool(deep, down), 32, all);
  const int joined = net.Join(net.Upsample(deeper, down), deep);
  net.Conv(net.Conv(net.Join(net.Enlarge(joined, 16, both), skip), 16, all), 3, kOnes);
  return net;
}

// The endless volume.
float At(int64_t z, int64_t y, int64_t x) {
  const auto hash = static_cast<uint64_t>(z * 73856093 ^ y * 19349663 ^ x * 83492791);
  return static_cast<float>((hash * 2654435761u >> 8) % 2001) / 1000.0f - 1.0f;
}

class Boxes : public testing::TestWithParam<std::string> {};

TEST_P(Boxes, AreWhatOneBoxGives) {
  const Volume net = UNet();
  const NetworkGeometry geometry = Analyze(net.graph, {.z = 8, .y = 16, .x = 16}).network;
  ASSERT_TRUE(geometry.tileable && geometry.volume);
  EXPECT_EQ(geometry.z.alignment, 2);
  EXPECT_EQ(geometry.y.alignment, 4);
  for (int threads : {1, 2}) {
    const auto pool = std::make_shared<ThreadPool>(threads);
    CpuExecutor executor(net.graph, geometry, net.weights, SelectKernels(GetParam()), false, pool);
    const Axes size{.z = 7, .y = 37, .x = 21};
    const auto run = [&](Axes at, Axes part) {
      const Tile tile{
          .size = {.height = part.y, .width = part.x, .depth = part.z},
          .to_end = {.height = std::min(size.y - at.y, part.y + executor.BoxReach().height),
                     .width = std::min(size.x - at.x, part.x + executor.BoxReach().width),
                     .depth = std::min(size.z - at.z, part.z + executor.BoxReach().depth)}};
      const Window w = executor.WindowFor(tile);
      std::vector<float> window, logits(static_cast<size_t>(3 * Product(part)));
      for (int64_t z = 0; z < w.depth; ++z)
        for (int64_t y = 0; y < w.height; ++y)
          for (int64_t x = 0; x < w.width; ++x)
            window.push_back(At(at.z - w.front + z, at.y - w.top + y, at.x - w.left + x));
      executor.RunTile(window.data(), logits.data(), 1, tile);
      return logits;
    };
    const std::vector<float> whole = run({}, size);
    const TileSize grid = executor.BoxGrid();
    for (const Axes& step : {Axes{.z = grid.depth, .y = grid.height, .x = grid.width},
                             Axes{.z = 2 * grid.depth, .y = 2 * grid.height, .x = size.x}})
      for (Axes at{}; at.z < size.z; at.z += step.z)
        for (at.y = 0; at.y < size.y; at.y += step.y)
          for (at.x = 0; at.x < size.x; at.x += step.x) {
            Axes part;
            for (Axis axis : kAxes) part[axis] = std::min(step[axis], size[axis] - at[axis]);
            const std::vector<float> logits = run(at, part);
            for (int64_t c = 0; c < 3; ++c)
              for (int64_t z = 0; z < part.z; ++z)
                for (int64_t y = 0; y < part.y; ++y)
                  for (int64_t x = 0; x < part.x; ++x) {
                    const int64_t of_part = ((c * part.z + z) * part.y + y) * part.x + x;
                    const int64_t of_all =
                        ((c * size.z + at.z + z) * size.y + at.y + y) * size.x + at.x + x;
                    ASSERT_EQ(logits[of_part], whole[of_all])
                        << at.z + z << " " << at.y + y << " " << at.x + x;
                  }
          }
  }
}

// Those with vectors: minutes of plain loops would show the same, as kernels are compared alone.
std::vector<std::string> QuickIsas() {
  std::vector<std::string> isas = UsableIsas();
  isas.erase(
      std::remove_if(isas.begin(), isas.end(),
                     [](const std::string& isa) { return isa == "reference" || isa == "fused"; }),
      isas.end());
  return isas;
}

INSTANTIATE_TEST_SUITE_P(Isa, Boxes, testing::ValuesIn(QuickIsas()),
                         [](const auto& isa) { return isa.param; });

}  // namespace
}  // namespace pyengine
