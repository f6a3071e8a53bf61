/* SPDX-License-Identifier: MIT */
/* Whole pictures on the device, whose driver stands in: samples go in and come out, and what lies
 * between is what the stages of the host make of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../model/small_model.h"
#include "../sanitized.h"
#include "backend/cuda/kernels/kernel.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "nothing.h"
#include "pique/pique.h"
#include "upscale/framed.h"

enum { WIDTH = 37, HEIGHT = 43, MOST = 3 };

static pique_model *model;

static int set_up(void **state)
{
    (void)state;
    const struct maker maker = {.features = 12, .convs = 2, .scale = 2, .channels = 3, .seed = 5};
    return small_model_open(&maker, &model);
}

static int tear_down(void **state)
{
    (void)state;
    pique_model_close(&model);
    return 0;
}

/* ---- pictures ---- */

struct way {
    pique_picture_options options;
    int width, height, planes, depth, out_depth, multiple, band;
    const struct pq_yuv *in_yuv, *out_yuv;
    int crop[4]; /* x, y, width, height */
    enum pique_precision precision;
};

/* What is not said. */
static struct way filled(const struct way *said)
{
    struct way w = *said;
    w.width = w.width ? w.width : WIDTH;
    w.height = w.height ? w.height : HEIGHT;
    w.planes = w.planes ? w.planes : 3;
    w.depth = w.depth ? w.depth : 8;
    w.out_depth = w.out_depth ? w.out_depth : 8;
    w.multiple = w.multiple ? w.multiple : 1;
    w.band = w.band ? w.band : 7;
    w.precision = w.precision ? w.precision : PIQUE_PRECISION_FP32;
    return w;
}

static int plane_side(const struct pq_yuv *yuv, int p, int size, bool hor)
{
    const int sub = yuv && p ? (hor ? yuv->sub_x : yuv->sub_y) : 0;
    return (size + sub) >> sub;
}

static unsigned sample_at(const struct pq_image *image, int p, int x, int y)
{
    const char *row = (const char *)image->data[p] + y * image->stride[p];
    uint16_t wide;
    memcpy(&wide, row + 2 * (size_t)x, image->depth > 8 ? 2 : 0);
    return image->depth > 8 ? wide : (unsigned char)row[x];
}

static void put_sample(struct pq_image *image, int p, int x, int y, unsigned v)
{
    char *row = (char *)image->data[p] + y * image->stride[p];
    const uint16_t wide = (uint16_t)v;
    if (image->depth > 8)
        memcpy(row + 2 * (size_t)x, &wide, 2);
    else
        row[x] = (char)v;
}

/* Empty, opaque and soft places. */
static double alpha_at(int x, int y, double v)
{
    const int place = (x / 9 + y / 7) % 4;
    return place == 0 ? 0 : place == 1 ? 1 : place == 2 ? 0.3 : v;
}

/* Smooth with noise, so that every filter has something to do. */
static void make_picture(const struct way *w, int number, struct pq_image *out)
{
    struct rng r = {(unsigned)number + 11};
    const int depth = w->in_yuv ? w->in_yuv->depth : w->depth;
    const unsigned most = (1U << depth) - 1;
    assert_int_equal(
        pq_image_new(w->width, w->height, w->planes, depth > 8 ? 16 : 8, NULL, out, NULL), 0);
    for (int p = 0; p < w->planes; p++) {
        for (int y = 0; y < plane_side(w->in_yuv, p, w->height, false); y++) {
            for (int x = 0; x < plane_side(w->in_yuv, p, w->width, true); x++) {
                const double wave = 0.5 + 0.3 * sin(0.3 * x + p) * cos(0.2 * y + number);
                const double noisy = wave + 0.2 * (rng_float(&r));
                const double v = p < 3 ? noisy : alpha_at(x, y, noisy);
                put_sample(out, p, x, y, (unsigned)(fmin(fmax(v, 0), 1) * most));
            }
        }
    }
}

static pique_engine *open_engine(const char *device, const struct way *w)
{
    pique_engine *engine;
    pique_error err;
    const pique_engine_options o = {.size = sizeof o,
                                    .threads = 2,
                                    .device = device,
                                    .band_rows = w->band,
                                    .precision = w->precision};
    if (pique_engine_open(model, &o, &engine, &err))
        fail_msg("%s", err.message);
    return engine;
}

struct opened {
    pique_engine *engine;
    struct pq_engines engines;
    struct pq_frames *frames;
};

