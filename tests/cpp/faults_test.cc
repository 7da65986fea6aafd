// What hosts do to a library that is embedded in them, by accident or by design.
#include <gtest/gtest.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <clocale>
#include <filesystem>
#include <fstream>
#include <locale>
#include <string>
#include <thread>
#include <vector>

#include "pyengine/c_api.h"
#include "support/temporary_folder.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PYENGINE_UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PYENGINE_UNDER_SANITIZER 1
#endif
#endif
#ifdef PYENGINE_UNDER_SANITIZER
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

namespace {

constexpr int64_t kSide = 64;
const std::string kTiny = PYENGINE_TEST_DATA "/tiny.pyengine";

pye_engine* Open(const std::string& path = kTiny, const char* isa = nullptr) {
  pye_engine_options options;
  pye_engine_options_init(&options, sizeof options);
  options.threads = 2;
  options.isa = isa;
  pye_engine* engine = nullptr;
  EXPECT_EQ(pye_engine_open(path.c_str(), &options, &engine), PYE_OK) << pye_last_error();
  return engine;
}

pye_stream* OpenStream(const pye_engine* engine, int32_t copy = 0) {
  pye_stream_options options;
  pye_stream_options_init(&options, sizeof options);
  options.height = options.width = kSide;
  options.copy = copy;
  pye_stream* stream = nullptr;
  EXPECT_EQ(pye_stream_open(engine, &options, &stream), PYE_OK) << pye_last_error();
  return stream;
}

struct Picture {
  explicit Picture(int64_t side = kSide)
      : pixels(static_cast<size_t>(side * side)),
        labels(pixels.size()),
        image{pixels.data(), PYE_UINT8, side, side, 1, side, 1, 1} {
    for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37);
  }
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;

  pye_status Segment(const pye_engine* engine) {
    return pye_segment_labels(engine, &image, labels.data(), image.width, nullptr);
  }

  std::vector<uint8_t> pixels, labels;
  pye_image image;
};

std::vector<uint8_t> Labels(const pye_engine* engine) {
  Picture picture;
  EXPECT_EQ(picture.Segment(engine), PYE_OK) << pye_last_error();
  return picture.labels;
}

// Submits a frame and takes its result.
pye_status OneFrame(pye_stream* stream) {
  const Picture picture;
  pye_frame frame;
  pye_frame_init(&frame, sizeof frame);
  frame.image = picture.image;
  pye_result result;
  result.size = sizeof result;
  const pye_status submitted = pye_stream_submit(stream, &frame, nullptr);
  if (submitted != PYE_OK) return submitted;
  EXPECT_EQ(pye_stream_take(stream, -1, &result), PYE_OK);
  EXPECT_EQ(result.status, PYE_FRAME_DONE);
  return pye_stream_release(stream, result.number);
}

TEST(Faults, PipesAndDevicesAreRefusedUnopened) {
  const pyengine::TemporaryFolder folder;
  const std::string fifo = folder.Write("x", "");
  std::filesystem::remove(fifo);
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  pye_engine* engine = nullptr;
  for (const std::string& path : {fifo, std::string("/dev/zero"), std::string("/")}) {
    EXPECT_EQ(pye_engine_open(path.c_str(), nullptr, &engine), PYE_IO);
    EXPECT_NE(std::string(pye_last_error()).find("not a regular file"), std::string::npos);
  }
}

