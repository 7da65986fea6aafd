// A copy between layouts, or into a part of a concatenation.
#pragma once

#include <cstdint>
#include <memory>

#include "cpu/steps/step.h"

namespace pyengine {

// `channel_offset`: the first channel written in the output.
std::unique_ptr<Step> MakeCopy(int64_t channel_offset);

}  // namespace pyengine