static void open_frames(struct opened *o, const char *device, const struct way *w, int batch)
{
    pique_error err;
    o->engine = open_engine(device, w);
    o->engines = (struct pq_engines){&o->engine, 1};
    pique_picture_options options = w->options;
    options.size = sizeof options;
    const struct pq_frames_setup setup = {.engines = &o->engines,
                                          .options = &options,
                                          .width = w->width,
                                          .height = w->height,
                                          .planes = w->planes,
                                          .depth = w->depth,
                                          .out_depth = w->out_depth,
                                          .in_yuv = w->in_yuv,
                                          .out_yuv = w->out_yuv,
                                          .crop_x = w->crop[0],
                                          .crop_y = w->crop[1],
                                          .crop_width = w->crop[2],
                                          .crop_height = w->crop[3],
                                          .multiple_x = w->multiple,
                                          .multiple_y = w->multiple,
                                          .batch = batch,
                                          .name = "film"};
    if (pq_frames_open(&setup, &o->frames, &err))
        fail_msg("%s", err.message);
}

static void close_frames(struct opened *o)
{
    pq_frames_close(&o->frames);
    pique_engine_close(&o->engine);
}

static void new_output(const struct opened *o, struct pq_image *out)
{
    const struct pq_image like = pq_frames_output(o->frames);
    assert_int_equal(
        pq_image_new(like.width, like.height, like.planes, like.depth, NULL, out, NULL), 0);
}

static void run(struct opened *o, int count, const struct pq_image *in, struct pq_image *out)
{
    pique_error err;
    for (int i = 0; i < count; i++)
        new_output(o, &out[i]);
    if (pq_frames_run(o->frames, count, in, out, &err))
        fail_msg("%s", err.message);
}

static bool same(const struct pq_yuv *yuv, const struct pq_image *a, const struct pq_image *b)
{
    for (int p = 0; p < a->planes; p++) {
        const size_t width = (size_t)plane_side(yuv, p, a->width, true);
        for (int y = 0; y < plane_side(yuv, p, a->height, false); y++) {
            if (memcmp((char *)a->data[p] + y * a->stride[p], (char *)b->data[p] + y * b->stride[p],
                       width * (size_t)(a->depth > 8 ? 2 : 1)) != 0)
                return false;
        }
    }
    return a->width == b->width && a->height == b->height;
}

/* ---- against the stages of the host ---- */

static void must_not_run(const struct cuda_args *a)
{
    (void)a;
    fail_msg("a pass over the large picture that is not needed");
}

static void start(enum standin_mode mode, uint64_t seed)
{
    standin_reset();
    standin_mode(mode, seed, 50);
    standin_add_kernel("cuda_store", must_not_run);
}

/* Pictures as the processor makes them one by one, and the device in batches of 1, 2 and 3. Where
 * all takes long, in one of 3, and of 2 where threads are looked at. */
static void assert_alike(const struct way *said, enum standin_mode mode)
{
    const struct way filled_in = filled(said), *w = &filled_in;
    struct pq_image in[MOST], want[MOST], out[MOST];
    struct opened host, device;
    const int most = test_much(MOST, MOST, 2);
    start(mode, 7);
    open_frames(&host, "cpu:direct", w, 1);
    for (int i = 0; i < most; i++) {
        make_picture(w, i, &in[i]);
        run(&host, 1, &in[i], &want[i]);
    }
    for (int batch = test_much(1, MOST, 2); batch <= most; batch++) {
        open_frames(&device, "cuda", w, batch);
        assert_int_equal(pq_frames_batch(device.frames), batch);
        run(&device, batch, in, out);
        for (int i = 0; i < batch; i++) {
            if (!same(NULL, &out[i], &want[i]))
                fail_msg("picture %d of %d differs", i + 1, batch);
            pq_image_free(&out[i]);
        }
        close_frames(&device);
    }
    for (int i = 0; i < most; i++) {
        pq_image_free(&in[i]);
        pq_image_free(&want[i]);
    }
    close_frames(&host);
    nothing_is_wrong();
}

