/* SPDX-License-Identifier: MIT */
/* Graphs with random weights, and a runner over them, for the tests of graph/ and backend/. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "backend/cpu/pieces.h"
#include "base/rng.h"
#include "graph/graph.h"

/* The device that the tests of backend/ run on: they are built once more for each backend that
 * there is on this machine, or that something stands in for. */
#ifndef TEST_DEVICE
#define TEST_DEVICE "cpu"
#endif

/* Weights live until net_free(). */
struct net {
    struct pq_graph *graph;
    float *weights[256];
    int count;
};

static inline struct pq_tensor net_tensor(struct net *net, struct rng *r, int dims,
                                          const int64_t *shape, float size)
{
    struct pq_tensor t = {.dtype = PQ_F32, .dims = dims};
    size_t n = 1;
    for (int i = 0; i < dims; i++)
        n *= (size_t)(t.shape[i] = shape[i]);
    float *p = malloc(n * sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = rng_float(r) * size;
    t.data = net->weights[net->count++] = p;
    return t;
}

static inline int net_conv(struct net *net, struct rng *r, int in, int out_channels, int kernel)
{
    int c = net->graph->ops[in].channels;
    struct pq_tensor w =
        net_tensor(net, r, 4, (const int64_t[]){out_channels, c, kernel, kernel}, 1.5f / (float)c);
    struct pq_tensor b = net_tensor(net, r, 1, (const int64_t[]){out_channels}, 0.2f);
    int op = pq_graph_conv2d(net->graph, in, &w, &b, NULL);
    assert_true(op >= 0);
    return op;
}

/* SRVGGNetCompact with random weights; after > 0 adds a bicubic by after/2. */
static inline void net_compact(struct net *net, uint64_t seed, int features, int convs, int scale,
                               int channels, int after)
{
    struct rng r = {seed};
    *net = (struct net){0};
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    int x = pq_graph_input(net->graph, channels, NULL), y = x;
    for (int i = 0; i <= convs; i++) {
        y = net_conv(net, &r, y, features, 3);
        struct pq_tensor s = net_tensor(net, &r, 1, (const int64_t[]){features}, 1.0f);
        y = pq_graph_act(net->graph, y, 0, &s, NULL);
    }
    y = net_conv(net, &r, y, channels * scale * scale, 3);
    y = pq_graph_pixel_shuffle(net->graph, y, scale, NULL);
    y = pq_graph_add(net->graph, y, pq_graph_nearest(net->graph, x, scale, NULL), 1, NULL);
    if (after)
        y = pq_graph_bicubic(net->graph, y, after, 2, NULL);
    assert_true(y > 0);
    assert_int_equal(pq_graph_finish(net->graph, y, NULL), 0);
}

/* A residual dense block, Wang et al. 2018, fig. 4: five convolutions over growing inputs. */
static inline int net_dense(struct net *net, struct rng *r, int x, int growth)
{
    int parts[5] = {x}, features = net->graph->ops[x].channels;
    for (int i = 1; i < 5; i++) {
        int joined = pq_graph_concat(net->graph, i, parts, NULL);
        parts[i] = pq_graph_act(net->graph, net_conv(net, r, joined, growth, 3), 0.2f, NULL, NULL);
    }
    int last = net_conv(net, r, pq_graph_concat(net->graph, 5, parts, NULL), features, 3);
    return pq_graph_add(net->graph, x, last, 0.2f, NULL);
}

/* RRDBNet with random weights. fused false: run as it is written. */
static inline void net_rrdb(struct net *net, uint64_t seed, int features, int growth, int blocks,
                            bool fused)
{
    struct rng r = {seed};
    *net = (struct net){0};
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    int first = net_conv(net, &r, pq_graph_input(net->graph, 3, NULL), features, 3), y = first;
    for (int b = 0; b < blocks; b++) {
        int x = y;
        for (int i = 0; i < 3; i++)
            y = net_dense(net, &r, y, growth);
        y = pq_graph_add(net->graph, x, y, 0.2f, NULL);
    }
    y = pq_graph_add(net->graph, net_conv(net, &r, y, features, 3), first, 1, NULL);
    y = net_conv(net, &r, pq_graph_nearest(net->graph, y, 2, NULL), features, 3);
    y = net_conv(net, &r, pq_graph_act(net->graph, y, 0.2f, NULL, NULL), 3, 3);
    assert_true(y > 0);
    if (fused)
        assert_int_equal(pq_graph_finish(net->graph, y, NULL), 0);
    else
        net->graph->output = y;
}

static inline void net_free(struct net *net)
{
    pq_graph_free(&net->graph);
    for (int i = 0; i < net->count; i++)
        free(net->weights[i]);
}

/* Run whole pictures through a graph, in a tier. in: frames x h x w x c. The result, which the
 * caller frees, is frames x out height x out width x out channels; *rc is the status. */
static inline float *net_run_tier(const struct pq_graph *graph, const char *device,
                                  enum pique_precision tier, int threads,
                                  const struct pq_geometry *geometry, const float *in,
                                  int *out_width, int *out_height, int *rc)
{
    struct pq_pool *pool = NULL;
    struct pq_program *program = NULL;
    struct pq_run *run = NULL;
    float *out = NULL;
    *out_width = *out_height = 0;
    *rc = pq_pool_create(threads, &pool, NULL);
    assert_int_equal(*rc, 0);
    struct pq_device_options options = {.id = device, .precision = tier, .pool = pool};
    /* In pieces of few rows, such as wide pictures have, or in those of the device's own choice. */
    cpu_piece_rows_force((geometry->width + geometry->height + geometry->band) % 8);
    *rc = pq_program_compile(graph, &options, &program, NULL);
    if (!*rc)
        *rc = pq_run_begin(program, geometry, false, &run, NULL);
    if (!*rc) {
        const struct pq_line *line = &run->lines[graph->output];
        size_t row = (size_t)line->width * (size_t)graph->ops[graph->output].channels;
        size_t in_row = (size_t)geometry->width * (size_t)graph->ops[0].channels;
        *out_width = (int)line->width;
        *out_height = (int)line->height;
        out = malloc((size_t)geometry->frames * (size_t)line->height * row * sizeof *out);
        /* Exactly as large as promised, so that a sanitizer sees a row too many. */
        size_t most = (size_t)pq_run_max_out(run);
        float *band = malloc((size_t)geometry->frames * most * row * sizeof *band);
        int64_t done = 0;
        while (!*rc && !pq_run_finished(run)) {
            int64_t missing = pq_run_missing(run);
            int count = (int)(missing < geometry->band ? missing : geometry->band);
            struct pq_band from = {(float *)in + (size_t)(geometry->height - missing) * in_row,
                                   (ptrdiff_t)in_row, (ptrdiff_t)in_row * geometry->height};
            struct pq_band to = {band, (ptrdiff_t)row, (ptrdiff_t)(row * most)};
            int got;
            *rc = pq_run_step(run, &from, count, &to, &got, NULL);
            for (int f = 0; f < geometry->frames && !*rc; f++)
                memcpy(out + ((size_t)f * (size_t)line->height + (size_t)done) * row,
                       band + (size_t)f * most * row, (size_t)got * row * sizeof *out);
            done += got;
        }
        free(band);
    }
    pq_run_end(&run);
    pq_program_release(&program);
    pq_pool_destroy(&pool);
    return out;
}

static inline float *net_run(const struct pq_graph *graph, const char *device, int threads,
                             const struct pq_geometry *geometry, const float *in, int *out_width,
                             int *out_height, int *rc)
{
    return net_run_tier(graph, device, PIQUE_PRECISION_AUTO, threads, geometry, in, out_width,
                        out_height, rc);
}

static inline float *net_picture(struct rng *r, const struct pq_geometry *g, int channels)
{
    size_t n = (size_t)g->frames * (size_t)g->height * (size_t)g->width * (size_t)channels;
    float *p = malloc(n * sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = rng_float(r);
    return p;
}

/* Another device's result has the bits of the processor's direct kernels. */
static inline void net_check_same_as_cpu(const struct pq_graph *graph,
                                         const struct pq_geometry *geometry, const float *in,
                                         const float *out)
{
    if (strcmp(TEST_DEVICE, "cpu") == 0)
        return;
    int width, height, rc;
    float *want = net_run(graph, "cpu:direct", 1, geometry, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    const size_t floats = (size_t)geometry->frames * (size_t)width * (size_t)height *
                          (size_t)graph->ops[graph->output].channels;
    for (size_t i = 0; i < floats; i++) {
        if (memcmp(&want[i], &out[i], sizeof want[i]) != 0)
            fail_msg("%d x %d x %d in bands of %d: float %zu is %.9g, not %.9g", geometry->frames,
                     geometry->width, geometry->height, geometry->band, i, (double)out[i],
                     (double)want[i]);
    }
    free(want);
}
