#include "stream/frame_stream.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "checks.h"
#include "core/cancellation.h"
#include "core/checked_math.h"
#include "core/steady_clock.h"
#include "core/worker_thread.h"
#include "tiling/checked_image.h"
#include "tiling/pixel_rect.h"

namespace pyengine {
namespace {

#ifdef NDEBUG
constexpr bool kSealsBorrowedPixels = false;
#else
constexpr bool kSealsBorrowedPixels = true;
#endif

constexpr int64_t kMostFrames = 4096, kMostStatistics = 1 << 20, kMostSlices = 1 << 20;

[[noreturn]] void Refuse(const std::string& problem) {
  throw Error(ErrorCode::kInvalidArgument, problem);
}

void CheckRange(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value < least || value > most)
    Refuse(std::string(name) + " " + std::to_string(value) + " must be from " +
           std::to_string(least) + " to " + std::to_string(most));
}

StreamOptions Checked(StreamOptions options) {
  CheckSize(options.height, options.width);
  CheckRegion(options.segment, options.height, options.width);
  CheckOptions(options.thread);
  options.segment.every_tile = true;  // nothing is allocated or faster for a blank frame
  CheckRange("slices", options.slices, 1, kMostSlices);
  CheckRange("queue", options.queue, 1, kMostFrames);
  CheckRange("results", options.results, 1, kMostFrames);
  CheckRange("statistics", options.statistics, 1, kMostStatistics);
  if (options.deadline_ns < 0)
    Refuse("deadline_ns " + std::to_string(options.deadline_ns) + " must not be negative");
  return options;
}

// One at work and one that is brought, beside those that wait and those that ended. Of threads that
// bring frames at once, each needs a place while it copies.
size_t SlotCount(const StreamOptions& options) {
  const int64_t waiting = options.policy == FramePolicy::kAll ? options.queue : 1;
  return static_cast<size_t>(waiting + 2 + (options.copy ? 1 : 0) +
                             (options.done ? 0 : options.results));
}

}  // namespace

FrameStream::FrameStream(const Engine& engine, StreamOptions options)
    : engine_(engine),
      options_(Checked(std::move(options))),
      too_late_(options_.late == LatePolicy::kCancel ? std::function<bool()>([this] {
        return running_deadline_ns_ != 0 && NowNs() > running_deadline_ns_;
      })
                                                     : nullptr),
      durations_(options_.statistics),
      sizes_(SizesFor(options_.height, options_.width, options_.slices)),
      waiting_(SlotCount(options_)),
      untaken_(SlotCount(options_)) {
  for (size_t i = 0; i < SlotCount(options_); ++i) {
    slots_.push_back(std::make_unique<Slot>());
    slots_.back()->memory = SlotMemory(sizes_);
    memory_bytes_ += slots_.back()->memory.bytes();
  }
  thread_ =
      StartWorker([this] { RunThread(); }, {.options = options_.thread, .name = "pyengine stream"});
  Lock lock(mutex_);
  ended_.wait(lock, [&] { return ready_; });
  if (!why_not_ready_) return;
  lock.unlock();
  thread_.join();
  std::rethrow_exception(why_not_ready_);
}

FrameStream::~FrameStream() {
  if (forks_ != Forks()) {
    thread_.detach();
    return;
  }
  Stop(StreamEnding::kDiscard);
  thread_.join();
}

SlotSizes FrameStream::SizesFor(int64_t height, int64_t width, int64_t slices) const {
  const NetworkGeometry& net = engine_.info().geometry;
  const int64_t of_slice = options_.segment.has_region()
                               ? CheckedMul(options_.segment.region_height_px,
                                            options_.segment.region_width_px, "region")
                               : CheckedMul(height, width, "frame");
  const int64_t pixels = CheckedMul(of_slice, slices, "frame");
  const bool labels = options_.output == OutputKind::kLabels;
  const int64_t pixel_bytes = labels ? 1 : CheckedMul(net.classes, sizeof(float), "result");
  return {.pixels = options_.copy ? static_cast<size_t>(DensePixelBytes(
                                        options_.type, slices, height, width, net.channels))
                                  : 0,
          .result = static_cast<size_t>(CheckedMul(pixels, pixel_bytes, "result"))};
}

// ---- any thread ---------------------------------------------------------------------------------

