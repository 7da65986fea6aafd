// The bytes of an engine file: a safetensors container, its tensors, and whether they are intact.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/byte_source.h"
#include "core/json.h"
#include "core/range.h"

namespace pyengine {

// Opens the header only, of at most kMaxHeaderBytes: a file that is none, whose header does not
// hold what it must, or whose tensors overlap, leave holes or do not end with the file, is refused
// before any tensor is read. All functions throw Error(kBadEngineFile) or Error(kIo).
class Container {
 public:
  static constexpr int64_t kMaxHeaderBytes = int64_t(64) << 20;
  static constexpr int64_t kMaxFileBytes = int64_t(64) << 30;

  struct Tensor {
    std::string type;  // safetensors' name, as "F32"
    std::vector<int64_t> shape;
    Range bytes;  // after the header
  };

  explicit Container(const ByteSource& bytes);  // which outlives it

  const Json& metadata() const { return header_.At("__metadata__"); }
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }

  // Reads a tensor's bytes, as many as `to` must hold, and compares their hash (hexadecimal).
  void Read(const std::string& name, const std::string& sha256, void* to) const;

 private:
  void ReadHeader();
  void ReadTensor(const std::string& name, const Json& entry);
  void CheckCover() const;

  const ByteSource& file_;
  Json header_;
  int64_t data_begin_ = 0;  // offset of the first byte after the header
  std::map<std::string, Tensor> tensors_;
};

// Throws Error(kBadEngineFile) unless the hash of the bytes is the expected one. `part` names them.
void CheckHash(const std::string& part, const void* data, size_t size, const std::string& expected);

}  // namespace pyengine
