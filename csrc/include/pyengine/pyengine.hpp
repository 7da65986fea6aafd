/// \file
/// C++17 over the C interface: handles that close themselves, exceptions, results by value.
///
/// Header-only: nothing of C++ passes between your compiler and the library's. `engine.h` has the
/// library's own classes, for programs that are built by the same compiler.
///
/// \code
/// const auto engine = pye::Engine::Open("em-membranes.pyengine");
/// const std::vector<uint8_t> labels = engine.Labels(pye::ImageOf(pixels, height, width));
/// \endcode
///
/// Live frames are in pyengine_stream.hpp, other forms of results in pyengine_results.hpp; both are
/// included here. Structs are those of c_api.h. A failed call throws pye::Error; what a callback
/// throws ends the call and comes out of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#if __cplusplus >= 202002L || (defined(_MSVC_LANG) && _MSVC_LANG >= 202002L)
#include <span>
#endif

#include "pyengine/c_api.h"

namespace pye {

class Stream;

/// A call that failed: its status, and the library's words.
class Error : public std::runtime_error {
 public:
  Error(pye_status status, const std::string& message)
      : std::runtime_error(message), status_(status) {}
  pye_status status() const noexcept { return status_; }

 private:
  pye_status status_;
};

namespace detail {

inline void Check(pye_status status) {
  if (status != PYE_OK) throw Error(status, pye_last_error());
}

// A struct that says how long it is, as this program knows it.
template <class T>
T Sized() {
  T value{};
  value.size = sizeof(T);
  return value;
}

// What a callback throws may not pass through C: it waits here until the call has returned.
class Thrown {
 public:
  // The value of `body`, or `otherwise` where it throws.
  template <class F, class T>
  T Catch(F&& body, T otherwise) noexcept {
    try {
      return static_cast<T>(body());
    } catch (...) {
      error_ = std::current_exception();
      return otherwise;
    }
  }
  void Rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
};

template <class T>
constexpr int32_t PixelTypeOf() {
  if constexpr (std::is_same_v<T, uint8_t>) return PYE_UINT8;
  if constexpr (std::is_same_v<T, int8_t>) return PYE_INT8;
  if constexpr (std::is_same_v<T, uint16_t>) return PYE_UINT16;
  if constexpr (std::is_same_v<T, int16_t>) return PYE_INT16;
  if constexpr (std::is_same_v<T, uint32_t>) return PYE_UINT32;
  if constexpr (std::is_same_v<T, int32_t>) return PYE_INT32;
  if constexpr (std::is_same_v<T, float>) return PYE_FLOAT32;
  if constexpr (std::is_same_v<T, double>) return PYE_FLOAT64;
  return -1;
}

}  // namespace detail

/// Dense pixels (height, width, channels) as the library takes them. Borrows: they must outlive
/// the call that takes the image.
template <class T>
pye_image ImageOf(const T* pixels, int64_t height, int64_t width, int64_t channels = 1) {
  static_assert(detail::PixelTypeOf<T>() >= 0, "pixels are integers of 8 to 32 bits or floats");
  pye_image image{};
  image.data = pixels;
  image.type = detail::PixelTypeOf<T>();
  image.height = height;
  image.width = width;
  image.channels = channels;
  image.channel_stride_bytes = sizeof(T);
  image.pixel_stride_bytes = channels * image.channel_stride_bytes;
  image.row_stride_bytes = width * image.pixel_stride_bytes;
  return image;
}

#ifdef __cpp_lib_span
/// As above; `pixels` must hold as many values as the sides say.
/// \throws Error PYE_INVALID_ARGUMENT.
template <class T>
pye_image ImageOf(std::span<T> pixels, int64_t height, int64_t width, int64_t channels = 1) {
  const auto fits = [&](size_t count) {
    return height > 0 && width > 0 && channels > 0 && count % static_cast<size_t>(width) == 0 &&
           count / static_cast<size_t>(width) % static_cast<size_t>(channels) == 0 &&
           count / static_cast<size_t>(width) / static_cast<size_t>(channels) ==
               static_cast<size_t>(height);
  };
  if (!fits(pixels.size()))
    throw Error(PYE_INVALID_ARGUMENT, std::to_string(pixels.size()) + " values are no image of " +
                                          std::to_string(height) + " x " + std::to_string(width) +
                                          " px and " + std::to_string(channels) + " channel(s)");
  return ImageOf<std::remove_const_t<T>>(pixels.data(), height, width, channels);
}
#endif

/// How an engine is opened: the fields of pye_engine_options, at their defaults.
struct EngineOptions : pye_engine_options {
  EngineOptions() { pye_engine_options_init(this, sizeof(pye_engine_options)); }
};

/// How one image is segmented: the fields of pye_segment_options, at their defaults. The callbacks
/// below take the place of the C ones.
struct SegmentOptions : pye_segment_options {
  SegmentOptions() { pye_segment_options_init(this, sizeof(pye_segment_options)); }

