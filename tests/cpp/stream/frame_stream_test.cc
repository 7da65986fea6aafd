#include "stream/frame_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "core/steady_clock.h"
#include "gate.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

constexpr int64_t kHeight = 24, kWidth = 40;
constexpr int64_t kLong = int64_t(60) * 1000000000, kMs = 1000000;

std::vector<uint8_t> Noise(uint32_t seed, int64_t pixels = kHeight * kWidth) {
  std::vector<uint8_t> noise(static_cast<size_t>(pixels));
  std::mt19937 random(seed);
  for (auto& p : noise) p = static_cast<uint8_t>(random());
  return noise;
}

ImageView View(const std::vector<uint8_t>& pixels, int64_t h = kHeight, int64_t w = kWidth) {
  return {.data = pixels.data(),
          .height = h,
          .width = w,
          .row_stride_bytes = w,
          .pixel_stride_bytes = 1,
          .channel_stride_bytes = 1};
}

StreamOptions Options(FramePolicy policy) {
  StreamOptions options;
  options.height = kHeight;
  options.width = kWidth;
  options.policy = policy;
  return options;
}

ErrorCode CodeOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::kInternal;
}

class FrameStreamTest : public ::testing::Test {
 protected:
  Submission Submit(FrameStream& stream, int64_t user = 0) {
    Frame frame{.image = View(pixels_)};
    frame.user = reinterpret_cast<void*>(user);
    return stream.Submit(frame);
  }
  // Begins frame 1 and holds it at work.
  void Hold(FrameStream& stream) {
    gate_.entered = 0;
    gate_.open = false;
    EXPECT_FALSE(Submit(stream, 1).refused);
    gate_.AwaitEntered(1);
  }

  Gate gate_;
  Engine engine_ = OpenGated(gate_);
  const std::vector<uint8_t> pixels_ = Noise(1);
};

TEST_F(FrameStreamTest, NewestReplacesTheFrameThatWaits) {
  FrameStream stream(engine_, Options(FramePolicy::kNewest));
  Hold(stream);
  EXPECT_EQ(Submit(stream, 20).replaced_number, 0);
  const Submission third = Submit(stream, 30);
  EXPECT_EQ(third.number, 3);
  EXPECT_EQ(third.replaced_number, 2);
  EXPECT_EQ(third.replaced_user, reinterpret_cast<void*>(20));
  EXPECT_EQ(Submit(stream).replaced_number, 3);
  gate_.open = true;
  EXPECT_EQ(stream.Take(kLong).number, 1);
  const FrameResult last = stream.Take(kLong);
  EXPECT_EQ(last.number, 4);
  EXPECT_LE(last.submit_ns, last.begin_ns);
  EXPECT_LE(last.begin_ns, last.end_ns);
  EXPECT_EQ(stream.counts().ended.replaced, 2);
  EXPECT_EQ(stream.counts().ended.done, 2);
}

TEST_F(FrameStreamTest, AllKeepsTheirOrderAndRefusesBeyondTheQueue) {
  StreamOptions options = Options(FramePolicy::kAll);
  options.queue = 3;
  FrameStream stream(engine_, options);
  Hold(stream);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Submit(stream).refused);
  const Submission refused = Submit(stream);
  EXPECT_TRUE(refused.refused);
  EXPECT_EQ(refused.number, 5);
  EXPECT_EQ(stream.counts().pending, 4);
  gate_.open = true;
  for (int64_t number : {1, 2, 3, 4}) {
    EXPECT_EQ(stream.Take(kLong).number, number);
    stream.Release(number);
  }
  EXPECT_EQ(Submit(stream).number, 6);
  EXPECT_EQ(stream.Take(kLong).number, 6);
  EXPECT_EQ(stream.counts().ended.refused, 1);
}

TEST_F(FrameStreamTest, AllLosesNoResultThatNobodyTakes) {
  StreamOptions options = Options(FramePolicy::kAll);
  options.queue = options.results = 2;
  FrameStream stream(engine_, options);
  int64_t accepted = 0;
  for (int i = 0; i < 50; ++i) {
    accepted += Submit(stream).refused ? 0 : 1;
    stream.Flush(kLong);
  }
  EXPECT_LT(accepted, 10);
  for (int64_t i = 1; i <= accepted; ++i) EXPECT_EQ(stream.Take(0).number, i);
  EXPECT_EQ(stream.counts().ended.lost, 0);
}

