/* SPDX-License-Identifier: MIT */
/* How the sums of a convolution as a product of matrices become its result.
 *
 * They lie in the registers of a warp as its products leave them: a thread has two channels of
 * eight pixels. They go through shared memory, where the pixels of the input were, so that
 * neighbouring threads write what lies side by side. In one of three ways:
 *
 *     halves    into halves, as most are: each warp by itself; what is added lies where the sum
 *               comes, and is replaced by it
 *     shuffled  each pixel becomes factor x factor of them: as the rows that come of a warp's
 *     any       as floats, a row of each warp at a time; each value is asked what it is */
#pragma once

#include <assert.h>
#include <stdalign.h>

#include "backend/cuda/kernels/conv_block.h"
#include "backend/cuda/kernels/span.h"

enum {
    WARPS = CUDA_THREADS / CUDA_WARP,
    WARP_PIXELS = WARP_ROWS * CUDA_TILE_W,
    WARP_HALVES = WARP_PIXELS * MOST_EIGHTS * 8, /* of results on their way */
    STAGE_PAD = 8, /* floats behind a pixel, which put 4 of them into different banks */
    STAGE_FLOATS = WARPS * CUDA_TILE_W * (MOST_EIGHTS * 8 + STAGE_PAD)
};

/* Two channels that follow one another. */
struct pair {
    alignas(8) float first;
    float second;
};

/* Eight channels of a pixel. */
struct unit {
    alignas(16) float values[8];
};
struct unit_bits {
    alignas(16) uint32_t pairs[4];
};

/* Where a value of a pixel goes that becomes several, among those of its row of the tile, and which
 * one is added to it. NOWHERE: it is none. */
struct place {
    uint16_t to, from;
};
enum { NOWHERE = UINT16_MAX };

/* Behind results on their way: places, and of each pixel what is added. */
enum {
    MOST_ADDED = 4, /* values of a pixel, floats */
    PLACES_AT = WARPS * WARP_HALVES,
    ADDED_AT = PLACES_AT + MOST_EIGHTS * 8 * (int)sizeof(struct place) / 2
};

static_assert(STAGE_FLOATS * 4 <= CUDA_STAGE_BYTES, "");
static_assert(ADDED_AT * 2 + WARPS * WARP_PIXELS * MOST_ADDED * 4 <= CUDA_STAGE_BYTES, "");

/* What becomes of the sums but for what is added. Biases and slopes have zeros behind the last
 * channel. */
CUDA_INLINE void activate(const struct tile *t, int lane, int sixteens, bool slopes,
                          struct products *p)
{
    const struct cuda_args *a = t->args;
    CUDA_UNROLL
    for (int n = 0; n < 2 * sixteens; n++) {
        const int c = t->first_channel + n * 8 + lane % 4 * 2;
        const struct pair bias = *(const struct pair *)(const void *)(a->bias + c);
        struct pair slope = {1.0f, 1.0f};
        if (slopes)
            slope = *(const struct pair *)(const void *)(a->slopes + c);
        CUDA_UNROLL
        for (int m = 0; m < WARP_TILES; m++) {
            CUDA_UNROLL
            for (int i = 0; i < 4; i++) {
                const float v = p->d[m][n][i] + (i % 2 ? bias.second : bias.first);
                p->d[m][n][i] = slopes && v < 0.0f ? v * (i % 2 ? slope.second : slope.first) : v;
            }
        }
    }
}

/* ---- halves ---- */

/* Whose pixels are read and written by units: a map of halves that has whole ones. */
CUDA_INLINE bool has_units(const struct cuda_map *m)
{
    return m->type != PQ_F32 && m->stride % 8 == 0;
}

CUDA_INLINE bool are_halves(const struct cuda_args *a)
{
    return a->factor == 1 && has_units(&a->out) &&
           (!a->residual || has_units(&a->in[a->inputs - 1]));
}

/* A lane has unit u of every step-th pixel of a row. */
struct lane_column {
    int u, first, step;
    bool none;
};

