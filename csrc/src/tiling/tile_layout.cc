#include "tiling/tile_layout.h"

#include <algorithm>
#include <utility>

#include "core/checked_math.h"
#include "core/platform/available_memory.h"
#include "pyengine/error.h"
#include "tiling/choose_tile.h"

namespace pyengine {
namespace {

constexpr size_t kKeptLayouts = 16;
// About the context of a tile: narrower cells read the same pixels again and again.
constexpr int64_t kCellPx = 256;
// From here on, memory beyond the usual is worth taking.
constexpr double kSlow = 1.25;

// The tile under the usual memory, or under all that may be taken unasked.
template <class Choose>
ChosenTile ChooseUnasked(const DefaultMemory& memory, const Choose& choose) {
  if (memory.most_bytes <= memory.usual_bytes) return choose(memory.usual_bytes);
  try {
    const ChosenTile chosen = choose(memory.usual_bytes);
    if (chosen.slowdown <= kSlow) return chosen;
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch)
    // Too little for any tile; what follows says of the larger one whether it is, too.
  }
  return choose(memory.most_bytes);
}

// Chooses the tile; the layout follows from it.
TilePlan ChoosePlan(const Executor& executor, TileSize image, const PixelRect& part,
                    const SegmentOptions& options, const DefaultMemory& usual) {
  const NetworkGeometry& net = executor.geometry();
  const int64_t reach = executor.TileReach();
  const int64_t height = part.rows.size(), width = part.columns.size();
  TilePlan plan;
  plan.batch_size = options.batch_size > 0 ? options.batch_size : 1;
  const auto first = [&](TileSize size) {
    return Tile{
        .size = size,
        .to_end = {.height = std::min(image.height - part.rows.begin, size.height + reach),
                   .width = std::min(image.width - part.columns.begin, size.width + reach)}};
  };
  const auto memory = [&](TileSize size) {
    const Tile tile = first(size);
    const Window w = executor.WindowFor(tile);
    const int64_t pixels = CheckedMul(w.height, w.width, "tile") * net.channels +
                           CheckedMul(size.height, size.width, "tile") * net.classes;
    return executor.TileMemoryBytes(tile) +
           (plan.batch_size - 1) * pixels * static_cast<int64_t>(sizeof(float));
  };
  const auto cost = [&](TileSize size) { return executor.TileCost(first(size)); };
  const auto choose = [&](int64_t budget) {
    return ChooseTile(height, width, executor.TileGrid(),
                      {.height = options.tile_height_px, .width = options.tile_width_px}, budget,
                      {.cost = cost, .memory_bytes = memory});
  };
  const ChosenTile chosen = options.max_memory_bytes > 0 ? choose(options.max_memory_bytes)
                                                         : ChooseUnasked(usual, choose);
  plan.tile = chosen.size;
  plan.slowdown = chosen.slowdown;
  plan.window = executor.WindowFor(first(plan.tile));
  plan.tiles_down = CeilDiv(height, plan.tile.height);
  plan.tiles_across = CeilDiv(width, plan.tile.width);
  plan.memory_bytes = memory(plan.tile);
  plan.top_px = part.rows.begin;
  plan.left_px = part.columns.begin;
  plan.origin_step_px = executor.TileGrid();
  plan.reach_px = reach;
  return plan;
}

int64_t LargestSize(const std::vector<Range>& ranges) {
  int64_t largest = 0;
  for (const Range& range : ranges) largest = std::max(largest, range.size());
  return largest;
}

// Tiles begin on the grid, and compute whole patches.
PixelRect OnGrid(const PixelRect& region, int64_t grid, TileSize image) {
  PixelRect part{.rows = WholeGroups(region.rows, grid),
                 .columns = WholeGroups(region.columns, grid)};
  part.rows.end = std::min(part.rows.end, image.height);
  part.columns.end = std::min(part.columns.end, image.width);
  return part;
}

// A whole number of them makes a tile, unless one tile spans the image.
int64_t CellWidth(const TilePlan& plan, int64_t grid) {
  int64_t steps = std::max<int64_t>(1, kCellPx / grid);
  if (plan.tiles_across > 1)
    while (plan.tile.width / grid % steps != 0) --steps;
  return steps * grid;
}

}  // namespace

TileAxis::TileAxis(int64_t image, Range part, int64_t tile, int64_t reach)
    : image_(image), part_(part), tile_(tile), reach_(reach), count_(CeilDiv(part.size(), tile)) {
  const int64_t last_far = std::min(image - reach, part.end) - tile - part.begin;  // origin
  if (last_far >= 0) far_ = last_far / tile + 1;
}

int64_t TileAxis::size(int64_t tile) const {
  return std::min(tile_, part_.end - origin(tile));
}

int64_t TileAxis::to_end(int64_t tile) const {
  return std::min(image_ - origin(tile), size(tile) + reach_);
}

