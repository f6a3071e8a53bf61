/* SPDX-License-Identifier: MIT */
/* The stand-in driver itself: devices, memory, launches, graphs, and what goes wrong on purpose. */
#include "rig.h"

/* ---- devices and contexts ---- */

static void nothing_works_before_the_driver_is_initialised(void **state)
{
    (void)state;
    int count, version;
    const char *text;
    cuda_context context;
    assert_int_equal(cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
    assert_int_equal(cuDevicePrimaryCtxRetain(&context, 0), CUDA_ERROR_NOT_INITIALIZED);
    OK(cuDriverGetVersion(&version));
    OK(cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &text));
    assert_string_equal(text, "out of memory");
    assert_int_equal(cuGetErrorString(12345, &text), CUDA_ERROR_INVALID_VALUE);
    standin_devices(0);
    assert_int_equal(cuInit(0), CUDA_ERROR_NO_DEVICE);
    assert_int_equal(standin_reset(), 0);
    assert_int_equal(pique_standin_kernels, 1);
}

static void nothing_works_without_a_context(void **state)
{
    (void)state;
    cuda_ptr p;
    cuda_stream stream;
    size_t left, total;
    struct rig r;
    OK(cuInit(0));
    assert_int_equal(cuMemAlloc_v2(&p, 4), CUDA_ERROR_INVALID_CONTEXT);
    assert_int_equal(cuStreamCreate(&stream, 1), CUDA_ERROR_INVALID_CONTEXT);
    assert_int_equal(cuCtxPopCurrent_v2(NULL), CUDA_ERROR_INVALID_CONTEXT);
    push(&r);
    OK(cuMemGetInfo_v2(&left, &total));
    OK(cuDevicePrimaryCtxRelease_v2(0));
    assert_int_not_equal(cuMemGetInfo_v2(&left, &total), CUDA_SUCCESS);
    assert_int_equal(cuCtxPushCurrent_v2(r.context), CUDA_ERROR_INVALID_CONTEXT);
    OK(cuCtxPopCurrent_v2(NULL));
    assert_int_equal(standin_faults(), 0);
    assert_int_not_equal(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    assert_int_equal(standin_faults(), 1);
    assert_int_equal(standin_reset(), 0);
}

static void devices_are_as_configured(void **state)
{
    (void)state;
    int count, value;
    char name[64];
    size_t bytes;
    cuda_device device;
    OK(cuInit(0));
    standin_devices(2);
    *standin_device(1) = (struct standin_device){"Second", 9, 1, 7, 4096};
    OK(cuDeviceGetCount(&count));
    assert_int_equal(count, 2);
    assert_int_equal(cuDeviceGet(&device, 2), 101);
    OK(cuDeviceGetName(name, sizeof name, 0));
    assert_string_equal(name, "Stand-in 8.0");
    OK(cuDeviceGetName(name, 4, 1));
    assert_string_equal(name, "Sec");
    OK(cuDeviceGetAttribute(&value, CUDA_ATTRIBUTE_MINOR, 1));
    assert_int_equal(value, 1);
    OK(cuDeviceGetAttribute(&value, CUDA_ATTRIBUTE_MULTIPROCESSORS, 1));
    assert_int_equal(value, 7);
    OK(cuDeviceTotalMem_v2(&bytes, 1));
    assert_int_equal(bytes, 4096);
    assert_int_equal(standin_reset(), 0);
    OK(cuDeviceGetCount(&count));
    assert_int_equal(count, 1);
}

static void what_is_of_another_device_cannot_be_used(void **state)
{
    (void)state;
    struct rig r;
    cuda_context second;
    cuda_stream stream;
    standin_devices(2);
    begin(&r);
    OK(cuDevicePrimaryCtxRetain(&second, 1));
    OK(cuCtxPushCurrent_v2(second));
    OK(cuStreamCreate(&stream, 1));
    assert_int_equal(cuEventRecord(r.event, stream), 400);
    assert_int_equal(add(&r, r.y, r.x, stream), 400);
    assert_int_equal(standin_faults(), 0);
    OK(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, stream));
    assert_int_equal(standin_faults(), 1);
    assert_int_equal(cuStreamSynchronize(r.a), 400);
    cuStreamDestroy_v2(stream);
    cuCtxPopCurrent_v2(NULL);
    cuDevicePrimaryCtxRelease_v2(1);
    end_told(&r, "memory of another device", "cuMemcpyHtoDAsync_v2");
}

/* ---- memory ---- */

