/* SPDX-License-Identifier: MIT */
/* Between the samples of pictures and a network.
 *
 *     cuda_load_planes    samples in planes, a map each, -> the map of the graph's input; an item
 * is a pixel cuda_store_plane    the map of the graph's result -> rows of one plane; an item is a
 * span of samples cuda_resize, cuda_effects    as graph/graph.h says; an item is a value
 *
 * A plane that comes or goes is a map of one channel without anything between two samples, whose
 * first row belongs to the first row of the step. */
#include "backend/cuda/kernels/span.h"
#include "kernels/colour.h"

/* ---- samples ---- */

CUDA_INLINE float sample_at(const struct cuda_map *plane, int64_t at)
{
    const void *data = plane->data;
    return plane->bytes == 1 ? (float)((const uint8_t *)data)[at]
                             : (float)((const uint16_t *)data)[at];
}

/* Where the samples of a pixel are read: plane by plane, row by row. */
struct reading {
    int p, dx, dy, x, y, frame;
    int64_t at; /* of sample dx = 0 */
};

CUDA_INLINE void begin_row(const struct cuda_args *a, struct reading *r)
{
    const struct cuda_map *plane = &a->in[r->p];
    r->at = r->frame * plane->frame + (int64_t)(r->y * a->down[r->p] + r->dy) * plane->row +
            (int64_t)r->x * a->across[r->p];
}

CUDA_INLINE float next_sample(const struct cuda_args *a, struct reading *r)
{
    if (r->dx == a->across[r->p]) {
        r->dx = 0;
        if (++r->dy == a->down[r->p]) {
            r->dy = 0;
            r->p++;
        }
        begin_row(a, r);
    }
    return sample_at(&a->in[r->p], r->at + r->dx++) * a->scale;
}

CUDA_INLINE void load_planes_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_map *out = &a->out;
    const struct cuda_item i = cuda_first_of(a, at, 1, 1);
    const int64_t pixel = cuda_offset(out, i.frame, i.y, i.x);
    const int written = cuda_written(out);
    struct reading r;
    r.p = r.dx = r.dy = 0;
    r.x = i.x;
    r.y = (int)(i.y - a->y0);
    r.frame = i.frame;
    begin_row(a, &r);
    for (int c = 0; c < written; c += CUDA_SPAN) {
        float v[CUDA_SPAN];
        for (int k = 0; k < CUDA_SPAN; k++)
            v[k] = c + k < out->channels ? next_sample(a, &r) : 0.0f;
        cuda_put_span(out, pixel + c, written - c, v);
    }
}
CUDA_KERNEL(cuda_load_planes, load_planes_at)

/* What is added before a sample of fewer bits is rounded, in 256 steps between -1/2 and 1/2, such
 * that any square of 2^n samples a side has them evenly spread (Bayer 1973): the number of the
 * step. Bit n of x counts for bit 7 - 2n of it alone, so neighbours come by exclusive or. */
CUDA_INLINE unsigned dither_step(unsigned x, unsigned y)
{
    unsigned v = 0;
    for (int bit = 0; bit < 4; bit++) {
        const unsigned bx = x >> bit & 1, by = y >> bit & 1;
        v |= ((bx ^ by) << 1 | by) << (2 * (3 - bit));
    }
    return v;
}

/* Of samples from (x, y) on, whose values are numbers or, of colours, up to 1; x is a multiple of
 * CUDA_SPAN. */
CUDA_INLINE void codes_of(const struct cuda_args *a, const float v[CUDA_SPAN], int64_t x, int64_t y,
                          int code[CUDA_SPAN])
{
    if (!a->codes) {
        for (int k = 0; k < CUDA_SPAN; k++)
            code[k] = pq_sample_of(v[k], a->high);
        return;
    }
    const unsigned first = dither_step((unsigned)x, (unsigned)y);
    const float by = a->dither ? 1 / 256.0f : 0.0f;
    const float from = a->dither ? 0.5f / 256.0f - 0.5f : 0.0f;
    for (int k = 0; k < CUDA_SPAN; k++) {
        const unsigned step = first ^ dither_step((unsigned)k, 0);
        const float code_and_half = v[k] + fmaf((float)step, by, from) + 0.5f;
        code[k] = (int)fminf(fmaxf(code_and_half, 0.0f), a->high);
    }
}

/* A span of samples of which one or two are a pixel. */
CUDA_INLINE void read_apart(const struct cuda_map *in, enum pq_dtype type, int64_t at, int across,
                            float v[CUDA_SPAN])
{
    const void *values = cuda_values(in, type, at);
    const int two = across - 1;
    for (int k = 0; k < CUDA_SPAN; k++)
        v[k] = cuda_number(values, type, (k >> two) * in->stride + (k & two));
}

/* n samples from column x of a row on, each a channel of a pixel; a whole span in one of the ways
 * that pictures lie in, anything else sample by sample. */
