/* SPDX-License-Identifier: MIT */
#include "backend/cuda/yuv.h"

#include <math.h>

#include "base/whole.h"

/* ---- chroma along an axis ---- */

/* Keys 1981 with a = -1/2: Catmull and Rom's. */
static double catmull_rom(double d)
{
    d = fabs(d);
    if (d < 1)
        return (1.5 * d - 2.5) * d * d + 1;
    return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

/* Taps first, first + 1, ... whose distances are (from - step k) / 4, of a sum of 1; all of them,
 * or without those that count for nothing. */
static struct cuda_taps taps_of(int most, int first, int from, int step, bool all)
{
    struct cuda_taps t = {0};
    double weights[CUDA_TAPS], sum = 0;
    for (int k = 0; k < most; k++)
        sum += weights[k] = catmull_rom((from - step * k) / 4.0);
    for (int k = 0; k < most; k++) {
        if (!all && weights[k] == 0)
            continue;
        t.at[t.count] = first + k;
        t.weight[t.count++] = (float)(weights[k] / sum);
    }
    return t;
}

/* Of chroma samples, for the pixels that are even or odd. Pixel i lies at i - site/2 of pixels
 * counted from chroma sample 0, of which each has two; places are counted from sample i/2. */
static struct cuda_taps taps_up(int odd, int sub, int site)
{
    const int quarters = 2 * odd - site, first = (int)pq_floor_div(quarters, 4) - 1;
    return sub ? taps_of(4, first, quarters - 4 * first, 4, false) : taps_of(1, 0, 0, 0, false);
}

/* Of pixels, for a chroma sample. It lies at 2 i + site/2; the filter is twice as wide, so that
 * nothing aliases; places are counted from pixel 2 i. */
static struct cuda_taps taps_down(int sub, int site, bool all)
{
    return sub ? taps_of(8, -3, 6 + site, 2, all) : taps_of(1, 0, 0, 0, all);
}

/* ---- the matrix ---- */

/* What the numbers of luma and chroma stand for. */
struct range {
    double y_zero, y_span, c_zero, c_span;
};
static struct range range_of(const struct pq_yuv *yuv)
{
    const int up = 1 << (yuv->depth - 8);
    const double most = (1 << yuv->depth) - 1;
    return (struct range){.y_zero = yuv->full ? 0 : 16 * up,
                          .y_span = yuv->full ? most : 219 * up,
                          .c_zero = 128 * up,
                          .c_span = yuv->full ? most : 224 * up};
}

/* A row of it; the last number is what makes `zero` of the three values become `at_zero`. */
static void set_row(float row[4], const double by[3], const double zero[3], double at_zero)
{
    for (int k = 0; k < 3; k++) {
        row[k] = (float)by[k];
        at_zero -= by[k] * zero[k];
    }
    row[3] = (float)at_zero;
}

static void set_from(const struct pq_yuv *yuv, float matrix[3][4])
{
    const struct range r = range_of(yuv);
    const double zero[3] = {r.y_zero, r.c_zero, r.c_zero}, y = 1 / r.y_span;
    const double red = 2 * (1 - yuv->kr) / r.c_span, blue = 2 * (1 - yuv->kb) / r.c_span;
    const double kg = 1 - yuv->kr - yuv->kb;
    set_row(matrix[0], (const double[3]){y, 0, red}, zero, 0);
    set_row(matrix[1], (const double[3]){y, -yuv->kb * blue / kg, -yuv->kr * red / kg}, zero, 0);
    set_row(matrix[2], (const double[3]){y, blue, 0}, zero, 0);
}

static void set_to(const struct pq_yuv *yuv, float matrix[3][4])
{
    static const double black[3] = {0, 0, 0};
    const struct range r = range_of(yuv);
    const double luma[3] = {yuv->kr, 1 - yuv->kr - yuv->kb, yuv->kb};
    const double span[3] = {r.y_span, r.c_span / (2 * (1 - yuv->kb)),
                            r.c_span / (2 * (1 - yuv->kr))};
    for (int p = 0; p < 3; p++) { /* Y, and B - Y, and R - Y */
        double by[3];
        for (int c = 0; c < 3; c++)
            by[c] = span[p] * (p == 0 ? luma[c] : (c == (p == 1 ? 2 : 0)) - luma[c]);
        set_row(matrix[p], by, black, p == 0 ? r.y_zero : r.c_zero);
    }
}

void cuda_set_yuv(const struct pq_op *op, struct cuda_args *a)
{
    const struct pq_yuv *yuv = &op->yuv;
    a->yuv = *yuv;
    if (op->kind == PQ_OP_FROM_YUV) {
        set_from(yuv, a->matrix);
        for (int odd = 0; odd < 2; odd++) {
            a->ver_taps[odd] = taps_up(odd, yuv->sub_y, yuv->site_y);
            a->hor_taps[odd] = taps_up(odd, yuv->sub_x, yuv->site_x);
        }
    } else {
        set_to(yuv, a->matrix);
        a->ver_taps[0] = taps_down(yuv->sub_y, yuv->site_y, true);
        a->hor_taps[0] = taps_down(yuv->sub_x, yuv->site_x, false);
    }
}
