#include "tiling/exact_pass.h"

#include <algorithm>

#include "tiling/progress.h"

namespace pyengine {

ExactPass::ExactPass(const WindowRunner& runner, const TileLayout& layout,
                     const CheckedImage& image, const PixelRect& wanted, const OutputView& out,
                     const SegmentOptions& options)
    : runner_(runner),
      layout_(layout),
      image_(image),
      wanted_(wanted),
      out_(out),
      options_(options),
      foreground_(options, image.view().width),
      repeats_(!options.every_tile && !options.check_finite && runner.executor().Repeatable()),
      buffers_(runner.Borrow(layout.LargestWindow(), layout.plan.tile, layout.plan.batch_size)) {
  columns().clear();
}

void ExactPass::Row(int64_t row) {
  const TilePlan& plan = layout_.plan;
  done_ = row * plan.tiles_across;
  for (int64_t column = 0; column < plan.tiles_across; ++column) {
    if (!columns().empty() && layout_.At(row, column) != layout_.At(row, columns().front()))
      Run(row);
    Take(row, column);
  }
  if (!columns().empty()) Run(row);
}

void ExactPass::Take(int64_t row, int64_t column) {
  const auto waiting = static_cast<int64_t>(columns().size());
  const Range window_columns = layout_.WindowColumns(column);
  float* window = buffers_->windows.data() + waiting * layout_.WindowRows(row).size() *
                                                 window_columns.size() * runner_.net().channels;
  const Range cells = layout_.CellsOf(column);
  Decide(row, cells, window_columns, window);
  if (std::all_of(deeds().begin(), deeds().end(), [](uint8_t deed) { return deed == kCompute; })) {
    columns().push_back(column);
    if (waiting + 1 == layout_.plan.batch_size) Run(row);
    return;
  }
  if (waiting > 0) Run(row);
  TakeCells(row, cells);
  Done(1);
}

void ExactPass::Decide(int64_t row, Range cells, Range window_columns, float* window) {
  const auto covered = [&](int64_t cell) {
    return PixelRect{.rows = layout_.Rows(row), .columns = layout_.CellColumns(cell)};
  };
  deeds().clear();
  for (int64_t cell = cells.begin; cell < cells.end; ++cell)
    deeds().push_back(foreground_.MeetsRect(covered(cell)) ? kCompute : kLeaveOut);
  if (std::find(deeds().begin(), deeds().end(), kCompute) == deeds().end()) return;
  Gather(row, window_columns, window);
  if (!repeats_) return;
  const WindowPlanes shape{.channels = runner_.net().channels,
                           .height = layout_.WindowRows(row).size(),
                           .width = window_columns.size()};
  for (int64_t cell = cells.begin; cell < cells.end; ++cell) {
    uint8_t& deed = deeds()[static_cast<size_t>(cell - cells.begin)];
    Range part = layout_.CellWindow(cell);
    part = {.begin = part.begin - window_columns.begin, .end = part.end - window_columns.begin};
    if (deed == kCompute && IsConstant(window, shape, part, nullptr)) deed = kRepeat;
  }
}

void ExactPass::TakeCells(int64_t row, Range cells) {
  const auto deed = [&](int64_t cell) { return deeds()[static_cast<size_t>(cell - cells.begin)]; };
  for (int64_t cell = cells.begin; cell < cells.end;) {
    int64_t end = cell + 1;
    if (deed(cell) == kRepeat) {
      Repeat(row, cell);
    } else {
      while (end < cells.end && deed(end) == deed(cell)) ++end;
      const Range columns{.begin = layout_.CellColumns(cell).begin,
                          .end = layout_.CellColumns(end - 1).end};
      if (deed(cell) == kCompute)
        ComputePiece(row, columns);
      else
        report_.background_px += layout_.Rows(row).size() * columns.size();
    }
    cell = end;
  }
}

void ExactPass::Repeat(int64_t row, int64_t cell) {
  const Range columns = layout_.CellColumns(cell), window = layout_.CellWindow(cell);
  const Tile tile = layout_.Piece(row, columns);
  ConstantTiles& known = runner_.constant_tiles();
  ChannelBits& values = buffers_->constant;
  // A pixel says what all of its window are.
  const Range rows = layout_.WindowRows(row);
  runner_.Gather(image_, options_.padding, rows.begin, window.begin, 1, 1,
                 buffers_->windows.data());
  IsConstant(buffers_->windows.data(),
             {.channels = runner_.net().channels, .height = 1, .width = 1}, {.begin = 0, .end = 1},
             &values);
  if (const auto logits = known.Find(tile, values)) {
    Write(logits->data(), row, columns.begin, tile.size);
    report_.repeated_px += tile.size.height * tile.size.width;
    return;
  }
  ComputePiece(row, columns);
  known.Keep(tile, values, buffers_->logits.data(),
             tile.size.height * tile.size.width * runner_.net().classes);
}

void ExactPass::ComputePiece(int64_t row, Range columns) {
  const Tile tile = layout_.Piece(row, columns);
  const Window window = runner_.executor().WindowFor(tile);
  runner_.Gather(image_, options_.padding, layout_.Rows(row).begin - window.top,
                 columns.begin - window.left, window.height, window.width,
                 buffers_->windows.data());
  runner_.RunTile(buffers_->windows.data(), buffers_->logits.data(), 1, tile);
  Write(buffers_->logits.data(), row, columns.begin, tile.size);
  report_.computed_px += tile.size.height * tile.size.width;
}

void ExactPass::Gather(int64_t row, Range window_columns, float* window) {
  const Range rows = layout_.WindowRows(row);
  runner_.Gather(image_, options_.padding, rows.begin, window_columns.begin, rows.size(),
                 window_columns.size(), window);
}

void ExactPass::Run(int64_t row) {
  const TileSize size = layout_.At(row, columns().front()).size;
  const auto count = static_cast<int64_t>(columns().size());
  float* logits = buffers_->logits.data();
  runner_.RunTile(buffers_->windows.data(), logits, count, layout_.At(row, columns().front()));
  for (int64_t column : columns()) {
    Write(logits, row, layout_.Origin(row, column).column, size);
    logits += size.height * size.width * runner_.net().classes;
  }
  columns().clear();
  report_.computed_px += count * size.height * size.width;
  Done(count);
}

void ExactPass::Write(const float* logits, int64_t row, int64_t x, TileSize size) {
  runner_.Write(logits, size, layout_.Rows(row).begin, x, wanted_, out_);
}

void ExactPass::Done(int64_t tiles) {
  done_ += tiles;
  ReportProgress(options_, done_, layout_.plan.tiles_down * layout_.plan.tiles_across);
}

}  // namespace pyengine