  /// (tiles done, tiles in all) after each batch of tiles; false cancels the call.
  std::function<bool(int64_t, int64_t)> on_progress;
  /// Asked about every 5 ms; true cancels the call.
  std::function<bool()> is_cancelled;
};

/// Decides which of several calls and streams computes. Those that name it keep it alive.
class Scheduler {
 public:
  Scheduler() {
    pye_scheduler* handle = nullptr;
    detail::Check(pye_scheduler_open(&handle));
    handle_.reset(handle);
  }
  /// For SegmentOptions::scheduler.
  pye_scheduler* handle() const noexcept { return handle_.get(); }

 private:
  struct Close {
    void operator()(pye_scheduler* handle) const noexcept { pye_scheduler_close(handle); }
  };
  std::unique_ptr<pye_scheduler, Close> handle_;
};

/// The class of an image.
struct Classification {
  int64_t index = 0;
  std::vector<float> probabilities;  ///< One per label.
};

namespace detail {

// Options of one call, and what its callbacks throw.
class Call {
 public:
  explicit Call(const SegmentOptions& options) : given_(options), options_(options) {
    if (!given_.on_progress && !given_.is_cancelled) return;
    options_.user = this;
    options_.progress = given_.on_progress ? &Call::Progress : nullptr;
    options_.cancelled = given_.is_cancelled ? &Call::Cancelled : nullptr;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const pye_segment_options* options() const { return &options_; }
  void Check(pye_status status) const {
    thrown_.Rethrow();
    detail::Check(status);
  }

 private:
  static int32_t Progress(void* user, int64_t done, int64_t total) {
    auto* call = static_cast<Call*>(user);
    return call->thrown_.Catch([&] { return call->given_.on_progress(done, total); }, int32_t{0});
  }
  static int32_t Cancelled(void* user) {
    auto* call = static_cast<Call*>(user);
    return call->thrown_.Catch([&] { return call->given_.is_cancelled(); }, int32_t{1});
  }

  const SegmentOptions& given_;
  pye_segment_options options_;
  Thrown thrown_;
};

}  // namespace detail

/// A network, ready to run. All const methods may run at once, on any thread. Streams keep what
/// they need of it.
class Engine {
 public:
  /// \throws Error PYE_IO, PYE_BAD_ENGINE_FILE, PYE_UNSUPPORTED, PYE_INVALID_ARGUMENT.
  static Engine Open(const std::string& path, const EngineOptions& options = {}) {
    pye_engine* handle = nullptr;
    detail::Check(pye_engine_open(path.c_str(), &options, &handle));
    return Engine(handle);
  }
  /// The same for the bytes of an engine file, of which nothing is kept.
  static Engine OpenMemory(const void* data, size_t bytes, const EngineOptions& options = {}) {
    pye_engine* handle = nullptr;
    detail::Check(pye_engine_open_memory(data, bytes, &options, &handle));
    return Engine(handle);
  }
  /// The same for a regular file that is open for reading.
  static Engine OpenDescriptor(int descriptor, const EngineOptions& options = {}) {
    pye_engine* handle = nullptr;
    detail::Check(pye_engine_open_descriptor(descriptor, &options, &handle));
    return Engine(handle);
  }

  // Moved, not copied: two names for one engine would hide who closes it.
  Engine(Engine&&) noexcept = default;
  Engine& operator=(Engine&&) noexcept = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() = default;

  /// For what this header does not wrap, such as memory of a GPU. Null once moved from.
  pye_engine* handle() const noexcept { return handle_.get(); }

  /// What the file says; its strings live as long as the engine.
  pye_engine_info Info() const {
    auto info = detail::Sized<pye_engine_info>();
    detail::Check(pye_engine_describe(handle(), &info));
    return info;
  }
  pye_class_info Class(int64_t index) const {
    auto info = detail::Sized<pye_class_info>();
    detail::Check(pye_engine_class(handle(), index, &info));
    return info;
  }
  pye_layer_info Layer(int64_t index) const {
    auto info = detail::Sized<pye_layer_info>();
    detail::Check(pye_engine_layer(handle(), index, &info));
    return info;
  }

  pye_memory Memory() const {
    auto memory = detail::Sized<pye_memory>();
    detail::Check(pye_engine_memory(handle(), &memory));
    return memory;
  }
  /// Frees working memory that no call uses.
  void Trim() const { detail::Check(pye_engine_trim(handle())); }
  /// Makes plans, memory and pages ready for images of this size.
  void Prepare(int64_t height, int64_t width, const SegmentOptions& options = {}) const {
    detail::Check(pye_engine_prepare(handle(), height, width, &options));
  }
  /// Whether an image is on the network's scale.
  pye_range CheckRange(const pye_image& image, const SegmentOptions& options = {}) const {
    auto range = detail::Sized<pye_range>();
    detail::Check(pye_engine_check_range(handle(), &image, &options, &range));
    return range;
  }

