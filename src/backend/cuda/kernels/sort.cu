/* SPDX-License-Identifier: MIT */
/* Pixels in the order of their categories. Categories, places and counts are int32 in the maps.
 *
 *     cuda_category      a pixel
 *     cuda_row_counts    a value: out.channels items a row, as a column has one pixel a row
 *     cuda_order         a row
 *     cuda_rank          a row; scratch as cuda_rank_scratch() says
 *     cuda_pick          a value */
#include <string.h>

#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/kernels/rows.h"

CUDA_INLINE int32_t number_at(const float *at)
{
    int32_t n;
    memcpy(&n, at, sizeof n);
    return n;
}

CUDA_INLINE void put_number(float *at, int32_t n)
{
    memcpy(at, &n, sizeof n);
}

CUDA_INLINE void category_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, 1);
    const float *in = cuda_pixel(&a->in[0], i.frame, i.y, i.x);
    int best = 0;
    for (int c = 1; c < a->in[0].channels; c++)
        best = in[c] > in[best] ? c : best;
    put_number(cuda_result_of(a, &i), best);
}
CUDA_KERNEL(cuda_category, category_at)

CUDA_INLINE void row_counts_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const struct cuda_map *in = &a->in[0];
    const float *from = cuda_pixel(in, i.frame, i.y, 0);
    int32_t count = 0;
    for (int x = 0; x < in->width; x++, from += in->stride)
        count += number_at(from) == i.c;
    put_number(cuda_result_of(a, &i) + i.c, count);
}
CUDA_KERNEL(cuda_row_counts, row_counts_at)

/* Pixels of a category in rows [y0, y1). */
CUDA_INLINE int64_t count_of_rows(const struct cuda_args *a, int frame, int category, int64_t y0,
                                  int64_t y1)
{
    int64_t count = 0;
    for (int64_t y = y0; y < y1; y++)
        count += number_at(cuda_pixel(&a->in[1], frame, y, 0) + category);
    return count;
}

/* Where the places of a row are being filled. */
struct cuda_filling {
    float *out;
    int left, stride;
};

/* Places of the pixels of a category in row y, all but the first `skip`. */
CUDA_INLINE void fill_from_row(const struct cuda_args *a, int frame, int category, int64_t y,
                               int64_t skip, struct cuda_filling *f)
{
    const struct cuda_map *map = &a->in[0];
    const float *in = cuda_pixel(map, frame, y, 0);
    for (int x = 0; x < map->width && f->left; x++, in += map->stride) {
        if (number_at(in) != category || skip-- > 0)
            continue;
        skip = 0;
        put_number(f->out, (int32_t)y);
        put_number(f->out + 1, x);
        f->out += f->stride;
        f->left--;
    }
}

/* Places of the pixels of a category in all rows, all but the first `skip`. */
CUDA_INLINE void fill_from_rows(const struct cuda_args *a, int frame, int category, int64_t skip,
                                struct cuda_filling *f)
{
    for (int64_t y = 0; y < a->in[0].height && f->left; y++) {
        const int64_t here = count_of_rows(a, frame, category, y, y + 1);
        if (skip < here)
            fill_from_row(a, frame, category, y, skip, f);
        skip = skip < here ? 0 : skip - here;
    }
}

CUDA_INLINE void order_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_row_item_of(a, at, 1);
    const int64_t width = a->out.width;
    struct cuda_filling f;
    f.out = cuda_result_of(a, &i);
    f.left = a->out.width;
    f.stride = a->out.stride;
    int64_t before = 0;
    for (int c = 0; c < a->groups && f.left; c++) {
        const int64_t all = count_of_rows(a, i.frame, c, 0, a->in[0].height);
        const int64_t place = i.y * width + (width - f.left);
        if (place < before + all)
            fill_from_rows(a, i.frame, c, place - before, &f);
        before += all;
    }
}
CUDA_KERNEL(cuda_order, order_at)

/* Scratch: the place of the next pixel of each category. */
CUDA_INLINE void rank_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_row_item_of(a, at, 1);
    const struct cuda_map *map = &a->in[0];
    int64_t *next = (int64_t *)(void *)a->scratch + at * a->groups, before = 0;
    for (int c = 0; c < a->groups; c++) {
        const int64_t above = count_of_rows(a, i.frame, c, 0, i.y);
        next[c] = before + above;
        before += above + count_of_rows(a, i.frame, c, i.y, map->height);
    }
    const float *in = cuda_pixel(map, i.frame, i.y, 0);
    float *out = cuda_result_of(a, &i);
    for (int x = 0; x < map->width; x++, in += map->stride, out += a->out.stride) {
        const int64_t place = next[number_at(in)]++;
        put_number(out, (int32_t)(place / map->width));
        put_number(out + 1, (int32_t)(place % map->width));
    }
}
CUDA_KERNEL(cuda_rank, rank_at)

CUDA_INLINE void pick_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, a->out.channels);
    const float *place = cuda_pixel(&a->in[1], i.frame, i.y, i.x);
    const float *from = cuda_pixel(&a->in[0], i.frame, number_at(place), number_at(place + 1));
    cuda_result_of(a, &i)[i.c] = from[i.c];
}
CUDA_KERNEL(cuda_pick, pick_at)
