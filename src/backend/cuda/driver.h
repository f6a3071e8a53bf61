/* SPDX-License-Identifier: MIT */
/* NVIDIA's driver API, as much of it as we call, opened at run time. No header and no library of
 * CUDA's is needed to build, and a machine without a driver is a machine without such a device.
 *
 * Names, types and numbers are those of the driver's ABI, which old programs rely on and which so
 * does not change; a function that changed has the suffix of its version. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef int cuda_result;   /* CUresult */
typedef int cuda_device;   /* CUdevice */
typedef uint64_t cuda_ptr; /* CUdeviceptr: an address on the device, in bytes */
typedef struct CUctx_st *cuda_context;
typedef struct CUmod_st *cuda_module;
typedef struct CUfunc_st *cuda_function;
typedef struct CUstream_st *cuda_stream;
typedef struct CUevent_st *cuda_event;
typedef struct CUgraph_st *cuda_graph;
typedef struct CUgraphExec_st *cuda_graph_exec;

enum {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_INVALID_VALUE = 1,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_NOT_INITIALIZED = 3,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_INVALID_CONTEXT = 201,
    CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
    CUDA_ERROR_ILLEGAL_ADDRESS = 700,
    CUDA_ERROR_LAUNCH_FAILED = 719
};
enum {
    CUDA_STREAM_NON_BLOCKING = 1,
    CUDA_EVENT_DISABLE_TIMING = 2,
    CUDA_CAPTURE_THREAD_LOCAL = 1,
    CUDA_ATTRIBUTE_SHARED_BYTES = 8, /* of a function: dynamic shared memory that it may ask for */
    CUDA_ATTRIBUTE_MULTIPROCESSORS = 16,
    CUDA_ATTRIBUTE_MAJOR = 75, /* of the compute capability */
    CUDA_ATTRIBUTE_MINOR = 76
};

/* F(member, symbol, parameters) */
#define CUDA_FUNCTIONS(F)                                                                          \
    F(init, cuInit, (unsigned flags))                                                              \
    F(driver_version, cuDriverGetVersion, (int *version))                                          \
    F(error_string, cuGetErrorString, (cuda_result error, const char **text))                      \
    F(device_count, cuDeviceGetCount, (int *count))                                                \
    F(device_get, cuDeviceGet, (cuda_device * device, int ordinal))                                \
    F(device_name, cuDeviceGetName, (char *name, int size, cuda_device device))                    \
    F(device_attribute, cuDeviceGetAttribute, (int *value, int attribute, cuda_device device))     \
    F(device_memory, cuDeviceTotalMem_v2, (size_t * bytes, cuda_device device))                    \
    F(context_retain, cuDevicePrimaryCtxRetain, (cuda_context * context, cuda_device device))      \
    F(context_release, cuDevicePrimaryCtxRelease_v2, (cuda_device device))                         \
    F(context_create, cuCtxCreate_v2,                                                              \
      (cuda_context * context, unsigned flags, cuda_device device))                                \
    F(context_destroy, cuCtxDestroy_v2, (cuda_context context))                                    \
    F(context_push, cuCtxPushCurrent_v2, (cuda_context context))                                   \
    F(context_pop, cuCtxPopCurrent_v2, (cuda_context * context))                                   \
    F(memory_info, cuMemGetInfo_v2, (size_t * free, size_t * total))                               \
    F(memory_alloc, cuMemAlloc_v2, (cuda_ptr * address, size_t bytes))                             \
    F(memory_free, cuMemFree_v2, (cuda_ptr address))                                               \
    F(pinned_alloc, cuMemHostAlloc, (void **address, size_t bytes, unsigned flags))                \
    F(pinned_free, cuMemFreeHost, (void *address))                                                 \
    F(copy_in, cuMemcpyHtoDAsync_v2,                                                               \
      (cuda_ptr to, const void *from, size_t bytes, cuda_stream stream))                           \
    F(copy_out, cuMemcpyDtoHAsync_v2, (void *to, cuda_ptr from, size_t bytes, cuda_stream stream)) \
    F(stream_create, cuStreamCreate, (cuda_stream * stream, unsigned flags))                       \
    F(stream_destroy, cuStreamDestroy_v2, (cuda_stream stream))                                    \
    F(stream_synchronize, cuStreamSynchronize, (cuda_stream stream))                               \
    F(stream_wait, cuStreamWaitEvent, (cuda_stream stream, cuda_event event, unsigned flags))      \
    F(event_create, cuEventCreate, (cuda_event * event, unsigned flags))                           \
    F(event_destroy, cuEventDestroy_v2, (cuda_event event))                                        \
    F(event_record, cuEventRecord, (cuda_event event, cuda_stream stream))                         \
    F(event_synchronize, cuEventSynchronize, (cuda_event event))                                   \
    F(module_load, cuModuleLoadData, (cuda_module * module, const void *image))                    \
    F(module_unload, cuModuleUnload, (cuda_module module))                                         \
    F(module_function, cuModuleGetFunction,                                                        \
      (cuda_function * function, cuda_module module, const char *name))                            \
    F(function_attribute, cuFuncSetAttribute, (cuda_function function, int attribute, int value))  \
    F(launch, cuLaunchKernel,                                                                      \
      (cuda_function function, unsigned grid_x, unsigned grid_y, unsigned grid_z,                  \
       unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,                \
       cuda_stream stream, void **parameters, void **extra))                                       \
    F(capture_begin, cuStreamBeginCapture_v2, (cuda_stream stream, int mode))                      \
    F(capture_end, cuStreamEndCapture, (cuda_stream stream, cuda_graph * graph))                   \
    F(graph_destroy, cuGraphDestroy, (cuda_graph graph))                                           \
    F(graph_instantiate, cuGraphInstantiateWithFlags,                                              \
      (cuda_graph_exec * exec, cuda_graph graph, uint64_t flags))                                  \
    F(graph_launch, cuGraphLaunch, (cuda_graph_exec exec, cuda_stream stream))                     \
    F(graph_exec_destroy, cuGraphExecDestroy, (cuda_graph_exec exec))

struct cuda_driver {
#define CUDA_MEMBER(member, symbol, parameters) cuda_result(*member) parameters;
    CUDA_FUNCTIONS(CUDA_MEMBER)
#undef CUDA_MEMBER
    /* Whether it brings the kernels itself, as the driver of the tests does. */
    bool has_kernels;
};

/* The driver, opened and initialised on the first call; NULL where there is none, and then *why
 * says so. It stays open. Thread-safety: safe. */
const struct cuda_driver *cuda_driver(const char **why);

/* The status of a driver call as one of ours: 0, or a sentence. `what` it did, for the message, is
 * looked up. What a device cannot recover from is PIQUE_EDEVICE. */
int cuda_check(const struct cuda_driver *driver, cuda_result result, const char *what,
               pique_error *err);