void FrameStream::CheckFrame(const Frame& frame, const SlotSizes& sizes) const {
  const ImageView& image = frame.image;
  CheckedImage::OnDevice(image, engine_.info().geometry.channels);  // all but the values
  CheckRegion(options_.segment, image.height, image.width);
  CheckRange("slices", frame.slices, 1, kMostSlices);
  if (image.rows != 0 && image.rows != image.height) Refuse("a frame needs all of its rows");
  if (frame.slices > 1) CheckedMul(frame.slice_stride_bytes, frame.slices, "stack");
  const SlotSizes needed = SizesFor(image.height, image.width, frame.slices);
  const auto fits = [&](size_t bytes, size_t room) {
    if (bytes > room)
      Refuse("the frame of " + std::to_string(frame.slices) + " x " + std::to_string(image.height) +
             " x " + std::to_string(image.width) + " px needs " + std::to_string(bytes) +
             " bytes, the stream has " + std::to_string(room) +
             "; open it for larger frames, or resize it");
  };
  if (options_.copy)
    fits(static_cast<size_t>(
             DensePixelBytes(image.type, frame.slices, image.height, image.width, image.channels)),
         sizes.pixels);
  if (frame.result == nullptr) fits(needed.result, sizes.result);
}

void FrameStream::RequireThread() const {
  if (forks_ != Forks())
    throw Error(ErrorCode::kUnsupported,
                "the stream's thread stayed in the process that was forked; open a stream here");
}

void FrameStream::RequireOtherThread(const char* what) const {
  RequireThread();
  if (std::this_thread::get_id() == thread_.get_id())
    Refuse(std::string("a stream's callback must not ") + what +
           " its own stream, which would wait for itself");
}

template <class Ready>
bool FrameStream::WaitFor(Lock& lock, std::condition_variable& changed, int64_t timeout_ns,
                          Ready ready) {
  // What is longer than a year is without end.
  constexpr int64_t kLongestNs = int64_t(366) * 24 * 3600 * 1000000000;
  if (timeout_ns >= 0 && timeout_ns < kLongestNs)
    return changed.wait_for(lock, std::chrono::nanoseconds(timeout_ns), ready);
  changed.wait(lock, ready);
  return true;
}

Slot* FrameStream::PlaceFor(Submission& submission) {
  const auto running = std::count_if(slots_.begin(), slots_.end(), [](const auto& slot) {
    return slot->state == Slot::State::kRunning;
  });
  if (options_.policy == FramePolicy::kReject && pending_ > 0) return nullptr;
  if (options_.policy == FramePolicy::kAll && pending_ - running >= options_.queue) return nullptr;
  for (const auto& slot : slots_) {
    if (slot->state != Slot::State::kFree) continue;
    slot->state = Slot::State::kFilling;
    slot->cancelled.store(false, std::memory_order_relaxed);
    slot->message[0] = '\0';
    slot->result.number = submission.number;
    ++pending_;
    return slot.get();
  }
  return nullptr;
}

Submission FrameStream::Submit(const Frame& frame) {
  const int64_t now = NowNs();
  RequireThread();
  Submission submission;
  Lock lock(mutex_);
  if (stopped_) throw Error(ErrorCode::kCancelled, "the stream was stopped");
  CheckFrame(frame, sizes_);
  submission.number = ++last_number_;
  Slot* const slot = PlaceFor(submission);
  if (slot == nullptr) {
    ++counts_.refused;
    submission.refused = true;
    return submission;
  }
  slot->frame = frame;
  if (options_.copy) {
    lock.unlock();
    CopyPixels(slot->frame, slot->memory);
    lock.lock();
  } else if (kSealsBorrowedPixels) {
    slot->seal = Seal(frame);
  }
  const int64_t deadline = frame.deadline_ns == 0 ? options_.deadline_ns : frame.deadline_ns;
  const PixelRect region = RegionOf(options_.segment, frame.image.height, frame.image.width);
  slot->result = {
      .number = submission.number,
      .user = frame.user,
      .message = slot->message,
      .submit_ns = now,
      .deadline_ns = deadline > 0 ? now + std::min(deadline, INT64_MAX - now) : 0,
      .output = options_.output,
      .slices = frame.slices,
      .classes = options_.output == OutputKind::kLabels ? 1 : engine_.info().geometry.classes,
      .height = region.rows.size(),
      .width = region.columns.size(),
      .image = slot->frame.image};
  if (options_.policy == FramePolicy::kNewest && !waiting_.empty()) {
    Slot* const replaced = waiting_.Pop();
    submission.replaced_number = replaced->result.number;
    submission.replaced_user = replaced->frame.user;
    ++counts_.replaced;
    --pending_;
    Free(*replaced);
  }
  slot->state = Slot::State::kWaiting;
  waiting_.Push(slot);
  lock.unlock();
  arrived_.notify_one();
  return submission;
}