CUDA_INLINE struct lane_column lane_column(const struct tile *t, int lane, int sixteens)
{
    const int shift = sixteens > 2 ? 3 : sixteens;
    const struct lane_column c = {.u = lane & ((1 << shift) - 1),
                                  .first = lane >> shift,
                                  .step = CUDA_WARP >> shift,
                                  .none = (lane & ((1 << shift) - 1)) >= t->eights};
    return c;
}

/* Where unit u of a pixel of a warp lies, in halves: in another bank than that of the next one. */
CUDA_INLINE int stage_at(int warp, int pixel, int u)
{
    return (warp * WARP_PIXELS + pixel) * CUDA_CHUNK + ((u ^ (pixel & 7)) * 8);
}

CUDA_INLINE void load_added(const struct tile *t, int warp, int lane, int sixteens)
{
    const struct cuda_args *a = t->args;
    const struct cuda_map *m = &a->in[a->inputs - 1];
    const struct lane_column h = lane_column(t, lane, sixteens);
    const int c = t->first_channel + h.u * 8;
    CUDA_UNROLL
    for (int row = 0; row < WARP_ROWS && !h.none; row++) {
        const int y = t->y + warp * WARP_ROWS + row;
        const bool any = y < t->end && c < m->stride;
        const int64_t from = any ? cuda_offset(m, t->frame, y, t->x) + c : 0;
        CUDA_UNROLL
        for (int i = 0; i < CUDA_TILE_W / h.step; i++) {
            const int x = h.first + i * h.step;
            const bool there = any && t->x + x < t->width;
            cuda_copy_async(
                t->shared, t->pixels + (uint32_t)(stage_at(warp, row * CUDA_TILE_W + x, h.u) * 2),
                (const uint16_t *)(const void *)m->data + from + (there ? x * m->stride : 0),
                there ? 16 : 0);
        }
    }
}

/* What is added lies where the sum comes. */
CUDA_INLINE void stage_halves(const struct tile *t, int warp, int lane, int sixteens, bool added,
                              const struct products *p)
{
    const float scale = t->args->scale;
    CUDA_UNROLL
    for (int n = 0; n < 2 * sixteens; n++) {
        CUDA_UNROLL
        for (int i = 0; i < WARP_PIXELS / 8; i++) {
            uint32_t *to =
                (uint32_t *)(void *)(t->shared + stage_at(warp, i * 8 + lane / 4, n)) + lane % 4;
            float first = p->d[i / 2][n][i % 2 * 2], second = p->d[i / 2][n][i % 2 * 2 + 1];
            if (added) {
                first = cuda_half_value(t->type, (uint16_t)*to) + scale * first;
                second = cuda_half_value(t->type, (uint16_t)(*to >> 16)) + scale * second;
            }
            *to = cuda_half_pair(t->type, first, second);
        }
    }
}

/* Which bits of eight channels from c on are those of channels that there are. */
CUDA_INLINE struct unit_bits bits_of(const struct tile *t, int c)
{
    struct unit_bits bits;
    CUDA_UNROLL
    for (int i = 0; i < 4; i++)
        bits.pairs[i] =
            (c + 2 * i < t->channels ? 0xffff : 0) | (c + 2 * i + 1 < t->channels ? 0xffff0000 : 0);
    return bits;
}

/* Zeros past the last channel, to the end of the pixel. `whole`: all channels and pixels that the
 * tile has are there, as in most. */
CUDA_INLINE void write_halves(const struct tile *t, int warp, int lane, int sixteens, bool whole)
{
    const struct cuda_map *out = &t->args->out;
    const struct lane_column h = lane_column(t, lane, sixteens);
    const int c = t->first_channel + h.u * 8;
    const struct unit_bits kept = bits_of(t, c);
    if (h.none || c >= out->stride)
        return;
    CUDA_UNROLL
    for (int row = 0; row < WARP_ROWS; row++) {
        const int y = t->y + warp * WARP_ROWS + row;
        if (y >= t->end)
            return;
        uint16_t *to =
            (uint16_t *)(void *)out->data + cuda_offset(out, t->frame, y, t->x + h.first) + c;
        CUDA_UNROLL
        for (int i = 0; i < CUDA_TILE_W / h.step; i++, to += h.step * out->stride) {
            const int x = h.first + i * h.step, at = stage_at(warp, row * CUDA_TILE_W + x, h.u);
            struct unit_bits bits = *(const struct unit_bits *)(const void *)(t->shared + at);
            CUDA_UNROLL
            for (int k = 0; k < 4 && !whole; k++)
                bits.pairs[k] &= kept.pairs[k];
            if (whole || t->x + x < t->width)
                *(struct unit_bits *)(void *)to = bits;
        }
    }
}

