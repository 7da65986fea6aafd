// Declared, and not there yet: each says so.
#include "c_api/guard.h"
#include "pyengine/c_api.h"

namespace {

pye_status NotYet() {
  return pyengine::c::Remember(PYE_UNSUPPORTED, "this library cannot do it yet");
}

}  // namespace

pye_status pye_engine_open_memory(const void*, size_t, const pye_engine_options*, pye_engine**) {
  return NotYet();
}
pye_status pye_engine_open_descriptor(int, const pye_engine_options*, pye_engine**) {
  return NotYet();
}
pye_status pye_engine_memory(const pye_engine*, pye_memory*) {
  return NotYet();
}
pye_status pye_engine_trim(const pye_engine*) {
  return NotYet();
}
pye_status pye_engine_check_range(const pye_engine*, const pye_image*, const pye_segment_options*,
                                  pye_range*) {
  return NotYet();
}
pye_status pye_set_log(pye_log, void*, int32_t) {
  return NotYet();
}
pye_status pye_labels_to_runs(const uint8_t*, int64_t, int64_t, int64_t, pye_run*, int64_t,
                              int64_t*) {
  return NotYet();
}
pye_status pye_runs_to_labels(const pye_run*, int64_t, int64_t, int64_t, int64_t, uint8_t*) {
  return NotYet();
}
pye_status pye_labels_to_contours(const uint8_t*, int64_t, int64_t, int64_t, int32_t,
                                  void (*)(void*, const pye_contour*), void*) {
  return NotYet();
}
pye_status pye_scores_to_boundaries(const float*, int64_t, int64_t, int64_t, int32_t, float*,
                                    float*) {
  return NotYet();
}
pye_status pye_labels_to_boundaries(const uint8_t*, int64_t, int64_t, int64_t, int32_t, float*,
                                    float*) {
  return NotYet();
}
