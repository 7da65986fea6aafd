#include "file/engine_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/platform/regular_file.h"
#include "file/container.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// Of files whose network is over images, and over volumes.
constexpr const char *kImageFormat = "1", *kVolumeFormat = "2";

[[noreturn]] void Bad(const std::string& problem) {
  throw Error(ErrorCode::kBadEngineFile, problem);
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

void RequireVersion(const std::string& version) {
  if (version != kImageFormat && version != kVolumeFormat)
    Bad("format_version: the file has '" + version +
        "', this library reads 1 and 2; a newer "
        "pyengine may be needed");
}

WeightTensor ReadWeights(const Container& container, const std::string& name,
                         const Container::Tensor& stored, const std::string& sha256) {
  WeightTensor tensor;
  tensor.shape = stored.shape;
  const auto count = static_cast<size_t>(tensor.count());
  if (stored.type == "F32") {
    tensor.values.resize(count);
    container.Read(name, sha256, tensor.values.data());
  } else {
    std::vector<uint16_t> halves(count);
    container.Read(name, sha256, halves.data());
    tensor.values.reserve(count);
    for (uint16_t half : halves) tensor.values.push_back(HalfToFloat(half));
  }
  for (float value : tensor.values)
    if (!std::isfinite(value)) Bad("tensor '" + name + "': holds NaN or infinity");
  return tensor;
}

bool BeginsWithOne(const std::string& name, const std::vector<std::string>& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](const std::string& begin) { return name.starts_with(begin); });
}

void ReadTensors(const Container& container, const Json& hashes,
                 const std::vector<std::string>& wanted, EngineFile& file) {
  if (container.tensors().size() != hashes.Members().size())
    Bad("manifest.sha256.tensors: lists " + std::to_string(hashes.Members().size()) +
        " tensors, the file holds " + std::to_string(container.tensors().size()));
  for (const auto& [name, tensor] : container.tensors()) {
    const std::string& sha256 = hashes.At(name).String();
    if (tensor.type != "U8") {
      file.weights.emplace(name, ReadWeights(container, name, tensor, sha256));
      continue;
    }
    std::string bytes(static_cast<size_t>(tensor.bytes.size()), '\0');
    container.Read(name, sha256, bytes.data());
    if (BeginsWithOne(name, wanted))
      file.attachments.Add(name, std::move(bytes));
    else
      file.attachments.Add(name);
  }
}

EngineFile Read(const Container& container, const std::vector<std::string>& wanted) {
  EngineFile file;
  const Json& meta = container.metadata();
  RequireVersion(meta.At("format_version").String());
  file.manifest_json = meta.At("manifest").String();
  file.graph_json = meta.At("graph").String();
  CheckHash("manifest", file.manifest_json.data(), file.manifest_json.size(),
            meta.At("manifest_sha256").String());
  Json manifest = Json::Parse(file.manifest_json, "manifest");
  const Json& hashes = manifest.At("sha256");
  CheckHash("graph", file.graph_json.data(), file.graph_json.size(), hashes.At("graph").String());
  file.graph = ParseGraph(Json::Parse(file.graph_json, "graph"));
  if (file.graph.volume != (meta.At("format_version").String() == kVolumeFormat))
    Bad("format_version: version 2 is of networks over (z, y, x), version 1 of those over (y, x)");
  ReadTensors(container, hashes.At("tensors"), wanted, file);
  file.manifest = ReadManifest(std::move(manifest), file.graph);
  CheckWeights(file.graph, file.weights);
  return file;
}

}  // namespace

EngineFile ReadEngineFile(const std::string& path, const std::vector<std::string>& wanted) {
  try {
    const RegularFile file(path);
    return Read(Container(file), wanted);
  } catch (const Error& e) {
    throw Error(e.code(), path + ": " + e.what());
  }
}

EngineFile ReadEngineFile(const std::string& name, const ByteSource& bytes,
                          const std::vector<std::string>& wanted) {
  try {
    return Read(Container(bytes), wanted);
  } catch (const Error& e) {
    throw Error(e.code(), name + ": " + e.what());
  }
}

}  // namespace pyengine