FrameResult FrameStream::Take(int64_t timeout_ns) {
  if (options_.done) Refuse("results of this stream go to its callback");
  RequireThread();
  Lock lock(mutex_);
  const auto decided = [&] { return !untaken_.empty() || (stopped_ && pending_ == 0); };
  if (!WaitFor(lock, ended_, timeout_ns, decided))
    throw Error(ErrorCode::kTimeout, "no result within " + std::to_string(timeout_ns) + " ns");
  if (untaken_.empty()) throw Error(ErrorCode::kCancelled, "the stream was stopped");
  Slot* const slot = untaken_.Pop();
  slot->state = Slot::State::kTaken;
  ++taken_;
  return slot->result;
}

Slot* FrameStream::FindSlot(int64_t number) {
  for (const auto& slot : slots_)
    if (slot->state != Slot::State::kFree && slot->result.number == number) return slot.get();
  return nullptr;
}

void FrameStream::Release(int64_t number) {
  RequireThread();
  const Lock lock(mutex_);
  Slot* const slot = FindSlot(number);
  if (slot == nullptr || slot->state != Slot::State::kTaken)
    Refuse("the result of frame " + std::to_string(number) + " is not taken, or was released");
  --taken_;
  Free(*slot);
}

void FrameStream::Free(Slot& slot) {
  slot.state = Slot::State::kFree;
  if (!slot.replaced_memory) return;
  memory_bytes_ -= slot.memory.bytes();
  slot.memory = std::move(slot.next_memory);
  slot.replaced_memory = false;
}

void FrameStream::Cancel(int64_t number) {
  RequireThread();
  const Lock lock(mutex_);
  for (const auto& slot : slots_)
    if (number == 0 || slot->result.number == number)
      slot->cancelled.store(true, std::memory_order_relaxed);
}

void FrameStream::Flush(int64_t timeout_ns) {
  RequireOtherThread("flush");
  Lock lock(mutex_);
  if (!WaitFor(lock, ended_, timeout_ns, [&] { return pending_ == 0; }))
    throw Error(ErrorCode::kTimeout, std::to_string(pending_) + " frames have not ended within " +
                                         std::to_string(timeout_ns) + " ns");
}

void FrameStream::Resize(int64_t height, int64_t width, int64_t slices) {
  RequireOtherThread("resize");
  CheckSize(height, width);
  CheckRange("slices", slices, 1, kMostSlices);
  const SlotSizes sizes = SizesFor(height, width, slices);
  engine_.Prepare(height, width, options_.segment);
  std::vector<SlotMemory> fresh;
  fresh.reserve(slots_.size());
  for (size_t i = 0; i < slots_.size(); ++i) fresh.emplace_back(sizes);
  const Lock lock(mutex_);
  if (stopped_) throw Error(ErrorCode::kCancelled, "the stream was stopped");
  sizes_ = sizes;
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = *slots_[i];
    memory_bytes_ += fresh[i].bytes();
    if (slot.replaced_memory) memory_bytes_ -= slot.next_memory.bytes();
    slot.next_memory = std::move(fresh[i]);
    slot.replaced_memory = true;
    if (slot.state == Slot::State::kFree) Free(slot);
  }
}

void FrameStream::Stop(StreamEnding ending) {
  RequireOtherThread("stop");
  Lock lock(mutex_);
  stopped_ = true;
  if (ending == StreamEnding::kDiscard)
    for (const auto& slot : slots_) slot->cancelled.store(true, std::memory_order_relaxed);
  arrived_.notify_all();
  ended_.notify_all();  // whoever waits for results
  ended_.wait(lock, [&] { return pending_ == 0; });
}

FrameStream::Counts FrameStream::counts() const {
  const Lock lock(mutex_);
  return {.ended = counts_, .pending = pending_};
}

// ---- the stream's thread ------------------------------------------------------------------------

void FrameStream::RunThread() {
  std::exception_ptr problem;
  try {
    engine_.Prepare(options_.height, options_.width, options_.segment);
  } catch (...) {
    problem = std::current_exception();
  }
  Lock lock(mutex_);
  why_not_ready_ = problem;
  ready_ = true;
  ended_.notify_all();
  if (problem) return;
  for (;;) {
    arrived_.wait(lock, [&] { return !waiting_.empty() || (stopped_ && pending_ == 0); });
    if (waiting_.empty()) return;
    Slot& slot = *waiting_.Pop();
    slot.state = Slot::State::kRunning;
    lock.unlock();
    Compute(slot);
    Tell(slot.result);
    lock.lock();
    End(slot);
    if (stopped_) arrived_.notify_all();
  }
}

