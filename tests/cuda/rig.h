/* SPDX-License-Identifier: MIT */
/* What the tests of the stand-in driver share: a device with streams and buffers, and two kernels.
 */
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cuda/kernels/kernel.h"
#include "standin.h"

/* Under a thread sanitizer, mistakes on purpose are made in lazy mode alone. */
#if defined(__SANITIZE_THREAD__)
enum { CAN_RACE = 0 };
#else
enum { CAN_RACE = 1 };
#endif

#define OK(call) assert_int_equal(call, CUDA_SUCCESS)

enum { WIDTH = 24, ROWS = 8, FLOATS = WIDTH * ROWS, BYTES = FLOATS * 4, ROW_BYTES = WIDTH * 4 };

/* ---- kernels ---- */

static inline void add_one(const struct cuda_args *a)
{
    for (int64_t i = 0; i < a->count; i++) {
        const struct cuda_item item = cuda_item_of(a, i, a->out.channels);
        cuda_result_of(a, &item)[item.c] =
            cuda_input(a, 0, item.frame, item.y, item.x)[item.c] + (a->bias ? *a->bias : 1);
    }
}

static inline void use_scratch(const struct cuda_args *a)
{
    for (int64_t i = 0; i < a->scratch_floats; i++)
        a->scratch[i] = (float)i;
}

/* ---- a device with two streams and four buffers ---- */

struct rig {
    cuda_context context;
    cuda_module module;
    cuda_function add, scratch;
    cuda_stream a, b;
    cuda_event event, other;
    cuda_ptr x, y, z;
    float *from, *to; /* pinned */
};

static inline void push(struct rig *r)
{
    OK(cuInit(0));
    OK(cuDevicePrimaryCtxRetain(&r->context, 0));
    OK(cuCtxPushCurrent_v2(r->context));
}

static inline void begin(struct rig *r)
{
    push(r);
    standin_add_kernel("add_one", add_one);
    standin_add_kernel("use_scratch", use_scratch);
    OK(cuModuleLoadData(&r->module, "anything"));
    OK(cuModuleGetFunction(&r->add, r->module, "add_one"));
    OK(cuModuleGetFunction(&r->scratch, r->module, "use_scratch"));
    OK(cuStreamCreate(&r->a, CUDA_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&r->b, CUDA_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&r->event, CUDA_EVENT_DISABLE_TIMING));
    OK(cuEventCreate(&r->other, CUDA_EVENT_DISABLE_TIMING));
    OK(cuMemAlloc_v2(&r->x, BYTES));
    OK(cuMemAlloc_v2(&r->y, BYTES));
    OK(cuMemAlloc_v2(&r->z, BYTES));
    OK(cuMemHostAlloc((void **)&r->from, BYTES, 0));
    OK(cuMemHostAlloc((void **)&r->to, BYTES, 0));
    for (int i = 0; i < FLOATS; i++)
        r->from[i] = (float)i;
}

/* Frees all, whatever the calls return; faults so far stay readable. */
static inline void end_all(struct rig *r)
{
    cuStreamSynchronize(r->a);
    cuStreamSynchronize(r->b);
    cuMemFree_v2(r->x);
    cuMemFree_v2(r->y);
    cuMemFree_v2(r->z);
    cuMemFreeHost(r->from);
    cuMemFreeHost(r->to);
    cuEventDestroy_v2(r->event);
    cuEventDestroy_v2(r->other);
    cuStreamDestroy_v2(r->a);
    cuStreamDestroy_v2(r->b);
    cuModuleUnload(r->module);
    cuCtxPopCurrent_v2(NULL);
    cuDevicePrimaryCtxRelease_v2(0);
}

static inline void print_faults(void)
{
    for (int i = 0; i < standin_faults(); i++)
        print_message("fault: %s\n", standin_fault(i));
}

static inline void end(struct rig *r)
{
    end_all(r);
    if (standin_faults())
        print_faults();
    assert_int_equal(standin_faults(), 0);
    assert_int_equal(standin_reset(), 0);
}

/* One fault at least was told, and its text has both words. */
static inline void end_told(struct rig *r, const char *one, const char *two)
{
    bool found = false;
    end_all(r);
    for (int i = 0; i < standin_faults(); i++)
        found |= strstr(standin_fault(i), one) && strstr(standin_fault(i), two);
    if (!found)
        print_faults();
    assert_true(found);
    assert_int_equal(standin_reset(), 0);
}

static inline struct cuda_map map_of(cuda_ptr data)
{
    return (struct cuda_map){.data = (float *)(uintptr_t)data,
                             .row = WIDTH,
                             .frame = FLOATS,
                             .stride = 1,
                             .rows = ROWS,
                             .width = WIDTH,
                             .height = ROWS,
                             .channels = 1};
}

static inline cuda_result launch(cuda_function function, struct cuda_args *args, cuda_stream stream)
{
    void *parameters[] = {args};
    const int64_t blocks = (args->count + CUDA_BLOCK - 1) / CUDA_BLOCK;
    cuda_result rc = cuLaunchKernel(function, (unsigned)blocks, 1, 1, CUDA_BLOCK, 1, 1, 0, stream,
                                    parameters, NULL);
    memset(args, 0xff, sizeof *args); /* the driver has copied them */
    return rc;
}

static inline struct cuda_args args_of(cuda_ptr to, cuda_ptr from)
{
    return (struct cuda_args){.count = FLOATS,
                              .out = map_of(to),
                              .in = {map_of(from)},
                              .rows = ROWS,
                              .frames = 1,
                              .inputs = 1};
}

static inline cuda_result add(struct rig *r, cuda_ptr to, cuda_ptr from, cuda_stream stream)
{
    struct cuda_args args = args_of(to, from);
    return launch(r->add, &args, stream);
}

/* ---- setup ---- */

/* Of a test that failed halfway, nothing is left for the next. */
static inline void begin_anew(void)
{
    while (cuCtxPopCurrent_v2(NULL) == CUDA_SUCCESS)
        ;
    standin_reset();
}

static inline int lazy(void **state)
{
    (void)state;
    begin_anew();
    standin_mode(STANDIN_LAZY, 1, 0);
    return 0;
}

static inline int threads(void **state)
{
    (void)state;
    begin_anew();
    standin_mode(STANDIN_THREADS, 1, 200);
    return 0;
}

/* x on stream a; y and z on b; and back. The sum of what was added. */
static inline float through_both_streams(struct rig *r)
{
    OK(cuMemcpyHtoDAsync_v2(r->x, r->from, BYTES, r->a));
    OK(cuEventRecord(r->event, r->a));
    OK(cuStreamWaitEvent(r->b, r->event, 0));
    OK(add(r, r->y, r->x, r->b));
    OK(add(r, r->z, r->y, r->b));
    OK(cuEventRecord(r->other, r->b));
    OK(cuStreamWaitEvent(r->a, r->other, 0));
    OK(add(r, r->x, r->z, r->a));
    OK(cuMemcpyDtoHAsync_v2(r->to, r->x, BYTES, r->a));
    OK(cuEventRecord(r->event, r->a));
    return 3;
}

#define LAZY(test) cmocka_unit_test_setup(test, lazy)
#define BOTH(test) LAZY(test), cmocka_unit_test_setup(test, threads)
#if defined(__SANITIZE_THREAD__)
#define RACES(test) LAZY(test)
#else
#define RACES(test) BOTH(test)
#endif
