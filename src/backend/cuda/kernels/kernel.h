/* SPDX-License-Identifier: MIT */
/* What the host and the kernels of the device have in common.
 *
 * A kernel is one function of its arguments and of an index, which computes one item of the result:
 * a value, or a pixel. Nothing passes between two items of a launch, so the same source is two
 * things: on the device each thread computes one; compiled as C, a loop computes all of them, which
 * is the reference that the tests run. Every sum is taken in the order of the kernels of the
 * processor (src/kernels), with one rounding a step, so that fp32 has the same bits there and here:
 * nvcc gets -fmad=false, and a fused product is an explicit fmaf().
 *
 *     CUDA_INLINE void scale_at(const struct cuda_args *a, int64_t at) { ... }
 *     CUDA_KERNEL(cuda_scale, scale_at) */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/cuda/kernels/half.h"
#include "base/inline.h"
#include "graph/graph.h"
#include "graph/place.h"

/* A tensor of a batch on the device: rows of pixels in a ring, row y in slot y mod rows. Its values
 * are floats or halves (half.h), and so are offsets; where products of matrices read halves, a
 * pixel has a multiple of 16 of them, of which those past its channels are 0. Columns, global
 * tensors and what kernels with sums of their own read are floats. All halves of a run are of one
 * type. */
struct cuda_map {
    float *data;        /* row 0 of frame 0 */
    int64_t row, frame; /* from a row, a frame, to the next */
    int32_t stride;     /* from a pixel to the next; at least channels */
    int32_t rows;       /* of the ring */
    int32_t width, height, channels;
    enum pq_dtype type; /* of `data`: PQ_F32, PQ_F16, PQ_BF16 */
    int32_t bytes;      /* not 0: `data` are samples of a plane, of so many bytes */
};

/* What is filtered along an axis: `count` samples around it, and their weights. Those past `count`
 * are sample 0 with weight 0. */
enum { CUDA_TAPS = 8 };
struct cuda_taps {
    int32_t count, at[CUDA_TAPS];
    float weight[CUDA_TAPS];
};

/* The arguments of every kernel. A launch computes `count` items, which together are the rows
 * [y0, y0 + rows) of all frames of `out`, or what the kernel says that it leaves in `scratch`.
 * Those of the operation are as in graph/graph.h. */
struct cuda_args {
    int64_t count;
    struct cuda_map out, in[PQ_MAX_INPUTS];
    int64_t y0;
    int32_t rows, frames, inputs;
    uint32_t global_inputs; /* bit k: in[k] is one pixel that stands for all */
    struct cuda_map like;   /* the size of operation op->like; no data */

    const float *weights, *bias, *slopes; /* on the device, as program.c lays them out */
    const int32_t *index;                 /* attention.index, on the device */
    int64_t table_rows;                   /* of the table of biases */
    float *scratch;         /* of the run; holds nothing from one operation on to the next */
    int64_t scratch_floats; /* that the operation may use */

    struct pq_window ver, hor;
    struct pq_attention attention;
    enum pq_pad_mode pad_mode;
    enum pq_act_kind act_kind;
    int32_t factor; /* at least 1; of a convolution over 1 where it writes its result shuffled */
    int32_t first, groups, multiple, rate_num, rate_den;
    int32_t key_height, key_width;    /* of a window of keys without its reach, and */
    int32_t key_shift_y, key_shift_x; /* where number 0 begins: pq_attention_key_size(), _shift() */
    bool by_place, residual;
    float scale, eps, low, high;

    /* Planes of samples (samples.cu): of each how many samples across and down are a pixel, and the
     * row of the result that comes first; high is the largest sample. */
    int32_t across[PQ_SAMPLE_PLANES], down[PQ_SAMPLE_PLANES];
    int64_t from_y;
    bool codes, dither;
    struct pq_yuv yuv;
    struct cuda_taps ver_taps[2], hor_taps[2]; /* of chroma (yuv.c): for an even, an odd pixel */
    float matrix[3][4];                        /* what it makes of three values, and adds */
    bool along_row, by_alpha;                  /* of resize, and the most taps */
    int32_t taps;
    int32_t pick[4];
    float background[3];
    struct pq_touch touch;
    struct pq_range *seen; /* watch.cu; like is the size of what the network makes of in[0] */
    int32_t first_tile, tiles;
};

#ifdef __CUDACC__
#define CUDA_KERNEL(name, item)                                                                    \
    extern "C" __global__ void name(const __grid_constant__ struct cuda_args a)                    \
    {                                                                                              \
        const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;                          \
        if (i < a.count)                                                                           \
            item(&a, i);                                                                           \
    }
