/* A program as it was compiled when the C interface was frozen: the headers beside it, never the
 * library's own, and whatever library is there today. Usage: program ENGINE */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pyengine/c_api.h"

#define CHECK(condition)                                                                \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      fprintf(stderr, "frozen program: line %d: %s failed; last error: %s\n", __LINE__, \
              #condition, pye_last_error());                                            \
      exit(1);                                                                          \
    }                                                                                   \
  } while (0)

enum { kHeight = 30, kWidth = 44, kPixels = kHeight * kWidth };

static uint8_t pixels[kPixels], labels[kPixels];
static float upper[kWidth], lower[kWidth];
static pye_run runs[kPixels];

static void streaming(const pye_engine* engine) {
  pye_stream* stream = NULL;
  pye_stream_options options;
  pye_frame frame;
  pye_submission submission;
  pye_result result;
  pye_stream_stats stats;
  pye_stream_options_init(&options, sizeof options);
  options.height = kHeight;
  options.width = kWidth;
  options.policy = PYE_POLICY_ALL;
  CHECK(pye_stream_open(engine, &options, &stream) == PYE_OK);
  pye_frame_init(&frame, sizeof frame);
  frame.image.data = pixels;
  frame.image.type = PYE_UINT8;
  frame.image.height = kHeight;
  frame.image.width = frame.image.row_stride_bytes = kWidth;
  frame.image.channels = 1;
  frame.image.pixel_stride_bytes = frame.image.channel_stride_bytes = 1;
  frame.user = &frame;
  submission.size = sizeof submission;
  result.size = sizeof result;
  stats.size = sizeof stats;
  CHECK(pye_stream_submit(stream, &frame, &submission) == PYE_OK && submission.number == 1);
  CHECK(pye_stream_take(stream, -1, &result) == PYE_OK);
  CHECK(result.status == PYE_FRAME_DONE && result.user == &frame && result.classes == 1);
  CHECK(result.height == kHeight && result.width == kWidth && result.image.data == pixels);
  CHECK(memcmp(result.data, labels, kPixels) == 0);
  CHECK(pye_stream_release(stream, 1) == PYE_OK);
  CHECK(pye_stream_statistics(stream, &stats) == PYE_OK);
  CHECK(stats.submitted == 1 && stats.done == 1 && stats.age.max_ns > 0);
  CHECK(pye_stream_close(stream, PYE_DRAIN) == PYE_OK);
}

int main(int argc, char** argv) {
  pye_engine* engine = NULL;
  pye_engine_options open;
  pye_segment_options options;
  pye_engine_info info;
  pye_memory memory;
  const pye_image image = {pixels, PYE_UINT8, kHeight, kWidth, 1, kWidth, 1, 1};
  int64_t count, i;
  if (argc != 2) return 2;
  for (i = 0; i < kPixels; ++i) pixels[i] = (uint8_t)(i * 37);
  pye_engine_options_init(&open, sizeof open);
  open.threads = 2;
  CHECK(pye_engine_open(argv[1], &open, &engine) == PYE_OK);
  info.size = sizeof info;
  CHECK(pye_engine_describe(engine, &info) == PYE_OK);
  CHECK(info.size == sizeof info && info.threads == 2 && strcmp(info.task, "segmentation") == 0);
  CHECK(info.graph_json[0] == '{');
  pye_segment_options_init(&options, sizeof options);
  CHECK(options.size == sizeof options && options.overlap == 0.25);
  options.tile_height_px = options.tile_width_px = 16;
  CHECK(pye_segment_labels(engine, &image, labels, kWidth, &options) == PYE_OK);
  streaming(engine);
  CHECK(pye_labels_to_runs(labels, kHeight, kWidth, kWidth, runs, kPixels, &count) == PYE_OK);
  CHECK(pye_labels_to_boundaries(labels, kHeight, kWidth, kWidth, 0, upper, lower) == PYE_OK);
  memory.size = sizeof memory;
  CHECK(pye_engine_memory(engine, &memory) == PYE_OK && memory.weights_bytes > 0);
  CHECK(pye_engine_close(engine) == PYE_OK);
  puts("frozen program: all checks passed");
  return 0;
}
