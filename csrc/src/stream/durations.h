// How long the last frames took, and how old their results were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace pyengine {

// Percentiles by the nearest rank: each is a duration that occurred.
struct Percentiles {
  int64_t p50_ns = 0, p90_ns = 0, p99_ns = 0, max_ns = 0;
};

// Thread-safe. Allocates when it is made, never later.
class Durations {
 public:
  explicit Durations(int64_t last);

  void Add(int64_t age_ns, int64_t compute_ns);

  struct Summary {
    int64_t count = 0;  // of the last ones
    Percentiles age, compute;
  };
  Summary Summarise() const;

 private:
  Percentiles Of(const std::vector<int64_t>& values) const;

  mutable std::mutex mutex_;
  std::vector<int64_t> ages_, computes_;  // rings
  mutable std::vector<int64_t> sorted_;
  size_t next_ = 0, count_ = 0;
};

}  // namespace pyengine
