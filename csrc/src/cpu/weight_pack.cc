#include "cpu/weight_pack.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <string>
#include <tuple>

#include "core/checked_math.h"

namespace pyengine {
namespace {

AlignedBuffer<float> Zeros(int64_t count) {
  AlignedBuffer<float> buffer(static_cast<size_t>(count));
  std::fill_n(buffer.data(), count, 0.0f);
  return buffer;
}

AlignedBuffer<float> PadToBlocks(const float* values, int64_t count, int64_t channels) {
  AlignedBuffer<float> buffer = Zeros(RoundUp(channels, kBlock));
  for (int64_t i = 0; i < channels && values; ++i) buffer[i] = values[count == 1 ? 0 : i];
  return buffer;
}

// `value(o, i, tap)` with i counted inside o's group.
using WeightFn = std::function<float(int64_t, int64_t, const Axes&)>;

std::unique_ptr<PackedConv> Pack(int64_t cin, int64_t cout, int64_t groups, const Axes& taps,
                                 int64_t lanes, const WeightFn& value) {
  auto packed = std::make_unique<PackedConv>();
  const int64_t cin_group = cin / groups, cout_group = cout / groups;
  const int64_t blocks = CeilDiv(cout, kBlock);
  std::vector<int64_t> offsets;
  int64_t total = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    // The input planes that any group in this block reads; other channels in them weigh zero.
    const int64_t first_group = b * kBlock / cout_group;
    const int64_t last_group = (std::min(cout, (b + 1) * kBlock) - 1) / cout_group;
    ConvBlock block{};
    const int64_t in_begin = first_group * cin_group / lanes;
    const int64_t in_end = CeilDiv((last_group + 1) * cin_group, lanes);
    block.plane_begin = in_begin * taps.z;
    block.plane_count = (in_end - in_begin) * taps.z;
    packed->blocks.push_back(block);
    offsets.push_back(total);
    total += block.plane_count * lanes * taps.y * taps.x * kBlock;
  }
  packed->weights = Zeros(std::max<int64_t>(total, 1));
  for (int64_t b = 0; b < blocks; ++b) {
    ConvBlock& block = packed->blocks[b];
    float* w = packed->weights.data() + offsets[b];
    block.weights = w;
    for (int64_t p = block.plane_begin; p < block.plane_begin + block.plane_count; ++p) {
      const int64_t first = p / taps.z * lanes;
      const int64_t present = std::min(lanes, cin - first);
      Axes tap{.z = p % taps.z};
      for (tap.y = 0; tap.y < taps.y; ++tap.y)
        for (tap.x = 0; tap.x < taps.x; ++tap.x)
          for (int64_t lane = 0; lane < present; ++lane, w += kBlock)
            for (int64_t o = b * kBlock; o < std::min(cout, (b + 1) * kBlock); ++o) {
              const int64_t i = first + lane - o / cout_group * cin_group;
              if (i >= 0 && i < cin_group) w[o - b * kBlock] = value(o, i, tap);
            }
    }
  }
  return packed;
}

// Of the weights (.., kz, ky, kx) of kernel number `kernel`.
size_t TapIndex(const Axes& kernel_size, int64_t kernel, const Axes& tap) {
  const int64_t row = (kernel * kernel_size.z + tap.z) * kernel_size.y + tap.y;
  return static_cast<size_t>(row * kernel_size.x + tap.x);
}

// The tap of a transposed convolution that the outputs of one phase meet with input `t` of `taps`,
// counted with the zeros that its dilation puts between taps. Later inputs meet earlier taps:
// reading order is the reverse of tap order.
float PhaseTap(const Node& node, const float* weights, int64_t kernel, const Axes& phase,
               const Axes& taps, const Axes& t) {
  Axes tap;
  for (Axis axis : kAxes) {
    const int64_t dilated = phase[axis] + (taps[axis] - 1 - t[axis]) * node.stride[axis];
    if (dilated % node.dilation[axis]) return 0;
    tap[axis] = dilated / node.dilation[axis];
  }
  return weights[TapIndex(node.kernel, kernel, tap)];
}

}  // namespace

