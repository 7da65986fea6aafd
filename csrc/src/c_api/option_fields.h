// The fields of the option structs, once: what the C interface hands on, and what the bindings take
// by name. An option more is a line here, one in each header and one in pyengine/arguments.py.
#pragma once

#include <tuple>

#include "pyengine/c_api.h"
#include "pyengine/options.h"

namespace pyengine {

// A field's name, and the members of that name in C++ and in C.
template <class Member, class CMember>
struct OptionField {
  const char* name;
  Member member;
  CMember c_member;
};
template <class Member, class CMember>
OptionField(const char*, Member, CMember) -> OptionField<Member, CMember>;

#define PYENGINE_FIELD(name)                               \
  OptionField {                                            \
    #name, &EngineOptions::name, &pye_engine_options::name \
  }
inline constexpr std::tuple kEngineOptionFields{
    PYENGINE_FIELD(threads),         PYENGINE_FIELD(isa),    PYENGINE_FIELD(accuracy),
    PYENGINE_FIELD(pin_threads),     PYENGINE_FIELD(device), PYENGINE_FIELD(on_mismatch),
    PYENGINE_FIELD(library_folders), PYENGINE_FIELD(thread), PYENGINE_FIELD(share_threads),
    PYENGINE_FIELD(run_tasks),
};
#undef PYENGINE_FIELD

#define PYENGINE_FIELD(name)                                 \
  OptionField {                                              \
    #name, &SegmentOptions::name, &pye_segment_options::name \
  }
inline constexpr std::tuple kSegmentOptionFields{
    PYENGINE_FIELD(tile_height_px),   PYENGINE_FIELD(tile_width_px),
    PYENGINE_FIELD(tile_depth_px),    PYENGINE_FIELD(batch_size),
    PYENGINE_FIELD(max_memory_bytes), PYENGINE_FIELD(mode),
    PYENGINE_FIELD(overlap),          PYENGINE_FIELD(padding),
    PYENGINE_FIELD(progress),         PYENGINE_FIELD(one_thread),
    PYENGINE_FIELD(augmentation),     PYENGINE_FIELD(cancelled),
    PYENGINE_FIELD(scheduler),        PYENGINE_FIELD(priority),
    PYENGINE_FIELD(region_top_px),    PYENGINE_FIELD(region_left_px),
    PYENGINE_FIELD(region_height_px), PYENGINE_FIELD(region_width_px),
    PYENGINE_FIELD(source_scale),     PYENGINE_FIELD(source_offset),
    PYENGINE_FIELD(check_finite),     PYENGINE_FIELD(every_tile),
    PYENGINE_FIELD(foreground),       PYENGINE_FIELD(foreground_cell_px),
    PYENGINE_FIELD(report),
};
#undef PYENGINE_FIELD

// Calls `visit` with every field of a list above.
template <class Fields, class Visit>
void ForEachField(const Fields& fields, Visit&& visit) {
  std::apply([&](const auto&... field) { (visit(field), ...); }, fields);
}

}  // namespace pyengine
