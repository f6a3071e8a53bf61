/* SPDX-License-Identifier: MIT */
/* How the sums of a convolution as a product of matrices become its result.
 *
 * They lie in the registers of a warp as its products leave them. They go through shared memory, a
 * row of each warp at a time, so that neighbouring threads write what lies side by side; also where
 * the result is shuffled, and each pixel becomes factor x factor of them. */
#pragma once

#include <assert.h>
#include <stdalign.h>

#include "backend/cuda/kernels/conv_block.h"

enum {
    STAGE_PAD = 8, /* floats behind a pixel, which put 4 of them into different banks */
    STAGE_FLOATS = CUDA_THREADS / CUDA_WARP * CUDA_TILE_W * (MOST_EIGHTS * 8 + STAGE_PAD)
};

/* There is room for them where the pixels and the weights of a 1x1 convolution were. */
static_assert(STAGE_FLOATS * 2 <= (CUDA_TILE_W * CUDA_TILE_H + 2 * 64) * CUDA_CHUNK, "");

/* Where the sums of a pixel of a warp's row are put down. */
CUDA_INLINE float *stage_of(const struct tile *t, int warp, int pixel)
{
    const int width = t->eights * 8 + STAGE_PAD;
    return (float *)(void *)t->weights + (warp * CUDA_TILE_W + pixel) * width;
}

/* What becomes of a sum but for the residual. */
CUDA_INLINE float activated(const struct cuda_args *a, float bias, float slope, float sum)
{
    const float v = sum + bias;
    return a->slopes && v < 0.0f ? v * slope : v;
}

/* Two channels that follow one another. */
struct pair {
    alignas(8) float first;
    float second;
};

/* A row of a warp; zeros past the last channel. */
CUDA_INLINE void stage_row(const struct tile *t, int row, int thread, int sixteens,
                           const struct products *p)
{
    const struct cuda_args *a = t->args;
    const int warp = thread / CUDA_WARP, lane = thread % CUDA_WARP;
    CUDA_UNROLL
    for (int n = 0; n < 2 * sixteens; n++) {
        const int at = n * 8 + lane % 4 * 2;
        float bias[2], slopes[2];
        CUDA_UNROLL
        for (int j = 0; j < 2; j++) {
            const int c = t->first_channel + at + j;
            bias[j] = c < t->channels ? a->bias[c] : 0.0f;
            slopes[j] = c < t->channels && a->slopes ? a->slopes[c] : 1.0f;
        }
        CUDA_UNROLL
        for (int i = 0; i < CUDA_TILE_W / 8; i++) {
            const float *sums = p->d[row * (CUDA_TILE_W / 16) + i / 2][n] + i % 2 * 2;
            struct pair *to = (struct pair *)(void *)(stage_of(t, warp, i * 8 + lane / 4) + at);
            to->first = activated(a, bias[0], slopes[0], sums[0]);
            to->second = activated(a, bias[1], slopes[1], sums[1]);
        }
    }
}

/* A row of a map begins here, in values. */
CUDA_INLINE int64_t row_of(const struct cuda_map *m, int frame, int64_t y)
{
    return frame * m->frame + y % m->rows * m->row;
}

/* Channel c of a pixel, whose residual begins at `from`, with that. */
CUDA_INLINE float with_residual(const struct cuda_args *a, int64_t from, int c, float v)
{
    return a->residual ? cuda_get(&a->in[a->inputs - 1], from + c) + a->scale * v : v;
}

/* Where the residual of a row of the convolution's size begins. */
CUDA_INLINE int64_t residual_row(const struct tile *t, int64_t y)
{
    return t->args->residual ? row_of(&t->args->in[t->args->inputs - 1], t->frame, y) : 0;
}