TEST_F(FrameStreamTest, RejectTakesAFrameOnlyWhenIdle) {
  FrameStream stream(engine_, Options(FramePolicy::kReject));
  Hold(stream);
  EXPECT_TRUE(Submit(stream).refused);
  gate_.open = true;
  stream.Flush(kLong);
  EXPECT_FALSE(Submit(stream).refused);
}

TEST_F(FrameStreamTest, TheOldestResultMakesRoomForTheNewest) {
  StreamOptions options = Options(FramePolicy::kNewest);
  options.results = 2;
  FrameStream stream(engine_, options);
  for (int i = 0; i < 5; ++i) {
    Submit(stream);
    stream.Flush(kLong);
  }
  EXPECT_EQ(stream.counts().ended.lost, 3);
  EXPECT_EQ(stream.Take(0).number, 4);
  EXPECT_EQ(stream.Take(0).number, 5);
  EXPECT_EQ(CodeOf([&] { stream.Take(0); }), ErrorCode::kTimeout);
  EXPECT_EQ(CodeOf([&] { stream.Take(2 * kMs); }), ErrorCode::kTimeout);
  // Both are taken, so a third has no place.
  Submit(stream);
  stream.Flush(kLong);
  EXPECT_EQ(CodeOf([&] { stream.Take(0); }), ErrorCode::kTimeout);
  stream.Release(4);
  EXPECT_EQ(CodeOf([&] { stream.Release(4); }), ErrorCode::kInvalidArgument);
  Submit(stream);
  EXPECT_EQ(stream.Take(kLong).number, 7);
}

TEST_F(FrameStreamTest, CancelEndsWaitingAndRunningFrames) {
  FrameStream stream(engine_, Options(FramePolicy::kAll));
  Hold(stream);
  for (int i = 0; i < 3; ++i) Submit(stream);
  stream.Cancel(3);
  stream.Cancel(1);
  EXPECT_EQ(stream.Take(kLong).status, FrameStatus::kCancelled);
  gate_.open = true;
  EXPECT_EQ(stream.Take(kLong).status, FrameStatus::kDone);
  const FrameResult third = stream.Take(kLong);
  EXPECT_EQ(third.number, 3);
  EXPECT_EQ(third.status, FrameStatus::kCancelled);
  EXPECT_EQ(third.begin_ns, 0);
  EXPECT_EQ(third.data, nullptr);
  EXPECT_EQ(stream.Take(kLong).status, FrameStatus::kDone);
  stream.Cancel(0);
  stream.Cancel(99);
}

TEST_F(FrameStreamTest, LateFramesAreFinishedOrCancelledAsAsked) {
  for (LatePolicy late : {LatePolicy::kFinish, LatePolicy::kCancel}) {
    StreamOptions options = Options(FramePolicy::kAll);
    options.deadline_ns = 5 * kMs;
    options.late = late;
    FrameStream stream(engine_, options);
    Hold(stream);
    Submit(stream);  // its deadline passes while it waits
    Frame unhurried{.image = View(pixels_)};
    unhurried.deadline_ns = -1;
    stream.Submit(unhurried);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const FrameStatus want =
        late == LatePolicy::kFinish ? FrameStatus::kLate : FrameStatus::kExpired;
    if (late == LatePolicy::kCancel) {  // by itself
      EXPECT_EQ(stream.Take(kLong).status, want);
      gate_.open = true;
    } else {
      gate_.open = true;
      const FrameResult first = stream.Take(kLong);
      EXPECT_EQ(first.status, want);
      EXPECT_NE(first.data, nullptr);
    }
    const FrameResult second = stream.Take(kLong);
    EXPECT_EQ(second.status, FrameStatus::kExpired);
    if (late == LatePolicy::kFinish) {
      EXPECT_EQ(second.begin_ns, 0);
    }
    const FrameResult third = stream.Take(kLong);
    EXPECT_EQ(third.status, FrameStatus::kDone);
    EXPECT_EQ(third.deadline_ns, 0);
  }
}