void FrameStream::End(Slot& slot) {
  switch (slot.result.status) {
    case FrameStatus::kDone:
      ++counts_.done;
      break;
    case FrameStatus::kLate:
      ++counts_.late;
      break;
    case FrameStatus::kReplaced:
      ++counts_.replaced;
      break;
    case FrameStatus::kExpired:
      ++counts_.expired;
      break;
    case FrameStatus::kCancelled:
      ++counts_.cancelled;
      break;
    case FrameStatus::kFailed:
      ++counts_.failed;
      break;
  }
  --pending_;
  if (options_.done) {
    Free(slot);
  } else {
    slot.state = Slot::State::kEnded;
    untaken_.Push(&slot);
    const auto too_many = [&] {
      return static_cast<int64_t>(untaken_.size()) + taken_ > options_.results;
    };
    while (options_.policy != FramePolicy::kAll && !untaken_.empty() && too_many()) {
      ++counts_.lost;
      Free(*untaken_.Pop());
    }
  }
  ended_.notify_all();
}

void FrameStream::Tell(const FrameResult& result) noexcept {
  if (!options_.done) return;
  try {
    options_.done(result);
  } catch (...) {  // NOLINT(bugprone-empty-catch)
    // The host's own affair; other frames are not to suffer.
  }
}

void FrameStream::Compute(Slot& slot) {
  FrameResult& result = slot.result;
  const auto end = [&](FrameStatus status) {
    result.status = status;
    result.end_ns = NowNs();
  };
  const auto passed = [&] { return result.deadline_ns != 0 && NowNs() > result.deadline_ns; };
  if (slot.cancelled.load(std::memory_order_relaxed)) return end(FrameStatus::kCancelled);
  if (!judge_.CanBeDone(result.deadline_ns, result.slices, NowNs()))
    return end(FrameStatus::kExpired);
  result.begin_ns = NowNs();
  try {
    ComputeSlices(slot);
    if (kSealsBorrowedPixels && !options_.copy && Seal(slot.frame) != slot.seal)
      Refuse("the frame's pixels changed while they were borrowed");
    end(passed() ? FrameStatus::kLate : FrameStatus::kDone);
    durations_.Add(result.end_ns - result.submit_ns, result.end_ns - result.begin_ns);
    judge_.Learn(result.end_ns - result.begin_ns, result.slices);
    return;
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kCancelled) {
      const bool asked = slot.cancelled.load(std::memory_order_relaxed);
      const bool late = !asked && options_.late == LatePolicy::kCancel && passed();
      end(late ? FrameStatus::kExpired : FrameStatus::kCancelled);
    } else {
      slot.Fail(e.code(), e.what());
    }
  } catch (const std::bad_alloc&) {
    slot.Fail(ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::exception& e) {
    slot.Fail(ErrorCode::kInternal, e.what());
  } catch (...) {
    slot.Fail(ErrorCode::kInternal, "unknown exception");
  }
  result.data = nullptr;
  result.end_ns = NowNs();
}

void FrameStream::ComputeSlices(Slot& slot) {
  FrameResult& result = slot.result;
  const Frame& frame = slot.frame;
  void* const to = frame.result != nullptr ? frame.result : slot.memory.result.data();
  result.data = to;
  running_deadline_ns_ = result.deadline_ns;
  const CancellationScope cancellation(too_late_, &slot.cancelled);
  const int64_t values = result.classes * result.height * result.width;  // of a slice
  ImageView image = frame.image;
  for (int64_t slice = 0; slice < frame.slices; ++slice) {
    ThrowIfCancelled();
    if (options_.output == OutputKind::kLabels)
      engine_.SegmentLabels(image, static_cast<uint8_t*>(to) + slice * values, result.width,
                            options_.segment);
    else
      engine_.SegmentScores(image, options_.output, static_cast<float*>(to) + slice * values,
                            options_.segment);
    image.data = static_cast<const char*>(image.data) + frame.slice_stride_bytes;
    if (frame.slices > 1 && options_.progress && !options_.progress(result, slice + 1))
      throw Error(ErrorCode::kCancelled, "cancelled by the progress callback");
  }
}

}  // namespace pyengine
