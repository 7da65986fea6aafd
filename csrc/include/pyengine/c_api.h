/**
 * \file
 * The C interface: opaque handles, status codes, no exceptions. It has what C++ has (engine.h),
 * but for executors of your own, and memory and streams of a GPU, for which CUDA has its own calls.
 * Live frames are in c_stream.h, other forms of results in c_results.h; both are included here.
 *
 * 1. pye_engine_options_init(), change what differs, pye_engine_open().
 * 2. pye_engine_describe() for channels and classes.
 * 3. pye_segment_labels(), pye_segment_scores() or pye_engine_classify() into your buffers, from
 *    any thread.
 * 4. pye_engine_close().
 *
 * **Errors.** Every call returns PYE_OK or a status; pye_last_error() then explains the calling
 * thread's last failure. A pointer that is NULL without being allowed to, and an enumerator that
 * does not exist, are refused (PYE_INVALID_ARGUMENT). After a failure the engine stays usable;
 * results are undefined.
 *
 * **Structs** with a `size` field may grow at their end. The caller sets `size` to sizeof of the
 * struct as compiled; for options the init function does. A program compiled against an older
 * header gets the defaults of what it does not know. One compiled against a newer header is told
 * if it sets a field that this library does not know (PYE_UNSUPPORTED); left at 0 it is ignored.
 *
 * **Ownership.** You own what you pass in and what results are written to; the library reads and
 * writes it during the call only. Strings and arrays that the library hands out are its own, UTF-8
 * and terminated by 0; they live as long as the engine, those of callbacks as long as the callback.
 *
 * **Threads.** All calls on one engine may run at once, but for pye_engine_close(). Callbacks come
 * on the thread that called. They must not throw C++ exceptions.
 */
#ifndef PYENGINE_C_API_H
#define PYENGINE_C_API_H

#include <stddef.h>
#include <stdint.h>

#include "pyengine/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- words ---------------------------------------------------------------------------------- */

/** How a call ended. */
typedef enum pye_status {
  PYE_OK = 0,
  PYE_INVALID_ARGUMENT = 1, /**< An argument breaks a stated rule; the message gives both. */
  PYE_BAD_ENGINE_FILE = 2,  /**< The engine file is damaged, altered or of a later version. */
  PYE_UNSUPPORTED = 3,      /**< Valid, but this network, machine or library cannot do it. */
  PYE_IO = 4,               /**< The operating system refused a file operation. */
  PYE_OUT_OF_MEMORY = 5,    /**< An allocation failed. */
  PYE_CANCELLED = 6,        /**< A callback asked to stop. */
  PYE_INTERNAL = 7,         /**< A defect of the library. */
  PYE_BUSY = 8,             /**< A stream has no room for the frame, or an engine has a stream. */
  PYE_TIMEOUT = 9,          /**< What was waited for did not come in time. */
  PYE_NOT_FINITE = 10       /**< NaN or infinity arose in the network: `check_finite`. */
} pye_status;

/** Type of one stored pixel value. */
typedef enum pye_pixel_type {
  PYE_UINT8 = 0,
  PYE_UINT16 = 1,
  PYE_FLOAT32 = 2,
  PYE_INT8 = 3,
  PYE_INT16 = 4,
  PYE_UINT32 = 5,
  PYE_INT32 = 6,
  PYE_FLOAT64 = 7,
  PYE_UINT12_LOW_FIRST = 8, /**< Two pixels in three bytes, from the lowest bit on ("Mono12p").
                                 pixel_stride_bytes means nothing; rows begin with a byte. */
  PYE_UINT12_HIGH_FIRST = 9 /**< The same from the highest bit on (DICOM, TIFF, MIPI). */
} pye_pixel_type;

/** May be added to a pye_pixel_type: the order of its bytes, if not this machine's. */
typedef enum pye_byte_order { PYE_LITTLE_ENDIAN = 0x100, PYE_BIG_ENDIAN = 0x200 } pye_byte_order;

/** How tiles meet. */
typedef enum pye_mode {
  PYE_EXACT = 0,    /**< Full context for every pixel: bit for bit the one-tile result. */
  PYE_CONSTANT = 1, /**< Overlapping windows, logits averaged. */
  PYE_GAUSSIAN = 2, /**< Overlapping windows, logits averaged with a Gaussian weight. */
  PYE_NNUNET = 3    /**< As nnU-Net predicts: its windows, its Gaussian, zeros beyond the image. */
} pye_mode;

