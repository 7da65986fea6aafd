// Threads that submit, cancel, take, resize and close at random, for as long as
// PYENGINE_STRESS_SECONDS says (a second). Meant for ThreadSanitizer and AddressSanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <random>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "pyengine/c_api.h"

namespace {

constexpr int64_t kSide = 40;

using Clock = std::chrono::steady_clock;

Clock::time_point End() {
  const char* seconds = std::getenv("PYENGINE_STRESS_SECONDS");
  return Clock::now() + std::chrono::milliseconds(
                            static_cast<int64_t>(1000 * (seconds ? std::atof(seconds) : 1.0)));
}

// One of the two streams on an engine, which some thread closes and opens anew now and then.
class Place {
 public:
  explicit Place(const pye_engine* engine) : engine_(engine) {}
  ~Place() { pye_stream_close(stream_, PYE_DRAIN); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  void Open(std::mt19937& random) {
    const std::unique_lock lock(mutex_);
    EXPECT_EQ(pye_stream_close(stream_, random() % 2 ? PYE_DRAIN : PYE_DISCARD), PYE_OK);
    EXPECT_EQ(told_, expected_.exchange(0));
    told_ = 0;
    pye_stream_options options;
    pye_stream_options_init(&options, sizeof options);
    options.height = options.width = kSide;
    options.policy = static_cast<int32_t>(random() % 3);
    options.copy = static_cast<int32_t>(random() % 2);
    options.late = static_cast<int32_t>(random() % 2);
    options.deadline_ns = random() % 2 ? 0 : 1 + static_cast<int64_t>(random() % 2000000);
    polled_ = random() % 2 == 0;
    if (!polled_) options.done = Done;
    options.user = this;
    ASSERT_EQ(pye_stream_open(engine_, &options, &stream_), PYE_OK) << pye_last_error();
  }

  void Submit(std::mt19937& random, const std::vector<uint8_t>& pixels) {
    const std::shared_lock lock(mutex_);
    pye_frame frame;
    pye_frame_init(&frame, sizeof frame);
    const int64_t height = 1 + static_cast<int64_t>(random() % kSide);
    frame.image = {pixels.data(), PYE_UINT8, height, kSide, 1, kSide, 1, 1};
    pye_submission submission;
    submission.size = sizeof submission;
    const pye_status status = pye_stream_submit(stream_, &frame, &submission);
    EXPECT_TRUE(status == PYE_OK || status == PYE_BUSY || status == PYE_INVALID_ARGUMENT)
        << pye_last_error();
    if (status == PYE_OK && !polled_) ++expected_;
    if (status == PYE_OK && !polled_ && submission.replaced_number != 0) --expected_;
  }

  void Act(std::mt19937& random) {
    const std::shared_lock lock(mutex_);
    pye_result result;
    pye_stream_stats stats;
    result.size = sizeof result;
    stats.size = sizeof stats;
    switch (random() % 6) {
      case 0:
        pye_stream_cancel(stream_, random() % 2 ? 0 : static_cast<int64_t>(random() % 100));
        break;
      case 1:
        // Smaller ones make submissions fail; both are what a host may do.
        EXPECT_EQ(pye_stream_resize(stream_, kSide - static_cast<int64_t>(random() % 3), kSide, 1),
                  PYE_OK);
        break;
      case 2:
        EXPECT_EQ(pye_stream_statistics(stream_, &stats), PYE_OK);
        EXPECT_EQ(stats.submitted, stats.done + stats.late + stats.replaced + stats.expired +
                                       stats.cancelled + stats.failed + stats.refused +
                                       stats.pending);
        EXPECT_EQ(stats.failed, 0);
        break;
      default:
        if (pye_stream_take(stream_, static_cast<int64_t>(random() % 1000000), &result) == PYE_OK) {
          EXPECT_EQ(pye_stream_release(stream_, result.number), PYE_OK);
        }
    }
  }

 private:
  static void Done(void* user, const pye_result* result) {
    auto& self = *static_cast<Place*>(user);
    ++self.told_;
    if (result->number % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    pye_stream_cancel(self.stream_, result->number + 1);
    if (result->number % 11 == 0) throw 11;
  }

  const pye_engine* const engine_;
  std::shared_mutex mutex_;
  pye_stream* stream_ = nullptr;
  bool polled_ = false;
  std::atomic<int64_t> told_{0}, expected_{0};
};

TEST(Stress, EightThreadsAtRandom) {
  pye_engine_options two;
  pye_engine_options_init(&two, sizeof two);
  two.threads = 2;
  pye_engine* engine = nullptr;
  ASSERT_EQ(pye_engine_open(PYENGINE_TEST_DATA "/tiny.pyengine", &two, &engine), PYE_OK);
  const std::vector<uint8_t> pixels(kSide * kSide, 77);
  {
    Place places[2] = {Place(engine), Place(engine)};
    std::mt19937 seed(1);
    for (Place& place : places) place.Open(seed);
    EXPECT_EQ(pye_engine_close(engine), PYE_BUSY);
    const Clock::time_point end = End();
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        std::mt19937 random(t);
        while (Clock::now() < end) {
          Place& place = places[random() % 2];
          const auto choice = random() % 100;
          if (choice == 0)
            place.Open(random);
          else if (choice < 50)
            place.Submit(random, pixels);
          else
            place.Act(random);
        }
      });
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(pye_engine_close(engine), PYE_OK);
}

}  // namespace
