/* SPDX-License-Identifier: MIT */
/* Between luma and chroma as they are stored and colours (graph/graph.h).
 *
 *     cuda_from_yuv    an item is a pixel
 *     cuda_to_yuv      an item is a stack of places, which share the rows that their chroma is
 *                      filtered of
 *
 * What is filtered are colours that are within their range, and the matrix comes after: it is
 * linear, and so a pixel is read once for both. Weights and matrix are the host's (yuv.c). Luma and
 * chroma are floats. */
#include "backend/cuda/kernels/span.h"
#include "kernels/colour.h"

enum { UP_TAPS = 4 };

/* log2 of the pixels a side of a place, and of the chroma samples across and down. */
CUDA_INLINE int side_of(const struct pq_yuv *yuv)
{
    return yuv->sub_x | yuv->sub_y;
}
CUDA_INLINE int across_of(const struct pq_yuv *yuv)
{
    return side_of(yuv) - yuv->sub_x;
}
CUDA_INLINE int down_of(const struct pq_yuv *yuv)
{
    return side_of(yuv) - yuv->sub_y;
}

/* Borders are mirrored. */
CUDA_INLINE int mirrored(int i, int n)
{
    if ((uint32_t)i < (uint32_t)n)
        return i;
    const uint32_t at = (uint32_t)(i < 0 ? -1 - i : i) % (2U * (uint32_t)n);
    return (int)(at < (uint32_t)n ? at : 2U * (uint32_t)n - 1 - at);
}

CUDA_INLINE float mixed(const float row[4], float a, float b, float c)
{
    return fmaf(row[0], a, fmaf(row[1], b, fmaf(row[2], c, row[3])));
}

/* ---- to colours ---- */

/* Cb and Cr of pixel (x, y), as they are stored. */
CUDA_INLINE void chroma_at(const struct cuda_args *a, const struct cuda_ring *ring, int y, int x,
                           float sum[2])
{
    const struct cuda_map *in = &a->in[0];
    const struct pq_yuv *yuv = &a->yuv;
    const int side = side_of(yuv), across = across_of(yuv), down = down_of(yuv);
    const struct cuda_taps *ver = &a->ver_taps[y & yuv->sub_y];
    const struct cuda_taps *hor = &a->hor_taps[x & yuv->sub_x];
    int from[UP_TAPS];
    float weight[UP_TAPS];
    for (int h = 0; h < UP_TAPS; h++) {
        const int cx = mirrored((x >> yuv->sub_x) + hor->at[h], in->width << across);
        from[h] = (cx >> across) * in->stride + (cx & across) + (1 << (2 * side));
        weight[h] = hor->weight[h];
    }
    sum[0] = sum[1] = 0.0f;
    for (int v = 0; v < ver->count; v++) {
        const int cy = mirrored((y >> yuv->sub_y) + ver->at[v], in->height << down);
        const float *cb = in->data + cuda_ring_row(in, ring, cy >> down) + ((cy & down) << across);
        const float *cr = cb + (1 << (across + down));
        float row[2] = {0.0f, 0.0f};
        for (int h = 0; h < UP_TAPS; h++) {
            row[0] = fmaf(weight[h], cb[from[h]], row[0]);
            row[1] = fmaf(weight[h], cr[from[h]], row[1]);
        }
        for (int p = 0; p < 2; p++)
            sum[p] = fmaf(ver->weight[v], row[p], sum[p]);
    }
}

CUDA_INLINE void from_yuv_at(const struct cuda_args *a, int64_t at)
{
    const struct cuda_map *in = &a->in[0];
    const struct cuda_item i = cuda_first_of(a, at, 1, 1);
    const int side = side_of(&a->yuv), y = (int)i.y; /* side is the mask of a place, too */
    const struct cuda_ring ring = cuda_ring_at(in, i.frame, y >> side);
    const int64_t place = cuda_ring_row(in, &ring, y >> side) + (i.x >> side) * in->stride;
    const float luma = in->data[place + ((y & side) << side) + (i.x & side)];
    float chroma[2];
    chroma_at(a, &ring, y, i.x, chroma);
    float *rgb = cuda_result_of(a, &i);
    for (int c = 0; c < 3; c++)
        rgb[c] = pq_clip01(mixed(a->matrix[c], luma, chroma[0], chroma[1]));
}
CUDA_KERNEL(cuda_from_yuv, from_yuv_at)

/* ---- and back ---- */

CUDA_INLINE void colour_at(const void *row, enum pq_dtype type, int at, float rgb[3])
{
    for (int c = 0; c < 3; c++)
        rgb[c] = pq_clip01(cuda_number(row, type, at + c));
}

/* Luma of one row of pixels of a place. */
CUDA_INLINE void luma_row(const struct cuda_args *a, enum pq_dtype type, const void *from,
                          float *to)
{
    float rgb[3], first;
    colour_at(from, type, 0, rgb);
    first = mixed(a->matrix[0], rgb[0], rgb[1], rgb[2]);
    if (!side_of(&a->yuv)) {
        to[0] = first;
        return;
    }
    struct cuda_pair both;
    both.v[0] = first;
    colour_at(from, type, a->in[0].stride, rgb);
    both.v[1] = mixed(a->matrix[0], rgb[0], rgb[1], rgb[2]);
    *(struct cuda_pair *)(void *)to = both;
}

