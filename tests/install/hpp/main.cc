#include <cstdio>
#include <pyengine/pyengine.hpp>
#include <vector>

int main(int argc, char** argv) {
  const auto engine = pye::Engine::Open(argc > 1 ? argv[1] : "");
  const std::vector<uint8_t> pixels(30 * 40, 100);
  for (uint8_t label : engine.Labels(pye::ImageOf(pixels.data(), 30, 40)))
    if (label > 1) return 1;
  try {
    pye::Engine::Open("/no/such/file");
    return 1;
  } catch (const pye::Error& error) {
    if (error.status() != PYE_IO) return 1;
  }
#ifdef _LIBCPP_VERSION
  const char* const library = "libc++";
#else
  const char* const library = "this compiler's standard library";
#endif
  std::printf("header-only C++ consumer: pyengine %s works with %s\n", pye_version(), library);
  return 0;
}
