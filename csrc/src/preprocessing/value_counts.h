// How often each value stands in an image of integers: all that any step must know of it.
#pragma once

#include <vector>

#include "preprocessing/measurement.h"

namespace pyengine {

class ValueCounts {
 public:
  ValueCounts(PixelType type, size_t channels);

  void See(const ImageView& rows, ThreadPool& pool);
  // What `step` needs to know of the values after the steps `known`.
  std::vector<Measured> Measure(const PreprocessingStep& step, const Normalisation& known) const;

 private:
  struct Counted {
    float value;
    int64_t count;
  };
  // The values of a group after the steps `known`, in their order.
  std::vector<Counted> Sorted(const Groups& groups, size_t group, const Normalisation& known) const;
  static Measured MeasureSorted(const PreprocessingStep& step, const std::vector<Counted>& sorted);

  const PixelType type_;
  const size_t channels_, values_;
  std::vector<int64_t> counts_;  // by channel, then by value
};

}  // namespace pyengine
