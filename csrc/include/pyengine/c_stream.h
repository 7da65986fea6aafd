/**
 * \file
 * Frames in at a scanner's rate, results of known age out. Included by c_api.h.
 *
 * 1. pye_stream_options_init(), change what differs, pye_stream_open(): memory and plans are ready
 *    when it returns.
 * 2. pye_stream_submit() from the acquiring thread. It never waits for the network.
 * 3. Results come to the callback on the stream's own thread, or are fetched by pye_stream_take()
 *    and given back by pye_stream_release().
 * 4. pye_stream_close(), then pye_engine_close().
 *
 * **Frames.** Every frame that pye_stream_submit() took (PYE_OK) ends exactly once: in a result, or
 * in the pye_submission of the frame that replaced it. Until then its pixels are borrowed, unless
 * the stream copies them; the callback has them, too.
 *
 * **Times** are nanoseconds of pye_now_ns(), a clock that never jumps.
 *
 * **Memory.** All of it is allocated by open and resize. A frame allocates nothing, unless it fails
 * or is of another size than the stream was opened with.
 *
 * **Threads.** All calls on a stream may run at once, but for pye_stream_close(). Callbacks come on
 * the stream's thread, one at a time; they may make every call but pye_stream_close(),
 * pye_stream_stop(), pye_stream_flush() and pye_stream_resize() of their own stream, which would
 * wait for themselves (PYE_INVALID_ARGUMENT). The next frame waits while a callback runs. What a
 * callback of C++ throws ends there.
 */
#ifndef PYENGINE_C_STREAM_H
#define PYENGINE_C_STREAM_H

/* Each may be included alone. NOLINTNEXTLINE(misc-header-include-cycle) */
#include "pyengine/c_api.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What happens to a frame that comes while another is computed. */
typedef enum pye_policy {
  PYE_POLICY_NEWEST = 0, /**< It waits, in place of the one that waited. For live pictures. */
  PYE_POLICY_ALL = 1,    /**< It waits behind those that wait; refused while as many wait as may. */
  PYE_POLICY_REJECT = 2  /**< It is refused. */
} pye_policy;

/** What happens to a frame whose deadline passes while it is computed. */
typedef enum pye_late {
  PYE_LATE_FINISH = 0, /**< It is finished and marked PYE_FRAME_LATE. */
  PYE_LATE_CANCEL = 1  /**< It is stopped: PYE_FRAME_EXPIRED. */
} pye_late;

/** How a frame ended. */
typedef enum pye_frame_status {
  PYE_FRAME_DONE = 0,      /**< Computed, in time. */
  PYE_FRAME_LATE = 1,      /**< Computed, but after its deadline. */
  PYE_FRAME_REPLACED = 2,  /**< A newer one took its place; only in pye_submission. */
  PYE_FRAME_EXPIRED = 3,   /**< Given up for its deadline: not begun, or stopped on the way. */
  PYE_FRAME_CANCELLED = 4, /**< By pye_stream_cancel(), stop, close, or the progress callback. */
  PYE_FRAME_FAILED = 5     /**< `error` and `message` say why. */
} pye_frame_status;

/** What pye_stream_stop() and pye_stream_close() do with frames that have not ended. */
typedef enum pye_ending {
  PYE_DRAIN = 0,  /**< They are computed, and their results told. */
  PYE_DISCARD = 1 /**< They are cancelled, also the one at work, and told as such. */
} pye_ending;

/** Frames of one source on their way through one engine, with a thread of its own. */
typedef struct pye_stream pye_stream;

/** One frame, or a stack of them (a volume). */
typedef struct pye_frame {
  size_t size;                /**< sizeof(pye_frame); set by the init function. */
  pye_image image;            /**< The pixels; of a stack, those of its first slice. */
  int64_t slices;             /**< 1; more for a stack. */
  int64_t slice_stride_bytes; /**< From a slice to the next; any if there is one. */
  void* result;               /**< Where the result goes, dense; NULL = memory of the stream. */
  int64_t deadline_ns;        /**< From submission on; 0 = the stream's, negative = none. */
  void* user;                 /**< Comes back with the result. */
} pye_frame;

