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
#define CLASSIFIER PYENGINE_TEST_DATA "/tiny-classifier.pyengine"
#define NOT_AN_ENGINE PYENGINE_TEST_DATA "/make_tiny.py"

enum { kHeight = 37, kWidth = 29, kPixels = kHeight * kWidth };

static uint8_t pixels[kPixels], labels[kHeight * 64], dense[kPixels];
static float scores[2 * kPixels];
static pye_image image = {pixels, PYE_UINT8, kHeight, kWidth, 1, kWidth, 1, 1};

static int32_t cancel_at_once(void* user, int64_t done, int64_t total) {
  *(int64_t*)user = total;
  return done < 1;
}

static void opening(void) {
  pye_engine* engine = NULL;
  pye_engine_options open;
  const char* folders[] = {"/no/such/folder"};
  CHECK(pye_engine_open("/no/such/file", NULL, &engine) == PYE_IO && engine == NULL);
  CHECK(strstr(pye_last_error(), "/no/such/file") != NULL);
  CHECK(pye_engine_open(NULL, NULL, &engine) == PYE_INVALID_ARGUMENT);
  CHECK(pye_engine_open(TINY, NULL, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(pye_engine_open(NOT_AN_ENGINE, NULL, &engine) == PYE_BAD_ENGINE_FILE);

  pye_engine_options_init(&open, sizeof open);
  CHECK(open.size == sizeof open);
  open.accuracy = 7;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_INVALID_ARGUMENT && engine == NULL);
  CHECK(strstr(pye_last_error(), "accuracy 7 is not one of pye_accuracy, 0 to 2") != NULL);
  open.accuracy = PYE_ACCURACY_FAST;
  open.device = "gpu";
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_INVALID_ARGUMENT && engine == NULL);
  open.device = "cuda:9999";
  open.library_folders = folders;
  open.library_folder_count = 1;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_UNSUPPORTED);
  CHECK(strstr(pye_last_error(), "cuda:9999: ") != NULL);
  open.library_folder_count = -1;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_INVALID_ARGUMENT);
  open.library_folder_count = 2;
  open.library_folders = NULL;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_INVALID_ARGUMENT);
  open.library_folder_count = 0;
  open.on_mismatch = 3;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_INVALID_ARGUMENT);
  open.on_mismatch = PYE_CPU;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_OK);
  CHECK(strcmp(pye_engine_device(engine), "cpu") == 0);
  CHECK(strstr(pye_engine_why_not_gpu(engine), "cuda:9999: ") != NULL);
  pye_engine_close(engine);
  open.device = NULL;
  open.on_mismatch = PYE_RAISE;
  open.accuracy = PYE_ACCURACY_DEFAULT;
  open.isa = "mmx";
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_INVALID_ARGUMENT);
  open.isa = "reference";
  open.pin_threads = 1;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_OK);
  pye_engine_close(engine);
  pye_engine_close(NULL);
}

