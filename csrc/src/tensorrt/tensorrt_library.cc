#include "tensorrt/tensorrt_library.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "pyengine/error.h"

namespace pyengine {
namespace {

namespace fs = std::filesystem;

// TensorRT's plain version began with 10.12 to deprecate what this library does not use.
constexpr int kOldestMajor = 10, kOldestMinor = 12;
constexpr int kRtxMajor = 1;

std::string_view Stem(TensorRtFlavour flavour) {
  return flavour == TensorRtFlavour::kRtx ? "libtensorrt_rtx.so" : "libnvinfer.so";
}

std::string_view ParserStem(TensorRtFlavour flavour) {
  return flavour == TensorRtFlavour::kRtx ? "libtensorrt_onnxparser_rtx.so" : "libnvonnxparser.so";
}

// What the system's loader is asked for.
std::string SystemName(TensorRtFlavour flavour) {
  const bool rtx = flavour == TensorRtFlavour::kRtx;
  const int major = rtx ? kRtxMajor : std::max(TensorRtHeaderMajor(), kOldestMajor);
  return std::string(Stem(flavour)) + "." + std::to_string(major);
}

// Files in `folder` and its lib/ whose names begin with `stem`, later versions first. Wheels hold
// only the full version ("libtensorrt_rtx.so.1.7.1"), SDKs also the plain name.
std::vector<std::string> Candidates(const fs::path& folder, std::string_view stem) {
  std::vector<std::string> found;
  for (const fs::path& place : {folder, folder / "lib"}) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(place, ignored))
      if (entry.path().filename().string().starts_with(stem))
        found.push_back(entry.path().string());
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

std::vector<std::string> FoldersOfEnvironment() {
  const char* list = std::getenv("PYENGINE_TENSORRT");
  std::vector<std::string> folders;
  std::istringstream stream(list != nullptr ? list : "");
  for (std::string folder; std::getline(stream, folder, kListSeparator);)
    if (!folder.empty()) folders.push_back(folder);
  return folders;
}

TensorRtLibrary Open(TensorRtFlavour flavour, const std::string& path) {
  TensorRtLibrary found;
  found.flavour = flavour;
  found.library = DynamicLibrary(path);
  const char* const parts[] = {"getInferLibMajorVersion", "getInferLibMinorVersion",
                               "getInferLibPatchVersion"};
  for (int i = 0; i < 3; ++i) found.version[i] = found.library.Get<int32_t()>(parts[i])();
  found.create_builder = found.library.Get<void*(void*, int32_t)>("createInferBuilder_INTERNAL");
  found.create_runtime = found.library.Get<void*(void*, int32_t)>("createInferRuntime_INTERNAL");
  return found;
}

// Classes of NvInfer.h are called through tables whose order belongs to one major version.
void RequireFittingVersion(const TensorRtLibrary& found) {
  const std::string what = found.library.path() + " is version " + found.VersionText();
  const int major = found.version[0];
  if (found.flavour == TensorRtFlavour::kRtx) {
    if (major != kRtxMajor)
      throw Error(ErrorCode::kUnsupported, what + "; this build knows TensorRT for RTX 1.x");
    return;
  }
  if (major < kOldestMajor || (major == kOldestMajor && found.version[1] < kOldestMinor))
    throw Error(ErrorCode::kUnsupported, what + "; 10.12 is the oldest that works");
  if (TensorRtHeaderMajor() != 0 && major != TensorRtHeaderMajor())
    throw Error(ErrorCode::kUnsupported, what + "; this build was compiled with the headers of " +
                                             std::to_string(TensorRtHeaderMajor()) +
                                             ".x and needs that major version");
}

}  // namespace

const char* FlavourName(TensorRtFlavour flavour) {
  return flavour == TensorRtFlavour::kRtx ? "tensorrt-rtx" : "tensorrt";
}

TensorRtFlavour FlavourOf(const std::string& name) {
  for (TensorRtFlavour flavour : {TensorRtFlavour::kTensorRt, TensorRtFlavour::kRtx})
    if (name == FlavourName(flavour)) return flavour;
  throw Error(ErrorCode::kInvalidArgument,
              "executor '" + name + "' builds no plans; tensorrt and tensorrt-rtx do");
}

std::string TensorRtLibrary::VersionText() const {
  return std::to_string(version[0]) + "." + std::to_string(version[1]) + "." +
         std::to_string(version[2]);
}

TensorRtLibrary::CreateParser* TensorRtLibrary::OpenParser() const {
  const fs::path folder = fs::path(library.path()).parent_path();
  const std::vector<std::string> candidates = Candidates(folder, ParserStem(flavour));
  if (candidates.empty())
    throw Error(
        ErrorCode::kUnsupported,
        folder.string() + ": no " + std::string(ParserStem(flavour)) + " beside " + library.path());
  return DynamicLibrary(candidates.front()).Get<CreateParser>("createNvOnnxParser_INTERNAL");
}

TensorRtLibrary OpenTensorRt(TensorRtFlavour flavour, const std::vector<std::string>& folders) {
  std::vector<std::string> places = FoldersOfEnvironment();
  places.insert(places.end(), folders.begin(), folders.end());
  std::string tried;
  const auto open = [&](const std::string& path, TensorRtLibrary& found) {
    try {
      found = Open(flavour, path);
      return true;
    } catch (const Error& e) {
      tried += std::string(tried.empty() ? "" : "; ") + e.what();
      return false;
    }
  };
  TensorRtLibrary found;
  const auto search = [&] {
    for (const std::string& place : places) {
      const std::vector<std::string> candidates = Candidates(place, Stem(flavour));
      if (candidates.empty())
        tried +=
            (tried.empty() ? "" : "; ") + place + ": no " + std::string(Stem(flavour)) + " in it";
      for (const std::string& path : candidates)
        if (open(path, found)) return true;
    }
    return open(SystemName(flavour), found);
  };
  if (!search()) throw Error(ErrorCode::kUnsupported, "library not found: " + tried);
  RequireFittingVersion(found);
  return found;
}

}  // namespace pyengine
