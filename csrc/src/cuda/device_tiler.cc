#include "cuda/device_tiler.h"

#include <algorithm>
#include <cstring>

#include "core/checked_math.h"
#include "cuda/device_executor.h"
#include "cuda/device_session.h"
#include "cuda/packing.h"
#include "pyengine/error.h"
#include "tiling/gather.h"
#include "tiling/progress.h"
#include "tiling/tile_layout.h"
#include "tiling/whole.h"

namespace pyengine {
namespace {

using Kind = DeviceBuffer::Kind;
constexpr int64_t kMaxWarmUpSidePx = 1 << 16;  // more than one tile of any plan

// Rows of the image that `rows` of the result need.
Range RowsOf(const TilePlan& plan, int64_t height, Range rows, PaddingMode padding) {
  const int64_t tile = plan.tile.height;
  const int64_t first = rows.begin / tile * tile - plan.window.top;
  const int64_t last = (CeilDiv(rows.end, tile) - 1) * tile - plan.window.top + plan.window.height;
  return RowsBehind({.begin = first, .end = last}, height, padding);
}

}  // namespace

DeviceTiler::DeviceTiler(std::shared_ptr<Device> device, std::shared_ptr<DeviceNetwork> network,
                         const SegmentationModel& model, std::shared_ptr<ThreadPool> pool)
    : device_(std::move(device)),
      network_(std::move(network)),
      net_(model.geometry),
      head_(model.head),
      why_not_tileable_(model.why_not_tileable),
      scales_(device_, Kind::kDevice),
      whole_images_(std::make_shared<DeviceExecutor>(net_, *this), model, std::move(pool)) {
  const Normalisation& normalisation = model.normalisation;
  std::vector<float> scales = normalisation.gain;
  scales.insert(scales.end(), normalisation.offset.begin(), normalisation.offset.end());
  scales.insert(scales.end(), normalisation.gain.size(), 1.0f);
  scales.insert(scales.end(), normalisation.gain.size(), 0.0f);
  const size_t bytes = scales.size() * sizeof(float);
  DeviceBuffer pinned(device_, Kind::kPinned);
  std::memcpy(pinned.Grow(bytes), scales.data(), bytes);
  auto session = Borrow();
  const SettleOnError settle(*session);
  session->turns[0].stream->CopyIn(scales_.Grow(bytes), pinned.data(), bytes);
  session->turns[0].stream->Synchronize();
}

DeviceTiler::~DeviceTiler() = default;

Lender<DeviceTiler::Session>::Lease DeviceTiler::Borrow() const {
  return sessions_.Borrow(device_, *network_);
}

void DeviceTiler::WarmUp() const {
  TilePlan plan;
  if (net_.tileable) {
    plan = Plan(kMaxWarmUpSidePx, kMaxWarmUpSidePx, {});
  } else {
    plan.window = {
        .height = network_->max_height(), .width = network_->max_width(), .top = 0, .left = 0};
    plan.batch_size = network_->max_batch();
  }
  const auto [window_bytes, logit_bytes] = BatchBytes(plan);
  auto lease = Borrow();
  Session& session = *lease;
  const SettleOnError settle(session);
  session.Reserve(window_bytes, logit_bytes, 0, 0);
  for (Session::Turn& turn : session.turns)
    turn.lane->Run(*turn.stream, turn.windows.data(), static_cast<float*>(turn.logits.data()),
                   plan.batch_size, plan.window.height, plan.window.width);
  for (const Session::Turn& turn : session.turns) turn.stream->Synchronize();
}

TilePlan DeviceTiler::Plan(int64_t height, int64_t width, const SegmentOptions& options) const {
  if (!net_.tileable) throw Error(ErrorCode::kUnsupported, "no tiles: " + why_not_tileable_);
  TilePlan plan;
  const int64_t most[2] = {network_->max_height(), network_->max_width()};
  const int64_t image[2] = {height, width};
  const int64_t wanted[2] = {options.tile_height_px, options.tile_width_px};
  int64_t tile[2];
  for (int axis = 0; axis < 2; ++axis) {
    // The largest tile whose window the plan takes, in steps of the alignment.
    int64_t largest = most[axis] / net_.alignment * net_.alignment;
    while (largest > 0 &&
           SmallestWindow(net_, {.height = largest, .width = largest}).height > most[axis])
      largest -= net_.alignment;
    if (largest == 0)
      throw Error(ErrorCode::kUnsupported,
                  "the plan's inputs of up to " + std::to_string(most[axis]) +
                      " px have no room for a tile of " + std::to_string(net_.alignment) +
                      " px and its context; build it for larger tiles");
    tile[axis] =
        std::min(largest, RoundUp(wanted[axis] > 0 ? wanted[axis] : image[axis], net_.alignment));
    if (wanted[axis] > 0 && RoundUp(wanted[axis], net_.alignment) > largest)
      throw Error(ErrorCode::kInvalidArgument, "tile of " + std::to_string(wanted[axis]) +
                                                   " px: the plan takes tiles of up to " +
                                                   std::to_string(largest) +
                                                   " px; build it for larger ones");
    // Tiles of equal shares waste the least beyond the image's end.
    if (wanted[axis] == 0)
      tile[axis] = RoundUp(CeilDiv(image[axis], CeilDiv(image[axis], tile[axis])), net_.alignment);
  }
  plan.tile = {.height = tile[0], .width = tile[1]};
  plan.window = SmallestWindow(net_, plan.tile);
  plan.tiles_down = CeilDiv(height, tile[0]);
  plan.tiles_across = CeilDiv(width, tile[1]);
  const int64_t tiles = plan.tiles_down * plan.tiles_across;
  const int batch = options.batch_size > 0 ? options.batch_size : network_->max_batch();
  if (batch > network_->max_batch())
    throw Error(ErrorCode::kInvalidArgument,
                "batch_size " + std::to_string(batch) + ": the plan takes up to " +
                    std::to_string(network_->max_batch()) + "; build it for more");
  plan.batch_size = static_cast<int>(std::min<int64_t>(batch, tiles));
  const auto [window_bytes, logit_bytes] = BatchBytes(plan);
  plan.memory_bytes = static_cast<int64_t>(Session::kStreams * (window_bytes + logit_bytes));
  plan.cost = double(tiles) * double(plan.window.height) * double(plan.window.width);
  plan.origin_step_px = net_.alignment;
  return plan;
}

int64_t DeviceTiler::Budget(const SegmentOptions& options) const {
  return options.max_memory_bytes > 0 ? options.max_memory_bytes : device_->FreeBytes() / 4 * 3;
}

std::pair<size_t, size_t> DeviceTiler::BatchBytes(const TilePlan& plan) const {
  const Window& w = plan.window;
  const int64_t value = network_->half_input() ? 2 : 4;
  const int64_t out = (w.height - 2 * net_.margin) * (w.width - 2 * net_.margin);
  return {plan.batch_size * net_.channels * w.height * w.width * value,
          plan.batch_size * net_.classes * out * 4};
}

void DeviceTiler::Enqueue(Session& session, const TilePlan& plan, const ImageView& image,
                          const OutputView& out, Range rows, const SegmentOptions& options) const {
  const Window& window = plan.window;
  const int64_t out_height = window.height - 2 * net_.margin;
  const int64_t out_width = window.width - 2 * net_.margin;
  const auto* gain = static_cast<const float*>(scales_.data());
  const int64_t total = plan.tiles_down * plan.tiles_across;
  const int64_t end = CeilDiv(rows.end, plan.tile.height) * plan.tiles_across;
  int next = 0;
  int64_t first = rows.begin / plan.tile.height * plan.tiles_across;
  for (; first < end; next = 1 - next) {
    Session::Turn& turn = session.turns[next];
    DeviceStream& stream = *turn.stream;
    const TileRun tiles{.tile_height = plan.tile.height,
                        .tile_width = plan.tile.width,
                        .tiles_across = plan.tiles_across,
                        .context_y = window.top,
                        .context_x = window.left,
                        .first = first,
                        .count = std::min<int64_t>(plan.batch_size, end - first)};
    stream.Gather({.image = image,
                   .padding = options.padding,
                   .tiles = tiles,
                   .height = window.height,
                   .width = window.width,
                   .gain = gain,
                   .offset = gain + net_.channels,
                   .windows = turn.windows.data(),
                   .half = network_->half_input()});
    auto* logits = static_cast<float*>(turn.logits.data());
    turn.lane->Run(stream, turn.windows.data(), logits, tiles.count, window.height, window.width);
    stream.Scatter({.logits = logits,
                    .height = out_height,
                    .width = out_width,
                    .skip = net_.before - net_.margin,
                    .classes = net_.classes,
                    .tiles = tiles,
                    .row_begin = rows.begin,
                    .row_end = rows.end,
                    .image_width = image.width,
                    .head = head_,
                    .result = {.kind = out.kind,
                               .data = out.data,
                               .row_stride = out.row_stride,
                               .plane_stride = out.plane_stride}});
    first += tiles.count;
    ReportProgress(options, first, total);
  }
  // Whatever follows on the first stream comes after both.
  session.turns[0].stream->WaitFor(*session.turns[1].stream);
}

Range DeviceTiler::BandRows(int64_t height, int64_t width, Range rows,
                            const SegmentOptions& options) const {
  return RowsOf(Plan(height, width, options), height, rows, options.padding);
}

void DeviceTiler::Segment(const CheckedImage& image, Range rows, const OutputView& out,
                          const SegmentOptions& options) const {
  if (options.mode == TileMode::kNnUnet)
    throw Error(ErrorCode::kUnsupported, "mode \"nnunet\" runs on the CPU alone");
  if (options.mode != TileMode::kExact) return SegmentBlended(image, out, options);
  if (!net_.tileable) return SegmentWhole(whole_images_, image, out, options, Budget(options));
  SegmentExact(image, rows, out, options);
}

void DeviceTiler::SegmentExact(const CheckedImage& checked, Range all, const OutputView& out,
                               const SegmentOptions& options) const {
  const ImageView& image = checked.view();
  const TilePlan plan = Plan(image.height, image.width, options);
  const auto rows_of = [&](Range band) {
    return RowsOf(plan, image.height, band, options.padding);
  };
  RequireRows(image, plan.tile.height, all.begin, rows_of(all));
  const int64_t row_bytes = image.width * image.channels * ValueBytes(image.type);
  const int64_t result_row_bytes = OutputBytes(out.kind, net_.classes, image.width);
  // As many rows of tiles at a time as the budget holds, at least one.
  const int64_t budget = Budget(options);
  const auto bytes = [&](Range band) {
    return rows_of(band).size() * row_bytes + band.size() * result_row_bytes + plan.memory_bytes;
  };
  const auto next = [&](int64_t row) { return std::min(all.end, row + plan.tile.height); };
  const auto [window_bytes, logit_bytes] = BatchBytes(plan);
  auto lease = Borrow();
  Session& session = *lease;
  const SettleOnError settle(session);
  for (Range band{.begin = all.begin, .end = all.begin}; band.end < all.end;) {
    band = {.begin = band.end, .end = next(band.end)};
    while (band.end < all.end && bytes({.begin = band.begin, .end = next(band.end)}) <= budget)
      band.end = next(band.end);
    const Range rows = rows_of(band);
    const auto in_bytes = static_cast<size_t>(rows.size() * row_bytes);
    const auto out_bytes = static_cast<size_t>(band.size() * result_row_bytes);
    session.Reserve(window_bytes, logit_bytes, in_bytes, out_bytes);
    Pack(image, rows, static_cast<char*>(session.pinned_image.data()));
    const ImageView on_device = PackedView(image, rows, session.image.data());
    const OutputView result{.kind = out.kind,
                            .data = session.result.data(),
                            .row_stride = image.width,
                            .plane_stride = band.size() * image.width,
                            .first_row = band.begin};
    session.turns[0].stream->CopyIn(session.image.data(), session.pinned_image.data(), in_bytes);
    session.turns[1].stream->WaitFor(*session.turns[0].stream);
    Enqueue(session, plan, on_device, result, band, options);
    session.turns[0].stream->CopyOut(session.pinned_result.data(), session.result.data(),
                                     out_bytes);
    session.turns[0].stream->Synchronize();
    Unpack(static_cast<const char*>(session.pinned_result.data()), net_.classes, band.size(),
           image.width, band.begin, out);
  }
}

std::vector<OpTime> DeviceTiler::Profile(TileSize, int) const {
  return {};
}

void DeviceTiler::SegmentOnDevice(const CheckedImage& checked, const OutputView& out,
                                  const SegmentOptions& options, void* caller_stream) const {
  const ImageView& image = checked.view();
  device_->CheckReach(image.data, "the image");
  device_->CheckReach(out.data, "the result's memory");
  const TilePlan plan = Plan(image.height, image.width, options);
  const std::unique_ptr<DeviceStream> caller = device_->WrapStream(caller_stream);
  auto lease = Borrow();
  Session& session = *lease;
  const SettleOnError settle(session);
  const auto [window_bytes, logit_bytes] = BatchBytes(plan);
  session.Reserve(window_bytes, logit_bytes, 0, 0);
  for (const Session::Turn& turn : session.turns) turn.stream->WaitFor(*caller);
  Enqueue(session, plan, image, out, {.begin = 0, .end = image.height}, options);
  caller->WaitFor(*session.turns[0].stream);
  // The next borrower's work follows on the same streams, after this.
}

std::shared_ptr<void> DeviceTiler::AllocateOnDevice(size_t bytes) const {
  return {device_->Allocate(bytes), [device = device_](void* memory) { device->Free(memory); }};
}

void DeviceTiler::StreamWait(void* stream, void* awaited) const {
  device_->WrapStream(stream)->WaitFor(*device_->WrapStream(awaited));
}

}  // namespace pyengine
