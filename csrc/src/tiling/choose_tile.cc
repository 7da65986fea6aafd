#include "tiling/choose_tile.h"

#include <algorithm>
#include <set>
#include <string>

#include "core/checked_math.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// Beyond this a tile only grows the working set; threads are busy and the halo is paid long since.
constexpr int64_t kMaxTileSidePx = 4096;

// The whole of `size` in one tile, or what cuts it into equal parts, in multiples of the grid.
std::vector<int64_t> CandidateSides(int64_t size, int64_t grid, int64_t wanted) {
  const auto rounded = [&](int64_t side) { return std::min(size, RoundUp(side, grid)); };
  if (wanted > 0) return {rounded(wanted)};
  std::set<int64_t> sides = {rounded(grid)};
  for (int64_t parts = 1; parts <= CeilDiv(size, grid); parts += std::max<int64_t>(1, parts / 3)) {
    const int64_t side = rounded(CeilDiv(size, parts));
    if (side <= std::max(kMaxTileSidePx, grid)) sides.insert(side);
  }
  return {sides.rbegin(), sides.rend()};
}

}  // namespace

std::vector<int64_t> BlendOrigins(int64_t size, int64_t window, int64_t overlap) {
  std::vector<int64_t> origins;
  for (int64_t at = 0;; at += window - overlap) {
    if (at + window >= size) {
      origins.push_back(std::max<int64_t>(0, size - window));
      return origins;
    }
    origins.push_back(at);
  }
}

ChosenTile ChooseTile(int64_t height, int64_t width, int64_t grid, TileSize wanted,
                      int64_t budget_bytes, const TileCosts& costs) {
  struct Candidate {
    double cost;
    TileSize tile;
  };
  std::vector<Candidate> candidates;
  for (int64_t h : CandidateSides(height, grid, wanted.height))
    for (int64_t w : CandidateSides(width, grid, wanted.width)) {
      const TileSize tile{.height = h, .width = w};
      const double tiles = double(CeilDiv(height, h)) * double(CeilDiv(width, w));
      candidates.push_back({.cost = costs.cost(tile) * tiles, .tile = tile});
    }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
  int64_t least = INT64_MAX;
  TileSize least_tile;
  for (const Candidate& candidate : candidates) {
    const int64_t bytes = costs.memory_bytes(candidate.tile);
    if (bytes <= budget_bytes)
      return {.size = candidate.tile, .slowdown = candidate.cost / candidates.front().cost};
    if (bytes < least) least = bytes, least_tile = candidate.tile;
  }
  throw Error(ErrorCode::kInvalidArgument,
              "max_memory " + std::to_string(budget_bytes) + " bytes is too small: a tile of " +
                  std::to_string(least_tile.height) + " x " + std::to_string(least_tile.width) +
                  " px needs " + std::to_string(least) + " bytes");
}

}  // namespace pyengine
