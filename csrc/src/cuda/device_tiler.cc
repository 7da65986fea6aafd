#include "cuda/device_tiler.h"

#include <algorithm>
#include <cstring>

#include "core/checked_math.h"
#include "cuda/device_session.h"
#include "cuda/packing.h"
#include "pyengine/error.h"
#include "tiling/checks.h"
#include "tiling/mirror_pad.h"

namespace pyengine {
namespace {

using Kind = DeviceBuffer::Kind;
constexpr int64_t kMaxWarmUpSidePx = 1 << 16;  // more than one tile of any plan

// Rows of the image that rows [row_begin, row_end) of the result need.
Range RowsOf(const TilePlan& plan, int64_t height, int64_t row_begin, int64_t row_end,
             PaddingMode padding) {
  const int64_t tile = plan.tile.height;
  const int64_t first = row_begin / tile * tile - plan.window.top;
  const int64_t last = (CeilDiv(row_end, tile) - 1) * tile - plan.window.top + plan.window.height;
  return RowsBehind({first, last}, height, padding);
}

}  // namespace

DeviceTiler::DeviceTiler(std::shared_ptr<Device> device, std::shared_ptr<DeviceNetwork> network,
                         const NetworkGeometry& geometry, const Normalisation& normalisation,
                         Head head)
    : device_(std::move(device)),
      network_(std::move(network)),
      net_(geometry),
      head_(head),
      scales_(device_, Kind::kDevice) {
  std::vector<float> scales = normalisation.gain;
  scales.insert(scales.end(), normalisation.offset.begin(), normalisation.offset.end());
  scales.insert(scales.end(), normalisation.gain.size(), 1.0f);
  scales.insert(scales.end(), normalisation.gain.size(), 0.0f);
  const size_t bytes = scales.size() * sizeof(float);
  DeviceBuffer pinned(device_, Kind::kPinned);
  std::memcpy(pinned.Grow(bytes), scales.data(), bytes);
  Loan loan = Borrow();
  loan.front().turns[0].stream->CopyIn(scales_.Grow(bytes), pinned.data(), bytes);
  loan.front().turns[0].stream->Synchronize();
  Return(std::move(loan));
}

DeviceTiler::~DeviceTiler() = default;

DeviceTiler::Loan DeviceTiler::Borrow() const {
  Loan loan;
  {
    std::scoped_lock lock(mutex_);
    if (!idle_.empty()) loan.splice(loan.begin(), idle_, idle_.begin());
  }
  if (loan.empty()) loan.emplace_back(device_, *network_);
  return loan;
}

void DeviceTiler::Return(Loan loan) const {
  std::scoped_lock lock(mutex_);
  idle_.splice(idle_.begin(), loan);
}

void DeviceTiler::WarmUp() const {
  TilePlan plan;
  if (net_.tileable) {
    plan = Plan(kMaxWarmUpSidePx, kMaxWarmUpSidePx, {});
  } else {
    plan.window = {network_->max_height(), network_->max_width(), 0, 0};
    plan.batch_size = network_->max_batch();
  }
  const auto [window_bytes, logit_bytes] = BatchBytes(plan);
  Loan loan = Borrow();
  Session& session = loan.front();
  session.Reserve(window_bytes, logit_bytes, 0, 0);
  for (Session::Turn& turn : session.turns)
    turn.lane->Run(*turn.stream, turn.windows.data(), static_cast<float*>(turn.logits.data()),
                   plan.batch_size, plan.window.height, plan.window.width);
  for (const Session::Turn& turn : session.turns) turn.stream->Synchronize();
  Return(std::move(loan));
}

TilePlan DeviceTiler::Plan(int64_t height, int64_t width, const SegmentOptions& options) const {
  if (height < 1 || width < 1)
    throw Error(ErrorCode::kInvalidArgument, "the image is " + std::to_string(height) + " x " +
                                                 std::to_string(width) +
                                                 " px, needs at least 1 x 1");
  TilePlan plan;
  const int64_t most[2] = {network_->max_height(), network_->max_width()};
  const int64_t image[2] = {height, width};
  const int64_t wanted[2] = {options.tile_height_px, options.tile_width_px};
  int64_t tile[2];
  for (int axis = 0; axis < 2; ++axis) {
    // The largest tile whose window the plan takes, in steps of the alignment.
    int64_t largest = most[axis] / net_.alignment * net_.alignment;
    while (largest > 0 && SmallestWindow(net_, {largest, largest}).height > most[axis])
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
  plan.tile = {tile[0], tile[1]};
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
                          const OutputView& out, int64_t row_begin, int64_t row_end,
                          const SegmentOptions& options) const {
  const Window& window = plan.window;
  const int64_t out_height = window.height - 2 * net_.margin;
  const int64_t out_width = window.width - 2 * net_.margin;
  const auto* gain = static_cast<const float*>(scales_.data());
  const int64_t total = plan.tiles_down * plan.tiles_across;
  const int64_t end = CeilDiv(row_end, plan.tile.height) * plan.tiles_across;
  int next = 0;
  int64_t first = row_begin / plan.tile.height * plan.tiles_across;
  for (; first < end; next = 1 - next) {
    Session::Turn& turn = session.turns[next];
    DeviceStream& stream = *turn.stream;
    const TileRun tiles{plan.tile.height,
                        plan.tile.width,
                        plan.tiles_across,
                        window.top,
                        window.left,
                        first,
                        std::min<int64_t>(plan.batch_size, end - first)};
    stream.Gather({image, options.padding, tiles, window.height, window.width, gain,
                   gain + net_.channels, turn.windows.data(), network_->half_input()});
    auto* logits = static_cast<float*>(turn.logits.data());
    turn.lane->Run(stream, turn.windows.data(), logits, tiles.count, window.height, window.width);
    stream.Scatter({logits,
                    out_height,
                    out_width,
                    net_.before - net_.margin,
                    net_.classes,
                    tiles,
                    row_begin,
                    row_end,
                    image.width,
                    head_,
                    {out.kind, out.data, out.row_stride, out.plane_stride}});
    first += tiles.count;
    if (options.progress && !options.progress(first, total))
      throw Error(ErrorCode::kCancelled,
                  "cancelled by the progress callback after " + std::to_string(first) + " tiles");
  }
  // Whatever follows on the first stream comes after both.
  session.turns[0].stream->WaitFor(*session.turns[1].stream);
}

Range DeviceTiler::BandRows(int64_t height, int64_t width, int64_t row_begin, int64_t row_end,
                            const SegmentOptions& options) const {
  CheckBand(height, row_begin, row_end);
  return RowsOf(Plan(height, width, options), height, row_begin, row_end, options.padding);
}

void DeviceTiler::Segment(const ImageView& view, int64_t row_begin, int64_t row_end,
                          const OutputView& out, const SegmentOptions& options) const {
  ImageView image = view;
  if (image.rows == 0) image.rows = image.height;
  CheckImage(image, net_);
  CheckBand(image.height, row_begin, row_end);
  RefuseNonFinite(image);
  const TilePlan plan = Plan(image.height, image.width, options);
  const int64_t tile_height = plan.tile.height;
  RequireRows(image, tile_height, row_begin,
              RowsOf(plan, image.height, row_begin, row_end, options.padding));
  const int64_t row_bytes = image.width * image.channels * ValueBytes(image.type);
  const int64_t result_row_bytes = OutputBytes(out.kind, net_.classes, image.width);
  // As many rows of tiles at a time as the budget holds, at least one.
  const int64_t budget = Budget(options);
  const auto bytes = [&](int64_t begin, int64_t end) {
    return RowsOf(plan, image.height, begin, end, options.padding).size() * row_bytes +
           (end - begin) * result_row_bytes + plan.memory_bytes;
  };
  const auto [window_bytes, logit_bytes] = BatchBytes(plan);
  Loan loan = Borrow();
  Session& session = loan.front();
  for (int64_t begin = row_begin, end; begin < row_end; begin = end) {
    const auto next = [&](int64_t row) { return std::min(row_end, row + tile_height); };
    end = next(begin);
    while (end < row_end && bytes(begin, next(end)) <= budget) end = next(end);
    const Range rows = RowsOf(plan, image.height, begin, end, options.padding);
    const auto in_bytes = static_cast<size_t>(rows.size() * row_bytes);
    const auto out_bytes = static_cast<size_t>((end - begin) * result_row_bytes);
    session.Reserve(window_bytes, logit_bytes, in_bytes, out_bytes);
    Pack(image, rows, static_cast<char*>(session.pinned_image.data()));
    const ImageView on_device = PackedView(image, rows, session.image.data());
    const OutputView result{out.kind, session.result.data(), image.width,
                            (end - begin) * image.width, begin};
    session.turns[0].stream->CopyIn(session.image.data(), session.pinned_image.data(), in_bytes);
    session.turns[1].stream->WaitFor(*session.turns[0].stream);
    Enqueue(session, plan, on_device, result, begin, end, options);
    session.turns[0].stream->CopyOut(session.pinned_result.data(), session.result.data(),
                                     out_bytes);
    session.turns[0].stream->Synchronize();
    Unpack(static_cast<const char*>(session.pinned_result.data()), net_.classes, end - begin,
           image.width, begin, out);
  }
  Return(std::move(loan));
}

void DeviceTiler::Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) const {
  if (h > network_->max_height() || w > network_->max_width())
    throw Error(ErrorCode::kUnsupported,
                "input of " + std::to_string(h) + " x " + std::to_string(w) +
                    " px: the plan takes up to " + std::to_string(network_->max_height()) + " x " +
                    std::to_string(network_->max_width()) + " px; build it for larger tiles");
  const int64_t out_h = net_.dense ? h - 2 * net_.margin : 1;
  const int64_t out_w = net_.dense ? w - 2 * net_.margin : 1;
  const int64_t in_bytes = net_.channels * h * w * 4, out_bytes = net_.classes * out_h * out_w * 4;
  const int64_t batch = std::min<int64_t>(n, network_->max_batch());
  const bool half = network_->half_input();
  const auto* scales = static_cast<const float*>(scales_.data());
  Loan loan = Borrow();
  Session& session = loan.front();
  const auto in_room = static_cast<size_t>(batch * in_bytes);
  const auto out_room = static_cast<size_t>(batch * out_bytes);
  session.Reserve(in_room, out_room, in_room, out_room);
  Session::Turn& turn = session.turns[0];
  DeviceStream& stream = *turn.stream;
  auto* logits = static_cast<float*>(turn.logits.data());
  for (int64_t first = 0; first < n; first += batch) {
    const int64_t count = std::min(batch, n - first);
    std::memcpy(session.pinned_image.data(), in + first * in_bytes / 4,
                static_cast<size_t>(count * in_bytes));
    stream.CopyIn(session.image.data(), session.pinned_image.data(),
                  static_cast<size_t>(count * in_bytes));
    // Each input is an image in planes, and one tile without context.
    for (int64_t i = 0; i < count; ++i) {
      const ImageView image{static_cast<const char*>(session.image.data()) + i * in_bytes,
                            PixelType::kFloat32,
                            h,
                            w,
                            net_.channels,
                            w * 4,
                            4,
                            h * w * 4,
                            0,
                            h};
      char* window = static_cast<char*>(turn.windows.data()) + i * (half ? in_bytes / 2 : in_bytes);
      stream.Gather({image, PaddingMode::kConstant, TileRun{h, w, 1, 0, 0, 0, 1}, h, w,
                     scales + 2 * net_.channels, scales + 3 * net_.channels, window, half});
    }
    turn.lane->Run(stream, turn.windows.data(), logits, count, h, w);
    stream.CopyOut(session.pinned_result.data(), logits, static_cast<size_t>(count * out_bytes));
    stream.Synchronize();
    std::memcpy(out + first * out_bytes / 4, session.pinned_result.data(),
                static_cast<size_t>(count * out_bytes));
  }
  Return(std::move(loan));
}

void DeviceTiler::SegmentOnDevice(const ImageView& view, const OutputView& out,
                                  const SegmentOptions& options, void* caller_stream) const {
  ImageView image = view;
  if (image.rows == 0) image.rows = image.height;
  CheckImage(image, net_);
  device_->CheckReach(image.data, "the image");
  device_->CheckReach(out.data, "the result's memory");
  const TilePlan plan = Plan(image.height, image.width, options);
  const std::unique_ptr<DeviceStream> caller = device_->WrapStream(caller_stream);
  Loan loan = Borrow();
  Session& session = loan.front();
  const auto [window_bytes, logit_bytes] = BatchBytes(plan);
  session.Reserve(window_bytes, logit_bytes, 0, 0);
  for (const Session::Turn& turn : session.turns) turn.stream->WaitFor(*caller);
  Enqueue(session, plan, image, out, 0, image.height, options);
  caller->WaitFor(*session.turns[0].stream);
  // The next borrower's work follows on the same streams, after this.
  Return(std::move(loan));
}

}  // namespace pyengine
