// What an opened engine computes: segmentation, classification, the network itself.
#include <algorithm>

#include "c_api/convert.h"
#include "c_api/guard.h"
#include "c_api/handle.h"
#include "c_api/structs.h"
#include "core/checked_math.h"
#include "pyengine/c_api.h"
#include "pyengine/engine.h"

using namespace pyengine;     // NOLINT(google-build-using-namespace): their C face
using namespace pyengine::c;  // NOLINT(google-build-using-namespace)

void pye_segment_options_init(pye_segment_options* options, size_t size) {
  Init(options, size, SegmentDefaults());
}

pye_status pye_segment_labels(const pye_engine* engine, const pye_image* image, uint8_t* labels,
                              int64_t row_stride_bytes, const pye_segment_options* options) {
  return Guard([&] {
    EngineOf(engine).SegmentLabels(ViewOf(image), labels, row_stride_bytes, OptionsOf(options));
  });
}

pye_status pye_segment_scores(const pye_engine* engine, const pye_image* image, int32_t kind,
                              float* scores, const pye_segment_options* options) {
  return Guard([&] {
    EngineOf(engine).SegmentScores(ViewOf(image), OutputKindOf(kind), scores, OptionsOf(options));
  });
}

pye_status pye_engine_prepare(const pye_engine* engine, int64_t height, int64_t width,
                              const pye_segment_options* options) {
  return Guard([&] { EngineOf(engine).Prepare(height, width, OptionsOf(options)); });
}

pye_status pye_engine_check_range(const pye_engine* engine, const pye_image* image,
                                  const pye_segment_options* options, pye_range* range) {
  return Guard([&] {
    const ValueRange r = EngineOf(engine).CheckRange(ViewOf(image), OptionsOf(options));
    Fill(range,
         {.size = 0,
          .lowest = r.lowest,
          .highest = r.highest,
          .expected_lowest = r.expected_lowest,
          .expected_highest = r.expected_highest,
          .advised_scale = r.advised_scale,
          .mismatch = r.mismatch ? 1 : 0},
         "pye_range");
  });
}

pye_status pye_engine_plan(const pye_engine* engine, int64_t height, int64_t width,
                           const pye_segment_options* options, pye_tile_plan* plan) {
  return Guard([&] {
    const TilePlan p = EngineOf(engine).Plan(height, width, OptionsOf(options));
    Fill(plan,
         {.size = 0,
          .tile_height_px = p.tile.height,
          .tile_width_px = p.tile.width,
          .window_height_px = p.window.height,
          .window_width_px = p.window.width,
          .window_top_px = p.window.top,
          .window_left_px = p.window.left,
          .tiles_down = p.tiles_down,
          .tiles_across = p.tiles_across,
          .batch_size = p.batch_size,
          .memory_bytes = p.memory_bytes,
          .cost = p.cost,
          .slowdown = p.slowdown,
          .top_px = p.top_px,
          .left_px = p.left_px,
          .origin_step_px = p.origin_step_px,
          .reach_px = p.reach_px},
         "pye_tile_plan");
  });
}

pye_status pye_band_rows(const pye_engine* engine, int64_t height, int64_t width,
                         const pye_segment_options* options, pye_band* band) {
  return Guard([&] {
    RequirePointer(band, "band");
    int64_t rows[2];
    EngineOf(engine).BandRows(height, width, band->row_begin, band->row_end, OptionsOf(options),
                              rows);
    band->first_row = rows[0];
    band->rows = rows[1] - rows[0];
  });
}

pye_status pye_segment_band(const pye_engine* engine, const pye_image* image, const pye_band* band,
                            int32_t kind, void* out, const pye_segment_options* options) {
  return Guard([&] {
    RequirePointer(band, "band");
    Require(band->first_row >= 0 && band->rows >= 1,
            "band: rows from " + std::to_string(band->first_row) + " on, " +
                std::to_string(band->rows) + " of them, is no part of an image");
    ImageView view = ViewOf(image);
    view.first_row = band->first_row;
    view.rows = band->rows;
    EngineOf(engine).SegmentBand(view, OutputKindOf(kind), band->row_begin, band->row_end, out,
                                 OptionsOf(options));
  });
}