static void memory_is_new_and_limited(void **state)
{
    (void)state;
    struct rig r;
    cuda_ptr p, q;
    size_t left, total;
    void *pinned;
    push(&r);
    standin_device(0)->bytes = 1000;
    OK(cuMemAlloc_v2(&p, 600));
    assert_true(p % 256 == 0 && isnan(*(const float *)(uintptr_t)(p + 596)));
    assert_int_equal(cuMemAlloc_v2(&q, 401), CUDA_ERROR_OUT_OF_MEMORY);
    OK(cuMemAlloc_v2(&q, 400));
    OK(cuMemGetInfo_v2(&left, &total));
    assert_true(left == 0 && total == 1000);
    OK(cuMemFree_v2(q));
    OK(cuMemGetInfo_v2(&left, &total));
    assert_int_equal(left, 400);
    OK(cuMemHostAlloc(&pinned, 5000, 0));
    assert_int_equal(cuMemAlloc_v2(&q, 0), CUDA_ERROR_INVALID_VALUE);
    assert_int_equal(standin_faults(), 0);
    assert_int_not_equal(cuMemFree_v2(p + 4), CUDA_SUCCESS);
    assert_int_not_equal(cuMemFreeHost((void *)(uintptr_t)p), CUDA_SUCCESS);
    assert_int_equal(standin_faults(), 2);
    OK(cuMemFree_v2(p));
    OK(cuMemFreeHost(pinned));
    OK(cuCtxPopCurrent_v2(NULL));
    OK(cuDevicePrimaryCtxRelease_v2(0));
    assert_int_equal(standin_peak_bytes(), 1000);
    assert_int_equal(standin_reset(), 0);
}

static void what_is_alive_is_counted_and_told_at_the_reset(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    assert_int_equal(standin_live(STANDIN_ALLOCATIONS), 3);
    assert_int_equal(standin_live(STANDIN_BYTES), 3 * BYTES);
    assert_int_equal(standin_live(STANDIN_PINNED), 2);
    assert_int_equal(standin_live(STANDIN_PINNED_BYTES), 2 * BYTES);
    assert_int_equal(standin_live(STANDIN_STREAMS), 2);
    assert_int_equal(standin_live(STANDIN_EVENTS), 2);
    assert_int_equal(standin_live(STANDIN_MODULES), 1);
    assert_int_equal(standin_live(STANDIN_CONTEXTS), 1);
    assert_int_equal(standin_live(STANDIN_PUSHED), 1);
    assert_int_equal(standin_calls("cuMemAlloc_v2"), 3);
    OK(add(&r, r.y, r.x, r.a));
    OK(cuDevicePrimaryCtxRelease_v2(0)); /* with all in it */
    assert_int_equal(standin_faults(), 6);
    assert_int_equal(standin_reset(), 3 + 2 + 2 + 2 + 1 + 1);
    OK(cuCtxPopCurrent_v2(NULL));
    assert_int_equal(standin_calls("cuMemAlloc_v2"), 0);
    assert_int_equal(standin_live(STANDIN_BYTES), 0);
}

static void handles_that_are_dead_or_none_are_told(void **state)
{
    (void)state;
    struct rig r;
    cuda_stream stream;
    cuda_event event;
    begin(&r);
    OK(cuStreamCreate(&stream, 1));
    OK(cuEventCreate(&event, 2));
    OK(cuStreamDestroy_v2(stream));
    OK(cuEventDestroy_v2(event));
    assert_int_equal(cuStreamSynchronize(stream), 400);
    assert_int_equal(cuEventRecord(event, r.a), 400);
    assert_int_equal(cuEventDestroy_v2(event), 400);
    assert_int_equal(cuStreamSynchronize(NULL), 400);
    assert_int_equal(standin_faults(), 4);
    assert_non_null(strstr(standin_fault(0), "stream 3, which was destroyed"));
    standin_clear_faults();
    end(&r);
}

/* ---- launches ---- */

static void launches_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct rig r;
    cuda_function none;
    begin(&r);
    assert_int_equal(cuModuleGetFunction(&none, r.module, "none"), 500);
    struct cuda_args args = args_of(r.y, r.x);
    void *parameters[] = {&args};
    assert_int_equal(cuLaunchKernel(r.add, 0, 1, 1, 256, 1, 1, 0, r.a, parameters, NULL), 1);
    assert_int_equal(cuLaunchKernel(r.add, 1, 1, 1, 2048, 1, 1, 0, r.a, parameters, NULL), 1);
    assert_int_equal(cuLaunchKernel(r.add, 1, 65536, 1, 256, 1, 1, 0, r.a, parameters, NULL), 1);
    assert_int_equal(cuLaunchKernel(r.add, 1, 1, 1, 256, 1, 1, 0, r.a, NULL, NULL), 1);
    assert_int_equal(standin_faults(), 0);
    assert_int_equal(cuLaunchKernel(r.add, 1, 1, 1, FLOATS - 1, 1, 1, 0, r.a, parameters, NULL), 1);
    args.rows = ROWS + 1; /* more than the ring holds */
    assert_int_equal(launch(r.add, &args, r.a), 1);
    args = args_of(r.y, r.x);
    args.in[0].stride = 0;
    assert_int_equal(launch(r.add, &args, r.a), 1);
    assert_int_equal(standin_faults(), 3);
    assert_int_equal(standin_pending(), 0);
    OK(cuModuleUnload(r.module));
    assert_int_equal(add(&r, r.y, r.x, r.a), 400);
    OK(cuModuleLoadData(&r.module, "again"));
    end_told(&r, "191", "192 items");
}

