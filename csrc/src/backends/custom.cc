// An executor of the caller's own: no row of the list, as it is nothing that a machine has.
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
  const auto require = [&](const char* field, int64_t a, int64_t b) {
    if (a != b)
      throw Error(ErrorCode::kInvalidArgument, request.path + ": the executor's " + field + " is " +
                                                   std::to_string(a) + ", the network's is " +
                                                   std::to_string(b) +
                                                   "; its geometry must be EngineInfo's");
  };
  require("channels", has.channels, wanted.channels);
  require("classes", has.classes, wanted.classes);
  require("before", has.before, wanted.before);
  require("after", has.after, wanted.after);
  require("margin", has.margin, wanted.margin);
  require("alignment", has.alignment, wanted.alignment);
  require("size_residue", has.size_residue, wanted.size_residue);
  require("dense", has.dense, wanted.dense);
  require("volume", has.volume, wanted.volume);
  require("tileable", has.tileable, wanted.tileable);
  info.device = "cpu";
  info.isa = "custom";
  return std::make_unique<Tiler>(std::move(executor), request.model, request.pool);
}

}  // namespace pyengine