TileLayout::TileLayout(const Executor& executor, const TilePlan& chosen, TileSize image,
                       const PixelRect& part)
    : plan(chosen),
      rows_(image.height, part.rows, plan.tile.height, executor.TileReach()),
      columns_(image.width, part.columns, plan.tile.width, executor.TileReach()),
      cells_(image.width, part.columns, CellWidth(plan, executor.TileGrid()),
             executor.TileReach()) {
  // Rows of a window follow from the rows of tiles alone, columns from the columns.
  for (int64_t kind = 0; kind < rows_.kinds(); ++kind) {
    const Window w = executor.WindowFor(At(rows_.first_of(kind), 0));
    row_windows_.push_back({.begin = -w.top, .end = w.height - w.top});
  }
  for (int64_t kind = 0; kind < columns_.kinds(); ++kind) {
    const Window w = executor.WindowFor(At(0, columns_.first_of(kind)));
    column_windows_.push_back({.begin = -w.left, .end = w.width - w.left});
  }
  for (int64_t kind = 0; kind < cells_.kinds(); ++kind) {
    const Window w = executor.WindowFor(Piece(0, CellColumns(cells_.first_of(kind))));
    cell_windows_.push_back({.begin = -w.left, .end = w.width - w.left});
  }
  for (int64_t row = 0; row < rows_.kinds(); ++row)
    for (int64_t column = 0; column < columns_.kinds(); ++column)
      plan.cost += executor.TileCost(At(rows_.first_of(row), columns_.first_of(column))) *
                   double(rows_.count_of(row)) * double(columns_.count_of(column));
}

Tile TileLayout::At(int64_t row, int64_t column) const {
  return {.size = {.height = rows_.size(row), .width = columns_.size(column)},
          .to_end = {.height = rows_.to_end(row), .width = columns_.to_end(column)}};
}

Range TileLayout::Rows(int64_t row) const {
  return {.begin = rows_.origin(row), .end = rows_.origin(row) + rows_.size(row)};
}

Range TileLayout::WindowRows(int64_t row) const {
  const Range& window = row_windows_[rows_.kind(row)];
  const int64_t origin = rows_.origin(row);
  return {.begin = origin + window.begin, .end = origin + window.end};
}

Range TileLayout::WindowColumns(int64_t column) const {
  const Range& window = column_windows_[columns_.kind(column)];
  const int64_t origin = columns_.origin(column);
  return {.begin = origin + window.begin, .end = origin + window.end};
}

Range TileLayout::CellsOf(int64_t column) const {
  const int64_t per_tile = plan.tile.width / cells_.tile();
  if (plan.tiles_across == 1) return {.begin = 0, .end = cells_.count()};
  return {.begin = column * per_tile, .end = std::min((column + 1) * per_tile, cells_.count())};
}

Range TileLayout::CellColumns(int64_t cell) const {
  return {.begin = cells_.origin(cell), .end = cells_.origin(cell) + cells_.size(cell)};
}

Range TileLayout::CellWindow(int64_t cell) const {
  const Range& window = cell_windows_[cells_.kind(cell)];
  const int64_t origin = cells_.origin(cell);
  return {.begin = origin + window.begin, .end = origin + window.end};
}

Tile TileLayout::Piece(int64_t row, Range columns) const {
  return {.size = {.height = rows_.size(row), .width = columns.size()},
          .to_end = {.height = rows_.to_end(row),
                     .width = std::min(columns_.image() - columns.begin,
                                       columns.size() + columns_.reach())}};
}

TileSize TileLayout::LargestWindow() const {
  return {.height = LargestSize(row_windows_), .width = LargestSize(column_windows_)};
}

Range TileLayout::PlaneRows(Range rows) const {
  const int64_t before = rows_.part().begin;
  const int64_t first = (rows.begin - before) / plan.tile.height;
  const int64_t end = CeilDiv(rows.end - before, plan.tile.height);
  // Windows of one kind follow each other, so the first tells of all before the last few.
  Range plane = WindowRows(first);
  for (int64_t row = std::max(first, end - rows_.kinds()); row < end; ++row)
    plane.Include(WindowRows(row));
  return plane;
}

DefaultMemory DefaultMemory::OfThisMachine() {
  DefaultMemory memory;
  memory.most_bytes = std::max(memory.usual_bytes, AvailableMemoryBytes() / 2);
  return memory;
}

TileLayouts::TileLayouts(std::string why_not_tileable, const DefaultMemory& memory)
    : why_not_tileable_(std::move(why_not_tileable)), memory_(memory), layouts_(kKeptLayouts) {}

std::shared_ptr<const TileLayout> TileLayouts::Find(const Executor& executor, int64_t height,
                                                    int64_t width, const SegmentOptions& options) {
  if (!executor.geometry().tileable)
    throw Error(ErrorCode::kUnsupported, "no tiles: " + why_not_tileable_);
  const LayoutKey key{.height = height,
                      .width = width,
                      .tile_height = options.tile_height_px,
                      .tile_width = options.tile_width_px,
                      .memory = options.max_memory_bytes,
                      .batch = options.batch_size,
                      .region = RegionOf(options, height, width)};
  {
    const std::scoped_lock lock(mutex_);
    if (const auto* layout = layouts_.Find(key)) return *layout;
  }
  const TileSize image{.height = height, .width = width};
  const PixelRect part = OnGrid(key.region, executor.TileGrid(), image);
  auto layout = std::make_shared<const TileLayout>(
      executor, ChoosePlan(executor, image, part, options, memory_), image, part);
  const std::scoped_lock lock(mutex_);
  layouts_.Add(key, layout);
  return layout;
}

void RequireRows(const ImageView& image, int64_t tile_height, int64_t row_begin, Range needed) {
  if (row_begin % tile_height != 0)
    throw Error(ErrorCode::kInvalidArgument, "row " + std::to_string(row_begin) +
                                                 " is not a multiple of the tile height " +
                                                 std::to_string(tile_height));
  if (image.first_row > needed.begin || image.first_row + image.rows < needed.end)
    throw Error(ErrorCode::kInvalidArgument,
                "rows " + std::to_string(needed.begin) + " to " + std::to_string(needed.end) +
                    " are needed, the view holds " + std::to_string(image.first_row) + " to " +
                    std::to_string(image.first_row + image.rows));
}

}  // namespace pyengine
