#include "backends/backends.h"

#include <algorithm>

#include "pyengine/error.h"

namespace pyengine {

extern const Backend kCpuBackend, kTensorRtBackend;

namespace {

constexpr const char* kAnyDevice = "auto";
constexpr const Backend* kBackends[] = {&kTensorRtBackend, &kCpuBackend};

bool Means(const std::string& device, const Backend& backend) {
  return device == kAnyDevice || backend.serves(device);
}

}  // namespace

std::span<const Backend* const> Backends() {
  return kBackends;
}

void RequireKnownDevice(const std::string& device) {
  std::string known = std::string("'") + kAnyDevice + "'";
  for (const Backend* backend : Backends()) {
    if (Means(device, *backend)) return;
    known += std::string(", ") + backend->devices;
  }
  throw Error(ErrorCode::kInvalidArgument, "device '" + device + "' is not one of " + known);
}

namespace {

std::vector<std::string> WantedAttachments(const std::string& device) {
  std::vector<std::string> wanted;
  for (const Backend* backend : Backends())
    if (*backend->attachments != '\0' && Means(device, *backend))
      wanted.emplace_back(backend->attachments);
  return wanted;
}

EngineFile CheckedForAll(const std::string& name, EngineFile file) {
  try {
    for (const Backend* backend : Backends()) backend->check(file);
  } catch (const Error& e) {
    throw Error(e.code(), name + ": " + e.what());
  }
  return file;
}

}  // namespace

EngineFile ReadEngineFileFor(const std::string& path, const std::string& device) {
  return CheckedForAll(path, ReadEngineFile(path, WantedAttachments(device)));
}

EngineFile ReadEngineFileFor(const std::string& name, const ByteSource& bytes,
                             const std::string& device) {
  return CheckedForAll(name, ReadEngineFile(name, bytes, WantedAttachments(device)));
}

std::unique_ptr<Segmenter> OpenSegmenter(const OpenRequest& request, EngineInfo& info) {
  const EngineOptions& options = request.options;
  const bool or_cpu = options.device == kAnyDevice || options.on_mismatch == OnMismatch::kCpu;
  const Backend* const last = Backends().back();
  for (const Backend* backend : Backends()) {
    const bool instead = backend == last && or_cpu;
    if (!Means(options.device, *backend) && !instead) continue;
    try {
      if (auto segmenter = backend->open(request, info)) return segmenter;
    } catch (const Error& e) {
      if (backend == last || !or_cpu) throw;
      info.why_not_gpu += (info.why_not_gpu.empty() ? "" : "; ") + std::string(e.what());
    }
  }
  throw Error(ErrorCode::kUnsupported, "device '" + options.device + "' cannot run this engine");
}

}  // namespace pyengine