static void colours_have_the_bits_of_the_host(void **state)
{
    (void)state;
    const struct way ways[] = {
        {.band = 100},
        {.depth = 16},
        {.out_depth = 16},
        {.depth = 16, .out_depth = 16},
        {.options = {.scale = 3}},
        {.options = {.scale = 4}, .out_depth = 16},
        {.options = {.scale = 0.7}},
        {.options = {.width = 101}},
        {.options = {.pre_downscale = 20}},
        {.options = {.scale = 1}, .multiple = 2},
        {.options = {.sharpen = 0.5, .contrast = 1.2, .saturation = 0.8}, .out_depth = 16},
        {.options = {.sharpen = 1.5, .scale = 2.7}},
        {.options = {.contrast = 0.9}},
        {.options = {.saturation = -1}},
        {.width = 1, .height = 1},
        {.width = 200, .height = 2, .options = {.sharpen = 1, .scale = 3.5}},
        {.width = 3, .height = 150, .band = 1, .options = {.sharpen = 1}},
        {.width = 40, .height = 13}, /* samples go out by words */
        {.width = 48, .height = 13, .depth = 16, .out_depth = 16, .band = 2},
        {.width = 41, .height = 13, .multiple = 2, .out_depth = 16},
    };
    const enum standin_mode mode = TEST_THREADS ? STANDIN_THREADS : STANDIN_LAZY;
    for (size_t i = 0; i < PQ_COUNT(ways); i += (size_t)test_much(1, 1, 5))
        assert_alike(&ways[i], mode);
    assert_alike(&ways[4], STANDIN_THREADS);
}

/* What is computed in halves lies where the host's floats do. */
static void colours_of_halves_are_those_of_the_host(void **state)
{
    (void)state;
    static const enum pique_precision tiers[] = {PIQUE_PRECISION_FP16, PIQUE_PRECISION_BF16};
    static const int widths[] = {40, 37, 1}, most[] = {100, 800};
    for (size_t i = 0; i < PQ_COUNT(tiers) * PQ_COUNT(widths); i++) {
        struct way w = filled(&(struct way){
            .width = widths[i / 2], .depth = i % 4 < 2 ? 8 : 16, .out_depth = 16, .band = 9});
        struct pq_image in, want, out;
        struct opened host, device;
        start(STANDIN_LAZY, i);
        make_picture(&w, (int)i, &in);
        open_frames(&host, "cpu:direct", &w, 1);
        w.precision = tiers[i % 2];
        open_frames(&device, "cuda", &w, 1);
        run(&host, 1, &in, &want);
        run(&device, 1, &in, &out);
        int off = 0;
        for (int k = 0; k < 3 * out.width * out.height; k++) {
            const int p = k % 3, x = k / 3 % out.width, y = k / 3 / out.width;
            off = PQ_MAX(off, abs((int)sample_at(&out, p, x, y) - (int)sample_at(&want, p, x, y)));
        }
        assert_true(off > 0 && off <= most[i % 2]); /* of 65535; 33 and 265 were seen */
        close_frames(&host);
        close_frames(&device);
        pq_image_free(&in);
        pq_image_free(&want);
        pq_image_free(&out);
    }
    nothing_is_wrong();
}

static void frames_with_alpha_have_the_bits_of_the_host(void **state)
{
    (void)state;
    const struct way ways[] = {
        {.band = 100},
        {.depth = 16, .out_depth = 16, .options = {.scale = 3}},
        {.out_depth = 16, .options = {.pre_downscale = 20, .sharpen = 1}},
        {.options = {.scale = 0.7, .contrast = 1.3}, .multiple = 2},
        {.options = {.alpha = PIQUE_ALPHA_DROP, .scale = 3}},
        {.options = {.alpha = PIQUE_ALPHA_FLATTEN, .background = {9, 99, 199}}, .depth = 16},
    };
    for (size_t i = 0; i < PQ_COUNT(ways); i++) {
        struct way w = ways[i];
        w.planes = 4;
        w.options.background_set = w.options.alpha == PIQUE_ALPHA_FLATTEN;
        assert_alike(&w, i % 2 ? STANDIN_THREADS : STANDIN_LAZY);
    }
}

/* ---- the public API ---- */

/* Rows of any stride through an engine; the bytes of all rows. */
static unsigned char *batch_run(const char *device, const struct way *w, int frames, size_t *bytes)
{
    pique_engine *engine = open_engine(device, w);
    const size_t in_row = (size_t)w->width * 3 * (size_t)w->depth / 8 + 6;
    const size_t out_row = (size_t)w->width * 6 * (size_t)w->out_depth / 8 + 4;
    const size_t in_bytes = in_row * (size_t)w->height * (size_t)frames;
    struct rng r = {5};
    unsigned char *in = malloc(in_bytes + 1);
    *bytes = out_row * 2 * (size_t)w->height * (size_t)frames;
    unsigned char *out = malloc(*bytes + 1);
    for (size_t i = 0; i < in_bytes; i++)
        in[i] = (unsigned char)rng_next(&r);
    memset(out, 0x5a, *bytes);
    const pique_rows from = {in, (ptrdiff_t)in_row, (ptrdiff_t)in_row * w->height,
                             w->depth == 8 ? PIQUE_SAMPLE_U8 : PIQUE_SAMPLE_U16};
    const pique_rows to = {out, (ptrdiff_t)out_row, (ptrdiff_t)out_row * 2 * w->height,
                           w->out_depth == 8 ? PIQUE_SAMPLE_U8 : PIQUE_SAMPLE_U16};
    pique_error err;
    for (int twice = 0; twice < 2; twice++) {
        if (pique_batch_run(engine, frames, w->width, w->height, &from, &to, &err))
            fail_msg("%s", err.message);
    }
    free(in);
    pique_engine_close(&engine);
    return out;
}

