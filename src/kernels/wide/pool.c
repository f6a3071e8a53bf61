/* SPDX-License-Identifier: MIT */
/* The largest and the mean of a window. A lane is a channel; taps are taken row by row. */
#include <math.h>

#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"

/* Largest or sum over the taps of one window that lie inside, for the channels of the mask. */
LANES_INLINE struct lanes over_window(const struct pq_pool_args *a, int x, int c,
                                      struct lanes_mask some, const bool largest)
{
    struct lanes r = lanes_set(largest ? -INFINITY : 0.0f);
    for (int ky = 0; ky < a->kernel_h; ky++) {
        if (!a->rows[ky])
            continue;
        for (int kx = 0; kx < a->kernel_w; kx++) {
            const ptrdiff_t at = (ptrdiff_t)x * a->step + kx - a->left;
            if (at < 0 || at >= a->in_width)
                continue;
            struct lanes v = lanes_load_some(some, a->rows[ky] + at * a->in_stride + c);
            r = largest ? lanes_larger(v, r) : lanes_add(r, v);
        }
    }
    return r;
}

void PQ_WIDE(max_pool)(const struct pq_pool_args *a)
{
    for (int x = 0; x < a->out_width; x++) {
        float *out = a->out + (ptrdiff_t)x * a->out_stride;
        for (int c = 0; c < a->channels; c += LANES) {
            const struct lanes_mask some = lanes_first(a->channels - c);
            lanes_store_some(some, out + c, over_window(a, x, c, some, true));
        }
    }
}

void PQ_WIDE(mean_pool)(const struct pq_pool_args *a)
{
    const struct lanes taps = lanes_set((float)(a->kernel_h * a->kernel_w));
    for (int x = 0; x < a->out_width; x++) {
        float *out = a->out + (ptrdiff_t)x * a->out_stride;
        for (int c = 0; c < a->channels; c += LANES) {
            const struct lanes_mask some = lanes_first(a->channels - c);
            lanes_store_some(some, out + c, lanes_div(over_window(a, x, c, some, false), taps));
        }
    }
}
