// The caller's structs as the library's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pyengine/c_api.h"
#include "pyengine/image_view.h"
#include "pyengine/options.h"

namespace pyengine::c {

// Options as a caller gets who asks for none.
pye_engine_options EngineDefaults();
pye_segment_options SegmentDefaults();

// All that follow throw Error with the field and the rule. NULL options are the defaults.
EngineOptions OptionsOf(const pye_engine_options* given);
SegmentOptions OptionsOf(const pye_segment_options* given);
ImageView ViewOf(const pye_image* image);
OutputKind OutputKindOf(int32_t kind);
std::vector<std::string> Folders(const char* const* folders, int64_t count);

}  // namespace pyengine::c
