#include "tensorrt/tensorrt_library.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "pyengine/error.h"
#include "pyengine/executor_status.h"
#include "support/temporary_folder.h"
#include "tensorrt/plan_builder.h"

namespace pyengine {
namespace {

namespace fs = std::filesystem;

class TensorRtLibraryTest : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("PYENGINE_TENSORRT");
    fs::create_directories(folder_ / "lib");
  }

  static std::string Fake(const std::string& name) { return PYENGINE_FAKE_LIBRARIES "/" + name; }

  // What OpenTensorRt throws.
  std::string Refusal(TensorRtFlavour flavour) const {
    try {
      OpenTensorRt(flavour, {folder_.string()});
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
      return e.what();
    }
    return "nothing was thrown";
  }

  TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

TEST_F(TensorRtLibraryTest, SaysWhereItLooked) {
  const std::string refusal = Refusal(TensorRtFlavour::kRtx);
  EXPECT_NE(refusal.find(folder_.string() + ": no libtensorrt_rtx.so in it"), std::string::npos)
      << refusal;
}

TEST_F(TensorRtLibraryTest, SaysWhyAFileIsNoLibrary) {
  std::ofstream(folder_ / "libtensorrt_rtx.so.1.9.9") << "no library";
  const std::string refusal = Refusal(TensorRtFlavour::kRtx);
  EXPECT_NE(refusal.find("libtensorrt_rtx.so.1.9.9"), std::string::npos) << refusal;
}

TEST_F(TensorRtLibraryTest, OpensFromALibFolderAndTellsItsVersion) {
  fs::copy_file(Fake("librtx_1_7.so"), folder_ / "lib" / "libtensorrt_rtx.so.1.7.3");
  const TensorRtLibrary found = OpenTensorRt(TensorRtFlavour::kRtx, {folder_.string()});
  EXPECT_EQ(found.VersionText(), "1.7.3");
  EXPECT_EQ(found.library.path(), (folder_ / "lib" / "libtensorrt_rtx.so.1.7.3").string());
}

TEST_F(TensorRtLibraryTest, EnvironmentComesFirst) {
  fs::copy_file(Fake("librtx_1_7.so"), folder_ / "libtensorrt_rtx.so.1");
  ::setenv("PYENGINE_TENSORRT", ("/nowhere:" + folder_.string()).c_str(), 1);
  const TensorRtLibrary found = OpenTensorRt(TensorRtFlavour::kRtx, {});
  EXPECT_EQ(found.library.path(), (folder_ / "libtensorrt_rtx.so.1").string());
}

TEST_F(TensorRtLibraryTest, RefusesVersionsThatItDoesNotKnow) {
  fs::copy_file(Fake("librtx_1_7.so"), folder_ / "libnvinfer.so.1");
  EXPECT_NE(Refusal(TensorRtFlavour::kTensorRt).find("is version 1.7.3; 10.12 is the oldest"),
            std::string::npos)
      << Refusal(TensorRtFlavour::kTensorRt);
  fs::copy_file(Fake("libtrt_10_12.so"), folder_ / "libtensorrt_rtx.so.10");
  EXPECT_NE(Refusal(TensorRtFlavour::kRtx).find("knows TensorRT for RTX 1.x"), std::string::npos);
}

TEST_F(TensorRtLibraryTest, RefusesAnotherMajorVersionThanItsHeaders) {
  if (TensorRtHeaderMajor() == 0 || TensorRtHeaderMajor() == 10)
    GTEST_SKIP() << "headers of version " << TensorRtHeaderMajor();
  fs::copy_file(Fake("libtrt_10_12.so"), folder_ / "libnvinfer.so.10");
  EXPECT_NE(Refusal(TensorRtFlavour::kTensorRt).find("needs that major version"),
            std::string::npos);
}

TEST_F(TensorRtLibraryTest, MissingParserIsNamed) {
  fs::copy_file(Fake("librtx_1_7.so"), folder_ / "libtensorrt_rtx.so.1");
  const TensorRtLibrary found = OpenTensorRt(TensorRtFlavour::kRtx, {folder_.string()});
  try {
    found.OpenParser();
    FAIL() << "no exception";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("no libtensorrt_onnxparser_rtx.so"), std::string::npos);
  }
}

TEST_F(TensorRtLibraryTest, ALibraryThatMakesNoBuilderIsAnErrorNotACrash) {
  fs::copy_file(Fake("librtx_1_7.so"), folder_ / "libtensorrt_rtx.so.1");
  const TensorRtLibrary found = OpenTensorRt(TensorRtFlavour::kRtx, {folder_.string()});
  EXPECT_THROW(BuildPlan(found, {}), Error);
}

TEST_F(TensorRtLibraryTest, TheListOfExecutorsEndsWithTheCpuAndGivesReasons) {
  const std::vector<ExecutorStatus> list = ListExecutors({folder_.string()});
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].name, "tensorrt");
  EXPECT_EQ(list[1].name, "tensorrt-rtx");
  EXPECT_FALSE(list[1].why_not.empty());
  EXPECT_EQ(list[2].name, "cpu");
  EXPECT_EQ(list[2].why_not, "");
  EXPECT_NE(list[2].detail, "");
}

}  // namespace
}  // namespace pyengine
