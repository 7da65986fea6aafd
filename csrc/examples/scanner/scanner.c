/* A scanner that never waits for the network: scanner ENGINE.pyengine [FRAMES] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pyengine/c_api.h"

enum { kHeight = 496, kWidth = 768, kPeriodNs = 1000000000 / 30 };

static uint8_t pixels[kHeight][kWidth];

/* Stands for the hardware: a bright band that moves. */
static void acquire(int64_t n) {
  for (int y = 0; y < kHeight; ++y) memset(pixels[y], (y + n) % kHeight < 120 ? 160 : 20, kWidth);
}

/* Stands for the screen: what was found, and how old it is. */
static void show(const pye_result* result) {
  const uint8_t* labels = result->data; /* NULL unless done or late */
  int64_t marked = 0;
  for (int64_t i = 0; labels && i < result->height * result->width; ++i) marked += labels[i] != 0;
  printf("frame %d: status %d, %.1f ms old, %.2f %% marked %s\n", (int)result->number,
         (int)result->status, (double)(result->end_ns - result->submit_ns) / 1e6,
         100.0 * (double)marked / (kHeight * kWidth), result->message);
}

int main(int argc, char** argv) {
  const int64_t frames = argc > 2 ? atol(argv[2]) : 150;
  pye_engine* engine = NULL;
  pye_stream* stream = NULL;
  pye_stream_options options;
  pye_result result = {.size = sizeof(result)};
  pye_stream_stats stats = {.size = sizeof(stats)};

  pye_stream_options_init(&options, sizeof(options)); /* a newer frame replaces one that waits */
  options.height = kHeight;
  options.width = kWidth;
  options.copy = 1; /* so that `pixels` may change at once */
  if (pye_engine_open(argc > 1 ? argv[1] : "oct-fluid.pyengine", NULL, &engine) != PYE_OK ||
      pye_stream_open(engine, &options, &stream) != PYE_OK) {
    fprintf(stderr, "scanner: %s\n", pye_last_error());
    return 1;
  }
  for (int64_t left, n = 0, due = pye_now_ns(); n < frames; ++n, due += kPeriodNs) {
    pye_frame frame;
    pye_frame_init(&frame, sizeof(frame));
    frame.image = (pye_image){pixels, PYE_UINT8, kHeight, kWidth, 1, kWidth, 1, 1};
    acquire(n);
    if (pye_stream_submit(stream, &frame, NULL) != PYE_OK) puts(pye_last_error());
    while ((left = due + kPeriodNs - pye_now_ns()) > 0) /* results, until the next frame */
      if (pye_stream_take(stream, left, &result) == PYE_OK) {
        show(&result);
        pye_stream_release(stream, result.number);
      }
  }
  pye_stream_statistics(stream, &stats);
  printf("%d done, %d replaced, age p99 %.1f ms\n", (int)stats.done, (int)stats.replaced,
         (double)stats.age.p99_ns / 1e6);
  return pye_stream_close(stream, PYE_DISCARD) != PYE_OK || pye_engine_close(engine) != PYE_OK;
}
