/**
 * \file
 * Other forms of a result: runs, contours, boundaries. Plain functions of labels or probabilities,
 * as the engine or a stream wrote them; they need no engine. Included by c_api.h.
 *
 * Coordinates are of pixel centres: row 0, column 0 is the centre of the first pixel, whose edges
 * lie at -0.5 and 0.5.
 */
#ifndef PYENGINE_C_RESULTS_H
#define PYENGINE_C_RESULTS_H

/* Each may be included alone. NOLINTNEXTLINE(misc-header-include-cycle) */
#include "pyengine/c_api.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Pixels of one label that follow each other in a row. */
typedef struct pye_run {
  int32_t row;
  int32_t begin; /**< First column. */
  int32_t end;   /**< Last column + 1. */
  int32_t label;
} pye_run;

/**
 * Labels as runs, row by row; those of label 0 are left out.
 * \param labels            (height, width), rows `row_stride_bytes` >= width apart.
 * \param runs              Room for `room` runs; may be NULL if `room` is 0.
 * \param count             How many there are, also if there is room for fewer.
 * PYE_INVALID_ARGUMENT also where `room` is too small and not 0; the first `room` are written.
 */
PYENGINE_EXPORT pye_status pye_labels_to_runs(const uint8_t* labels, int64_t height, int64_t width,
                                              int64_t row_stride_bytes, pye_run* runs, int64_t room,
                                              int64_t* count);

/** Paints runs: the inverse of pye_labels_to_runs(). Pixels of no run become 0. */
PYENGINE_EXPORT pye_status pye_runs_to_labels(const pye_run* runs, int64_t count, int64_t height,
                                              int64_t width, int64_t row_stride_bytes,
                                              uint8_t* labels);

/** One closed curve around pixels of a label, or around a hole in them. */
typedef struct pye_contour {
  size_t size;         /**< sizeof(pye_contour) of the library. */
  const float* points; /**< (count, 2): x (column), y (row); the last point is not the first again.
                            Lives as long as the callback. */
  int64_t count;
  int32_t hole; /**< 1: the pixels of the label lie outside. */
} pye_contour;

/**
 * The contours of one label along the edges of its pixels (so that their area is its pixels'):
 * outer ones clockwise as seen on a screen, holes the other way round. Pixels that touch at a
 * corner only are apart. `visit` is called once for each, from top to bottom.
 */
PYENGINE_EXPORT pye_status pye_labels_to_contours(
    const uint8_t* labels, int64_t height, int64_t width, int64_t row_stride_bytes, int32_t label,
    void (*visit)(void* user, const pye_contour* contour), void* user);

/**
 * The upper and lower boundary of a class in every column (A-scan): those of the column's longest
 * run of pixels that are of the class. Between two pixels a boundary lies where the class becomes
 * as probable as the most probable other one, by linear interpolation; at the image's end on the
 * pixel's edge. The layer's thickness is lower - upper.
 * \param probabilities  Dense (classes, height, width). One class: it or not it, at 0.5.
 * \param label          From 0 to the number of labels - 1.
 * \param upper          `width` values [rows]; NaN where the class is absent; likewise `lower`.
 */
PYENGINE_EXPORT pye_status pye_scores_to_boundaries(const float* probabilities, int64_t classes,
                                                    int64_t height, int64_t width, int32_t label,
                                                    float* upper, float* lower);

/** The same from labels alone: boundaries lie on pixels' edges. */
PYENGINE_EXPORT pye_status pye_labels_to_boundaries(const uint8_t* labels, int64_t height,
                                                    int64_t width, int64_t row_stride_bytes,
                                                    int32_t label, float* upper, float* lower);

#ifdef __cplusplus
}
#endif
#endif