  pye_tile_plan Plan(int64_t height, int64_t width, const SegmentOptions& options = {}) const {
    auto plan = detail::Sized<pye_tile_plan>();
    detail::Check(pye_engine_plan(handle(), height, width, &options, &plan));
    return plan;
  }

  /// Labels (height, width) into `labels`, rows `row_stride_bytes` apart.
  void Labels(const pye_image& image, uint8_t* labels, int64_t row_stride_bytes,
              const SegmentOptions& options = {}) const {
    const detail::Call call(options);
    call.Check(pye_segment_labels(handle(), &image, labels, row_stride_bytes, call.options()));
  }
  /// Labels (height, width), dense.
  std::vector<uint8_t> Labels(const pye_image& image, const SegmentOptions& options = {}) const {
    std::vector<uint8_t> labels(Pixels(image, options));
    const bool whole = options.region_width_px == 0;
    Labels(image, labels.data(), whole ? image.width : options.region_width_px, options);
    return labels;
  }

  /// PYE_PROBABILITIES or PYE_LOGITS (classes, height, width) into `scores`, dense.
  void Scores(const pye_image& image, pye_output kind, float* scores,
              const SegmentOptions& options = {}) const {
    const detail::Call call(options);
    call.Check(pye_segment_scores(handle(), &image, kind, scores, call.options()));
  }
  /// The same by value.
  std::vector<float> Scores(const pye_image& image, pye_output kind,
                            const SegmentOptions& options = {}) const {
    std::vector<float> scores(Pixels(image, options) * static_cast<size_t>(Info().classes));
    Scores(image, kind, scores.data(), options);
    return scores;
  }

  /// Rows [row_begin, row_end) of the result, and the rows of the image that Band() needs for them.
  pye_band BandRows(int64_t height, int64_t width, int64_t row_begin, int64_t row_end,
                    const SegmentOptions& options = {}) const {
    pye_band band{row_begin, row_end, 0, 0};
    detail::Check(pye_band_rows(handle(), height, width, &options, &band));
    return band;
  }
  /// A band of the result into `out`; see pye_segment_band().
  void Band(const pye_image& image, const pye_band& band, pye_output kind, void* out,
            const SegmentOptions& options = {}) const {
    const detail::Call call(options);
    call.Check(pye_segment_band(handle(), &image, &band, kind, out, call.options()));
  }

  Classification Classify(const pye_image& image) const {
    Classification found;
    found.probabilities.resize(static_cast<size_t>(Info().label_count));
    detail::Check(pye_engine_classify(handle(), &image, found.probabilities.data(), &found.index));
    return found;
  }

  /// Pixels as the network takes them, for Run(): (channels, height, width).
  std::vector<float> Normalise(const pye_image& image) const {
    std::vector<float> planes(Pixels(image) * static_cast<size_t>(Info().channels));
    detail::Check(pye_engine_normalise(handle(), &image, planes.data()));
    return planes;
  }
  /// The network itself on `count` inputs (channels, height, width); see pye_engine_run().
  std::vector<float> Run(const float* in, int64_t count, int64_t height, int64_t width) const {
    int64_t shape[3];
    detail::Check(pye_engine_run_output_shape(handle(), height, width, shape));
    std::vector<float> out(static_cast<size_t>(count * shape[0] * shape[1] * shape[2]));
    detail::Check(pye_engine_run(handle(), in, out.data(), count, height, width));
    return out;
  }

 private:
  friend class Stream;

  explicit Engine(pye_engine* handle)
      : handle_(handle, [](pye_engine* e) { pye_engine_close(e); }) {}

  // Pixels of a result: of the image, or of the region in it. An image that the library will refuse
  // gets an empty result, not a huge one.
  static size_t Pixels(const pye_image& image, const pye_segment_options& options = {}) {
    constexpr int64_t kMostPx = int64_t{1} << 30;
    const bool whole = options.region_height_px == 0 && options.region_width_px == 0;
    const int64_t height = whole ? image.height : options.region_height_px;
    const int64_t width = whole ? image.width : options.region_width_px;
    const auto sane = [](int64_t side, int64_t most) { return side > 0 && side <= most; };
    const bool fits = sane(image.height, kMostPx) && sane(image.width, kMostPx) &&
                      sane(height, image.height) && sane(width, image.width);
    return fits ? static_cast<size_t>(height) * static_cast<size_t>(width) : 0;
  }

  // Shared with the streams on it: the last one closes.
  std::shared_ptr<pye_engine> handle_;
};

}  // namespace pye

#include "pyengine/pyengine_results.hpp"
#include "pyengine/pyengine_stream.hpp"