/* ---- graphs ---- */

static cuda_graph_exec capture(struct rig *r)
{
    cuda_graph graph;
    cuda_graph_exec exec;
    OK(cuStreamBeginCapture_v2(r->a, CUDA_CAPTURE_THREAD_LOCAL));
    OK(cuMemcpyHtoDAsync_v2(r->x, r->from, BYTES, r->a));
    OK(add(r, r->y, r->x, r->a));
    OK(cuEventRecord(r->event, r->a));
    OK(cuStreamWaitEvent(r->a, r->event, 0));
    OK(cuMemcpyDtoHAsync_v2(r->to, r->y, BYTES, r->a));
    OK(add(r, r->z, r->x, r->b)); /* beside the capture */
    OK(cuStreamEndCapture(r->a, &graph));
    OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
    OK(cuGraphDestroy(graph));
    assert_int_equal(standin_faults(), 0);
    OK(cuStreamSynchronize(r->b));
    return exec;
}

static void a_graph_does_what_was_captured_each_time(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    cuda_graph_exec exec = capture(&r);
    assert_int_equal(standin_pending(), 0);
    assert_true(r.to[3] != 4);
    for (int round = 0; round < 3; round++) {
        r.from[3] = (float)round;
        OK(cuGraphLaunch(exec, r.a));
        OK(cuStreamSynchronize(r.a));
        assert_true(r.to[3] == (float)round + 1 && r.to[4] == 5);
    }
    OK(cuGraphLaunch(exec, r.a));
    OK(cuGraphLaunch(exec, r.b)); /* after the one before, says CUDA */
    OK(cuStreamSynchronize(r.b));
    OK(cuGraphExecDestroy(exec));
    assert_int_equal(cuEventSynchronize(r.event), 907);
    end(&r);
}

static void a_graph_is_ordered_as_what_it_holds(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    cuda_graph_exec exec = capture(&r);
    OK(cuGraphLaunch(exec, r.a));
    OK(cuMemcpyHtoDAsync_v2(r.y, r.from, BYTES, r.b));
    assert_int_equal(standin_faults(), 2); /* after the kernel's write and the copy's read */
    OK(cuStreamSynchronize(r.a));
    OK(cuStreamSynchronize(r.b));
    OK(cuMemFree_v2(r.y));
    standin_clear_faults();
    OK(cuGraphLaunch(exec, r.a)); /* with an address that is gone */
    assert_int_equal(cuStreamSynchronize(r.a), CUDA_ERROR_ILLEGAL_ADDRESS);
    cuGraphExecDestroy(exec);
    r.y = 0;
    end_told(&r, "add_one", "where there is no memory");
}

static void a_capture_allows_no_more_than_cuda_does(void **state)
{
    (void)state;
    struct rig r;
    cuda_graph graph;
    cuda_ptr p;
    begin(&r);
    assert_int_equal(cuStreamEndCapture(r.a, &graph), 401);
    OK(cuEventRecord(r.other, r.b));
    OK(cuStreamBeginCapture_v2(r.a, CUDA_CAPTURE_THREAD_LOCAL));
    assert_int_equal(cuStreamBeginCapture_v2(r.a, CUDA_CAPTURE_THREAD_LOCAL), 401);
    assert_int_equal(cuStreamWaitEvent(r.a, r.other, 0), 905);
    assert_int_equal(cuStreamEndCapture(r.a, &graph), 901);
    OK(cuStreamBeginCapture_v2(r.a, CUDA_CAPTURE_THREAD_LOCAL));
    assert_int_equal(cuMemAlloc_v2(&p, 4), 900);
    assert_int_equal(cuStreamEndCapture(r.a, &graph), 901);
    OK(cuStreamBeginCapture_v2(r.a, CUDA_CAPTURE_THREAD_LOCAL));
    assert_int_equal(cuStreamSynchronize(r.b), 900);
    assert_int_equal(cuStreamEndCapture(r.a, &graph), 901);
    assert_null(graph);
    assert_int_equal(standin_live(STANDIN_GRAPHS), 0);
    end(&r);
}

/* ---- failures ---- */