/* Samples of halves side by side, a word of them or one by one. */
static void batches_of_halves_are_those_of_the_host(void **state)
{
    (void)state;
    static const enum pique_precision tiers[] = {PIQUE_PRECISION_FP16, PIQUE_PRECISION_BF16};
    for (int i = 0; i < 4; i++) {
        struct way w = filled(&(struct way){.width = i < 2 ? 40 : 37, .height = 20});
        size_t bytes;
        start(STANDIN_LAZY, (uint64_t)i);
        unsigned char *want = batch_run("cpu:direct", &w, 1, &bytes);
        w.precision = tiers[i % 2];
        unsigned char *have = batch_run("cuda", &w, 1, &bytes);
        for (size_t k = 0; k < bytes; k++)
            assert_true(abs(want[k] - have[k]) <= (i % 2 ? 4 : 1));
        free(want);
        free(have);
        nothing_is_wrong();
    }
}

static void batches_of_samples_have_the_bits_of_the_host(void **state)
{
    (void)state;
    for (int i = 0; i < 4 * 3; i++) {
        const struct way w = filled(&(struct way){.depth = i % 2 ? 16 : 8,
                                                  .out_depth = i / 2 % 2 ? 16 : 8,
                                                  .width = i / 4 == 2 ? 1 : 21 + i,
                                                  .height = 30,
                                                  .band = i / 4 == 1 ? 100 : 4});
        size_t bytes;
        start(STANDIN_LAZY, (uint64_t)i);
        unsigned char *want = batch_run("cpu:direct", &w, 1 + i / 4, &bytes);
        unsigned char *have = batch_run("cuda", &w, 1 + i / 4, &bytes);
        assert_memory_equal(want, have, bytes);
        free(want);
        free(have);
        nothing_is_wrong();
    }
}

/* ---- luma and chroma, against their definition ---- */

static double catmull_rom(double d)
{
    d = fabs(d);
    return d < 1   ? 1.5 * d * d * d - 2.5 * d * d + 1
           : d < 2 ? -0.5 * d * d * d + 2.5 * d * d - 4 * d + 2
                   : 0;
}

/* Value at a place between samples 0 .. n-1 of a row, borders mirrored; `wide` times the filter. */
static double between(const double *row, int n, double place, int wide)
{
    double sum = 0, weights = 0;
    for (int k = (int)floor(place) - 2 * wide; k <= (int)ceil(place) + 2 * wide; k++) {
        int at = k;
        while (at < 0 || at >= n)
            at = at < 0 ? -1 - at : 2 * n - 1 - at;
        const double w = catmull_rom((place - k) / wide);
        sum += w * row[at];
        weights += w;
    }
    return sum / weights;
}

/* A plane resampled along both axes: result sample i is at scale i + offset of it. */
static double *resampled(const double *plane, int w, int h, int to_w, int to_h, const double *scale,
                         const double *offset)
{
    double *across = calloc((size_t)to_w * (size_t)h, sizeof *across);
    double *out = calloc((size_t)to_w * (size_t)to_h, sizeof *out);
    double column[512];
    for (int y = 0; y < h; y++)
        for (int x = 0; x < to_w; x++)
            across[y * to_w + x] = between(plane + (size_t)y * (size_t)w, w,
                                           scale[0] * x + offset[0], to_w < w ? 2 : 1);
    for (int x = 0; x < to_w; x++) {
        for (int y = 0; y < h; y++)
            column[y] = across[y * to_w + x];
        for (int y = 0; y < to_h; y++)
            out[y * to_w + x] = between(column, h, scale[1] * y + offset[1], to_h < h ? 2 : 1);
    }
    free(across);
    return out;
}

struct span {
    double y_zero, y_span, c_zero, c_span;
};
static struct span span_of(const struct pq_yuv *yuv)
{
    const double up = 1 << (yuv->depth - 8), most = (1 << yuv->depth) - 1;
    return yuv->full ? (struct span){0, most, 128 * up, most}
                     : (struct span){16 * up, 219 * up, 128 * up, 224 * up};
}

