/* SPDX-License-Identifier: MIT */
#include "yuv.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

struct pq_image planes_of(const struct pq_frame *frame)
{
    struct pq_image planes = {.width = frame->width,
                              .height = frame->height,
                              .planes = 3,
                              .depth = frame->depth > 8 ? 16 : 8};
    for (int p = 0; p < 3; p++) {
        planes.data[p] = (void *)frame->plane[p].data;
        planes.stride[p] = frame->plane[p].stride;
    }
    return planes;
}

/* ---- one axis ---- */

static double catmull_rom(double d)
{
    d = fabs(d);
    return d < 1 ? (1.5 * d - 2.5) * d * d + 1 : d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

static int mirrored(int i, int n)
{
    while (i < 0 || i >= n)
        i = i < 0 ? -1 - i : 2 * n - 1 - i;
    return i;
}

/* `line` of n samples, `step` apart, at place `at`, where sample i lies at i; wide: the filter is
 * that of a picture that gets smaller by so much. */
static double value_at(const double *line, int n, ptrdiff_t step, double at, double wide)
{
    double sum = 0, weights = 0;
    for (int i = (int)floor(at - 2 * wide); i <= (int)ceil(at + 2 * wide); i++) {
        const double w = catmull_rom((i - at) / wide);
        sum += w * line[mirrored(i, n) * step];
        weights += w;
    }
    return sum / weights;
}

static double *new_plane(int width, int height)
{
    double *plane = calloc((size_t)width * (size_t)height, sizeof *plane);
    assert_non_null(plane);
    return plane;
}

/* Chroma for every pixel, or of every pixel, first down the columns and then along the rows. */
static double *resampled(const double *in, int in_width, int in_height, int width, int height,
                         double (*place)(int i, int site), int site_x, int site_y, double wide_x,
                         double wide_y)
{
    double *tall = new_plane(in_width, height), *out = new_plane(width, height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < in_width; x++)
            tall[y * in_width + x] =
                in_height == height && site_y == 0 && wide_y == 1
                    ? in[y * in_width + x]
                    : value_at(in + x, in_height, in_width, place(y, site_y), wide_y);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            out[y * width + x] =
                in_width == width && site_x == 0 && wide_x == 1
                    ? tall[y * in_width + x]
                    : value_at(tall + y * in_width, in_width, 1, place(x, site_x), wide_x);
    free(tall);
    return out;
}

/* Where pixel i lies among chroma samples, and the other way round. */
static double among_chroma(int i, int site)
{
    return (i - site / 2.0) / 2;
}

static double among_pixels(int i, int site)
{
    return 2 * i + site / 2.0;
}

/* ---- ranges ---- */

struct range {
    double base, luma, middle, chroma;
};

static struct range range_of(const struct pq_yuv *yuv)
{
    const double unit = 1 << (yuv->depth - 8), top = (1 << yuv->depth) - 1;
    return yuv->full ? (struct range){0, top, 128 * unit, top}
                     : (struct range){16 * unit, 219 * unit, 128 * unit, 224 * unit};
}

static int chroma_side(int side, int sub)
{
    return (side + sub) >> sub;
}

/* ---- both ways ---- */

float *colours_of(const struct pq_yuv *yuv, const struct pq_image *planes)
{
    const int width = planes->width, height = planes->height;
    const int cw = chroma_side(width, yuv->sub_x), ch = chroma_side(height, yuv->sub_y);
    const struct range r = range_of(yuv);
    double *chroma[2];
    for (int p = 0; p < 2; p++) {
        double *stored = new_plane(cw, ch);
        for (int y = 0; y < ch; y++)
            for (int x = 0; x < cw; x++)
                stored[y * cw + x] = (sample(planes, 1 + p, x, y) - r.middle) / r.chroma;
        chroma[p] = resampled(stored, cw, ch, cw << yuv->sub_x, ch << yuv->sub_y, among_chroma,
                              yuv->site_x, yuv->site_y, 1, 1);
        free(stored);
    }
    float *rgb = malloc((size_t)width * (size_t)height * 3 * sizeof *rgb);
    assert_non_null(rgb);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const int at = y * (cw << yuv->sub_x) + x;
            const double luma = (sample(planes, 0, x, y) - r.base) / r.luma;
            const double red = luma + 2 * (1 - yuv->kr) * chroma[1][at];
            const double blue = luma + 2 * (1 - yuv->kb) * chroma[0][at];
            const double green = (luma - yuv->kr * red - yuv->kb * blue) / (1 - yuv->kr - yuv->kb);
            const double all[3] = {red, green, blue};
            for (int c = 0; c < 3; c++)
                rgb[(y * width + x) * 3 + c] = (float)PQ_MIN(PQ_MAX(all[c], 0), 1);
        }
    free(chroma[0]);
    free(chroma[1]);
    return rgb;
}

void samples_of(const struct pq_yuv *yuv, const float *rgb, int width, int height, double *plane[3])
{
    const int cw = chroma_side(width, yuv->sub_x), ch = chroma_side(height, yuv->sub_y);
    const int whole_width = cw << yuv->sub_x, whole_height = ch << yuv->sub_y;
    const struct range r = range_of(yuv);
    double *all[3];
    for (int p = 0; p < 3; p++)
        all[p] = new_plane(whole_width, whole_height);
    for (int y = 0; y < whole_height; y++)
        for (int x = 0; x < whole_width; x++) {
            const float *c = rgb + (PQ_MIN(y, height - 1) * width + PQ_MIN(x, width - 1)) * 3;
            const double luma = yuv->kr * c[0] + (1 - yuv->kr - yuv->kb) * c[1] + yuv->kb * c[2];
            const int at = y * whole_width + x;
            all[0][at] = r.base + r.luma * luma;
            all[1][at] = r.middle + r.chroma * (c[2] - luma) / (2 * (1 - yuv->kb));
            all[2][at] = r.middle + r.chroma * (c[0] - luma) / (2 * (1 - yuv->kr));
        }
    plane[0] = new_plane(width, height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            plane[0][y * width + x] = all[0][y * whole_width + x];
    for (int p = 1; p < 3; p++)
        plane[p] = resampled(all[p], whole_width, whole_height, cw, ch, among_pixels, yuv->site_x,
                             yuv->site_y, 1 << yuv->sub_x, 1 << yuv->sub_y);
    for (int p = 0; p < 3; p++)
        free(all[p]);
}

/* ---- what differs ---- */

double colours_off(const float *rgb, int width, int x0, int y0, const struct pq_image *piece)
{
    double most = 0;
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < piece->height; y++)
            for (int x = 0; x < piece->width; x++) {
                const double due = 65535.0 * rgb[((y0 + y) * width + x0 + x) * 3 + c];
                most = PQ_MAX(most, fabs(sample(piece, c, x, y) - due));
            }
    return most;
}

double samples_off(double *const plane[3], const struct pq_yuv *yuv, const struct pq_frame *frame)
{
    const struct pq_image planes = planes_of(frame);
    double most = 0;
    for (int p = 0; p < 3; p++) {
        const int w = chroma_side(frame->width, p ? yuv->sub_x : 0);
        const int h = chroma_side(frame->height, p ? yuv->sub_y : 0);
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                most = PQ_MAX(most, fabs(sample(&planes, p, x, y) - plane[p][y * w + x]));
    }
    return most;
}
