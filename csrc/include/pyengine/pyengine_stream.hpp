/// \file
/// Live frames in C++17: c_stream.h with handles that close themselves. Included by pyengine.hpp.
///
/// \code
/// pye::StreamOptions options;
/// options.height = 496;
/// options.width = 768;
/// options.on_done = [](const pye_result& result) { show(result); };
/// const auto stream = pye::Stream::Open(engine, options);
/// stream.Submit(pye::FrameOf(pye::ImageOf(pixels, 496, 768)));  // never waits for the network
/// \endcode
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pyengine/pyengine.hpp"

namespace pye {

/// One image as a frame, other fields at their defaults.
inline pye_frame FrameOf(const pye_image& image) {
  pye_frame frame{};
  pye_frame_init(&frame, sizeof(frame));
  frame.image = image;
  return frame;
}

/// How a stream is opened: the fields of pye_stream_options, at their defaults. What is below takes
/// the place of `segment`, `done` and `progress`. Callbacks come on the stream's thread.
struct StreamOptions : pye_stream_options {
  StreamOptions() { pye_stream_options_init(this, sizeof(pye_stream_options)); }

  SegmentOptions each;  ///< How every frame is segmented.
  /// Told of each frame that ended. Empty: results are fetched by Take().
  std::function<void(const pye_result&)> on_done;
  /// Told of a stack after each slice; false cancels it.
  std::function<bool(const pye_result&, int64_t)> on_slice;
};

/// A result that lies in the stream's memory, which goes back to the stream with it. The stream
/// must outlive it.
class TakenResult {
 public:
  TakenResult(pye_stream* stream, const pye_result& result)
      : lease_(stream, Release{result.number}), result_(result) {}
  const pye_result& operator*() const noexcept { return result_; }
  const pye_result* operator->() const noexcept { return &result_; }

 private:
  struct Release {
    int64_t number;
    void operator()(pye_stream* stream) const noexcept { pye_stream_release(stream, number); }
  };
  std::unique_ptr<pye_stream, Release> lease_;
  pye_result result_;
};

/// Frames of one source on their way through one engine, which it keeps open. All methods may be
/// called at once, on any thread, but for Close() and the destructor.
class Stream {
 public:
  /// Memory and plans are ready when it returns.
  static Stream Open(const Engine& engine, const StreamOptions& options) {
    Stream stream(std::make_unique<State>(engine.handle_, options));
    State& state = *stream.state_;
    pye_stream_options given = state.options;
    given.segment = state.call.options();
    given.user = &state;
    given.done = state.options.on_done ? &State::Done : nullptr;
    given.progress = state.options.on_slice ? &State::Slice : nullptr;
    detail::Check(pye_stream_open(engine.handle(), &given, &state.handle));
    return stream;
  }

  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&&) noexcept = default;
  /// Discards what has not ended. Not from a callback of its own.
  ~Stream() = default;

  /// Null once closed or moved from.
  pye_stream* handle() const noexcept { return state_ ? state_->handle : nullptr; }

  /// Hands a frame over; false where the policy refuses it. Its pixels are borrowed until it ends,
  /// unless the stream copies them.
  bool Submit(const pye_frame& frame, pye_submission* submission = nullptr) const {
    const pye_status status = pye_stream_submit(handle(), &frame, submission);
    if (status == PYE_BUSY) return false;
    detail::Check(status);
    return true;
  }

  /// The oldest result that was not taken; empty if none came in time (negative: no limit).
  /// \throws Error PYE_CANCELLED: none will come, the stream was stopped.
  std::optional<TakenResult> Take(std::chrono::nanoseconds timeout) const {
    auto result = detail::Sized<pye_result>();
    const pye_status status = pye_stream_take(handle(), timeout.count(), &result);
    if (status == PYE_TIMEOUT) return std::nullopt;
    detail::Check(status);
    return std::optional<TakenResult>(std::in_place, handle(), result);
  }

  /// Cancels frame `number`, 0: all. Does not wait.
  void Cancel(int64_t number = 0) const { detail::Check(pye_stream_cancel(handle(), number)); }

  /// Waits until no frame waits or is at work; false if that did not come in time. What a callback
  /// threw comes out here, of Stop() or of Close().
  bool Flush(std::chrono::nanoseconds timeout = std::chrono::nanoseconds(-1)) const {
    const pye_status status = pye_stream_flush(handle(), timeout.count());
    if (status == PYE_TIMEOUT) return false;
    detail::Check(status);
    state_->Rethrow();
    return true;
  }

  void Resize(int64_t height, int64_t width, int64_t slices = 1) const {
    detail::Check(pye_stream_resize(handle(), height, width, slices));
  }

  /// Takes no more frames and returns once all have ended.
  void Stop(pye_ending ending) const {
    detail::Check(pye_stream_stop(handle(), ending));
    state_->Rethrow();
  }

  /// Stop(), then frees the stream.
  void Close(pye_ending ending) {
    detail::Check(pye_stream_close(handle(), ending));
    state_->handle = nullptr;
    const std::unique_ptr<State> closed = std::move(state_);
    closed->Rethrow();
  }

  pye_stream_stats Statistics() const {
    auto stats = detail::Sized<pye_stream_stats>();
    detail::Check(pye_stream_statistics(handle(), &stats));
    return stats;
  }