/* Chroma samples there are where there is one for each place that a picture's pixels fill. */
static void reference_to_rgb(const struct pq_yuv *yuv, const struct pq_image *in,
                             struct pq_image *out)
{
    const struct span s = span_of(yuv);
    const int w = in->width, h = in->height;
    const int cw = plane_side(yuv, 1, w, true), ch = plane_side(yuv, 1, h, false);
    const double scale[2] = {1.0 / (1 << yuv->sub_x), 1.0 / (1 << yuv->sub_y)};
    const double offset[2] = {-yuv->site_x / 4.0, -yuv->site_y / 4.0};
    double *chroma[2];
    assert_int_equal(pq_image_new(w, h, 3, 16, NULL, out, NULL), 0);
    for (int p = 0; p < 2; p++) {
        double *plane = calloc((size_t)cw * (size_t)ch, sizeof *plane);
        for (int i = 0; i < cw * ch; i++)
            plane[i] = (sample_at(in, p + 1, i % cw, i / cw) - s.c_zero) / s.c_span;
        chroma[p] = resampled(plane, cw, ch, w, h, scale, offset);
        free(plane);
    }
    for (int i = 0; i < w * h; i++) {
        const double y = (sample_at(in, 0, i % w, i / w) - s.y_zero) / s.y_span;
        const double b = y + 2 * (1 - yuv->kb) * chroma[0][i];
        const double r = y + 2 * (1 - yuv->kr) * chroma[1][i];
        const double rgb[3] = {r, (y - yuv->kr * r - yuv->kb * b) / (1 - yuv->kr - yuv->kb), b};
        for (int c = 0; c < 3; c++)
            put_sample(out, c, i % w, i / w, (unsigned)lrint(fmin(fmax(rgb[c], 0), 1) * 65535));
    }
    free(chroma[0]);
    free(chroma[1]);
}

/* Of an RGB picture of 16 bits, plane by plane, not rounded. */
static double *reference_plane(const struct pq_yuv *yuv, const struct pq_image *in, int p)
{
    const struct span s = span_of(yuv);
    const int w = in->width, h = in->height;
    double *plane = calloc((size_t)w * (size_t)h, sizeof *plane);
    for (int i = 0; i < w * h; i++) {
        double rgb[3];
        for (int c = 0; c < 3; c++)
            rgb[c] = sample_at(in, c, i % w, i / w) / 65535.0;
        const double y = yuv->kr * rgb[0] + (1 - yuv->kr - yuv->kb) * rgb[1] + yuv->kb * rgb[2];
        const double k = p == 1 ? yuv->kb : yuv->kr;
        plane[i] = p ? (rgb[p == 1 ? 2 : 0] - y) / (2 * (1 - k)) * s.c_span + s.c_zero
                     : y * s.y_span + s.y_zero;
    }
    if (!p)
        return plane;
    const double scale[2] = {1 << yuv->sub_x, 1 << yuv->sub_y};
    const double offset[2] = {yuv->site_x / 2.0, yuv->site_y / 2.0};
    double *out = resampled(plane, w, h, plane_side(yuv, p, w, true), plane_side(yuv, p, h, false),
                            scale, offset);
    free(plane);
    return out;
}

static const struct pq_yuv yuvs[] = {
    {.depth = 8, .sub_x = 1, .sub_y = 1, .site_y = 1, .kr = 0.2126, .kb = 0.0722},
    {.depth = 10, .sub_x = 1, .sub_y = 1, .site_y = 1, .kr = 0.2627, .kb = 0.0593},
    {.depth = 10, .sub_x = 1, .sub_y = 1, .kr = 0.2627, .kb = 0.0593},
    {.depth = 8,
     .sub_x = 1,
     .sub_y = 1,
     .site_x = 1,
     .site_y = 1,
     .full = true,
     .kr = 0.299,
     .kb = 0.114},
    {.depth = 12, .sub_x = 1, .sub_y = 1, .site_y = 2, .kr = 0.299, .kb = 0.114},
    {.depth = 10, .sub_x = 1, .kr = 0.2126, .kb = 0.0722},
    {.depth = 8, .sub_y = 1, .site_y = 1, .kr = 0.2126, .kb = 0.0722},
    {.depth = 16, .kr = 0.2126, .kb = 0.0722, .full = true},
    {.depth = 16, .sub_x = 1, .sub_y = 1, .site_x = 1, .site_y = 1, .kr = 0.2126, .kb = 0.0722},
};