/** What stands for pixels beyond the image. */
typedef enum pye_padding {
  PYE_PADDING_REFLECT = 0,   /**< The mirrored image, edge pixel not repeated. */
  PYE_PADDING_REPLICATE = 1, /**< The edge pixel. */
  PYE_PADDING_CONSTANT = 2   /**< Zero after normalisation. */
} pye_padding;

/** Over which views of an image the logits are averaged; whole images only. */
typedef enum pye_augmentation {
  PYE_AUGMENT_NONE = 0,
  PYE_AUGMENT_FLIPS = 1, /**< 4 passes. */
  PYE_AUGMENT_D4 = 2,    /**< All flips and quarter turns: 8 passes. */
  PYE_AUGMENT_MIRROR = 3 /**< Flips along the axes that the file names, as nnU-Net does. */
} pye_augmentation;

/** What a segmentation returns. */
typedef enum pye_output {
  PYE_LABELS = 0,        /**< uint8 (height, width) */
  PYE_PROBABILITIES = 1, /**< float (classes, height, width), in [0, 1] */
  PYE_LOGITS = 2         /**< float (classes, height, width) */
} pye_output;
typedef pye_output pye_scores; /**< Its name before bands of labels were among them. */

/** How much rounding the CPU may add to save time. */
typedef enum pye_accuracy {
  PYE_ACCURACY_DEFAULT = 0, /**< Rounds about as much as any float32 convolution. */
  PYE_ACCURACY_FAST = 1,    /**< Faster, and rounds more: see Accuracy in options.h. */
  /** The same bits on every machine: see Accuracy in options.h. */
  PYE_ACCURACY_REPRODUCIBLE = 2
} pye_accuracy;

/** What to do where no TensorRT plan of the file fits the GPU that was asked for. */
typedef enum pye_on_mismatch {
  PYE_RAISE = 0,   /**< Refuse to open, naming what differs. */
  PYE_REBUILD = 1, /**< Build a plan for this run; takes seconds. */
  PYE_CPU = 2      /**< Run on the CPU. */
} pye_on_mismatch;

/** How the system schedules a thread. */
typedef enum pye_thread_policy {
  PYE_THREAD_NORMAL = 0,     /**< `priority` is a nice value, -20 (first) to 19. */
  PYE_THREAD_FIFO = 1,       /**< Real time; `priority` from 1 to 99 (first). */
  PYE_THREAD_ROUND_ROBIN = 2 /**< As PYE_THREAD_FIFO, in turns. */
} pye_thread_policy;

/** An opened engine. May be used by several threads at once; on the CPU also by a process forked
 * while no call ran, which starts worker threads of its own. */
typedef struct pye_engine pye_engine;

/* ---- threads -------------------------------------------------------------------------------- */

/** Of threads that the library starts. Where the system refuses one of these wishes, opening fails
 * (PYE_UNSUPPORTED) rather than run otherwise. */
typedef struct pye_thread_options {
  size_t size;          /**< sizeof(pye_thread_options); set it before the call. */
  const char* name;     /**< Up to 15 bytes are shown; NULL = "pyengine". */
  const int32_t* cores; /**< Numbers of the hardware threads on which they may run; NULL = any. */
  int64_t core_count;   /**< Numbers in `cores`. */
  int32_t policy;       /**< A pye_thread_policy. */
  int32_t priority;     /**< As `policy` says; 0 = as the starting thread. */
} pye_thread_options;

/**
 * Threads of the host's own (TBB, OpenMP, Qt): calls `task(context, i)` once for every i from 0 to
 * count - 1, on any threads, as many at once as it likes, and returns when all have returned.
 * `count` is at most the engine's `threads`; tasks that never run are made up for by the caller's
 * thread, tasks that still run when it returns are undefined behaviour. It must not throw.
 */
typedef void (*pye_run_tasks)(void* user, int64_t count, void (*task)(void* context, int64_t i),
                              void* context);

/** Decides which call computes, where several would. */
typedef struct pye_scheduler pye_scheduler;

/**
 * Calls and streams that name a scheduler compute one at a time, whatever their engines: the one of
 * the highest `priority` first, among equals the one that waited longest. A call of higher priority
 * takes over from one that computes between two operations, so within milliseconds.
 */
