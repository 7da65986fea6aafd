#include "file/container.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/platform/regular_file.h"
#include "core/sha256.h"
#include "file/file_kind.h"
#include "pyengine/error.h"
#include "support/temporary_folder.h"

namespace pyengine {
namespace {

using namespace std::string_literals;

std::string LittleEndian(uint64_t n) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(n >> (8 * i));
  return bytes;
}

// A container with these tensors in its header, as JSON members.
std::string File(const std::string& tensors, const std::string& data) {
  const std::string header = R"({"__metadata__":{"format":"pyengine"})" + tensors + "}";
  return LittleEndian(header.size()) + header + data;
}

std::string Tensor(const std::string& name, int64_t begin, int64_t end) {
  return ",\"" + name + R"(":{"dtype":"U8","shape":[)" + std::to_string(end - begin) +
         R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(end) + "]}";
}

struct Refusal {
  ErrorCode code;
  std::string text;
};

Refusal Open(const std::string& path) {
  try {
    const RegularFile file(path);
    const Container container(file);
  } catch (const Error& e) {
    return {e.code(), e.what()};
  }
  return {ErrorCode::kInternal, "it was opened"};
}

Refusal OpenBytes(const std::string& bytes) {
  const TemporaryFolder folder;
  return Open(folder.Write("x.pyengine", bytes));
}

TEST(Container, ReadsTensorsAndComparesTheirHashes) {
  const TemporaryFolder folder;
  const std::string file = File(Tensor("b", 0, 2) + Tensor("a", 2, 5), "xyabc");
  const MemoryBytes source(file.data(), static_cast<int64_t>(file.size()));
  const Container container(source);
  ASSERT_EQ(container.tensors().size(), 2u);
  EXPECT_EQ(container.tensors().at("a").type, "U8");
  EXPECT_EQ(container.tensors().at("a").shape, std::vector<int64_t>{3});
  std::string bytes(3, ' ');
  container.Read("a", Sha256Hex("abc", 3), bytes.data());
  EXPECT_EQ(bytes, "abc");
  EXPECT_THROW(container.Read("b", Sha256Hex("abc", 3), bytes.data()), Error);
}

TEST(Container, SaysWhatAFileIsThatIsNoEngine) {
  const std::pair<std::string, const char*> files[] = {
      {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"s, "a PNG image"},
      {"PK\x03\x04\0\0\x08\x08\0\0data.pkl"s, "a zip archive"},
      {"\x08\x08\x12\x07pytorch\x1a\x05"s, "an ONNX network"},
      {"II*\0\x08\0\0\0\0\0"s, "a TIFF image"},
      {"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"},
      {"{\"format\": \"pyengine\"}", "a JSON document"},
      {"no magic at all", "this is not an engine file"}};
  for (const auto& [bytes, kind] : files) {
    const Refusal refusal = OpenBytes(bytes);
    EXPECT_EQ(refusal.code, ErrorCode::kBadEngineFile);
    EXPECT_EQ(refusal.text.rfind("this is not an engine file", 0), 0u) << refusal.text;
    EXPECT_NE(refusal.text.find(kind), std::string::npos) << refusal.text;
  }
}

TEST(Container, LengthsAreCheckedBeforeAnythingIsRead) {
  const TemporaryFolder folder;
  // More than any memory holds; the disk holds none of it.
  const std::string path = folder.Write("x.pyengine", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"s);
  const auto huge = std::uintmax_t(60) << 30;
  std::filesystem::resize_file(path, huge);
  EXPECT_NE(Open(path).text.find("a PNG image"), std::string::npos) << Open(path).text;
  folder.Write("x.pyengine", File(Tensor("a", 0, 3), "abc"));
  std::filesystem::resize_file(path, huge);
  EXPECT_NE(Open(path).text.find("bytes after the last tensor"), std::string::npos);
  folder.Write("x.pyengine", LittleEndian(uint64_t(1) << 35) + "{}");
  std::filesystem::resize_file(path, huge);
  EXPECT_NE(Open(path).text.find("header length"), std::string::npos);
  EXPECT_NE(OpenBytes("").text.find("0 bytes"), std::string::npos);
}

TEST(Container, OverlapsAndHolesAreRefusedBeforeAnyTensorIsRead) {
  for (const auto& [tensors, word] : {std::pair{Tensor("a", 0, 4) + Tensor("b", 0, 4), "overlap"},
                                      {Tensor("a", 0, 3) + Tensor("b", 2, 4), "overlap"},
                                      {Tensor("a", 0, 1) + Tensor("b", 2, 4), "hole at byte 1"},
                                      {Tensor("a", 1, 4), "hole at byte 0"},
                                      {Tensor("a", 0, 3), "1 bytes after the last tensor"}}) {
    const Refusal refusal = OpenBytes(File(tensors, "abcd"));
    EXPECT_EQ(refusal.code, ErrorCode::kBadEngineFile);
    EXPECT_NE(refusal.text.find(word), std::string::npos) << refusal.text;
  }
}

TEST(Container, ShapesThatDoNotFitTheirBytesAreRefused) {
  for (const char* entry :
       {R"("dtype":"F32","shape":[2],"data_offsets":[0,4])",
        R"("dtype":"F64","shape":[1],"data_offsets":[0,4])",
        R"("dtype":"U8","shape":[1073741824,1073741824,1073741824],"data_offsets":[0,4])",
        R"("dtype":"U8","shape":[-4],"data_offsets":[0,4])",
        R"("dtype":"U8","shape":[4],"data_offsets":[4,0])",
        R"("dtype":"U8","shape":[5],"data_offsets":[0,5])",
        R"("dtype":"U8","shape":[4],"data_offsets":[0])"})
    EXPECT_EQ(OpenBytes(File(std::string(",\"a\":{") + entry + "}", "abcd")).text.find("it was"),
              std::string::npos)
        << entry;
}

}  // namespace
}  // namespace pyengine
