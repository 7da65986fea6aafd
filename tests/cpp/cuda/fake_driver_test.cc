// On a machine with two GPUs, or so it seems: which plan is taken, and what is said where none
// fits.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "cuda/cuda_driver.h"
#include "pyengine/error.h"
#include "pyengine/executor_status.h"
#include "support/temporary_folder.h"
#include "tensorrt/open_plan.h"
#include "tensorrt/plan_builder.h"
#include "tensorrt/plan_network.h"

namespace pyengine {
namespace {

namespace fs = std::filesystem;

TEST(CudaDriver, TellsNamesCapabilitiesAndMemory) {
  const CudaDriver& driver = FindCudaDriver();
  ASSERT_EQ(driver.why_no_device, "");
  EXPECT_EQ(driver.version, 13000);
  EXPECT_EQ(CudaVersionText(driver.version), "13.0");
  ASSERT_EQ(driver.devices.size(), 2u);
  EXPECT_EQ(driver.devices[1].name, "Fake GPU 1");
  EXPECT_EQ(driver.devices[1].compute_capability[0], 6);
  EXPECT_EQ(driver.devices[1].compute_capability[1], 1);
  EXPECT_EQ(driver.devices[1].memory_bytes, int64_t(2) << 30);
  EXPECT_EQ(&RequireCudaDevice(1), &driver.devices[1]);
}

class OpenPlanTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::copy_file(PYENGINE_FAKE_LIBRARIES "/librtx_1_7.so", folder_ / "libtensorrt_rtx.so.1",
                  fs::copy_options::overwrite_existing);
    Add({"tensorrt-rtx", "1.7.3", "any", "any", "fp16", "aa", {96, 96, 608, 608, 8}});
  }

  void Add(const PlanKey& key) {
    const std::string name = "plan/" + std::to_string(plans_.size());
    plans_.push_back({key, name, "plan/network.onnx"});
    attachments_.Add(name, "no plan at all");
    attachments_.Add("plan/network.onnx", "no network at all");
  }

  std::string Refusal(int device, bool rebuild = false) {
    try {
      OpenFittingPlan(plans_, attachments_, {}, device, {folder_.string()}, rebuild);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
      return e.what();
    }
    return "nothing was thrown";
  }

  TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
  std::vector<StoredPlan> plans_;
  Attachments attachments_;
};

TEST_F(OpenPlanTest, NamesTheFieldThatDiffersOfEveryPlan) {
  plans_[0].key.version = "1.6.0";
  Add({"tensorrt-rtx", "1.7.3", "any", "Fake GPU 7", "fp32", "aa", {96, 96, 608, 608, 8}});
  Add({"tensorrt-rtx", "1.7.3", "8.9", "any", "fp32", "aa", {96, 96, 608, 608, 8}});
  const std::string refusal = Refusal(0);
  for (const char* part : {"cuda:0: no plan fits", "version: the plan has 1.6.0, this needs 1.7.3",
                           "gpu: the plan has Fake GPU 7, this needs Fake GPU 0",
                           "compute_capability: the plan has 8.9, this needs 9.0"})
    EXPECT_NE(refusal.find(part), std::string::npos) << refusal;
}

TEST_F(OpenPlanTest, AFittingPlanGoesToTheLibraryWhoseRefusalIsTold) {
  const std::string refusal = Refusal(0);
  const char* expected = CanRunPlans() ? "TensorRT made no runtime" : "runs no plans";
  EXPECT_NE(refusal.find(expected), std::string::npos) << refusal;
}

TEST_F(OpenPlanTest, AMissingLibraryIsTold) {
  Add({"tensorrt", "11.1.0", "9.0", "Fake GPU 0", "fp16", "aa", {96, 96, 608, 608, 8}});
  EXPECT_NE(Refusal(0).find("tensorrt 11.1.0 fp16: library not found"), std::string::npos)
      << Refusal(0);
}

TEST_F(OpenPlanTest, RebuildingGoesToTheBuilder) {
  plans_[0].key.version = "1.6.0";
  const std::string refusal = Refusal(0, true);
  EXPECT_EQ(refusal.find("no plan fits ("), std::string::npos) << refusal;
  EXPECT_NE(refusal.find(TensorRtHeaderMajor() > 0 ? "TensorRT made no builder"
                                                   : "without TensorRT's headers"),
            std::string::npos)
      << refusal;
}

TEST_F(OpenPlanTest, NoPlansAndNoSuchGpu) {
  EXPECT_NE(Refusal(2).find("cuda:2: this machine has 2 GPU(s)"), std::string::npos);
  plans_.clear();
  EXPECT_NE(Refusal(1).find("holds no TensorRT plan"), std::string::npos);
}

TEST_F(OpenPlanTest, TheListOfExecutorsTakesTheGpuIntoAccount) {
  const ExecutorStatus rtx = ListExecutors({folder_.string()}).at(1);
  EXPECT_EQ(rtx.name, "tensorrt-rtx");
  EXPECT_EQ(rtx.why_not.empty(), CanRunPlans()) << rtx.why_not;
}

}  // namespace
}  // namespace pyengine