PYENGINE_EXPORT pye_status pye_scheduler_open(pye_scheduler** scheduler);
/** Calls and streams that still name it keep it alive. NULL is allowed. */
PYENGINE_EXPORT void pye_scheduler_close(pye_scheduler* scheduler);

/* ---- opening -------------------------------------------------------------------------------- */

/** How an engine is opened. */
typedef struct pye_engine_options {
  size_t size;         /**< sizeof(pye_engine_options); set by the init function. */
  int32_t threads;     /**< Threads of one call, the caller's included, 1 to 1024; 0 = every core
                            that affinity and CPU limits (control groups) leave; hardware threads
                            of one core count once. */
  const char* isa;     /**< "avx512", "avx2", "portable", "amx" (fast), or "reference", the oracle
                            of the others; NULL = the best. */
  int32_t accuracy;    /**< A pye_accuracy. */
  int32_t pin_threads; /**< Not 0: workers stay on one core each, the caller where it is. */
  const char* device;  /**< "cpu"; "cuda" or "cuda:N"; NULL = the first GPU if the file holds a plan
                            that fits it, else the CPU. */
  int32_t on_mismatch; /**< A pye_on_mismatch: where no plan fits the GPU that was asked for. */
  const char* const* library_folders; /**< Where to look for TensorRT's libraries, before the
                                           system's folders; may be NULL. */
  int64_t library_folder_count;       /**< Strings in `library_folders`. */
  const pye_thread_options* thread;   /**< Of the engine's worker threads; NULL = the system's
                                           defaults. */
  const pye_engine* share_threads;    /**< Not NULL: this engine's threads serve the new one, too,
                                           and none are started; it may be closed first. */
  pye_run_tasks run_tasks;            /**< Not NULL: these threads serve, and none are started;
                                           `threads` says how many at most. */
  void* run_tasks_user;               /**< Handed to `run_tasks`. */
} pye_engine_options;

/** Sets the defaults; `size` is sizeof *options, as the caller was compiled. */
PYENGINE_EXPORT void pye_engine_options_init(pye_engine_options* options, size_t size);

/**
 * Opens and verifies an engine file.
 * \param path     UTF-8.
 * \param options  May be NULL: the defaults.
 * \param engine   Where the engine goes, for pye_engine_close(); NULL on failure.
 */
PYENGINE_EXPORT pye_status pye_engine_open(const char* path, const pye_engine_options* options,
                                           pye_engine** engine);

/** The same for the bytes of an engine file, of which nothing is kept: those that the host
 * decrypted or unpacked. */
PYENGINE_EXPORT pye_status pye_engine_open_memory(const void* data, size_t bytes,
                                                  const pye_engine_options* options,
                                                  pye_engine** engine);

/** The same for a regular file that is open for reading. The descriptor stays the caller's, and its
 * position where it was. */
PYENGINE_EXPORT pye_status pye_engine_open_descriptor(int descriptor,
                                                      const pye_engine_options* options,
                                                      pye_engine** engine);

/** Closes an engine; NULL is allowed. No call on it may still be running.
 * PYE_BUSY: it has streams, and stays open. */
PYENGINE_EXPORT pye_status pye_engine_close(pye_engine* engine);

/* ---- what the file says --------------------------------------------------------------------- */

