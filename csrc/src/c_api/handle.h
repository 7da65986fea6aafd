// The engine behind a handle.
#pragma once

#include "c_api/guard.h"
#include "pyengine/c_api.h"
#include "pyengine/engine.h"

struct pye_engine {
  pyengine::Engine engine;
};

namespace pyengine::c {

inline const Engine& EngineOf(const pye_engine* handle) {
  RequirePointer(handle, "engine");
  return handle->engine;
}

}  // namespace pyengine::c
