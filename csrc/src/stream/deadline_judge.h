// Whether a frame can still be done by its deadline.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace pyengine {

// "Can" is meant: by the shortest time that one of the last slices took. Of one thread.
class DeadlineJudge {
 public:
  // `deadline_ns`: on the clock; 0: none. Where many frames in a row were given up, one is tried,
  // so that a time that was long once does not end everything.
  bool CanBeDone(int64_t deadline_ns, int64_t slices, int64_t now_ns) {
    if (deadline_ns == 0) return true;
    if (now_ns >= deadline_ns) return false;
    const int64_t shortest = count_ == 0 ? 0 : *std::min_element(last_.cbegin(), End());
    if (shortest <= (deadline_ns - now_ns) / slices || ++given_up_ > kGivenUpInARow) {
      given_up_ = 0;
      return true;
    }
    return false;
  }

  void Learn(int64_t compute_ns, int64_t slices) {
    last_[next_] = compute_ns / slices;
    next_ = (next_ + 1) % last_.size();
    count_ = std::min(count_ + 1, last_.size());
  }

 private:
  static constexpr int kGivenUpInARow = 8;

  std::array<int64_t, 16>::const_iterator End() const {
    return last_.cbegin() + static_cast<std::ptrdiff_t>(count_);
  }

  std::array<int64_t, 16> last_{};
  size_t next_ = 0, count_ = 0;
  int given_up_ = 0;
};

}  // namespace pyengine
