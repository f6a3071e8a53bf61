/* SPDX-License-Identifier: MIT */
/* Between the samples of pictures and a network: an item is a value of the result.
 *
 *     cuda_load_planes    samples in planes, a map each, -> the map of the graph's input
 *     cuda_store_plane    the map of the graph's result -> rows of one plane
 *     cuda_from_yuv, cuda_to_yuv, cuda_resize, cuda_effects    as graph/graph.h says
 *
 * A plane that comes or goes is a map of one channel without anything between two samples, whose
 * first row belongs to the first row of the step. */
#include <math.h>

#include "backend/cuda/kernels/kernel.h"
#include "graph/place.h"
#include "kernels/colour.h"

/* ---- samples ---- */

CUDA_INLINE float sample_at(const struct cuda_map *plane, int64_t at)
{
    const void *data = plane->data;
    return plane->bytes == 1 ? (float)((const uint8_t *)data)[at]
                             : (float)((const uint16_t *)data)[at];
}

CUDA_INLINE float load_planes_value(const struct cuda_args *a, const struct cuda_item *i)
{
    int c = i->c, p = 0;
    while (c >= a->across[p] * a->down[p]) {
        c -= a->across[p] * a->down[p];
        p++;
    }
    const struct cuda_map *plane = &a->in[p];
    const int64_t y = (i->y - a->y0) * a->down[p] + c / a->across[p];
    const int64_t x = (int64_t)i->x * a->across[p] + c % a->across[p];
    const float v = sample_at(plane, i->frame * plane->frame + y * plane->row + x);
    return a->codes ? v : v * (1.0f / a->high);
}
CUDA_VALUE_KERNEL(cuda_load_planes, load_planes_value)

/* What is added before a sample of fewer bits is rounded: one of 256 steps between -1/2 and 1/2,
 * such that any square of 2^n samples a side has them evenly spread (Bayer 1973). */
CUDA_INLINE float dither_at(int64_t x, int64_t y)
{
    unsigned v = 0;
    for (int bit = 0; bit < 4; bit++) {
        const unsigned bx = (unsigned)(x >> bit) & 1, by = (unsigned)(y >> bit) & 1;
        v |= ((bx ^ by) << 1 | by) << (2 * (3 - bit));
    }
    return ((float)v + 0.5f) / 256.0f - 0.5f;
}

/* The number of a value that is one, dithered. */
CUDA_INLINE int code_of(const struct cuda_args *a, float v, int64_t x, int64_t y)
{
    v = v + (a->dither ? dither_at(x, y) : 0.0f) + 0.5f;
    return v > 0.0f ? (v < a->high ? (int)v : (int)a->high) : 0;
}

/* y counts samples of the plane from the first of the step. */
CUDA_INLINE void store_plane_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_item_of(a, at, 1);
    const int across = a->across[0], down = a->down[0];
    const int c = a->first + (int)(i.y % down) * across + i.x % across;
    const float v = cuda_value(&a->in[0], i.frame, a->from_y + i.y / down, i.x / across, c);
    const int code =
        a->codes ? code_of(a, v, i.x, a->from_y * down + i.y) : pq_sample_of(v, a->high);
    const int64_t to = i.frame * a->out.frame + i.y * a->out.row + i.x;
    void *data = a->out.data;
    if (a->out.bytes == 1)
        ((uint8_t *)data)[to] = (uint8_t)code;
    else
        ((uint16_t *)data)[to] = (uint16_t)code;
}
CUDA_KERNEL(cuda_store_plane, store_plane_at)

/* ---- luma and chroma ---- */

/* Keys 1981 with a = -1/2: Catmull and Rom's. */
CUDA_INLINE float catmull_rom(float d)
{
    d = fabsf(d);
    if (d < 1.0f)
        return (1.5f * d - 2.5f) * d * d + 1.0f;
    return d < 2.0f ? ((-0.5f * d + 2.5f) * d - 4.0f) * d + 2.0f : 0.0f;
}