/** What an engine file says of itself. Strings and arrays live as long as the engine. */
typedef struct pye_engine_info {
  size_t size;            /**< sizeof(pye_engine_info); set it before the call. */
  int64_t channels;       /**< Input channels. */
  int64_t classes;        /**< Channels of probabilities and logits. */
  int64_t label_count;    /**< Labels are 0 .. label_count - 1; see pye_engine_class(). */
  int64_t halo_px;        /**< Context around a tile: the larger of before_px and after_px. */
  int64_t alignment_px;   /**< Tile origins are multiples of it. */
  int64_t parameters;     /**< Those that layers share count once. */
  double flops_per_pixel; /**< Of a whole-image pass; classification: of one image. */
  int32_t threads;        /**< Of one call. */
  int32_t tileable;       /**< 0: the network runs on whole images only. */

  int64_t before_px;          /**< Context above and left. */
  int64_t after_px;           /**< Context below and right. */
  int64_t margin_px;          /**< Lost on each side by valid convolutions. */
  int64_t size_residue_px;    /**< Input sizes the network accepts, modulo alignment_px. */
  int64_t receptive_field_px; /**< Input pixels that one output pixel sees, along one axis. */
  int64_t sample_height_px;   /**< Size the network was built with; the input of classifiers. */
  int64_t sample_width_px;    /**< As sample_height_px. */
  int64_t layer_count;        /**< See pye_engine_layer(). */
  int32_t dense;              /**< 1: one output per pixel of the image, less the margin. */
  int32_t input_type;         /**< A pye_pixel_type: of the training images, for information. */
  const float* input_gain;    /**< Network input = pixel * gain + offset; one per channel. */
  const float* input_offset;  /**< One per channel. */
  const char* task;           /**< "segmentation" or "classification" */
  const char* activation;     /**< "softmax", "sigmoid" or "none": logits to probabilities. */
  const char* not_tileable_reason; /**< "" if tileable. */
  const char* device;              /**< What computes: "cpu" or "cuda:N". */
  const char* gpu;                 /**< GPU, library and precision in use; "" on the CPU. */
  const char* why_not_gpu;   /**< Why a GPU was not taken though one was asked for or possible. */
  const char* isa;           /**< Instruction set in use. */
  const char* manifest_json; /**< The file's manifest, verified. */
  const char* graph_json;    /**< The file's graph, verified. */

  int64_t fixed_height_px;    /**< The only height of images that it takes; 0: any. */
  int64_t fixed_width_px;     /**< As fixed_height_px. */
  int64_t result_count;       /**< See pye_engine_result(); 0: one, of the image's resolution. */
  int32_t more_preprocessing; /**< 1: gain and offset are its first step alone; the whole is what
                                   pye_engine_normalise() does. */
  int32_t preprocessing_needs_image; /**< 1: some of it depends on the whole image, so that bands
                                          of rows cannot be segmented from C. */
  int64_t sample_depth_px;           /**< As sample_height_px: slices; 1: images. */
  int32_t volume;                    /**< 1: the network is over (z, y, x): pye_segment_volume(). */
} pye_engine_info;

/** One class. */
typedef struct pye_class_info {
  size_t size;      /**< sizeof(pye_class_info); set it before the call. */
  const char* name; /**< Lives as long as the engine. */
  uint8_t color[3]; /**< Red, green, blue, for overlays. */
} pye_class_info;

/** One row of the layer table. */
typedef struct pye_layer_info {
  size_t size;            /**< sizeof(pye_layer_info); set it before the call. */
  const char* name;       /**< Lives as long as the engine; likewise `op`. */
  const char* op;         /**< "conv2d", "max_pool" and so on. */
  int64_t channels;       /**< Output channels. */
  int64_t parameters;     /**< Of this layer. */
  double flops_per_pixel; /**< Per output pixel of the network; multiply-adds count twice. */
  double stride_px;       /**< Input pixels per step of this layer's grid. */
} pye_layer_info;

/** One result of a network that has several, or one of another resolution than the image: some of
 * the planes that pye_segment_scores() gives, which all have the image's size. */
typedef struct pye_result_info {
  size_t size;            /**< sizeof(pye_result_info); set it before the call. */
  const char* name;       /**< Lives as long as the engine; likewise `activation`. */
  int64_t first_plane;    /**< Of the scores. */
  int64_t planes;         /**< Likewise. */
  const char* activation; /**< Logits to probabilities, which PYE_PROBABILITIES applies. */
  int64_t shrink;         /**< Pixels whose indices are multiples of it count: one for so many. */
  int64_t enlarge;        /**< So many pixels for one: plane (i * enlarge + j) * channels + k, of
                               planes / (enlarge * enlarge) channels, holds pixels
                               (y * enlarge + i, x * enlarge + j) of channel k. */
} pye_result_info;

/** Fills as much of `info` as its size field admits. */
PYENGINE_EXPORT pye_status pye_engine_describe(const pye_engine* engine, pye_engine_info* info);
/** Class `index`, from 0 to label_count - 1. */
PYENGINE_EXPORT pye_status pye_engine_class(const pye_engine* engine, int64_t index,
                                            pye_class_info* info);
/** Layer `index`, from 0 to layer_count - 1, in the order of the graph. */
PYENGINE_EXPORT pye_status pye_engine_layer(const pye_engine* engine, int64_t index,
                                            pye_layer_info* info);
/** Result `index`, from 0 to result_count - 1. */
PYENGINE_EXPORT pye_status pye_engine_result(const pye_engine* engine, int64_t index,
                                             pye_result_info* info);
