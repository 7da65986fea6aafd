#include "engine_file.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>

#include "pyengine/engine.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

const std::string kTiny = PYENGINE_TEST_DATA "/tiny.pyengine";

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Opens altered bytes; true if they were refused with an Error that names the file.
bool Refused(const std::string& bytes) {
  const std::string path = testing::TempDir() + "altered.pyengine";
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
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

// Damage inside the JSON parts with the hashes put right is a fuzz test of its own in Python
// (tests/python/test_engine_file.py), where forging a file is one call.

TEST(EngineFile, MissingFilesAndFoldersAreIoErrors) {
  for (const char* path : {"/no/such/file.pyengine", "/tmp", "/dev/null"}) {
    try {
      Engine::Open(path);
      FAIL() << path;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kIo) << e.what();
    }
  }
}

}  // namespace
}  // namespace pyengine