/* Structs of older and of newer headers than the library's. */
static void struct_sizes(void) {
  struct {
    pye_segment_options known;
    int64_t unknown;
  } newer;
  struct {
    pye_engine_info known;
    int64_t unknown;
  } info;
  pye_engine_options open;
  pye_segment_options options;
  pye_engine* engine = NULL;

  /* A program compiled before there was a choice. */
  pye_engine_options_init(&open, sizeof open);
  open.size = offsetof(pye_engine_options, accuracy);
  open.accuracy = 99;
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_OK && engine != NULL);
  open.size = 0;
  pye_engine_close(engine);
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_INVALID_ARGUMENT);
  CHECK(strstr(pye_last_error(), "pye_engine_options_init()") != NULL);
  memset(&open, 0x5a, sizeof open);
  CHECK(pye_engine_open(TINY, &open, &engine) == PYE_INVALID_ARGUMENT);
  CHECK(pye_engine_open(TINY, NULL, &engine) == PYE_OK);

  /* A program that knows only the first fields of the struct gets no more of it. */
  memset(&options, 0x5a, sizeof options);
  pye_segment_options_init(&options, offsetof(pye_segment_options, one_thread));
  CHECK(options.one_thread == 0x5a5a5a5a && options.overlap == 0.25);
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &options) == PYE_OK);
  pye_segment_options_init(&options, sizeof options);
  CHECK(options.size == sizeof options && options.augmentation == PYE_AUGMENT_NONE);

  /* Fields of a newer header: ignored while they ask for nothing, else refused by name. */
  memset(&newer, 0x5a, sizeof newer);
  pye_segment_options_init(&newer.known, sizeof newer);
  CHECK(newer.known.size == sizeof newer && newer.unknown == 0);
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &newer.known) == PYE_OK);
  newer.unknown = 1;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &newer.known) == PYE_UNSUPPORTED);
  CHECK(strstr(pye_last_error(), "pye_segment_options: the field at byte ") != NULL);

  /* Results: only as much as the caller's struct holds is written, and nothing is left as it was.
   */
  memset(&info, 0, sizeof info);
  CHECK(pye_engine_describe(engine, &info.known) == PYE_INVALID_ARGUMENT);
  info.known.size = offsetof(pye_engine_info, classes);
  info.known.classes = -5;
  CHECK(pye_engine_describe(engine, &info.known) == PYE_OK);
  CHECK(info.known.channels == 1 && info.known.classes == -5);
  info.known.size = sizeof info;
  info.unknown = -5;
  CHECK(pye_engine_describe(engine, &info.known) == PYE_OK);
  CHECK(info.known.classes == 2 && info.unknown == 0 && info.known.size == sizeof info);
  pye_engine_close(engine);
}

static void describing(const pye_engine* engine) {
  pye_engine_info info;
  pye_class_info class_info;
  pye_layer_info layer;
  int64_t i, parameters = 0;
  info.size = sizeof info;
  CHECK(pye_engine_describe(engine, &info) == PYE_OK);
  CHECK(info.channels == 1 && info.classes == 2 && info.label_count == 2 && info.tileable == 1);
  CHECK(info.threads == 2 && info.alignment_px == 2 && info.parameters > 0);
  CHECK(info.dense == 1 && info.halo_px >= info.before_px && info.halo_px >= info.after_px);
  CHECK(info.receptive_field_px > 1 && info.margin_px > 0 && info.sample_height_px > 0);
  CHECK(info.sample_width_px % info.alignment_px == info.size_residue_px);
  CHECK(info.input_type == PYE_FLOAT32 && info.input_offset[0] == 0.0F);
  CHECK(fabs((double)info.input_gain[0] * 255.0 - 1.0) < 1e-6);
  CHECK(strcmp(info.task, "segmentation") == 0 && strcmp(info.activation, "softmax") == 0);
  CHECK(strcmp(info.not_tileable_reason, "") == 0 && strcmp(info.device, "cpu") == 0);
  CHECK(strcmp(info.gpu, "") == 0 && strcmp(info.why_not_gpu, "") == 0 && info.isa[0] != 0);
  CHECK(info.manifest_json[0] == '{' && info.graph_json[0] == '{');
  CHECK(pye_engine_describe(NULL, &info) == PYE_INVALID_ARGUMENT);
  CHECK(pye_engine_describe(engine, NULL) == PYE_INVALID_ARGUMENT);

  CHECK(strcmp(pye_engine_label_name(engine, 1), "object") == 0);
  CHECK(pye_engine_label_name(engine, 2) == NULL && pye_engine_label_name(engine, -1) == NULL);
  class_info.size = sizeof class_info;
  CHECK(pye_engine_class(engine, 1, &class_info) == PYE_OK);
  CHECK(strcmp(class_info.name, "object") == 0);
  CHECK(class_info.color[0] + class_info.color[1] + class_info.color[2] > 0);
  CHECK(pye_engine_class(engine, 2, &class_info) == PYE_INVALID_ARGUMENT);
  CHECK(strstr(pye_last_error(), "class 2 is not from 0 to 1") != NULL);
  layer.size = sizeof layer;
  for (i = 0; i < info.layer_count; ++i) {
    CHECK(pye_engine_layer(engine, i, &layer) == PYE_OK);
    CHECK(layer.name[0] != 0 && layer.op[0] != 0 && layer.channels > 0 && layer.stride_px >= 1);
    CHECK(layer.flops_per_pixel >= 0);
    parameters += layer.parameters;
  }
  CHECK(parameters == info.parameters);
  CHECK(pye_engine_layer(engine, info.layer_count, &layer) == PYE_INVALID_ARGUMENT);
}

