// 3x3 convolutions of stride 1 by Winograd's minimal filtering: outputs in patches of 4x4 or 6x6.
#pragma once

#include <cstdint>
#include <memory>

#include "cpu/steps/step.h"
#include "cpu/weight_pack.h"

namespace pyengine {

// `patch_px`: outputs per side of a patch. `packed` and `kernels` must outlive the step.
std::unique_ptr<Step> MakeWinograd(const Node& node, int64_t patch_px, const PackedConv* packed,
                                   const WinogradKernels& kernels);

}  // namespace pyengine
