#include "file/container.h"

#include <algorithm>

#include "core/checked_math.h"
#include "core/sha256.h"
#include "file/file_kind.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

constexpr int64_t kLengthBytes = 8;  // of the header's length, little-endian

[[noreturn]] void Bad(const std::string& problem) {
  throw Error(ErrorCode::kBadEngineFile, problem);
}

// Bytes of one value.
int64_t ValueBytes(const Json& type) {
  const std::string& name = type.String();
  if (name == "F32") return 4;
  if (name == "F16") return 2;
  if (name == "U8") return 1;
  type.Fail("'" + name + "' is not F32, F16 or U8");
}

}  // namespace

void CheckHash(const std::string& part, const void* data, size_t size,
               const std::string& expected) {
  if (Sha256Hex(data, size) != expected)
    Bad(part + ": SHA-256 differs from the recorded one; the file was altered or damaged");
}

Container::Container(const ByteSource& bytes) : file_(bytes) {
  ReadHeader();
  for (const auto& [name, entry] : header_.Members())
    if (name != "__metadata__") ReadTensor(name, entry);
  CheckCover();
}

void Container::ReadHeader() {
  char first[kFileKindBytes];
  const int64_t size = file_.size();
  const int64_t known = std::min<int64_t>(size, sizeof first);
  file_.Read(0, known, first);
  // The header is a JSON object: its first byte tells engines from all other files.
  if (known > kLengthBytes && first[kLengthBytes] != '{') {
    const std::string kind = FileKind({first, static_cast<size_t>(known)});
    Bad("this is not an engine file" + (kind.empty() ? "" : " but " + kind));
  }
  if (known <= kLengthBytes)
    Bad("header: the file has " + std::to_string(size) + " bytes, needs more than 8");
  uint64_t length = 0;
  for (int64_t i = kLengthBytes - 1; i >= 0; --i)
    length = length << 8 | static_cast<unsigned char>(first[i]);
  if (length > uint64_t(kMaxHeaderBytes) || length > uint64_t(size - kLengthBytes))
    Bad("header length: " + std::to_string(length) + " bytes, but the file has " +
        std::to_string(size - kLengthBytes) + " after it and headers at most " +
        std::to_string(kMaxHeaderBytes) + "; truncated or not a pyengine file");
  if (size > kMaxFileBytes) Bad("file size: larger than 64 GiB");
  std::string text(length, ' ');
  file_.Read(kLengthBytes, static_cast<int64_t>(length), text.data());
  header_ = Json::Parse(text, "header");
  data_begin_ = kLengthBytes + static_cast<int64_t>(length);
  if (!metadata().Has("format") || metadata().At("format").String() != "pyengine")
    Bad("format: not a pyengine file (a safetensors file without the pyengine mark?)");
}

void Container::ReadTensor(const std::string& name, const Json& entry) {
  Tensor tensor;
  tensor.type = entry.At("dtype").String();
  const Json& offsets = entry.At("data_offsets");
  if (offsets.Items().size() != 2) offsets.Fail("must hold begin and end");
  tensor.bytes.begin = offsets.Items()[0].Int(0, file_.size() - data_begin_);
  tensor.bytes.end = offsets.Items()[1].Int(tensor.bytes.begin, file_.size() - data_begin_);
  int64_t bytes = ValueBytes(entry.At("dtype"));
  for (const Json& side : entry.At("shape").Items()) {
    tensor.shape.push_back(side.Int(0, 1 << 30));
    bytes = CheckedMul(bytes, tensor.shape.back(), "tensor");
  }
  if (bytes != tensor.bytes.size())
    entry.At("shape").Fail("does not fit the tensor's " + std::to_string(tensor.bytes.size()) +
                           " bytes");
  tensors_.emplace(name, std::move(tensor));
}

// safetensors' own rule: tensors cover the data without holes or overlaps.
void Container::CheckCover() const {
  std::vector<std::pair<int64_t, int64_t>> ranges;
  ranges.reserve(tensors_.size());
  for (const auto& [name, tensor] : tensors_)
    ranges.emplace_back(tensor.bytes.begin, tensor.bytes.end);
  std::sort(ranges.begin(), ranges.end());
  int64_t at = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != at)
      Bad("data_offsets: tensors overlap or leave a hole at byte " + std::to_string(at));
    at = end;
  }
  const int64_t left = file_.size() - data_begin_ - at;
  if (left != 0) Bad("file size: " + std::to_string(left) + " bytes after the last tensor");
}

void Container::Read(const std::string& name, const std::string& sha256, void* to) const {
  const Range& bytes = tensors_.at(name).bytes;
  file_.Read(data_begin_ + bytes.begin, bytes.size(), to);
  CheckHash("tensor '" + name + "'", to, static_cast<size_t>(bytes.size()), sha256);
}

}  // namespace pyengine