/** What became of a submission. */
typedef struct pye_submission {
  size_t size;             /**< sizeof(pye_submission); set it before the call. */
  int64_t number;          /**< Of this frame: 1, 2, ... in the order of submission, those that were
                                refused included. */
  int64_t replaced_number; /**< Of the frame that it replaced, which ends hereby; 0 = none. Its
                                pixels are the caller's again. */
  void* replaced_user;     /**< Of that frame. */
} pye_submission;

/** A frame's end. Fields of a pye_frame come back as they were given. */
typedef struct pye_result {
  size_t size;         /**< sizeof(pye_result); set it before pye_stream_take(). */
  int64_t number;      /**< As in pye_submission. */
  void* user;          /**< As in pye_frame. */
  int32_t status;      /**< A pye_frame_status. */
  int32_t error;       /**< A pye_status: why it failed. */
  const char* message; /**< Why it failed, in words; else "". */
  int64_t submit_ns;   /**< When pye_stream_submit() was called. */
  int64_t begin_ns;    /**< When its computation began; 0 = it did not. */
  int64_t end_ns;      /**< When it ended. Its age is end_ns - submit_ns. */
  int64_t deadline_ns; /**< The time by which it was wanted; 0 = none. */
  int32_t output;      /**< A pye_output: what `data` is. */
  const void* data;    /**< Dense (slices, height, width) of uint8_t labels, or (slices, classes,
                            height, width) of float; NULL unless done or late. */
  int64_t slices;
  int64_t classes; /**< Of `data`: 1 for labels. */
  int64_t height;  /**< Of the result: the region's, where the stream has one. */
  int64_t width;   /**< As height. */
  pye_image image; /**< The frame's pixels: the caller's, or the stream's copy. */
} pye_result;

/** Told of each frame that ended. `result` and what it points to live as long as the callback. */
typedef void (*pye_done)(void* user, const pye_result* result);

/** Told of a stack after each slice, on the stream's thread; return 0 to cancel it. `done` slices
 * of the result are at `result->data`, and `result->status` is PYE_FRAME_DONE. */
typedef int32_t (*pye_stack_progress)(void* user, const pye_result* result, int64_t done);

/** How a stream is opened. Sizes are those for which memory is allocated; smaller frames fit. */
typedef struct pye_stream_options {
  size_t size;         /**< sizeof(pye_stream_options); set by the init function. */
  int64_t height;      /**< Of the largest frame. Required. */
  int64_t width;       /**< As height. */
  int64_t slices;      /**< Of the largest stack; 0 = 1. */
  int32_t type;        /**< A pye_pixel_type: of the frames that the stream prepares for, and of the
                            largest that it copies. */
  int32_t policy;      /**< A pye_policy. */
  int32_t copy;        /**< Not 0: submit copies the pixels, which are the caller's again when it
                            returns. 0: they are borrowed until the frame ends. */
  int64_t queue;       /**< PYE_POLICY_ALL: frames that may wait; 0 = 8. */
  int64_t results;     /**< Without a callback: results that may lie untaken or unreleased;
                            0 = 4. When there are more, the oldest untaken one is lost; with
                            PYE_POLICY_ALL new frames are refused instead. */
  int32_t output;      /**< A pye_output. */
  int64_t deadline_ns; /**< Of frames that do not say; from submission on; 0 = none. */
  int32_t late;        /**< A pye_late. */
  pye_done done;       /**< NULL: results are fetched by pye_stream_take(). */
  pye_stack_progress progress;        /**< May be NULL. */
  void* user;                         /**< Handed to `done` and `progress`. */
  const pye_segment_options* segment; /**< Tiles, region, scheduler, priority and so on of every
                                           frame; NULL = the defaults. Its callbacks come on the
                                           stream's thread, with its own `user`. Copied. */
  int64_t statistics; /**< Over how many of the last results percentiles are; 0 = 1000. */
  const pye_thread_options* thread; /**< Of the stream's own thread; NULL = as the opening one. */
} pye_stream_options;

/** Sets the defaults; `size` is sizeof *options, as the caller was compiled. */
PYENGINE_EXPORT void pye_stream_options_init(pye_stream_options* options, size_t size);

/** Sets the defaults: one slice, everything else 0. */
PYENGINE_EXPORT void pye_frame_init(pye_frame* frame, size_t size);

