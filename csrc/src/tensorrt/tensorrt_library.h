// Finds and opens a TensorRT library at run time, or says why it could not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/platform/dynamic_library.h"

namespace pyengine {

enum class TensorRtFlavour {
  kTensorRt,  // libnvinfer: plans tied to one GPU model, built on that GPU
  kRtx,       // libtensorrt_rtx: built ahead of time, without a GPU
};

// "tensorrt" and "tensorrt-rtx".
const char* FlavourName(TensorRtFlavour flavour);
// The flavour of that name; throws Error(kInvalidArgument).
TensorRtFlavour FlavourOf(const std::string& name);

struct TensorRtLibrary {
  TensorRtFlavour flavour = TensorRtFlavour::kTensorRt;
  DynamicLibrary library;
  int version[3] = {0, 0, 0};  // of the library: major, minor, patch

  std::string VersionText() const;
  // Factories of the library's C interface; they return objects of NvInfer.h's classes.
  void* (*create_builder)(void* logger, int32_t header_version) = nullptr;
  void* (*create_runtime)(void* logger, int32_t header_version) = nullptr;

  // The ONNX parser's factory, from the library that lies beside this one.
  // Throws Error(kUnsupported) if it is missing.
  using CreateParser = void*(void* network, void* logger, int header_version);
  CreateParser* OpenParser() const;
};

// Major version of the headers this build was compiled with; 0 = without any. Defined where plans
// are built.
int TensorRtHeaderMajor();

// Looks in the folders of PYENGINE_TENSORRT (separated by ':'), then in `folders` (each itself and
// its lib/), then where the system's loader looks. Throws Error(kUnsupported): every place looked
// at with the reason, or the version that does not fit.
TensorRtLibrary OpenTensorRt(TensorRtFlavour flavour, const std::vector<std::string>& folders);

}  // namespace pyengine