/* The picture that the stages make of RGB by definition, and the device of luma and chroma. */
static void luma_and_chroma_become_the_colours_that_they_mean(void **state)
{
    (void)state;
    static const int sizes[][2] = {{37, 43}, {36, 40}, {2, 2}, {1, 5}, {5, 1}};
    for (size_t i = 0; i < PQ_COUNT(yuvs) * PQ_COUNT(sizes); i++) {
        const int *size = sizes[i / PQ_COUNT(yuvs)];
        const struct way from =
            filled(&(struct way){.in_yuv = &yuvs[i % PQ_COUNT(yuvs)],
                                 .width = size[0],
                                 .height = size[1],
                                 .depth = yuvs[i % PQ_COUNT(yuvs)].depth > 8 ? 16 : 8,
                                 .out_depth = 16,
                                 .band = 5});
        const struct way rgb = filled(&(struct way){
            .width = size[0], .height = size[1], .depth = 16, .out_depth = 16, .band = 5});
        struct pq_image in, as_rgb, want, out;
        struct opened host, device;
        start(STANDIN_LAZY, i);
        make_picture(&from, (int)i, &in);
        reference_to_rgb(from.in_yuv, &in, &as_rgb);
        open_frames(&host, "cpu:direct", &rgb, 1);
        open_frames(&device, "cuda", &from, 1);
        run(&host, 1, &as_rgb, &want);
        run(&device, 1, &in, &out);
        for (int p = 0; p < 3; p++)
            for (int y = 0; y < out.height; y++)
                for (int x = 0; x < out.width; x++)
                    assert_true(
                        abs((int)sample_at(&out, p, x, y) - (int)sample_at(&want, p, x, y)) <= 4);
        close_frames(&host);
        close_frames(&device);
        struct pq_image *const all[] = {&in, &as_rgb, &want, &out};
        for (int k = 0; k < 4; k++)
            pq_image_free(all[k]);
    }
    nothing_is_wrong();
}

/* Every sample within a step of what it should be, and none too high or too low on average. */
static void assert_dithered(const struct pq_yuv *yuv, const struct pq_image *rgb,
                            const struct pq_image *out)
{
    const double step = yuv->depth < 16 ? 1 : 0.5;
    const double rounding = 1.5 * (1 << yuv->depth) / 65536; /* of the reference, in 16 bits */
    for (int p = 0; p < 3; p++) {
        double *want = reference_plane(yuv, rgb, p), sum = 0;
        const int w = plane_side(yuv, p, out->width, true);
        const int h = plane_side(yuv, p, out->height, false);
        for (int i = 0; i < w * h; i++) {
            const double off = sample_at(out, p, i % w, i / w) - want[i];
            assert_true(fabs(off) <= step + rounding);
            sum += off;
        }
        if (w >= 16 && h >= 16)
            assert_true(fabs(sum / (w * h)) < 0.05 + rounding);
        free(want);
    }
}

static void colours_become_luma_and_chroma(void **state)
{
    (void)state;
    for (size_t i = 0; i < PQ_COUNT(yuvs); i++) {
        const struct way to = filled(&(struct way){.out_yuv = &yuvs[i],
                                                   .depth = 16,
                                                   .out_depth = yuvs[i].depth > 8 ? 16 : 8,
                                                   .multiple = 2,
                                                   .band = 5});
        const struct way rgb =
            filled(&(struct way){.depth = 16, .out_depth = 16, .multiple = 2, .band = 5});
        struct pq_image in, want, out;
        struct opened host, device;
        start(STANDIN_LAZY, i);
        make_picture(&rgb, (int)i, &in);
        open_frames(&host, "cpu:direct", &rgb, 1);
        open_frames(&device, "cuda", &to, 1);
        run(&host, 1, &in, &want);
        run(&device, 1, &in, &out);
        assert_dithered(&yuvs[i], &want, &out);
        close_frames(&host);
        close_frames(&device);
        pq_image_free(&in);
        pq_image_free(&want);
        pq_image_free(&out);
    }
    nothing_is_wrong();
}

