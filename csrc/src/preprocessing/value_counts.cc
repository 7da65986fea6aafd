#include "preprocessing/value_counts.h"

#include <algorithm>
#include <cmath>

#include "preprocessing/percentile.h"
#include "preprocessing/read_row.h"

namespace pyengine {
namespace {

template <class T>
void CountRow(const ImageView& rows, int64_t channel, int64_t row, int64_t* counts) {
  const char* line = LineOf(rows, channel, row);
  for (int64_t x = 0; x < rows.width; ++x)
    ++counts[*reinterpret_cast<const T*>(line + x * rows.pixel_stride_bytes)];
}

}  // namespace

ValueCounts::ValueCounts(PixelType type, size_t channels)
    : type_(type),
      channels_(channels),
      values_(type == PixelType::kUint8 ? 1 << 8 : 1 << 16),
      counts_(channels * values_, 0) {}

void ValueCounts::See(const ImageView& rows, ThreadPool& pool) {
  // Tables of a thread each, one channel after the other: memory does not grow with channels.
  std::vector<int64_t> tables(static_cast<size_t>(pool.threads()) * values_);
  for (size_t c = 0; c < channels_; ++c) {
    std::fill(tables.begin(), tables.end(), 0);
    pool.ParallelFor(rows.rows, [&](int64_t i, int thread) {
      int64_t* counts = tables.data() + static_cast<size_t>(thread) * values_;
      const auto channel = static_cast<int64_t>(c);
      if (type_ == PixelType::kUint8)
        CountRow<uint8_t>(rows, channel, rows.first_row + i, counts);
      else
        CountRow<uint16_t>(rows, channel, rows.first_row + i, counts);
    });
    for (size_t t = 0; t < tables.size(); ++t) counts_[c * values_ + t % values_] += tables[t];
  }
}

std::vector<Measured> ValueCounts::Measure(const PreprocessingStep& step,
                                           const Normalisation& known) const {
  const Groups groups{.channels = channels_, .together = step.together};
  std::vector<Measured> all;
  all.reserve(groups.count());
  for (size_t g = 0; g < groups.count(); ++g)
    all.push_back(MeasureSorted(step, Sorted(groups, g, known)));
  return all;
}

std::vector<ValueCounts::Counted> ValueCounts::Sorted(const Groups& groups, size_t group,
                                                      const Normalisation& known) const {
  std::vector<Counted> counted;
  std::vector<float> values(values_);
  for (size_t c = 0; c < channels_; ++c) {
    if (groups.of(c) != group) continue;
    for (size_t v = 0; v < values_; ++v)
      values[v] = static_cast<float>(v) * known.gain[c] + known.offset[c];
    ApplyFurtherSteps(known, static_cast<int64_t>(c), values.data(), static_cast<int64_t>(values_));
    for (size_t v = 0; v < values_; ++v)
      if (const int64_t count = counts_[c * values_ + v])
        counted.push_back({.value = values[v], .count = count});
  }
  std::stable_sort(counted.begin(), counted.end(),
                   [](const Counted& a, const Counted& b) { return a.value < b.value; });
  return counted;
}

Measured ValueCounts::MeasureSorted(const PreprocessingStep& step,
                                    const std::vector<Counted>& sorted) {
  int64_t n = 0;
  for (const Counted& c : sorted) n += c.count;
  Measured measured;
  if (step.source == PreprocessingStep::Source::kMoments) {
    double sum = 0, squares = 0;
    for (const Counted& c : sorted) sum += double(c.value) * double(c.count);
    measured.mean = sum / double(n);
    for (const Counted& c : sorted)
      squares += (c.value - measured.mean) * (c.value - measured.mean) * double(c.count);
    measured.deviation = std::sqrt(squares / double(n));
    return measured;
  }
  const auto value_of_rank = [&](int64_t rank) {
    for (const Counted& c : sorted) {
      if (rank < c.count) return c.value;
      rank -= c.count;
    }
    return sorted.back().value;
  };
  const auto percentile = [&](double fraction) {
    const PercentileRanks ranks = RanksOf(fraction, n, step.rule);
    return ranks.Between(value_of_rank(ranks.rank), value_of_rank(ranks.next));
  };
  if (step.low) measured.low = percentile(*step.low);
  if (step.high) measured.high = percentile(*step.high);
  return measured;
}

}  // namespace pyengine
