// Tiles of every size between guards: an operation writes no number beyond the caller's logits, and
// no number beyond the window reaches a result.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "cpu/cpu_executor.h"
#include "cpu/isa.h"
#include "support/network.h"
#include "support/random_tensor.h"

namespace pyengine {
namespace {

constexpr int64_t kGuard = 256;
constexpr float kMark = -12345.5f;

// Networks that end in each kind of operation, so that each writes the caller's logits.
const std::pair<const char*, std::function<void(Network&)>> kEndings[] = {
    {"transposed", [](Network& n) { n.Enlarge(n.Halve(0), 3); }},
    {"transposed, many channels", [](Network& n) { n.Enlarge(n.Halve(0), 33); }},
    {"transposed, tanh",
     [](Network& n) { n.Activation(n.Enlarge(n.Halve(0), 3), ActivationKind::kTanh); }},
    {"transposed, softmax", [](Network& n) { n.Softmax(n.Enlarge(n.Halve(0), 3)); }},
    {"transposed, joined",
     [](Network& n) {
       const int x = n.Halve(0);
       n.Join(n.Enlarge(x, 3), n.Enlarge(x, 2));
     }},
    {"transposed, added",
     [](Network& n) {
       const int x = n.Halve(0);
       n.Sum(n.Enlarge(x, 3), n.Enlarge(x, 3));
     }},
    {"nearest", [](Network& n) { n.Upsample(n.Halve(0), OpKind::kUpsampleNearest); }},
    {"bilinear", [](Network& n) { n.Upsample(n.Halve(0), OpKind::kUpsampleBilinear); }},
    {"convolution", [](Network& n) { n.Conv(0, 3, 3, BorderMode::kZero); }},
    {"convolution of one tap", [](Network& n) { n.Conv(0, 2, 1, BorderMode::kZero); }},
    {"Winograd",
     [](Network& n) { n.Conv(n.Conv(0, 16, 3, BorderMode::kZero), 20, 3, BorderMode::kZero); }},
    {"activation", [](Network& n) { n.Activation(0, ActivationKind::kRelu); }},
    {"softmax", [](Network& n) { n.Softmax(n.Conv(0, 5, 1, BorderMode::kZero)); }},
};

class GuardedTile : public testing::TestWithParam<std::string> {};

TEST_P(GuardedTile, WritesAndReadsNothingBeyondItsBuffers) {
  auto pool = std::make_shared<ThreadPool>(2);
  for (const auto& [name, end] : kEndings) {
    SCOPED_TRACE(name);
    Network net;
    end(net);
    const NetworkGeometry geometry = Analyze(net.graph, {.z = 1, .y = 64, .x = 64}).network;
    ASSERT_TRUE(geometry.tileable);
    CpuExecutor executor(net.graph, geometry, net.weights, SelectKernels(GetParam()), false, pool);
    for (const TileSize size : {TileSize{1, 1}, {1, 2}, {2, 1}, {3, 7}, {16, 17}, {63, 64}}) {
      SCOPED_TRACE(std::to_string(size.height) + " x " + std::to_string(size.width));
      const Tile tile{size, size};
      const Window window = executor.WindowFor(tile);
      const int64_t inputs = window.height * window.width * geometry.channels;
      std::vector<float> in(inputs + 2 * kGuard, std::numeric_limits<float>::quiet_NaN());
      const std::vector<float> values = Random(inputs, 1);
      std::copy(values.begin(), values.end(), in.begin() + kGuard);
      const int64_t outputs = size.height * size.width * geometry.classes;
      std::vector<float> out(outputs + 2 * kGuard, kMark);
      executor.RunTile(in.data() + kGuard, out.data() + kGuard, 1, tile);
      for (int64_t i = 0; i < static_cast<int64_t>(out.size()); ++i)
        if (i < kGuard || i >= kGuard + outputs)
          ASSERT_EQ(out[i], kMark) << "wrote " << i - kGuard << " of " << outputs;
        else
          ASSERT_TRUE(std::isfinite(out[i]) && out[i] != kMark) << "at " << i - kGuard;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, GuardedTile, testing::ValuesIn(UsableIsas()),
                         [](const auto& isa) { return isa.param; });

}  // namespace
}  // namespace pyengine
