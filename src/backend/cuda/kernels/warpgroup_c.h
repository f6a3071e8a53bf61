/* SPDX-License-Identifier: MIT */
/* What warpgroup.h needs, as C: the 128 threads of a group one after the other, on shared memory
 * that is an array. Descriptors, registers, copies and barriers are what PTX says that they are,
 * and at their most hostile: a copy arrives when it is waited for, and until then its place holds
 * NaN; what waits in vain says so. Included by warpgroup.h alone. */
#pragma once

#include <assert.h>

#include "backend/cuda/kernels/warpgroup.h"

enum {
    WG_BASE = 0x400, /* of shared memory; no multiple of more than a pattern */
    WG_COPIES = 64   /* on their way, of a thread */
};

/* A copy, and who is told that this one and those before it have arrived; 0: nobody. */
struct wg_copying {
    uint32_t to;
    const void *from;
    bool there;
    uint32_t barrier;
};

/* What a block has beside its threads. */
struct wg_block {
    _Alignas(1024) uint8_t shared[CUDA_STRIP_BYTES];
    struct wg_copying copies[CUDA_STRIP_THREADS][WG_COPIES];
    int copying[CUDA_STRIP_THREADS];
    int turns[2]; /* that a group was passed and has not taken */
};
static _Thread_local struct wg_block wg_block;

#define WG_EACH_THREAD(t) for (int t = 0; t < CUDA_STRIP_GROUP; t++)
#define WG_EACH_WARP      for (int warp = 0; warp < CUDA_STRIP_GROUP / CUDA_WARP; warp++)
#define WG_OWN(kept, t)   ((kept) + (t))

static inline uint8_t *wg_at(uint32_t address, uint32_t bytes)
{
    assert(address >= WG_BASE && address - WG_BASE + bytes <= sizeof wg_block.shared);
    assert(address % bytes == 0);
    return wg_block.shared + (address - WG_BASE);
}

/* A block begins with undefined memory: NaN, where it is read as halves. */
static inline uint32_t wg_block_begin(void)
{
    memset(wg_block.shared, 0xff, sizeof wg_block.shared);
    memset(wg_block.copying, 0, sizeof wg_block.copying);
    memset(wg_block.turns, 0, sizeof wg_block.turns);
    return WG_BASE;
}

static inline void wg_sync(int group)
{
    (void)group;
}

/* False: it is not this group's. */
static inline bool wg_turn(int group)
{
    if (!wg_block.turns[group])
        return false;
    wg_block.turns[group]--;
    return true;
}

static inline void wg_pass_turn(int group)
{
    assert(!wg_block.turns[1 - group]); /* a barrier counts no further */
    wg_block.turns[1 - group]++;
}

static inline void wg_fence(void)
{
}

static inline uint32_t wg_uniform(uint32_t value)
{
    return value;
}

static inline void wg_multiply_begin(void)
{
}

static inline void wg_multiply_end(void)
{
}

static inline void wg_multiplied_but_last(void)
{
}

static inline void wg_multiplied(struct wg_thread *threads)
{
    (void)threads;
}

/* ---- barriers ---- */

struct wg_barrier {
    uint16_t count, missing;
    uint32_t phase;
};

static inline void wg_barrier_new(uint32_t barrier, int count)
{
    const struct wg_barrier b = {(uint16_t)count, (uint16_t)count, 0};
    memcpy(wg_at(barrier, sizeof b), &b, sizeof b);
}

static inline void wg_arrive(uint32_t barrier)
{
    struct wg_barrier b;
    memcpy(&b, wg_at(barrier, sizeof b), sizeof b);
    if (--b.missing == 0) {
        b.missing = b.count;
        b.phase++;
    }
    memcpy(wg_at(barrier, sizeof b), &b, sizeof b);
}

/* ---- copies ---- */

static inline void wg_copy_from(int t, uint32_t to, const uint16_t *row, int at, bool there)
{
    const struct wg_copying c = {to, there ? row + at : NULL, there, 0};
    assert(wg_block.copying[t] < WG_COPIES);
    wg_block.copies[t][wg_block.copying[t]++] = c;
    memset(wg_at(to, 16), 0xff, 16);
}

/* The first so many of a thread arrive. */
static inline void wg_land(int t, int count)
{
    struct wg_copying *c = wg_block.copies[t];
    for (int i = 0; i < count; i++) {
        if (c[i].there)
            memcpy(wg_at(c[i].to, 16), c[i].from, 16);
        else
            memset(wg_at(c[i].to, 16), 0, 16);
        if (c[i].barrier)
            wg_arrive(c[i].barrier);
    }
    wg_block.copying[t] -= count;
    memmove(c, c + count, (size_t)wg_block.copying[t] * sizeof *c);
}

static inline void wg_copied(int t)
{
    wg_land(t, wg_block.copying[t]);
}

static inline void wg_arrive_copied(int t, uint32_t barrier)
{
    if (wg_block.copying[t])
        wg_block.copies[t][wg_block.copying[t] - 1].barrier = barrier;
    else
        wg_arrive(barrier);
}

/* What a barrier is told of; by those who load alone. */
static inline void wg_land_for(uint32_t barrier)
{
    for (int t = 2 * CUDA_STRIP_GROUP; t < CUDA_STRIP_THREADS; t++) {
        int count = wg_block.copying[t];
        while (count && wg_block.copies[t][count - 1].barrier != barrier)
            count--;
        wg_land(t, count);
    }
}

