#include "backends/backends.h"

#include <gtest/gtest.h>

#include "pyengine/error.h"

namespace pyengine {
namespace {

const std::string kTiny = PYENGINE_TEST_DATA "/tiny.pyengine";

TEST(Backends, TheListIsWhatIsTold) {
  std::vector<std::string> names, told;
  for (const Backend* backend : Backends())
    for (const ExecutorStatus& status : backend->status({})) names.push_back(status.name);
  for (const ExecutorStatus& status : ListExecutors()) told.push_back(status.name);
  EXPECT_EQ(told, names);
  EXPECT_EQ(told, (std::vector<std::string>{"tensorrt", "tensorrt-rtx", "cpu"}));
}

TEST(Backends, EveryDeviceIsServedByOne) {
  for (const char* device : {"cpu", "cuda", "cuda:0", "cuda:12"}) {
    int served = 0;
    for (const Backend* backend : Backends()) served += backend->serves(device);
    EXPECT_EQ(served, 1) << device;
    EXPECT_NO_THROW(RequireKnownDevice(device));
  }
  EXPECT_NO_THROW(RequireKnownDevice("auto"));
}

TEST(Backends, UnknownDevicesAreRefusedWithThoseThatExist) {
  for (const char* device :
       {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:99999", "CPU", "cpu "}) {
    try {
      RequireKnownDevice(device);
      FAIL() << device;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      EXPECT_EQ(std::string(e.what()), std::string("device '") + device +
                                           "' is not one of 'auto', 'cuda', 'cuda:N', 'cpu'");
    }
  }
}

TEST(Backends, AttachmentsAreReadForWhomTheDeviceMeans) {
  EXPECT_NO_THROW(ReadEngineFileFor(kTiny, "cpu"));
  const EngineFile file = ReadEngineFileFor(kTiny, "auto");
  EXPECT_FALSE(file.attachments.Has("plan/0"));
  EXPECT_THROW(file.attachments.Bytes("plan/0"), Error);
}

}  // namespace
}  // namespace pyengine
