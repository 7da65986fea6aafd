/**
 * \file
 * The C interface: opaque handles, status codes, no exceptions.
 *
 * 1. pye_engine_options_init(), change what differs, pye_engine_open().
 * 2. pye_engine_describe() for channels and classes.
 * 3. pye_segment_labels() or pye_segment_scores() into your buffers, from any thread.
 * 4. pye_engine_close().
 *
 * Every call returns PYE_OK or a status; pye_last_error() then explains the calling thread's last
 * failure. Option structs start with their own size, so that a program compiled against an older
 * header keeps working. Strings are UTF-8 and belong to the library.
 */
#ifndef PYENGINE_C_API_H
#define PYENGINE_C_API_H

#include <stddef.h>
#include <stdint.h>

#include "pyengine/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pye_status {
  PYE_OK = 0,
  PYE_INVALID_ARGUMENT = 1,
  PYE_BAD_ENGINE_FILE = 2,
  PYE_UNSUPPORTED = 3,
  PYE_IO = 4,
  PYE_OUT_OF_MEMORY = 5,
  PYE_CANCELLED = 6,
  PYE_INTERNAL = 7
} pye_status;

typedef enum pye_pixel_type { PYE_UINT8 = 0, PYE_UINT16 = 1, PYE_FLOAT32 = 2 } pye_pixel_type;
typedef enum pye_mode { PYE_EXACT = 0, PYE_CONSTANT = 1, PYE_GAUSSIAN = 2 } pye_mode;
/** Over which views of an image the logits are averaged; whole images only. */
typedef enum pye_augmentation {
  PYE_AUGMENT_NONE = 0,
  PYE_AUGMENT_FLIPS = 1, /**< 4 passes. */
  PYE_AUGMENT_D4 = 2     /**< Flips and quarter turns: 8 passes. */
} pye_augmentation;
typedef enum pye_scores { PYE_PROBABILITIES = 1, PYE_LOGITS = 2 } pye_scores;

/** An opened engine. May be used by several threads at once; on the CPU also by a process forked
 * while no call ran, which starts worker threads of its own. */
typedef struct pye_engine pye_engine;

typedef enum pye_accuracy {
  PYE_ACCURACY_DEFAULT = 0, /**< Rounds about as much as any float32 convolution. */
  PYE_ACCURACY_FAST = 1     /**< Faster, and rounds more: see Accuracy in options.h. */
} pye_accuracy;

typedef enum pye_on_mismatch {
  PYE_RAISE = 0,   /**< Refuse to open, naming what differs. */
  PYE_REBUILD = 1, /**< Build a plan for this run; takes seconds. */
  PYE_CPU = 2      /**< Run on the CPU. */
} pye_on_mismatch;

typedef struct pye_engine_options {
  size_t size;         /**< sizeof(pye_engine_options); set by the init function. */
  int32_t threads;     /**< Threads of one call, the caller's included; 0 = every core that
                            affinity and CPU limits (control groups) leave; hardware threads of
                            one core count once. */
  const char* isa;     /**< "avx512", "avx2", "portable", "amx" (fast), or "reference", the oracle
                            of the others; NULL = the best. */
  int32_t accuracy;    /**< A pye_accuracy. */
  int32_t pin_threads; /**< Not 0: workers stay on one core each, the caller where it is. */
  const char* device;  /**< "cpu"; "cuda" or "cuda:N"; NULL = the first GPU if the file holds a plan
                            that fits it, else the CPU. */
  int32_t on_mismatch; /**< A pye_on_mismatch: where no plan fits the GPU that was asked for. */
} pye_engine_options;

typedef struct pye_engine_info {
  size_t size;          /**< sizeof(pye_engine_info); set it before the call. */
  int64_t channels;     /**< Input channels. */
  int64_t classes;      /**< Channels of probabilities and logits. */
  int64_t label_count;  /**< Labels are 0 .. label_count - 1. */
  int64_t halo_px;      /**< Context around a tile. */
  int64_t alignment_px; /**< Tile origins are multiples of it. */
  int64_t parameters;   /**< Those that layers share count once. */
  double flops_per_pixel;
  int32_t threads;
  int32_t tileable; /**< 0: the network runs on whole images only. */
} pye_engine_info;

/** Borrowed pixels; strides in bytes, may be negative. */
typedef struct pye_image {
  const void* data;
  pye_pixel_type type;
  int64_t height;
  int64_t width;
  int64_t channels;
  int64_t row_stride_bytes;
  int64_t pixel_stride_bytes;
  int64_t channel_stride_bytes;
} pye_image;

/** Called after each batch of tiles; return 0 to cancel. */
typedef int32_t (*pye_progress)(void* user, int64_t tiles_done, int64_t tiles_total);

typedef struct pye_segment_options {
  size_t size;            /**< sizeof(pye_segment_options); set by the init function. */
  int64_t tile_height_px; /**< 0 = chosen by the cost model. */
  int64_t tile_width_px;
  int32_t batch_size;       /**< 0 = automatic. */
  int64_t max_memory_bytes; /**< 0 = 1 GiB. */
  pye_mode mode;
  double overlap;        /**< Blending only: fraction (< 1) or pixels (>= 1). */
  pye_progress progress; /**< May be NULL. */
  void* user;            /**< Handed to `progress`. */
  int32_t one_thread;    /**< Not 0: the call stays on the caller's thread. */
  int32_t augmentation;  /**< A pye_augmentation. */
} pye_segment_options;

/** Sets the defaults; `size` is sizeof *options, as the caller was compiled. */
PYENGINE_EXPORT void pye_engine_options_init(pye_engine_options* options, size_t size);
PYENGINE_EXPORT void pye_segment_options_init(pye_segment_options* options, size_t size);

/** Opens and verifies an engine file. `options` may be NULL. *engine is NULL on failure. */
PYENGINE_EXPORT pye_status pye_engine_open(const char* path, const pye_engine_options* options,
                                           pye_engine** engine);
/** Closes an engine; NULL is allowed. No call on it may still be running. */
PYENGINE_EXPORT void pye_engine_close(pye_engine* engine);
/** Fills as much of `info` as its size field admits. */
PYENGINE_EXPORT pye_status pye_engine_describe(const pye_engine* engine, pye_engine_info* info);
/** Name of label `index`, valid while the engine is open; NULL if out of range. */
PYENGINE_EXPORT const char* pye_engine_label_name(const pye_engine* engine, int64_t index);
/** What computes: "cpu" or "cuda:N"; valid while the engine is open. */
PYENGINE_EXPORT const char* pye_engine_device(const pye_engine* engine);
/** Why a GPU was not taken though one was asked for or possible; "" if there is nothing to tell. */
PYENGINE_EXPORT const char* pye_engine_why_not_gpu(const pye_engine* engine);

/** Labels (height, width), rows `row_stride_bytes` apart. `options` may be NULL. */
PYENGINE_EXPORT pye_status pye_segment_labels(const pye_engine* engine, const pye_image* image,
                                              uint8_t* labels, int64_t row_stride_bytes,
                                              const pye_segment_options* options);
/** Probabilities or logits, dense (classes, height, width). `options` may be NULL. */
PYENGINE_EXPORT pye_status pye_segment_scores(const pye_engine* engine, const pye_image* image,
                                              pye_scores kind, float* scores,
                                              const pye_segment_options* options);

/** What went wrong in this thread's last failed call; never NULL. */
PYENGINE_EXPORT const char* pye_last_error(void);
/** "major.minor.patch" */
PYENGINE_EXPORT const char* pye_version(void);

#ifdef __cplusplus
}
#endif
#endif