CUDA_INLINE void put_chroma(const struct cuda_args *a, const float sum[3], float *cb, int apart)
{
    struct cuda_pair both;
    for (int p = 0; p < 2; p++)
        both.v[p] = mixed(a->matrix[1 + p], sum[0], sum[1], sum[2]);
    if (apart == 1 && side_of(&a->yuv)) {
        *(struct cuda_pair *)(void *)cb = both;
    } else {
        cb[0] = both.v[0];
        cb[apart] = both.v[1];
    }
}

/* The colours around column cx of chroma samples, filtered, for `count` of them from row cy on:
 * each row of pixels is filtered once and counts for all samples that it is near to. */
CUDA_INLINE void filter_colours(const struct cuda_args *a, enum pq_dtype type,
                                const struct cuda_ring *ring, int cy, int cx, int count,
                                float sum[CUDA_STACK][3])
{
    const struct cuda_map *in = &a->in[0];
    const struct cuda_taps *ver = &a->ver_taps[0], *hor = &a->hor_taps[0];
    const int sub_y = a->yuv.sub_y;
    int from[CUDA_TAPS];
    for (int h = 0; h < CUDA_TAPS; h++)
        from[h] = mirrored((cx << a->yuv.sub_x) + hor->at[h], in->width) * in->stride;
    for (int k = 0; k < 3 * CUDA_STACK; k++)
        sum[k / 3][k % 3] = 0.0f;
    for (int r = 0; r < ver->count + ((count - 1) << sub_y); r++) {
        const int y = mirrored((cy << sub_y) + ver->at[0] + r, in->height);
        const void *pixels = cuda_values(in, type, cuda_ring_row(in, ring, y));
        float row[3] = {0.0f, 0.0f, 0.0f};
        for (int h = 0; h < CUDA_TAPS; h++) {
            float rgb[3];
            if ((h == 1 || h == 5) && h >= hor->count) /* 1, 5 or 8 there are */
                break;
            colour_at(pixels, type, from[h], rgb);
            for (int c = 0; c < 3; c++)
                row[c] = fmaf(hor->weight[h], rgb[c], row[c]);
        }
        for (int j = 0; j < CUDA_STACK; j++) {
            const int k = r - (j << sub_y);
            if (k < 0 || k >= ver->count)
                continue;
            for (int c = 0; c < 3; c++)
                sum[j][c] = fmaf(ver->weight[k], row[c], sum[j][c]);
        }
    }
}

/* Column `s` of the chroma samples of a place, of `rows` rows of samples. */
CUDA_INLINE void chroma_column(const struct cuda_args *a, const struct cuda_item *i,
                               enum pq_dtype type, const struct cuda_ring *from, int rows, int s)
{
    const struct cuda_map *out = &a->out;
    const int side = side_of(&a->yuv), across = across_of(&a->yuv), down = down_of(&a->yuv);
    const struct cuda_ring to = cuda_ring_at(out, i->frame, i->y);
    float *column = out->data + (int64_t)i->x * out->stride + (1 << (2 * side)) + s;
    for (int first = 0; first < rows; first += CUDA_STACK) {
        const int cy = ((int)i->y << down) + first;
        const int count = rows - first < CUDA_STACK ? rows - first : CUDA_STACK;
        float sum[CUDA_STACK][3];
        filter_colours(a, type, from, cy, (i->x << across) + s, count, sum);
        for (int j = 0; j < CUDA_STACK; j++) {
            if (j < count)
                put_chroma(a, sum[j],
                           column + cuda_ring_row(out, &to, (cy + j) >> down) +
                               (((cy + j) & down) << across),
                           1 << (across + down));
        }
    }
}

CUDA_INLINE void to_yuv(const struct cuda_args *a, int64_t at, enum pq_dtype type)
{
    const struct cuda_map *in = &a->in[0], *out = &a->out;
    const struct cuda_item i = cuda_first_of(a, at, 1, CUDA_STACK);
    const int side = side_of(&a->yuv), y = (int)i.y;
    const int left = (int)(a->y0 + a->rows) - y, places = left < CUDA_STACK ? left : CUDA_STACK;
    const struct cuda_ring from = cuda_ring_at(in, i.frame, i.y << side);
    const struct cuda_ring to = cuda_ring_at(out, i.frame, i.y);
    float *place = out->data + (int64_t)i.x * out->stride;
    for (int j = 0; j < places << side; j++)
        luma_row(
            a, type,
            cuda_values(in, type,
                        cuda_ring_row(in, &from, (y << side) + j) + (i.x << side) * in->stride),
            place + cuda_ring_row(out, &to, y + (j >> side)) + ((j & side) << side));
    for (int s = 0; s < 1 << across_of(&a->yuv); s++)
        chroma_column(a, &i, type, &from, places << down_of(&a->yuv), s);
}

CUDA_INLINE void to_yuv_at(const struct cuda_args *a, int64_t at)
{
    CUDA_OF_TYPE(to_yuv, a, at, &a->in[0]);
}
CUDA_KERNEL(cuda_to_yuv, to_yuv_at)
