/* SPDX-License-Identifier: MIT */
/* A driver of CUDA for machines that have none: the tests' own libcuda.so.1. It does what the real
 * one may do within the rules of streams and events, at its most hostile, and tells whenever the
 * host relies on an order that nothing promises. This header is what a test steers it with; the
 * functions of the driver itself are those of backend/cuda/driver.h, exported by their own names.
 *
 * How it works, a file each:
 *     control.c  how each call begins and ends; what is counted, planted and told
 *     device.c   devices and contexts           things.c  handles, alive and dead
 *     memory.c   device and pinned memory       shadow.c  who touched which bytes last
 *     clock.c    vector clocks                  stream.c  streams: what is enqueued
 *     work.c     how it is executed             event.c   events
 *     launch.c   modules and launches           graph.c   capture and replay
 *     kernels.c  the C references of the kernels
 * and rig.h, standin_test.c, order_test.c and any_order_test.c, which test it.
 *
 * Whether two operations are ordered is decided when the second is enqueued, with vector clocks,
 * and so depends on no timing. Execution is hostile besides, so that a host which reads or
 * overwrites too early computes nonsense.
 *
 * PIQUE_STANDIN in the environment, "lazy" or "threads", chooses the mode to start with,
 * PIQUE_STANDIN_SEED the seed; PIQUE_STANDIN_DEVICES is how many devices there are,
 * PIQUE_STANDIN_BYTES the memory of the first one, or with "600000@1" of the second,
 * PIQUE_STANDIN_CAPABILITY the compute capability of the first ("9.0"),
 * PIQUE_STANDIN_FAILS the number of the launch that fails, with "60@1" of those of the second
 * device. A device that failed is lost, and the others are not. With PIQUE_STANDIN_STRICT a process
 * that still has faults when it ends prints them and fails, for programs that know nothing of this
 * header.
 *
 * Thread-safety: safe; but all threads of the host are one to the clocks, so two that use the
 * driver at a time hide each other's mistakes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/cuda/driver.h"

struct cuda_args;
typedef void standin_run(const struct cuda_args *args);

#pragma GCC visibility push(default)

/* The driver: a definition with another signature than that of driver.h does not compile. */
#define STANDIN_PROTOTYPE(member, symbol, parameters) cuda_result symbol parameters;
CUDA_FUNCTIONS(STANDIN_PROTOTYPE)
#undef STANDIN_PROTOTYPE

/* By which the backend knows that this driver brings kernels itself; 1. */
extern int pique_standin_kernels;

/* ---- the start ---- */

/* Back to the start: the configuration, counts, faults and plans of a fresh process. Only cuInit()
 * stays called, as a program calls it once. What is still alive is freed; returns how many things
 * were, and says on stderr which. */
int standin_reset(void);

enum standin_mode {
    /* Nothing is executed until the host synchronises on something that needs it, and then no more
     * than that, in a random order of those that streams and events allow. */
    STANDIN_LAZY,
    /* A thread a stream; random delays before operations, copies in pieces in random order. */
    STANDIN_THREADS
};
/* For streams created from now on. delay_us: the longest delay before an operation. */
void standin_mode(enum standin_mode mode, uint64_t seed, int delay_us);

enum { STANDIN_DEVICES = 8 };
/* Devices that there are, 0 .. 8; one at the start. Before cuInit() or a retain. */
void standin_devices(int count);
struct standin_device {
    char name[64]; /* "Stand-in 8.0" at the start */
    int major, minor, multiprocessors;
    size_t bytes; /* of memory; 1 GiB at the start */
};
/* To be changed at will. NULL: there is none with this number. */
struct standin_device *standin_device(int ordinal);

/* ---- kernels ---- */

struct standin_kernel {
    const char *name;
    standin_run *run;
};
/* Ended by a NULL name. In kernels.c. */
extern const struct standin_kernel standin_kernels[];
/* One more until the reset; the name is borrowed until then. */
void standin_add_kernel(const char *name, standin_run *run);

/* ---- what goes wrong on purpose. nth counts from 1, from now on ---- */

/* The nth call of a function returns this error and does nothing. Those that free, release or pop
 * return it and do their work all the same: to try again would be a mistake. sticky: every
 * later call that needs a context returns it, too, as after an illegal address; then nothing is
 * executed any more, and to free what operations still use is no mistake. */
void standin_fail(const char *symbol, int nth, cuda_result error, bool sticky);

/* The nth launch that is executed fails; the next synchronisation says so, and all after it. */
void standin_fail_kernel(int nth, cuda_result error);

/* The nth call of cuStreamWaitEvent, cuEventSynchronize or cuStreamSynchronize succeeds and does
 * nothing: a test of the test that should see it missing. */
void standin_ignore(const char *symbol, int nth);

/* ---- what was seen ---- */

/* Orders that are missing, accesses outside of memory, handles that are none, ... Not what an error
 * code tells the caller anyhow. Text i lives until the reset; "" for none. The first 1000 are kept.
 */
int standin_faults(void);
const char *standin_fault(int i);
/* Forget those so far. */
void standin_clear_faults(void);

/* Accesses of the host to pinned memory cannot be seen: a test may tell them. */
void standin_host_reads(const void *address, size_t bytes);
void standin_host_writes(void *address, size_t bytes);

/* Calls of a function since the reset. */
int standin_calls(const char *symbol);

enum standin_what {
    STANDIN_ALLOCATIONS, /* of device memory */
    STANDIN_BYTES,
    STANDIN_PINNED, /* allocations of pinned memory */
    STANDIN_PINNED_BYTES,
    STANDIN_STREAMS,
    STANDIN_EVENTS,
    STANDIN_MODULES,
    STANDIN_GRAPHS,
    STANDIN_GRAPH_EXECS,
    STANDIN_CONTEXTS, /* retains without a release */
    STANDIN_PUSHED,   /* pushes without a pop, of all threads */
    STANDIN_KINDS
};
/* What is alive now. */
size_t standin_live(enum standin_what what);
/* The most device memory since the reset. */
size_t standin_peak_bytes(void);
/* Operations that are enqueued and not executed yet. */
size_t standin_pending(void);

#pragma GCC visibility pop
