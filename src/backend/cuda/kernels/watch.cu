/* SPDX-License-Identifier: MIT */
/* A look at what goes into a network and at what comes out of it: the range of the values of each
 * channel of each tile (graph/place.h), for the sanity check of the host, which so never sees the
 * values themselves.
 *
 *     cuda_watch_columns   an item is a channel of a column of pixels within a row of tiles
 *     cuda_watch_tiles     a channel of a tile: its columns, and what earlier steps saw of it
 *
 * Both are about the rows [y0, y0 + rows) of in[0] and the rows of tiles that these lie in. */
#include <math.h>

#include "backend/cuda/kernels/span.h"
#include "graph/place.h"

CUDA_INLINE struct pq_range nothing_seen(void)
{
    struct pq_range r;
    r.low = 3.0e38f;
    r.high = -3.0e38f;
    r.bad = 0;
    return r;
}

CUDA_INLINE void widen(struct pq_range *r, float low, float high, int bad)
{
    r->low = fminf(low, r->low); /* of a number and none, the number */
    r->high = fmaxf(high, r->high);
    r->bad |= bad;
}

/* Rows of tile t, numbered down the picture, that this step computed. */
CUDA_INLINE void rows_of_tile(const struct cuda_args *a, int64_t t, int64_t *first, int64_t *end)
{
    pq_under_tile(t, a->in[0].height, a->like.height, first, end);
    *first = *first > a->y0 ? *first : a->y0;
    *end = *end < a->y0 + a->rows ? *end : a->y0 + a->rows;
}

enum { WATCHED = 8 }; /* values that are on their way together */

/* Values of a column of a ring, in `rows` rows from slot `slot` on. */
CUDA_INLINE struct pq_range look_down(const struct cuda_map *in, enum pq_dtype type, int64_t column,
                                      int slot, int rows)
{
    struct pq_range r = nothing_seen();
    float bad = 0.0f; /* as soon as a value is not finite, no number */
    while (rows > 0) {
        const int left = in->rows - slot, n = rows < left ? rows : left; /* the end of the ring */
        const int count = n < WATCHED ? 1 : WATCHED; /* one row as often does no harm */
        const int64_t apart = count == 1 ? 0 : in->row;
        const void *values = cuda_values(in, type, column + slot * in->row);
        float v[WATCHED];
        for (int k = 0; k < WATCHED; k++)
            v[k] = cuda_number(values, type, k * apart);
        for (int k = 0; k < WATCHED; k++) {
            widen(&r, v[k], v[k], 0);
            bad = fmaf(v[k], 0.0f, bad);
        }
        rows -= count;
        slot = slot + count == in->rows ? 0 : slot + count;
    }
    r.bad = !(bad == 0.0f);
    return r;
}

/* [frame][row of tiles][column][channel] */
CUDA_INLINE void watch_columns(const struct cuda_args *a, int64_t at, enum pq_dtype type)
{
    const struct cuda_map *in = &a->in[0];
    const uint32_t channels = (uint32_t)in->channels, width = (uint32_t)in->width * channels;
    const uint32_t line = cuda_line_of(at, width), place = (uint32_t)at - line * width;
    const uint32_t x = place / channels, frame = line / (uint32_t)a->tiles;
    int64_t first, end;
    rows_of_tile(a, a->first_tile + (int)(line - frame * (uint32_t)a->tiles), &first, &end);
    const struct cuda_ring ring = cuda_ring_at(in, (int)frame, first);
    const int64_t column = ring.frame + (int64_t)x * in->stride + (place - x * channels);
    ((struct pq_range *)(void *)a->scratch)[at] =
        look_down(in, type, column, ring.slot, first < end ? (int)(end - first) : 0);
}
CUDA_INLINE void watch_columns_at(const struct cuda_args *a, int64_t at)
{
    CUDA_OF_TYPE(watch_columns, a, at, &a->in[0]);
}
CUDA_KERNEL(cuda_watch_columns, watch_columns_at)

/* seen: [row of tiles][column of tiles][frame][channel]. A tile is seen for the first time where
 * its first row is among those of this step. */
CUDA_INLINE void watch_tiles_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_map *in = &a->in[0];
    const int across = pq_tiles_of(a->like.width), channels = in->channels;
    const int line = (int)cuda_line_of(at, (uint32_t)channels), c = (int)at - line * channels;
    const int place = line / a->frames, frame = line - place * a->frames;
    const int row = place / across, tile = a->first_tile + row;
    int64_t top, bottom, first, end, x0, x1;
    pq_under_tile(tile, in->height, a->like.height, &top, &bottom);
    rows_of_tile(a, tile, &first, &end);
    if (first >= end)
        return;
    struct pq_range *seen = a->seen + ((int64_t)a->first_tile * across * a->frames * channels + at);
    struct pq_range r = first == top ? nothing_seen() : *seen;
    pq_under_tile(place - row * across, in->width, a->like.width, &x0, &x1);
    const struct pq_range *columns = (const struct pq_range *)(const void *)a->scratch;
    columns += ((int64_t)frame * a->tiles + row) * in->width * channels + c;
    for (int x = (int)x0; x < (int)x1; x += WATCHED) {
        struct pq_range column[WATCHED];
        for (int k = 0; k < WATCHED; k++) /* the last one once more does no harm */
            column[k] = columns[(x + k < (int)x1 ? x + k : (int)x1 - 1) * channels];
        for (int k = 0; k < WATCHED; k++)
            widen(&r, column[k].low, column[k].high, column[k].bad);
    }
    *seen = r;
}
CUDA_KERNEL(cuda_watch_tiles, watch_tiles_at)
