#include "tiling/tiler.h"

#include <algorithm>
#include <cmath>

#include "core/aligned_buffer.h"
#include "core/checked_math.h"
#include "graph/accepted_size.h"
#include "pyengine/error.h"
#include "tiling/blend.h"
#include "tiling/checks.h"
#include "tiling/mirror_pad.h"
#include "tiling/tile_grid.h"

namespace pyengine {
namespace {

constexpr int64_t kDefaultMemoryBytes = int64_t(1) << 30;
constexpr size_t kKeptLayouts = 16;

std::string Px(int64_t a, int64_t b) {
  return std::to_string(a) + " x " + std::to_string(b);
}

}  // namespace

// Input and output of one network call; grown, never shrunk, and reused by later calls.
struct Tiler::Buffers {
  AlignedBuffer<float> windows, logits;
  static float* Grow(AlignedBuffer<float>& buffer, int64_t count) {
    if (static_cast<int64_t>(buffer.size()) < count)
      buffer = AlignedBuffer<float>(static_cast<size_t>(count));
    return buffer.data();
  }
};

// A plan, and the rows and columns of the plane that each row and column of tiles reads.
struct Tiler::Layout {
  TilePlan plan;
  int64_t height, width;  // of the image
  int64_t reach;
  std::vector<Range> window_rows, window_columns;