#else
#define CUDA_KERNEL(name, item)                                                                    \
    void name(const struct cuda_args *a);                                                          \
    void name(const struct cuda_args *a)                                                           \
    {                                                                                              \
        for (int64_t i = 0; i < a->count; i++)                                                     \
            item(a, i);                                                                            \
    }
#endif

enum { CUDA_BLOCK = 256 }; /* threads of a block */

/* ---- where things lie ---- */

/* Where a row begins, in values. Rows are counted in 31 bits: a GPU divides 64 by a hundred
 * instructions. */
CUDA_INLINE int64_t cuda_row(const struct cuda_map *m, int frame, int64_t y)
{
    return frame * m->frame + (int64_t)((uint32_t)y % (uint32_t)m->rows) * m->row;
}

CUDA_INLINE float *cuda_pixel(const struct cuda_map *m, int frame, int64_t y, int64_t x)
{
    return m->data + cuda_row(m, frame, y) + x * m->stride;
}

/* ---- values of maps of either type ---- */

/* Where a pixel begins, in values. */
CUDA_INLINE int64_t cuda_offset(const struct cuda_map *m, int frame, int64_t y, int64_t x)
{
    return cuda_row(m, frame, y) + x * m->stride;
}

CUDA_INLINE float cuda_get(const struct cuda_map *m, int64_t at)
{
    if (m->type == PQ_F32)
        return m->data[at];
    return cuda_half_value(m->type, ((const uint16_t *)(const void *)m->data)[at]);
}

CUDA_INLINE void cuda_put(const struct cuda_map *m, int64_t at, float value)
{
    if (m->type == PQ_F32)
        m->data[at] = value;
    else
        ((uint16_t *)(void *)m->data)[at] = cuda_half_bits(m->type, value);
}

/* Channel c of pixel (x, y), which must lie inside. */
CUDA_INLINE float cuda_value(const struct cuda_map *m, int frame, int64_t y, int64_t x, int c)
{
    return cuda_get(m, cuda_offset(m, frame, y, x) + c);
}

/* The same of input k; of the pixel that stands for all where it is global. */
CUDA_INLINE float cuda_value_of(const struct cuda_args *a, int k, int frame, int64_t y, int64_t x,
                                int c)
{
    const bool global = a->global_inputs >> k & 1;
    return cuda_value(&a->in[k], frame, global ? 0 : y, global ? 0 : x, c);
}

/* Pixel (x, y) of input k, of floats, which must lie inside; the one that stands for all where it
 * is global.
 */
CUDA_INLINE const float *cuda_input(const struct cuda_args *a, int k, int frame, int64_t y,
                                    int64_t x)
{
    const bool global = a->global_inputs >> k & 1;
    return cuda_pixel(&a->in[k], frame, global ? 0 : y, global ? 0 : x);
}

/* What an item is: one of `each` of a pixel of the result. */
struct cuda_item {
    int frame, x, c;
    int64_t y;
};
CUDA_INLINE struct cuda_item cuda_item_of(const struct cuda_args *a, int64_t at, int each)
{
    struct cuda_item i;
    if (a->count <= UINT32_MAX) { /* almost always, and much quicker */
        uint32_t n = (uint32_t)at;
        i.c = (int)(n % (uint32_t)each);
        n /= (uint32_t)each;
        i.x = (int)(n % (uint32_t)a->out.width);
        n /= (uint32_t)a->out.width;
        i.y = a->y0 + n % (uint32_t)a->rows;
        i.frame = (int)(n / (uint32_t)a->rows);
        return i;
    }
    i.c = (int)(at % each);
    at /= each;
    i.x = (int)(at % a->out.width);
    at /= a->out.width;
    i.y = a->y0 + at % a->rows;
    i.frame = (int)(at / a->rows);
    return i;
}
/* Values of a pixel that are written: of halves those past its channels, too. */
PQ_INLINE int cuda_written(const struct cuda_map *m)
{
    return m->type == PQ_F32 ? m->channels : m->stride;
}

/* The pixel of it, where it is of floats. */
CUDA_INLINE float *cuda_result_of(const struct cuda_args *a, const struct cuda_item *i)
{
    return cuda_pixel(&a->out, i->frame, i->y, i->x);
}

/* A kernel of which each item is a value of the result: `value` says which, of the channels. */
#define CUDA_VALUE_KERNEL(name, value)                                                             \
    CUDA_INLINE void name##_at(const struct cuda_args *a, int64_t at)                              \
    {                                                                                              \
        const struct cuda_item i = cuda_item_of(a, at, cuda_written(&a->out));                     \
        cuda_put(&a->out, cuda_offset(&a->out, i.frame, i.y, i.x) + i.c,                           \
                 i.c < a->out.channels ? value(a, &i) : 0.0f);                                     \
    }                                                                                              \
    CUDA_KERNEL(name, name##_at)
