#include "support/engine_bytes.h"

#include "core/json.h"
#include "core/sha256.h"
#include "pyengine/error.h"

namespace pyengine::fuzz {
namespace {

std::string Quoted(const std::string& text) {
  static const char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 32) {
      out += std::string("\\u00") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string Hash(const std::string& bytes) {
  return Quoted(Sha256Hex(bytes.data(), bytes.size()));
}

uint64_t Length(const std::string& bytes) {
  uint64_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  return length;
}

StoredTensor Take(const std::string& name, const Json& entry, const std::string& data) {
  StoredTensor tensor{.name = name, .type = entry.At("dtype").String(), .shape = {}, .bytes = ""};
  for (const Json& side : entry.At("shape").Items())
    tensor.shape.push_back(side.Int(0, int64_t{1} << 40));
  const auto& offsets = entry.At("data_offsets").Items();
  if (offsets.size() != 2) entry.Fail("two offsets");
  const auto size = static_cast<int64_t>(data.size());
  const int64_t begin = offsets[0].Int(0, size), end = offsets[1].Int(begin, size);
  tensor.bytes = data.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  return tensor;
}

// The manifest with the object of its field `sha256` made anew.
std::string WithHashes(std::string manifest, const EngineParts& parts) {
  const size_t field = manifest.find("\"sha256\"");
  const size_t begin = field == std::string::npos ? field : manifest.find('{', field);
  if (begin == std::string::npos) return manifest;
  size_t end = begin;
  int depth = 0;
  do {
    depth += manifest[end] == '{' ? 1 : manifest[end] == '}' ? -1 : 0;
    ++end;
  } while (depth > 0 && end < manifest.size());
  std::string hashes = "{\"graph\":" + Hash(parts.graph) + ",\"tensors\":{";
  for (size_t i = 0; i < parts.tensors.size(); ++i)
    hashes += (i ? "," : "") + Quoted(parts.tensors[i].name) + ":" + Hash(parts.tensors[i].bytes);
  return manifest.replace(begin, end - begin, hashes + "}}");
}

}  // namespace

std::optional<EngineParts> TakeApart(const std::string& bytes) {
  if (bytes.size() < 8 || Length(bytes) > bytes.size() - 8) return std::nullopt;
  const auto length = static_cast<size_t>(Length(bytes));
  const std::string data = bytes.substr(8 + length);
  try {
    const Json header = Json::Parse(bytes.substr(8, length), "header");
    const Json& meta = header.At("__metadata__");
    EngineParts parts{.manifest = meta.At("manifest").String(),
                      .graph = meta.At("graph").String(),
                      .tensors = {}};
    for (const auto& [name, entry] : header.Members())
      if (name != "__metadata__") parts.tensors.push_back(Take(name, entry, data));
    return parts;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string PutTogether(const EngineParts& parts) {
  const std::string manifest = WithHashes(parts.manifest, parts);
  std::string header = "{\"__metadata__\":{\"format\":\"pyengine\",\"format_version\":\"1\"";
  header += ",\"manifest\":" + Quoted(manifest) + ",\"manifest_sha256\":" + Hash(manifest);
  header += ",\"graph\":" + Quoted(parts.graph) + "}";
  std::string data;
  for (const StoredTensor& tensor : parts.tensors) {
    header += "," + Quoted(tensor.name) + ":{\"dtype\":" + Quoted(tensor.type) + ",\"shape\":[";
    for (size_t i = 0; i < tensor.shape.size(); ++i)
      header += (i ? "," : "") + std::to_string(tensor.shape[i]);
    const size_t begin = data.size();
    data += tensor.bytes;
    header +=
        "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
  }
  header += "}";
  header.append((64 - (8 + header.size()) % 64) % 64, ' ');
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i));
  return file + header + data;
}

}  // namespace pyengine::fuzz