CUDA_INLINE bool is_whole(const struct tile *t)
{
    return t->x + CUDA_TILE_W <= t->width && t->first_channel + t->eights * 8 <= t->channels;
}

CUDA_INLINE void give_halves(const struct tile *t, int sixteens, struct products *kept)
{
    const bool added = t->args->residual;
    if (added) {
        CUDA_EACH_THREAD(i)
        load_added(t, i / CUDA_WARP, i % CUDA_WARP, sixteens);
        cuda_copies_wait();
        cuda_warp_sync();
    }
    CUDA_EACH_THREAD(i)
    {
        const int warp = i / CUDA_WARP, lane = i % CUDA_WARP;
        if (added)
            stage_halves(t, warp, lane, sixteens, true, CUDA_OWN(kept, warp, lane));
        else
            stage_halves(t, warp, lane, sixteens, false, CUDA_OWN(kept, warp, lane));
    }
    cuda_warp_sync();
    CUDA_EACH_THREAD(i)
    {
        if (is_whole(t))
            write_halves(t, i / CUDA_WARP, i % CUDA_WARP, sixteens, true);
        else
            write_halves(t, i / CUDA_WARP, i % CUDA_WARP, sixteens, false);
    }
}

/* ---- shuffled ---- */

/* Where rows that come of the tile's are whole: this block makes all channels, and there is nothing
 * between two pixels. What is added is a picture of few. */
CUDA_INLINE bool are_rows(const struct tile *t)
{
    const struct cuda_map *out = &t->args->out;
    return t->args->factor > 1 && out->type != PQ_F32 && out->stride == out->channels &&
           t->channels <= t->eights * 8 &&
           (!t->args->residual || t->args->in[t->args->inputs - 1].channels <= MOST_ADDED);
}

/* Whether what is added has the result's channels, or those from before. It has the size from
 * before. */
CUDA_INLINE bool adds_late(const struct cuda_args *a)
{
    return a->in[a->residual ? a->inputs - 1 : 0].channels == a->out.channels;
}

CUDA_INLINE struct place *places_of(const struct tile *t)
{
    return (struct place *)(void *)(t->shared + PLACES_AT);
}

/* Of channel j. A row of the tile becomes `factor` of them, one behind the other. */
CUDA_INLINE void find_place(const struct tile *t, int j)
{
    const struct cuda_args *a = t->args;
    const int f = a->factor, channels = a->out.channels, each = f * f;
    const int c = a->by_place ? j % channels : j / each;
    const int at = a->by_place ? j / channels : j % each;
    struct place p = {NOWHERE, 0};
    if (j < t->channels) {
        p.to = (uint16_t)((at / f * CUDA_TILE_W * f + at % f) * channels + c);
        p.from = (uint16_t)(adds_late(a) ? c : j);
    }
    places_of(t)[j] = p;
}

/* Value 0 of what is added to a pixel of a warp. */
CUDA_INLINE float *added_to(const struct tile *t, int warp, int pixel)
{
    return (float *)(void *)(t->shared + ADDED_AT) + (warp * WARP_PIXELS + pixel) * MOST_ADDED;
}

