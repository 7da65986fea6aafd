#include "c_api/convert.h"

#include <type_traits>

#include "c_api/guard.h"
#include "c_api/handle.h"
#include "c_api/option_fields.h"
#include "c_api/structs.h"

namespace pyengine::c {
namespace {

// An enumeration's name in C and its highest enumerator; all begin with 0 and have no gaps.
template <class E>
struct Words;
template <>
struct Words<PixelType> {
  static constexpr const char* kName = "pye_pixel_type";
  static constexpr int32_t kLast = PYE_UINT12_HIGH_FIRST;
};
template <>
struct Words<Accuracy> {
  static constexpr const char* kName = "pye_accuracy";
  static constexpr int32_t kLast = PYE_ACCURACY_REPRODUCIBLE;
};
template <>
struct Words<OnMismatch> {
  static constexpr const char* kName = "pye_on_mismatch";
  static constexpr int32_t kLast = PYE_CPU;
};
template <>
struct Words<TileMode> {
  static constexpr const char* kName = "pye_mode";
  static constexpr int32_t kLast = PYE_NNUNET;
};
template <>
struct Words<PaddingMode> {
  static constexpr const char* kName = "pye_padding";
  static constexpr int32_t kLast = PYE_PADDING_CONSTANT;
};
template <>
struct Words<Augmentation> {
  static constexpr const char* kName = "pye_augmentation";
  static constexpr int32_t kLast = PYE_AUGMENT_MIRROR;
};
template <>
struct Words<FramePolicy> {
  static constexpr const char* kName = "pye_policy";
  static constexpr int32_t kLast = PYE_POLICY_REJECT;
};
template <>
struct Words<LatePolicy> {
  static constexpr const char* kName = "pye_late";
  static constexpr int32_t kLast = PYE_LATE_CANCEL;
};
template <>
struct Words<StreamEnding> {
  static constexpr const char* kName = "pye_ending";
  static constexpr int32_t kLast = PYE_DISCARD;
};
template <>
struct Words<ThreadPolicy> {
  static constexpr const char* kName = "pye_thread_policy";
  static constexpr int32_t kLast = PYE_THREAD_ROUND_ROBIN;
};
template <>
struct Words<LogLevel> {
  static constexpr const char* kName = "pye_log_level";
  static constexpr int32_t kLast = PYE_LOG_DEBUG;
};
template <>
struct Words<OutputKind> {
  static constexpr const char* kName = "pye_output";
  static constexpr int32_t kLast = PYE_LOGITS;
};

// The numbers are the same in both languages.
static_assert(static_cast<int>(PixelType::kFloat32) == PYE_FLOAT32);
static_assert(static_cast<int>(PixelType::kUint16) == PYE_UINT16);
static_assert(static_cast<int>(PixelType::kInt8) == PYE_INT8);
static_assert(static_cast<int>(PixelType::kInt16) == PYE_INT16);
static_assert(static_cast<int>(PixelType::kUint32) == PYE_UINT32);
static_assert(static_cast<int>(PixelType::kInt32) == PYE_INT32);
static_assert(static_cast<int>(PixelType::kFloat64) == PYE_FLOAT64);
static_assert(static_cast<int>(PixelType::kUint12LowFirst) == PYE_UINT12_LOW_FIRST);
static_assert(static_cast<int>(PixelType::kUint12HighFirst) == PYE_UINT12_HIGH_FIRST);
static_assert(static_cast<int>(Accuracy::kFast) == PYE_ACCURACY_FAST);
static_assert(static_cast<int>(Accuracy::kReproducible) == PYE_ACCURACY_REPRODUCIBLE);
static_assert(static_cast<int>(ThreadPolicy::kRoundRobin) == PYE_THREAD_ROUND_ROBIN);
static_assert(static_cast<int>(OnMismatch::kRebuild) == PYE_REBUILD);
static_assert(static_cast<int>(OnMismatch::kCpu) == PYE_CPU);
static_assert(static_cast<int>(TileMode::kConstant) == PYE_CONSTANT);
static_assert(static_cast<int>(TileMode::kGaussian) == PYE_GAUSSIAN);
static_assert(static_cast<int>(TileMode::kNnUnet) == PYE_NNUNET);
static_assert(static_cast<int>(PaddingMode::kReplicate) == PYE_PADDING_REPLICATE);
static_assert(static_cast<int>(PaddingMode::kConstant) == PYE_PADDING_CONSTANT);
static_assert(static_cast<int>(Augmentation::kFlips) == PYE_AUGMENT_FLIPS);
static_assert(static_cast<int>(Augmentation::kD4) == PYE_AUGMENT_D4);
static_assert(static_cast<int>(Augmentation::kMirror) == PYE_AUGMENT_MIRROR);
static_assert(static_cast<int>(OutputKind::kProbabilities) == PYE_PROBABILITIES);
static_assert(static_cast<int>(OutputKind::kLogits) == PYE_LOGITS);
static_assert(static_cast<int>(ErrorCode::kInvalidArgument) == PYE_INVALID_ARGUMENT);
static_assert(static_cast<int>(ErrorCode::kInternal) == PYE_INTERNAL);
static_assert(static_cast<int>(ErrorCode::kTimeout) == PYE_TIMEOUT);
static_assert(static_cast<int>(ErrorCode::kNotFinite) == PYE_NOT_FINITE);
static_assert(static_cast<int>(LogLevel::kWarning) == PYE_LOG_WARNING);
static_assert(static_cast<int>(LogLevel::kDebug) == PYE_LOG_DEBUG);
static_assert(static_cast<int>(FramePolicy::kAll) == PYE_POLICY_ALL);
static_assert(static_cast<int>(FramePolicy::kReject) == PYE_POLICY_REJECT);
static_assert(static_cast<int>(LatePolicy::kCancel) == PYE_LATE_CANCEL);
static_assert(static_cast<int>(StreamEnding::kDiscard) == PYE_DISCARD);
static_assert(static_cast<int>(FrameStatus::kLate) == PYE_FRAME_LATE);
static_assert(static_cast<int>(FrameStatus::kReplaced) == PYE_FRAME_REPLACED);
static_assert(static_cast<int>(FrameStatus::kExpired) == PYE_FRAME_EXPIRED);
static_assert(static_cast<int>(FrameStatus::kCancelled) == PYE_FRAME_CANCELLED);
static_assert(static_cast<int>(FrameStatus::kFailed) == PYE_FRAME_FAILED);

template <class E>
E Word(const char* field, int32_t value) {
  Require(value >= 0 && value <= Words<E>::kLast, std::string(field) + " " + std::to_string(value) +
                                                      " is not one of " + Words<E>::kName +
                                                      ", 0 to " + std::to_string(Words<E>::kLast));
  return static_cast<E>(value);
}

ThreadOptions ThreadsOf(const pye_thread_options* given) {
  const auto c = Adopt(given, pye_thread_options{}, "pye_thread_options");
  constexpr int64_t kMostCores = 1 << 16;
  Require(c.core_count >= 0 && c.core_count <= kMostCores,
          "core_count " + std::to_string(c.core_count) + " must be from 0 to " +
              std::to_string(kMostCores));
  Require(c.core_count == 0 || c.cores != nullptr,
          "cores is NULL, core_count " + std::to_string(c.core_count));
  return {.name = c.name == nullptr ? "" : c.name,
          .cores = {c.cores, c.cores + c.core_count},
          .policy = Word<ThreadPolicy>("policy", c.policy),
          .priority = c.priority};
}

// One field of C options to its counterpart; some need a second field beside it.
template <class Options, class Given>
void Take(Options& options, const Given& given, const auto& field) {
  auto& to = options.*(field.member);
  const auto from = given.*(field.c_member);
  using To = std::remove_reference_t<decltype(to)>;
  if constexpr (std::is_enum_v<To>) {
    to = Word<To>(field.name, from);
  } else if constexpr (std::is_same_v<To, bool>) {
    to = from != 0;
  } else if constexpr (std::is_same_v<To, std::string>) {
    if (from != nullptr) to = from;
  } else if constexpr (std::is_same_v<To, std::vector<std::string>>) {
    to = Folders(from, given.library_folder_count);
  } else if constexpr (std::is_same_v<To, std::vector<uint8_t>>) {
    Require(from != nullptr || given.foreground_count == 0, "foreground has a count and no cells");
    if (from != nullptr) to.assign(from, from + given.foreground_count);
  } else if constexpr (std::is_same_v<To, TileReportFn>) {
    if (from != nullptr)
      to = [from, user = given.user](const TileReport& tiles) {
        from(user, tiles.computed_px, tiles.repeated_px, tiles.background_px);
      };
  } else if constexpr (std::is_same_v<To, ProgressFn>) {
    if (from != nullptr)
      to = [from, user = given.user](int64_t done, int64_t total) {
        return from(user, done, total) != 0;
      };
  } else if constexpr (std::is_same_v<To, std::shared_ptr<Scheduler>>) {
    if (from != nullptr) to = from->scheduler;
  } else if constexpr (std::is_same_v<To, ThreadOptions>) {
    to = ThreadsOf(from);
  } else if constexpr (std::is_same_v<To, const Engine*>) {
    if (from != nullptr) to = &from->engine;
  } else if constexpr (std::is_same_v<To, RunTasksFn>) {
    if (from != nullptr)
      to = [from, user = given.run_tasks_user](int64_t count, void (*task)(void*, int64_t),
                                               void* context) { from(user, count, task, context); };
  } else if constexpr (std::is_same_v<To, CancelFn>) {
    if (from != nullptr) to = [from, user = given.user] { return from(user) != 0; };
  } else {
    to = from;
  }
}

}  // namespace

// Every other default is 0.
pye_engine_options EngineDefaults() {
  return {};
}

pye_segment_options SegmentDefaults() {
  pye_segment_options options{};
  options.overlap = SegmentOptions{}.overlap;
  options.source_scale = SegmentOptions{}.source_scale;
  return options;
}

EngineOptions OptionsOf(const pye_engine_options* given) {
  const pye_engine_options adopted = Adopt(given, EngineDefaults(), "pye_engine_options");
  EngineOptions options;
  ForEachField(kEngineOptionFields, [&](const auto& field) { Take(options, adopted, field); });
  return options;
}

SegmentOptions OptionsOf(const pye_segment_options* given) {
  const pye_segment_options adopted = Adopt(given, SegmentDefaults(), "pye_segment_options");
  SegmentOptions options;
  ForEachField(kSegmentOptionFields, [&](const auto& field) { Take(options, adopted, field); });
  return options;
}

StreamOptions OptionsOf(const pye_stream_options* given) {
  RequirePointer(given, "options");
  const pye_stream_options c = Adopt(given, pye_stream_options{}, "pye_stream_options");
  StreamOptions options;
  options.height = c.height;
  options.width = c.width;
  if (c.slices != 0) options.slices = c.slices;
  options.type = Word<PixelType>("type", c.type);
  options.policy = Word<FramePolicy>("policy", c.policy);
  options.copy = c.copy != 0;
  if (c.queue != 0) options.queue = c.queue;
  if (c.results != 0) options.results = c.results;
  options.output = OutputKindOf(c.output);
  options.deadline_ns = c.deadline_ns;
  options.late = Word<LatePolicy>("late", c.late);
  if (c.done != nullptr)
    options.done = [done = c.done, user = c.user](const FrameResult& result) {
      const pye_result told = ResultOf(result);
      done(user, &told);
    };
  if (c.progress != nullptr)
    options.progress = [progress = c.progress, user = c.user](const FrameResult& result,
                                                              int64_t done) {
      const pye_result so_far = ResultOf(result);
      return progress(user, &so_far, done) != 0;
    };
  options.segment = OptionsOf(c.segment);
  if (c.statistics != 0) options.statistics = c.statistics;
  options.thread = ThreadsOf(c.thread);
  return options;
}

StreamEnding EndingOf(int32_t ending) {
  return Word<StreamEnding>("ending", ending);
}

LogLevel LogLevelOf(int32_t level) {
  return Word<LogLevel>("level", level);
}

Frame FrameOf(const pye_frame* given) {
  RequirePointer(given, "frame");
  const pye_frame c = Adopt(given, FrameDefaults(), "pye_frame");
  return {.image = ViewOf(&c.image),
          .slices = c.slices,
          .slice_stride_bytes = c.slice_stride_bytes,
          .result = c.result,
          .deadline_ns = c.deadline_ns,
          .user = c.user};
}

pye_frame FrameDefaults() {
  pye_frame frame{};
  frame.slices = 1;
  return frame;
}

namespace {

// Both at once mean nothing, and are no type.
int32_t TypeIn(int32_t type) {
  const int32_t order = type & (PYE_LITTLE_ENDIAN | PYE_BIG_ENDIAN);
  return order == (PYE_LITTLE_ENDIAN | PYE_BIG_ENDIAN) ? type : type - order;
}

ByteOrder ByteOrderIn(int32_t type) {
  if ((type & PYE_LITTLE_ENDIAN) != 0) return ByteOrder::kLittle;
  return (type & PYE_BIG_ENDIAN) != 0 ? ByteOrder::kBig : ByteOrder::kNative;
}

int32_t TypeOf(const ImageView& view) {
  const auto type = static_cast<int32_t>(view.type);
  switch (view.byte_order) {
    case ByteOrder::kNative:
      return type;
    case ByteOrder::kLittle:
      return type + PYE_LITTLE_ENDIAN;
    case ByteOrder::kBig:
      return type + PYE_BIG_ENDIAN;
  }
  return type;
}

}  // namespace

pye_result ResultOf(const FrameResult& r) {
  return {.size = sizeof(pye_result),
          .number = r.number,
          .user = r.user,
          .status = static_cast<int32_t>(r.status),
          .error = r.status == FrameStatus::kFailed ? static_cast<int32_t>(r.error) : PYE_OK,
          .message = r.message,
          .submit_ns = r.submit_ns,
          .begin_ns = r.begin_ns,
          .end_ns = r.end_ns,
          .deadline_ns = r.deadline_ns,
          .output = static_cast<int32_t>(r.output),
          .data = r.data,
          .slices = r.slices,
          .classes = r.classes,
          .height = r.height,
          .width = r.width,
          .image = {.data = r.image.data,
                    .type = TypeOf(r.image),
                    .height = r.image.height,
                    .width = r.image.width,
                    .channels = r.image.channels,
                    .row_stride_bytes = r.image.row_stride_bytes,
                    .pixel_stride_bytes = r.image.pixel_stride_bytes,
                    .channel_stride_bytes = r.image.channel_stride_bytes}};
}

ImageView ViewOf(const pye_image* image) {
  RequirePointer(image, "image");
  return {.data = image->data,
          .type = Word<PixelType>("image type", TypeIn(image->type)),
          .height = image->height,
          .width = image->width,
          .channels = image->channels,
          .row_stride_bytes = image->row_stride_bytes,
          .pixel_stride_bytes = image->pixel_stride_bytes,
          .channel_stride_bytes = image->channel_stride_bytes,
          .byte_order = ByteOrderIn(image->type)};
}

OutputKind OutputKindOf(int32_t kind) {
  return Word<OutputKind>("kind", kind);
}

std::vector<std::string> Folders(const char* const* folders, int64_t count) {
  Require(count >= 0, "library_folder_count " + std::to_string(count) + " is negative");
  if (count > 0) RequirePointer(folders, "library_folders");
  std::vector<std::string> all;
  for (int64_t i = 0; i < count; ++i) {
    RequirePointer(folders[i], "a string of library_folders");
    all.emplace_back(folders[i]);
  }
  return all;
}

}  // namespace pyengine::c