static void segmenting(const pye_engine* engine) {
  pye_segment_options options;
  int64_t seen = 0;
  size_t i;
  memset(labels, 77, sizeof labels);
  CHECK(pye_segment_labels(engine, &image, labels, 64, NULL) == PYE_OK);
  for (i = 0; i < kHeight * 64; ++i) CHECK(i % 64 < kWidth ? labels[i] < 2 : labels[i] == 77);

  pye_segment_options_init(&options, sizeof options);
  options.tile_height_px = options.tile_width_px = 8;
  options.one_thread = 1;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &options) == PYE_OK);
  for (i = 0; i < kPixels; ++i) CHECK(dense[i] == labels[i / kWidth * 64 + i % kWidth]);

  CHECK(pye_segment_scores(engine, &image, PYE_PROBABILITIES, scores, &options) == PYE_OK);
  for (i = 0; i < kPixels; ++i)
    CHECK(fabs((double)scores[i] + (double)scores[i + kPixels] - 1.0) < 1e-5);

  options.augmentation = PYE_AUGMENT_D4;
  CHECK(pye_segment_scores(engine, &image, PYE_PROBABILITIES, scores, &options) == PYE_OK);
  for (i = 0; i < kPixels; ++i)
    CHECK(fabs((double)scores[i] + (double)scores[i + kPixels] - 1.0) < 1e-5);
  options.augmentation = PYE_AUGMENT_NONE;

  options.mode = PYE_GAUSSIAN;
  options.overlap = 2;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &options) == PYE_OK);
  options.mode = PYE_EXACT;
  options.progress = cancel_at_once;
  options.user = &seen;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &options) == PYE_CANCELLED && seen == 20);
}

/* What lies beyond the border changes scores near it. */
static void padding(const pye_engine* engine) {
  static float reflected[2 * kPixels];
  pye_segment_options options;
  int32_t mode;
  pye_segment_options_init(&options, sizeof options);
  CHECK(options.padding == PYE_PADDING_REFLECT);
  CHECK(pye_segment_scores(engine, &image, PYE_LOGITS, reflected, &options) == PYE_OK);
  for (mode = PYE_PADDING_REPLICATE; mode <= PYE_PADDING_CONSTANT; ++mode) {
    options.padding = mode;
    CHECK(pye_segment_scores(engine, &image, PYE_LOGITS, scores, &options) == PYE_OK);
    CHECK(scores[0] != reflected[0]);
    CHECK(scores[kPixels / 2] == reflected[kPixels / 2]);
  }
}