/** Name of label `index`, valid while the engine is open; NULL if out of range. */
PYENGINE_EXPORT const char* pye_engine_label_name(const pye_engine* engine, int64_t index);
/** What computes: "cpu" or "cuda:N"; valid while the engine is open. */
PYENGINE_EXPORT const char* pye_engine_device(const pye_engine* engine);
/** Why a GPU was not taken though one was asked for or possible; "" if there is nothing to tell. */
PYENGINE_EXPORT const char* pye_engine_why_not_gpu(const pye_engine* engine);

/* ---- memory --------------------------------------------------------------------------------- */

/** What an engine holds, in bytes. */
typedef struct pye_memory {
  size_t size;           /**< sizeof(pye_memory); set it before the call. */
  int64_t weights_bytes; /**< Until it is closed. */
  int64_t in_use_bytes;  /**< Working memory of calls that run. */
  int64_t idle_bytes;    /**< Working memory kept for later calls. */
  int64_t streams_bytes; /**< Frames and results of its streams. */
} pye_memory;

/** Fills as much of `memory` as its size field admits. Memory of a GPU is not counted. */
PYENGINE_EXPORT pye_status pye_engine_memory(const pye_engine* engine, pye_memory* memory);

/** Frees working memory that no call uses. The next call allocates again. */
PYENGINE_EXPORT pye_status pye_engine_trim(const pye_engine* engine);

/* ---- segmentation --------------------------------------------------------------------------- */

/** Borrowed pixels, any strides (in bytes, also negative, multiples of the value's size). Values
 * are taken as numbers, on the scale that the network was trained with, whatever the type; where
 * they are on another, see `source_scale` in pye_segment_options, and pye_engine_check_range(). */
typedef struct pye_image {
  const void* data; /**< First value of the first row. */
  int32_t type;     /**< A pye_pixel_type, to which a pye_byte_order may be added. */
  int64_t height;   /**< Rows of the whole image, at least 1. */
  int64_t width;    /**< Columns, at least 1. */
  int64_t channels; /**< As many as the network's. */
  int64_t row_stride_bytes;
  int64_t pixel_stride_bytes;
  int64_t channel_stride_bytes;
} pye_image;

/** Called after each batch of tiles, on the thread that called; return 0 to cancel. */
typedef int32_t (*pye_progress)(void* user, int64_t tiles_done, int64_t tiles_total);

/** Asked about every 5 ms while the CPU computes, within a tile too, on the thread that called;
 * return not 0 to cancel. */
typedef int32_t (*pye_cancelled)(void* user);

/** Told at the end of a call, once for each pass over the image, on the thread that called, what
 * became of the pixels of its exact tiles: computed, copied since their windows are one constant
 * that was met before, left out since they are no foreground. */
typedef void (*pye_tile_report)(void* user, int64_t computed_px, int64_t repeated_px,
                                int64_t background_px);

/** How one image is segmented. */
typedef struct pye_segment_options {
  size_t size;              /**< sizeof(pye_segment_options); set by the init function. */
  int64_t tile_height_px;   /**< Output tile; 0 = chosen by the cost model. */
  int64_t tile_width_px;    /**< As tile_height_px. */
  int32_t batch_size;       /**< Tiles per network call; 0 = automatic. */
  int64_t max_memory_bytes; /**< Working memory beside image and result; 0 = 1 GiB, or half of what
                                 was free at first where that takes more than a quarter longer. */
  int32_t mode;             /**< A pye_mode. */
  double overlap;           /**< Blending only: fraction of the tile (< 1) or pixels (>= 1). */
  pye_progress progress;    /**< May be NULL. */
  void* user;               /**< Handed to `progress`, `cancelled` and `report`. */
  int32_t one_thread;       /**< Not 0: the call stays on the caller's thread. */
  int32_t augmentation;     /**< A pye_augmentation. */
  int32_t padding;          /**< A pye_padding. */
  pye_cancelled cancelled;  /**< May be NULL. */
  int64_t region_top_px;    /**< Region of interest: the result is that part of the image alone, bit
                                 for bit as in the whole, and only what it needs is computed. */
  int64_t region_left_px;   /**< As region_top_px. */
  int64_t region_height_px; /**< 0, as region_width_px: the whole image. */
  int64_t region_width_px;  /**< As region_height_px. */
  double source_scale;      /**< A pixel's value is raw * source_scale + source_offset; 0 = 1. */
  double source_offset;     /**< See source_scale. */
  const pye_scheduler* scheduler; /**< Shared with other calls and streams; may be NULL. */
  int32_t priority;               /**< Among those of the scheduler: higher ones first. */
  int32_t check_finite;  /**< Not 0: NaN or infinity that arises in the network ends the call
                              (PYE_NOT_FINITE), naming the layer; on the CPU. */
  int64_t tile_depth_px; /**< Output tile of volumes; 0 = chosen by the cost model. */
  int32_t every_tile;    /**< Not 0: tiles of one constant are computed each, not one and copied. */
  const uint8_t* foreground;  /**< Where the image is worth computing, by square cells, row by row:
                                   0 for those that become background, label 0. NULL: all of it. */
  size_t foreground_count;    /**< Cells: those down times those across. */
  int64_t foreground_cell_px; /**< Side of a cell. */
  pye_tile_report report;     /**< May be NULL. */
} pye_segment_options;

