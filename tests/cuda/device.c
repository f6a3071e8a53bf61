/* SPDX-License-Identifier: MIT */
/* Devices, and the contexts of threads. */
#include <stdio.h>

#include "inner.h"

enum { DEVICES = STANDIN_DEVICES, CREATED = 4, STACK = 16, VERSION = 12040 };

/* The one context of a device that is shared by whoever retains it; and those that were created,
 * which are retained once. */
struct CUctx_st {
    int device, retained;
};
static struct CUctx_st contexts[DEVICES], created[CREATED];
static struct standin_device devices[DEVICES];
static int device_count;

static _Thread_local cuda_context stack[STACK];
static _Thread_local int depth;

void si_devices_reset(void)
{
    device_count = 1;
    memset(created, 0, sizeof created);
    for (int i = 0; i < DEVICES; i++) {
        contexts[i] = (struct CUctx_st){i, 0};
        devices[i] = (struct standin_device){
            .name = "Stand-in 8.0", .major = 8, .multiprocessors = 4, .bytes = (size_t)1 << 30};
    }
}

void standin_devices(int count)
{
    pthread_mutex_lock(&si_lock);
    si_set_device_count(count);
    pthread_mutex_unlock(&si_lock);
}

void si_set_device_count(int count)
{
    device_count = count < 0 ? 0 : count > DEVICES ? DEVICES : count;
}

int si_device_count(void)
{
    return device_count;
}

struct standin_device *standin_device(int ordinal)
{
    return ordinal >= 0 && ordinal < DEVICES ? &devices[ordinal] : NULL;
}

const struct standin_device *si_device(int ordinal)
{
    return &devices[ordinal];
}

const void *si_context(void)
{
    return depth ? stack[depth - 1] : NULL;
}

int si_current(cuda_result *rc)
{
    if (!depth) {
        *rc = CUDA_ERROR_INVALID_CONTEXT;
        return -1;
    }
    if (!stack[depth - 1]->retained) {
        *rc = ERROR_CONTEXT_IS_DESTROYED;
        return -1;
    }
    return stack[depth - 1]->device;
}

/* ---- devices ---- */

static bool is_device(cuda_device device)
{
    return device >= 0 && device < device_count;
}

static cuda_result init(unsigned flags)
{
    if (flags)
        return CUDA_ERROR_INVALID_VALUE;
    if (!device_count)
        return CUDA_ERROR_NO_DEVICE;
    si_initialised = true;
    return CUDA_SUCCESS;
}

static cuda_result version(int *value)
{
    *value = VERSION;
    return CUDA_SUCCESS;
}

