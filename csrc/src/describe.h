// What follows from an engine file before anything computes: its geometry, and what it says of
// itself.
#pragma once

#include <cstdint>
#include <string>

#include "file/engine_file.h"
#include "graph/geometry.h"
#include "pyengine/engine_info.h"

namespace pyengine {

// Analyzes the graph. Throws Error(kBadEngineFile) where the manifest contradicts it.
GraphAnalysis AnalyzeNetwork(const EngineFile& file, const std::string& path);

// Sets the context and the grid of an executor that computes another network than the graph.
void SetContext(GraphAnalysis& analysis, int64_t halo_px, int64_t alignment_px);

// All but what computes.
EngineInfo Describe(const EngineFile& file, const GraphAnalysis& analysis);

}  // namespace pyengine
