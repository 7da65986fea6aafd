#include <pyengine/engine.h>
#include <pyengine/version.h>

#include <cstdio>
#include <vector>

int main(int argc, char** argv) {
  const auto engine = pyengine::Engine::Open(argc > 1 ? argv[1] : "");
  const std::vector<uint8_t> pixels(30 * 40, 100);
  std::vector<uint8_t> labels(30 * 40, 9);
  engine.SegmentLabels({pixels.data(), pyengine::PixelType::kUint8, 30, 40, 1, 40, 1, 1, 0, 0},
                       labels.data(), 40);
  for (uint8_t label : labels)
    if (label > 1) return 1;
  std::printf("C++ consumer: pyengine %s works\n", PYENGINE_VERSION);
  return 0;
}
