/* SPDX-License-Identifier: MIT */
/* Each channel convolved with itself. A lane is a channel; neighbouring pixels share the weights
 * that are in registers. */
#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"

#if defined(__AVX512F__)
enum { PIXELS = 8 };
#else
enum { PIXELS = 4 };
#endif

/* A block of lanes of `pixels` neighbouring pixels. */
LANES_INLINE void pixels_at(const struct pq_depthwise_args *a, int x, int c, const int pixels,
                            const bool full)
{
    const struct lanes_mask some = lanes_first(a->channels - c);
    struct lanes sum[PIXELS];
    const struct lanes bias = full ? lanes_load(a->bias + c) : lanes_load_some(some, a->bias + c);
    UNROLLED_FOR (p, pixels)
        sum[p] = bias;
    const ptrdiff_t step = (ptrdiff_t)a->step * a->in_stride;
    const ptrdiff_t dilation = (ptrdiff_t)a->dilation * a->in_stride;
    const ptrdiff_t first = ((ptrdiff_t)x * a->step - a->left) * a->in_stride + c;
    const float *w = a->weights + c;
    for (int ky = 0; ky < a->kernel_h; ky++) {
        const float *in = a->rows[ky] + first;
        for (int kx = 0; kx < a->kernel_w; kx++, in += dilation, w += a->channels) {
            const struct lanes weight = full ? lanes_load(w) : lanes_load_some(some, w);
            UNROLLED_FOR (p, pixels) {
                const float *at = in + p * step;
                sum[p] =
                    lanes_fma(full ? lanes_load(at) : lanes_load_some(some, at), weight, sum[p]);
            }
        }
    }
    UNROLLED_FOR (p, pixels) {
        float *out = a->out + (ptrdiff_t)(x + p) * a->out_stride + c;
        if (full)
            lanes_store(out, sum[p]);
        else
            lanes_store_some(some, out, sum[p]);
    }
}

void PQ_WIDE(depthwise)(const struct pq_depthwise_args *a)
{
    int x = a->x0;
    for (; x + PIXELS <= a->x1; x += PIXELS) {
        int c = 0;
        for (; c + LANES <= a->channels; c += LANES)
            pixels_at(a, x, c, PIXELS, true);
        if (c < a->channels)
            pixels_at(a, x, c, PIXELS, false);
    }
    for (; x < a->x1; x++) {
        for (int c = 0; c < a->channels; c += LANES)
            pixels_at(a, x, c, 1, false);
    }
}
