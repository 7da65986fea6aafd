#include "core/platform/regular_file.h"

#include <gtest/gtest.h>

#if !defined(_WIN32)
#include <sys/stat.h>
#endif

#include <fstream>
#include <utility>
#include <vector>

#include "pyengine/error.h"
#include "support/temporary_folder.h"

namespace pyengine {
namespace {

std::string Refusal(const std::string& path) {
  try {
    const RegularFile file(path);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kIo) << path;
    return e.what();
  }
  return "nothing was thrown";
}

TEST(RegularFile, MissingFilesAndAllThatAreNoRegularFilesAreIoErrors) {
  const TemporaryFolder folder;
  std::vector<std::pair<std::string, const char*>> places = {
      {folder.path().string(), "is a folder"},
      {(folder.path() / "none.pyengine").string(), "cannot open"}};
#if defined(_WIN32)
  places.emplace_back("NUL", "is a device");
  places.emplace_back(R"(\\.\pipe\pyengine)", "a pipe");
#else
  const std::string pipe = (folder.path() / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  places.emplace_back(pipe, "is a pipe");  // has no writer: opening it would wait for ever
  places.emplace_back("/no/such/file.pyengine", "No such file");
  places.emplace_back("/dev/null", "is a device");
  places.emplace_back("/dev/zero", "is a device");
#endif
  for (const auto& [path, word] : places)
    EXPECT_NE(Refusal(path).find(word), std::string::npos) << path << ": " << Refusal(path);
}

// Names are UTF-8 on every system.
TEST(RegularFile, NamesMayHoldAnyLetters) {
  const TemporaryFolder folder;
  const std::u8string name = u8"Zähler 眼底 \U0001F441.bin";
  const std::filesystem::path path = folder.path() / name;
  std::ofstream(path, std::ios::binary) << "content";
  const std::u8string utf8 = path.u8string();
  const RegularFile file(std::string(utf8.begin(), utf8.end()));
  ASSERT_EQ(file.size(), 7);
  char bytes[3];
  file.Read(2, 3, bytes);
  EXPECT_EQ(std::string(bytes, 3), "nte");
}

TEST(RegularFile, SaysThatAFileBecameShorter) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("file", "12345678");
  const RegularFile file(path);
  std::filesystem::resize_file(path, 4);
  char bytes[8];
  try {
    file.Read(0, 8, bytes);
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kBadEngineFile);
    EXPECT_NE(std::string(e.what()).find("became shorter"), std::string::npos);
  }
}

}  // namespace
}  // namespace pyengine
