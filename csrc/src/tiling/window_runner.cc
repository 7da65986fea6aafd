#include "tiling/window_runner.h"

#include <algorithm>
#include <utility>

#include "core/checked_math.h"
#include "core/finite_check.h"
#include "pyengine/error.h"
#include "tiling/gather.h"

namespace pyengine {
namespace {

constexpr int64_t kRowsPerPiece = 16;
// Logits of a few tiles of the usual size.
constexpr int64_t kConstantTilesBytes = int64_t(64) << 20;

void Grow(AlignedBuffer<float>& buffer, int64_t floats) {
  if (static_cast<int64_t>(buffer.size()) < floats)
    buffer = AlignedBuffer<float>(static_cast<size_t>(floats));
}

// For executors that do not look at their layers.
void RequireFinite(const float* logits, int64_t count) {
  if (FiniteCheckScope::Wanted() && !AreFinite(logits, count))
    throw Error(ErrorCode::kNotFinite, "NaN or infinity arose in the network: its result holds it");
}

}  // namespace

WindowRunner::WindowRunner(std::shared_ptr<Executor> executor, SegmentationModel model,
                           std::shared_ptr<ThreadPool> pool)
    : executor_(std::move(executor)),
      model_(std::move(model)),
      pool_(std::move(pool)),
      constant_tiles_(kConstantTilesBytes) {}

WindowRunner::Lease WindowRunner::Borrow(int64_t window_floats, int64_t logit_floats) const {
  Lease buffers = buffers_.Borrow(&buffers_bytes_);
  Grow(buffers->windows, window_floats);
  Grow(buffers->logits, logit_floats);
  const size_t floats = buffers->windows.size() + buffers->logits.size();
  buffers->held.Set(static_cast<int64_t>(floats * sizeof(float)));
  return buffers;
}

WindowRunner::Lease WindowRunner::Borrow(TileSize window, TileSize tile, int64_t tiles) const {
  Lease buffers = Borrow(window.height * window.width * net().channels * tiles,
                         tile.height * tile.width * net().classes * tiles);
  buffers->columns.reserve(static_cast<size_t>(tiles));
  buffers->deeds.reserve(static_cast<size_t>(tile.width));
  buffers->constant.reserve(static_cast<size_t>(net().channels));
  return buffers;
}

MemoryUse WindowRunner::Memory() const {
  MemoryUse use = executor_->Memory();
  int64_t idle = 0;
  buffers_.VisitIdle([&](const Buffers& buffers) { idle += buffers.held.get(); });
  use.idle_bytes += idle + constant_tiles_.bytes();
  use.in_use_bytes += std::max<int64_t>(0, buffers_bytes_ - idle);
  return use;
}

void WindowRunner::Trim() const {
  buffers_.Trim();
  constant_tiles_.Clear();
  executor_->Trim();
}

void WindowRunner::Gather(const CheckedImage& image, PaddingMode padding, int64_t y, int64_t x,
                          int64_t height, int64_t width, float* window,
                          int64_t plane_stride) const {
  const Normalisation& n = image.NormalisationOr(model_.normalisation);
  const int64_t pieces = CeilDiv(height, kRowsPerPiece);
  pool_->ParallelFor(pieces * net().channels, [&](int64_t i) {
    const int64_t channel = i / pieces, begin = i % pieces * kRowsPerPiece;
    for (int64_t r = begin; r < std::min(height, begin + kRowsPerPiece); ++r)
      GatherRow(image.view(), padding, channel, y + r, x, width, n,
                window + channel * plane_stride + r * width);
  });
}

void WindowRunner::RunTile(const float* windows, float* logits, int64_t n, const Tile& tile) const {
  executor_->RunTile(windows, logits, n, tile);
  RequireFinite(logits, n * tile.size.height * tile.size.width * net().classes);
}

void WindowRunner::Run(const float* in, float* logits, int64_t n, int64_t h, int64_t w) const {
  executor_->Run(in, logits, n, h, w);
  const int64_t lost = 2 * net().margin;
  RequireFinite(logits, n * (h - lost) * (w - lost) * net().classes);
}

void WindowRunner::Write(const float* logits, int64_t plane_stride, TileSize size, int64_t y,
                         int64_t x, const PixelRect& wanted, const OutputView& out) const {
  const int64_t top = std::max<int64_t>(0, wanted.rows.begin - y);
  const int64_t bottom = std::min(size.height, wanted.rows.end - y);
  const int64_t left = std::max<int64_t>(0, wanted.columns.begin - x);
  const int64_t right = std::min(size.width, wanted.columns.end - x);
  if (right <= left) return;
  pool_->ParallelFor(CeilDiv(std::max<int64_t>(0, bottom - top), kRowsPerPiece), [&](int64_t i) {
    const int64_t begin = top + i * kRowsPerPiece;
    for (int64_t r = begin; r < std::min(bottom, begin + kRowsPerPiece); ++r)
      WriteScores(logits + r * size.width + left, plane_stride, net().classes, model_.head, out,
                  y + r, x + left, right - left);
  });
}

}  // namespace pyengine
