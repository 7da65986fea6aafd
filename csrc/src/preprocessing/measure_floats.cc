#include <cmath>
#include <optional>
#include <utility>

#include "preprocessing/measurement.h"
#include "preprocessing/percentile.h"
#include "preprocessing/read_row.h"

namespace pyengine {
namespace {

// Calls f(channel, row - first row, thread, values) for each row after the known steps.
template <class F>
void ForRows(const ImageView& rows, const Normalisation& known, ThreadPool& pool, const F& f) {
  const auto width = static_cast<size_t>(rows.width);
  std::vector<float> buffers(static_cast<size_t>(pool.threads()) * width);
  pool.ParallelFor(rows.rows, [&](int64_t i, int thread) {
    float* row = buffers.data() + static_cast<size_t>(thread) * width;
    for (int64_t c = 0; c < rows.channels; ++c) {
      ReadRow(rows, c, rows.first_row + i, known, row);
      f(static_cast<size_t>(c), i, thread, row);
    }
  });
}

// Eight sums side by side, which compilers vectorise; the order follows from the column alone.
double RowSum(const float* row, int64_t width, double centre, bool squared) {
  double sums[8] = {};
  for (int64_t x = 0; x < width; ++x) {
    const double from_centre = double(row[x]) - centre;
    sums[x % 8] += squared ? from_centre * from_centre : from_centre;
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// A pass for the mean, and one for the squares about it.
class Moments final : public Measurement {
 public:
  explicit Moments(Groups groups) : groups_(groups), sums_(groups.channels, 0.0) {}

  void See(const ImageView& rows, const Normalisation& known, ThreadPool& pool) override {
    const size_t n = groups_.channels;
    std::vector<double> sums(static_cast<size_t>(rows.rows) * n);
    ForRows(rows, known, pool, [&](size_t c, int64_t i, int, const float* row) {
      const double centre = means_.empty() ? 0.0 : means_[groups_.of(c)];
      sums[static_cast<size_t>(i) * n + c] = RowSum(row, rows.width, centre, !means_.empty());
    });
    for (size_t i = 0; i < sums.size(); ++i) sums_[i % n] += sums[i];
  }

  bool EndPass(int64_t plane) override {
    std::vector<double> averages(groups_.count(), 0.0);
    for (size_t c = 0; c < groups_.channels; ++c) averages[groups_.of(c)] += sums_[c];
    for (double& average : averages) average /= double(groups_.pixels(plane));
    sums_.assign(groups_.channels, 0.0);
    (means_.empty() ? means_ : variances_) = std::move(averages);
    return !variances_.empty();
  }

  std::vector<Measured> result() const override {
    std::vector<Measured> all;
    all.reserve(means_.size());
    for (size_t g = 0; g < means_.size(); ++g)
      all.push_back({.mean = means_[g], .deviation = std::sqrt(variances_[g])});
    return all;
  }

 private:
  const Groups groups_;
  std::vector<double> sums_;  // by channel
  std::vector<double> means_, variances_;
};

// Passes of a search for ranks, in all groups at a time.
class Percentiles final : public Measurement {
 public:
  Percentiles(const PreprocessingStep& step, Groups groups, int64_t plane)
      : groups_(groups),
        low_(RanksOrNone(step.low, step, plane)),
        high_(RanksOrNone(step.high, step, plane)) {
    std::vector<int64_t> ranks;
    for (const auto& wanted : {low_, high_}) {
      if (!wanted) continue;
      ranks.push_back(wanted->rank);
      ranks.push_back(wanted->next);
    }
    searches_.assign(groups.count(), RankSearch(ranks));
    BeginPass();
  }

  void See(const ImageView& rows, const Normalisation& known, ThreadPool& pool) override {
    const size_t size = counts_.size();
    std::vector<int64_t> tables(static_cast<size_t>(pool.threads()) * size);
    ForRows(rows, known, pool, [&](size_t c, int64_t, int thread, const float* row) {
      const size_t group = groups_.of(c);
      int64_t* counts = tables.data() + static_cast<size_t>(thread) * size + first_table_[group];
      for (int64_t x = 0; x < rows.width; ++x) searches_[group].Count(row[x], counts);
    });
    for (size_t i = 0; i < tables.size(); ++i) counts_[i % size] += tables[i];
  }

  bool EndPass(int64_t) override {
    for (size_t g = 0; g < searches_.size(); ++g)
      searches_[g].EndPass(counts_.data() + first_table_[g]);
    BeginPass();
    return searches_[0].done();
  }

  std::vector<Measured> result() const override {
    std::vector<Measured> all;
    for (const RankSearch& search : searches_) {
      size_t i = 0;
      const auto value = [&](const PercentileRanks& ranks) {
        i += 2;
        return ranks.Between(search.Value(i - 2), search.Value(i - 1));
      };
      Measured measured;
      if (low_) measured.low = value(*low_);
      if (high_) measured.high = value(*high_);
      all.push_back(measured);
    }
    return all;
  }

 private:
  std::optional<PercentileRanks> RanksOrNone(std::optional<double> fraction,
                                             const PreprocessingStep& step, int64_t plane) const {
    if (!fraction) return {};
    return RanksOf(*fraction, groups_.pixels(plane), step.rule);
  }

  void BeginPass() {
    first_table_.assign(1, 0);
    for (const RankSearch& search : searches_)
      first_table_.push_back(first_table_.back() +
                             static_cast<size_t>(search.tables() * RankSearch::kTableSize));
    counts_.assign(first_table_.back(), 0);
  }

  const Groups groups_;
  const std::optional<PercentileRanks> low_, high_;
  std::vector<RankSearch> searches_;  // by group
  std::vector<size_t> first_table_;   // of each search in `counts_`
  std::vector<int64_t> counts_;
};

}  // namespace

std::unique_ptr<Measurement> MeasureMoments(Groups groups) {
  return std::make_unique<Moments>(groups);
}

std::unique_ptr<Measurement> MeasurePercentiles(const PreprocessingStep& step, Groups groups,
                                                int64_t plane) {
  return std::make_unique<Percentiles>(step, groups, plane);
}

}  // namespace pyengine
