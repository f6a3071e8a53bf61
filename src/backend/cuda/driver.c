/* SPDX-License-Identifier: MIT */
#include "backend/cuda/driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"

/* By its name, wherever the system looks; WSL2 keeps it in a folder of its own, which not every
 * distribution looks into. */
static const char *const places[] = {"libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"};

static struct {
    pthread_once_t once;
    struct cuda_driver driver;
    const char *why; /* NULL: the driver is there */
} found = {.once = PTHREAD_ONCE_INIT};

/* dlsym() yields an object pointer; POSIX lets it be a function. */
static bool take(void *library, const char *symbol, void *member)
{
    void *address = dlsym(library, symbol);
    memcpy(member, &address, sizeof address);
    return address != NULL;
}

static const char *load(void *library, struct cuda_driver *d)
{
    bool all = true;
#define CUDA_TAKE(member, symbol, parameters) all = take(library, #symbol, &d->member) && all;
    CUDA_FUNCTIONS(CUDA_TAKE)
#undef CUDA_TAKE
    d->has_kernels = dlsym(library, "pique_standin_kernels") != NULL;
    if (!all)
        return PQ_SAID("the NVIDIA driver is too old: CUDA 12 is needed");
    int version = 0;
    if (d->driver_version(&version) != CUDA_SUCCESS || version < 12000)
        return PQ_SAID("the NVIDIA driver is too old: CUDA 12 is needed");
    const cuda_result started = d->init(0);
    if (started == CUDA_ERROR_NO_DEVICE)
        return PQ_SAID("the NVIDIA driver finds no GPU");
    return started ? PQ_SAID("the NVIDIA driver does not start") : NULL;
}

static void find(void)
{
    void *library = NULL;
    for (size_t i = 0; i < PQ_COUNT(places) && !library; i++)
        library = dlopen(places[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        found.why = PQ_SAID("there is no NVIDIA driver (libcuda.so.1)");
        return;
    }
    found.why = load(library, &found.driver);
    if (found.why)
        dlclose(library);
}

const struct cuda_driver *cuda_driver(const char **why)
{
    pthread_once(&found.once, find);
    if (why)
        *why = found.why;
    return found.why ? NULL : &found.driver;
}

int cuda_check(const struct cuda_driver *driver, cuda_result result, const char *what,
               pique_error *err)
{
    if (result == CUDA_SUCCESS)
        return 0;
    const char *text = NULL;
    if (driver->error_string(result, &text) != CUDA_SUCCESS || !text)
        text = pq_tr("unknown error");
    return pq_fail(err, result == CUDA_ERROR_OUT_OF_MEMORY ? PIQUE_ENOMEM : PIQUE_EDEVICE,
                   "the GPU failed while it %s: %s (%d)", pq_tr(what), text, result);
}