/* The taps of a pixel among chroma samples, or of a chroma sample among pixels, along an axis: tap
 * k is sample first + k, whose distance is (from - step k) / 4. */
struct chroma_taps {
    int64_t first;
    int count;
    float from, step, sum;
};

CUDA_INLINE float tap_weight(const struct chroma_taps *t, int k)
{
    return t->count == 1 ? 1.0f : catmull_rom((t->from - t->step * (float)k) / 4.0f) / t->sum;
}

CUDA_INLINE struct chroma_taps one_tap(int64_t i)
{
    struct chroma_taps t;
    t.first = i;
    t.count = 1;
    t.from = t.step = 0.0f;
    t.sum = 1.0f;
    return t;
}

/* Pixel i lies at i - site/2 of pixels counted from chroma sample 0, of which each has two. */
CUDA_INLINE struct chroma_taps taps_up(int64_t i, int sub, int site)
{
    struct chroma_taps t = one_tap(i);
    if (!sub)
        return t;
    const int64_t quarters = 2 * i - site;
    t.first = pq_floor_div(quarters, 4) - 1;
    t.count = 4;
    t.from = (float)(quarters - 4 * t.first);
    t.step = 4.0f;
    return t;
}

/* Chroma sample i lies at 2 i + site/2; the filter is twice as wide, so that nothing aliases. */
CUDA_INLINE struct chroma_taps taps_down(int64_t i, int sub, int site)
{
    struct chroma_taps t = one_tap(i);
    if (!sub)
        return t;
    t.first = 2 * i - 3;
    t.count = 8;
    t.from = (float)(6 + site);
    t.step = 2.0f;
    float sum = 0.0f;
    for (int k = 0; k < 8; k++)
        sum += tap_weight(&t, k);
    t.sum = sum;
    return t;
}

/* What the numbers of luma and chroma stand for. */
struct yuv_range {
    float y_zero, y_span, c_zero, c_span;
};
CUDA_INLINE struct yuv_range range_of(const struct pq_yuv *yuv)
{
    const int up = 1 << (yuv->depth - 8);
    const float most = (float)((1 << yuv->depth) - 1);
    struct yuv_range r;
    r.y_zero = yuv->full ? 0.0f : (float)(16 * up);
    r.y_span = yuv->full ? most : (float)(219 * up);
    r.c_zero = (float)(128 * up);
    r.c_span = yuv->full ? most : (float)(224 * up);
    return r;
}

/* Chroma p, 0 or 1, of pixel (x, y), as it is stored. */
CUDA_INLINE float chroma_at(const struct cuda_args *a, int frame, int64_t y, int64_t x, int p)
{
    const struct pq_yuv *yuv = &a->yuv;
    const int side = a->factor, across = side >> yuv->sub_x, down = side >> yuv->sub_y;
    const struct chroma_taps ver = taps_up(y, yuv->sub_y, yuv->site_y);
    const struct chroma_taps hor = taps_up(x, yuv->sub_x, yuv->site_x);
    const int64_t height = (int64_t)a->in[0].height * down,
                  width = (int64_t)a->in[0].width * across;
    float sum = 0.0f;
    for (int v = 0; v < ver.count; v++) {
        const int64_t cy = pq_pad_source(PQ_PAD_MIRROR, ver.first + v, height);
        float row = 0.0f;
        for (int h = 0; h < hor.count; h++) {
            const int64_t cx = pq_pad_source(PQ_PAD_MIRROR, hor.first + h, width);
            const int c =
                side * side + p * across * down + (int)(cy % down) * across + (int)(cx % across);
            row += tap_weight(&hor, h) * cuda_value(&a->in[0], frame, cy / down, cx / across, c);
        }
        sum += tap_weight(&ver, v) * row;
    }
    return sum;
}

