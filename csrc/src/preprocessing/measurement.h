// What a step must know of an image, and what measures it: values seen row by row, in passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/thread_pool.h"
#include "preprocessing/preprocessing.h"
#include "pyengine/image_view.h"

namespace pyengine {

// What a step needs to know of one channel, or of all together (a group).
struct Measured {
  double mean = 0, deviation = 0;
  double low = 0, high = 0;
};

// Statistics are of one channel each, or of all together.
struct Groups {
  size_t channels = 1;
  bool together = false;

  size_t count() const { return together ? 1 : channels; }
  size_t of(size_t channel) const { return together ? 0 : channel; }
  int64_t pixels(int64_t plane) const {
    return together ? plane * static_cast<int64_t>(channels) : plane;
  }
};

// Measures one step, by one group after the other. Rows are seen after the steps `known`.
class Measurement {
 public:
  Measurement() = default;
  virtual ~Measurement() = default;
  Measurement(const Measurement&) = delete;
  Measurement& operator=(const Measurement&) = delete;

  virtual void See(const ImageView& rows, const Normalisation& known, ThreadPool& pool) = 0;
  // All rows were seen, of `plane` pixels. False: they have to be seen again.
  virtual bool EndPass(int64_t plane) = 0;
  virtual std::vector<Measured> result() const = 0;
};

// Of images of floats. `plane`: pixels of a channel.
std::unique_ptr<Measurement> MeasureMoments(Groups groups);
std::unique_ptr<Measurement> MeasurePercentiles(const PreprocessingStep& step, Groups groups,
                                                int64_t plane);

}  // namespace pyengine
