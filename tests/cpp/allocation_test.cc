// What is allocated: nothing after the first call, and no more than a file's size allows. A program
// of its own, because it replaces operator new.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "core/json.h"
#include "cpu/cpu_executor.h"
#include "cpu/isa.h"
#include "pyengine/c_api.h"
#include "pyengine/engine.h"
#include "stream/frame_stream.h"

namespace {
std::atomic<int64_t> allocations{0};
// Which of the next allocations fails; negative: none.
std::atomic<int64_t> fail_in{-1};

bool Fails() {
  return fail_in.load() >= 0 && fail_in-- == 0;
}
std::atomic<int64_t> held_bytes{0}, most_held_bytes{0};  // by operator new
}  // namespace

void* operator new(size_t size) {
  ++allocations;
  if (Fails()) throw std::bad_alloc();
  void* p = std::malloc(size);
  if (p == nullptr) throw std::bad_alloc();
  const int64_t held = held_bytes += static_cast<int64_t>(malloc_usable_size(p));
  if (held > most_held_bytes) most_held_bytes = held;
  return p;
}
// Out of line: GCC takes a call of free() beside one of operator new for a mistake.
[[gnu::noinline]] static void Release(void* p) noexcept {
  held_bytes -= static_cast<int64_t>(malloc_usable_size(p));
  std::free(p);
}
void operator delete(void* p) noexcept {
  Release(p);
}
void operator delete(void* p, size_t) noexcept {
  Release(p);
}

// glibc's own entry, so that aligned_alloc can be counted and passed on.
extern "C" void* __libc_memalign(size_t alignment, size_t size);
extern "C" void* aligned_alloc(size_t alignment, size_t size) noexcept {
  ++allocations;
  if (Fails()) return nullptr;
  return __libc_memalign(alignment, size);
}

namespace pyengine {
namespace {

TEST(Allocation, NoneAfterTheFirstCall) {
  const Engine engine =
      Engine::Open(PYENGINE_TEST_DATA "/tiny.pyengine", {.threads = 2, .isa = ""});
  const std::vector<uint8_t> pixels(120 * 90, 77);
  std::vector<uint8_t> labels(120 * 90);
  const ImageView view{.data = pixels.data(),
                       .type = PixelType::kUint8,
                       .height = 120,
                       .width = 90,
                       .channels = 1,
                       .row_stride_bytes = 90,
                       .pixel_stride_bytes = 1,
                       .channel_stride_bytes = 1,
                       .first_row = 0,
                       .rows = 0};
  SegmentOptions options;
  options.tile_height_px = options.tile_width_px = 32;
  const auto calls = [&] {
    engine.SegmentLabels(view, labels.data(), 90, options);
    engine.SegmentLabels(view, labels.data(), 90);
  };
  calls();
  ASSERT_GT(allocations.load(), 100);  // the count works
  const int64_t before = allocations.load();
  for (int round = 0; round < 5; ++round) calls();
  EXPECT_EQ(allocations.load(), before);
}

// A norm over the planes, of groups and of single channels, and constants beside tensors.
TEST(Allocation, NoneForNormsAndConstants) {
  const Graph graph = ParseGraph(Json::Parse(R"({"input": {"name": "x", "channels": 20}, "nodes": [
      {"op": "group_norm", "inputs": ["x"], "output": "a", "groups": 4, "weight": "w", "bias": "w"},
      {"op": "group_norm", "inputs": ["a"], "output": "b", "groups": 20},
      {"op": "binary", "kind": "div", "inputs": ["b"], "output": "c", "weight": "w"},
      {"op": "where", "inputs": ["c", "a"], "output": "d", "bias": "w"},
      {"op": "layer_norm", "inputs": ["d"], "output": "y"}], "output": "y"})",
                                             "graph"));
  WeightMap weights;
  weights["w"] = {.shape = {20}, .values = std::vector<float>(20, 1.5f)};
  const auto pool = std::make_shared<ThreadPool>(2);
  CpuExecutor executor(graph, Analyze(graph, {.z = 1, .y = 24, .x = 30}).network, weights,
                       SelectKernels("", Accuracy::kDefault), false, pool);
  const std::vector<float> in(20 * 24 * 30, 0.5f);
  std::vector<float> out(in.size());
  executor.Run(in.data(), out.data(), 1, 24, 30);
  const int64_t before = allocations.load();
  for (int round = 0; round < 5; ++round) executor.Run(in.data(), out.data(), 1, 24, 30);
  EXPECT_EQ(allocations.load(), before);
}

