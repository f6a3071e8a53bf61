/* SPDX-License-Identifier: MIT */
/* An engine runs one model on one device: rows of a batch in, rows of a batch out. */
#ifndef PIQUE_ENGINE_H
#define PIQUE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A model compiled for a device. Thread-safety: one call at a time. */
typedef struct pique_engine pique_engine;

/** Stops work from another thread or a signal handler. Thread-safety: safe. */
typedef struct pique_cancel pique_cancel;

/** @return a new token, or NULL out of memory; the caller frees it after the engines that
 *  use it. */
pique_cancel *pique_cancel_new(void);
/** Ask everything that holds the token to stop. Async-signal-safe; cannot be taken back. */
void pique_cancel_set(pique_cancel *cancel);
/** Whether pique_cancel_set() was called. NULL is a token that is never set. */
bool pique_cancel_is_set(const pique_cancel *cancel);
/** Free a token and set *cancel to NULL. */
void pique_cancel_free(pique_cancel **cancel);

enum pique_log_level {
    PIQUE_LOG_ERROR,
    PIQUE_LOG_WARN,
    PIQUE_LOG_INFO,
    PIQUE_LOG_DEBUG,
    PIQUE_LOG_TRACE
};

/** Called with one line without a line feed. May be called from any thread of the engine, but
 *  never from two at once. */
typedef void (*pique_log_fn)(void *user, enum pique_log_level level, const char *line);

enum pique_event_kind {
    PIQUE_EVENT_PROGRESS, /**< rows_done of rows_total output rows are finished; with tta
                               the rows of each of its runs count too */
    PIQUE_EVENT_NOTE,     /**< something the user should know, in text; the work goes on */
    PIQUE_EVENT_RETRY,    /**< a result was refused and is computed again, in text why */
    PIQUE_EVENT_FRAMES,   /**< of a film or a batch: frames_done of frames_total are finished */
    PIQUE_EVENT_SAVED,    /**< another process can read `frames` frames of batch number `batch`,
                               the first of them number first_frame (from 0) */
    PIQUE_EVENT_PLANNED,  /**< a film is about to start: plan says what it takes */
    PIQUE_EVENT_SEALED,   /**< segment number `segment` (from 0) with `frames` frames is sealed */
    PIQUE_EVENT_FALLBACK  /**< of a film that is done: `frames` frames from number first_frame on
                               were computed by a fallback, with the numeric key in text */
};

struct pique_film_plan; /* film.h */

typedef struct pique_event {
    size_t size; /**< sizeof(pique_event) of the library that calls */
    enum pique_event_kind kind;
    uint64_t rows_done, rows_total;
    const char *text; /**< or NULL; lives until the callback returns */
    uint64_t batch;   /**< from 1 */
    int64_t frames, first_frame, frames_done, frames_total; /**< total 0: not known */
    int segment;
    const struct pique_film_plan *plan; /**< lives until the callback returns */
} pique_event;

/** Called on the thread that runs the engine; with several devices on that of any of them, one call
 *  at a time. */
typedef void (*pique_event_fn)(void *user, const pique_event *event);

/** Memory for the large buffers of an engine (packed weights, line buffers, the rows of a picture
 *  on their way); what picture libraries take for themselves is not among them. The line buffers
 *  of the last pictures are kept for the next ones of their size until the engine is closed; of
 *  its own memory the system may take them meanwhile, of the caller's it cannot. Both functions
 *  must be set and may be called from several threads. */
typedef struct pique_allocator {
    size_t size; /**< sizeof(pique_allocator) */
    void *user;
    /** @return memory of at least that many bytes at a multiple of align, or NULL. */
    void *(*alloc)(void *user, size_t bytes, size_t align);
    void (*free)(void *user, void *memory);
} pique_allocator;

enum pique_precision {
    PIQUE_PRECISION_AUTO, /**< the fastest tier of the device that is safe for the network */
    PIQUE_PRECISION_FP32, /**< the reference */
    PIQUE_PRECISION_FP16, /**< 16-bit floats with 5 bits of exponent; sums in fp32 */
    PIQUE_PRECISION_BF16, /**< 16-bit floats with 8 bits of exponent; sums in fp32 */
    PIQUE_PRECISION_INT16 /**< most convolutions as products of 16-bit whole numbers, the rest in
                               fp32; on the CPU */
};

/** All zero but size is a good default. */
typedef struct pique_engine_options {
    size_t size; /**< sizeof(pique_engine_options) */
    /** "cpu", or NULL for the best there is. Several, separated by commas, share a job: films and
     *  pictures in batches, which whatever device is free takes, and which leave in order; the
     *  result is that of one device. All must have one numeric key. "cuda:all" is all of a kind.
     *  Other calls (pique_batch_begin(), say) use the first. */
    const char *device;
    enum pique_precision precision;
    int threads;           /**< worker threads; 0: one a core that this process may use */
    int band_rows;         /**< input rows that flow through the network at a time; 0: chosen
                                from the memory budget. Never changes a bit of the result */
    uint64_t memory_bytes; /**< budget for line buffers, of each device; 0: half of what is
                                free */
    pique_log_fn log;
    void *log_user;
    pique_event_fn event;
    void *event_user;
    const pique_cancel *cancel;       /**< borrowed as long as the engine lives; or NULL */
    const pique_allocator *allocator; /**< copied; or NULL for the C library's */
    pique_engine *threads_of; /**< compute on the threads of this engine, for models that take
                                   turns: the two are never called at once, and that one is
                                   closed later; `threads` then means nothing. NULL: own threads */
    bool no_scratch_file;     /**< true: never keep in a scratch file what the budget does not
                                   hold; see pique_picture_report.approximate */
    /** A device with which a job goes on where none of `device` is left, whatever its numeric key;
     *  what it computed is told (pique_film_report.fallback_frames,
     *  pique_picture_report.fallback_key). NULL: the job ends, resumable. */
    const char *fallback;
} pique_engine_options;

