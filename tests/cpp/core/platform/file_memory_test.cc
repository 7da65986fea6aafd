#include "core/platform/file_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pyengine/error.h"
#include "support/temporary_folder.h"

namespace pyengine {
namespace {

constexpr int64_t kFloats = int64_t(1) << 20;
constexpr int64_t kBytes = kFloats * static_cast<int64_t>(sizeof(float));

TEST(FileMemory, KeepsWhatWasReleased) {
  const TemporaryFolder folder;
  const FileMemory memory(folder.path().string(), kBytes);
  float* const data = memory.data();
  EXPECT_EQ(std::count(data, data + kFloats, 0.0f), kFloats);
  for (int64_t i = 0; i < kFloats; ++i) data[i] = static_cast<float>(i);
  memory.Release(data, kFloats);
  memory.Release(data + 5, 3);  // less than a page
  for (int64_t i = 0; i < kFloats; ++i) ASSERT_EQ(data[i], static_cast<float>(i));
}

#ifndef _WIN32  // There the name stays until the file is closed.
TEST(FileMemory, HasNoNameInItsFolder) {
  const TemporaryFolder folder;
  const FileMemory memory(folder.path().string(), kBytes);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}
#endif

TEST(FileMemory, LeavesNothing) {
  const TemporaryFolder folder;
  {
    const FileMemory memory(folder.path().string(), kBytes);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(FileMemory, SaysWhichFolderAndHowMuch) {
  const TemporaryFolder folder;
  const std::string missing = (folder.path() / "missing").string();
  try {
    const FileMemory memory(missing, kBytes);
    FAIL() << "there is no such folder";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kIo);
    EXPECT_NE(std::string(e.what()).find("temporary file of 4194304 bytes in " + missing),
              std::string::npos)
        << e.what();
  }
}

TEST(FileMemory, IsRefusedAtOnceWhereTheDiskIsTooSmall) {
  const TemporaryFolder folder;
  EXPECT_THROW(FileMemory(folder.path().string(), int64_t(1) << 60), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace pyengine