/* A column of a warp; of pixels behind the last one that is taken, which is there. */
CUDA_INLINE void take_added(const struct tile *t, int warp, int lane, enum pq_dtype type)
{
    const struct cuda_map *m = &t->args->in[t->args->inputs - 1];
    const int x = t->x + lane < t->width ? t->x + lane : t->width - 1;
    CUDA_UNROLL
    for (int row = 0; row < WARP_ROWS; row++) {
        const int at = t->y + warp * WARP_ROWS + row, y = at < t->end ? at : t->end - 1;
        const void *from = cuda_values(m, type, cuda_offset(m, t->frame, y, x));
        CUDA_UNROLL
        for (int c = 0; c < MOST_ADDED; c++) {
            if (c < m->channels)
                added_to(t, warp, row * CUDA_TILE_W + lane)[c] = cuda_number(from, type, c);
        }
    }
}

/* A thread's two channels of each eight. */
CUDA_INLINE void stage_rows(const struct tile *t, int warp, int lane, int sixteens, bool added,
                            const struct products *p)
{
    const int pixel = t->args->factor * t->args->out.channels; /* values of one, in a row */
    uint16_t *to = t->shared + warp * WARP_HALVES + lane / 4 * pixel;
    CUDA_UNROLL
    for (int k = 0; k < 4 * sixteens; k++) {
        const int n = k / 2;
        const struct place at = places_of(t)[n * 8 + lane % 4 * 2 + k % 2];
        const float *more = added_to(t, warp, lane / 4) + at.from;
        if (at.to == NOWHERE)
            continue;
        CUDA_UNROLL
        for (int i = 0; i < WARP_PIXELS / 8; i++) {
            float v = p->d[i / 2][n][i % 2 * 2 + k % 2];
            if (added)
                v = more[i * 8 * MOST_ADDED] + t->args->scale * v;
            to[(i / 4 * CUDA_TILE_W * t->args->factor + i % 4 * 8) * pixel + at.to] =
                cuda_half_bits(t->type, v);
        }
    }
}

/* `count` values that lie side by side, by the lanes of a warp. */
CUDA_INLINE void copy_row(const uint16_t *from, uint16_t *to, bool words, int count, int lane)
{
    const int end = words ? count / 8 : 0; /* of units; what is left goes one by one */
    CUDA_ROLLED
    for (int i = lane; i < end; i += CUDA_WARP)
        ((struct unit_bits *)(void *)to)[i] = ((const struct unit_bits *)(const void *)from)[i];
    CUDA_ROLLED
    for (int i = end * 8 + lane; i < count; i += CUDA_WARP)
        to[i] = from[i];
}

CUDA_INLINE void write_rows_of(const struct tile *t, int warp, int lane)
{
    const struct cuda_map *out = &t->args->out;
    const int f = t->args->factor, pixel = f * out->channels, left = t->width - t->x;
    const int count = (left < CUDA_TILE_W ? left : CUDA_TILE_W) * pixel;
    const bool words = out->row % 8 == 0 && out->frame % 8 == 0; /* else some rows are not */
    const uint16_t *from = t->shared + warp * WARP_HALVES;
    for (int row = 0; row < WARP_ROWS; row++) {
        const int y = t->y + warp * WARP_ROWS + row;
        if (y >= t->end)
            return;
        const struct cuda_ring ring = cuda_ring_at(out, t->frame, y * f);
        CUDA_ROLLED
        for (int dy = 0; dy < f; dy++, from += CUDA_TILE_W * pixel) {
            const int64_t at = cuda_ring_row(out, &ring, y * f + dy) + (int64_t)t->x * pixel;
            copy_row(from, (uint16_t *)(void *)out->data + at, words, count, lane);
        }
    }
}

CUDA_INLINE void give_rows(const struct tile *t, int sixteens, struct products *kept)
{
    const struct cuda_args *a = t->args;
    CUDA_EACH_THREAD(i)
    {
        const int warp = i / CUDA_WARP, lane = i % CUDA_WARP;
        if (i < t->eights * 8)
            find_place(t, i);
        if (a->residual && a->in[a->inputs - 1].type == PQ_F32)
            take_added(t, warp, lane, PQ_F32);
        else if (a->residual)
            take_added(t, warp, lane, t->type);
    }
    cuda_sync();
    CUDA_EACH_THREAD(i)
    {
        const int warp = i / CUDA_WARP, lane = i % CUDA_WARP;
        if (a->residual)
            stage_rows(t, warp, lane, sixteens, true, CUDA_OWN(kept, warp, lane));
        else
            stage_rows(t, warp, lane, sixteens, false, CUDA_OWN(kept, warp, lane));
    }
    cuda_warp_sync();
    CUDA_EACH_THREAD(i)
    write_rows_of(t, i / CUDA_WARP, i % CUDA_WARP);
}