CUDA_INLINE void read_span(const struct cuda_args *a, int64_t row, int channel, int x, int n,
                           float v[CUDA_SPAN])
{
    const struct cuda_map *in = &a->in[0];
    const int across = a->across[0], stride = in->stride;
    if (n == CUDA_SPAN && stride == across && cuda_at_word(row)) { /* all channels, so all values */
        cuda_get_span(in, row + x, v);
    } else if (n == CUDA_SPAN && across <= 2) { /* a plane of colours, luma, or chroma */
        const int64_t at = row + (int64_t)(x >> (across - 1)) * stride + channel;
        if (in->type == PQ_F32)
            read_apart(in, PQ_F32, at, across, v);
        else if (in->type == PQ_F16)
            read_apart(in, PQ_F16, at, across, v);
        else
            read_apart(in, PQ_BF16, at, across, v);
    } else {
        for (int k = 0; k < CUDA_SPAN; k++)
            v[k] = k < n ? cuda_get(in, row + (int64_t)((x + k) / across) * stride + channel +
                                            (x + k) % across)
                         : 0.0f;
    }
}

CUDA_INLINE void write_span(const struct cuda_map *out, int64_t at, int n,
                            const int code[CUDA_SPAN])
{
    uint8_t *bytes = (uint8_t *)(void *)out->data;
    uint16_t *halves = (uint16_t *)(void *)out->data;
    struct cuda_word8 w8;
    struct cuda_word16 w16;
    for (int k = 0; k < CUDA_SPAN; k++) {
        w8.bytes[k] = (uint8_t)code[k];
        w16.halves[k] = (uint16_t)code[k];
    }
    if (n == CUDA_SPAN && cuda_at_word(at)) {
        if (out->bytes == 1)
            *(struct cuda_word8 *)(void *)(bytes + at) = w8;
        else
            *(struct cuda_word16 *)(void *)(halves + at) = w16;
        return;
    }
    for (int k = 0; k < CUDA_SPAN; k++) {
        if (k < n && out->bytes == 1)
            bytes[at + k] = w8.bytes[k];
        else if (k < n)
            halves[at + k] = w16.halves[k];
    }
}

/* y counts samples of the plane from the first of the step. */
CUDA_INLINE void store_plane_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_map *in = &a->in[0], *out = &a->out;
    const struct cuda_item i = cuda_first_of(a, at, CUDA_SPAN, 1);
    const int down = a->down[0], y = (int)i.y, left = out->width - i.x;
    const int n = left < CUDA_SPAN ? left : CUDA_SPAN;
    const int place = down == 1 ? y : (int)((unsigned)y / (unsigned)down);
    const struct cuda_ring ring = cuda_ring_at(in, i.frame, a->from_y + place);
    float v[CUDA_SPAN];
    int code[CUDA_SPAN];
    read_span(a, cuda_ring_row(in, &ring, ring.y), a->first + (y - place * down) * a->across[0],
              i.x, n, v);
    codes_of(a, v, i.x, a->from_y * down + y, code);
    write_span(out, i.frame * out->frame + i.y * out->row + i.x, n, code);
}
CUDA_KERNEL(cuda_store_plane, store_plane_at)

/* ---- the finished picture ---- */

/* index: the first tap and the number of taps of each pixel along the axis; weights: of as many
 * taps as most have. */
CUDA_INLINE float resized(const struct cuda_args *a, const struct cuda_item *i, int c)
{
    const struct cuda_map *in = &a->in[0];
    const int64_t place = a->along_row ? i->x : i->y;
    const int32_t *span = a->index + 2 * place;
    const float *w = a->weights + place * a->taps;
    const int x = a->along_row ? span[0] : i->x, y = a->along_row ? (int)i->y : span[0];
    const struct cuda_ring ring = cuda_ring_at(in, i->frame, y);
    const int64_t column = (int64_t)x * in->stride;
    const bool weigh = a->by_alpha && a->along_row && c < 3;
    float sum = 0.0f;
    for (int k = 0; k < span[1]; k++) {
        const int64_t at = column + (a->along_row ? cuda_ring_row(in, &ring, y) + k * in->stride
                                                  : cuda_ring_row(in, &ring, y + k));
        const float v = cuda_get(in, at + c);
        sum += w[k] * (weigh ? v * cuda_get(in, at + 3) : v);
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

CUDA_INLINE void effects_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_item i = cuda_first_of(a, at, 1, 1);
    const float mean = a->touch.contrast == 1.0f ? 0.0f : cuda_value_of(a, 1, i.frame, 0, 0, 0);
    float rgb[3];
    for (int c = 0; c < 3; c++) {
        rgb[c] = sharp_at(a, &i, c);
        if (a->touch.contrast != 1.0f)
            rgb[c] = pq_away_from(rgb[c], mean, a->touch.contrast);
    }
    const int64_t pixel = cuda_offset(&a->out, i.frame, i.y, i.x);
    const float luma = pq_luma(rgb);
    for (int c = 0; c < 3; c++)
        cuda_put(&a->out, pixel + c,
                 a->touch.saturation == 1.0f ? rgb[c]
                                             : pq_away_from(rgb[c], luma, a->touch.saturation));
    if (a->out.channels == 4)
        cuda_put(&a->out, pixel + 3, cuda_value(&a->in[0], i.frame, i.y, i.x, 3));
}
CUDA_KERNEL(cuda_effects, effects_at)
