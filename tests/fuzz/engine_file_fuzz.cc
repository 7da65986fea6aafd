// Engine files: raw bytes, and files whose parts are damaged with every hash put right. Whatever
// opens runs on a small image.
#include <cctype>
#include <cstdint>
#include <iterator>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "pyengine/engine.h"
#include "pyengine/error.h"
#include "support/engine_bytes.h"
#include "support/memory_file.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace pyengine::fuzz {
namespace {

constexpr int64_t kHeight = 13, kWidth = 18;
constexpr double kMaxFlops = 2e7;  // of one image; more would be a test of patience

void Run(const Engine& engine) {
  const EngineInfo& info = engine.info();
  if (info.flops_per_pixel * kHeight * kWidth > kMaxFlops || info.geometry.channels > 64) return;
  const int64_t channels = info.geometry.channels;
  std::vector<uint8_t> pixels(static_cast<size_t>(kHeight * kWidth * channels));
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37);
  const ImageView image{.data = pixels.data(),
                        .type = PixelType::kUint8,
                        .height = kHeight,
                        .width = kWidth,
                        .channels = channels,
                        .row_stride_bytes = kWidth * channels,
                        .pixel_stride_bytes = channels,
                        .channel_stride_bytes = 1};
  if (info.task == "classification") {
    if (info.sample_height * info.sample_width <= 64 * 64) (void)engine.Classify(image);
    return;
  }
  std::vector<uint8_t> labels(static_cast<size_t>(kHeight * kWidth));
  SegmentOptions options;
  options.max_memory_bytes = 64 << 20;
  engine.SegmentLabels(image, labels.data(), kWidth, options);
  for (const uint8_t label : labels)
    if (label >= info.classes.size()) __builtin_trap();
}

// One number of JSON becomes another; or, where there is none, libFuzzer's own mutation.
std::string MutateText(std::string text, size_t room, std::mt19937& random) {
  static const char* const kNumbers[] = {"0",   "-1",   "1",    "2",   "3",    "5",
                                         "16",  "64",   "1024", "0.5", "1e18", "255",
                                         "256", "-0.0", "7",    "9",   "1e-45"};
  const size_t digit =
      text.empty() ? std::string::npos : text.find_first_of("0123456789", random() % text.size());
  if (random() % 2 == 0 && digit != std::string::npos) {
    size_t end = digit;
    while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end]))) ++end;
    return text.replace(digit, end - digit, kNumbers[random() % std::size(kNumbers)]);
  }
  const size_t size = text.size();
  text.resize(size + room);
  text.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(text.data()), size, text.size()));
  return text;
}

}  // namespace
}  // namespace pyengine::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  using namespace pyengine::fuzz;
  std::mt19937 random(seed);
  auto parts = TakeApart({reinterpret_cast<const char*>(data), size});
  if (!parts || random() % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
  const uint32_t which = random() % 8;
  if (which < 4 || parts->tensors.empty()) {
    parts->graph = MutateText(parts->graph, 256, random);
  } else if (which < 6) {
    parts->manifest = MutateText(parts->manifest, 256, random);
  } else {
    StoredTensor& tensor = parts->tensors[random() % parts->tensors.size()];
    if (which == 6 && !tensor.shape.empty())
      tensor.shape[random() % tensor.shape.size()] = random() % 9;
    else
      tensor.bytes = MutateText(tensor.bytes, 64, random);
  }
  const std::string file = PutTogether(*parts);
  if (file.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::copy(file.begin(), file.end(), data);
  return file.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const pyengine::fuzz::MemoryFile file;
  try {
    pyengine::EngineOptions options;
    options.threads = 1;
    options.isa = "portable";
    options.device = "cpu";
    pyengine::fuzz::Run(pyengine::Engine::Open(file.Write(data, size), options));
  } catch (const pyengine::Error&) {
  } catch (const std::bad_alloc&) {
  }
  return 0;
}
