#include "preprocessing/survey.h"

#include <optional>
#include <string>
#include <utility>

#include "preprocessing/measurement.h"
#include "preprocessing/value_counts.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

using Source = PreprocessingStep::Source;

[[noreturn]] void Refuse(const std::string& problem) {
  throw Error(ErrorCode::kInvalidArgument, problem);
}

// Fixed numbers of one channel with those that were measured in their places.
PointStep Filled(const PreprocessingStep& step, size_t channel, const Measured& measured) {
  PointStep filled = step.fixed.empty() ? PointStep{.kind = step.kind} : step.fixed[channel];
  switch (step.source) {
    case Source::kFixed:
      break;
    case Source::kMoments:
      filled.a = static_cast<float>(measured.mean);
      filled.b = static_cast<float>(measured.deviation + step.eps);
      break;
    case Source::kPercentileRange:
      filled.a = static_cast<float>(measured.low);
      filled.b = static_cast<float>(measured.high - measured.low + step.eps);
      break;
    case Source::kPercentileLimits:
      if (step.low) filled.a = static_cast<float>(measured.low);
      if (step.high) filled.b = static_cast<float>(measured.high);
      break;
  }
  return filled;
}

}  // namespace

// The known steps grow: of integers all at once, when all were counted; of floats one by one, each
// measured on what those before made of the image.
class Survey::State {
 public:
  State(const Preprocessing& preprocessing, int64_t height, ThreadPool& pool)
      : steps_(preprocessing.rest), height_(height), pool_(pool), known_(preprocessing.first) {
    AddFixedSteps();
  }

  bool needs_image() const { return step_ < steps_.size(); }
  const Normalisation& known() const { return known_; }

  void See(const ImageView& rows) {
    if (!needs_image()) return;
    if (rows.first_row != next_row_)
      Refuse("rows from " + std::to_string(rows.first_row) + " on: the next row to be seen is " +
             std::to_string(next_row_));
    if (!type_) type_ = rows.type;
    if (rows.type != *type_) Refuse("rows of one image must have one type");
    if (*type_ == PixelType::kFloat32)
      SeeFloats(rows);
    else
      SeeIntegers(rows);
    next_row_ = (next_row_ + rows.rows) % height_;
  }

 private:
  bool last(const ImageView& rows) const { return rows.first_row + rows.rows == height_; }
  const PreprocessingStep& step() const { return steps_[step_]; }

  void SeeIntegers(const ImageView& rows) {
    if (!counts_) counts_.emplace(rows.type, known_.gain.size());
    ValueCounts& counts = *counts_;
    counts.See(rows, pool_);
    while (last(rows) && needs_image()) EndStep(counts.Measure(step(), known_));
  }

  void SeeFloats(const ImageView& rows) {
    const int64_t plane = height_ * rows.width;
    const Groups groups{.channels = known_.gain.size(), .together = step().together};
    if (!measurement_)
      measurement_ = step().source == Source::kMoments ? MeasureMoments(groups)
                                                       : MeasurePercentiles(step(), groups, plane);
    measurement_->See(rows, known_, pool_);
    if (!last(rows) || !measurement_->EndPass(plane)) return;
    const std::vector<Measured> measured = measurement_->result();
    measurement_.reset();
    EndStep(measured);
  }

  void EndStep(const std::vector<Measured>& measured) {
    std::vector<PointStep> filled;
    filled.reserve(known_.gain.size());
    const Groups groups{.channels = known_.gain.size(), .together = step().together};
    for (size_t c = 0; c < groups.channels; ++c)
      filled.push_back(Filled(step(), c, measured[groups.of(c)]));
    known_.then.push_back(std::move(filled));
    ++step_;
    AddFixedSteps();
  }

  void AddFixedSteps() {
    for (; needs_image() && step().source == Source::kFixed; ++step_)
      known_.then.push_back(step().fixed);
  }

  const std::vector<PreprocessingStep>& steps_;
  const int64_t height_;
  ThreadPool& pool_;

  Normalisation known_;  // the steps whose numbers are known
  size_t step_ = 0;      // the first whose numbers are not
  int64_t next_row_ = 0;
  std::optional<PixelType> type_;  // once rows were seen
  std::optional<ValueCounts> counts_;
  std::unique_ptr<Measurement> measurement_;  // of `step_`
};

Survey::Survey(const Preprocessing& preprocessing, int64_t height, ThreadPool& pool)
    : state_(std::make_unique<State>(preprocessing, height, pool)) {}
Survey::~Survey() = default;
Survey::Survey(Survey&&) noexcept = default;

bool Survey::needs_image() const {
  return state_->needs_image();
}

void Survey::See(const ImageView& rows) {
  state_->See(rows);
}

const Normalisation& Survey::result() const {
  if (state_->needs_image()) Refuse("the image has to be seen (again), from its first row on");
  return state_->known();
}

Normalisation NormalisationFor(const Preprocessing& preprocessing, const ImageView& image,
                               ThreadPool& pool) {
  Survey survey(preprocessing, image.height, pool);
  while (survey.needs_image()) survey.See(image);
  return survey.result();
}

}  // namespace pyengine