static cuda_result error_string(cuda_result error, const char **text)
{
    static const struct {
        cuda_result error;
        const char *text;
    } texts[] = {{CUDA_SUCCESS, "no error"},
                 {CUDA_ERROR_INVALID_VALUE, "invalid argument"},
                 {CUDA_ERROR_OUT_OF_MEMORY, "out of memory"},
                 {CUDA_ERROR_NOT_INITIALIZED, "initialization error"},
                 {CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"},
                 {ERROR_INVALID_DEVICE, "invalid device ordinal"},
                 {CUDA_ERROR_INVALID_CONTEXT, "invalid device context"},
                 {CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution"},
                 {ERROR_INVALID_HANDLE, "invalid resource handle"},
                 {ERROR_NOT_FOUND, "named symbol not found"},
                 {CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"},
                 {ERROR_CONTEXT_IS_DESTROYED, "context is destroyed"},
                 {CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"},
                 {ERROR_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing"}};
    *text = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].error == error)
            *text = texts[i].text;
    return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static cuda_result count_devices(int *count)
{
    *count = device_count;
    return CUDA_SUCCESS;
}

static cuda_result get(cuda_device *device, int ordinal)
{
    if (!is_device(ordinal))
        return ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

static cuda_result name_of(char *name, int size, cuda_device device)
{
    if (!is_device(device))
        return ERROR_INVALID_DEVICE;
    if (size < 1)
        return CUDA_ERROR_INVALID_VALUE;
    snprintf(name, (size_t)size, "%s", devices[device].name);
    return CUDA_SUCCESS;
}

static cuda_result attribute_of(int *value, int attribute, cuda_device device)
{
    if (!is_device(device))
        return ERROR_INVALID_DEVICE;
    const struct standin_device *d = &devices[device];
    switch (attribute) {
    case CUDA_ATTRIBUTE_MULTIPROCESSORS:
        *value = d->multiprocessors;
        return CUDA_SUCCESS;
    case CUDA_ATTRIBUTE_MAJOR:
        *value = d->major;
        return CUDA_SUCCESS;
    case CUDA_ATTRIBUTE_MINOR:
        *value = d->minor;
        return CUDA_SUCCESS;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

static cuda_result memory_of(size_t *bytes, cuda_device device)
{
    if (!is_device(device))
        return ERROR_INVALID_DEVICE;
    *bytes = devices[device].bytes;
    return CUDA_SUCCESS;
}

/* ---- contexts ---- */

static cuda_result retain(cuda_context *context, cuda_device device)
{
    if (!is_device(device))
        return ERROR_INVALID_DEVICE;
    *context = &contexts[device];
    (*context)->retained++;
    si_live[STANDIN_CONTEXTS]++;
    return CUDA_SUCCESS;
}

/* With its last retain a context takes along all that was made in it. */
static cuda_result release(cuda_device device)
{
    if (!is_device(device))
        return ERROR_INVALID_DEVICE;
    if (!contexts[device].retained) {
        si_fault("%s (call %" PRIu64 "): device %d is not retained", si_call_name(),
                 si_call_number(), device);
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    si_live[STANDIN_CONTEXTS]--;
    if (--contexts[device].retained)
        return CUDA_SUCCESS;
    const size_t left = si_memory_left(device);
    if (left)
        si_fault("%s (call %" PRIu64 "): %zu allocations are left on device %d", si_call_name(),
                 si_call_number(), left, device);
    for (const struct si_thing *t = si_things(); t; t = t->next)
        if (!t->dead && t->device == device && t->what < STANDIN_KINDS)
            si_fault("%s (call %" PRIu64 "): %s %d is left on device %d", si_call_name(),
                     si_call_number(), si_kind_name(t->what), t->number, device);
    return CUDA_SUCCESS;
}

static bool is_context(const struct CUctx_st *c)
{
    const bool shared = c >= contexts && c < contexts + DEVICES;
    return (shared || (c >= created && c < created + CREATED)) && c->retained;
}

static cuda_result push(cuda_context context)
{
    if (!is_context(context))
        return CUDA_ERROR_INVALID_CONTEXT;
    if (depth == STACK) {
        si_fault("%s: more than %d contexts", si_call_name(), STACK);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    stack[depth++] = context;
    si_live[STANDIN_PUSHED]++;
    return CUDA_SUCCESS;
}

static cuda_result pop(cuda_context *context)
{
    if (!depth)
        return CUDA_ERROR_INVALID_CONTEXT;
    depth--;
    si_live[STANDIN_PUSHED] -= si_live[STANDIN_PUSHED] > 0; /* a reset may lie between */
    if (context)
        *context = stack[depth];
    return CUDA_SUCCESS;
}

/* It is current at once. */
static cuda_result create(cuda_context *context, unsigned flags, cuda_device device)
{
    int i = 0;
    if (!is_device(device))
        return ERROR_INVALID_DEVICE;
    while (i < CREATED && created[i].retained)
        i++;
    if (flags || !context || i == CREATED)
        return CUDA_ERROR_INVALID_VALUE;
    created[i] = (struct CUctx_st){device, 1};
    *context = &created[i];
    si_live[STANDIN_CONTEXTS]++;
    return push(*context);
}

/* Whatever was made in it goes along, and so does what it died of. */
static cuda_result destroy(cuda_context context)
{
    if (!is_context(context) || context < created || context >= created + CREATED)
        return CUDA_ERROR_INVALID_CONTEXT;
    si_complete_all();
    si_memory_end(context);
    for (struct si_thing *t = si_things(); t; t = t->next)
        if (!t->dead && t->context == context)
            si_thing_end(t);
    if (depth && stack[depth - 1] == context)
        pop(NULL);
    context->retained = 0;
    si_live[STANDIN_CONTEXTS]--;
    si_revive(context->device);
    return CUDA_SUCCESS;
}

cuda_result cuInit(unsigned flags)
{
    CALL(init, init(flags));
}

cuda_result cuDriverGetVersion(int *value)
{
    CALL(driver_version, version(value));
}

cuda_result cuGetErrorString(cuda_result error, const char **text)
{
    CALL(error_string, error_string(error, text));
}

cuda_result cuDeviceGetCount(int *count)
{
    CALL(device_count, count_devices(count));
}

cuda_result cuDeviceGet(cuda_device *device, int ordinal)
{
    CALL(device_get, get(device, ordinal));
}

cuda_result cuDeviceGetName(char *name, int size, cuda_device device)
{
    CALL(device_name, name_of(name, size, device));
}

cuda_result cuDeviceGetAttribute(int *value, int attribute, cuda_device device)
{
    CALL(device_attribute, attribute_of(value, attribute, device));
}

cuda_result cuDeviceTotalMem_v2(size_t *bytes, cuda_device device)
{
    CALL(device_memory, memory_of(bytes, device));
}

cuda_result cuDevicePrimaryCtxRetain(cuda_context *context, cuda_device device)
{
    CALL(context_retain, retain(context, device));
}

cuda_result cuDevicePrimaryCtxRelease_v2(cuda_device device)
{
    CALL(context_release, release(device));
}

cuda_result cuCtxCreate_v2(cuda_context *context, unsigned flags, cuda_device device)
{
    CALL(context_create, create(context, flags, device));
}

cuda_result cuCtxDestroy_v2(cuda_context context)
{
    CALL(context_destroy, destroy(context));
}

cuda_result cuCtxPushCurrent_v2(cuda_context context)
{
    CALL(context_push, push(context));
}

cuda_result cuCtxPopCurrent_v2(cuda_context *context)
{
    CALL(context_pop, pop(context));
}