CUDA_INLINE float from_yuv_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const struct pq_yuv *yuv = &a->yuv;
    const struct yuv_range r = range_of(yuv);
    const int side = a->factor, c = (int)(i->y % side) * side + i->x % side;
    const float kr = (float)yuv->kr, kb = (float)yuv->kb, kg = 1.0f - kr - kb;
    const float luma =
        (cuda_value(&a->in[0], i->frame, i->y / side, i->x / side, c) - r.y_zero) / r.y_span;
    float cb = 0.0f, cr = 0.0f;
    if (i->c < 2)
        cr = (chroma_at(a, i->frame, i->y, i->x, 1) - r.c_zero) / r.c_span;
    if (i->c > 0)
        cb = (chroma_at(a, i->frame, i->y, i->x, 0) - r.c_zero) / r.c_span;
    const float red = 2.0f * (1.0f - kr) * cr, blue = 2.0f * (1.0f - kb) * cb;
    if (i->c == 0)
        return pq_clip01(luma + red);
    if (i->c == 2)
        return pq_clip01(luma + blue);
    return pq_clip01(luma - (kr * red + kb * blue) / kg);
}
CUDA_VALUE_KERNEL(cuda_from_yuv, from_yuv_value)

CUDA_INLINE float luma_of(const struct pq_yuv *yuv, const float rgb[3])
{
    const float kr = (float)yuv->kr, kb = (float)yuv->kb;
    return kr * rgb[0] + (1.0f - kr - kb) * rgb[1] + kb * rgb[2];
}

CUDA_INLINE void colour_at(const struct cuda_args *a, int frame, int64_t y, int64_t x, float rgb[3])
{
    const int64_t at = cuda_offset(&a->in[0], frame, y, x);
    for (int c = 0; c < 3; c++)
        rgb[c] = pq_clip01(cuda_get(&a->in[0], at + c));
}

/* B - Y or R - Y, to -1/2 .. 1/2. */
CUDA_INLINE float difference_at(const struct cuda_args *a, int frame, int64_t y, int64_t x, int p)
{
    float rgb[3];
    colour_at(a, frame, y, x, rgb);
    const float k = (float)(p == 0 ? a->yuv.kb : a->yuv.kr);
    return ((p == 0 ? rgb[2] : rgb[0]) - luma_of(&a->yuv, rgb)) / (2.0f * (1.0f - k));
}

CUDA_INLINE float chroma_of(const struct cuda_args *a, int frame, int64_t cy, int64_t cx, int p)
{
    const struct chroma_taps ver = taps_down(cy, a->yuv.sub_y, a->yuv.site_y);
    const struct chroma_taps hor = taps_down(cx, a->yuv.sub_x, a->yuv.site_x);
    float sum = 0.0f;
    for (int v = 0; v < ver.count; v++) {
        const int64_t y = pq_pad_source(PQ_PAD_MIRROR, ver.first + v, a->in[0].height);
        float row = 0.0f;
        for (int h = 0; h < hor.count; h++) {
            const float weight = tap_weight(&hor, h);
            if (weight == 0.0f) /* of the seven around one at a pixel, two are */
                continue;
            const int64_t x = pq_pad_source(PQ_PAD_MIRROR, hor.first + h, a->in[0].width);
            row += weight * difference_at(a, frame, y, x, p);
        }
        sum += tap_weight(&ver, v) * row;
    }
    return sum;
}

CUDA_INLINE float to_yuv_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const struct pq_yuv *yuv = &a->yuv;
    const struct yuv_range r = range_of(yuv);
    const int side = a->factor, across = side >> yuv->sub_x, down = side >> yuv->sub_y;
    int c = i->c;
    if (c < side * side) {
        float rgb[3];
        colour_at(a, i->frame, i->y * side + c / side, (int64_t)i->x * side + c % side, rgb);
        return luma_of(yuv, rgb) * r.y_span + r.y_zero;
    }
    c -= side * side;
    const int p = c / (across * down);
    c %= across * down;
    return chroma_of(a, i->frame, i->y * down + c / across, (int64_t)i->x * across + c % across,
                     p) *
               r.c_span +
           r.c_zero;
}
CUDA_VALUE_KERNEL(cuda_to_yuv, to_yuv_value)