/* A piece is what it is within the whole: chroma beyond its border counts. */
static void a_piece_is_upscaled_as_if_it_were_cut_out_of_the_colours(void **state)
{
    (void)state;
    static const int crop[4] = {5, 3, 20, 30};
    const struct way from = filled(&(struct way){
        .in_yuv = &yuvs[0], .out_depth = 16, .crop = {crop[0], crop[1], crop[2], crop[3]}});
    const struct way rgb =
        filled(&(struct way){.width = crop[2], .height = crop[3], .depth = 16, .out_depth = 16});
    struct pq_image in, whole, piece, want, out;
    struct opened host, device;
    start(STANDIN_LAZY, 1);
    make_picture(&from, 1, &in);
    reference_to_rgb(from.in_yuv, &in, &whole);
    assert_int_equal(pq_image_new(crop[2], crop[3], 3, 16, NULL, &piece, NULL), 0);
    for (int i = 0; i < 3 * crop[2] * crop[3]; i++) {
        const int p = i % 3, x = i / 3 % crop[2], y = i / 3 / crop[2];
        put_sample(&piece, p, x, y, sample_at(&whole, p, x + crop[0], y + crop[1]));
    }
    open_frames(&host, "cpu:direct", &rgb, 1);
    open_frames(&device, "cuda", &from, 1);
    run(&host, 1, &piece, &want);
    run(&device, 1, &in, &out);
    assert_int_equal(out.width, want.width);
    for (int i = 0; i < 3 * out.width * out.height; i++) {
        const int p = i % 3, x = i / 3 % out.width, y = i / 3 / out.width;
        assert_true(abs((int)sample_at(&out, p, x, y) - (int)sample_at(&want, p, x, y)) <= 4);
    }
    close_frames(&host);
    close_frames(&device);
    struct pq_image *const all[] = {&in, &whole, &piece, &want, &out};
    for (size_t k = 0; k < PQ_COUNT(all); k++)
        pq_image_free(all[k]);
    nothing_is_wrong();
}

/* Batches, bands and order change nothing, and halves little. */
static void places_bands_and_orders_change_no_sample(void **state)
{
    (void)state;
    static const enum pique_precision tiers[] = {PIQUE_PRECISION_FP32, PIQUE_PRECISION_FP16};
    for (size_t t = 0; t < PQ_COUNT(tiers); t++) {
        struct pq_image in[MOST], alone[MOST], out[MOST];
        struct way w = filled(&(struct way){.in_yuv = &yuvs[1],
                                            .out_yuv = &yuvs[1],
                                            .depth = 16,
                                            .out_depth = 16,
                                            .multiple = 2,
                                            .band = 100,
                                            .options = {.scale = 3, .sharpen = 0.5},
                                            .precision = tiers[t]});
        struct opened device;
        start(STANDIN_LAZY, 3);
        open_frames(&device, "cuda", &w, 1);
        for (int i = 0; i < MOST; i++) {
            make_picture(&w, i, &in[i]);
            run(&device, 1, &in[i], &alone[i]);
        }
        close_frames(&device);
        for (int k = 0; k < 6; k += test_much(1, 3, 3)) {
            w.band = 1 + 3 * k;
            start(k % 2 ? STANDIN_THREADS : STANDIN_LAZY, (uint64_t)k);
            if (tiers[t] != PIQUE_PRECISION_FP32) /* the convolution does it */
                standin_add_kernel("cuda_pixel_shuffle", must_not_run);
            open_frames(&device, "cuda", &w, MOST);
            run(&device, MOST, in, out);
            for (int i = 0; i < MOST; i++) {
                assert_true(same(w.out_yuv, &out[i], &alone[i]));
                pq_image_free(&out[i]);
            }
            close_frames(&device);
            nothing_is_wrong();
        }
        for (int i = 0; i < MOST; i++) {
            pq_image_free(&in[i]);
            pq_image_free(&alone[i]);
        }
    }
}

/* ---- pictures of a folder ---- */

static struct pq_framed *take(const struct opened *o, int scale, double sharpen, int width)
{
    const pique_picture_options options = {
        .size = sizeof options, .scale = scale, .sharpen = sharpen};
    const struct pq_scale own = {2, 1};
    const struct pq_frames_setup setup = {
        .engines = &o->engines, .width = width, .height = HEIGHT, .planes = 3, .depth = 8};
    struct pq_plan plan;
    struct pq_framed *framed;
    memset(&plan, (int)sharpen + scale, sizeof plan); /* what is between members counts nothing */
    assert_int_equal(pq_plan_options(&plan, &options, NULL), 0);
    assert_int_equal(pq_size_resolve(&plan.options, width, HEIGHT, &own, 1, "a", &plan.size, NULL),
                     0);
    plan.alpha = PIQUE_ALPHA_DROP;
    const struct pq_image out = {
        .width = plan.size.width, .height = plan.size.height, .planes = 3, .depth = 8};
    assert_int_equal(pq_framed_take(&setup, &plan, &out, &framed, NULL), 0);
    return framed;
}

static void the_next_pictures_of_a_kind_find_their_graph_ready(void **state)
{
    (void)state;
    const struct way w = filled(&(struct way){0});
    struct opened o = {0};
    start(STANDIN_LAZY, 1);
    o.engine = open_engine("cuda", &w);
    o.engines = (struct pq_engines){&o.engine, 1};
    const int before = standin_calls("cuModuleLoadData");
    const struct pq_framed *first = take(&o, 2, 0, WIDTH);
    assert_ptr_equal(first, take(&o, 2, 0, WIDTH));
    assert_int_equal(standin_calls("cuModuleLoadData"), before + 1);
    take(&o, 2, 0.5, WIDTH);
    take(&o, 3, 0.5, WIDTH);
    take(&o, 3, 0.5, WIDTH + 1);
    assert_int_equal(standin_calls("cuModuleLoadData"), before + 4);
    pique_engine_close(&o.engine);
    nothing_is_wrong();
}