/**
 * Opens a stream and prepares it: computes one frame of zeros, so that the first frame takes what
 * the hundredth takes.
 * \param engine  May have several streams. pye_engine_close() refuses while one is open.
 * \param stream  Where the stream goes, for pye_stream_close(); NULL on failure.
 */
PYENGINE_EXPORT pye_status pye_stream_open(const pye_engine* engine,
                                           const pye_stream_options* options, pye_stream** stream);

/**
 * Hands a frame to the stream. Waits neither for the network nor for a callback.
 * \param submission  May be NULL; filled also where the frame is refused.
 * PYE_BUSY: refused, as the policy says. PYE_INVALID_ARGUMENT: larger than the stream's memory, or
 * no image. PYE_CANCELLED: the stream was stopped.
 */
PYENGINE_EXPORT pye_status pye_stream_submit(pye_stream* stream, const pye_frame* frame,
                                             pye_submission* submission);

/**
 * The oldest result that was not taken, for streams without a callback. What it points to lives
 * until pye_stream_release().
 * \param timeout_ns  How long to wait for one; 0 = not at all, negative = without end.
 * PYE_TIMEOUT: none came. PYE_CANCELLED: none will, the stream was stopped.
 */
PYENGINE_EXPORT pye_status pye_stream_take(pye_stream* stream, int64_t timeout_ns,
                                           pye_result* result);

/** Gives a result's memory back to the stream. */
PYENGINE_EXPORT pye_status pye_stream_release(pye_stream* stream, int64_t number);

/** Cancels frame `number`, 0: all that were submitted, waiting or at work. Does not wait; the frame
 * ends as PYE_FRAME_CANCELLED, unless it has ended meanwhile. */
PYENGINE_EXPORT pye_status pye_stream_cancel(pye_stream* stream, int64_t number);

/** Waits until no frame waits or is at work. `timeout_ns` and PYE_TIMEOUT as in pye_stream_take().
 */
PYENGINE_EXPORT pye_status pye_stream_flush(pye_stream* stream, int64_t timeout_ns);

/** Memory and plans for frames of another largest size, in the place of those at open. Allocates;
 * frames that are on their way keep theirs. */
PYENGINE_EXPORT pye_status pye_stream_resize(pye_stream* stream, int64_t height, int64_t width,
                                             int64_t slices);

/** Takes no more frames and returns once all have ended, as `ending` (a pye_ending) says. Results
 * can still be taken. */
PYENGINE_EXPORT pye_status pye_stream_stop(pye_stream* stream, int32_t ending);

/** pye_stream_stop(), then frees the stream. No other call on it may still be running. NULL is
 * allowed. On failure the stream stays open. */
PYENGINE_EXPORT pye_status pye_stream_close(pye_stream* stream, int32_t ending);

/** Durations of the last results that were computed, in nanoseconds. */
typedef struct pye_durations {
  int64_t p50_ns;
  int64_t p90_ns;
  int64_t p99_ns;
  int64_t max_ns;
} pye_durations;

/** What a stream did since it was opened. */
typedef struct pye_stream_stats {
  size_t size;       /**< sizeof(pye_stream_stats); set it before the call. */
  int64_t submitted; /**< Frames brought: the sum of the next eight. */
  int64_t done;
  int64_t late;
  int64_t replaced;
  int64_t expired;
  int64_t cancelled;
  int64_t failed;
  int64_t refused;
  int64_t pending;       /**< Waiting or at work. */
  int64_t lost;          /**< Results that nobody took in time; they count above, too. */
  int64_t results;       /**< Over how many of the last results the durations are. */
  pye_durations age;     /**< Submission to end. */
  pye_durations compute; /**< Begin to end. */
  int64_t memory_bytes;  /**< Held by the stream itself. */
} pye_stream_stats;

/** Fills as much of `stats` as its size field admits. */
PYENGINE_EXPORT pye_status pye_stream_statistics(const pye_stream* stream, pye_stream_stats* stats);

/** Nanoseconds on the steady clock of all times here. */
PYENGINE_EXPORT int64_t pye_now_ns(void);

#ifdef __cplusplus
}
#endif
#endif
