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

/* Eight channels of a pixel. */
struct unit {
    alignas(16) float values[8];
};
struct unit_bits {
    alignas(16) uint32_t pairs[4];
};

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
            const uint32_t low = cuda_half_bits(t->type, sums.values[2 * i]);
            bits.pairs[i] = low | (uint32_t)cuda_half_bits(t->type, sums.values[2 * i + 1]) << 16;
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
    for (int warp = 0; warp < CUDA_THREADS / CUDA_WARP && first < step; warp++) {
        const int64_t y = t->y + warp * WARP_ROWS + row;
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

/* What is added has the result's channels, or those from before, and the size from before. */
CUDA_INLINE void write_shuffled(const struct tile *t, struct shuffled s, const float *sums,
                                int64_t to, int64_t from)
{
    const struct cuda_args *a = t->args;
    const bool late = a->in[a->residual ? a->inputs - 1 : 0].channels == a->out.channels;
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
        for (int warp = 0; warp < CUDA_THREADS / CUDA_WARP; warp++) {
            const int64_t y = t->y + warp * WARP_ROWS + row;
            if (y >= t->end)
                break;
            write_shuffled(t, s, stage_of(t, warp, pixel),
                           cuda_offset(&a->out, t->frame, y * f + dy, (int64_t)t->x * f + column),
                           residual_row(t, y) + (int64_t)x * stride);
        }
    }
}

CUDA_INLINE void write_shuffled_rows(const struct tile *t, int row, int thread)
{
    for (int column = thread; column < CUDA_TILE_W * t->args->factor; column += CUDA_THREADS)
        write_shuffled_column(t, row, column);
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