  Tile At(int64_t row, int64_t column) const {
    const int64_t left_y = height - row * plan.tile.height;
    const int64_t left_x = width - column * plan.tile.width;
    const TileSize size{std::min(plan.tile.height, left_y), std::min(plan.tile.width, left_x)};
    return {size, {std::min(left_y, size.height + reach), std::min(left_x, size.width + reach)}};
  }
};

struct Tiler::PlanKey {
  int64_t height, width, tile_height, tile_width, memory;
  int batch;
  bool operator==(const PlanKey& o) const {
    return height == o.height && width == o.width && tile_height == o.tile_height &&
           tile_width == o.tile_width && memory == o.memory && batch == o.batch;
  }
};

Tiler::Tiler(std::shared_ptr<Executor> executor, Normalisation normalisation, Head head,
             std::string why_not_tileable, std::shared_ptr<ThreadPool> pool)
    : executor_(std::move(executor)),
      net_(executor_->geometry()),
      normalisation_(std::move(normalisation)),
      head_(head),
      why_not_tileable_(std::move(why_not_tileable)),
      pool_(std::move(pool)),
      layouts_(kKeptLayouts) {}

Tiler::~Tiler() = default;

Tiler::Loan Tiler::Borrow() const {
  Loan loan;
  std::scoped_lock lock(mutex_);
  if (idle_.empty())
    loan.emplace_back();
  else
    loan.splice(loan.begin(), idle_, idle_.begin());
  return loan;
}

void Tiler::Return(Loan loan) const {
  std::scoped_lock lock(mutex_);
  idle_.splice(idle_.begin(), loan);
}

TilePlan Tiler::Plan(int64_t height, int64_t width, const SegmentOptions& options) const {
  return FindLayout(height, width, options)->plan;
}

std::shared_ptr<const Tiler::Layout> Tiler::FindLayout(int64_t height, int64_t width,
                                                       const SegmentOptions& options) const {
  if (height < 1 || width < 1)
    throw Error(ErrorCode::kInvalidArgument,
                "the image is " + Px(height, width) + " px, needs at least 1 x 1");
  if (options.tile_height_px < 0 || options.tile_width_px < 0)
    throw Error(
        ErrorCode::kInvalidArgument,
        "tile " + Px(options.tile_height_px, options.tile_width_px) + " px must be positive");
  if (options.batch_size < 0)
    throw Error(ErrorCode::kInvalidArgument,
                "batch_size " + std::to_string(options.batch_size) + " must be >= 1");
  if (options.max_memory_bytes < 0)
    throw Error(ErrorCode::kInvalidArgument, "max_memory must be positive");
  if (!net_.tileable) throw Error(ErrorCode::kUnsupported, "no tiles: " + why_not_tileable_);
  const PlanKey key{height,
                    width,
                    options.tile_height_px,
                    options.tile_width_px,
                    options.max_memory_bytes,
                    options.batch_size};
  {
    std::scoped_lock lock(mutex_);
    if (const auto* layout = layouts_.Find(key)) return *layout;
  }
  auto layout = std::make_shared<Layout>();
  layout->height = height;
  layout->width = width;
  layout->reach = executor_->TileReach();
  TilePlan& plan = layout->plan;
  plan.batch_size = options.batch_size > 0 ? options.batch_size : 1;
  const int64_t budget =
      options.max_memory_bytes > 0 ? options.max_memory_bytes : kDefaultMemoryBytes;
  const auto first = [&](TileSize size) {
    const int64_t reach = layout->reach;
    return Tile{size, {std::min(height, size.height + reach), std::min(width, size.width + reach)}};
  };
  const auto memory = [&](TileSize size) {
    const Tile tile = first(size);
    const Window w = executor_->WindowFor(tile);
    const int64_t pixels = CheckedMul(w.height, w.width, "tile") * net_.channels +
                           CheckedMul(size.height, size.width, "tile") * net_.classes;
    return executor_->TileMemoryBytes(tile) +
           (plan.batch_size - 1) * pixels * static_cast<int64_t>(sizeof(float));
  };
  const auto cost = [&](TileSize size) { return executor_->TileCost(first(size)); };
  plan.tile = ChooseTile(height, width, executor_->TileGrid(),
                         {options.tile_height_px, options.tile_width_px}, budget, {cost, memory});
  plan.window = executor_->WindowFor(first(plan.tile));
  plan.tiles_down = CeilDiv(height, plan.tile.height);
  plan.tiles_across = CeilDiv(width, plan.tile.width);
  plan.memory_bytes = memory(plan.tile);
  for (int64_t row = 0; row < plan.tiles_down; ++row) {
    const Window w = executor_->WindowFor(layout->At(row, 0));
    const int64_t begin = row * plan.tile.height - w.top;
    layout->window_rows.push_back({begin, begin + w.height});
  }
  for (int64_t column = 0; column < plan.tiles_across; ++column) {
    const Window w = executor_->WindowFor(layout->At(0, column));
    const int64_t begin = column * plan.tile.width - w.left;
    layout->window_columns.push_back({begin, begin + w.width});
  }
  // There are few kinds of tiles: inside, and at distances from the image's end that matter.
  std::vector<std::pair<Tile, double>> kinds;
  for (int64_t row = 0; row < plan.tiles_down; ++row)
    for (int64_t column = 0; column < plan.tiles_across; ++column) {
      const Tile tile = layout->At(row, column);
      auto kind = std::find_if(kinds.begin(), kinds.end(),
                               [&](const auto& known) { return known.first == tile; });
      if (kind == kinds.end()) kind = kinds.insert(kinds.end(), {tile, executor_->TileCost(tile)});
      plan.cost += kind->second;
    }
  std::scoped_lock lock(mutex_);
  layouts_.Add(key, layout);
  return layout;
}

void Tiler::Segment(const ImageView& view, int64_t row_begin, int64_t row_end,
                    const OutputView& out, const SegmentOptions& options) const {
  ImageView image = view;
  if (image.rows == 0) image.rows = image.height;
  CheckImage(image, net_);
  if (!net_.dense)
    throw Error(ErrorCode::kUnsupported,
                "this network does not give one output per pixel (" + why_not_tileable_ + ")");
  CheckBand(image.height, row_begin, row_end);
  RefuseNonFinite(image);
  if (options.mode == TileMode::kExact && net_.tileable)
    return SegmentExact(image, row_begin, row_end, out, options);
  if (row_begin != 0 || row_end != image.height || image.rows != image.height)
    throw Error(ErrorCode::kUnsupported, "row bands need exact mode and a network with tiles");
  if (options.mode == TileMode::kExact) return SegmentAsOneTile(image, out, options);
  SegmentBlended(image, out, options);
}

void Tiler::Gather(const ImageView& image, const SegmentOptions& options, int64_t y, int64_t x,
                   int64_t height, int64_t width, float* window) const {
  constexpr int64_t kRowsPerPiece = 16;
  const int64_t pieces = CeilDiv(height, kRowsPerPiece);
  pool_->ParallelFor(pieces * net_.channels, [&](int64_t i) {
    const int64_t channel = i / pieces, begin = i % pieces * kRowsPerPiece;
    for (int64_t r = begin; r < std::min(height, begin + kRowsPerPiece); ++r)
      GatherRow(image, options.padding, channel, y + r, x, width, normalisation_.gain[channel],
                normalisation_.offset[channel], window + (channel * height + r) * width);
  });
}

void Tiler::WriteTile(const float* logits, int64_t tile_height, int64_t tile_width, int64_t y,
                      int64_t x, int64_t rows, int64_t columns, const OutputView& out) const {
  constexpr int64_t kRowsPerPiece = 16;
  pool_->ParallelFor(CeilDiv(rows, kRowsPerPiece), [&](int64_t i) {
    for (int64_t r = i * kRowsPerPiece; r < std::min(rows, (i + 1) * kRowsPerPiece); ++r)
      WriteScores(logits + r * tile_width, tile_height * tile_width, net_.classes, head_, out,
                  y + r, x, columns);
  });
}

Range Tiler::BandRows(int64_t height, int64_t width, int64_t row_begin, int64_t row_end,
                      const SegmentOptions& options) const {
  CheckBand(height, row_begin, row_end);
  const std::shared_ptr<const Layout> layout = FindLayout(height, width, options);
  const int64_t tile_height = layout->plan.tile.height;
  int64_t first = height, last = 0;
  for (int64_t row = row_begin / tile_height; row < CeilDiv(row_end, tile_height); ++row) {
    first = std::min(first, layout->window_rows[row].begin);
    last = std::max(last, layout->window_rows[row].end);
  }
  return RowsBehind({first, last}, height, options.padding);
}

void Tiler::SegmentExact(const ImageView& image, int64_t row_begin, int64_t row_end,
                         const OutputView& out, const SegmentOptions& options) const {
  const std::shared_ptr<const Layout> layout = FindLayout(image.height, image.width, options);
  const TilePlan& plan = layout->plan;
  RequireRows(image, plan.tile.height, row_begin,
              BandRows(image.height, image.width, row_begin, row_end, options));

  int64_t window_rows = 0, window_columns = 0;
  for (const Range& range : layout->window_rows) window_rows = std::max(window_rows, range.size());
  for (const Range& range : layout->window_columns)
    window_columns = std::max(window_columns, range.size());
  Loan loan = Borrow();
  Buffers& buffers = loan.front();
  float* windows = Buffers::Grow(buffers.windows,
                                 window_rows * window_columns * net_.channels * plan.batch_size);
  float* logits = Buffers::Grow(
      buffers.logits, plan.tile.height * plan.tile.width * net_.classes * plan.batch_size);
  int64_t done = row_begin / plan.tile.height * plan.tiles_across;
  for (int64_t row = row_begin / plan.tile.height; row * plan.tile.height < row_end; ++row) {
    const Range& rows = layout->window_rows[row];
    const int64_t y = row * plan.tile.height;
    for (int64_t column = 0; column < plan.tiles_across;) {
      // Neighbours of one kind go through the network together.
      const Tile tile = layout->At(row, column);
      const int64_t window_floats =
          rows.size() * layout->window_columns[column].size() * net_.channels;
      const int64_t logit_floats = tile.size.height * tile.size.width * net_.classes;
      int64_t n = 0;
      for (; n < plan.batch_size && column + n < plan.tiles_across &&
             layout->At(row, column + n) == tile;
           ++n) {
        const Range& columns = layout->window_columns[column + n];
        Gather(image, options, rows.begin, columns.begin, rows.size(), columns.size(),
               windows + n * window_floats);
      }
      executor_->RunTile(windows, logits, n, tile);
      for (int64_t i = 0; i < n; ++i)
        WriteTile(logits + i * logit_floats, tile.size.height, tile.size.width, y,
                  (column + i) * plan.tile.width, std::min(tile.size.height, row_end - y),
                  tile.size.width, out);
      column += n;
      done += n;
      if (options.progress && !options.progress(done, plan.tiles_down * plan.tiles_across)) {
        Return(std::move(loan));
        throw Error(ErrorCode::kCancelled,
                    "cancelled by the progress callback after " + std::to_string(done) + " tiles");
      }
    }
  }
  Return(std::move(loan));
}

void Tiler::SegmentAsOneTile(const ImageView& image, const OutputView& out,
                             const SegmentOptions& options) const {
  const bool smaller = (options.tile_height_px > 0 && options.tile_height_px < image.height) ||
                       (options.tile_width_px > 0 && options.tile_width_px < image.width);
  if (smaller)
    throw Error(ErrorCode::kUnsupported,
                "tile " + Px(options.tile_height_px, options.tile_width_px) +
                    " px is smaller than the image, but this network has no exact tiles: " +
                    why_not_tileable_ + "; use mode=\"gaussian\" or leave tile out");
  const int64_t h = AcceptedOutput(net_, image.height), w = AcceptedOutput(net_, image.width);
  const int64_t in_h = h + 2 * net_.margin, in_w = w + 2 * net_.margin;
  const int64_t budget =
      options.max_memory_bytes > 0 ? options.max_memory_bytes : kDefaultMemoryBytes;
  const int64_t needed = executor_->RunMemoryBytes(in_h, in_w);
  if (needed > budget)
    throw Error(ErrorCode::kUnsupported,
                "the image needs " + std::to_string(needed) +
                    " bytes in one piece, max_memory is " + std::to_string(budget) +
                    ", and this network has no exact tiles: " + why_not_tileable_ +
                    "; use mode=\"gaussian\" or raise max_memory");
  Loan loan = Borrow();
  Buffers& buffers = loan.front();
  float* window = Buffers::Grow(buffers.windows, CheckedMul(in_h, in_w, "image") * net_.channels);
  float* logits = Buffers::Grow(buffers.logits, CheckedMul(h, w, "image") * net_.classes);
  Gather(image, options, -net_.margin, -net_.margin, in_h, in_w, window);
  executor_->Run(window, logits, 1, in_h, in_w);
  WriteTile(logits, h, w, 0, 0, image.height, image.width, out);
  Return(std::move(loan));
  if (options.progress) options.progress(1, 1);
}

void Tiler::SegmentBlended(const ImageView& image, const OutputView& out,
                           const SegmentOptions& options) const {
  const auto side = [&](int64_t wanted, int64_t size) {
    const int64_t px = wanted > 0 ? wanted : kDefaultBlendTilePx;
    return AcceptedOutput(net_, std::min(px, size));
  };
  const int64_t h = side(options.tile_height_px, image.height);
  const int64_t w = side(options.tile_width_px, image.width);
  const auto [height, width, rows, columns] =
      PlanBlend(image.height, image.width, h, w, options.overlap);
  const int64_t in_h = h + 2 * net_.margin, in_w = w + 2 * net_.margin;
  BlendAccumulator sums(net_.classes, image.height, image.width, h, w, options.mode,
                        [&](const float* logits, int64_t stride, int64_t y, int64_t count) {
                          for (int64_t r = 0; r < count; ++r)
                            WriteScores(logits + r * image.width, stride, net_.classes, head_, out,
                                        y + r, 0, image.width);
                        });
  Loan loan = Borrow();
  Buffers& buffers = loan.front();
  float* window = Buffers::Grow(buffers.windows, in_h * in_w * net_.channels);
  float* logits = Buffers::Grow(buffers.logits, h * w * net_.classes);
  const auto total = static_cast<int64_t>(rows.size() * columns.size());
  int64_t done = 0;
  for (int64_t y : rows) {
    sums.Finish(y);
    for (int64_t x : columns) {
      Gather(image, options, y - net_.margin, x - net_.margin, in_h, in_w, window);
      executor_->Run(window, logits, 1, in_h, in_w);
      sums.Add(logits, y, x);
      if (options.progress && !options.progress(++done, total)) {
        Return(std::move(loan));
        throw Error(ErrorCode::kCancelled,
                    "cancelled by the progress callback after " + std::to_string(done) + " tiles");
      }
    }
  }
  sums.Finish(image.height);
  Return(std::move(loan));
}

}  // namespace pyengine
