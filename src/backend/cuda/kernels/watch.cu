/* SPDX-License-Identifier: MIT */
/* A look at what goes into a network and at what comes out of it: the range of the values of each
 * channel of each tile (graph/place.h), for the sanity check of the host, which so never sees the
 * values themselves.
 *
 *     cuda_watch_columns   an item is a channel of a column of pixels within a row of tiles
 *     cuda_watch_tiles     a channel of a tile: its columns, and what earlier steps saw of it
 *
 * Both are about the rows [y0, y0 + rows) of in[0] and the rows of tiles that these lie in. */
#include "backend/cuda/kernels/kernel.h"
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
    r->low = low < r->low ? low : r->low;
    r->high = high > r->high ? high : r->high;
    r->bad |= bad;
}

/* Rows of tile t, numbered down the picture, that this step computed. */
CUDA_INLINE void rows_of_tile(const struct cuda_args *a, int64_t t, int64_t *first, int64_t *end)
{
    pq_under_tile(t, a->in[0].height, a->like.height, first, end);
    *first = *first > a->y0 ? *first : a->y0;
    *end = *end < a->y0 + a->rows ? *end : a->y0 + a->rows;
}

/* [frame][row of tiles][column][channel] */
CUDA_INLINE void watch_columns_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_map *in = &a->in[0];
    const int c = (int)(at % in->channels);
    const int64_t column = at / in->channels, x = column % in->width;
    const int64_t tile = a->first_tile + column / in->width % a->tiles;
    const int frame = (int)(column / in->width / a->tiles);
    struct pq_range r = nothing_seen();
    int64_t first, end;
    rows_of_tile(a, tile, &first, &end);
    for (int64_t y = first; y < end; y++) {
        const float v = cuda_value(in, frame, y, x, c);
        widen(&r, v, v, !(v - v == 0.0f));
    }
    ((struct pq_range *)(void *)a->scratch)[at] = r;
}
CUDA_KERNEL(cuda_watch_columns, watch_columns_at)

/* seen: [row of tiles][column of tiles][frame][channel]. A tile is seen for the first time where
 * its first row is among those of this step. */
CUDA_INLINE void watch_tiles_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_map *in = &a->in[0];
    const int across = pq_tiles_of(a->like.width), c = (int)(at % in->channels);
    const int frame = (int)(at / in->channels % a->frames);
    const int64_t place = at / in->channels / a->frames;
    const int64_t row = place / across, tile = a->first_tile + row;
    int64_t top, bottom, first, end, x0, x1;
    pq_under_tile(tile, in->height, a->like.height, &top, &bottom);
    rows_of_tile(a, tile, &first, &end);
    if (first >= end)
        return;
    struct pq_range *seen = a->seen + (a->first_tile * across * a->frames * in->channels + at);
    struct pq_range r = first == top ? nothing_seen() : *seen;
    pq_under_tile(place % across, in->width, a->like.width, &x0, &x1);
    const struct pq_range *columns = (const struct pq_range *)(const void *)a->scratch;
    columns += (frame * a->tiles + row) * in->width * in->channels + c;
    for (int64_t x = x0; x < x1; x++) {
        const struct pq_range *column = columns + x * in->channels;
        widen(&r, column->low, column->high, column->bad);
    }
    *seen = r;
}
CUDA_KERNEL(cuda_watch_tiles, watch_tiles_at)
