// Reads and verifies `*.pyengine` files; ENGINE_FORMAT.md describes the bytes.
#pragma once

#include <string>
#include <vector>

#include "core/byte_source.h"
#include "file/attachments.h"
#include "file/manifest.h"
#include "graph/graph.h"
#include "graph/weights.h"

namespace pyengine {

struct EngineFile {
  std::string manifest_json, graph_json;
  Manifest manifest;
  Graph graph;
  WeightMap weights;
  Attachments attachments;
};

// Throws Error(kIo) or Error(kBadEngineFile), naming the path and the offending field. `wanted`
// says of which attachments, by the beginnings of their names, the bytes are kept.
//
// A file of n bytes with a header of h bytes takes at most 2 n + 4 * Json::kBytesPerByte * h bytes:
// float16 weights are widened, and the header, the manifest and the graph within it are parsed.
EngineFile ReadEngineFile(const std::string& path, const std::vector<std::string>& wanted = {});
// The same of bytes that messages call `name`.
EngineFile ReadEngineFile(const std::string& name, const ByteSource& bytes,
                          const std::vector<std::string>& wanted = {});

}  // namespace pyengine