/* ---- the finished picture ---- */

/* index: the first tap and the number of taps of each pixel along the axis; weights: of as many
 * taps as most have. */
CUDA_INLINE float resized(const struct cuda_args *a, const struct cuda_item *i, int c)
{
    const int64_t place = a->along_row ? i->x : i->y;
    const int32_t *span = a->index + 2 * place;
    const float *w = a->weights + place * a->taps;
    const bool weigh = a->by_alpha && a->along_row && c < 3;
    float sum = 0.0f;
    for (int k = 0; k < span[1]; k++) {
        const int64_t at = a->along_row ? cuda_offset(&a->in[0], i->frame, i->y, span[0] + k)
                                        : cuda_offset(&a->in[0], i->frame, span[0] + k, i->x);
        const float v = cuda_get(&a->in[0], at + c);
        sum += w[k] * (weigh ? v * cuda_get(&a->in[0], at + 3) : v);
    }
    return sum;
}

/* Whether all rows that a row is made of are opaque. */
CUDA_INLINE bool opaque_at(const struct cuda_args *a, const struct cuda_item *i)
{
    const int32_t *span = a->index + 2 * i->y;
    bool opaque = true;
    for (int k = 0; k < span[1]; k++)
        opaque = opaque && cuda_value(&a->in[1], i->frame, span[0] + k, 0, 0) == 1.0f;
    return opaque;
}

CUDA_INLINE float resize_value(const struct cuda_args *a, const struct cuda_item *i)
{
    if (!a->by_alpha || a->along_row)
        return resized(a, i, i->c);
    if (opaque_at(a, i))
        return i->c == 3 ? 1.0f : pq_clip01(resized(a, i, i->c));
    const float alpha = resized(a, i, 3), rounded = pq_alpha_of_16_bits(alpha);
    return i->c == 3 ? rounded : pq_clip01(pq_unweighted(resized(a, i, i->c), alpha, rounded));
}
CUDA_VALUE_KERNEL(cuda_resize, resize_value)

CUDA_INLINE float sharp_at(const struct cuda_args *a, const struct cuda_item *i, int c)
{
    const struct cuda_map *in = &a->in[0];
    const float v = cuda_value(in, i->frame, i->y, i->x, c);
    if (a->touch.sharpen == 0.0f || i->y == 0 || i->x == 0 || i->y == in->height - 1 ||
        i->x == in->width - 1)
        return v;
    float around[3][3];
    for (int dy = 0; dy < 3; dy++) {
        for (int dx = 0; dx < 3; dx++)
            around[dy][dx] = cuda_value(in, i->frame, i->y + dy - 1, i->x + dx - 1, c);
    }
    return pq_sharpened(v, pq_smooth(&around[0][1], &around[1][1], &around[2][1], 1),
                        a->touch.sharpen);
}

CUDA_INLINE float effects_value(const struct cuda_args *a, const struct cuda_item *i)
{
    const float mean = a->touch.contrast == 1.0f ? 0.0f : cuda_value_of(a, 1, i->frame, 0, 0, 0);
    float rgb[3];
    if (i->c == 3)
        return cuda_value(&a->in[0], i->frame, i->y, i->x, 3);
    for (int c = 0; c < 3; c++) {
        rgb[c] = sharp_at(a, i, c);
        if (a->touch.contrast != 1.0f)
            rgb[c] = pq_away_from(rgb[c], mean, a->touch.contrast);
    }
    return a->touch.saturation == 1.0f ? rgb[i->c]
                                       : pq_away_from(rgb[i->c], pq_luma(rgb), a->touch.saturation);
}
CUDA_VALUE_KERNEL(cuda_effects, effects_value)
