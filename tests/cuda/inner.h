/* SPDX-License-Identifier: MIT */
/* What the files of the stand-in driver share. One lock guards all of it; every function here wants
 * it held by the caller, unless it says otherwise. */
#pragma once

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/kernels/kernel.h"
#include "base/rng.h"
#include "standin.h"

/* Numbers that the backend has no names for, from cuda.h. */
enum {
    ERROR_INVALID_DEVICE = 101,
    ERROR_INVALID_HANDLE = 400,
    ERROR_ILLEGAL_STATE = 401,
    ERROR_NOT_FOUND = 500,
    ERROR_CONTEXT_IS_DESTROYED = 709,
    ERROR_CAPTURE_UNSUPPORTED = 900,
    ERROR_CAPTURE_INVALIDATED = 901,
    ERROR_CAPTURE_ISOLATION = 905,
    ERROR_CAPTURED_EVENT = 907,
    ERROR_CAPTURE_WRONG_THREAD = 908
};

extern pthread_mutex_t si_lock;
extern pthread_cond_t si_changed; /* an operation was enqueued or is done, a stream ends */

/* Zeroed; a stand-in that runs out of memory ends the test. */
void *si_alloc(size_t count, size_t bytes);

/* ---- calls of the driver: control.c ---- */

enum si_call {
#define SI_CALL(member, symbol, parameters) SI_##member,
    CUDA_FUNCTIONS(SI_CALL)
#undef SI_CALL
        SI_CALLS
};