void WinogradKernel(const float* kernel, int64_t patch_px, double* out) {
  using Rows = std::vector<std::array<double, 3>>;
  const auto make = [](const std::vector<double>& points) {
    Rows g;
    for (size_t p = 0; p < points.size(); ++p) {
      double distance = 1;
      for (size_t q = 0; q < points.size(); ++q)
        if (q != p) distance *= points[p] - points[q];
      g.push_back({1 / distance, points[p] / distance, points[p] * points[p] / distance});
    }
    g.push_back({0, 0, 1});
    return g;
  };
  static const Rows kF4 = make({0, 0.75, -0.75, 1.5, -1.5});
  static const Rows kF6 = make({0, 0.5, -0.5, 1, -1, 2, -2});
  const Rows& g = patch_px == kFastWinogradPatch ? kF6 : kF4;
  for (size_t r = 0; r < g.size(); ++r) {
    double row[3];
    for (int x = 0; x < 3; ++x)
      row[x] = g[r][0] * double(kernel[x]) + g[r][1] * double(kernel[3 + x]) +
               g[r][2] * double(kernel[6 + x]);
    for (size_t c = 0; c < g.size(); ++c)
      *out++ = row[0] * g[c][0] + row[1] * g[c][1] + row[2] * g[c][2];
  }
}

PackedWeights::PackedWeights(const Graph& graph, const WeightMap& weights, ThreadPool& pool)
    : graph_(graph), weights_(weights), pool_(pool) {
  // What packed weights depend on, by the first node that has it.
  std::map<std::tuple<OpKind, std::string, std::string, int64_t, int64_t, int64_t, int64_t, int64_t,
                      int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t>,
           int>
      known;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& n = graph.nodes[i];
    const auto [found, is_new] = known.try_emplace(
        {n.op, n.weight, n.bias, n.in_channels, n.out_channels, n.groups, n.kernel.z, n.kernel.y,
         n.kernel.x, n.stride.z, n.stride.y, n.stride.x, n.dilation.z, n.dilation.y, n.dilation.x},
        static_cast<int>(i));
    first_.push_back(found->second);
  }
}

const PackedConv* PackedWeights::Conv(int index, int64_t in_lanes) {
  auto& slot = convs_[{.node = first_[index], .layout = Layout::kDirect, .lanes = in_lanes}];
  if (slot) return slot.get();
  const Node& node = graph_.nodes[index];
  const float* w = weights_.at(node.weight).values.data();
  const float* bias = node.bias.empty() ? nullptr : weights_.at(node.bias).values.data();
  const int64_t taps = Product(node.kernel);
  if (IsDepthwise(node)) {
    slot = std::make_unique<PackedConv>();
    slot->weights = Zeros(CeilDiv(node.out_channels, kBlock) * taps * kBlock);
    for (int64_t c = 0; c < node.out_channels; ++c)
      for (int64_t t = 0; t < taps; ++t)
        slot->weights[(c / kBlock * taps + t) * kBlock + c % kBlock] = w[c * taps + t];
  } else {
    const int64_t cin_group = node.in_channels / node.groups;
    slot = Pack(node.in_channels, node.out_channels, node.groups, node.kernel, in_lanes,
                [&](int64_t o, int64_t i, const Axes& tap) {
                  return w[TapIndex(node.kernel, o * cin_group + i, tap)];
                });
  }
  slot->bias = PadToBlocks(bias, node.out_channels, node.out_channels);
  return slot.get();
}

const PackedConv* PackedWeights::Winograd(int index, int64_t patch_px,
                                          const WinogradKernels& kernels) {
  auto& slot = convs_[{.node = first_[index], .layout = Layout::kWinograd, .patch_px = patch_px}];
  if (slot) return slot.get();
  const Node& node = graph_.nodes[index];
  const float* w = weights_.at(node.weight).values.data();
  const float* bias = node.bias.empty() ? nullptr : weights_.at(node.bias).values.data();
  const int64_t cin = node.in_channels, cout = node.out_channels, slices = node.kernel.z;
  slot = std::make_unique<PackedConv>();
  const int64_t blocks = CeilDiv(cout, kBlock), points = PYENGINE_WINOGRAD_POINTS(patch_px);
  const int64_t each = kernels.weight_floats(cin);
  slot->weights =
      Zeros(CheckedMul(CheckedMul(blocks, slices, "weights"), points * each, "weights"));
  const int64_t block_floats = points * cin * kBlock;
  AlignedBuffer<float> scratch(
      static_cast<size_t>(CheckedMul(pool_.threads(), block_floats, "weights")));
  pool_.ParallelFor(blocks * slices, [&](int64_t task, int thread) {
    const int64_t b = task / slices, kz = task % slices;
    const int64_t lanes = std::min<int64_t>(kBlock, cout - b * kBlock);
    float* block = scratch.data() + thread * block_floats;
    double transformed[kBlock][PYENGINE_WINOGRAD_POINTS(kFastWinogradPatch)];
    for (int64_t i = 0; i < cin; ++i) {
      for (int64_t lane = 0; lane < lanes; ++lane)
        WinogradKernel(w + (((b * kBlock + lane) * cin + i) * slices + kz) * 9, patch_px,
                       transformed[lane]);
      for (int64_t xi = 0; xi < points; ++xi)
        for (int64_t lane = 0; lane < kBlock; ++lane)
          block[(xi * cin + i) * kBlock + lane] =
              lane < lanes ? static_cast<float>(transformed[lane][xi]) : 0.0f;
    }
    const int64_t slice = b / kernels.slice_blocks * kernels.slice_blocks;
    const int64_t slice_blocks = std::min(kernels.slice_blocks, blocks - slice);
    for (int64_t xi = 0; xi < points; ++xi) {
      const int64_t before = slice * points + xi * slice_blocks + b - slice;
      kernels.pack(block + xi * cin * kBlock, cin,
                   slot->weights.data() + (before * slices + kz) * each);
    }
  });
  slot->bias = PadToBlocks(bias, cout, cout);
  return slot.get();
}

