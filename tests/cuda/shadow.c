/* SPDX-License-Identifier: MIT */
/* Who touched which bytes last, and whether who touches them next comes after. As FastTrack does it
 * (Flanagan and Freund 2009), but exactly for readers, too: of those that are ordered among each
 * other the last one stands for all. */
#include <stdio.h>

#include "inner.h"

enum { CELL = 64 };

/* An operation or a step of the host that touched memory. Number 0 is nobody. */
struct access {
    const char *name;
    uint64_t call, time;
    int slot, stream;
};
static struct access *accesses;
static uint32_t count, capacity;

static bool is_before(const struct access *a, const struct si_clock *clock)
{
    return clock->at[a->slot] >= a->time;
}

/* "cuda_conv (call 17, stream 2)", or "the host (call 17)", which is after that call; in one of two
 * places. */
static const char *describe(uint32_t access, int place)
{
    static char texts[2][160];
    const struct access *a = &accesses[access];
    char stream[32] = "";
    if (a->stream)
        snprintf(stream, sizeof stream, ", stream %d", a->stream);
    snprintf(texts[place], sizeof texts[place], "%s (call %" PRIu64 "%s)", a->name, a->call,
             stream);
    return texts[place];
}

struct si_actor si_actor(const char *name, const struct si_stream *stream, uint64_t time,
                         const struct si_clock *clock)
{
    if (count + 1 >= capacity) {
        capacity = capacity ? 2 * capacity : 1024;
        accesses = realloc(accesses, capacity * sizeof *accesses);
        if (!accesses)
            abort();
    }
    accesses[++count] =
        (struct access){name, si_call_number(), time, stream ? stream->slot : SI_HOST,
                        stream ? stream->thing.number : 0};
    return (struct si_actor){
        .access = count, .clock = clock, .device = stream ? stream->thing.device : -1};
}

void si_shadow_begin(struct si_memory *memory)
{
    memory->cells = (memory->bytes + CELL - 1) / CELL;
    memory->width = 2;
    memory->writer = si_alloc(memory->cells, sizeof *memory->writer);
    memory->readers = si_alloc(memory->cells * (size_t)memory->width, sizeof *memory->readers);
}

void si_shadow_end(struct si_memory *memory)
{
    free(memory->writer);
    free(memory->readers);
}

void si_shadow_reset(void)
{
    free(accesses);
    accesses = NULL;
    count = capacity = 0;
}

/* One report for a pair of operations. */
static bool was_told(struct si_actor *who, uint32_t other)
{
    const int known = (int)(sizeof who->told / sizeof *who->told);
    for (int i = 0; i < who->told_count && i < known; i++)
        if (who->told[i] == other)
            return true;
    who->told[who->told_count++ % known] = other;
    return false;
}

/* True: `other` is nobody, or is known to be done when `who` begins. */
static bool check(struct si_actor *who, const char *does, uint32_t other, const char *did,
                  const struct si_memory *m, size_t cell)
{
    if (!other || is_before(&accesses[other], who->clock))
        return true;
    if (!was_told(who, other))
        si_fault("%s %s what %s %s, and nothing orders them: byte %zu of %zu bytes of %s memory",
                 describe(who->access, 0), does, describe(other, 1), did, cell * CELL, m->bytes,
                 m->pinned ? "pinned" : "device");
    return false;
}

static bool check_write(struct si_actor *who, const char *does, const struct si_memory *m,
                        size_t cell)
{
    bool ordered = check(who, does, m->writer[cell], "writes", m, cell);
    for (int i = 0; i < m->width; i++)
        ordered &=
            check(who, does, m->readers[cell * (size_t)m->width + (size_t)i], "reads", m, cell);
    return ordered;
}

static void set_writer(struct si_memory *m, size_t cell, uint32_t access)
{
    m->writer[cell] = access;
    memset(&m->readers[cell * (size_t)m->width], 0, (size_t)m->width * sizeof *m->readers);
}

