#include "engine_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "core/aligned_buffer.h"
#include "core/checked_math.h"
#include "core/json.h"
#include "core/sha256.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

constexpr int64_t kFormatVersion = 1;
constexpr uint64_t kMaxHeaderBytes = 64u << 20;
constexpr uint64_t kMaxFileBytes = uint64_t(64) << 30;

[[noreturn]] void Bad(const std::string& problem) {
  throw Error(ErrorCode::kBadEngineFile, problem);
}

struct FileDescriptor {
  int fd;
  ~FileDescriptor() { ::close(fd); }
};

[[noreturn]] void IoError(const std::string& action) {
  throw Error(ErrorCode::kIo, action + ": " + std::strerror(errno));
}

// Reads instead of mapping: a file that shrinks under a mapping kills the process with SIGBUS, and
// the weights are repacked into the kernels' layout anyway.
AlignedBuffer<char> ReadAll(const std::string& path) {
  const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) IoError("cannot open");
  struct stat info{};
  if (::fstat(file.fd, &info) != 0) IoError("cannot read");
  if (!S_ISREG(info.st_mode)) throw Error(ErrorCode::kIo, "not a regular file");
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size < 8) Bad("header: the file has " + std::to_string(size) + " bytes, needs at least 8");
  if (size > kMaxFileBytes) Bad("file size: larger than 64 GiB");
  AlignedBuffer<char> bytes(size);
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(file.fd, bytes.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) IoError("cannot read");
    if (got == 0) Bad("file size: the file became shorter while it was read");
    done += static_cast<size_t>(got);
  }
  return bytes;
}

float HalfToFloat(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000) << 16, exponent = (half >> 10) & 31;
  const uint32_t fraction = half & 0x3FF;
  if (exponent == 0) {
    const float value = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -value : value;
  }
  const uint32_t bits = exponent == 31 ? sign | 0x7F800000 | fraction << 13
                                       : sign | (exponent + 112) << 23 | fraction << 13;
  return std::bit_cast<float>(bits);
}

class Reader {
 public:
  Reader(const AlignedBuffer<char>& bytes, bool with_plans, EngineFile& file)
      : bytes_(bytes), with_plans_(with_plans), file_(file) {}

  void Read() {
    const uint64_t size = bytes_.size();
    uint64_t header_size = 0;
    for (int i = 7; i >= 0; --i)
      header_size = header_size << 8 | static_cast<unsigned char>(bytes_[i]);
    if (header_size > kMaxHeaderBytes || header_size > size - 8)
      Bad("header length: " + std::to_string(header_size) + " bytes, but the file has " +
          std::to_string(size - 8) + " after it; truncated or not a pyengine file");
    header_ = Json::Parse(bytes_.data() + 8, header_size, "header");
    data_ = bytes_.data() + 8 + header_size;
    data_size_ = size - 8 - header_size;
    ReadMetadata();
    ReadTensors();
    ReadManifest();
    CheckWeights(file_.graph, file_.weights);
  }

 private:
  void ReadMetadata() {
    const Json& meta = header_.At("__metadata__");
    if (!meta.Has("format") || meta.At("format").String() != "pyengine")
      Bad("format: not a pyengine file (a safetensors file without the pyengine mark?)");
    const std::string& version = meta.At("format_version").String();
    if (version != std::to_string(kFormatVersion))
      Bad("format_version: the file has '" + version + "', this library reads " +
          std::to_string(kFormatVersion) + "; a newer pyengine may be needed");
    file_.manifest_json = meta.At("manifest").String();
    file_.graph_json = meta.At("graph").String();
    CheckHash("manifest", file_.manifest_json.data(), file_.manifest_json.size(),
              meta.At("manifest_sha256").String());
    manifest_ = Json::Parse(file_.manifest_json, "manifest");
    CheckHash("graph", file_.graph_json.data(), file_.graph_json.size(),
              manifest_.At("sha256").At("graph").String());
    file_.graph = ParseGraph(Json::Parse(file_.graph_json, "graph"));
  }

  static void CheckHash(const std::string& part, const void* data, size_t size,
                        const std::string& expected) {
    if (Sha256Hex(data, size) != expected)
      Bad(part + ": SHA-256 differs from the recorded one; the file was altered or damaged");
  }

