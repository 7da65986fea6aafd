// An executor of the caller's own.
#include "backends/backends.h"
#include "pyengine/error.h"
#include "tiling/tiler.h"

namespace pyengine {

std::unique_ptr<Segmenter> OpenCustom(const ExecutorFactory& factory, const OpenRequest& request,
                                      EngineInfo& info) {
  std::shared_ptr<Executor> executor = factory(info);
  if (!executor)
    throw Error(ErrorCode::kInvalidArgument, request.path + ": the factory made no executor");
  const NetworkGeometry &has = executor->geometry(), &wanted = request.model.geometry;
  if (has.channels != wanted.channels || has.classes != wanted.classes ||
      has.before != wanted.before || has.after != wanted.after ||
      has.alignment != wanted.alignment || has.margin != wanted.margin)
    throw Error(ErrorCode::kInvalidArgument,
                request.path + ": the executor's geometry differs from the network's");
  info.device = "cpu";
  info.isa = "custom";
  return std::make_unique<Tiler>(std::move(executor), request.model, request.pool);
}

}  // namespace pyengine
