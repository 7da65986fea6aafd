// Every call to the system that may fail, failed once: the error has a name, nothing leaks, and the
// engine works afterwards.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "interpose.h"
#include "pyengine/c_api.h"

namespace {

constexpr int64_t kHeight = 90, kWidth = 70;
const char* const kTiny = PYENGINE_TEST_DATA "/tiny.pyengine";
const char* const kClassifier = PYENGINE_TEST_DATA "/tiny-classifier.pyengine";
constexpr long kMostCalls = 200000;

int64_t EntriesOf(const char* folder) {
  return std::distance(std::filesystem::directory_iterator(folder), {});
}

// What a failed attempt must leave as it was.
struct Held {
  int64_t files = EntriesOf("/proc/self/fd"), threads = EntriesOf("/proc/self/task");
  long blocks = fault_live_blocks();
};

// A thread that has been joined is listed for a moment more.
bool ThreadsBecome(int64_t count) {
  for (int i = 0; i < 1000; ++i, ::usleep(1000))
    if (EntriesOf("/proc/self/task") <= count) return true;
  return false;
}

pye_status Open(pye_engine** engine, const char* path = kTiny) {
  pye_engine_options options;
  pye_engine_options_init(&options, sizeof options);
  options.threads = 2;
  options.device = "cpu";
  return pye_engine_open(path, &options, engine);
}

const std::vector<uint8_t>& Pixels() {
  static const std::vector<uint8_t> pixels = [] {
    std::vector<uint8_t> made(kHeight * kWidth);
    for (size_t i = 0; i < made.size(); ++i) made[i] = static_cast<uint8_t>(i * 37);
    return made;
  }();
  return pixels;
}

const pye_image kImage{Pixels().data(), PYE_UINT8, kHeight, kWidth, 1, kWidth, 1, 1};

// Everything that an option leads to: tiles, blending, views, bands of rows.
std::vector<pye_segment_options> Ways() {
  std::vector<pye_segment_options> ways;
  for (int32_t mode : {PYE_EXACT, PYE_GAUSSIAN})
    for (int32_t augmentation : {PYE_AUGMENT_NONE, PYE_AUGMENT_FLIPS}) {
      pye_segment_options options;
      pye_segment_options_init(&options, sizeof options);
      options.tile_height_px = options.tile_width_px = 32;
      options.mode = mode;
      options.augmentation = augmentation;
      ways.push_back(options);
    }
  return ways;
}

pye_status Segment(const pye_engine* engine, const pye_segment_options& options,
                   std::vector<uint8_t>& labels) {
  labels.resize(Pixels().size());
  return pye_segment_labels(engine, &kImage, labels.data(), kWidth, &options);
}

// Fails the first call of `kind` that `attempt` makes, then the second, until an attempt makes
// fewer. Around each, `before` makes things ready and `after` sees whether they work. Returns how
// many calls were failed.
long FailEach(
    const std::string& kind, const std::function<pye_status()>& attempt,
    const std::function<void()>& before = [] {}, const std::function<void()>& after = [] {}) {
  int again = 0;  // the same call once more, to tell a leak from what is kept once
  for (long n = 1; n < kMostCalls; again > 0 ? n : ++n) {
    const Held held;
    before();
    fault_arm(kind.c_str(), n, 0);
    const pye_status status = attempt();
    fault_arm("", 0, 0);
    char text[256] = "";
    if (status != PYE_OK) std::snprintf(text, sizeof text, "%s", pye_last_error());
    after();
    const Held now;
    const std::string said = text, where = kind + " " + std::to_string(n) + ": " + said;
    if (!fault_struck()) {
      EXPECT_EQ(status, PYE_OK) << said;
      return n - 1;
    }
    // A call that works without what failed is right, too: fewer threads, a buffer of its own.
    if (status != PYE_OK) {
      EXPECT_FALSE(said.empty()) << where;
      EXPECT_NE(status, PYE_INTERNAL) << where;
    }
    EXPECT_EQ(now.files, held.files) << where;
    EXPECT_TRUE(ThreadsBecome(held.threads)) << where;
    again = now.blocks > held.blocks ? again + 1 : 0;
    EXPECT_LT(again, 4) << where << ": leaks memory";
    if (testing::Test::HasFailure()) return n;
  }
  ADD_FAILURE() << kind << ": never ends";
  return kMostCalls;
}

TEST(FaultInjection, Opening) {
  for (const char* path : {kTiny, kClassifier})
    for (const char* kind : {"malloc", "mmap", "pthread_create", "read"}) {
      const long failed = FailEach(kind, [&] {
        pye_engine* engine = nullptr;
        const pye_status status = Open(&engine, path);
        EXPECT_EQ(engine == nullptr, status != PYE_OK);
        pye_engine_close(engine);
        return status;
      });
      std::printf("open: %ld calls of %s failed, one each\n", failed, kind);
    }
}

TEST(FaultInjection, OpeningFromMemoryAndDescriptors) {
  std::ifstream file(kTiny, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const int descriptor = ::open(kTiny, O_RDONLY);
  for (const char* kind : {"malloc", "read"}) {
    FailEach(kind, [&] {
      pye_engine* engine = nullptr;
      const pye_status status =
          pye_engine_open_memory(bytes.data(), bytes.size(), nullptr, &engine);
      pye_engine_close(engine);
      return status;
    });
    FailEach(kind, [&] {
      pye_engine* engine = nullptr;
      const pye_status status = pye_engine_open_descriptor(descriptor, nullptr, &engine);
      pye_engine_close(engine);
      return status;
    });
  }
  ::close(descriptor);
}

TEST(FaultInjection, FirstCallsOfAnEngine) {
  for (const pye_segment_options& way : Ways())
    for (const char* kind : {"malloc", "mmap", "pthread_create"}) {
      pye_engine* engine = nullptr;
      std::vector<uint8_t> want, labels;
      ASSERT_EQ(Open(&engine), PYE_OK);
      ASSERT_EQ(Segment(engine, way, want), PYE_OK);
      pye_engine_close(engine);
      labels = want;
      FailEach(
          kind, [&] { return Segment(engine, way, labels); },
          [&] { ASSERT_EQ(Open(&engine), PYE_OK); },
          [&] {
            EXPECT_EQ(Segment(engine, way, labels), PYE_OK) << pye_last_error();
            EXPECT_EQ(labels, want);
            pye_engine_close(engine);
          });
    }
}

TEST(FaultInjection, Streams) {
  pye_engine* engine = nullptr;
  ASSERT_EQ(Open(&engine), PYE_OK);
  for (const char* kind : {"malloc", "pthread_create"})
    FailEach(kind, [&] {
      pye_stream_options options;
      pye_stream_options_init(&options, sizeof options);
      options.height = kHeight;
      options.width = kWidth;
      pye_stream* stream = nullptr;
      pye_status status = pye_stream_open(engine, &options, &stream);
      if (status != PYE_OK) return status;
      pye_frame frame;
      pye_frame_init(&frame, sizeof frame);
      frame.image = kImage;
      pye_result result;
      result.size = sizeof result;
      status = pye_stream_submit(stream, &frame, nullptr);
      if (status == PYE_OK) status = pye_stream_take(stream, -1, &result);
      pye_stream_close(stream, PYE_DISCARD);
      return status;
    });
  std::vector<uint8_t> labels;
  EXPECT_EQ(Segment(engine, Ways()[0], labels), PYE_OK);
  EXPECT_EQ(pye_engine_close(engine), PYE_OK);
}

}  // namespace