 private:
  // Where callbacks find what is theirs; its address stays.
  struct State {
    State(std::shared_ptr<pye_engine> owner, const StreamOptions& given)
        : engine(std::move(owner)), options(given), call(options.each) {
      if (options.each.on_progress)
        options.each.on_progress = [this, ask = given.each.on_progress](int64_t done,
                                                                        int64_t total) {
          return Keep([&] { return ask(done, total); });
        };
      if (options.each.is_cancelled)
        options.each.is_cancelled = [this, ask = given.each.is_cancelled] {
          return !Keep([&] { return !ask(); });
        };
    }
    ~State() { pye_stream_close(handle, PYE_DISCARD); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    static void Done(void* user, const pye_result* result) {
      auto* state = static_cast<State*>(user);
      state->Keep([&] {
        state->options.on_done(*result);
        return true;
      });
    }
    static int32_t Slice(void* user, const pye_result* result, int64_t done) {
      auto* state = static_cast<State*>(user);
      return state->Keep([&] { return state->options.on_slice(*result, done); }) ? 1 : 0;
    }
    // False where `body` throws, which the next Rethrow() hands on.
    template <class F>
    bool Keep(F&& body) noexcept {
      try {
        return body();
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!error) error = std::current_exception();
        return false;
      }
    }
    void Rethrow() {
      std::exception_ptr first;
      {
        const std::lock_guard<std::mutex> lock(mutex);
        std::swap(first, error);
      }
      if (first) std::rethrow_exception(first);
    }

    std::shared_ptr<pye_engine> engine;
    StreamOptions options;
    detail::Call call;
    pye_stream* handle = nullptr;
    std::mutex mutex;
    std::exception_ptr error;
  };

  explicit Stream(std::unique_ptr<State> state) : state_(std::move(state)) {}

  std::unique_ptr<State> state_;
};

/// A frame's end, with a copy of its result.
struct FrameResult {
  pye_frame_status status = PYE_FRAME_DONE;
  int64_t number = 0;  ///< As in pye_submission.
  int64_t submit_ns = 0;
  int64_t begin_ns = 0;  ///< 0: its computation did not begin.
  int64_t end_ns = 0;
  std::vector<uint8_t> labels;  ///< (slices, height, width), if the stream's output is labels.
  std::vector<float> scores;    ///< (slices, classes, height, width) otherwise.
};

/// A stream that promises each frame's end. Copies each result; Stream's callbacks do not.
class FutureStream {
 public:
  /// `on_done` must be empty: futures take its place.
  static FutureStream Open(const Engine& engine, StreamOptions options) {
    if (options.on_done) throw Error(PYE_INVALID_ARGUMENT, "futures take the place of on_done");
    options.on_done = [](const pye_result& result) {
      const std::unique_ptr<Promise> promise(static_cast<Promise*>(result.user));
      try {
        promise->set_value(Copy(result));
      } catch (...) {
        promise->set_exception(std::current_exception());
      }
    };
    return FutureStream(Stream::Open(engine, options));
  }

  /// What becomes of a frame: a FrameResult, or Error where it failed or was refused (PYE_BUSY).
  /// `user` of the frame is not yours here.
  std::future<FrameResult> Submit(pye_frame frame) const {
    auto promise = std::make_unique<Promise>();
    std::future<FrameResult> future = promise->get_future();
    frame.user = promise.get();
    auto submission = detail::Sized<pye_submission>();
    if (stream_.Submit(frame, &submission)) {
      (void)promise.release();  // the callback's from here on
    } else {
      promise->set_exception(std::make_exception_ptr(Error(PYE_BUSY, pye_last_error())));
    }
    if (submission.replaced_number != 0) {
      const std::unique_ptr<Promise> replaced(static_cast<Promise*>(submission.replaced_user));
      FrameResult result;
      result.status = PYE_FRAME_REPLACED;
      result.number = submission.replaced_number;
      replaced->set_value(std::move(result));
    }
    return future;
  }

  /// For counters, cancelling and closing.
  Stream& stream() noexcept { return stream_; }
  const Stream& stream() const noexcept { return stream_; }

 private:
  using Promise = std::promise<FrameResult>;

  explicit FutureStream(Stream stream) : stream_(std::move(stream)) {}

  static FrameResult Copy(const pye_result& from) {
    if (from.status == PYE_FRAME_FAILED)
      throw Error(static_cast<pye_status>(from.error), from.message);
    FrameResult to;
    to.status = static_cast<pye_frame_status>(from.status);
    to.number = from.number;
    to.submit_ns = from.submit_ns;
    to.begin_ns = from.begin_ns;
    to.end_ns = from.end_ns;
    if (from.data == nullptr) return to;
    const auto count = static_cast<size_t>(from.slices * from.classes * from.height * from.width);
    if (from.output == PYE_LABELS) {
      const auto* labels = static_cast<const uint8_t*>(from.data);
      to.labels.assign(labels, labels + count);
    } else {
      const auto* scores = static_cast<const float*>(from.data);
      to.scores.assign(scores, scores + count);
    }
    return to;
  }

  Stream stream_;
};

}  // namespace pye