TEST(Faults, AFileMayBeReplacedAndDamagedWhileItIsOpen) {
  const pyengine::TemporaryFolder folder;
  std::ifstream file(kTiny, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const std::string path = folder.Write("x.pyengine", bytes);
  pye_engine* engine = Open(path);
  const auto want = Labels(engine);
  std::filesystem::resize_file(path, 3);
  EXPECT_EQ(Labels(engine), want);
  std::filesystem::remove(path);
  EXPECT_EQ(Labels(engine), want);
  pye_engine_close(engine);
}

// A thread that is cancelled within a call ends after it.
TEST(Faults, AThreadMayBeCancelledWithinACall) {
  pye_engine* engine = Open(kTiny, "reference");
  const auto want = Labels(engine);
  struct Shared {
    pye_engine* engine;
    std::atomic<bool> begun{false}, returned{false};
  } shared{engine};
  pthread_t thread;
  const auto work = [](void* given) -> void* {
    auto& s = *static_cast<Shared*>(given);
    Picture picture(512);
    pye_segment_options options;
    pye_segment_options_init(&options, sizeof options);
    options.user = given;
    options.progress = [](void* user, int64_t, int64_t) -> int32_t {
      static_cast<Shared*>(user)->begun = true;
      ::usleep(1000);  // a point at which threads are cancelled
      return 1;
    };
    options.tile_height_px = options.tile_width_px = 64;
    EXPECT_EQ(pye_segment_labels(s.engine, &picture.image, picture.labels.data(), 512, &options),
              PYE_OK);
    s.returned = true;
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, nullptr, work, &shared), 0);
  while (!shared.begun) std::this_thread::yield();
  EXPECT_EQ(pthread_cancel(thread), 0);
  EXPECT_EQ(pthread_join(thread, nullptr), 0);
  EXPECT_TRUE(shared.returned);
  EXPECT_EQ(Labels(engine), want);
  pye_engine_close(engine);
}

TEST(Faults, CallersNeedNoLargeStacks) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need more stack themselves";
  pye_engine* engine = Open();
  pye_stream* stream = OpenStream(engine);
  struct Shared {
    pye_engine* engine;
    pye_stream* stream;
    std::vector<uint8_t> labels;
  } shared{engine, stream, {}};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 64 * 1024), 0);
  pthread_t thread;
  const auto work = [](void* given) -> void* {
    auto& s = *static_cast<Shared*>(given);
    s.labels = Labels(s.engine);
    EXPECT_EQ(OneFrame(s.stream), PYE_OK);
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, work, &shared), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  EXPECT_EQ(shared.labels, Labels(engine));
  pye_stream_close(stream, PYE_DRAIN);
  pye_engine_close(engine);
}

class Comma : public std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Faults, LocalesWithADecimalCommaChangeNothing) {
  pye_engine* before = Open();
  const std::locale global = std::locale::global(std::locale(std::locale(), new Comma));
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8"})
    if (std::setlocale(LC_ALL, name) != nullptr) break;
  pye_engine* engine = Open();
  EXPECT_EQ(Labels(engine), Labels(before));
  std::setlocale(LC_ALL, "C");
  std::locale::global(global);
  pye_engine_close(engine);
  pye_engine_close(before);
}

int64_t OpenHandles() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

TEST(Faults, TwoHundredCyclesLeaveNothingBehind) {
  const auto cycle = [] {
    pye_engine* engine = Open();
    pye_stream* stream = OpenStream(engine);
    EXPECT_EQ(OneFrame(stream), PYE_OK);
    pye_stream_close(stream, PYE_DRAIN);
    EXPECT_EQ(pye_engine_close(engine), PYE_OK);
  };
  for (int i = 0; i < 20; ++i) cycle();
  const int64_t handles = OpenHandles();
  const auto bytes = ::mallinfo2().uordblks;
  for (int i = 0; i < 200; ++i) cycle();
  EXPECT_EQ(OpenHandles(), handles);
  if (!kSanitized) {
    EXPECT_LE(::mallinfo2().uordblks, bytes + 64 * 1024);
  }
}

