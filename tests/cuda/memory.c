/* SPDX-License-Identifier: MIT */
/* Memory of devices and pinned memory of the host. Both are plain memory of this process, each
 * allocation exactly as large as was asked for, so that a sanitizer sees a byte too many; new
 * memory is all NaN, and what is freed is gone at once. */
#include "inner.h"

enum { ALIGNMENT = 256 }; /* what the real driver promises */

static struct si_memory *all;
static size_t peak;

static bool is_in(const struct si_memory *m, const char *address)
{
    return address >= m->data && address < m->data + m->bytes;
}

struct si_memory *si_memory_of(const void *address)
{
    for (struct si_memory *m = all; m; m = m->next)
        if (is_in(m, address))
            return m;
    return NULL;
}

struct si_memory *si_memory_between(const void *address, size_t bytes)
{
    const char *begin = address;
    for (struct si_memory *m = all; m; m = m->next)
        if (begin < m->data + m->bytes && m->data < begin + bytes)
            return m;
    return NULL;
}

static size_t used(int device)
{
    size_t bytes = 0;
    for (const struct si_memory *m = all; m; m = m->next)
        if (!m->pinned && m->device == device)
            bytes += m->bytes;
    return bytes;
}

size_t si_memory_left(int device)
{
    size_t count = 0;
    for (const struct si_memory *m = all; m; m = m->next)
        count += !m->pinned && m->device == device;
    return count;
}

static struct si_memory *create(bool pinned, size_t bytes)
{
    void *data;
    if (posix_memalign(&data, ALIGNMENT, bytes) != 0)
        return NULL;
    memset(data, 0xff, bytes);
    cuda_result rc;
    struct si_memory *m = si_alloc(1, sizeof *m);
    *m = (struct si_memory){
        .next = all, .pinned = pinned, .device = si_current(&rc), .data = data, .bytes = bytes};
    m->context = si_context();
    si_shadow_begin(m);
    all = m;
    si_live[pinned ? STANDIN_PINNED : STANDIN_ALLOCATIONS]++;
    si_live[pinned ? STANDIN_PINNED_BYTES : STANDIN_BYTES] += bytes;
    if (peak < si_live[STANDIN_BYTES])
        peak = si_live[STANDIN_BYTES];
    return m;
}

static void destroy(struct si_memory *memory)
{
    struct si_memory **at = &all;
    while (*at != memory)
        at = &(*at)->next;
    *at = memory->next;
    si_live[memory->pinned ? STANDIN_PINNED : STANDIN_ALLOCATIONS]--;
    si_live[memory->pinned ? STANDIN_PINNED_BYTES : STANDIN_BYTES] -= memory->bytes;
    memset(memory->data, 0xff, memory->bytes); /* for whom no sanitizer watches */
    free(memory->data);
    si_shadow_end(memory);
    free(memory);
}

void si_memory_end(const void *context)
{
    for (struct si_memory *m = all, *next; m; m = next) {
        next = m->next;
        if (m->context == context)
            destroy(m);
    }
}

void si_memory_reset(void)
{
    while (all)
        destroy(all);
    peak = 0;
}

size_t standin_peak_bytes(void)
{
    pthread_mutex_lock(&si_lock);
    const size_t bytes = peak;
    pthread_mutex_unlock(&si_lock);
    return bytes;
}

/* The real driver waits here for the device, as it happens; nothing promises it. Having told so,
 * wait as well, as the test shall go on. */
static cuda_result end(const void *address, bool pinned)
{
    struct si_memory *m = si_memory_of(address);
    if (!m || m->data != address || m->pinned != pinned) {
        si_fault("%s (call %" PRIu64 "): no such memory begins at %p", si_call_name(),
                 si_call_number(), address);
        return CUDA_ERROR_INVALID_VALUE;
    }
    struct si_actor host = si_actor(si_call_name(), NULL, si_host_tick(), &si_host);
    if (si_is_dead(m->device) || !si_touch_last(&host, m))
        si_complete_all();
    destroy(m);
    return CUDA_SUCCESS;
}

static cuda_result memory_info(size_t *left, size_t *total)
{
    cuda_result rc;
    const int device = si_current(&rc);
    const size_t bytes = si_device(device)->bytes, taken = used(device);
    *total = bytes;
    *left = taken < bytes ? bytes - taken : 0;
    return CUDA_SUCCESS;
}

static cuda_result memory_alloc(cuda_ptr *address, size_t bytes)
{
    size_t left, total;
    if (!address || !bytes)
        return CUDA_ERROR_INVALID_VALUE;
    memory_info(&left, &total);
    const struct si_memory *m = bytes <= left ? create(false, bytes) : NULL;
    if (!m)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *address = (cuda_ptr)(uintptr_t)m->data;
    return CUDA_SUCCESS;
}

static cuda_result pinned_alloc(void **address, size_t bytes)
{
    if (!address || !bytes)
        return CUDA_ERROR_INVALID_VALUE;
    const struct si_memory *m = create(true, bytes);
    if (!m)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *address = m->data;
    return CUDA_SUCCESS;
}

cuda_result cuMemGetInfo_v2(size_t *free, size_t *total)
{
    CALL(memory_info, memory_info(free, total));
}

cuda_result cuMemAlloc_v2(cuda_ptr *address, size_t bytes)
{
    CALL(memory_alloc, memory_alloc(address, bytes));
}

cuda_result cuMemFree_v2(cuda_ptr address)
{
    CALL(memory_free, end((const void *)(uintptr_t)address, false));
}

cuda_result cuMemHostAlloc(void **address, size_t bytes, unsigned flags)
{
    (void)flags; /* portable, mapped, write-combined: all the same here */
    CALL(pinned_alloc, pinned_alloc(address, bytes));
}

cuda_result cuMemFreeHost(void *address)
{
    CALL(pinned_free, end(address, true));
}
