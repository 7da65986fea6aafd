// What the simulated scanner sees: frames from a file, or a phantom.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace scanner {

// A stack of 8-bit frames.
struct Frames {
  int64_t height = 0;
  int64_t width = 0;
  std::vector<std::vector<uint8_t>> all;
};

// A layered retina with speckle and one dark cyst, which moves from frame to frame. Drawn by rules:
// a load for the network, no evidence for what it does on patients.
inline Frames Phantom(int64_t height, int64_t width, int64_t count) {
  Frames frames{height, width, {}};
  uint32_t noise = 1;
  for (int64_t n = 0; n < count; ++n) {
    std::vector<uint8_t> pixels(static_cast<size_t>(height * width));
    const double turn = 6.28 * static_cast<double>(n) / static_cast<double>(count);
    for (int64_t x = 0; x < width; ++x) {
      const double across = static_cast<double>(x) / static_cast<double>(width) - 0.5;
      const double top = 0.40 + 0.10 * across * across + 0.02 * std::sin(turn);
      for (int64_t y = 0; y < height; ++y) {
        const double depth = static_cast<double>(y) / static_cast<double>(height);
        const double layer = (depth - top) / 0.25;  // 0 to 1 within the retina
        double level = layer < 0 ? 0.05 : layer > 1 ? 0.4 * std::exp(3 - 3 * layer) : 0.35;
        if (layer > 0 && layer < 1) level += 0.25 * std::cos(19 * layer);
        const double dx = (across - 0.1 * std::sin(turn)) / 0.08, dy = (layer - 0.45) / 0.25;
        if (dx * dx + dy * dy < 1) level = 0.04;
        noise = noise * 1664525u + 1013904223u;
        level *= 0.6 + 0.8 * (noise >> 8) / 16777216.0;
        pixels[static_cast<size_t>(y * width + x)] =
            static_cast<uint8_t>(255 * std::fmin(1.0, level));
      }
    }
    frames.all.push_back(std::move(pixels));
  }
  return frames;
}

// Frames of this size, one after the other, as `numpy.ndarray.tofile` writes them.
inline Frames ReadRaw(const std::string& path, int64_t height, int64_t width) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
  Frames frames{height, width, {}};
  std::vector<uint8_t> pixels(static_cast<size_t>(height * width));
  while (file && std::fread(pixels.data(), 1, pixels.size(), file.get()) == pixels.size())
    frames.all.push_back(pixels);
  if (frames.all.empty())
    throw std::runtime_error(path + ": no frame of " + std::to_string(height) + " x " +
                             std::to_string(width) + " bytes can be read");
  return frames;
}

}  // namespace scanner
