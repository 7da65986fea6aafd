// What is behind the handles.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "c_api/guard.h"
#include "pyengine/c_api.h"
#include "pyengine/engine.h"
#include "stream/frame_stream.h"

struct pye_engine {
  explicit pye_engine(pyengine::Engine opened) : engine(std::move(opened)) {}
  pyengine::Engine engine;
  mutable std::mutex mutex;
  mutable std::vector<const pyengine::FrameStream*> streams;  // open ones
};

struct pye_stream {
  const pye_engine& engine;
  pyengine::FrameStream stream;
};

struct pye_scheduler {
  std::shared_ptr<pyengine::Scheduler> scheduler;
};

namespace pyengine::c {

inline const Engine& EngineOf(const pye_engine* handle) {
  RequirePointer(handle, "engine");
  return handle->engine;
}

}  // namespace pyengine::c