/* ---- never a wrong picture called done ---- */

static int spoils;         /* launches that are left to spoil */
static int only_x, only_y; /* not negative: this pixel alone */
static float spoiled;

/* In place of the network's last step. */
static void spoil(const struct cuda_args *a)
{
    for (int f = 0; f < a->frames; f++)
        for (int64_t y = a->y0; y < a->y0 + a->rows; y++)
            for (int x = 0; x < a->out.width; x++)
                for (int c = 0; c < a->out.channels; c++)
                    a->out.data[cuda_offset(&a->out, f, y, x) + c] =
                        spoils > 0 && (only_x < 0 || (x == only_x && y == only_y))
                            ? spoiled
                            : (float)((x + y) % 7) / 7;
    spoils--;
}

static void what_a_device_computes_is_looked_at(void **state)
{
    (void)state;
    const struct way w = filled(&(struct way){.width = 40, .height = 44, .band = 100});
    const struct {
        float value;
        int launches;
        const char *says;
    } cases[] = {{0.25f, 1, NULL},
                 {NAN, 1, NULL},
                 {0.25f, 2, "one single colour"},
                 {NAN, 2, "not finite"},
                 {INFINITY, 2, "not finite"}};
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct pq_image in, out;
        struct opened device;
        pique_error err;
        start(STANDIN_LAZY, i);
        standin_add_kernel("cuda_add", spoil);
        only_x = -1;
        spoiled = cases[i].value;
        spoils = cases[i].launches;
        make_picture(&w, 0, &in);
        open_frames(&device, "cuda", &w, 1);
        new_output(&device, &out);
        const int rc = pq_frames_run(device.frames, 1, &in, &out, &err);
        assert_int_equal(rc, cases[i].says ? PIQUE_EDEVICE : 0);
        assert_int_equal(pq_frames_retries(device.frames), 1);
        if (cases[i].says)
            assert_non_null(strstr(err.message, cases[i].says));
        close_frames(&device);
        pq_image_free(&in);
        pq_image_free(&out);
    }
}

/* Wherever it is, whatever the rows of a step. */
static void a_single_value_is_seen(void **state)
{
    (void)state;
    static const int places[][2] = {{0, 0}, {79, 87}, {64, 63}, {63, 64}, {31, 37}, {5, 80}};
    static const int bands[] = {1, 5, 23, 100};
    for (size_t i = 0; i < PQ_COUNT(places) * PQ_COUNT(bands); i++) {
        const struct way w =
            filled(&(struct way){.width = 40, .height = 44, .band = bands[i / PQ_COUNT(places)]});
        struct pq_image in, out;
        struct opened device;
        pique_error err;
        start(STANDIN_LAZY, i);
        standin_add_kernel("cuda_add", spoil);
        only_x = places[i % PQ_COUNT(places)][0];
        only_y = places[i % PQ_COUNT(places)][1];
        spoiled = NAN;
        spoils = 1000;
        make_picture(&w, 0, &in);
        open_frames(&device, "cuda", &w, 1);
        new_output(&device, &out);
        assert_int_equal(pq_frames_run(device.frames, 1, &in, &out, &err), PIQUE_EDEVICE);
        assert_non_null(strstr(err.message, "not finite"));
        close_frames(&device);
        pq_image_free(&in);
        pq_image_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_have_the_bits_of_the_host),
        cmocka_unit_test(colours_of_halves_are_those_of_the_host),
        cmocka_unit_test(frames_with_alpha_have_the_bits_of_the_host),
        cmocka_unit_test(batches_of_samples_have_the_bits_of_the_host),
        cmocka_unit_test(batches_of_halves_are_those_of_the_host),
        cmocka_unit_test(luma_and_chroma_become_the_colours_that_they_mean),
        cmocka_unit_test(colours_become_luma_and_chroma),
        cmocka_unit_test(a_piece_is_upscaled_as_if_it_were_cut_out_of_the_colours),
        cmocka_unit_test(places_bands_and_orders_change_no_sample),
        cmocka_unit_test(the_next_pictures_of_a_kind_find_their_graph_ready),
        cmocka_unit_test(what_a_device_computes_is_looked_at),
        cmocka_unit_test(a_single_value_is_seen),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
