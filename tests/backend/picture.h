/* SPDX-License-Identifier: MIT */
/* Pictures in double, for definitions that operations are held against, and the comparison. */
#pragma once

#include <math.h>

#include "../net.h"
#include "base/alloc.h"

/* height x width x channels */
struct picture {
    double *data;
    int width, height, channels;
};

static inline struct picture picture_new(int width, int height, int channels)
{
    struct picture p = {.width = width, .height = height, .channels = channels};
    p.data = calloc((size_t)width * (size_t)height * (size_t)channels, sizeof *p.data);
    assert_non_null(p.data);
    return p;
}

static inline double *pixel(const struct picture *p, int x, int y)
{
    return p->data + ((ptrdiff_t)y * p->width + x) * p->channels;
}

/* 0 outside. */
static inline double value(const struct picture *p, int x, int y, int c)
{
    bool inside = x >= 0 && y >= 0 && x < p->width && y < p->height;
    return inside ? pixel(p, x, y)[c] : 0;
}

static inline struct picture picture_of(const float *data, int width, int height, int channels)
{
    struct picture p = picture_new(width, height, channels);
    for (size_t i = 0; i < (size_t)width * (size_t)height * (size_t)channels; i++)
        p.data[i] = data[i];
    return p;
}

static inline double weight_at(const struct pq_tensor *t, size_t i)
{
    return ((const float *)t->data)[i];
}

/* What a graph should make of one picture. */
typedef struct picture definition(const struct pq_graph *g, const struct picture *in);

/* Run a graph on batches in random bands by one and three threads, and compare each picture with
 * its definition. Size is that of the input. */
static inline void check_graph(const struct pq_graph *g, struct rng *r, uint64_t seed, int width,
                               int height, definition *define, double tolerance)
{
    struct pq_geometry geometry = {1 + rng_below(r, 2), width, height,
                                   1 + rng_below(r, height + 2)};
    int channels = g->ops[0].channels, out_width, out_height, rc;
    float *in = net_picture(r, &geometry, channels);
    float *out = net_run(g, TEST_DEVICE, 1 + 2 * rng_below(r, 2), &geometry, in, &out_width,
                         &out_height, &rc);
    assert_int_equal(rc, 0);
    net_check_same_as_cpu(g, &geometry, in, out);
    size_t in_size = (size_t)width * (size_t)height * (size_t)channels;
    for (int f = 0; f < geometry.frames; f++) {
        struct picture p = picture_of(in + (size_t)f * in_size, width, height, channels);
        struct picture want = define(g, &p);
        size_t size = (size_t)want.width * (size_t)want.height * (size_t)want.channels;
        assert_int_equal(want.width, out_width);
        assert_int_equal(want.height, out_height);
        for (size_t i = 0; i < size; i++) {
            double have = out[(size_t)f * size + i];
            if (!(fabs(have - want.data[i]) <= tolerance * fmax(1, fabs(want.data[i]))))
                fail_msg("seed %llu, frame %d, %d x %d in bands of %d: float %zu is %g, not %g",
                         (unsigned long long)seed, f, width, height, geometry.band, i, have,
                         want.data[i]);
        }
        free(p.data);
        free(want.data);
    }
    free(in);
    free(out);
}
