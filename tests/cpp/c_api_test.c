/* The C interface, compiled as C99 so that the header stays C. */
#include "pyengine/c_api.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                    \
  do {                                                                                      \
    if (!(condition)) {                                                                     \
      fprintf(stderr, "%s:%d: %s failed; last error: %s\n", __FILE__, __LINE__, #condition, \
              pye_last_error());                                                            \
      exit(1);                                                                              \
    }                                                                                       \
  } while (0)

#define TINY PYENGINE_TEST_DATA "/tiny.pyengine"

static int32_t cancel_at_once(void* user, int64_t done, int64_t total) {
  *(int64_t*)user = total;
  return done < 1;
}

int main(void) {
  enum { kHeight = 37, kWidth = 29 };
  static uint8_t pixels[kHeight * kWidth], labels[kHeight * 64], dense[kHeight * kWidth];
  static float scores[2 * kHeight * kWidth];
  pye_engine* engine = NULL;
  pye_engine_options open;
  pye_segment_options options;
  pye_engine_info info;
  pye_image image = {pixels, PYE_UINT8, kHeight, kWidth, 1, kWidth, 1, 1};
  int64_t seen = 0;
  size_t i;
  for (i = 0; i < sizeof pixels; ++i) pixels[i] = (uint8_t)(i * 37);

  CHECK(strcmp(pye_version(), "") != 0);
  CHECK(pye_engine_open("/no/such/file", NULL, &engine) == PYE_IO && engine == NULL);
  CHECK(strstr(pye_last_error(), "/no/such/file") != NULL);
  CHECK(pye_engine_open(NULL, NULL, &engine) == PYE_INVALID_ARGUMENT);
  CHECK(pye_engine_open(TINY, NULL, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(pye_engine_open(__FILE__, NULL, &engine) == PYE_BAD_ENGINE_FILE);

  pye_engine_options_init(&open, sizeof open);
  CHECK(open.size == sizeof open);
  open.accuracy = 7;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_INVALID_ARGUMENT && engine == NULL);
  CHECK(strstr(pye_last_error(), "accuracy") != NULL);
  open.accuracy = PYE_ACCURACY_FAST;
  open.device = "gpu";
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_INVALID_ARGUMENT && engine == NULL);
  open.device = "cuda:9999";
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_UNSUPPORTED);
  CHECK(strstr(pye_last_error(), "cuda:9999: ") != NULL);
  open.on_mismatch = 3;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_INVALID_ARGUMENT);
  open.on_mismatch = PYE_CPU;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_OK);
  CHECK(strcmp(pye_engine_device(engine), "cpu") == 0);
  CHECK(strstr(pye_engine_why_not_gpu(engine), "cuda:9999: ") != NULL);
  pye_engine_close(engine);
  open.device = NULL;
  open.on_mismatch = PYE_RAISE;
  open.pin_threads = 1;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_OK);
  pye_engine_close(engine);
  /* A program compiled before there was a choice. */
  open.size = offsetof(pye_engine_options, accuracy);
  open.threads = 2;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_OK && engine != NULL);

  memset(&info, 0, sizeof info);
  CHECK(pye_engine_describe(engine, &info) == PYE_INVALID_ARGUMENT);
  info.size = sizeof info;
  CHECK(pye_engine_describe(engine, &info) == PYE_OK);
  CHECK(info.channels == 1 && info.classes == 2 && info.label_count == 2 && info.tileable == 1);
  CHECK(info.threads == 2 && info.alignment_px == 2 && info.parameters > 0);
  CHECK(strcmp(pye_engine_label_name(engine, 1), "object") == 0);
  CHECK(pye_engine_label_name(engine, 2) == NULL && pye_engine_label_name(engine, -1) == NULL);
  /* A struct of an older header: only as much as it holds is written. */
  memset(&info, 0, sizeof info);
  info.size = offsetof(pye_engine_info, classes);
  info.classes = -5;
  CHECK(pye_engine_describe(engine, &info) == PYE_OK && info.channels == 1 && info.classes == -5);

  memset(labels, 77, sizeof labels);
  CHECK(pye_segment_labels(engine, &image, labels, 64, NULL) == PYE_OK);
  for (i = 0; i < kHeight * 64; ++i) CHECK(i % 64 < kWidth ? labels[i] < 2 : labels[i] == 77);

  /* A program that knows only the first fields of the struct gets no more of it. */
  memset(&options, 0x5a, sizeof options);
  pye_segment_options_init(&options, offsetof(pye_segment_options, one_thread));
  CHECK(options.one_thread == 0x5a5a5a5a && options.overlap == 0.25);
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &options) == PYE_OK);
  pye_segment_options_init(&options, sizeof options);
  CHECK(options.size == sizeof options && options.augmentation == PYE_AUGMENT_NONE);
  options.tile_height_px = options.tile_width_px = 8;
  options.one_thread = 1;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &options) == PYE_OK);
  for (i = 0; i < sizeof dense; ++i) CHECK(dense[i] == labels[i / kWidth * 64 + i % kWidth]);

  CHECK(pye_segment_scores(engine, &image, PYE_PROBABILITIES, scores, &options) == PYE_OK);
  for (i = 0; i < sizeof dense; ++i)
    CHECK(fabs((double)scores[i] + (double)scores[i + sizeof dense] - 1.0) < 1e-5);

  options.augmentation = PYE_AUGMENT_D4;
  CHECK(pye_segment_scores(engine, &image, PYE_PROBABILITIES, scores, &options) == PYE_OK);
  for (i = 0; i < sizeof dense; ++i)
    CHECK(fabs((double)scores[i] + (double)scores[i + sizeof dense] - 1.0) < 1e-5);
  options.augmentation = 3;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &options) == PYE_INVALID_ARGUMENT);
  options.augmentation = PYE_AUGMENT_NONE;

  options.progress = cancel_at_once;
  options.user = &seen;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &options) == PYE_CANCELLED && seen == 20);

  CHECK(pye_segment_labels(engine, NULL, dense, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(pye_segment_labels(NULL, &image, dense, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(pye_segment_labels(engine, &image, NULL, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(pye_segment_labels(engine, &image, dense, 3, NULL) == PYE_INVALID_ARGUMENT);
  image.channels = 3;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(strstr(pye_last_error(), "3 channels") != NULL);
  image.channels = 1;
  image.type = PYE_UINT16;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(strstr(pye_last_error(), "29 bytes") != NULL);
  image.type = PYE_UINT8;
  image.height = 0;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  pye_engine_close(engine);
  pye_engine_close(NULL);
  puts("c_api_test: all checks passed");
  return 0;
}
