/* SPDX-License-Identifier: MIT */
/* Items that are several places of the result, side by side or one below the other, so that what it
 * takes to find the first serves all; and memory by words. Places are counted in 32 bits as long as
 * that will do: a division by 64 takes a GPU a hundred instructions. */
#pragma once

#include "backend/cuda/kernels/kernel.h"

enum {
    CUDA_SPAN = 8, /* places side by side: CUDA_SPANS */
    CUDA_STACK = 4 /* one below the other: CUDA_STACKS */
};

/* Items of a row, of a column, and of all of it. */
PQ_INLINE int64_t cuda_span_items(const struct cuda_args *a)
{
    return (int64_t)((a->out.width + CUDA_SPAN - 1) / CUDA_SPAN) * a->rows * a->frames;
}
PQ_INLINE int64_t cuda_stack_items(const struct cuda_args *a)
{
    return (int64_t)((a->rows + CUDA_STACK - 1) / CUDA_STACK) * a->out.width * a->frames;
}

/* Which line of so many places it is in. */
CUDA_INLINE uint32_t cuda_line_of(int64_t at, uint32_t width)
{
    return at <= UINT32_MAX ? (uint32_t)at / width : (uint32_t)(at / width);
}

/* The first place of an item that is `across` x `down` of them. */
CUDA_INLINE struct cuda_item cuda_first_of(const struct cuda_args *a, int64_t at, int across,
                                           int down)
{
    const uint32_t width = (uint32_t)(a->out.width + across - 1) / (uint32_t)across;
    const uint32_t rows = (uint32_t)(a->rows + down - 1) / (uint32_t)down;
    const uint32_t line = cuda_line_of(at, width);
    struct cuda_item i;
    i.x = (int)((uint32_t)at - line * width) * across;
    i.frame = a->frames == 1 ? 0 : (int)(line / rows);
    i.y = a->y0 + (int64_t)(line - (uint32_t)i.frame * rows) * down;
    i.c = 0;
    return i;
}

/* ---- rows of a ring, without a division each ---- */

struct cuda_ring {
    int64_t frame; /* where slot 0 of it begins, in values */
    int y, slot;   /* of one row */
};

CUDA_INLINE struct cuda_ring cuda_ring_at(const struct cuda_map *m, int frame, int64_t y)
{
    struct cuda_ring r;
    r.frame = frame * m->frame;
    r.y = (int)y;
    r.slot = (int)((uint32_t)y % (uint32_t)m->rows);
    return r;
}

/* Where row y begins, which is in the ring at the same time. */
CUDA_INLINE int64_t cuda_ring_row(const struct cuda_map *m, const struct cuda_ring *r, int y)
{
    int slot = r->slot + y - r->y;
    slot += slot < 0 ? m->rows : 0;
    slot -= slot >= m->rows ? m->rows : 0;
    return r->frame + slot * m->row;
}

/* ---- several values at once ---- */

/* Values of a map from `at` on, and number i of them, where the type is known: a kernel that is
 * compiled for each type does not ask at every value, which takes longer than the value. */
CUDA_INLINE const void *cuda_values(const struct cuda_map *m, enum pq_dtype type, int64_t at)
{
    return type == PQ_F32 ? (const void *)(m->data + at)
                          : (const void *)((const uint16_t *)(const void *)m->data + at);
}
CUDA_INLINE float cuda_number(const void *values, enum pq_dtype type, int64_t i)
{
    return type == PQ_F32 ? ((const float *)values)[i]
                          : cuda_half_value(type, ((const uint16_t *)values)[i]);
}
/* item(a, at, type) of the type of m. */
#define CUDA_OF_TYPE(item, a, at, m)                                                               \
    do {                                                                                           \
        if ((m)->type == PQ_F32)                                                                   \
            item(a, at, PQ_F32);                                                                   \
        else if ((m)->type == PQ_F16)                                                              \
            item(a, at, PQ_F16);                                                                   \
        else                                                                                       \
            item(a, at, PQ_BF16);                                                                  \
    } while (0)

/* Words of so many bytes. */
struct cuda_word8 {
    uint8_t bytes[8];
} __attribute__((aligned(8)));
struct cuda_pair {
    float v[2];
} __attribute__((aligned(8)));
struct cuda_word16 {
    uint16_t halves[8];
} __attribute__((aligned(16)));
struct cuda_quad {
    float v[4];
} __attribute__((aligned(16)));

/* Whether values from here on are words. */
CUDA_INLINE bool cuda_at_word(int64_t at)
{
    return (at & (CUDA_SPAN - 1)) == 0;
}

CUDA_INLINE void cuda_get_span(const struct cuda_map *m, int64_t at, float v[CUDA_SPAN])
{
    if (m->type == PQ_F32) {
        for (int q = 0; q < 2; q++) {
            const struct cuda_quad w =
                *(const struct cuda_quad *)(const void *)(m->data + at + 4 * q);
            for (int k = 0; k < 4; k++)
                v[4 * q + k] = w.v[k];
        }
        return;
    }
    const uint16_t *halves = (const uint16_t *)(const void *)m->data + at;
    const struct cuda_word16 w = *(const struct cuda_word16 *)(const void *)halves;
    if (m->type == PQ_F16) {
        for (int k = 0; k < CUDA_SPAN; k++)
            v[k] = cuda_half_value(PQ_F16, w.halves[k]);
    } else {
        for (int k = 0; k < CUDA_SPAN; k++)
            v[k] = cuda_half_value(PQ_BF16, w.halves[k]);
    }
}

/* n of up to a span. */
CUDA_INLINE void cuda_put_span(const struct cuda_map *m, int64_t at, int n,
                               const float v[CUDA_SPAN])
{
    if (m->type == PQ_F32 || n < CUDA_SPAN || !cuda_at_word(at)) {
        for (int k = 0; k < CUDA_SPAN; k++) {
            if (k < n)
                cuda_put(m, at + k, v[k]);
        }
        return;
    }
    struct cuda_word16 w;
    for (int k = 0; k < CUDA_SPAN; k++)
        w.halves[k] = cuda_half_bits(m->type, v[k]);
    *(struct cuda_word16 *)(void *)((uint16_t *)(void *)m->data + at) = w;
}