  void ReadTensors() {
    const Json& hashes = manifest_.At("sha256").At("tensors");
    std::vector<std::pair<int64_t, int64_t>> ranges;
    size_t count = 0;
    for (const auto& [name, entry] : header_.Members()) {
      if (name == "__metadata__") continue;
      ++count;
      const auto& offsets = entry.At("data_offsets").Items();
      if (offsets.size() != 2) entry.At("data_offsets").Fail("must hold begin and end");
      const int64_t begin = offsets[0].Int(0, static_cast<int64_t>(data_size_));
      const int64_t end = offsets[1].Int(begin, static_cast<int64_t>(data_size_));
      ranges.emplace_back(begin, end);
      const char* bytes = data_ + begin;
      CheckHash("tensor '" + name + "'", bytes, static_cast<size_t>(end - begin),
                hashes.At(name).String());
      ReadTensor(name, entry, bytes, end - begin);
    }
    if (count != hashes.Members().size())
      Bad("manifest.sha256.tensors: lists " + std::to_string(hashes.Members().size()) +
          " tensors, the file holds " + std::to_string(count));
    // safetensors' own rule: tensors cover the data without holes or overlaps.
    std::sort(ranges.begin(), ranges.end());
    int64_t at = 0;
    for (const auto& [begin, end] : ranges) {
      if (begin != at)
        Bad("data_offsets: tensors overlap or leave a hole at byte " + std::to_string(at));
      at = end;
    }
    if (static_cast<uint64_t>(at) != data_size_)
      Bad("file size: " + std::to_string(data_size_ - static_cast<uint64_t>(at)) +
          " bytes after the last tensor");
  }

  void ReadTensor(const std::string& name, const Json& entry, const char* bytes, int64_t size) {
    const std::string& type = entry.At("dtype").String();
    WeightTensor tensor;
    for (const Json& d : entry.At("shape").Items()) tensor.shape.push_back(d.Int(0, 1 << 30));
    const int64_t width = type == "F32" ? 4 : type == "F16" ? 2 : type == "U8" ? 1 : 0;
    if (width == 0) entry.At("dtype").Fail("'" + type + "' is not F32, F16 or U8");
    const int64_t count = tensor.count();
    if (CheckedMul(count, width, "tensor") != size)
      entry.At("shape").Fail("does not fit the tensor's " + std::to_string(size) + " bytes");
    if (type == "U8") {  // the source network or what belongs to a plan
      if (with_plans_ && name.starts_with("plan/"))
        file_.attachments.emplace(name, std::string(bytes, static_cast<size_t>(size)));
      return;
    }
    tensor.values.resize(static_cast<size_t>(count));
    if (type == "F32") {
      if (count > 0) std::memcpy(tensor.values.data(), bytes, static_cast<size_t>(size));
    } else {
      for (int64_t i = 0; i < count; ++i) {
        uint16_t half;
        std::memcpy(&half, bytes + 2 * i, 2);
        tensor.values[i] = HalfToFloat(half);
      }
    }
    for (float value : tensor.values)
      if (!std::isfinite(value)) Bad("tensor '" + name + "': holds NaN or infinity");
    file_.weights.emplace(name, std::move(tensor));
  }

  void ReadManifest() {
    const Json& m = manifest_;
    file_.task = m.At("task").String();
    if (file_.task != "segmentation" && file_.task != "classification")
      m.At("task").Fail("'" + file_.task + "' is not segmentation or classification");
    for (const Json& entry : m.At("classes").Items()) {
      ClassInfo info;
      info.name = entry.At("name").String();
      const auto& color = entry.At("color").Items();
      if (color.size() != 3) entry.At("color").Fail("must hold red, green, blue");
      for (int i = 0; i < 3; ++i) info.color[i] = static_cast<uint8_t>(color[i].Int(0, 255));
      file_.classes.push_back(std::move(info));
    }
    const int64_t outputs = file_.graph.tensors[file_.graph.output].channels;
    ReadHead(m.At("head"), outputs);
    // One sigmoid output tells two classes apart.
    const bool binary = outputs == 1 && file_.head == Head::kSigmoid;
    const size_t expected = binary ? 2 : static_cast<size_t>(outputs);
    if (file_.classes.size() != expected)
      m.At("classes").Fail("names " + std::to_string(file_.classes.size()) +
                           " classes, the network tells " + std::to_string(expected) + " apart");
    if (expected > 256 && file_.task == "segmentation")
      m.At("classes").Fail("more than 256 classes do not fit uint8 labels");
    ReadInput(m.At("input"));
    file_.halo = m.At("halo").Int(0, 1 << 20);
    file_.alignment = m.At("alignment").Int(1, 1 << 20);
    if (m.Has("plans"))
      for (const Json& entry : m.At("plans").Items()) ReadPlan(entry);
  }

