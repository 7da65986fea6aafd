// Random graphs as engine files. What opens gives the reference's result on every instruction set
// within rounding, and the same bits for every tiling, batch and number of threads.
//
// Nodes take any operator of the list and any of the fields below, so that new operators join by
// themselves; most graphs are refused early, which costs little, and coverage guides to the others.
#include <fuzzer/FuzzedDataProvider.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "cpu/isa.h"
#include "graph/geometry.h"
#include "graph/graph.h"
#include "graph/ops/op_type.h"
#include "graph/weights.h"
#include "pyengine/engine.h"
#include "pyengine/error.h"
#include "support/engine_bytes.h"
#include "support/memory_file.h"

namespace pyengine::fuzz {
namespace {

const OpKind kOps[] = {
#define PYENGINE_OP(name) OpKind::k##name,
#include "graph/ops/op_list.inc"
#undef PYENGINE_OP
};

// Fields of nodes with values to choose from; readers pass over what an operator does not have.
struct Field {
  const char* name;
  std::vector<const char*> values;
};
const std::vector<Field>& Fields() {
  static const std::vector<Field> fields = {
      {"kernel", {"[1,1]", "[2,2]", "[3,3]", "[3,3]", "[3,1]", "[1,4]", "[5,5]", "[7,3]"}},
      {"stride", {"[1,1]", "[2,2]", "[2,1]", "[3,3]", "[1,2]"}},
      {"dilation", {"[1,1]", "[1,1]", "[2,2]", "[3,1]"}},
      {"groups", {"1", "1", "2", "3", "8", "16"}},
      {"amounts", {"[0,0,0,0]", "[1,1,1,1]", "[1,1,1,1]", "[2,2,2,2]", "[0,1,1,0]", "[3,1,3,1]"}},
      {"border", {"\"zero\"", "\"reflect\"", "\"replicate\"", "\"constant\""}},
      {"border_value", {"0", "-1.5", "3"}},
      {"output_padding", {"[0,0]", "[1,1]", "[0,1]"}},
      {"count_include_pad", {"true", "false"}},
      {"align_corners", {"false", "true"}},
      {"order", {"\"channels_first\"", "\"blocks_first\""}},
      {"alpha", {"0.01", "0.2", "1", "-1", "0"}},
      {"beta", {"0.5", "1", "6", "0"}},
      {"kind",
       {"\"relu\"", "\"leaky_relu\"", "\"prelu\"", "\"elu\"", "\"silu\"", "\"gelu\"",
        "\"gelu_tanh\"", "\"sigmoid\"", "\"tanh\"", "\"hard_swish\"", "\"hard_sigmoid\"",
        "\"clip\"", "\"erf\""}},
  };
  return fields;
}

std::string NodeJson(FuzzedDataProvider& bytes, const Graph& before, const std::string& index) {
  const OpKind op = bytes.PickValueInArray(kOps);
  const OpType& type = TypeOf(op);
  const size_t tensors = before.tensors.size();
  const int wanted = type.inputs ? type.inputs : bytes.ConsumeIntegralInRange<int>(1, 3);
  std::string inputs;
  int64_t channels = 1;
  for (int i = 0; i < wanted; ++i) {
    // The newest tensor is the likeliest: chains are what networks are.
    const size_t which =
        bytes.ConsumeBool() ? tensors - 1 : bytes.ConsumeIntegralInRange<size_t>(0, tensors - 1);
    if (i == 0) channels = before.tensors[which].channels;
    inputs += (i ? ",\"" : "\"") + before.tensors[which].name + "\"";
  }
  std::string json = "{\"op\":\"" + std::string(type.word) + "\",\"name\":\"n" + index +
                     "\",\"inputs\":[" + inputs + "],\"output\":\"t" + index + "\"";
  const int64_t out = bytes.ConsumeBool() ? channels : bytes.ConsumeIntegralInRange<int>(1, 35);
  json +=
      ",\"in_channels\":" + std::to_string(channels) + ",\"out_channels\":" + std::to_string(out);
  json += ",\"weight\":\"w" + index + "\"";
  if (op == OpKind::kAffine || bytes.ConsumeBool()) json += ",\"bias\":\"b" + index + "\"";
  for (const Field& field : Fields())
    json += ",\"" + std::string(field.name) +
            "\":" + field.values[bytes.ConsumeIntegralInRange<size_t>(0, field.values.size() - 1)];
  return json + "}";
}

std::string GraphJson(int64_t channels, const std::vector<std::string>& nodes) {
  std::string json =
      "{\"input\":{\"name\":\"image\",\"channels\":" + std::to_string(channels) + "},\"nodes\":[";
  for (size_t i = 0; i < nodes.size(); ++i) json += (i ? "," : "") + nodes[i];
  return json + "],\"output\":\"" +
         (nodes.empty() ? "image" : "t" + std::to_string(nodes.size() - 1)) + "\"}";
}

// Values in (-1, 1), scaled so that sums keep the size of their terms.
StoredTensor RandomWeights(const std::string& name, const std::vector<int64_t>& shape,
                           uint32_t seed) {
  StoredTensor tensor{.name = name, .type = "F32", .shape = shape, .bytes = ""};
  int64_t count = 1, terms = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    count *= shape[i];
    if (i > 0) terms *= shape[i];
  }
  tensor.bytes.resize(static_cast<size_t>(count) * 4);
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525 + 1013904223;
    const auto value = static_cast<float>((static_cast<double>(seed >> 8) / (1 << 23) - 1) /
                                          std::sqrt(static_cast<double>(terms)));
    std::memcpy(tensor.bytes.data() + i * 4, &value, 4);
  }
  return tensor;
}

