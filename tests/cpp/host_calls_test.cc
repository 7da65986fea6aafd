// What a host asks of the C interface beside results: memory, files, messages, ranges.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "pyengine/c_api.h"

namespace {

constexpr int64_t kHeight = 64, kWidth = 48;
const std::string kTiny = PYENGINE_TEST_DATA "/tiny.pyengine";

std::vector<uint8_t> Labels(const pye_engine* engine) {
  std::vector<uint8_t> pixels(kHeight * kWidth), labels(pixels.size());
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37);
  const pye_image image = {pixels.data(), PYE_UINT8, kHeight, kWidth, 1, kWidth, 1, 1};
  EXPECT_EQ(pye_segment_labels(engine, &image, labels.data(), kWidth, nullptr), PYE_OK);
  return labels;
}

class HostCallsTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pye_engine_open(kTiny.c_str(), nullptr, &engine_), PYE_OK); }
  void TearDown() override { EXPECT_EQ(pye_engine_close(engine_), PYE_OK); }
  pye_engine* engine_ = nullptr;
};

TEST_F(HostCallsTest, OpensBytesOfTheHost) {
  std::ifstream file(kTiny, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  pye_engine* engine = nullptr;
  ASSERT_EQ(pye_engine_open_memory(bytes.data(), bytes.size(), nullptr, &engine), PYE_OK);
  bytes.assign(bytes.size(), 'x');
  EXPECT_EQ(Labels(engine), Labels(engine_));
  pye_engine_close(engine);
  EXPECT_EQ(pye_engine_open_memory(bytes.data(), bytes.size(), nullptr, &engine),
            PYE_BAD_ENGINE_FILE);
  EXPECT_EQ(engine, nullptr);
  EXPECT_EQ(pye_engine_open_memory(bytes.data(), 0, nullptr, &engine), PYE_BAD_ENGINE_FILE);
  EXPECT_EQ(pye_engine_open_memory(nullptr, 9, nullptr, &engine), PYE_INVALID_ARGUMENT);
}

TEST_F(HostCallsTest, OpensADescriptorAndLeavesItAsItWas) {
  const int descriptor = ::open(kTiny.c_str(), O_RDONLY);
  ASSERT_GE(descriptor, 0);
  ASSERT_EQ(::lseek(descriptor, 5, SEEK_SET), 5);
  pye_engine* engine = nullptr;
  ASSERT_EQ(pye_engine_open_descriptor(descriptor, nullptr, &engine), PYE_OK) << pye_last_error();
  EXPECT_EQ(::lseek(descriptor, 0, SEEK_CUR), 5);
  ::close(descriptor);
  EXPECT_EQ(Labels(engine), Labels(engine_));
  pye_engine_close(engine);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(pye_engine_open_descriptor(ends[0], nullptr, &engine), PYE_IO);
  EXPECT_NE(std::string(pye_last_error()).find("is a pipe"), std::string::npos);
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_EQ(pye_engine_open_descriptor(-1, nullptr, &engine), PYE_IO);
}

TEST_F(HostCallsTest, MemoryIsCountedAndTrimmed) {
  pye_memory before, after;
  before.size = after.size = sizeof(pye_memory);
  EXPECT_EQ(pye_engine_prepare(engine_, kHeight, kWidth, nullptr), PYE_OK);
  ASSERT_EQ(pye_engine_memory(engine_, &before), PYE_OK);
  EXPECT_GT(before.weights_bytes, 100);
  EXPECT_GT(before.idle_bytes, 4 * kHeight * kWidth * 4);
  EXPECT_EQ(before.in_use_bytes, 0);
  pye_stream_options options;
  pye_stream_options_init(&options, sizeof options);
  options.height = kHeight;
  options.width = kWidth;
  options.copy = 1;
  pye_stream* stream = nullptr;
  ASSERT_EQ(pye_stream_open(engine_, &options, &stream), PYE_OK);
  ASSERT_EQ(pye_engine_memory(engine_, &after), PYE_OK);
  EXPECT_GE(after.streams_bytes, 2 * 3 * kHeight * kWidth);
  pye_stream_close(stream, PYE_DRAIN);
  const auto want = Labels(engine_);
  EXPECT_EQ(pye_engine_trim(engine_), PYE_OK);
  ASSERT_EQ(pye_engine_memory(engine_, &after), PYE_OK);
  EXPECT_EQ(after.idle_bytes, 0);
  EXPECT_EQ(after.streams_bytes, 0);
  EXPECT_EQ(after.weights_bytes, before.weights_bytes);
  EXPECT_EQ(Labels(engine_), want);
}

pye_engine_options Defaults() {
  pye_engine_options options;
  pye_engine_options_init(&options, sizeof options);
  return options;
}

// A host that runs tasks on its own thread, the last first, and counts them.
void RunBackwards(void* user, int64_t count, void (*task)(void*, int64_t), void* context) {
  for (int64_t i = count; i-- > 0;) {
    task(context, i);
    ++*static_cast<int64_t*>(user);
  }
}

TEST_F(HostCallsTest, ThreadsAreTheHosts) {
  int64_t ran = 0;
  pye_engine_options options = Defaults();
  options.threads = 3;
  options.run_tasks = &RunBackwards;
  options.run_tasks_user = &ran;
  pye_engine* engine = nullptr;
  ASSERT_EQ(pye_engine_open(kTiny.c_str(), &options, &engine), PYE_OK) << pye_last_error();
  EXPECT_EQ(Labels(engine), Labels(engine_));
  EXPECT_GE(ran, 3);
  EXPECT_EQ(ran % 3, 0);
  pye_engine_close(engine);
  options.pin_threads = 1;
  EXPECT_EQ(pye_engine_open(kTiny.c_str(), &options, &engine), PYE_INVALID_ARGUMENT);
  EXPECT_NE(std::string(pye_last_error()).find("run_tasks"), std::string::npos);
}

TEST_F(HostCallsTest, ThreadsAreShared) {
  pye_engine_options options = Defaults();
  options.threads = 3;
  pye_engine *first = nullptr, *second = nullptr;
  ASSERT_EQ(pye_engine_open(kTiny.c_str(), &options, &first), PYE_OK);
  options.share_threads = first;
  EXPECT_EQ(pye_engine_open(kTiny.c_str(), &options, &second), PYE_INVALID_ARGUMENT);
  EXPECT_NE(std::string(pye_last_error()).find("share_threads"), std::string::npos);
  options.threads = 0;
  ASSERT_EQ(pye_engine_open(kTiny.c_str(), &options, &second), PYE_OK) << pye_last_error();
  pye_engine_info info;
  info.size = sizeof info;
  ASSERT_EQ(pye_engine_describe(second, &info), PYE_OK);
  EXPECT_EQ(info.threads, 3);
  pye_engine_close(first);
  EXPECT_EQ(Labels(second), Labels(engine_));
  pye_engine_close(second);
}

TEST_F(HostCallsTest, ThreadsAreAsDemandedOrNotAtAll) {
  const int32_t none[] = {100000}, first[] = {0};
  pye_thread_options thread = {};
  thread.size = sizeof thread;
  thread.name = "probe";
  thread.cores = none;
  thread.core_count = 1;
  pye_engine_options options = Defaults();
  options.threads = 2;
  options.thread = &thread;
  pye_engine* engine = nullptr;
  EXPECT_EQ(pye_engine_open(kTiny.c_str(), &options, &engine), PYE_UNSUPPORTED);
  EXPECT_NE(std::string(pye_last_error()).find("100000"), std::string::npos);
  thread.cores = first;
  ASSERT_EQ(pye_engine_open(kTiny.c_str(), &options, &engine), PYE_OK) << pye_last_error();
  pye_engine_close(engine);
  thread.core_count = -1;
  EXPECT_EQ(pye_engine_open(kTiny.c_str(), &options, &engine), PYE_INVALID_ARGUMENT);
  thread.core_count = 0;
  thread.priority = 20;
  EXPECT_EQ(pye_engine_open(kTiny.c_str(), &options, &engine), PYE_INVALID_ARGUMENT);
  thread.priority = 0;
  thread.policy = 3;
  EXPECT_EQ(pye_engine_open(kTiny.c_str(), &options, &engine), PYE_INVALID_ARGUMENT);
  thread.policy = PYE_THREAD_NORMAL;

  pye_stream_options of_stream;
  pye_stream_options_init(&of_stream, sizeof of_stream);
  of_stream.height = kHeight;
  of_stream.width = kWidth;
  of_stream.thread = &thread;
  pye_stream* stream = nullptr;
  thread.cores = none;
  thread.core_count = 1;
  EXPECT_EQ(pye_stream_open(engine_, &of_stream, &stream), PYE_UNSUPPORTED);
  EXPECT_EQ(stream, nullptr);
  thread.cores = first;
  ASSERT_EQ(pye_stream_open(engine_, &of_stream, &stream), PYE_OK) << pye_last_error();
  EXPECT_EQ(pye_stream_close(stream, PYE_DRAIN), PYE_OK);
}

TEST_F(HostCallsTest, MessagesGoToTheHost) {
  std::string text;
  const auto log = [](void* user, int32_t level, const char* message) {
    EXPECT_EQ(level, PYE_LOG_INFO);
    *static_cast<std::string*>(user) += message;
    throw 1;  // a host's own affair
  };
  EXPECT_EQ(pye_set_log(log, &text, PYE_LOG_INFO), PYE_OK);
  pye_engine* engine = nullptr;
  EXPECT_EQ(pye_engine_open(kTiny.c_str(), nullptr, &engine), PYE_OK);
  pye_engine_close(engine);
  EXPECT_NE(text.find("opened on cpu"), std::string::npos) << text;
  text.clear();
  EXPECT_EQ(pye_set_log(log, &text, PYE_LOG_ERROR), PYE_OK);
  EXPECT_EQ(pye_engine_open(kTiny.c_str(), nullptr, &engine), PYE_OK);
  pye_engine_close(engine);
  EXPECT_EQ(pye_set_log(log, &text, 4), PYE_INVALID_ARGUMENT);
  EXPECT_EQ(pye_set_log(nullptr, nullptr, PYE_LOG_INFO), PYE_OK);
  EXPECT_EQ(text, "");
}

TEST_F(HostCallsTest, RangesAreTold) {
  // Of float32 images; those of 8 bits are for tests with larger networks.
  const float values[] = {0, 9, -3, 4};
  const pye_image image = {values, PYE_FLOAT32, 2, 2, 1, 8, 4, 4};
  pye_range range;
  range.size = sizeof range;
  ASSERT_EQ(pye_engine_check_range(engine_, &image, nullptr, &range), PYE_OK);
  EXPECT_EQ(range.lowest, -3);
  EXPECT_EQ(range.highest, 9);
  EXPECT_EQ(range.mismatch, 0);
  EXPECT_TRUE(std::isinf(range.expected_highest));
}

TEST_F(HostCallsTest, RangesAreOfWhatTheNetworkIsGiven) {
  const int16_t values[] = {-5, 7, 0, 1};
  const pye_image image = {values, PYE_INT16, 2, 2, 1, 4, 2, 2};
  pye_segment_options options;
  pye_segment_options_init(&options, sizeof options);
  options.source_scale = 2;
  options.source_offset = 1;
  pye_range range;
  range.size = sizeof range;
  ASSERT_EQ(pye_engine_check_range(engine_, &image, &options, &range), PYE_OK);
  EXPECT_EQ(range.lowest, -9);
  EXPECT_EQ(range.highest, 15);
  EXPECT_EQ(range.advised_scale, 2);
}

}  // namespace
