// An engine file taken apart and put together again with every hash right, so that damage reaches
// what lies behind the hashes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pyengine::fuzz {

struct StoredTensor {
  std::string name, type;
  std::vector<int64_t> shape;
  std::string bytes;
};

struct EngineParts {
  std::string manifest, graph;  // JSON
  std::vector<StoredTensor> tensors;
};

// None where the bytes are no container with a manifest and a graph.
std::optional<EngineParts> TakeApart(const std::string& bytes);

// Offsets, lengths and hashes follow from the parts, also those within the manifest if it has the
// field `sha256`. Nothing else is put right.
std::string PutTogether(const EngineParts& parts);

}  // namespace pyengine::fuzz
