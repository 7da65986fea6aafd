// The same bits everywhere: what shipped engines give on generated images, by SHA-256, against the
// one list tests/data/bits.txt. Every instruction set, processor and operating system is held to
// it. PYENGINE_WRITE_BITS names a file to write the list to.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "core/sha256.h"
#include "cpu/isa.h"
#include "pyengine/engine.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

struct Case {
  const char* engine;
  int64_t height, width;
  TileMode mode;
  OutputKind kind;
  const char* name;
};

constexpr Case kCases[] = {
    {"em-membranes", 61, 43, TileMode::kExact, OutputKind::kLogits, "logits"},
    {"em-membranes", 1, 40, TileMode::kExact, OutputKind::kProbabilities, "probabilities"},
    {"oct-fluid", 48, 57, TileMode::kExact, OutputKind::kLogits, "logits"},
    {"oct-fluid", 49, 33, TileMode::kExact, OutputKind::kProbabilities, "probabilities"},
    {"retinal-vessels", 64, 47, TileMode::kExact, OutputKind::kProbabilities, "probabilities"},
    {"retinal-vessels", 80, 72, TileMode::kGaussian, OutputKind::kProbabilities, "blended"},
    {"ultrasound-nerve", 33, 65, TileMode::kExact, OutputKind::kLogits, "logits"},
    {"ultrasound-nerve", 72, 17, TileMode::kExact, OutputKind::kProbabilities, "probabilities"},
};

// Bytes of a generator that needs no library (Numerical Recipes' linear congruence).
std::vector<uint8_t> Noise(int64_t bytes, uint32_t seed) {
  std::vector<uint8_t> noise(static_cast<size_t>(bytes));
  for (uint8_t& byte : noise) {
    seed = seed * 1664525u + 1013904223u;
    byte = static_cast<uint8_t>(seed >> 24);
  }
  return noise;
}

std::string NameOf(const Case& c) {
  std::ostringstream name;
  name << c.engine << ' ' << c.height << 'x' << c.width << ' ' << c.name;
  return name.str();
}

std::string Digest(const Case& c, const std::string& isa,
                   Accuracy accuracy = Accuracy::kReproducible) {
  const Engine engine =
      Engine::Open(std::string(PYENGINE_SHIPPED_ENGINES "/") + c.engine + ".pyengine",
                   {.threads = 2, .isa = isa, .accuracy = accuracy});
  const int64_t channels = engine.info().geometry.channels;
  const auto pixels =
      Noise(c.height * c.width * channels, static_cast<uint32_t>(c.height * 1000 + c.width));
  std::vector<float> scores(
      static_cast<size_t>(engine.info().geometry.classes * c.height * c.width));
  SegmentOptions options;
  options.mode = c.mode;
  if (c.mode != TileMode::kExact) options.tile_height_px = options.tile_width_px = 48;
  engine.SegmentScores({.data = pixels.data(),
                        .type = PixelType::kUint8,
                        .height = c.height,
                        .width = c.width,
                        .channels = channels,
                        .row_stride_bytes = c.width * channels,
                        .pixel_stride_bytes = channels,
                        .channel_stride_bytes = 1,
                        .first_row = 0,
                        .rows = 0},
                       c.kind, scores.data(), options);
  return Sha256Hex(scores.data(), scores.size() * sizeof(float));
}

// Lines of a digest and the name of its case.
std::map<std::string, std::string> Stored() {
  std::map<std::string, std::string> digests;
  std::ifstream file(PYENGINE_TEST_DATA "/bits.txt");
  for (std::string digest, name; file >> digest && std::getline(file >> std::ws, name);)
    digests[name] = digest;
  return digests;
}

TEST(Bits, AreThoseOfEveryOtherMachine) {
  const std::vector<std::string> isas = UsableIsas(Accuracy::kReproducible);
  if (const char* path = std::getenv("PYENGINE_WRITE_BITS")) {
    std::ofstream file(path);
    for (const Case& c : kCases) file << Digest(c, isas.front()) << ' ' << NameOf(c) << '\n';
  }
  const auto stored = Stored();
  ASSERT_EQ(stored.size(), std::size(kCases));
  for (const std::string& isa : isas)
    for (const Case& c : kCases) {
      if (isa == "fused" && c.height * c.width >= 100)
        continue;  // it takes a hundred times as long
      EXPECT_EQ(Digest(c, isa), stored.at(NameOf(c))) << isa << ": " << NameOf(c);
    }
}

TEST(Bits, ByDefaultAreTheSameWhereTheProcessorFuses) {
  const std::string best = UsableIsas().front();
  if (best == "portable") GTEST_SKIP() << "this processor fuses no multiply-adds";
  EXPECT_EQ(Digest(kCases[0], best, Accuracy::kDefault), Stored().at(NameOf(kCases[0])));
}

TEST(Bits, TablesWithBitsOfTheirOwnAreRefusedWhereTheSameAreAskedFor) {
  for (const char* isa : {"portable", "reference"}) {
    try {
      Digest(kCases[0], isa);
      FAIL() << isa << " was taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
      EXPECT_NE(std::string(e.what()).find("other bits"), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace pyengine
