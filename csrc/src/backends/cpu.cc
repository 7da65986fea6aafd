// The CPU: runs every network, on every machine.
#include "backends/backends.h"
#include "cpu/cpu_executor.h"
#include "cpu/isa.h"
#include "tiling/tiler.h"

namespace pyengine {
namespace {

bool Serves(const std::string& device) {
  return device == "cpu";
}

std::vector<ExecutorStatus> Status(const std::vector<std::string>&) {
  ExecutorStatus status;
  status.name = "cpu";
  status.detail = SelectKernels("").isa;
  return {status};
}

void Check(const EngineFile&) {}

std::unique_ptr<Segmenter> Open(const OpenRequest& request, EngineInfo& info) {
  const EngineFile& file = request.file;
  const bool fast = request.options.accuracy == Accuracy::kFast;
  const KernelTable& kernels = SelectKernels(request.options.isa, request.options.accuracy);
  auto executor = std::make_shared<CpuExecutor>(file.graph, request.model.geometry, file.weights,
                                                kernels, fast, request.pool);
  info.device = "cpu";
  info.isa = kernels.isa;
  return std::make_unique<Tiler>(std::move(executor), request.model, request.pool);
}

}  // namespace

extern const Backend kCpuBackend{.devices = "'cpu'",
                                 .serves = Serves,
                                 .status = Status,
                                 .attachments = "",
                                 .check = Check,
                                 .open = Open};

}  // namespace pyengine