// In a process of its own, whose limits die with it.
int Child(int (*body)()) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(Faults, MemoryMayRunOutAtAnySize) {
  if (kSanitized) GTEST_SKIP() << "sanitizers reserve terabytes of addresses";
  EXPECT_EQ(Child([] {
              pye_engine* engine = Open();
              const auto want = Labels(engine);
              std::ifstream statm("/proc/self/statm");
              int64_t pages = 0;
              statm >> pages;
              int refused = 0;
              Picture picture(3000);
              for (int step = 1; step <= 10; ++step) {
                struct rlimit limit, before;
                ::getrlimit(RLIMIT_AS, &before);
                limit = before;
                limit.rlim_cur = static_cast<rlim_t>(
                    (pages + picture.pixels.size() * 2 / 4096) * 4096 + (int64_t{step} << 22));
                ::setrlimit(RLIMIT_AS, &limit);
                pye_engine_trim(engine);
                const pye_status large = picture.Segment(engine);
                pye_engine* other = nullptr;
                const pye_status opened = pye_engine_open(kTiny.c_str(), nullptr, &other);
                ::setrlimit(RLIMIT_AS, &before);
                if (large != PYE_OK && large != PYE_OUT_OF_MEMORY) return 1;
                if (opened != PYE_OK && opened != PYE_OUT_OF_MEMORY) return 2;
                refused += large == PYE_OUT_OF_MEMORY;
                pye_engine_close(other);
                if (Labels(engine) != want) return 3;
              }
              return refused > 0 ? 0 : 4;
            }),
            0);
}

pye_engine* parents_engine = nullptr;
pye_stream* parents_stream = nullptr;

TEST(Faults, AForkedProcessHasTheEngineAndIsToldOfTheStream) {
  if (kSanitized) GTEST_SKIP() << "threads do not survive a fork under a sanitizer";
  parents_engine = Open();
  parents_stream = OpenStream(parents_engine);
  EXPECT_EQ(OneFrame(parents_stream), PYE_OK);
  EXPECT_EQ(Child([] {
              Picture picture;
              pye_result result;
              result.size = sizeof result;
              if (picture.Segment(parents_engine) != PYE_OK) return 1;
              if (OneFrame(parents_stream) != PYE_UNSUPPORTED) return 2;
              if (pye_stream_take(parents_stream, -1, &result) != PYE_UNSUPPORTED) return 3;
              if (pye_stream_flush(parents_stream, -1) != PYE_UNSUPPORTED) return 4;
              if (pye_stream_close(parents_stream, PYE_DRAIN) != PYE_UNSUPPORTED) return 5;
              pye_stream* own = OpenStream(parents_engine);
              if (OneFrame(own) != PYE_OK) return 6;
              return pye_stream_close(own, PYE_DRAIN) == PYE_OK ? 0 : 7;
            }),
            0);
  EXPECT_EQ(OneFrame(parents_stream), PYE_OK);
  pye_stream_close(parents_stream, PYE_DRAIN);
  pye_engine_close(parents_engine);
}

TEST(Faults, ArgumentsOfAnySizeAreRefused) {
  pye_engine* engine = Open();
  std::vector<uint16_t> pixels(kSide * kSide);
  std::vector<uint8_t> labels(pixels.size());
  const pye_image good = {pixels.data(), PYE_UINT16, kSide, kSide, 1, kSide * 2, 2, 2};
  const auto status = [&](void (*change)(pye_image&)) {
    pye_image image = good;
    change(image);
    return pye_segment_labels(engine, &image, labels.data(), kSide, nullptr);
  };
  EXPECT_EQ(status([](pye_image&) {}), PYE_OK);
  EXPECT_EQ(status([](pye_image& i) { i.data = static_cast<const char*>(i.data) + 1; }),
            PYE_INVALID_ARGUMENT);
  EXPECT_EQ(status([](pye_image& i) { i.row_stride_bytes = INT64_MAX; }), PYE_INVALID_ARGUMENT);
  EXPECT_EQ(status([](pye_image& i) { i.row_stride_bytes = INT64_MIN; }), PYE_INVALID_ARGUMENT);
  EXPECT_EQ(status([](pye_image& i) { i.height = int64_t{1} << 40; }), PYE_INVALID_ARGUMENT);
  EXPECT_EQ(status([](pye_image& i) { i.width = INT64_MAX; }), PYE_INVALID_ARGUMENT);
  EXPECT_EQ(status([](pye_image& i) { i.channels = -1; }), PYE_INVALID_ARGUMENT);
  EXPECT_EQ(status([](pye_image& i) { i.type = 77; }), PYE_INVALID_ARGUMENT);
  pye_engine_close(engine);
}

}  // namespace