static void a_call_fails_as_planned(void **state)
{
    (void)state;
    struct rig r;
    cuda_ptr p, q;
    begin(&r);
    standin_fail("cuMemAlloc_v2", 2, CUDA_ERROR_OUT_OF_MEMORY, false);
    standin_fail("cuMemFree_v2", 1, CUDA_ERROR_LAUNCH_FAILED, false);
    OK(cuMemAlloc_v2(&p, 4));
    assert_int_equal(cuMemAlloc_v2(&q, 4), CUDA_ERROR_OUT_OF_MEMORY);
    OK(cuMemAlloc_v2(&q, 4));
    assert_int_equal(cuMemFree_v2(p), CUDA_ERROR_LAUNCH_FAILED); /* and did */
    OK(cuMemFree_v2(q));
    assert_int_equal(standin_live(STANDIN_ALLOCATIONS), 3);
    end(&r);
}

static void a_sticky_failure_stays_and_frees_all_the_same(void **state)
{
    (void)state;
    struct rig r;
    cuda_ptr p;
    int count;
    begin(&r);
    through_both_streams(&r);
    standin_fail("cuMemcpyHtoDAsync_v2", 1, CUDA_ERROR_ILLEGAL_ADDRESS, true);
    assert_int_equal(cuMemcpyHtoDAsync_v2(r.x, r.from, BYTES, r.a), CUDA_ERROR_ILLEGAL_ADDRESS);
    assert_int_equal(cuMemAlloc_v2(&p, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
    assert_int_equal(cuStreamSynchronize(r.a), CUDA_ERROR_ILLEGAL_ADDRESS);
    OK(cuDeviceGetCount(&count));
    assert_int_equal(cuMemFree_v2(r.z), CUDA_ERROR_ILLEGAL_ADDRESS);
    assert_int_equal(standin_live(STANDIN_ALLOCATIONS), 2);
    OK(cuMemFree_v2(r.z) == CUDA_ERROR_ILLEGAL_ADDRESS ? 0 : 1);
    assert_int_equal(standin_faults(), 1); /* twice */
    standin_clear_faults();
    r.z = 0;
    end_all(&r);
    for (int what = 0; what < STANDIN_KINDS; what++)
        assert_int_equal(standin_live((enum standin_what)what), 0);
    assert_int_equal(standin_reset(), 0);
}

static void to_free_after_the_device_is_lost_is_no_mistake(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    through_both_streams(&r);
    standin_fail("cuEventRecord", 1, CUDA_ERROR_ILLEGAL_ADDRESS, true);
    assert_int_equal(cuEventRecord(r.event, r.b), CUDA_ERROR_ILLEGAL_ADDRESS);
    assert_int_equal(cuMemFree_v2(r.x), CUDA_ERROR_ILLEGAL_ADDRESS);
    assert_int_equal(standin_faults(), 0);
    end_all(&r);
    assert_int_equal(standin_faults(), 1); /* x again */
    assert_int_equal(standin_reset(), 0);
}

static void a_kernel_that_fails_is_told_when_the_host_waits(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    standin_fail_kernel(2, CUDA_ERROR_LAUNCH_FAILED);
    through_both_streams(&r);
    OK(cuStreamWaitEvent(r.b, r.event, 0));
    assert_int_equal(cuEventSynchronize(r.event), CUDA_ERROR_LAUNCH_FAILED);
    assert_true(isnan(r.to[0])); /* nothing was executed after it */
    assert_int_equal(cuEventRecord(r.event, r.a), CUDA_ERROR_LAUNCH_FAILED);
    assert_int_equal(cuStreamSynchronize(r.b), CUDA_ERROR_LAUNCH_FAILED);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAZY(nothing_works_before_the_driver_is_initialised), /* so the first */
        LAZY(nothing_works_without_a_context),
        LAZY(devices_are_as_configured),
        BOTH(what_is_of_another_device_cannot_be_used),
        LAZY(memory_is_new_and_limited),
        BOTH(what_is_alive_is_counted_and_told_at_the_reset),
        LAZY(handles_that_are_dead_or_none_are_told),
        LAZY(launches_that_make_no_sense_are_refused),
        BOTH(a_graph_does_what_was_captured_each_time),
        LAZY(a_graph_is_ordered_as_what_it_holds),
        LAZY(a_capture_allows_no_more_than_cuda_does),
        BOTH(a_call_fails_as_planned),
        BOTH(a_sticky_failure_stays_and_frees_all_the_same),
        BOTH(to_free_after_the_device_is_lost_is_no_mistake),
        BOTH(a_kernel_that_fails_is_told_when_the_host_waits),
    };
    return cmocka_run_group_tests_name("stand-in driver", tests, NULL, NULL);
}
