#include "file/engine_file.h"

#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <iterator>
#include <new>
#include <random>

#include "core/json.h"
#include "core/sha256.h"
#include "pyengine/engine.h"
#include "pyengine/error.h"
#include "support/temporary_folder.h"

namespace pyengine {
namespace {

const std::string kTiny = PYENGINE_TEST_DATA "/tiny.pyengine";

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Opens altered bytes; true if they were refused with an Error that names the file.
bool Refused(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("altered.pyengine", bytes);
  try {
    Engine::Open(path, {1, ""});
    return false;
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(path), std::string::npos) << e.what();
    return true;
  }
}

TEST(EngineFile, TheIntactFileOpens) {
  EXPECT_FALSE(Refused(ReadFile(kTiny)));
}

TEST(EngineFile, EveryTruncationIsRefused) {
  const std::string bytes = ReadFile(kTiny);
  for (size_t size = 0; size < bytes.size(); size += size < 64 ? 1 : 61)
    ASSERT_TRUE(Refused(bytes.substr(0, size))) << size;
}

TEST(EngineFile, RandomDamageNeverCrashes) {
  const std::string bytes = ReadFile(kTiny);
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 600; ++round) {
    std::string damaged = bytes;
    const int kind = round % 4;
    const size_t at = random() % (kind == 0 ? 64 : damaged.size());
    if (kind <= 1)
      damaged[at] = static_cast<char>(damaged[at] ^ (1 + random() % 255));
    else if (kind == 2)
      damaged.erase(at, 1 + random() % 40);
    else
      damaged.insert(at, std::string(1 + random() % 40, static_cast<char>(random())));
    refused += Refused(damaged);
  }
  // Only blanks of the header's padding may change unnoticed.
  EXPECT_GE(refused, 590);
}

// ---- forgeries: damage inside the JSON, with all hashes put right, so that it reaches the graph
// --

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

class Forger {
 public:
  Forger() {
    const std::string bytes = ReadFile(kTiny);
    size_t size = 0;
    for (int i = 7; i >= 0; --i)
      size = size << 8 | static_cast<unsigned char>(bytes[static_cast<size_t>(i)]);
    header_ = bytes.substr(8, size);
    data_ = bytes.substr(8 + size);
    const Json header = Json::Parse(header_, "header");
    const Json& meta = header.At("__metadata__");
    manifest = meta.At("manifest").String();
    graph = meta.At("graph").String();
    manifest_hash_ = meta.At("manifest_sha256").String();
    graph_hash_ = Sha256Hex(graph.data(), graph.size());
  }

  // The file with other JSON, every hash right.
  std::string File(std::string new_manifest, const std::string& new_graph) const {
    Replace(new_manifest, graph_hash_, Sha256Hex(new_graph.data(), new_graph.size()));
    std::string header = header_;
    Replace(header, Quoted(manifest), Quoted(new_manifest));
    Replace(header, Quoted(graph), Quoted(new_graph));
    Replace(header, manifest_hash_, Sha256Hex(new_manifest.data(), new_manifest.size()));
    std::string file;
    for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i));
    return file + header + data_;
  }

  std::string manifest, graph;

 private:
  static void Replace(std::string& text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    if (at != std::string::npos) text.replace(at, from.size(), to);
  }
  std::string header_, data_, manifest_hash_, graph_hash_;
};

// Replaces one number, word or byte of JSON.
std::string Mutate(std::string text, std::mt19937& random) {
  static const char* const kNumbers[] = {"0",       "-1",   "1",   "2",    "3",
                                         "16",      "64",   "255", "1024", "16384",
                                         "1048576", "1e18", "0.5", "-0.0", "1e308"};
  size_t at = random() % text.size();
  if (random() % 4 != 0) {
    const size_t digit = text.find_first_of("0123456789", at);
    if (digit != std::string::npos) {
      size_t end = digit;
      while (end < text.size() &&
             (std::isdigit(static_cast<unsigned char>(text[end])) || text[end] == '.'))
        ++end;
      return text.replace(digit, end - digit, kNumbers[random() % std::size(kNumbers)]);
    }
  }
  text[at] = static_cast<char>(32 + random() % 95);
  return text;
}

TEST(EngineFile, AForgeryOfTheIntactPartsOpens) {
  const Forger forger;
  EXPECT_FALSE(Refused(forger.File(forger.manifest, forger.graph)));
}

// Whoever opens it: a plan that is malformed here may be found on the machine that can run it.
TEST(EngineFile, MalformedPlansAreRefusedOnTheCpuToo) {
  const Forger forger;
  const std::string key =
      R"({"flavour":"tensorrt","version":"1","compute_capability":"any","gpu":"any",)"
      R"("precision":"fp16","onnx_sha256":"a","min_size_px":[1,1],"max_size_px":[9,9],)"
      R"("max_batch":1})";
  const auto with_plans = [&](const std::string& plans) {
    std::string manifest = forger.manifest;
    return forger.File(manifest.insert(1, "\"plans\":" + plans + ","), forger.graph);
  };
  EXPECT_FALSE(Refused(with_plans("[]")));
  EXPECT_TRUE(Refused(with_plans("{}")));
  EXPECT_TRUE(Refused(with_plans("[{}]")));
  EXPECT_TRUE(Refused(with_plans(R"([{"key":)" + key + R"(,"plan":"plan/0","onnx":"plan/1"}])")));
}

TEST(EngineFile, ForgedJsonIsRefusedOrRunsWithinBounds) {
  const Forger forger;
  std::mt19937 random(11);
  const TemporaryFolder folder;
  const std::vector<uint8_t> pixels(40 * 30, 90);
  int opened = 0;
  for (int round = 0; round < 800; ++round) {
    std::string manifest = forger.manifest, graph = forger.graph;
    for (uint32_t n = 1 + random() % 2; n > 0; --n)
      (round % 3 == 0 ? manifest : graph) = Mutate(round % 3 == 0 ? manifest : graph, random);
    const std::string path = folder.Write("forged.pyengine", forger.File(manifest, graph));
    try {
      const Engine engine = Engine::Open(path, {1, ""});
      ++opened;
      std::vector<float> scores(40 * 30 * static_cast<size_t>(engine.info().geometry.classes));
      engine.SegmentScores({pixels.data(), PixelType::kUint8, 40, 30, 1, 30, 1, 1, 0, 0},
                           OutputKind::kLogits, scores.data());
    } catch (const Error&) {
    } catch (const std::bad_alloc&) {
    }
  }
  // Names and provenance may change freely, so some forgeries are valid engines.
  EXPECT_GT(opened, 0);
  EXPECT_LT(opened, 800);
}

}  // namespace
}  // namespace pyengine
