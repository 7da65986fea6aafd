#include "file/manifest.h"

#include "file/read_preprocessing.h"

namespace pyengine {
namespace {

// A number for each axis: [z, y, x] of volumes, [y, x] of images.
Axes ReadSizes(const Json& json, bool volume, int64_t least, int64_t most) {
  const auto& sizes = json.Items();
  if (sizes.size() != (volume ? 3 : 2))
    json.Fail(volume ? "must hold depth, height and width" : "must hold height and width");
  const size_t first = volume ? 1 : 0;
  return {.z = volume ? sizes[0].Int(least, most) : 1,
          .y = sizes[first].Int(least, most),
          .x = sizes[first + 1].Int(least, most)};
}

void ReadInput(const Json& input, const Graph& graph, Manifest& m) {
  const int64_t channels = graph.channels();
  if (input.At("channels").Int(1, 1 << 20) != channels)
    input.At("channels").Fail("differs from the graph's " + std::to_string(channels));
  const std::string& dtype = input.At("dtype").String();
  if (dtype != "uint8" && dtype != "uint16" && dtype != "float32")
    input.At("dtype").Fail("'" + dtype + "' is not uint8, uint16 or float32");
  m.input_type = dtype == "uint8"    ? PixelType::kUint8
                 : dtype == "uint16" ? PixelType::kUint16
                                     : PixelType::kFloat32;
  const Axes sample = ReadSizes(input.At("sample_size_px"), graph.volume, 1, 1 << 20);
  m.sample_depth = sample.z;
  m.sample_height = sample.y;
  m.sample_width = sample.x;
  if (input.Has("fixed_size")) m.fixed_size = input.At("fixed_size").Bool();
  m.preprocessing = ReadPreprocessing(input.At("preprocessing"), static_cast<size_t>(channels));
}

Head HeadNamed(const Json& activation) {
  const std::string& word = activation.String();
  if (word == "softmax") return Head::kSoftmax;
  if (word == "sigmoid") return Head::kSigmoid;
  if (word != "none") activation.Fail("'" + word + "' is not softmax, sigmoid or none");
  return Head::kNone;
}

void ReadHead(const Json& head, int64_t outputs, Manifest& m) {
  m.head = HeadNamed(head.At("activation"));
  if (m.head == Head::kSoftmax && outputs == 1) head.Fail("softmax over a single output");
  m.head_in_network = head.At("in_network").Bool();
  if (!head.Has("labels")) return;
  const std::string& rule = head.At("labels").String();
  if (rule != "highest" && rule != "regions")
    head.At("labels").Fail("'" + rule + "' is not highest or regions");
  if (rule == "highest") return;
  if (m.head != Head::kSigmoid || m.task != "segmentation")
    head.At("labels").Fail("regions need a segmentation by sigmoid");
  m.head = Head::kRegions;
}

NamedOutput ReadOutput(const Json& json, int64_t all_planes) {
  NamedOutput out;
  out.name = json.At("name").String();
  out.first_plane = json.At("first_plane").Int(0, all_planes - 1);
  out.planes = json.At("planes").Int(1, all_planes - out.first_plane);
  out.head = HeadNamed(json.At("activation"));
  out.head_in_network = json.At("in_network").Bool();
  if (json.Has("shrink")) out.shrink = json.At("shrink").Int(1, 4096);
  if (json.Has("enlarge")) out.enlarge = json.At("enlarge").Int(1, 64);
  if (out.planes % (out.enlarge * out.enlarge) != 0)
    json.At("planes").Fail("must be a multiple of the square of 'enlarge'");
  return out;
}

// Each plane belongs to one output.
void ReadOutputs(const Json& outputs, int64_t planes, Manifest& m) {
  int64_t next = 0;
  for (const Json& json : outputs.Items()) {
    m.outputs.push_back(ReadOutput(json, planes));
    if (m.outputs.back().first_plane != next)
      json.At("first_plane").Fail("must follow the planes of the output before");
    next += m.outputs.back().planes;
  }
  if (next != planes)
    outputs.Fail("names " + std::to_string(next) + " planes, the network has " +
                 std::to_string(planes));
}

void ReadClasses(const Json& classes, int64_t outputs, Manifest& m) {
  for (const Json& entry : classes.Items()) {
    ClassInfo info;
    info.name = entry.At("name").String();
    const auto& color = entry.At("color").Items();
    if (color.size() != 3) entry.At("color").Fail("must hold red, green, blue");
    for (size_t i = 0; i < 3; ++i) info.color[i] = static_cast<uint8_t>(color[i].Int(0, 255));
    m.classes.push_back(std::move(info));
  }
  // One sigmoid output tells two classes apart; regions lie on a background.
  const bool background = (outputs == 1 && m.head == Head::kSigmoid) || m.head == Head::kRegions;
  const size_t expected = static_cast<size_t>(outputs) + (background ? 1 : 0);
  if (m.classes.size() != expected)
    classes.Fail("names " + std::to_string(m.classes.size()) + " classes, the network tells " +
                 std::to_string(expected) + " apart");
  if (expected > 256 && m.task == "segmentation")
    classes.Fail("more than 256 classes do not fit uint8 labels");
}

// How the network's makers predict with it.
void ReadPrediction(const Json& prediction, bool volume, Manifest& m) {
  const Axes window = ReadSizes(prediction.At("window_px"), volume, 1, 1 << 14);
  m.window_depth = window.z;
  m.window_height = window.y;
  m.window_width = window.x;
  for (const Json& axis : prediction.At("mirror_axes").Items()) {
    const std::string& name = axis.String();
    if (name == "z" && volume)
      m.mirror_z = true;
    else if (name == "y")
      m.mirror_y = true;
    else if (name == "x")
      m.mirror_x = true;
    else
      axis.Fail("'" + name + "' is not " + (volume ? "z, y or x" : "y or x"));
  }
}

}  // namespace

Manifest ReadManifest(Json json, const Graph& graph) {
  Manifest m;
  m.task = json.At("task").String();
  if (m.task != "segmentation" && m.task != "classification")
    json.At("task").Fail("'" + m.task + "' is not segmentation or classification");
  int64_t outputs = graph.tensors[graph.output].channels;
  if (json.Has("outputs")) ReadOutputs(json.At("outputs"), outputs, m);
  // Pixels of an enlarged result lie in planes of their own.
  if (m.outputs.size() == 1) outputs /= m.outputs[0].enlarge * m.outputs[0].enlarge;
  ReadHead(json.At("head"), outputs, m);
  ReadClasses(json.At("classes"), outputs, m);
  ReadInput(json.At("input"), graph, m);
  if (json.Has("prediction")) ReadPrediction(json.At("prediction"), graph.volume, m);
  if (graph.volume) {
    m.halo = ReadSizes(json.At("halo"), true, 0, 1 << 20);
    m.alignment = ReadSizes(json.At("alignment"), true, 1, 1 << 20);
  } else {
    m.halo.y = m.halo.x = json.At("halo").Int(0, 1 << 20);
    m.alignment.y = m.alignment.x = json.At("alignment").Int(1, 1 << 20);
  }
  m.json = std::move(json);
  return m;
}

}  // namespace pyengine