std::string Manifest(const Graph& graph, const NetworkGeometry& geometry) {
  const int64_t outputs = graph.tensors[graph.output].channels;
  std::string classes;
  for (int64_t i = 0; i < outputs; ++i)
    classes += std::string(i ? "," : "") + R"({"name":"c","color":[1,2,3]})";
  return R"({"task":"segmentation","classes":[)" + classes + R"(],"input":{"channels":)" +
         std::to_string(graph.channels()) +
         R"(,"dtype":"uint8","preprocessing":[{"name":"scale_linear","gain":[0.01],"offset":[-1]}],)"
         R"("sample_size_px":[48,48]},"head":{"activation":"none","in_network":false},"halo":)" +
         std::to_string(geometry.halo) + R"(,"alignment":)" + std::to_string(geometry.alignment) +
         R"(,"sha256":{}})";
}

// A file of a random graph; none where the graph is refused.
std::optional<std::string> RandomFile(FuzzedDataProvider& bytes) {
  const int64_t channels = bytes.ConsumeIntegralInRange<int>(1, 3);
  std::vector<std::string> nodes;
  Graph graph = ParseGraph(Json::Parse(GraphJson(channels, {}), "graph"));
  const int count = bytes.ConsumeIntegralInRange<int>(1, 9);
  for (int i = 0; i < count; ++i) {
    nodes.push_back(NodeJson(bytes, graph, std::to_string(nodes.size())));
    try {
      graph = ParseGraph(Json::Parse(GraphJson(channels, nodes), "graph"));
    } catch (const Error&) {
      nodes.pop_back();  // go on without it: long graphs need luck otherwise
    }
  }
  if (nodes.empty()) return std::nullopt;
  const GraphAnalysis analysis = Analyze(graph, 48, 48);
  if (analysis.flops_per_pixel > 2e5) return std::nullopt;
  EngineParts parts{.manifest = Manifest(graph, analysis.network),
                    .graph = GraphJson(channels, nodes),
                    .tensors = {}};
  for (const Node& node : graph.nodes) {
    const int64_t out = graph.tensors[node.output].channels;
    const auto shape = TypeOf(node.op).weight_shape(node, out);
    const auto seed = bytes.ConsumeIntegral<uint16_t>();
    if (!shape.empty()) parts.tensors.push_back(RandomWeights(node.weight, shape, seed));
    if (!node.bias.empty()) parts.tensors.push_back(RandomWeights(node.bias, {out}, seed + 1u));
  }
  return PutTogether(parts);
}