/* Room for twice as many readers of each cell. */
static void widen(struct si_memory *m)
{
    const size_t width = (size_t)m->width;
    uint32_t *wide = si_alloc(m->cells * 2 * width, sizeof *wide);
    for (size_t i = 0; i < m->cells; i++)
        memcpy(wide + i * 2 * width, m->readers + i * width, width * sizeof *wide);
    free(m->readers);
    m->readers = wide;
    m->width *= 2;
}

static void add_reader(struct si_memory *m, size_t cell, const struct si_actor *who)
{
    uint32_t *readers = &m->readers[cell * (size_t)m->width];
    int place = -1;
    for (int i = m->width - 1; i >= 0; i--) {
        if (readers[i] && !is_before(&accesses[readers[i]], who->clock))
            continue;
        readers[i] = 0;
        place = i;
    }
    if (place < 0) {
        place = m->width;
        widen(m);
    }
    m->readers[cell * (size_t)m->width + (size_t)place] = who->access;
}

static void touch(struct si_actor *who, struct si_memory *m, const char *from, size_t bytes,
                  bool writes)
{
    const size_t at = (size_t)(from - m->data);
    for (size_t cell = at / CELL; cell <= (at + bytes - 1) / CELL; cell++) {
        if (writes) {
            check_write(who, "writes", m, cell);
            set_writer(m, cell, who->access);
        } else if (m->writer[cell] != who->access) {
            check(who, "reads", m->writer[cell], "writes", m, cell);
            add_reader(m, cell, who);
        }
    }
}

static bool outside(const struct si_actor *who, const void *address, size_t bytes, bool writes,
                    const char *where)
{
    si_fault("%s %s %zu bytes at %p, %s", describe(who->access, 0), writes ? "writes" : "reads",
             bytes, address, where);
    return false;
}

static bool holds(const struct si_memory *m, const char *address, size_t bytes)
{
    return bytes <= m->bytes && (size_t)(address - m->data) <= m->bytes - bytes;
}

bool si_touch_device(struct si_actor *who, const void *address, size_t bytes, bool writes)
{
    return si_touch_part(who, address, address, bytes, writes);
}

bool si_touch_part(struct si_actor *who, const void *of, const void *address, size_t bytes,
                   bool writes)
{
    struct si_memory *m = si_memory_of(of);
    if (!bytes)
        return true;
    if (!m)
        return outside(who, address, bytes, writes, "where there is no memory");
    if (m->pinned)
        return outside(who, address, bytes, writes, "which is memory of the host");
    if (!holds(m, address, bytes))
        return outside(who, address, bytes, writes, "beyond the end of its memory");
    if (who->device >= 0 && m->device != who->device)
        return outside(who, address, bytes, writes, "which is memory of another device");
    touch(who, m, address, bytes, writes);
    return true;
}

bool si_touch_host(struct si_actor *who, const void *address, size_t bytes, bool writes)
{
    struct si_memory *m = si_memory_of(address);
    if (!bytes || (!m && !si_memory_between(address, bytes)))
        return true;
    if (!m || !holds(m, address, bytes))
        return outside(who, address, bytes, writes, "partly beyond pinned memory");
    if (!m->pinned)
        return outside(who, address, bytes, writes, "which is memory of a device");
    touch(who, m, address, bytes, writes);
    return true;
}

bool si_touch_last(struct si_actor *who, struct si_memory *memory)
{
    bool ordered = true;
    for (size_t cell = 0; cell < memory->cells; cell++)
        ordered &= check_write(who, "frees", memory, cell);
    return ordered;
}

bool si_settled(const void *address, size_t bytes)
{
    const struct si_memory *m = si_memory_of(address);
    if (!m || !m->pinned || !bytes || !holds(m, address, bytes))
        return false;
    const size_t at = (size_t)((const char *)address - m->data);
    for (size_t cell = at / CELL; cell <= (at + bytes - 1) / CELL; cell++) {
        bool settled = !m->writer[cell] || is_before(&accesses[m->writer[cell]], &si_host);
        for (int i = 0; i < m->width; i++) {
            const uint32_t reader = m->readers[cell * (size_t)m->width + (size_t)i];
            settled &= !reader || is_before(&accesses[reader], &si_host);
        }
        if (!settled)
            return false;
    }
    return true;
}
