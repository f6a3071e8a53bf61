/* SPDX-License-Identifier: MIT */
/* What a machine does: its kernels checked and timed, its peak, and what each step of a network
 * takes. For `pique bench` and `pique kernels`, and for whoever wants to know the same. */
#ifndef PIQUE_MEASURE_H
#define PIQUE_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The i-th instruction set that kernels have variants for, as pique_set_cpu_level() takes it; the
 *  first one is the scalar reference.
 *  @param here  whether this processor has it; may be NULL.
 *  @return its name, static; NULL past the end. Thread-safety: safe. */
const char *pique_cpu_level_get(size_t i, bool *here);

/** A kernel of the processor: a function that exists once for each instruction set, and gives the
 *  same bits in each. Strings are static. */
typedef struct pique_kernel_info {
    size_t size;      /**< sizeof(pique_kernel_info), set by the caller */
    const char *name; /**< "winograd" */
    bool moves;       /**< its rate is bytes that are read and written a second, not additions and
                           multiplications */
} pique_kernel_info;

/** Describe the i-th kernel. @return 0; PIQUE_EINVAL past the end. Thread-safety: safe. */
int pique_kernel_get(size_t i, pique_kernel_info *info, pique_error *err);

/** Compare one variant of the i-th kernel with the scalar reference, bit for bit, on made-up input:
 *  odd sizes, infinities and NaN among the values, memory around the result watched.
 *  @param level  of this processor.
 *  @param cases  how many, 1 or more; the same for the same number, on every machine.
 *  @return 0; PIQUE_EINTERNAL where bits differ or something else is written, with a sentence that
 *          says where; PIQUE_EINVAL; PIQUE_EUNSUPPORTED the processor has it not; PIQUE_ENOMEM.
 *  Thread-safety: safe. */
int pique_kernel_check(size_t i, const char *level, int cases, pique_error *err);

/** How fast a variant is. */
typedef struct pique_kernel_rate {
    size_t size;    /**< sizeof(pique_kernel_rate), set by the caller */
    double rate;    /**< a second: additions and multiplications of the direct sum, or bytes */
    char shape[96]; /**< what was computed: "3x3, 64 -> 64" */
} pique_kernel_rate;

/** Time one variant of the i-th kernel, on one thread and on data in its caches.
 *  @param seconds  about how long; the best of the stretches within it counts.
 *  @return as pique_kernel_check(). Thread-safety: safe. */
int pique_kernel_time(size_t i, const char *level, double seconds, pique_kernel_rate *rate,
                      pique_error *err);

/** What the processor can do at most: multiply-adds in registers, on several threads at once, at
 *  the instruction set in use.
 *  @param threads  0: one a core that this process may use.
 *  @param flops    additions and multiplications a second, in the mean over about `seconds`.
 *  @return 0; PIQUE_EINVAL; PIQUE_ENOMEM. Thread-safety: safe. */
int pique_cpu_peak(int threads, double seconds, double *flops, pique_error *err);

/** One step of an engine's plan. Strings are static. */
typedef struct pique_step_info {
    size_t size;      /**< sizeof(pique_step_info), set by the caller */
    const char *kind; /**< "conv2d" */
    const char *how;  /**< by which algorithm, where there are several: "winograd"; else "" */
    int kernel_width, kernel_height; /**< of a convolution; else 0 */
    int in_channels, channels;       /**< of its first inputs and of its result */
    uint64_t pixels;                 /**< of the result, over all batches since measuring began */
    uint64_t planned; /**< the work that the plan takes that for, by which progress is told: one
                           for each multiply-add and each channel of each pixel */
    double seconds;   /**< over all batches, of the clock */
} pique_step_info;

/** Begin to measure the steps of an engine, from 0, or stop. Measuring changes no bit of a result,
 *  and takes two looks at a clock a step and band.
 *  @return 0; PIQUE_EUNSUPPORTED the device does not tell; PIQUE_ENOMEM. */
int pique_engine_measure(pique_engine *engine, bool on, pique_error *err);

/** What the i-th step has taken. @return 0; PIQUE_EINVAL past the end, or nothing is measured. */
int pique_engine_get_step(const pique_engine *engine, size_t i, pique_step_info *info,
                          pique_error *err);

#ifdef __cplusplus
}
#endif
#endif
