// Executors whose result is known without a network.
#pragma once

#include <algorithm>

#include "pyengine/executor.h"

namespace pyengine {

// Returns the input less `margin` on every side, whatever context it is given.
class IdentityExecutor final : public Executor {
 public:
  explicit IdentityExecutor(int64_t halo, int64_t alignment = 1, int64_t margin = 0,
                            int64_t channels = 1)
      : Executor(Geometry(halo, alignment, margin, channels)) {}
  explicit IdentityExecutor(const NetworkGeometry& geometry) : Executor(geometry) {}

  void Run(const float* in, float* out, int64_t n, int64_t h, int64_t w) override {
    const int64_t m = geometry().margin;
    for (int64_t plane = 0; plane < n * geometry().channels; ++plane)
      for (int64_t y = m; y < h - m; ++y) {
        const float* row = in + (plane * h + y) * w;
        out = std::copy(row + m, row + w - m, out);
      }
  }

 private:
  static NetworkGeometry Geometry(int64_t halo, int64_t alignment, int64_t margin,
                                  int64_t channels) {
    NetworkGeometry g;
    g.channels = g.classes = channels;
    g.halo = g.before = g.after = halo;
    g.alignment = alignment;
    g.margin = margin;
    g.size_residue = 2 * margin % alignment;
    return g;
  }
};

}  // namespace pyengine