TEST(DeadlineJudge, GivesUpWhatCannotBeDoneAndTriesNowAndThen) {
  DeadlineJudge judge;
  EXPECT_TRUE(judge.CanBeDone(0, 1, 1000));
  EXPECT_TRUE(judge.CanBeDone(1001, 1, 1000));
  EXPECT_FALSE(judge.CanBeDone(1000, 1, 1000));
  judge.Learn(100, 1);
  judge.Learn(1200, 10);
  EXPECT_TRUE(judge.CanBeDone(1100, 1, 1000));
  EXPECT_FALSE(judge.CanBeDone(1099, 1, 1000));
  EXPECT_FALSE(judge.CanBeDone(1199, 2, 1000));
  int tried = 0;
  for (int i = 0; i < 90; ++i) tried += judge.CanBeDone(1050, 1, 1000);
  EXPECT_EQ(tried, 10);
}

TEST_F(FrameStreamTest, StopDrainsOrDiscards) {
  for (StreamEnding ending : {StreamEnding::kDrain, StreamEnding::kDiscard}) {
    std::multiset<FrameStatus> ends;
    StreamOptions options = Options(FramePolicy::kAll);
    options.done = [&](const FrameResult& r) { ends.insert(r.status); };
    FrameStream stream(engine_, options);
    Hold(stream);
    Submit(stream);
    Submit(stream);
    std::thread opener([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (ending == StreamEnding::kDrain) gate_.open = true;
    });
    stream.Stop(ending);
    opener.join();
    EXPECT_EQ(ends.size(), 3u);
    EXPECT_EQ(
        ends.count(ending == StreamEnding::kDrain ? FrameStatus::kDone : FrameStatus::kCancelled),
        3u);
    EXPECT_EQ(CodeOf([&] { Submit(stream); }), ErrorCode::kCancelled);
    gate_.open = true;
  }
}

TEST_F(FrameStreamTest, WhoWaitsForResultsIsToldThatNoneWillCome) {
  FrameStream stream(engine_, Options(FramePolicy::kNewest));
  std::thread waiting([&] { EXPECT_EQ(CodeOf([&] { stream.Take(-1); }), ErrorCode::kCancelled); });
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  stream.Stop(StreamEnding::kDrain);
  waiting.join();
}

TEST_F(FrameStreamTest, CallbacksMayThrowAndCallIntoTheStream) {
  FrameStream* self = nullptr;
  std::vector<ErrorCode> refusals;
  StreamOptions options = Options(FramePolicy::kAll);
  options.done = [&](const FrameResult& result) {
    if (result.number == 1) {
      EXPECT_FALSE(Submit(*self).refused);
      self->Cancel(99);
      self->counts();
      refusals = {CodeOf([&] { self->Flush(-1); }),
                  CodeOf([&] { self->Stop(StreamEnding::kDrain); }),
                  CodeOf([&] { self->Resize(8, 8, 1); }), CodeOf([&] { self->Take(0); })};
    }
    throw std::string("of the host's own");
  };
  FrameStream stream(engine_, options);
  self = &stream;
  Submit(stream);
  while (stream.counts().ended.done < 2) std::this_thread::yield();
  stream.Flush(kLong);
  EXPECT_EQ(refusals, std::vector<ErrorCode>(4, ErrorCode::kInvalidArgument));
}