// Frames, from the first on: the stream was prepared when it was opened.
TEST(Allocation, NoneForAFrameOfAStream) {
  const Engine engine =
      Engine::Open(PYENGINE_TEST_DATA "/tiny.pyengine", {.threads = 2, .isa = ""});
  const std::vector<uint8_t> pixels(120 * 90, 77);
  for (bool copy : {false, true})
    for (bool callback : {false, true})
      for (OutputKind output : {OutputKind::kLabels, OutputKind::kProbabilities}) {
        StreamOptions options;
        options.height = 120;
        options.width = 90;
        options.policy = FramePolicy::kAll;
        options.copy = copy;
        options.output = output;
        options.late = LatePolicy::kCancel;
        options.deadline_ns = int64_t(60) * 1000000000;
        std::atomic<int> told{0};
        if (callback) options.done = [&](const FrameResult&) { ++told; };
        FrameStream stream(engine, options);
        const int64_t before = allocations.load();
        for (int i = 0; i < 10; ++i) {
          stream.Submit({.image = {.data = pixels.data(),
                                   .height = 120,
                                   .width = 90,
                                   .row_stride_bytes = 90,
                                   .pixel_stride_bytes = 1,
                                   .channel_stride_bytes = 1}});
          stream.Flush(-1);
          if (!callback) stream.Release(stream.Take(-1).number);
        }
        EXPECT_EQ(allocations.load(), before) << copy << callback;
        EXPECT_EQ(stream.counts().ended.done, 10);
      }
}

// One use of everything, as a host would; what fails must say so.
void UseAll(const std::vector<uint8_t>& pixels) {
  const auto expect = [](pye_status status) {
    EXPECT_TRUE(status == PYE_OK || status == PYE_OUT_OF_MEMORY)
        << status << ": " << pye_last_error();
  };
  pye_engine* engine = nullptr;
  pye_engine_options options;
  pye_engine_options_init(&options, sizeof options);
  options.threads = 2;
  expect(pye_engine_open(PYENGINE_TEST_DATA "/tiny.pyengine", &options, &engine));
  if (engine == nullptr) return;
  std::vector<uint8_t>* labels = nullptr;
  try {
    labels = new std::vector<uint8_t>(pixels.size());
  } catch (const std::bad_alloc&) {
    labels = new std::vector<uint8_t>(pixels.size());
  }
  pye_frame frame;
  pye_frame_init(&frame, sizeof frame);
  frame.image = {pixels.data(), PYE_UINT8, 30, 40, 1, 40, 1, 1};
  expect(pye_segment_labels(engine, &frame.image, labels->data(), 40, nullptr));
  pye_stream_options stream_options;
  pye_stream_options_init(&stream_options, sizeof stream_options);
  stream_options.height = 30;
  stream_options.width = 40;
  stream_options.copy = 1;
  pye_stream* stream = nullptr;
  expect(pye_stream_open(engine, &stream_options, &stream));
  if (stream != nullptr) {
    pye_result result;
    result.size = sizeof result;
    expect(pye_stream_submit(stream, &frame, nullptr));
    expect(pye_stream_resize(stream, 50, 60, 1));
    expect(pye_stream_flush(stream, -1));
    const pye_status taken = pye_stream_take(stream, 0, &result);
    if (taken == PYE_OK) {
      EXPECT_TRUE(result.status == PYE_FRAME_DONE ||
                  (result.status == PYE_FRAME_FAILED && result.error == PYE_OUT_OF_MEMORY));
    }
    EXPECT_EQ(pye_stream_close(stream, PYE_DRAIN), PYE_OK);
  }
  EXPECT_EQ(pye_engine_close(engine), PYE_OK);
  delete labels;
}

TEST(Allocation, AnyOfThemMayFail) {
  const std::vector<uint8_t> pixels(30 * 40, 77);
  const int64_t before = allocations;
  UseAll(pixels);
  const int64_t used = allocations - before;
  ASSERT_GT(used, 300);
  for (int64_t n = 0; n <= used; n += 1 + n / 100) {
    fail_in = n;
    UseAll(pixels);
    fail_in = -1;
  }
  UseAll(pixels);
}

// A JSON list, of this many bytes or a few more, of one value again and again.
std::string List(const std::string& value, size_t bytes) {
  std::string text = "[";
  while (text.size() < bytes) text.append(value).append(",");
  return text.append("0]");
}

TEST(Allocation, JsonTakesNoMoreThanItsStatedMultipleOfTheText) {
  std::vector<std::string> texts;
  for (const char* value : {"0", "[]", "{}", "\"\"", "{\"\":{}}", "\"sixteen letters.\"",
                            "{\"a\":0,\"b\":0}", "[[[[[[0]]]]]]"})
    texts.push_back(List(value, 140000));
  // Paths that values would have to repeat, one each.
  texts.push_back(std::string("{\"").append(70000, 'k').append("\":"));
  texts.back().append(List("0", 70000)).append("}");
  for (const std::string& text : texts) {
    const int64_t before = held_bytes;
    most_held_bytes = before;
    const Json json = Json::Parse(text, "test");
    EXPECT_GT(most_held_bytes, before);
    EXPECT_LE(most_held_bytes - before, static_cast<int64_t>(Json::kBytesPerByte * text.size()))
        << text.substr(0, 40);
  }
}

}  // namespace
}  // namespace pyengine