Engine Open(const std::string& path, const std::string& isa, int threads = 1) {
  EngineOptions options;
  options.threads = threads;
  options.isa = isa;
  options.device = "cpu";
  return Engine::Open(path, options);
}

std::vector<float> Logits(const Engine& engine, const ImageView& image,
                          const SegmentOptions& options) {
  std::vector<float> out(
      static_cast<size_t>(engine.info().geometry.classes * image.height * image.width));
  engine.SegmentScores(image, OutputKind::kLogits, out.data(), options);
  return out;
}

[[noreturn]] void Fail(const std::string& what, double a, double b) {
  std::fprintf(stderr, "%s: %.9g and %.9g\n", what.c_str(), a, b);
  __builtin_trap();
}

void RequireSame(const std::string& what, const std::vector<float>& a,
                 const std::vector<float>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], 4) != 0) Fail(what + " changes bits", a[i], b[i]);
}

// Winograd's transforms multiply rounding by a few tens per layer, relative to the largest value
// of a patch; nine layers, none of which enlarges values much.
void RequireNear(const std::string& isa, const std::vector<float>& want,
                 const std::vector<float>& got) {
  double largest = 1;
  for (const float value : want)
    if (std::isfinite(value)) largest = std::max(largest, std::fabs(double{value}));
  for (size_t i = 0; i < want.size(); ++i)
    if (std::isfinite(want[i]) && !(std::fabs(double{want[i]} - got[i]) <= 2e-3 * largest))
      Fail(isa + " differs from the reference", want[i], got[i]);
}

void Check(const std::string& path, FuzzedDataProvider& bytes) {
  const Engine reference = Open(path, "reference");
  const NetworkGeometry& geometry = reference.info().geometry;
  const int64_t h = bytes.ConsumeIntegralInRange<int>(1, 40),
                w = bytes.ConsumeIntegralInRange<int>(1, 40), c = geometry.channels;
  std::vector<uint8_t> pixels(static_cast<size_t>(h * w * c));
  uint32_t seed = bytes.ConsumeIntegral<uint16_t>();
  for (uint8_t& pixel : pixels)
    pixel = static_cast<uint8_t>((seed = seed * 1664525 + 1013904223) >> 24);
  const ImageView image{.data = pixels.data(),
                        .type = PixelType::kUint8,
                        .height = h,
                        .width = w,
                        .channels = c,
                        .row_stride_bytes = w * c,
                        .pixel_stride_bytes = c,
                        .channel_stride_bytes = 1};
  SegmentOptions whole;
  whole.max_memory_bytes = 256 << 20;
  const std::vector<float> want = Logits(reference, image, whole);
  SegmentOptions tiled = whole;
  tiled.tile_height_px = bytes.ConsumeIntegralInRange<int>(1, 5) * geometry.alignment;
  tiled.tile_width_px = bytes.ConsumeIntegralInRange<int>(1, 5) * geometry.alignment;
  tiled.batch_size = bytes.ConsumeIntegralInRange<int>(0, 3);
  for (const std::string& isa : UsableIsas()) {
    const Engine engine = Open(path, isa), threads = Open(path, isa, 2);
    const std::vector<float> got = Logits(engine, image, whole);
    RequireNear(isa, want, got);
    RequireSame(isa + ", two threads", got, Logits(threads, image, whole));
    if (geometry.tileable) RequireSame(isa + ", tiles", got, Logits(threads, image, tiled));
  }
}

}  // namespace
}  // namespace pyengine::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const pyengine::fuzz::MemoryFile file;
  FuzzedDataProvider bytes(data, size);
  try {
    if (const auto engine_file = pyengine::fuzz::RandomFile(bytes))
      pyengine::fuzz::Check(file.Write(*engine_file), bytes);
  } catch (const pyengine::Error&) {
  } catch (const std::bad_alloc&) {
  }
  return 0;
}
