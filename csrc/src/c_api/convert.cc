#include "c_api/convert.h"

#include <type_traits>

#include "c_api/guard.h"
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
  static constexpr int32_t kLast = PYE_FLOAT32;
};
template <>
struct Words<Accuracy> {
  static constexpr const char* kName = "pye_accuracy";
  static constexpr int32_t kLast = PYE_ACCURACY_FAST;
};
template <>
struct Words<OnMismatch> {
  static constexpr const char* kName = "pye_on_mismatch";
  static constexpr int32_t kLast = PYE_CPU;
};
template <>
struct Words<TileMode> {
  static constexpr const char* kName = "pye_mode";
  static constexpr int32_t kLast = PYE_GAUSSIAN;
};
template <>
struct Words<PaddingMode> {
  static constexpr const char* kName = "pye_padding";
  static constexpr int32_t kLast = PYE_PADDING_CONSTANT;
};
template <>
struct Words<Augmentation> {
  static constexpr const char* kName = "pye_augmentation";
  static constexpr int32_t kLast = PYE_AUGMENT_D4;
};
template <>
struct Words<OutputKind> {
  static constexpr const char* kName = "pye_output";
  static constexpr int32_t kLast = PYE_LOGITS;
};

// The numbers are the same in both languages.
static_assert(static_cast<int>(PixelType::kFloat32) == PYE_FLOAT32);
static_assert(static_cast<int>(PixelType::kUint16) == PYE_UINT16);
static_assert(static_cast<int>(Accuracy::kFast) == PYE_ACCURACY_FAST);
static_assert(static_cast<int>(OnMismatch::kRebuild) == PYE_REBUILD);
static_assert(static_cast<int>(OnMismatch::kCpu) == PYE_CPU);
static_assert(static_cast<int>(TileMode::kConstant) == PYE_CONSTANT);
static_assert(static_cast<int>(TileMode::kGaussian) == PYE_GAUSSIAN);
static_assert(static_cast<int>(PaddingMode::kReplicate) == PYE_PADDING_REPLICATE);
static_assert(static_cast<int>(PaddingMode::kConstant) == PYE_PADDING_CONSTANT);
static_assert(static_cast<int>(Augmentation::kFlips) == PYE_AUGMENT_FLIPS);
static_assert(static_cast<int>(Augmentation::kD4) == PYE_AUGMENT_D4);
static_assert(static_cast<int>(OutputKind::kProbabilities) == PYE_PROBABILITIES);
static_assert(static_cast<int>(OutputKind::kLogits) == PYE_LOGITS);
static_assert(static_cast<int>(ErrorCode::kInvalidArgument) == PYE_INVALID_ARGUMENT);
static_assert(static_cast<int>(ErrorCode::kInternal) == PYE_INTERNAL);

template <class E>
E Word(const char* field, int32_t value) {
  Require(value >= 0 && value <= Words<E>::kLast, std::string(field) + " " + std::to_string(value) +
                                                      " is not one of " + Words<E>::kName +
                                                      ", 0 to " + std::to_string(Words<E>::kLast));
  return static_cast<E>(value);
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
  } else if constexpr (std::is_same_v<To, ProgressFn>) {
    if (from != nullptr)
      to = [from, user = given.user](int64_t done, int64_t total) {
        return from(user, done, total) != 0;
      };
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

ImageView ViewOf(const pye_image* image) {
  RequirePointer(image, "image");
  return {.data = image->data,
          .type = Word<PixelType>("image type", image->type),
          .height = image->height,
          .width = image->width,
          .channels = image->channels,
          .row_stride_bytes = image->row_stride_bytes,
          .pixel_stride_bytes = image->pixel_stride_bytes,
          .channel_stride_bytes = image->channel_stride_bytes};
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