  void ReadPlan(const Json& entry) {
    StoredPlan plan{ParsePlanKey(entry.At("key")), entry.At("plan").String(),
                    entry.At("onnx").String()};
    for (const char* field : {"plan", "onnx"})
      if (!header_.Has(entry.At(field).String()))
        entry.At(field).Fail("names '" + entry.At(field).String() +
                             "', which the file does not hold");
    file_.plans.push_back(std::move(plan));
  }

  void ReadHead(const Json& head, int64_t outputs) {
    const std::string& activation = head.At("activation").String();
    if (activation == "softmax")
      file_.head = Head::kSoftmax;
    else if (activation == "sigmoid")
      file_.head = Head::kSigmoid;
    else if (activation != "none")
      head.At("activation").Fail("'" + activation + "' is not softmax, sigmoid or none");
    if (file_.head == Head::kSoftmax && outputs == 1) head.Fail("softmax over a single output");
    file_.head_in_network = head.At("in_network").Bool();
  }

  void ReadInput(const Json& input) {
    const int64_t channels = file_.graph.channels();
    if (input.At("channels").Int(1, 1 << 20) != channels)
      input.At("channels").Fail("differs from the graph's " + std::to_string(channels));
    const std::string& dtype = input.At("dtype").String();
    if (dtype != "uint8" && dtype != "uint16" && dtype != "float32")
      input.At("dtype").Fail("'" + dtype + "' is not uint8, uint16 or float32");
    const auto& sample = input.At("sample_size_px").Items();
    if (sample.size() != 2) input.At("sample_size_px").Fail("must hold height and width");
    file_.sample_height = sample[0].Int(1, 1 << 20);
    file_.sample_width = sample[1].Int(1, 1 << 20);
    Normalisation& n = file_.normalisation;
    n.gain.assign(static_cast<size_t>(channels), 1.0f);
    n.offset.assign(static_cast<size_t>(channels), 0.0f);
    for (const Json& step : input.At("preprocessing").Items()) {
      const std::string& name = step.At("name").String();
      // Steps compose: y = gain2 * (gain1 * x + offset1) + offset2.
      std::vector<double> gain, offset;
      if (name == "scale_linear") {
        gain = Values(step.At("gain"), channels);
        offset = Values(step.At("offset"), channels);
      } else if (name == "fixed_zero_mean_unit_variance") {
        const std::vector<double> mean = Values(step.At("mean"), channels);
        gain = Values(step.At("std"), channels);
        for (size_t c = 0; c < gain.size(); ++c) {
          if (!(gain[c] > 0)) step.At("std").Fail("must be positive");
          gain[c] = 1 / gain[c];
          offset.push_back(-mean[c] * gain[c]);
        }
      } else {
        step.At("name").Fail("unknown preprocessing '" + name +
                             "'; scale_linear and fixed_zero_mean_unit_variance exist");
      }
      for (size_t c = 0; c < gain.size(); ++c) {
        n.offset[c] = static_cast<float>(gain[c] * n.offset[c] + offset[c]);
        n.gain[c] = static_cast<float>(gain[c] * n.gain[c]);
        if (!std::isfinite(n.gain[c]) || !std::isfinite(n.offset[c]))
          step.Fail("overflows float32");
      }
    }
  }

  // One number for all channels, or one each.
  static std::vector<double> Values(const Json& list, int64_t channels) {
    const auto& items = list.Items();
    if (items.size() != 1 && static_cast<int64_t>(items.size()) != channels)
      list.Fail("must hold 1 or " + std::to_string(channels) + " numbers");
    std::vector<double> values;
    values.reserve(static_cast<size_t>(channels));
    for (int64_t c = 0; c < channels; ++c)
      values.push_back(items[items.size() == 1 ? 0 : static_cast<size_t>(c)].Number());
    return values;
  }

  const AlignedBuffer<char>& bytes_;
  const bool with_plans_;
  EngineFile& file_;
  Json header_, manifest_;
  const char* data_ = nullptr;
  uint64_t data_size_ = 0;
};

}  // namespace

EngineFile ReadEngineFile(const std::string& path, bool with_plans) {
  try {
    const AlignedBuffer<char> bytes = ReadAll(path);
    EngineFile file;
    Reader(bytes, with_plans, file).Read();
    return file;
  } catch (const Error& e) {
    throw Error(e.code(), path + ": " + e.what());
  }
}

}  // namespace pyengine
