#include "file/read_preprocessing.h"

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace pyengine {
namespace {

using Kind = PointStep::Kind;
using Source = PreprocessingStep::Source;

constexpr float kHighest = std::numeric_limits<float>::max();

// One number for all channels, or one each.
std::vector<double> Values(const Json& list, size_t channels) {
  const auto& items = list.Items();
  if (items.size() != 1 && items.size() != channels)
    list.Fail("must hold 1 or " + std::to_string(channels) + " numbers");
  std::vector<double> values;
  values.reserve(channels);
  for (size_t c = 0; c < channels; ++c) values.push_back(items[items.size() == 1 ? 0 : c].Number());
  return values;
}

// y = gain * x + offset.
struct Affine {
  std::vector<double> gain, offset;
};

Affine ReadFixedMoments(const Json& json, size_t channels) {
  const std::vector<double> mean = Values(json.At("mean"), channels);
  Affine step;
  step.gain = Values(json.At("std"), channels);
  for (size_t c = 0; c < channels; ++c) {
    if (!(step.gain[c] > 0)) json.At("std").Fail("must be positive");
    step.gain[c] = 1 / step.gain[c];
    step.offset.push_back(-mean[c] * step.gain[c]);
  }
  return step;
}

// Steps compose: y = gain2 * (gain1 * x + offset1) + offset2.
void Compose(const Affine& step, const Json& json, Normalisation& n) {
  for (size_t c = 0; c < n.gain.size(); ++c) {
    n.offset[c] = static_cast<float>(step.gain[c] * n.offset[c] + step.offset[c]);
    n.gain[c] = static_cast<float>(step.gain[c] * n.gain[c]);
    if (!std::isfinite(n.gain[c]) || !std::isfinite(n.offset[c])) json.Fail("overflows float32");
  }
}

float Float(double value, const Json& json) {
  const auto rounded = static_cast<float>(value);
  if (!std::isfinite(rounded)) json.Fail("overflows float32");
  return rounded;
}

PreprocessingStep Fixed(Kind kind, std::vector<PointStep> channels) {
  return {.kind = kind, .source = Source::kFixed, .fixed = std::move(channels)};
}

PreprocessingStep FurtherAffine(const Affine& step, const Json& json) {
  std::vector<PointStep> channels;
  channels.reserve(step.gain.size());
  for (size_t c = 0; c < step.gain.size(); ++c)
    channels.push_back(
        {.kind = Kind::kAffine, .a = Float(step.gain[c], json), .b = Float(step.offset[c], json)});
  return Fixed(Kind::kAffine, std::move(channels));
}

// Over which axes a mean or a percentile is taken: all of the image's, or all but the channels.
bool AllChannels(const Json& json) {
  bool channel = false, y = false, x = false;
  for (const Json& axis : json.At("axes").Items()) {
    const std::string& name = axis.String();
    if (name == "channel")
      channel = true;
    else if (name == "y")
      y = true;
    else if (name == "x")
      x = true;
    else
      axis.Fail("'" + name + "' is not channel, y or x");
  }
  if (!x || !y) json.At("axes").Fail("must name y and x, and may name channel");
  return channel;
}

double Eps(const Json& json) {
  const double eps = json.At("eps").Number();
  if (!(eps > 0 && eps <= 0.1)) json.At("eps").Fail("must be above 0 and at most 0.1");
  return eps;
}

std::optional<double> Fraction(const Json& json, const char* name) {
  if (!json.Has(name)) return {};
  const double percentile = json.At(name).Number();
  if (!(percentile >= 0 && percentile <= 100)) json.At(name).Fail("must be from 0 to 100");
  return percentile / 100;
}

PreprocessingStep ReadMoments(const Json& json, size_t) {
  return {.kind = Kind::kStandardise,
          .source = Source::kMoments,
          .fixed = {},
          .together = AllChannels(json),
          .eps = Eps(json)};
}

PreprocessingStep ReadScaleRange(const Json& json, size_t) {
  const PreprocessingStep step{.kind = Kind::kStandardise,
                               .source = Source::kPercentileRange,
                               .fixed = {},
                               .together = AllChannels(json),
                               .eps = Eps(json),
                               .low = Fraction(json, "min_percentile"),
                               .high = Fraction(json, "max_percentile"),
                               .rule = PercentileRule::kLinear};
  json.At("min_percentile");
  json.At("max_percentile");
  if (!(step.low < step.high)) json.At("max_percentile").Fail("must be above min_percentile");
  return step;
}

PreprocessingStep ReadClip(const Json& json, size_t channels) {
  PreprocessingStep step{.kind = Kind::kClip, .source = Source::kFixed, .fixed = {}};
  step.low = Fraction(json, "min_percentile");
  step.high = Fraction(json, "max_percentile");
  step.rule = PercentileRule::kInvertedCdf;
  if (json.Has("min") && step.low) json.At("min").Fail("stands beside min_percentile");
  if (json.Has("max") && step.high) json.At("max").Fail("stands beside max_percentile");
  if (!json.Has("min") && !step.low && !json.Has("max") && !step.high)
    json.Fail("needs min, max or a percentile");
  const std::vector<double> least(channels, -kHighest), most(channels, kHighest);
  const auto min = json.Has("min") ? Values(json.At("min"), channels) : least;
  const auto max = json.Has("max") ? Values(json.At("max"), channels) : most;
  for (size_t c = 0; c < channels; ++c) {
    if (!(min[c] < max[c])) json.At("max").Fail("must be above min");
    step.fixed.push_back({.kind = Kind::kClip, .a = Float(min[c], json), .b = Float(max[c], json)});
  }
  if (step.low && step.high && !(*step.low < *step.high))
    json.At("max_percentile").Fail("must be above min_percentile");
  if (step.low || step.high) {
    step.source = Source::kPercentileLimits;
    step.together = AllChannels(json);
  }
  return step;
}

PreprocessingStep ReadBinarize(const Json& json, size_t channels) {
  std::vector<PointStep> steps;
  for (double threshold : Values(json.At("threshold"), channels))
    steps.push_back({.kind = Kind::kBinarize, .a = Float(threshold, json), .b = 0});
  return Fixed(Kind::kBinarize, std::move(steps));
}

PreprocessingStep ReadTruncation(const Json& json, size_t channels) {
  static const std::map<std::string, std::pair<float, float>> kRanges = {
      {"uint8", {0, 0xFF}},
      {"int8", {-0x80, 0x7F}},
      {"uint16", {0, 0xFFFF}},
      {"int16", {-0x8000, 0x7FFF}},
      {"float32", {-kHighest, kHighest}}};
  const Json& dtype = json.At("dtype");
  const auto range = kRanges.find(dtype.String());
  if (range == kRanges.end())
    dtype.Fail("'" + dtype.String() + "' is not float32, uint8, int8, uint16 or int16");
  // Values are float32 throughout.
  if (range->first == "float32") return Fixed(Kind::kAffine, {});
  const auto [least, most] = range->second;
  const PointStep step{.kind = Kind::kTruncate, .a = least, .b = most};
  return Fixed(Kind::kTruncate, std::vector<PointStep>(channels, step));
}

using ReadStep = PreprocessingStep (*)(const Json& json, size_t channels);
constexpr std::pair<const char*, ReadStep> kSteps[] = {
    {"zero_mean_unit_variance", ReadMoments},
    {"scale_range", ReadScaleRange},
    {"clip", ReadClip},
    {"binarize", ReadBinarize},
    {"ensure_dtype", ReadTruncation},
};

PreprocessingStep ReadNamedStep(const Json& json, size_t channels) {
  const std::string& name = json.At("name").String();
  std::string known = "scale_linear, fixed_zero_mean_unit_variance";
  for (const auto& [word, read] : kSteps) {
    if (name == word) return read(json, channels);
    known += std::string(", ") + word;
  }
  json.At("name").Fail("unknown preprocessing '" + name + "'; " + known + " exist");
}

// Whether the step is affine, which those at the beginning compose to one.
bool ReadAffine(const Json& json, size_t channels, Affine& step) {
  const std::string& name = json.At("name").String();
  if (name == "scale_linear")
    step = {.gain = Values(json.At("gain"), channels),
            .offset = Values(json.At("offset"), channels)};
  else if (name == "fixed_zero_mean_unit_variance")
    step = ReadFixedMoments(json, channels);
  else
    return false;
  return true;
}

}  // namespace

Preprocessing ReadPreprocessing(const Json& steps, size_t channels) {
  Preprocessing all;
  Normalisation& first = all.first;
  first.gain.assign(channels, 1.0f);
  first.offset.assign(channels, 0.0f);
  for (const Json& json : steps.Items()) {
    Affine affine;
    const bool is_affine = ReadAffine(json, channels, affine);
    if (is_affine && first.affine() && !all.depends_on_image()) {
      Compose(affine, json, first);
      continue;
    }
    PreprocessingStep step =
        is_affine ? FurtherAffine(affine, json) : ReadNamedStep(json, channels);
    if (step.source == Source::kFixed && step.fixed.empty()) continue;  // changes nothing
    if (step.source == Source::kFixed && !all.depends_on_image())
      first.then.push_back(std::move(step.fixed));
    else
      all.rest.push_back(std::move(step));
  }
  return all;
}

}  // namespace pyengine