pye_status pye_segment_volume(const pye_engine* engine, const pye_image* slice, int64_t depth,
                              int64_t slice_stride_bytes, int32_t kind, void* out,
                              const pye_segment_options* options) {
  return Guard([&] {
    ImageView slices = ViewOf(slice);
    Require(depth >= 1, "a volume of " + std::to_string(depth) + " slices");
    const int64_t rows = CheckedMul(depth, std::max<int64_t>(slices.height, 0), "volume");
    if (depth > 1 && slice_stride_bytes !=
                         CheckedMul(slices.height, slices.row_stride_bytes, "slice_stride_bytes"))
      throw Error(ErrorCode::kUnsupported,
                  "slice_stride_bytes " + std::to_string(slice_stride_bytes) +
                      " must be height * row_stride_bytes: slices follow each other");
    slices.height = rows;
    EngineOf(engine).SegmentVolume(slices, depth, OutputKindOf(kind), out, OptionsOf(options));
  });
}

pye_status pye_segment_labels_on_device(const pye_engine* engine, const pye_image* image,
                                        uint8_t* labels, int64_t row_stride_bytes,
                                        void* cuda_stream, const pye_segment_options* options) {
  return Guard([&] {
    EngineOf(engine).SegmentLabelsOnDevice(ViewOf(image), labels, row_stride_bytes, cuda_stream,
                                           OptionsOf(options));
  });
}

pye_status pye_segment_scores_on_device(const pye_engine* engine, const pye_image* image,
                                        int32_t kind, float* scores, void* cuda_stream,
                                        const pye_segment_options* options) {
  return Guard([&] {
    EngineOf(engine).SegmentScoresOnDevice(ViewOf(image), OutputKindOf(kind), scores, cuda_stream,
                                           OptionsOf(options));
  });
}

pye_status pye_engine_classify(const pye_engine* engine, const pye_image* image,
                               float* probabilities, int64_t* index) {
  return Guard([&] {
    const Classification found = EngineOf(engine).Classify(ViewOf(image));
    if (probabilities != nullptr)
      std::copy(found.probabilities.begin(), found.probabilities.end(), probabilities);
    if (index != nullptr) *index = found.index;
  });
}

pye_status pye_engine_normalise(const pye_engine* engine, const pye_image* image, float* planes) {
  return Guard([&] { EngineOf(engine).Normalise(ViewOf(image), planes); });
}

pye_status pye_engine_run_output_shape(const pye_engine* engine, int64_t height, int64_t width,
                                       int64_t shape[3]) {
  return Guard([&] {
    RequirePointer(shape, "shape");
    EngineOf(engine).RunOutputShape(height, width, shape);
  });
}

pye_status pye_engine_run(const pye_engine* engine, const float* in, float* out, int64_t count,
                          int64_t height, int64_t width) {
  return Guard([&] {
    RequirePointer(in, "in");
    RequirePointer(out, "out");
    Require(count >= 1, "count " + std::to_string(count) + " must be at least 1");
    EngineOf(engine).Run(in, out, count, height, width);
  });
}

pye_status pye_engine_run_volume_output_shape(const pye_engine* engine, int64_t depth,
                                              int64_t height, int64_t width, int64_t shape[4]) {
  return Guard([&] {
    RequirePointer(shape, "shape");
    EngineOf(engine).RunVolumeOutputShape({.height = height, .width = width, .depth = depth},
                                          shape);
  });
}

pye_status pye_engine_run_volume(const pye_engine* engine, const float* in, float* out,
                                 int64_t count, int64_t depth, int64_t height, int64_t width) {
  return Guard([&] {
    RequirePointer(in, "in");
    RequirePointer(out, "out");
    Require(count >= 1, "count " + std::to_string(count) + " must be at least 1");
    EngineOf(engine).RunVolume(in, out, count, {.height = height, .width = width, .depth = depth});
  });
}

pye_status pye_engine_profile(const pye_engine* engine, int64_t height, int64_t width,
                              int32_t passes, void (*visit)(void* user, const pye_op_time* time),
                              void* user) {
  return Guard([&] {
    Require(visit != nullptr, "visit is NULL");
    for (const OpTime& t : EngineOf(engine).Profile(height, width, passes)) {
      const pye_op_time time = {.size = sizeof(time),
                                .layer = t.layer.c_str(),
                                .algorithm = t.algorithm.c_str(),
                                .seconds = t.seconds,
                                .flops = t.flops,
                                .bytes = t.bytes};
      visit(user, &time);
    }
  });
}