/* Channels c and c + 1 of a pixel. */
CUDA_INLINE void write_pair(const struct tile *t, const struct pair *pair, int64_t to, int64_t from,
                            int c)
{
    const struct cuda_args *a = t->args;
    const struct cuda_map *out = &a->out;
    const float v0 = c < t->channels ? with_residual(a, from, c, pair->first) : 0.0f;
    const float v1 = c + 1 < t->channels ? with_residual(a, from, c + 1, pair->second) : 0.0f;
    if (out->type !=
        PQ_F32) { /* whose stride is a multiple of 16, and which has zeros to its end */
        const uint32_t low = cuda_half_bits(t->type, v0), high = cuda_half_bits(t->type, v1);
        if (c < out->stride)
            *(uint32_t *)(void *)((uint16_t *)(void *)out->data + to) = low | high << 16;
        return;
    }
    if (c < t->channels)
        out->data[to] = v0;
    if (c + 1 < t->channels)
        out->data[to + 1] = v1;
}

/* What a thread writes of the rows that all warps have put down, of which `row` is the first. */
CUDA_INLINE void write_rows(const struct tile *t, int row, int thread)
{
    const struct cuda_args *a = t->args;
    const int pairs = t->eights * 4, stride = a->in[a->residual ? a->inputs - 1 : 0].stride;
    for (int n = thread; n < CUDA_THREADS * pairs; n += CUDA_THREADS) {
        const int at = n % pairs * 2, pixel = n / pairs % CUDA_TILE_W;
        const int warp = n / pairs / CUDA_TILE_W, x = t->x + pixel;
        const int64_t y = t->y + warp * WARP_ROWS + row;
        if (y >= t->end || x >= t->width)
            continue;
        const float *sums = stage_of(t, warp, pixel) + at;
        const int c = t->first_channel + at;
        write_pair(t, (const struct pair *)(const void *)sums,
                   cuda_offset(&a->out, t->frame, y, x) + c,
                   residual_row(t, y) + (int64_t)x * stride, c);
    }
}

/* One row of the result where that is shuffled: row dy of those that row y of a warp becomes. What
 * is added to it has its channels and the size from before. */
CUDA_INLINE void write_shuffled_row(const struct tile *t, int warp, int64_t y, int dy, int thread)
{
    const struct cuda_args *a = t->args;
    const int f = a->factor, channels = a->out.channels, most = t->eights * 8;
    const struct cuda_map *residual = &a->in[a->residual ? a->inputs - 1 : 0];
    const bool by_place = a->by_place, late = residual->channels == channels;
    /* Those channels of the result of which this block makes some. */
    const int low = by_place ? 0 : t->first_channel / (f * f);
    const int high = by_place ? channels : (t->first_channel + most - 1) / (f * f) + 1;
    const unsigned each = (unsigned)((high < channels ? high : channels) - low);
    const int64_t to = row_of(&a->out, t->frame, y * f + dy), from = residual_row(t, y);
    for (unsigned n = (unsigned)thread; n < CUDA_TILE_W * (unsigned)f * each; n += CUDA_THREADS) {
        const int column = (int)(n / each), c = low + (int)(n % each);
        const int pixel = column / f, place = dy * f + column % f, x = t->x + pixel;
        const int ours = by_place ? place * channels + c : c * f * f + place;
        const int at = ours - t->first_channel;
        if (at < 0 || at >= most || x >= t->width)
            continue;
        cuda_put(&a->out, to + ((int64_t)t->x * f + column) * a->out.stride + c,
                 with_residual(a, from + (int64_t)x * residual->stride, late ? c : ours,
                               stage_of(t, warp, pixel)[at]));
    }
}

CUDA_INLINE void write_shuffled_rows(const struct tile *t, int row, int thread)
{
    for (int warp = 0; warp < CUDA_THREADS / CUDA_WARP; warp++) {
        const int64_t y = t->y + warp * WARP_ROWS + row;
        for (int dy = 0; dy < t->args->factor && y < t->end; dy++)
            write_shuffled_row(t, warp, y, dy, thread);
    }
}

CUDA_INLINE void write_products(const struct tile *t, int sixteens, struct products *kept)
{
    CUDA_UNROLL
    for (int row = 0; row < WARP_ROWS; row++) {
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
