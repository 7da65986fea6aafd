/* Segments an 8-bit grey image (binary PGM) and prints how much of it is class 1.
 *
 *   embed em-membranes.pyengine section.pgm
 */
#include <stdio.h>
#include <stdlib.h>

#include "pyengine/c_api.h"

static uint8_t* read_pgm(const char* path, int* width, int* height) {
  FILE* file = fopen(path, "rb");
  uint8_t* pixels = NULL;
  if (file && fscanf(file, "P5 %d %d 255", width, height) == 2 && *width > 0 && *height > 0 &&
      fgetc(file) != EOF) {
    const size_t size = (size_t)*width * (size_t)*height;
    pixels = malloc(size);
    if (pixels && fread(pixels, 1, size, file) != size) {
      free(pixels);
      pixels = NULL;
    }
  }
  if (file) fclose(file);
  return pixels;
}

int main(int argc, char** argv) {
  pye_engine* engine = NULL;
  uint8_t *pixels = NULL, *labels = NULL;
  int width = 0, height = 0, result = EXIT_FAILURE;
  if (argc != 3) {
    fprintf(stderr, "usage: embed ENGINE.pyengine IMAGE.pgm\n");
    return 2;
  }
  if (pye_engine_open(argv[1], NULL, &engine) != PYE_OK) {
    fprintf(stderr, "embed: %s\n", pye_last_error());
    return EXIT_FAILURE;
  }
  pixels = read_pgm(argv[2], &width, &height);
  labels = pixels ? malloc((size_t)width * (size_t)height) : NULL;
  if (!labels) {
    fprintf(stderr, "embed: %s: not a readable 8-bit PGM\n", argv[2]);
  } else {
    const pye_image image = {pixels, PYE_UINT8, height, width, 1, width, 1, 1};
    if (pye_segment_labels(engine, &image, labels, width, NULL) != PYE_OK) {
      fprintf(stderr, "embed: %s\n", pye_last_error());
    } else {
      size_t i, ones = 0;
      for (i = 0; i < (size_t)width * (size_t)height; ++i) ones += labels[i] == 1;
      printf("%s: %.1f %%\n", pye_engine_label_name(engine, 1),
             100.0 * (double)ones / ((double)width * (double)height));
      result = EXIT_SUCCESS;
    }
  }
  free(labels);
  free(pixels);
  pye_engine_close(engine);
  return result;
}