/** Compile a model for a device.
 *  @param model    borrowed as long as the engine lives.
 *  @param options  borrowed for the call; NULL for the defaults.
 *  @param out      the engine; the caller closes it. Set to NULL on failure.
 *  @return 0; PIQUE_EINVAL; PIQUE_EDEVICE no such device; PIQUE_EUNSUPPORTED the device cannot
 *          run an operation of this network, or does not compute in this tier; PIQUE_ENOMEM.
 *          A tier that is not safe for the network (pique_model_info) is computed in all the same
 *          where it is asked for by name, with an event PIQUE_EVENT_NOTE. */
int pique_engine_open(const pique_model *model, const pique_engine_options *options,
                      pique_engine **out, pique_error *err);

/** Close an engine and set *engine to NULL. &{NULL} is fine. */
void pique_engine_close(pique_engine **engine);

/** The numeric key: two engines with the same key, model and options give the same bits for the
 *  same input. Belongs to the engine. */
const char *pique_engine_numeric_key(const pique_engine *engine);

/** How many devices share the jobs of an engine, its fallback not counted. */
int pique_engine_devices(const pique_engine *engine);

enum pique_sample {
    PIQUE_SAMPLE_U8,  /**< 0..255 */
    PIQUE_SAMPLE_U16, /**< 0..65535, native byte order */
    PIQUE_SAMPLE_F32  /**< 0..1, not clipped by the engine */
};

/** Rows of every picture of a batch. Channels are interleaved (R,G,B,R,G,B ...), so a row is
 *  width x channels samples. */
typedef struct pique_rows {
    void *data;             /**< first sample of the first row of picture 0 */
    ptrdiff_t row_stride;   /**< bytes from one row to the next */
    ptrdiff_t frame_stride; /**< bytes from one picture of the batch to the next */
    enum pique_sample sample;
} pique_rows;

/** Begin a batch of `frames` pictures of width x height input pixels. Ends an unfinished one.
 *  A batch also ends where push or pull fails with anything but PIQUE_EINVAL: what the device had
 *  taken by then is not known, so only a new batch can be right.
 *  @return 0; PIQUE_EINVAL; PIQUE_ENOMEM over the budget even one row at a time. */
int pique_batch_begin(pique_engine *engine, int frames, int width, int height, pique_error *err);

/** Size of the output pictures of the batch that runs. */
void pique_batch_output_size(const pique_engine *engine, int *width, int *height);

/** How many input rows push() takes now: 0 once all are in or while finished rows wait for
 *  pull(). */
int pique_batch_wants(const pique_engine *engine);

/** Push the next rows of all pictures.
 *  @param rows  borrowed, read only. count is 1 .. pique_batch_wants(); fewer rows than it wants
 *               are kept, and computed when the rest has come.
 *  @return 0; PIQUE_EINVAL; PIQUE_EDEVICE; PIQUE_ECANCELED. */
int pique_batch_push(pique_engine *engine, const pique_rows *rows, int count, pique_error *err);

/** Take finished rows, in order from the top.
 *  @param rows   memory of the caller, written; integer samples are rounded and clipped.
 *  @param count  at most so many rows.
 *  @return the number of rows written, 0 where push() must come first or all are out, or a
 *          negative status: PIQUE_EINVAL, PIQUE_EDEVICE, PIQUE_ECANCELED. */
int pique_batch_pull(pique_engine *engine, const pique_rows *rows, int count, pique_error *err);

/** A whole batch in one call: begin, push and pull over whole buffers.
 *  @param in   frames x height x width x in_channels, borrowed, read only.
 *  @param out  frames x (height x scale) x (width x scale) x out_channels, written.
 *  @return as the three. */
int pique_batch_run(pique_engine *engine, int frames, int width, int height, const pique_rows *in,
                    const pique_rows *out, pique_error *err);

/** What is known about a device. Strings are static. */
typedef struct pique_device_info {
    size_t size;                        /**< sizeof(pique_device_info), set by the caller */
    const char *id;                     /**< "cpu": what options take */
    const char *name;                   /**< "AMD EPYC 9354, 2 threads, AVX-512" */
    int threads;                        /**< cores that this process may use; of a GPU, its
                                             multiprocessors */
    uint64_t memory_total, memory_free; /**< bytes; 0: not known */
    bool usable;                        /**< false: `reason` says why */
    const char *reason;
} pique_device_info;

/** Describe the i-th device. @return 0, or PIQUE_EINVAL past the end. Thread-safety: safe. */
int pique_device_get(size_t i, pique_device_info *info, pique_error *err);

/** Force the instruction sets that kernels may use: "scalar", "avx2", "avx512" and "avx512-vnni" of
 *  x86-64, "neon" of ARM, or NULL for all that the processor has. Never changes a bit of a result.
 *  Call before engines are opened.
 *  @return 0; PIQUE_EINVAL unknown; PIQUE_EUNSUPPORTED the processor has it not. */
int pique_set_cpu_level(const char *level, pique_error *err);

/** "0.1.0". */
const char *pique_version(void);

#ifdef __cplusplus
}
#endif
#endif