static void refusing(const pye_engine* engine) {
  pye_segment_options options;
  pye_image bad = image;
  pye_segment_options_init(&options, sizeof options);
  CHECK(pye_segment_labels(engine, NULL, dense, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(pye_segment_labels(NULL, &image, dense, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(pye_segment_labels(engine, &image, NULL, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(pye_segment_labels(engine, &image, dense, 3, NULL) == PYE_INVALID_ARGUMENT);
  bad.channels = 3;
  CHECK(pye_segment_labels(engine, &bad, dense, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(strstr(pye_last_error(), "3 channels") != NULL);
  bad.channels = 1;
  bad.type = PYE_UINT16;
  CHECK(pye_segment_labels(engine, &bad, dense, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(strstr(pye_last_error(), "29 bytes") != NULL);
  bad.type = PYE_UINT8;
  bad.height = 0;
  CHECK(pye_segment_labels(engine, &bad, dense, kWidth, NULL) == PYE_INVALID_ARGUMENT);

  /* Enumerators that do not exist. */
  bad = image;
  bad.type = 10;
  CHECK(pye_segment_labels(engine, &bad, dense, kWidth, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(strstr(pye_last_error(), "image type 10 is not one of pye_pixel_type, 0 to 9") != NULL);
  options.augmentation = 4;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &options) == PYE_INVALID_ARGUMENT);
  options.augmentation = PYE_AUGMENT_NONE;
  options.mode = -1;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &options) == PYE_INVALID_ARGUMENT);
  CHECK(strstr(pye_last_error(), "mode -1") != NULL);
  options.mode = PYE_EXACT;
  options.padding = 3;
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, &options) == PYE_INVALID_ARGUMENT);
  CHECK(strstr(pye_last_error(), "padding 3") != NULL);
  CHECK(pye_segment_scores(engine, &image, 3, scores, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(pye_segment_scores(engine, &image, PYE_LABELS, scores, NULL) == PYE_INVALID_ARGUMENT);
}

/* Band by band the result is that of the whole image. */
static void bands(const pye_engine* engine) {
  static float whole[2 * kPixels], part[2 * kPixels];
  pye_segment_options options;
  pye_tile_plan plan;
  pye_band band = {0, 0, 0, 0};
  int64_t y, x, k;
  pye_segment_options_init(&options, sizeof options);
  options.tile_height_px = options.tile_width_px = 8;
  options.batch_size = 2;
  CHECK(pye_segment_labels(engine, &image, labels, 64, &options) == PYE_OK);
  CHECK(pye_segment_scores(engine, &image, PYE_LOGITS, whole, &options) == PYE_OK);

  plan.size = sizeof plan;
  CHECK(pye_engine_plan(engine, kHeight, kWidth, &options, &plan) == PYE_OK);
  CHECK(plan.tile_height_px == 8 && plan.tile_width_px == 8 && plan.batch_size == 2);
  CHECK(plan.tiles_down == 5 && plan.tiles_across == 4 && plan.memory_bytes > 0 && plan.cost > 0);
  CHECK(plan.window_height_px > 8 && plan.window_width_px > 8);
  CHECK(plan.window_top_px > 0 && plan.window_left_px > 0);
  CHECK(pye_engine_plan(engine, 0, kWidth, &options, &plan) == PYE_INVALID_ARGUMENT);

  for (band.row_begin = 0; band.row_begin < kHeight; band.row_begin = band.row_end) {
    pye_image rows = image;
    band.row_end = band.row_begin + 8 < kHeight ? band.row_begin + 8 : kHeight;
    CHECK(pye_band_rows(engine, kHeight, kWidth, &options, &band) == PYE_OK);
    CHECK(band.first_row <= band.row_begin && band.first_row + band.rows >= band.row_end);
    CHECK(band.rows < kHeight);
    rows.data = pixels + band.first_row * kWidth;
    CHECK(pye_segment_band(engine, &rows, &band, PYE_LABELS, dense, &options) == PYE_OK);
    CHECK(pye_segment_band(engine, &rows, &band, PYE_LOGITS, part, &options) == PYE_OK);
    for (y = 0; y < band.row_end - band.row_begin; ++y)
      for (x = 0; x < kWidth; ++x) {
        const int64_t row = band.row_begin + y, height = band.row_end - band.row_begin;
        CHECK(dense[y * kWidth + x] == labels[row * 64 + x]);
        for (k = 0; k < 2; ++k)
          CHECK(part[(k * height + y) * kWidth + x] == whole[(k * kHeight + row) * kWidth + x]);
      }
    CHECK(pye_segment_band(engine, &rows, &band, 3, part, &options) == PYE_INVALID_ARGUMENT);
    band.rows -= 1;
    CHECK(pye_segment_band(engine, &rows, &band, PYE_LABELS, dense, &options) ==
          PYE_INVALID_ARGUMENT);
    CHECK(strstr(pye_last_error(), "are needed, the view holds") != NULL);
  }
  band.rows = 0;
  CHECK(pye_segment_band(engine, &image, &band, PYE_LABELS, dense, &options) ==
        PYE_INVALID_ARGUMENT);
  CHECK(pye_segment_band(engine, &image, NULL, PYE_LABELS, dense, &options) ==
        PYE_INVALID_ARGUMENT);
  band.row_end = kHeight + 1;
  CHECK(pye_band_rows(engine, kHeight, kWidth, &options, &band) == PYE_INVALID_ARGUMENT);
}

/* Without a GPU the calls for its memory say so. */
static void on_device(const pye_engine* engine) {
  CHECK(pye_segment_labels_on_device(engine, &image, dense, kWidth, NULL, NULL) == PYE_UNSUPPORTED);
  CHECK(strstr(pye_last_error(), "this one runs on the CPU") != NULL);
  CHECK(pye_segment_scores_on_device(engine, &image, PYE_LOGITS, scores, NULL, NULL) ==
        PYE_UNSUPPORTED);
}

static void count_time(void* user, const pye_op_time* time) {
  CHECK(time->size == sizeof *time && time->layer[0] != 0 && time->algorithm[0] != 0);
  CHECK(time->seconds >= 0 && time->flops >= 0 && time->bytes > 0);
  ++*(int*)user;
}

static void running(const pye_engine* engine) {
  static float planes[kPixels], in[2 * 28 * 28], out[2 * 2 * 28 * 28];
  pye_engine_info info;
  int64_t shape[3] = {0, 0, 0}, side, i;
  int operations = 0;
  info.size = sizeof info;
  CHECK(pye_engine_describe(engine, &info) == PYE_OK);
  side = info.sample_height_px;
  CHECK(side <= 28);
  CHECK(pye_engine_run_output_shape(engine, side, side, shape) == PYE_OK);
  CHECK(shape[0] == 2 && shape[1] == side - 2 * info.margin_px && shape[2] == shape[1]);
  CHECK(pye_engine_run_output_shape(engine, 1, 1, shape) == PYE_INVALID_ARGUMENT);
  CHECK(pye_engine_normalise(engine, &image, planes) == PYE_OK);
  for (i = 0; i < kPixels; ++i)
    CHECK(planes[i] == (float)pixels[i] * info.input_gain[0] + info.input_offset[0]);
  CHECK(pye_engine_normalise(engine, &image, NULL) == PYE_INVALID_ARGUMENT);
  for (i = 0; i < 2 * side * side; ++i) in[i] = planes[i % (side * side)];
  CHECK(pye_engine_run(engine, in, out, 2, side, side) == PYE_OK);
  for (i = 0; i < shape[0] * shape[1] * shape[2]; ++i)
    CHECK(isfinite(out[i]) && out[i] == out[shape[0] * shape[1] * shape[2] + i]);
  CHECK(pye_engine_run(engine, in, out, 0, side, side) == PYE_INVALID_ARGUMENT);
  CHECK(pye_engine_run(engine, NULL, out, 1, side, side) == PYE_INVALID_ARGUMENT);
  CHECK(pye_engine_run(engine, in, NULL, 1, side, side) == PYE_INVALID_ARGUMENT);

  CHECK(pye_engine_profile(engine, side, side, 2, count_time, &operations) == PYE_OK);
  CHECK(operations > 3);
  CHECK(pye_engine_profile(engine, side, side, 0, count_time, NULL) == PYE_INVALID_ARGUMENT);
  CHECK(pye_engine_profile(engine, side, side, 1, NULL, NULL) == PYE_INVALID_ARGUMENT);
}

static void classifying(const pye_engine* segmenter) {
  static float values[9 * 7];
  pye_image photo = {values, PYE_FLOAT32, 9, 7, 1, 7 * sizeof(float), sizeof(float), 4};
  float p[3];
  int64_t index = -1, i;
  const double sum = 1 + exp(0.8) + exp(1.2); /* logits of m = 0.8: 0, m, 4 m - 2 */
  pye_engine* engine = NULL;
  CHECK(pye_engine_open(CLASSIFIER, NULL, &engine) == PYE_OK);
  for (i = 0; i < 9 * 7; ++i) values[i] = 0.8F * 255.0F; /* of any size, it is resized */
  CHECK(pye_engine_classify(engine, &photo, p, &index) == PYE_OK && index == 2);
  CHECK(fabs((double)p[0] - 1 / sum) < 1e-5 && fabs((double)p[1] - exp(0.8) / sum) < 1e-5);
  CHECK(fabs((double)p[2] - exp(1.2) / sum) < 1e-5);
  for (i = 0; i < 9 * 7; ++i) values[i] = 0.5F * 255.0F;
  CHECK(pye_engine_classify(engine, &photo, NULL, &index) == PYE_OK && index == 1);
  CHECK(pye_engine_classify(engine, &photo, p, NULL) == PYE_OK && p[1] > p[0]);
  values[11] = (float)NAN;
  CHECK(pye_engine_classify(engine, &photo, p, &index) == PYE_INVALID_ARGUMENT);
  CHECK(strstr(pye_last_error(), "row 1, column 4") != NULL);
  CHECK(pye_segment_labels(engine, &image, dense, kWidth, NULL) == PYE_UNSUPPORTED);
  pye_engine_close(engine);
  CHECK(pye_engine_classify(segmenter, &image, p, &index) == PYE_UNSUPPORTED);
  CHECK(strstr(pye_last_error(), "not classification") != NULL);
}

static void find_cpu(void* user, const pye_executor_status* status) {
  CHECK(status->size == sizeof *status && status->detail != NULL && status->why_no_build != NULL);
  if (strcmp(status->name, "cpu") == 0) *(int*)user = strcmp(status->why_not, "") == 0;
}

static void this_machine(void) {
  const char* folders[] = {"/no/such/folder"};
  int found = 0;
  CHECK(pye_list_executors(folders, 1, find_cpu, &found) == PYE_OK && found);
  CHECK(pye_list_executors(NULL, 0, NULL, NULL) == PYE_INVALID_ARGUMENT);
}

/* A message longer than its room is cut between two characters. */
static void last_error(void) {
  char path[3001] = "/no/";
  pye_engine* engine = NULL;
  size_t i;
  for (i = 4; i + 2 < sizeof path; i += 2) memcpy(path + i, "\xc3\xa9", 2);
  CHECK(pye_engine_open(path, NULL, &engine) != PYE_OK);
  CHECK(strlen(pye_last_error()) <= 1023 && strlen(pye_last_error()) >= 1021);
  CHECK((unsigned char)pye_last_error()[strlen(pye_last_error()) - 1] == 0xa9);
}

int main(void) {
  pye_engine* engine = NULL;
  pye_engine_options two;
  size_t i;
  for (i = 0; i < kPixels; ++i) pixels[i] = (uint8_t)(i * 37);
  CHECK(strcmp(pye_version(), "") != 0);
  opening();
  struct_sizes();
  pye_engine_options_init(&two, sizeof two);
  two.threads = 2;
  CHECK(pye_engine_open(TINY, &two, &engine) == PYE_OK);
  describing(engine);
  segmenting(engine);
  padding(engine);
  refusing(engine);
  bands(engine);
  on_device(engine);
  running(engine);
  classifying(engine);
  pye_engine_close(engine);
  this_machine();
  last_error();
  puts("c_api_test: all checks passed");
  return 0;
}
