// The caller's structs as the library's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pyengine/c_api.h"
#include "pyengine/image_view.h"
#include "pyengine/log.h"
#include "pyengine/options.h"
#include "stream/frame_stream.h"

namespace pyengine::c {

// Options as a caller gets who asks for none.
pye_engine_options EngineDefaults();
pye_segment_options SegmentDefaults();
pye_frame FrameDefaults();

// All that follow throw Error with the field and the rule. NULL options are the defaults.
EngineOptions OptionsOf(const pye_engine_options* given);
SegmentOptions OptionsOf(const pye_segment_options* given);
StreamOptions OptionsOf(const pye_stream_options* given);
StreamEnding EndingOf(int32_t ending);
LogLevel LogLevelOf(int32_t level);
Frame FrameOf(const pye_frame* given);
ImageView ViewOf(const pye_image* image);
OutputKind OutputKindOf(int32_t kind);
std::vector<std::string> Folders(const char* const* folders, int64_t count);

pye_result ResultOf(const FrameResult& result);

}  // namespace pyengine::c