/* ---- any ---- */

/* Where the sums of a pixel of a warp's row are put down. */
CUDA_INLINE float *stage_of(const struct tile *t, int warp, int pixel)
{
    const int width = t->eights * 8 + STAGE_PAD;
    return (float *)(void *)t->shared + (warp * CUDA_TILE_W + pixel) * width;
}

/* A row of a warp. */
CUDA_INLINE void stage_row(const struct tile *t, int row, int thread, int sixteens,
                           const struct products *p)
{
    const int warp = thread / CUDA_WARP, lane = thread % CUDA_WARP;
    CUDA_UNROLL
    for (int n = 0; n < 2 * sixteens; n++) {
        CUDA_UNROLL
        for (int i = 0; i < CUDA_TILE_W / 8; i++) {
            const float *sums = p->d[row * (CUDA_TILE_W / 16) + i / 2][n] + i % 2 * 2;
            const struct pair both = {sums[0], sums[1]};
            *(struct pair *)(void *)(stage_of(t, warp, i * 8 + lane / 4) + n * 8 + lane % 4 * 2) =
                both;
        }
    }
}

/* Channel c of a pixel, whose residual begins at `from`, with that. */
CUDA_INLINE float with_residual(const struct cuda_args *a, int64_t from, int c, float v)
{
    return a->residual ? cuda_get(&a->in[a->inputs - 1], from + c) + a->scale * v : v;
}

/* Where the residual of a row of the convolution's size begins. */
CUDA_INLINE int64_t residual_row(const struct tile *t, int64_t y)
{
    return t->args->residual ? cuda_row(&t->args->in[t->args->inputs - 1], t->frame, y) : 0;
}

/* From channel c on, zeros past the last one. */
CUDA_INLINE void write_unit(const struct tile *t, struct unit sums, int64_t to, int64_t from, int c)
{
    const struct cuda_map *out = &t->args->out;
    CUDA_UNROLL
    for (int i = 0; i < 8; i++)
        sums.values[i] =
            c + i < t->channels ? with_residual(t->args, from, c + i, sums.values[i]) : 0.0f;
    if (out->type !=
        PQ_F32) { /* whose stride is a multiple of 16, and which has zeros to its end */
        struct unit_bits bits;
        CUDA_UNROLL
        for (int i = 0; i < 4; i++) {
            bits.pairs[i] = cuda_half_pair(t->type, sums.values[2 * i], sums.values[2 * i + 1]);
        }
        if (c < out->stride)
            *(struct unit_bits *)(void *)((uint16_t *)(void *)out->data + to + c) = bits;
        return;
    }
    CUDA_UNROLL
    for (int i = 0; i < 8; i++) {
        if (c + i < t->channels)
            out->data[to + c + i] = sums.values[i];
    }
}

/* What a thread writes of the rows that all warps have put down, of which `row` is the first: eight
 * channels of some pixels. */
CUDA_INLINE void write_rows(const struct tile *t, int row, int thread)
{
    const struct cuda_args *a = t->args;
    const int units = t->eights, step = CUDA_THREADS / units, first = thread / units;
    const int at = (thread - first * units) * 8;
    const int stride = a->in[a->residual ? a->inputs - 1 : 0].stride;
    const int left = t->width - t->x, width = left < CUDA_TILE_W ? left : CUDA_TILE_W;
    for (int warp = 0; warp < WARPS && first < step; warp++) {
        const int y = t->y + warp * WARP_ROWS + row;
        if (y >= t->end)
            return;
        const int64_t to = cuda_offset(&a->out, t->frame, y, t->x);
        const int64_t from = residual_row(t, y) + (int64_t)t->x * stride;
        for (int pixel = first; pixel < width; pixel += step)
            write_unit(t, *(const struct unit *)(const void *)(stage_of(t, warp, pixel) + at),
                       to + pixel * a->out.stride, from + pixel * stride, t->first_channel + at);
    }
}