/* Whether the phase of this parity is over. */
static inline bool wg_wait(uint32_t barrier, int parity)
{
    struct wg_barrier b;
    wg_land_for(barrier);
    memcpy(&b, wg_at(barrier, sizeof b), sizeof b);
    return (int)(b.phase & 1) != parity;
}

#define WG_COPY_OUT(to, from) memcpy((to), wg_at((from), 16), 16)

static inline void wg_put(uint32_t to, float value)
{
    memcpy(wg_at(to, sizeof value), &value, sizeof value);
}

static inline float wg_get(uint32_t from)
{
    float value;
    memcpy(&value, wg_at(from, sizeof value), sizeof value);
    return value;
}

static inline void wg_peek(uint32_t r[2], uint32_t from)
{
    memcpy(r, wg_at(from, 8), 8);
}

static inline void wg_take(uint32_t r[4], const void *from)
{
    memcpy(r, from, 16);
}

/* Lane 8 q + c names the 16 bytes of column c of matrix q; a lane has row lane/4. */
#define WG_LOAD_COLUMNS(r, lane, named, expression)                                                \
    do {                                                                                           \
        for (int at = 0; at < 8; at++) {                                                           \
            const int named = at / 2 * 8 + 2 * ((lane) % 4) + at % 2;                              \
            uint16_t half;                                                                         \
            memcpy(&half, wg_at((expression), 16) + (lane) / 4 * 2, sizeof half);                  \
            (r)[at / 2] = at % 2 ? (r)[at / 2] | (uint32_t)half << 16 : half;                      \
        }                                                                                          \
    } while (0)
#define WG_STORE_COLUMNS(r, lane, named, expression)                                               \
    do {                                                                                           \
        for (int at = 0; at < 8; at++) {                                                           \
            const int named = at / 2 * 8 + 2 * ((lane) % 4) + at % 2;                              \
            const uint16_t half = (uint16_t)((r)[at / 2] >> 16 * (at % 2));                        \
            memcpy(wg_at((expression), 16) + (lane) / 4 * 2, &half, sizeof half);                  \
        }                                                                                          \
    } while (0)

static inline uint32_t wg_pack(float low, float high)
{
    return cuda_f16_bits(low) | (uint32_t)cuda_f16_bits(high) << 16;
}

static inline float wg_value(uint32_t both, int which)
{
    return cuda_half_of(PQ_F16, both, which);
}

/* ---- products ---- */

/* The value in row k of column n of the matrix that a descriptor says. */
static inline float wg_operand(uint64_t descriptor, int n, int k)
{
    const uint32_t first = (uint32_t)(descriptor & 0x3fff) << 4;
    const uint32_t leading = (uint32_t)(descriptor >> 16 & 0x3fff) << 4;
    const uint32_t stride = (uint32_t)(descriptor >> 32 & 0x3fff) << 4;
    const uint32_t pattern = (uint32_t)(descriptor >> 49 & 7), mode = (uint32_t)(descriptor >> 62);
    const uint32_t row = (uint32_t)n % 8, eight = (uint32_t)n / 8 * stride, c = (uint32_t)k;
    uint32_t at;
    uint16_t half;
    assert(mode <= 1 && (descriptor & UINT64_C(0x3ff1c000c000c000)) == 0);
    if (mode == 0) {
        at = first + eight + row * 16 + c / 8 * leading + c % 8 * 2;
    } else {
        assert(leading == 16); /* swizzled columns have no first distance */
        at = first + eight + row * 128 + c * 2;
        at ^= (((at >> 7) - pattern) & 7) << 4;
    }
    memcpy(&half, wg_at(at, sizeof half), sizeof half);
    return cuda_f16_value(half);
}

/* From the registers of all lanes and back; sums as those of conv_half.cu, 96 at once. */
static inline void wg_product(struct wg_thread *threads, int step, uint64_t descriptor)
{
    static _Thread_local float a[CUDA_STRIP_C][16], b[16][CUDA_STRIP_W];
    static _Thread_local float d[CUDA_STRIP_C][CUDA_STRIP_W];
    for (int t = 0; t < CUDA_STRIP_GROUP; t++) {
        for (int i = 0; i < 8; i++) {
            const int r = i / 2, lane = t % CUDA_WARP;
            const int row = t / CUDA_WARP * 16 + lane / 4 + 8 * (r & 1);
            a[row][2 * (lane % 4) + i % 2 + 8 * (r / 2)] =
                cuda_half_of(PQ_F16, threads[t].a[step][r], i % 2);
        }
    }
    for (int k = 0; k < 16; k++) {
        for (int n = 0; n < CUDA_STRIP_W; n++)
            b[k][n] = wg_operand(descriptor, n, k);
    }
    memset(d, 0, sizeof d);
    for (int row = 0; row < CUDA_STRIP_C; row++) {
        for (int k = 0; k < 16; k++) {
            for (int n = 0; n < CUDA_STRIP_W; n++)
                d[row][n] += a[row][k] * b[k][n];
        }
    }
    for (int t = 0; t < CUDA_STRIP_GROUP; t++) {
        for (int i = 0; i < CUDA_STRIP_W / 2; i++) {
            const int row = t / CUDA_WARP * 16 + t % CUDA_WARP / 4 + 8 * (i / 2 & 1);
            const int column = 8 * (i / 4) + 2 * (t % 4) + i % 2;
            threads[t].d[i] = (step > 0 ? threads[t].d[i] : 0.0f) + d[row][column];
        }
    }
}
#define WG_MULTIPLY(kept, step, descriptor) wg_product((kept), (step), (descriptor))