TEST_F(FrameStreamTest, RefusesWhatIsNoFrame) {
  FrameStream stream(engine_, Options(FramePolicy::kAll));
  const auto code = [&](const std::function<void(Frame&)>& change) {
    Frame frame{.image = View(pixels_)};
    change(frame);
    return CodeOf([&] { stream.Submit(frame); });
  };
  EXPECT_EQ(code([](Frame& f) { f.image.data = nullptr; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](Frame& f) { f.image.height = int64_t(1) << 40; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](Frame& f) { f.image.row_stride_bytes = INT64_MAX; }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](Frame& f) { f.image.channels = 2; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](Frame& f) { f.slices = 0; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](Frame& f) { f.slices = 2; }), ErrorCode::kInvalidArgument);  // no room
  EXPECT_EQ(code([](Frame& f) { ++f.image.height; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(stream.counts().ended.ended(), 0);
  EXPECT_EQ(CodeOf([&] { FrameStream(engine_, {}); }), ErrorCode::kInvalidArgument);
  StreamOptions one = Options(FramePolicy::kAll);
  one.segment.batch_size = -1;
  EXPECT_EQ(CodeOf([&] { FrameStream(engine_, one); }), ErrorCode::kInvalidArgument);
}

TEST_F(FrameStreamTest, ThreadsTakeTurnsByPriority) {
  const std::shared_ptr<Scheduler> scheduler = MakeScheduler();
  StreamOptions low = Options(FramePolicy::kAll), high = Options(FramePolicy::kAll);
  low.segment.scheduler = high.segment.scheduler = scheduler;
  high.segment.priority = 1;
  std::mutex mutex;
  std::vector<std::string> order;
  const auto note = [&](const char* name) {
    return [&order, &mutex, name](const FrameResult&) {
      const std::scoped_lock lock(mutex);
      order.emplace_back(name);
    };
  };
  low.done = note("low");
  high.done = note("high");
  Gate high_gate;
  const Engine high_engine = OpenGated(high_gate);
  FrameStream lows(engine_, low), highs(high_engine, high);
  Hold(lows);
  // It takes over from the one at work, which cannot end before.
  EXPECT_FALSE(Submit(highs).refused);
  highs.Flush(kLong);
  {
    const std::scoped_lock lock(mutex);
    EXPECT_EQ(order, std::vector<std::string>({"high"}));
  }
  // A frame that waits for its turn can be cancelled.
  high_gate.open = false;
  high_gate.entered = 0;
  Submit(highs);
  high_gate.AwaitEntered(1);
  lows.Stop(StreamEnding::kDiscard);
  EXPECT_EQ(lows.counts().ended.cancelled, 1);
  high_gate.open = true;
  gate_.open = true;
}

// ---- with the network itself

class RealStreamTest : public ::testing::Test {
 protected:
  std::vector<uint8_t> Labels(const ImageView& view) const {
    std::vector<uint8_t> labels(static_cast<size_t>(view.height * view.width));
    engine_.SegmentLabels(view, labels.data(), view.width);
    return labels;
  }
  static std::vector<uint8_t> Copy(const FrameResult& r) {
    const auto* data = static_cast<const uint8_t*>(r.data);
    return {data, data + r.slices * r.height * r.width};
  }

  const Engine engine_ =
      Engine::Open(PYENGINE_TEST_DATA "/tiny.pyengine", {.threads = 2, .isa = ""});
};

TEST_F(RealStreamTest, ResultsAreThoseOfPlainCallsAlsoAtOtherSizes) {
  for (bool copy : {false, true}) {
    StreamOptions options = Options(FramePolicy::kAll);
    options.copy = copy;
    FrameStream stream(engine_, options);
    for (auto [h, w] : {std::pair<int64_t, int64_t>{kHeight, kWidth}, {1, 1}, {7, 33}}) {
      std::vector<uint8_t> pixels = Noise(static_cast<uint32_t>(h), h * w);
      const auto want = Labels(View(pixels, h, w));
      stream.Submit({.image = View(pixels, h, w)});
      if (copy) std::fill(pixels.begin(), pixels.end(), uint8_t{0});
      const FrameResult result = stream.Take(kLong);
      ASSERT_EQ(result.status, FrameStatus::kDone) << result.message;
      EXPECT_EQ(Copy(result), want);
      stream.Release(result.number);
    }
    // Larger ones once it was resized.
    const auto pixels = Noise(9, 64 * 80);
    EXPECT_THROW(stream.Submit({.image = View(pixels, 64, 80)}), Error);
    const int64_t before = stream.memory_bytes();
    stream.Resize(64, 80, 1);
    EXPECT_GT(stream.memory_bytes(), before);
    stream.Submit({.image = View(pixels, 64, 80)});
    const FrameResult result = stream.Take(kLong);
    EXPECT_EQ(Copy(result), Labels(View(pixels, 64, 80)));
  }
}

TEST_F(RealStreamTest, ResultsOfARegionAreOfItsSize) {
  StreamOptions options = Options(FramePolicy::kNewest);
  options.segment.region_top_px = 5;
  options.segment.region_height_px = 11;
  options.segment.region_width_px = 30;
  FrameStream stream(engine_, options);
  const auto pixels = Noise(4);
  stream.Submit({.image = View(pixels)});
  const FrameResult result = stream.Take(kLong);
  ASSERT_EQ(result.status, FrameStatus::kDone) << result.message;
  EXPECT_EQ(result.height, 11);
  EXPECT_EQ(result.width, 30);
  const auto whole = Labels(View(pixels)), part = Copy(result);
  for (int64_t y = 0; y < 11; ++y)
    for (int64_t x = 0; x < 30; ++x) EXPECT_EQ(part[y * 30 + x], whole[(5 + y) * kWidth + x]);
  EXPECT_THROW(stream.Submit({.image = View(pixels, 15, kWidth)}), Error);
}

TEST_F(RealStreamTest, ProbabilitiesGoToMemoryOfTheHost) {
  StreamOptions options = Options(FramePolicy::kNewest);
  options.output = OutputKind::kProbabilities;
  FrameStream stream(engine_, options);
  const auto pixels = Noise(3);
  std::vector<float> got(pixels.size() * 2), want(got.size());
  stream.Submit({.image = View(pixels), .result = got.data()});
  EXPECT_EQ(stream.Take(kLong).data, got.data());
  engine_.SegmentScores(View(pixels), OutputKind::kProbabilities, want.data());
  EXPECT_EQ(got, want);
}

TEST_F(RealStreamTest, AStackIsOneFrameWithProgress) {
  StreamOptions options = Options(FramePolicy::kAll);
  options.slices = 4;
  options.copy = true;
  int64_t cancel_at = 0, last = 0;
  options.progress = [&](const FrameResult&, int64_t done) { return (last = done) != cancel_at; };
  FrameStream stream(engine_, options);
  const auto pixels = Noise(5, 4 * kHeight * kWidth);
  const Frame stack{.image = View(pixels), .slices = 4, .slice_stride_bytes = kHeight * kWidth};
  stream.Submit(stack);
  const FrameResult result = stream.Take(kLong);
  EXPECT_EQ(last, 4);
  const auto got = Copy(result);
  for (int64_t i = 0; i < 4; ++i) {
    ImageView slice = View(pixels);
    slice.data = pixels.data() + i * kHeight * kWidth;
    const auto want = Labels(slice);
    EXPECT_TRUE(std::equal(want.begin(), want.end(), got.begin() + i * kHeight * kWidth));
  }
  stream.Release(result.number);
  cancel_at = 2;
  stream.Submit(stack);
  EXPECT_EQ(stream.Take(kLong).status, FrameStatus::kCancelled);
  EXPECT_EQ(last, 2);
}

TEST_F(RealStreamTest, AFrameWithNaNFailsInWordsAndTheNextDoesNot) {
  FrameStream stream(engine_, Options(FramePolicy::kNewest));
  std::vector<float> pixels(kHeight * kWidth, 9.0f);
  ImageView view = View({});
  view.data = pixels.data();
  view.type = PixelType::kFloat32;
  view.row_stride_bytes = kWidth * 4;
  view.pixel_stride_bytes = view.channel_stride_bytes = 4;
  pixels[7] = NAN;
  stream.Submit({.image = view});
  const FrameResult failed = stream.Take(kLong);
  EXPECT_EQ(failed.status, FrameStatus::kFailed);
  EXPECT_EQ(failed.error, ErrorCode::kInvalidArgument);
  EXPECT_NE(std::string(failed.message).find("column 7"), std::string::npos);
  pixels[7] = 0;
  stream.Submit({.image = view});
  const FrameResult done = stream.Take(kLong);
  EXPECT_EQ(done.status, FrameStatus::kDone);
  EXPECT_STREQ(done.message, "");
}

#ifndef NDEBUG
TEST_F(FrameStreamTest, BorrowedPixelsThatChangeAreCaughtInDebugBuilds) {
  FrameStream stream(engine_, Options(FramePolicy::kNewest));
  std::vector<uint8_t> pixels = Noise(1);
  gate_.entered = 0;
  gate_.open = false;
  stream.Submit({.image = View(pixels)});
  gate_.AwaitEntered(1);
  ++pixels[5];
  gate_.open = true;
  const FrameResult result = stream.Take(kLong);
  EXPECT_EQ(result.status, FrameStatus::kFailed);
  EXPECT_NE(std::string(result.message).find("borrowed"), std::string::npos);
}
#endif

TEST(Durations, PercentilesAreOfTheLastOnes) {
  Durations durations(100);
  EXPECT_EQ(durations.Summarise().count, 0);
  for (int64_t i = 0; i < 50; ++i) durations.Add(1000000, 1000000);
  for (int64_t i = 1; i <= 100; ++i) durations.Add(2 * i, i);
  const Durations::Summary summary = durations.Summarise();
  EXPECT_EQ(summary.count, 100);
  EXPECT_EQ(summary.compute.p50_ns, 50);
  EXPECT_EQ(summary.compute.p99_ns, 99);
  EXPECT_EQ(summary.age.p90_ns, 180);
  EXPECT_EQ(summary.age.max_ns, 200);
}

}  // namespace
}  // namespace pyengine
