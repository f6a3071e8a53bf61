/* SPDX-License-Identifier: MIT */
/* The reference of Winograd's convolution in 16-bit words, and the packing of its weights. */
#include "kernels/winograd16.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "kernels/wide.h"
#include "kernels/winograd_steps.h"

enum {
    LANES = PQ_CONV_LANES,
    TILE = PQ_WINOGRAD_TILE,
    READ = PQ_WINOGRAD_READ,
    POINTS = PQ_WINOGRAD_POINTS,
    MOST_WORD = 32767,
    MOST_SUM = 65538 /* times MOST_WORD is 2^31 - 2 */
};

#if defined(__x86_64__)
pq_winograd_fn pq_wide_vnni_winograd16; /* wide/winograd16.c, compiled once more */
#endif

pq_winograd_fn *pq_winograd16(int cpu_level)
{
#if defined(__x86_64__)
    if (cpu_level >= PQ_CPU_VNNI)
        return pq_wide_vnni_winograd16;
#endif
    return pq_wide(cpu_level)->winograd16;
}

/* As pq_winograd_tiles(); half a MiB of words are as many weights as a MiB of floats. */
int pq_winograd16_tiles(int out_channels, int in_channels)
{
    const size_t bytes = pq_winograd16_packed_size(out_channels, in_channels) * sizeof(int16_t);
    if (bytes <= 1 << 19)
        return PQ_WINOGRAD_TILES / 4;
    return pq_cpu_best() == PQ_CPU_AVX2 ? PQ_WINOGRAD_TILES / 2 : PQ_WINOGRAD_TILES;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* Pairs of all tiles at all points, and the sums of a group of lanes, as of pq_winograd_scratch();
 * what takes each point of each tile back; one tile's input in floats, with a line to spare. */
size_t pq_winograd16_scratch_of(int tiles, int in_channels)
{
    const size_t pairs = round_up((size_t)pq_winograd16_pairs(in_channels), LANES);
    return POINTS * ((size_t)tiles * (pairs + PQ_CONV_GROUP * LANES) + 2 * LANES) +
           (size_t)tiles * (LANES + PQ_WINOGRAD16_POINTS) +
           POINTS * pq_winograd16_apart(in_channels);
}

size_t pq_winograd16_scratch(int out_channels, int in_channels)
{
    return pq_winograd16_scratch_of(pq_winograd16_tiles(out_channels, in_channels), in_channels);
}

/* ---- weights ---- */

size_t pq_winograd16_packed_size(int out_channels, int in_channels)
{
    return round_up((size_t)out_channels, LANES) * (size_t)pq_winograd16_pairs(in_channels) * 2 *
           POINTS;
}

/* All filters of a result's channel at all points, [in][36], with what of G is doubled. */
static void filters_of(const float *weights, int in_channels, double *u)
{
    for (int c = 0; c < in_channels; c++, u += POINTS) {
        pq_winograd_filter(weights + (size_t)c * 9, u);
        for (int k = 0; k < POINTS; k++) {
            const int row = k / READ, column = k % READ;
            u[k] *= (row == 3 || row == 4 ? 2 : 1) * (column == 3 || column == 4 ? 2 : 1);
        }
    }
}

/* The least factor that keeps the bound. NaN where a weight is not finite. */
static float factor_of(const double *u, int in_channels)
{
    const int group = pq_winograd16_sum(in_channels);
    double most = 0, most_sum = 0;
    for (int k = 0; k < POINTS; k++) {
        double sum = 0;
        for (int i = 0; i < 2 * pq_winograd16_pairs(in_channels); i++) {
            const int c = pq_winograd16_channel(in_channels, i / 2, i % 2);
            const double size = c < in_channels ? fabs(u[(ptrdiff_t)c * POINTS + k]) : 0;
            if (!(size < INFINITY))
                return NAN;
            sum = i % (2 * group) ? sum + size : size;
            most_sum = PQ_MAX(most_sum, sum);
            most = PQ_MAX(most, size);
        }
    }
    double least = PQ_MAX(most_sum / (MOST_SUM - 1 - group), most / MOST_WORD);
    least = PQ_MAX(least, (double)FLT_MIN);
    if (!(least < (double)FLT_MAX))
        return NAN;
    const float factor = (float)least;
    return (double)factor < least ? nextafterf(factor, INFINITY) : factor;
}

/* The nearest whole number, ties to even. */
static int16_t word_of(double x)
{
    const double whole = 0x1.8p52; /* a sum with it is one */
    return (int16_t)(x + whole - whole);
}

void pq_winograd16_pack(const float *weights, int out_channels, int in_channels, double *work,
                        int16_t *words, float *factors)
{
    const int blocks = (out_channels + LANES - 1) / LANES, pairs = pq_winograd16_pairs(in_channels);
    memset(words, 0, pq_winograd16_packed_size(out_channels, in_channels) * sizeof *words);
    for (int o = 0; o < blocks * LANES; o++) {
        factors[o] = 1;
        if (o >= out_channels)
            continue;
        filters_of(weights + (size_t)o * (size_t)in_channels * 9, in_channels, work);
        factors[o] = factor_of(work, in_channels);
        if (isnan(factors[o]))
            continue;
        const double per = 1 / (double)factors[o];
        const int first = o / (PQ_CONV_GROUP * LANES) * PQ_CONV_GROUP;
        const size_t step = (size_t)PQ_MIN(blocks - first, PQ_CONV_GROUP) * LANES * 2;
        int16_t *to = words + (size_t)first * LANES * 2 * (size_t)pairs * POINTS +
                      pq_winograd16_place(o - first * LANES);
        for (int k = 0; k < POINTS; k++) {
            for (int pair = 0; pair < pairs; pair++, to += step) {
                for (int second = 0; second < 2; second++) {
                    const int c = pq_winograd16_channel(in_channels, pair, second);
                    if (c < in_channels)
                        to[second * PQ_WINOGRAD16_RUN] =
                            word_of(work[(ptrdiff_t)c * POINTS + k] * per);
                }
            }
        }
    }
}

/* ---- the reference ---- */

/* A'm, of six values that are `from` apart, times the powers of two in `back`, likewise, into four
 * that are `to` apart. */
static void scaled_values(const float *m, const float *back, int from, float *y, int to)
{
    const float m2 = m[2 * from] * back[2 * from], m4 = m[4 * from] * back[4 * from];
    const float a = fmaf(m[from], back[from], m2), b = fmaf(m[from], back[from], -m2);
    const float c = fmaf(m[3 * from], back[3 * from], m4);
    const float d = fmaf(m[3 * from], back[3 * from], -m4);
    y[0] = fmaf(0.5f, c, fmaf(m[0], back[0], a));
    y[to] = PQ_WINOGRAD_HALF_ROOT * (b + d);
    y[2 * to] = fmaf(0.5f, a, c);
    y[3 * to] = fmaf(PQ_WINOGRAD_ROOT, d,
                     fmaf(0.5f * PQ_WINOGRAD_HALF_ROOT, b, m[5 * from] * back[5 * from]));
}

/* The same where all are to be as they are. */
static void output_values(const float *m, float *y)
{
    const float a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
    y[0] = fmaf(0.5f, c, m[0] + a);
    y[1] = PQ_WINOGRAD_HALF_ROOT * (b + d);
    y[2] = fmaf(0.5f, a, c);
    y[3] = fmaf(PQ_WINOGRAD_ROOT, d, fmaf(0.5f * PQ_WINOGRAD_HALF_ROOT, b, m[5]));
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Words of all channels of a tile in place of its floats, [channel][36]. A point that is NaN has
 * zeros, and takes back as NaN. */
static void round_tile(const float *v, int channels, int32_t *q, float back[POINTS])
{
    const float whole = 0x1.8p23f; /* a sum with it is a whole number */
    for (int k = 0; k < POINTS; k++) {
        uint32_t most = 0, up, down;
        for (int c = 0; c < channels; c++) {
            uint32_t bits;
            memcpy(&bits, &v[c * POINTS + k], sizeof bits);
            most = PQ_MAX(most, bits & 0x7fffffff);
        }
        pq_winograd16_scale(most, &up, &down);
        back[k] = float_of(down);
        for (int c = 0; c < channels; c++) {
            const int at = c * POINTS + k;
            q[at] = isnan(back[k]) ? 0 : (int32_t)(fmaf(v[at], float_of(up), whole) - whole);
        }
    }
}

/* Of the pairs i to `end`. w: of the first pair. */
static int32_t pairs_sum(int channels, int i, int end, const int32_t *q, const int16_t *w, int step)
{
    int32_t sum = 0;
    for (; i < end; i++) {
        for (int second = 0; second < 2; second++) {
            const int c = pq_winograd16_channel(channels, i, second);
            if (c < channels)
                sum += q[c * POINTS] * w[(ptrdiff_t)i * step + second * PQ_WINOGRAD16_RUN];
        }
    }
    return sum;
}

/* One lane of tile t. q: [channel][36]; w: its words of the first pair at the first point; step,
 * point: words from one pair's to the next, and from one point's. */
static void lane_of(const struct pq_winograd_args *a, int t, int lane, const int32_t *q,
                    const float *back, const int16_t *w, int step, size_t point)
{
    const int channels = pq_winograd_channels(a), pairs = pq_winograd16_pairs(channels);
    const int group = pq_winograd16_sum(channels);
    float m[POINTS], half[TILE * READ], y[TILE * TILE];
    for (int k = 0; k < POINTS; k++) {
        m[k] = 0.0f;
        for (int i = 0; i < pairs; i += group)
            m[k] += (float)pairs_sum(channels, i, PQ_MIN(pairs, i + group), q + k,
                                     w + (size_t)k * point, step);
    }
    for (int i = 0; i < READ; i++)
        scaled_values(m + i, back + i, READ, half + i, READ);
    for (int row = 0; row < TILE; row++)
        output_values(half + (ptrdiff_t)row * READ, y + (ptrdiff_t)row * TILE);
    for (int i = 0; i < TILE * TILE; i++)
        y[i] = fmaf(y[i], a->factors[lane], a->bias[lane]);
    pq_winograd_output(a, t, lane, y);
}

void pq_winograd16_c(const struct pq_winograd_args *a)
{
    const int channels = pq_winograd_channels(a);
    float *v = a->scratch, back[POINTS];
    int32_t *q = (int32_t *)(v + (ptrdiff_t)channels * POINTS);
    for (int t = a->tile0; t < a->tile1; t++) {
        float *to = v;
        for (int i = 0; i < a->part_count; i++) {
            for (int c = 0; c < a->parts[i].channels; c++, to += POINTS)
                pq_winograd_input(a, &a->parts[i], t, c, to);
        }
        round_tile(v, channels, q, back);
        const int16_t *w = a->words;
        for (int first = 0; first < a->blocks; first += PQ_CONV_GROUP) {
            const int step = PQ_MIN(a->blocks - first, PQ_CONV_GROUP) * LANES * 2;
            const size_t point = (size_t)pq_winograd16_pairs(channels) * (size_t)step;
            for (int lane = 0; lane < step / 2; lane++)
                lane_of(a, t, first * LANES + lane, q, back, w + pq_winograd16_place(lane), step,
                        point);
            w += POINTS * point;
        }
    }
}
