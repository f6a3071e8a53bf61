/* SPDX-License-Identifier: MIT */
/* Which windows of attention a launch covers, and the floats that its kernels put aside: what they
 * and the host must agree upon. Windows lie as backend/cpu/attention.c has them. */
#pragma once

#include "backend/cuda/kernels/kernel.h"
#include "base/alloc.h"
#include "base/inline.h"
#include "graph/place.h"

/* The window that holds pixel `at` of an axis. Of a grid, pixels that are windows apart belong to
 * one. */
PQ_INLINE int64_t cuda_window_of(const struct cuda_args *a, bool hor, int64_t at)
{
    const struct pq_attention *w = &a->attention;
    if (w->grid)
        return hor ? at % (a->out.width / w->width) : at % (a->out.height / w->height);
    return hor ? pq_floor_div(at - w->shift_x, w->width) : pq_floor_div(at - w->shift_y, w->height);
}

/* The first window of a launch along an axis; it may be -1. A launch covers all columns. */
PQ_INLINE int64_t cuda_first_window(const struct cuda_args *a, bool hor)
{
    return a->attention.grid ? 0 : cuda_window_of(a, hor, hor ? 0 : a->y0);
}

/* How many there are of them. */
PQ_INLINE int64_t cuda_windows(const struct cuda_args *a, bool hor)
{
    const struct pq_attention *w = &a->attention;
    if (w->grid)
        return hor ? a->out.width / w->width : a->out.height / w->height;
    const int64_t last = hor ? a->out.width - 1 : a->y0 + a->rows - 1;
    return cuda_window_of(a, hor, last) - cuda_first_window(a, hor) + 1;
}

/* ---- attention among channels ---- */

/* Channels of a head. */
PQ_INLINE int cuda_head_size(const struct cuda_args *a)
{
    return a->out.channels / a->attention.heads;
}

/* Items of cuda_channel_matrix: one a column of the matrix of each window and head. */
PQ_INLINE int64_t cuda_channel_items(const struct cuda_args *a)
{
    return a->frames * cuda_windows(a, false) * cuda_windows(a, true) * a->out.channels;
}

/* Floats of those matrices; false where they are more than a size_t. A launch of as many rows from
 * another window on needs no more: windows of channel attention are not shifted. */
static inline bool cuda_channel_scratch(const struct cuda_args *a, size_t *floats)
{
    return pq_mul_size((size_t)cuda_windows(a, false), (size_t)cuda_windows(a, true), floats) &&
           pq_mul_size(*floats, (size_t)a->frames, floats) &&
           pq_mul_size(*floats, (size_t)a->out.channels, floats) &&
           pq_mul_size(*floats, (size_t)cuda_head_size(a), floats);
}

/* ---- places of sorted pixels ---- */

/* Floats of cuda_rank: for each row the next place of each category, an int64. */
static inline bool cuda_rank_scratch(const struct cuda_args *a, size_t *floats)
{
    return pq_mul_size((size_t)a->rows, (size_t)a->frames, floats) &&
           pq_mul_size(*floats, 2 * (size_t)a->groups, floats);
}