const PackedConv* PackedWeights::TransposedPhase(int index, const Axes& phase, const Axes& taps) {
  auto& slot = convs_[{.node = first_[index], .layout = Layout::kPhase, .phase = phase}];
  if (slot) return slot.get();
  const Node& node = graph_.nodes[index];
  const float* w = weights_.at(node.weight).values.data();
  const float* bias = node.bias.empty() ? nullptr : weights_.at(node.bias).values.data();
  const int64_t cin_group = node.in_channels / node.groups;
  const int64_t cout_group = node.out_channels / node.groups;
  slot = Pack(node.in_channels, node.out_channels, node.groups, taps, kBlock,
              [&](int64_t o, int64_t i, const Axes& t) {
                const int64_t input = o / cout_group * cin_group + i;
                return PhaseTap(node, w, input * cout_group + o % cout_group, phase, taps, t);
              });
  slot->bias = PadToBlocks(bias, node.out_channels, node.out_channels);
  return slot.get();
}

const PackedConv* PackedWeights::TransposedPhases(int index, const Axes& taps) {
  auto& slot = convs_[{.node = first_[index], .layout = Layout::kPhases}];
  if (slot) return slot.get();
  const Node& node = graph_.nodes[index];
  const float* w = weights_.at(node.weight).values.data();
  const float* bias = node.bias.empty() ? nullptr : weights_.at(node.bias).values.data();
  const int64_t phases = Product(node.stride);
  const int64_t blocks = CeilDiv(node.out_channels, kBlock) * phases;
  const auto channel = [&](int64_t o) { return o / kBlock / phases * kBlock + o % kBlock; };
  slot = Pack(
      node.in_channels, blocks * kBlock, 1, taps, kBlock, [&](int64_t o, int64_t i, const Axes& t) {
        if (channel(o) >= node.out_channels) return 0.0f;
        const int64_t number = o / kBlock % phases, plane = number / node.stride.x;
        const Axes phase{
            .z = plane / node.stride.y, .y = plane % node.stride.y, .x = number % node.stride.x};
        return PhaseTap(node, w, i * node.out_channels + channel(o), phase, taps, t);
      });
  slot->bias = Zeros(blocks * kBlock);
  for (int64_t o = 0; o < blocks * kBlock; ++o)
    if (bias && channel(o) < node.out_channels) slot->bias[o] = bias[channel(o)];
  return slot.get();
}

const PackedAffine* PackedWeights::Affine(int index) {
  auto& slot = affines_[first_[index]];
  if (slot) return slot.get();
  const Node& node = graph_.nodes[index];
  const int64_t channels = graph_.tensors[node.output].channels;
  slot = std::make_unique<PackedAffine>();
  if (!node.weight.empty())
    slot->scale = PadToBlocks(weights_.at(node.weight).values.data(), channels, channels);
  if (!node.bias.empty())
    slot->shift = PadToBlocks(weights_.at(node.bias).values.data(), channels, channels);
  return slot.get();
}

const float* PackedWeights::Planes(int index) {
  AlignedBuffer<float>& planes = planes_[first_[index]];
  if (planes.size()) return planes.data();
  const Node& node = graph_.nodes[index];
  const int64_t pixels = Product(node.size), channels = node.out_channels;
  const float* values = weights_.at(node.weight).values.data();
  planes = Zeros(RoundUp(channels, kBlock) * pixels);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < pixels; ++i)
      planes[(c / kBlock * pixels + i) * kBlock + c % kBlock] = values[c * pixels + i];
  return planes.data();
}

const float* PackedWeights::Slopes(int index) {
  return Affine(index)->scale.data();
}

int64_t PackedWeights::bytes() const {
  size_t floats = 0;
  for (const auto& [key, conv] : convs_) floats += conv->weights.size() + conv->bias.size();
  for (const auto& [node, affine] : affines_) floats += affine->scale.size() + affine->shift.size();
  return static_cast<int64_t>(floats * sizeof(float));
}

}  // namespace pyengine