/** How an image will be cut. */
typedef struct pye_tile_plan {
  size_t size;              /**< sizeof(pye_tile_plan); set it before the call. */
  int64_t tile_height_px;   /**< Output tile. */
  int64_t tile_width_px;    /**< As tile_height_px. */
  int64_t window_height_px; /**< Pixels that the network reads for one tile. */
  int64_t window_width_px;  /**< As window_height_px. */
  int64_t window_top_px;    /**< Of these, rows above the tile. */
  int64_t window_left_px;   /**< Of these, columns left of the tile. */
  int64_t tiles_down;
  int64_t tiles_across;
  int32_t batch_size;     /**< Tiles per network call. */
  int64_t memory_bytes;   /**< Estimated working memory. */
  double cost;            /**< Estimated time of all tiles; only ratios of plans matter. */
  double slowdown;        /**< `cost` over that of the best plan that more memory would allow. */
  int64_t top_px;         /**< Where the first tile begins: at the options' region, or above it. */
  int64_t left_px;        /**< As top_px. */
  int64_t origin_step_px; /**< Tiles begin at multiples of it. */
  int64_t reach_px;       /**< How far beyond a tile the image's end still matters to it. */
} pye_tile_plan;

/** A band of rows of the result, and the rows of the image that are at hand for it. */
typedef struct pye_band {
  int64_t row_begin; /**< First row of the result; a multiple of the plan's tile height, counted
                          from its top, or no later than the region begins. */
  int64_t row_end;   /**< Last row of the result + 1. */
  int64_t first_row; /**< First row of the image that is at hand (or needed). */
  int64_t rows;      /**< Rows of the image from there on. */
} pye_band;

/** Sets the defaults; `size` is sizeof *options, as the caller was compiled. */
PYENGINE_EXPORT void pye_segment_options_init(pye_segment_options* options, size_t size);

/** Labels (height, width) of the image or the options' region, rows `row_stride_bytes` >= width
 * apart. `options` may be NULL. */
PYENGINE_EXPORT pye_status pye_segment_labels(const pye_engine* engine, const pye_image* image,
                                              uint8_t* labels, int64_t row_stride_bytes,
                                              const pye_segment_options* options);

/** PYE_PROBABILITIES or PYE_LOGITS, dense (classes, height, width) of the image or the options'
 * region. `options` may be NULL. */
PYENGINE_EXPORT pye_status pye_segment_scores(const pye_engine* engine, const pye_image* image,
                                              int32_t kind, float* scores,
                                              const pye_segment_options* options);

/**
 * Makes plans, memory and pages ready for images of this size, so that the first call with these
 * options takes what the hundredth takes. `options` may be NULL; its callbacks are not called.
 */
PYENGINE_EXPORT pye_status pye_engine_prepare(const pye_engine* engine, int64_t height,
                                              int64_t width, const pye_segment_options* options);

/** How the values of an image compare with those of the training images. */
typedef struct pye_range {
  size_t size;             /**< sizeof(pye_range); set it before the call. */
  double lowest;           /**< Of the image, on the network's scale. */
  double highest;          /**< As lowest. */
  double expected_lowest;  /**< Of training images; -infinity if not known. */
  double expected_highest; /**< As expected_lowest; infinity if not known. */
  double advised_scale;    /**< A `source_scale` that is likely meant; that of the options if the
                                values are as expected. */
  int32_t mismatch;        /**< 1: the image is on another scale than the network's. */
} pye_range;

/** Whether an image is on the network's scale: 12-bit values in uint16 for a network of 8 bits, for
 * example, are not. Looks at all pixels. `options` may be NULL. */
