/* SPDX-License-Identifier: MIT */
#include "backend/cuda/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"

/* The oldest that the kernels are built for: Turing. */
enum { LEAST_MAJOR = 7, LEAST_MINOR = 5 };

static int count_devices(const struct cuda_driver *driver)
{
    int count = 0;
    return driver && driver->device_count(&count) == CUDA_SUCCESS ? count : 0;
}

static const char tiles[] = ":tiles";

int cuda_ordinal(const char *id)
{
    long n = 0;
    if (!pq_starts_with(id, "cuda"))
        return -1;
    const char *rest = id + 4;
    if (rest[0] == ':' && rest[1] >= '0' && rest[1] <= '9') {
        char *end;
        n = strtol(rest + 1, &end, 10);
        rest = end;
    }
    if (*rest && strcmp(rest, tiles) != 0)
        return -1;
    return n < count_devices(cuda_driver(NULL)) ? (int)n : -1;
}

bool cuda_wants_tiles(const char *id)
{
    return pq_ends_with(id, tiles);
}

unsigned cuda_tiers(const char *id)
{
    const struct cuda_driver *driver = cuda_driver(NULL);
    const int ordinal = id && driver ? cuda_ordinal(id) : -1;
    cuda_device device;
    int major = 0;
    if (ordinal < 0)
        return 0;
    if (driver->device_get(&device, ordinal) != CUDA_SUCCESS ||
        driver->device_attribute(&major, CUDA_ATTRIBUTE_MAJOR, device) != CUDA_SUCCESS)
        return 0;
    const unsigned halves = 1u << PIQUE_PRECISION_FP16 | 1u << PIQUE_PRECISION_BF16;
    return 1u << PIQUE_PRECISION_FP32 | (major >= 8 ? halves : 0);
}

bool cuda_has_kernels(const struct cuda_driver *driver, cuda_device device, const char **why)
{
    int major = 0, minor = 0;
    *why = NULL;
    if (driver->device_attribute(&major, CUDA_ATTRIBUTE_MAJOR, device) != CUDA_SUCCESS ||
        driver->device_attribute(&minor, CUDA_ATTRIBUTE_MINOR, device) != CUDA_SUCCESS)
        *why = PQ_SAID("the driver does not say what it is");
    else if (major < LEAST_MAJOR || (major == LEAST_MAJOR && minor < LEAST_MINOR))
        *why = PQ_SAID("it is older than Turing (compute capability 7.5)");
    else if (&cuda_kernels[0] == &cuda_kernels_end[0] && !driver->has_kernels)
        *why = PQ_SAID("this pique was built without nvcc, which makes the kernels");
    return !*why;
}

uint64_t cuda_free_memory(const char *id)
{
    const struct cuda_driver *driver = cuda_driver(NULL);
    const int ordinal = driver ? cuda_ordinal(id) : -1;
    const size_t least_margin = (size_t)256 << 20;
    cuda_device device;
    cuda_context context;
    size_t available = 0, total = 0;
    if (ordinal < 0 || driver->device_get(&device, ordinal) != CUDA_SUCCESS ||
        driver->context_retain(&context, device) != CUDA_SUCCESS)
        return 0;
    if (driver->context_push(context) == CUDA_SUCCESS) {
        if (driver->memory_info(&available, &total) != CUDA_SUCCESS)
            available = 0;
        driver->context_pop(&context);
    }
    driver->context_release(device);
    const size_t margin = PQ_MAX(available / 16, PQ_MIN(least_margin, available / 2));
    return available - margin;
}

/* What is free is known to a context alone, which takes a while to make: it is not told. */
bool cuda_describe(size_t i, pique_device_info *info)
{
    static _Thread_local char id[16], name[160];
    const char *why;
    const struct cuda_driver *driver = cuda_driver(&why);
    const int count = count_devices(driver);
    *info = (pique_device_info){.size = info->size, .id = id, .name = name, .reason = ""};
    snprintf(id, sizeof id, "cuda:%zu", i);
    if (count == 0 && i == 0) { /* said once, so that nobody wonders */
        snprintf(id, sizeof id, "cuda");
        snprintf(name, sizeof name, "NVIDIA GPU");
        info->reason = driver ? PQ_SAID("the NVIDIA driver finds no GPU") : why;
        return true;
    }
    cuda_device device;
    if ((int)i >= count || driver->device_get(&device, (int)i) != CUDA_SUCCESS)
        return false;
    char brand[128];
    int major = 0, minor = 0;
    size_t bytes = 0;
    if (driver->device_name(brand, sizeof brand, device) != CUDA_SUCCESS)
        snprintf(brand, sizeof brand, "NVIDIA GPU");
    info->usable = cuda_has_kernels(driver, device, &info->reason);
    driver->device_attribute(&major, CUDA_ATTRIBUTE_MAJOR, device);
    driver->device_attribute(&minor, CUDA_ATTRIBUTE_MINOR, device);
    driver->device_attribute(&info->threads, CUDA_ATTRIBUTE_MULTIPROCESSORS, device);
    if (driver->device_memory(&bytes, device) == CUDA_SUCCESS)
        info->memory_total = bytes;
    snprintf(name, sizeof name, pq_tr("%s, compute capability %d.%d"), brand, major, minor);
    return true;
}