/* Between si_enter() and si_leave() the lock is held. */
struct si_entry {
    cuda_result rc; /* what the call returns whatever it does */
    bool act;       /* it does its work */
};
struct si_entry si_enter(enum si_call call);
cuda_result si_leave(const struct si_entry *entry, cuda_result own);
/* cuda_result NAME(...) { CALL(member, work(...)); } */
#define CALL(member, work)                                                                         \
    const struct si_entry entry = si_enter(SI_##member);                                           \
    return si_leave(&entry, entry.act ? (work) : 0)

/* Of the call in progress, for texts. */
const char *si_call_name(void);
uint64_t si_call_number(void);

void si_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A device is lost. What is not executed yet never is; the next synchronisation says so. */
void si_die(int device, cuda_result error);
bool si_is_dead(int device);
/* That synchronisation. */
cuda_result si_fate(int device);
/* What killed it went with its context. */
void si_revive(int device);
/* A launch is about to be executed: the error that was planted for it, or 0. */
cuda_result si_planted_launch(int device);

extern enum standin_mode si_mode;
extern uint64_t si_seed;
extern int si_delay_us;
extern bool si_initialised;

/* ---- handles: things.c ---- */

enum { SI_FUNCTIONS = STANDIN_KINDS, SI_THINGS };

/* Heads what a handle points to. The dead stay until the reset, so that who uses them is told. */
struct si_thing {
    struct si_thing *next;
    int what; /* enum standin_what, or SI_FUNCTIONS */
    int number, device;
    const void *context;
    bool dead;
};
/* Of the current context. */
void *si_thing_new(int what, size_t bytes);
/* NULL, and a fault, where the handle is none or dead. */
void *si_thing_find(int what, const void *handle);
void si_thing_end(struct si_thing *thing);
struct si_thing *si_things(void);
const char *si_kind_name(int what);
void si_things_free(void);

extern size_t si_live[STANDIN_KINDS];

/* ---- devices: device.c ---- */

/* The device of this thread's context; -1 and *rc: there is none. */
int si_current(cuda_result *rc);
const void *si_context(void);
const struct standin_device *si_device(int ordinal);
int si_device_count(void);
void si_set_device_count(int count);
void si_devices_reset(void);

/* ---- clocks: clock.c ---- */

/* Component 0 is the host, the others are streams. Events that a clock has seen are those that
 * happened before whoever has it. */
enum { SI_CLOCKS = 64, SI_HOST = 0 };
struct si_clock {
    uint64_t at[SI_CLOCKS];
};
extern struct si_clock si_host;
void si_clock_join(struct si_clock *clock, const struct si_clock *seen);
/* A step of the host itself; its time. */
uint64_t si_host_tick(void);
struct si_stream;
/* A component for a stream; false and a fault: none is left. */
bool si_clock_take(struct si_stream *stream);
void si_clocks_reset(void);

/* ---- memory: memory.c, shadow.c ---- */

struct si_memory {
    struct si_memory *next;
    bool pinned;
    int device;
    const void *context;
    char *data;
    size_t bytes;
    /* A cell is 64 bytes. Who wrote it last, and who read it since, as numbers of accesses; 0 is
     * nobody. Of readers those alone that no other of them is known to come after. */
    uint32_t *writer, *readers;
    size_t cells;
    int width; /* readers of a cell */
};
struct si_memory *si_memory_of(const void *address);
struct si_memory *si_memory_between(const void *address, size_t bytes);
/* Allocations of device memory. */
size_t si_memory_left(int device);
/* All of a context. */
void si_memory_end(const void *context);
void si_memory_reset(void);

void si_shadow_begin(struct si_memory *memory);
void si_shadow_end(struct si_memory *memory);
void si_shadow_reset(void);

/* Who touches memory: an operation of a stream, or the host. */
struct si_actor {
    uint32_t access;
    const struct si_clock *clock;
    int device; /* whose memory it may use; -1: any */
    uint32_t told[8];
    int told_count; /* with whom it was reported */
};
struct si_actor si_actor(const char *name, const struct si_stream *stream, uint64_t time,
                         const struct si_clock *clock);
/* Checks the access and remembers it. False, and a fault: it is outside of memory. */
bool si_touch_device(struct si_actor *who, const void *address, size_t bytes, bool writes);
/* The same of something that begins at `of`: an end in somebody else's memory is no memory. */
bool si_touch_part(struct si_actor *who, const void *of, const void *address, size_t bytes,
                   bool writes);
bool si_touch_host(struct si_actor *who, const void *address, size_t bytes, bool writes);
/* All of an allocation, which ends. False, and a fault: something may still use it. */
bool si_touch_last(struct si_actor *who, struct si_memory *memory);
/* All that touched this pinned memory is known to the host as done. False where it isn't pinned. */
bool si_settled(const void *address, size_t bytes);

/* ---- streams and what they do: stream.c, work.c ---- */

enum si_kind { SI_COPY_IN, SI_COPY_OUT, SI_LAUNCH, SI_WAIT, SI_RECORD };

/* What an operation does. A graph is a list of these. */
struct si_work {
    enum si_kind kind;
    const char *name; /* of a kernel or a function */
    void *to;
    const void *from;
    size_t bytes;
    standin_run *run;
    struct cuda_args args;
    /* Of a wait: for this stream, until this time. The clock is read while it is enqueued. */
    struct si_stream *on;
    uint64_t until;
    const struct si_clock *seen;
};

struct si_op {
    struct si_op *next;
    struct si_work work;
    uint64_t time;
    bool outside; /* it touches what is no memory */
};

struct si_graph;

struct si_stream {
    struct si_thing thing;
    bool threaded, busy;
    int slot;                  /* of clocks */
    uint64_t time, done, need; /* of its last operation: enqueued, executed, wanted by the host */
    uint64_t touched;          /* of its last operation that touches memory; 0: none */
    struct si_clock clock;
    struct si_op *first, *last; /* not executed yet */
    struct si_graph *capture;   /* NULL: it executes */
    pthread_t capturer;
    int capture_mode;
    struct rng rng;
};
/* A stream of the current context; NULL and a fault. */
struct si_stream *si_stream_find(cuda_stream handle);
/* Execute it, or store it where the stream is being captured. */
void si_submit(struct si_stream *stream, const struct si_work *work);

/* Nothing but si_complete() makes a host wait. It lets the lock go meanwhile. */
void si_complete(struct si_stream *stream, uint64_t time);
void si_complete_all(void);
void si_thread_start(struct si_stream *stream);
void si_threads_end(void);

/* Ranges that a launch touches; false: one is outside of memory. */
bool si_touch_launch(struct si_actor *who, const struct cuda_args *args);
void si_kernels_reset(void);

/* ---- graphs: graph.c ---- */

void si_graph_add(struct si_graph *graph, const struct si_work *work);
/* This thread captures, and may not do what waits: the capture is void. */
bool si_capture_broken(void);
void si_capture_void(struct si_stream *stream);
void si_capture_drop(struct si_stream *stream);
void si_graphs_reset(void);