PYENGINE_EXPORT pye_status pye_engine_check_range(const pye_engine* engine, const pye_image* image,
                                                  const pye_segment_options* options,
                                                  pye_range* range);

/** How an image of this size would be cut. `options` may be NULL.
 * PYE_UNSUPPORTED: the network has no tiles. */
PYENGINE_EXPORT pye_status pye_engine_plan(const pye_engine* engine, int64_t height, int64_t width,
                                           const pye_segment_options* options, pye_tile_plan* plan);

/**
 * A volume, for networks over (z, y, x) (`volume` of pye_engine_info). In PYE_EXACT bit for bit
 * what one box gives; PYE_NNUNET, PYE_GAUSSIAN and PYE_CONSTANT average windows.
 * \param slice   The first slice; those of a volume follow each other at `slice_stride_bytes`.
 * \param depth   Slices.
 * \param slice_stride_bytes  height * row_stride_bytes of `slice`; any for one slice.
 * \param kind    A pye_output.
 * \param out     Dense: uint8_t (depth, height, width) or float (classes, depth, height, width).
 * \param options May be NULL. No region.
 * PYE_UNSUPPORTED: the network is over images, or slices lie otherwise.
 */
PYENGINE_EXPORT pye_status pye_segment_volume(const pye_engine* engine, const pye_image* slice,
                                              int64_t depth, int64_t slice_stride_bytes,
                                              int32_t kind, void* out,
                                              const pye_segment_options* options);

/**
 * Which rows of an image of this size pye_segment_band() needs for rows `row_begin` to `row_end` of
 * the result: fills `first_row` and `rows`. `options` may be NULL.
 */
PYENGINE_EXPORT pye_status pye_band_rows(const pye_engine* engine, int64_t height, int64_t width,
                                         const pye_segment_options* options, pye_band* band);

/**
 * A band of rows of the result, from an image of which only some rows are in memory. With bands of
 * whole tiles, and options that are the same for all, it is bit for bit that of the whole image.
 * \param image    `data` is the first value of row `band->first_row`; `height` that of the whole
 *                 image.
 * \param band     At least the rows that pye_band_rows() tells.
 * \param kind     A pye_output.
 * \param out      Dense: uint8_t (rows, width) or float (classes, rows, width), of the band's rows.
 * \param options  May be NULL. Mode PYE_EXACT; no augmentation.
 */
PYENGINE_EXPORT pye_status pye_segment_band(const pye_engine* engine, const pye_image* image,
                                            const pye_band* band, int32_t kind, void* out,
                                            const pye_segment_options* options);

/**
 * pye_segment_labels() for an image and labels in the memory of the engine's GPU: enqueued on
 * `cuda_stream` (a cudaStream_t; NULL: the default stream) without waiting. Mode PYE_EXACT; NaN and
 * infinity go through. PYE_UNSUPPORTED: the engine does not run on a GPU, or has no tiles.
 */
PYENGINE_EXPORT pye_status pye_segment_labels_on_device(const pye_engine* engine,
                                                        const pye_image* image, uint8_t* labels,
                                                        int64_t row_stride_bytes, void* cuda_stream,
                                                        const pye_segment_options* options);
/** pye_segment_scores() in the memory of the engine's GPU; see pye_segment_labels_on_device(). */
PYENGINE_EXPORT pye_status pye_segment_scores_on_device(const pye_engine* engine,
                                                        const pye_image* image, int32_t kind,
                                                        float* scores, void* cuda_stream,
                                                        const pye_segment_options* options);

/* ---- classification ------------------------------------------------------------------------- */

/**
 * Class of a whole image, which is resized bilinearly (with antialiasing) to the network's size.
 * \param probabilities  Room for label_count values; may be NULL.
 * \param index          Where the most probable class goes (the lowest among equals); may be NULL.
 * PYE_UNSUPPORTED: the engine's task is segmentation.
 */
PYENGINE_EXPORT pye_status pye_engine_classify(const pye_engine* engine, const pye_image* image,
                                               float* probabilities, int64_t* index);

/* ---- the network itself --------------------------------------------------------------------- */

/** Pixels as the network takes them, for pye_engine_run(): dense (channels, height, width). */
PYENGINE_EXPORT pye_status pye_engine_normalise(const pye_engine* engine, const pye_image* image,
                                                float* planes);

