/* SPDX-License-Identifier: MIT */
/* Rows of floats as the samples of a picture, and what there is among them. */
#include "kernels/samples.h"

#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"

void PQ_WIDE(samples8)(const float *values, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        pq_sample_store(out, i, values[i], 8);
}

void PQ_WIDE(samples16)(const float *values, size_t count, uint16_t *out)
{
    for (size_t i = 0; i < count; i++)
        pq_sample_store(out, i, values[i], 16);
}

/* Values of one channel, one after the other. NaN and infinities stay in low and high until the
 * end, which sees to them. */
static void widen(struct pq_range *range, float low, float high)
{
    const bool finite = low > -INFINITY && low < INFINITY && high > -INFINITY && high < INFINITY;
    range->low = low < range->low ? low : range->low;
    range->high = high > range->high ? high : range->high;
    range->bad |= !finite;
}

/* As lanes_larger(). */
LANES_INLINE float larger(float a, float most)
{
    return a > most || a != a ? a : most;
}

/* `blocks` of as many pixels as there are lanes. */
LANES_INLINE void look_at_blocks(const float *in, int blocks, int channels, struct pq_range *range)
{
    enum { MOST = 4 };
    struct lanes low[MOST], high[MOST]; /* low with the other sign */
    float lows[MOST * LANES], highs[MOST * LANES];
    const struct lanes zero = lanes_set(0.0f);
    UNROLLED_FOR (i, channels) {
        high[i] = lanes_load(in + i * LANES);
        low[i] = lanes_sub(zero, high[i]);
    }
    for (int b = 1; b < blocks; b++) {
        in += channels * LANES;
        UNROLLED_FOR (i, channels) {
            const struct lanes v = lanes_load(in + i * LANES);
            high[i] = lanes_larger(v, high[i]);
            low[i] = lanes_larger(lanes_sub(zero, v), low[i]);
        }
    }
    UNROLLED_FOR (i, channels) {
        lanes_store(highs + i * LANES, high[i]);
        lanes_store(lows + i * LANES, low[i]);
    }
    UNROLLED_FOR (step, 4) { /* half of the pixels each time */
        const int half = (LANES >> 1 >> step) * channels;
        for (int i = 0; i < half; i++) {
            highs[i] = larger(highs[i + half], highs[i]);
            lows[i] = larger(lows[i + half], lows[i]);
        }
    }
    for (int c = 0; c < channels; c++)
        widen(&range[c], -lows[c], highs[c]);
}

void PQ_WIDE(look)(const float *in, int pixels, int channels, struct pq_range *range)
{
    const int blocks = pixels / LANES;
    int done = blocks * LANES;
    if (blocks && channels == 1)
        look_at_blocks(in, blocks, 1, range);
    else if (blocks && channels == 3)
        look_at_blocks(in, blocks, 3, range);
    else if (blocks && channels == 4)
        look_at_blocks(in, blocks, 4, range);
    else
        done = 0;
    for (int i = done * channels; i < pixels * channels; i++)
        widen(&range[i % channels], in[i], in[i]);
}
