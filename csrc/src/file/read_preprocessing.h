// The steps `input.preprocessing` of a manifest.
#pragma once

#include "core/json.h"
#include "preprocessing/preprocessing.h"

namespace pyengine {

// Throws Error(kBadEngineFile) naming the field that is missing, wrong or unknown.
Preprocessing ReadPreprocessing(const Json& steps, size_t channels);

}  // namespace pyengine