/* A column of the result where that is shuffled, in one row of those that a row of a warp becomes:
 * the channels of it that this block makes. */
struct shuffled {
    int low, high;  /* channels of the result */
    int ours, next; /* the sum that channel `low` is, of the block's, and how far to the next */
};

CUDA_INLINE struct shuffled shuffled_of(const struct tile *t, int place)
{
    const struct cuda_args *a = t->args;
    const int each = a->factor * a->factor, most = t->eights * 8, channels = a->out.channels;
    struct shuffled s;
    s.low = a->by_place ? 0 : t->first_channel / each;
    s.high = a->by_place ? channels : (t->first_channel + most - 1) / each + 1;
    s.high = s.high < channels ? s.high : channels;
    s.next = a->by_place ? 1 : each;
    s.ours = (a->by_place ? place * channels : s.low * each + place) - t->first_channel;
    return s;
}

CUDA_INLINE void write_shuffled(const struct tile *t, struct shuffled s, const float *sums,
                                int64_t to, int64_t from)
{
    const struct cuda_args *a = t->args;
    const bool late = adds_late(a);
    for (int c = s.low; c < s.high; c++, s.ours += s.next) {
        if (s.ours >= 0 && s.ours < t->eights * 8)
            cuda_put(&a->out, to + c,
                     with_residual(a, from, late ? c : t->first_channel + s.ours, sums[s.ours]));
    }
}

/* A column of all rows that the rows of all warps become. */
CUDA_INLINE void write_shuffled_column(const struct tile *t, int row, int column)
{
    const struct cuda_args *a = t->args;
    const int f = a->factor, pixel = column / f, x = t->x + pixel;
    const int stride = a->in[a->residual ? a->inputs - 1 : 0].stride;
    for (int dy = 0; dy < f && x < t->width; dy++) {
        const struct shuffled s = shuffled_of(t, dy * f + column % f);
        for (int warp = 0; warp < WARPS; warp++) {
            const int y = t->y + warp * WARP_ROWS + row;
            if (y >= t->end)
                break;
            write_shuffled(t, s, stage_of(t, warp, pixel),
                           cuda_offset(&a->out, t->frame, y * f + dy, t->x * f + column),
                           residual_row(t, y) + (int64_t)x * stride);
        }
    }
}

CUDA_INLINE void write_shuffled_rows(const struct tile *t, int row, int thread)
{
    for (int column = thread; column < CUDA_TILE_W * t->args->factor; column += CUDA_THREADS)
        write_shuffled_column(t, row, column);
}

CUDA_INLINE void give_any(const struct tile *t, int sixteens, struct products *kept)
{
    CUDA_UNROLL
    for (int row = 0; row < WARP_ROWS; row++) {
        if (row > 0)
            cuda_sync();
        CUDA_EACH_THREAD(i)
        stage_row(t, row, i, sixteens, CUDA_OWN(kept, i / CUDA_WARP, i % CUDA_WARP));
        cuda_sync();
        CUDA_EACH_THREAD(i)
        {
            if (t->args->factor == 1)
                write_rows(t, row, i);
            else
                write_shuffled_rows(t, row, i);
        }
    }
}

CUDA_INLINE void write_products(const struct tile *t, int sixteens, struct products *kept)
{
    CUDA_EACH_THREAD(i)
    {
        const int warp = i / CUDA_WARP, lane = i % CUDA_WARP;
        if (t->args->slopes)
            activate(t, lane, sixteens, true, CUDA_OWN(kept, warp, lane));
        else
            activate(t, lane, sixteens, false, CUDA_OWN(kept, warp, lane));
    }
    cuda_sync(); /* nobody reads the pixels any more */
    if (are_halves(t->args))
        give_halves(t, sixteens, kept);
    else if (are_rows(t))
        give_rows(t, sixteens, kept);
    else
        give_any(t, sixteens, kept);
}