/** Shape (classes, height, width) of the result of pye_engine_run() for one height x width input.
 * PYE_INVALID_ARGUMENT: the network does not accept this size. */
PYENGINE_EXPORT pye_status pye_engine_run_output_shape(const pye_engine* engine, int64_t height,
                                                       int64_t width, int64_t shape[3]);

/** Shape (classes, depth, height, width) of the result of pye_engine_run_volume(), likewise. */
PYENGINE_EXPORT pye_status pye_engine_run_volume_output_shape(const pye_engine* engine,
                                                              int64_t depth, int64_t height,
                                                              int64_t width, int64_t shape[4]);

/** pye_engine_run() of a network over volumes: inputs (count, channels, depth, height, width). */
PYENGINE_EXPORT pye_status pye_engine_run_volume(const pye_engine* engine, const float* in,
                                                 float* out, int64_t count, int64_t depth,
                                                 int64_t height, int64_t width);

/**
 * The network itself: no tiling, no normalisation, its own padding.
 * \param in   `count` inputs, dense (count, channels, height, width).
 * \param out  Room for `count` times the values that pye_engine_run_output_shape() tells.
 */
PYENGINE_EXPORT pye_status pye_engine_run(const pye_engine* engine, const float* in, float* out,
                                          int64_t count, int64_t height, int64_t width);

/** Where the time of one pass goes: one operation, activations and copies fused into it included.
 */
typedef struct pye_op_time {
  size_t size;           /**< sizeof(pye_op_time) of the library. */
  const char* layer;     /**< Name in the graph; lives as long as the callback. */
  const char* algorithm; /**< "winograd", "direct", "copy" and so on; likewise. */
  double seconds;        /**< Median over the passes. */
  double flops;          /**< Multiply-adds count twice; of the direct algorithm. */
  double bytes;          /**< Inputs, outputs and weights, each once. */
} pye_op_time;

/**
 * Times of the network's operations on one height x width image in one piece: `visit` is called
 * once per operation, in the order of the graph (never, where the executor knows no times).
 * \param passes  The median of so many counts, at least 1.
 */
PYENGINE_EXPORT pye_status pye_engine_profile(const pye_engine* engine, int64_t height,
                                              int64_t width, int32_t passes,
                                              void (*visit)(void* user, const pye_op_time* time),
                                              void* user);

/* ---- this machine --------------------------------------------------------------------------- */

/** One executor as it stands on this machine. Strings live as long as the callback. */
typedef struct pye_executor_status {
  size_t size;              /**< sizeof(pye_executor_status) of the library. */
  const char* name;         /**< "tensorrt", "tensorrt-rtx" or "cpu". */
  const char* detail;       /**< Library and version, or instruction set; "" if there is none. */
  const char* why_not;      /**< Why it cannot run networks here; "": it can. */
  const char* why_no_build; /**< Why plans for it cannot be built here; "": they can. */
} pye_executor_status;

/**
 * All executors, best first: `visit` is called once for each.
 * \param library_folders       As in pye_engine_options; may be NULL.
 * \param library_folder_count  Strings in `library_folders`.
 */
PYENGINE_EXPORT pye_status
pye_list_executors(const char* const* library_folders, int64_t library_folder_count,
                   void (*visit)(void* user, const pye_executor_status* status), void* user);

/** How much a message of the log matters. */
typedef enum pye_log_level {
  PYE_LOG_ERROR = 0,
  PYE_LOG_WARNING = 1,
  PYE_LOG_INFO = 2,
  PYE_LOG_DEBUG = 3
} pye_log_level;

/** Told of what happens, on whichever thread it happens; may be called by several at once.
 * `message` lives as long as the call. */
typedef void (*pye_log)(void* user, int32_t level, const char* message);

/** Where messages of at least this weight go, for the whole process; the library prints nothing.
 * NULL: nowhere, as in the beginning. When it returns, no call of the function before is running.
 * It must not be called from within `log`. */
PYENGINE_EXPORT pye_status pye_set_log(pye_log log, void* user, int32_t level);

/** What went wrong in this thread's last failed call (at most 1023 bytes of it); never NULL, valid
 * until the thread's next failure. Asking for it never allocates. */
PYENGINE_EXPORT const char* pye_last_error(void);
/** "major.minor.patch" */
PYENGINE_EXPORT const char* pye_version(void);

#ifdef __cplusplus
}
#endif

#include "pyengine/c_results.h"
#include "pyengine/c_stream.h"

#endif
