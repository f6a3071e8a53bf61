/* SPDX-License-Identifier: MIT */
/* Samples at the ends of a run, converted by the tasks that move its rows: they are those that the
 * same run of floats gives, however they lie, and what was seen of them is what is there. */
#include "../net.h"

#include <math.h>

#include "base/alloc.h"
#include "kernels/samples.h"

/* Pictures of one batch as samples, plane by plane or interleaved, with a gap behind each row. */
struct album {
    int frames, width, height, channels, planes, depth;
    size_t stride, size; /* bytes of a row of a plane, and of a frame */
    unsigned char *data;
    struct pq_picture *pictures;
};

enum { GAP = 6, PATTERN = 0xa5 };

static struct album new_album(int frames, int width, int height, int channels, int planes,
                              int depth)
{
    struct album a = {frames, width, height, channels, planes, depth, 0, 0, NULL, NULL};
    a.stride = (size_t)(width * channels / planes) * (size_t)(depth / 8) + GAP;
    a.size = a.stride * (size_t)height * (size_t)planes;
    a.data = malloc((size_t)frames * a.size);
    a.pictures = calloc((size_t)frames, sizeof *a.pictures);
    assert_non_null(a.data);
    assert_non_null(a.pictures);
    memset(a.data, PATTERN, (size_t)frames * a.size);
    for (int f = 0; f < frames; f++) {
        for (int p = 0; p < planes; p++) {
            a.pictures[f].data[p] =
                a.data + (size_t)f * a.size + (size_t)p * (size_t)height * a.stride;
            a.pictures[f].stride[p] = (ptrdiff_t)a.stride;
        }
    }
    return a;
}

static void free_album(struct album *a)
{
    free(a->data);
    free(a->pictures);
}

/* The sample of a channel of a pixel: its row, and which one of that. */
static unsigned char *row_of(const struct album *a, int f, int y, int x, int c, size_t *i)
{
    const bool one = a->planes == 1;
    *i = one ? (size_t)(x * a->channels + c) : (size_t)x;
    return (unsigned char *)a->pictures[f].data[one ? 0 : c] + (size_t)y * a->stride;
}

static struct album random_album(struct rng *r, const struct pq_geometry *g, int channels,
                                 int planes, int depth)
{
    struct album a = new_album(g->frames, g->width, g->height, channels, planes, depth);
    for (size_t i = 0; i < (size_t)a.frames * a.size; i++)
        a.data[i] = (unsigned char)rng_next(r);
    return a;
}

static float *floats_of(const struct album *a)
{
    const size_t n = (size_t)a->frames * (size_t)a->height * (size_t)a->width * (size_t)a->channels;
    float *floats = malloc(n * sizeof *floats), *to = floats;
    assert_non_null(floats);
    for (int f = 0; f < a->frames; f++)
        for (int y = 0; y < a->height; y++)
            for (int x = 0; x < a->width; x++)
                for (int c = 0; c < a->channels; c++) {
                    size_t i;
                    const unsigned char *row = row_of(a, f, y, x, c, &i);
                    *to++ = pq_sample_load(row, i, a->depth);
                }
    return floats;
}

/* Every sample is that of a float, and nothing else was written. */
static void check_samples(const struct album *a, const float *floats)
{
    struct album want = new_album(a->frames, a->width, a->height, a->channels, a->planes, a->depth);
    for (int f = 0; f < a->frames; f++)
        for (int y = 0; y < a->height; y++)
            for (int x = 0; x < a->width; x++)
                for (int c = 0; c < a->channels; c++) {
                    size_t i;
                    unsigned char *row = row_of(&want, f, y, x, c, &i);
                    pq_sample_store(row, i, *floats++, a->depth);
                }
    assert_memory_equal(a->data, want.data, (size_t)a->frames * a->size);
    free_album(&want);
}

/* What lies under each tile of the result, of all rows that do so wholly. */
static void check_seen(const struct pq_range *seen, const struct pq_geometry *g, int channels,
                       int out_width, int out_height, const float *floats)
{
    const int across = pq_tiles_of(out_width), down = pq_tiles_of(out_height);
    for (int t = 0; t < down; t++)
        for (int column = 0; column < across; column++)
            for (int f = 0; f < g->frames; f++)
                for (int c = 0; c < channels; c++, seen++) {
                    int64_t x0, x1, y0, y1;
                    float low = INFINITY, high = -INFINITY;
                    pq_under_tile(column, g->width, out_width, &x0, &x1);
                    pq_under_tile(t, g->height, out_height, &y0, &y1);
                    for (int64_t y = y0; y < y1; y++)
                        for (int64_t x = x0; x < x1; x++) {
                            const float v =
                                floats[(((int64_t)f * g->height + y) * g->width + x) * channels +
                                       c];
                            low = fminf(low, v);
                            high = fmaxf(high, v);
                        }
                    assert_true(seen->low == low);
                    assert_true(seen->high == high);
                    assert_int_equal(seen->bad, 0);
                }
}

/* A run over a graph. */
struct engine {
    struct pq_pool *pool;
    struct pq_program *program;
    struct pq_run *run;
};

static struct engine start(const struct pq_graph *g, const struct pq_geometry *geometry,
                           enum pique_precision tier, int threads)
{
    struct engine e;
    assert_int_equal(pq_pool_create(threads, &e.pool, NULL), 0);
    const struct pq_device_options options = {.id = "cpu", .precision = tier, .pool = e.pool};
    assert_int_equal(pq_program_compile(g, &options, &e.program, NULL), 0);
    assert_int_equal(pq_run_begin(e.program, geometry, false, &e.run, NULL), 0);
    return e;
}

static void end(struct engine *e)
{
    pq_run_end(&e->run);
    pq_program_release(&e->program);
    pq_pool_destroy(&e->pool);
}

struct trial {
    const struct pq_graph *graph;
    struct pq_geometry geometry;
    enum pique_precision tier;
    int threads, in_planes, out_planes, in_depth, out_depth;
};

/* All of it through a run; what was seen is left in it. */
static struct album run_samples(const struct trial *t, struct pq_run *run, const struct album *in)
{
    const struct pq_graph *g = t->graph;
    const struct pq_line *line = &run->lines[g->output];
    const struct pq_sampling how = {.in = {.planes = t->in_planes, .depth = t->in_depth},
                                    .out = {.planes = t->out_planes, .depth = t->out_depth},
                                    .look = true};
    assert_int_equal(pq_run_sample(run, &how, NULL), 0);
    struct album out = new_album(t->geometry.frames, (int)line->width, (int)line->height,
                                 g->ops[g->output].channels, t->out_planes, t->out_depth);
    while (!pq_run_finished(run))
        assert_int_equal(pq_run_advance(run, in->pictures, out.pictures, NULL), 0);
    return out;
}

static void check(const struct trial *t, uint64_t seed)
{
    struct rng r = {seed};
    const struct pq_graph *g = t->graph;
    const int in_channels = g->ops[0].channels, out_channels = g->ops[g->output].channels;
    struct album in = random_album(&r, &t->geometry, in_channels, t->in_planes, t->in_depth);
    float *floats = floats_of(&in);
    int width, height, rc;
    float *want = net_run_tier(g, "cpu", t->tier, 1, &t->geometry, floats, &width, &height, &rc);
    assert_int_equal(rc, 0);
    struct engine e = start(g, &t->geometry, t->tier, t->threads);
    struct album out = run_samples(t, e.run, &in);
    check_samples(&out, want);
    check_seen(pq_run_seen(e.run, 1, false), &t->geometry, in_channels, width, height, floats);
    const struct pq_geometry result = {t->geometry.frames, width, height, 1};
    check_seen(pq_run_seen(e.run, 1, true), &result, out_channels, width, height, want);
    free_album(&in);
    free_album(&out);
    free(floats);
    free(want);
    end(&e);
}

/* One whose result goes straight out, and one that ends with a convolution. */
static void samples_are_those_of_the_same_run_of_floats(void **state)
{
    (void)state;
    struct net nets[3];
    net_compact(&nets[0], 1, 16, 2, 4, 3, 0);
    net_rrdb(&nets[1], 2, 16, 8, 1, true);
    net_compact(&nets[2], 3, 8, 1, 2, 4, 0);
    struct rng r = {4};
    for (uint64_t seed = 10; seed < 34; seed++) {
        const struct pq_graph *g = nets[seed % 3].graph;
        const int in_channels = g->ops[0].channels, out_channels = g->ops[g->output].channels;
        const struct trial t = {.graph = g,
                                .geometry = {.frames = 1 + rng_below(&r, 3),
                                             .width = 1 + rng_below(&r, 70),
                                             .height = 1 + rng_below(&r, 50),
                                             .band = 1 + rng_below(&r, 33)},
                                .tier =
                                    rng_below(&r, 2) ? PIQUE_PRECISION_INT16 : PIQUE_PRECISION_FP32,
                                .threads = 1 + rng_below(&r, 4),
                                .in_planes = rng_below(&r, 2) ? in_channels : 1,
                                .out_planes = rng_below(&r, 2) ? out_channels : 1,
                                .in_depth = rng_below(&r, 2) ? 16 : 8,
                                .out_depth = rng_below(&r, 2) ? 16 : 8};
        check(&t, seed);
    }
    for (int i = 0; i < 3; i++)
        net_free(&nets[i]);
}

/* A weight that is none. */
static void what_is_not_finite_is_seen(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 5, 8, 1, 2, 3, 0);
    net.weights[net.count - 1][0] = NAN; /* the last bias: red of every other pixel */
    const struct trial t = {.graph = net.graph,
                            .geometry = {1, 40, 40, 16},
                            .in_planes = 1,
                            .out_planes = 1,
                            .in_depth = 8,
                            .out_depth = 8};
    struct rng r = {6};
    struct album in = random_album(&r, &t.geometry, 3, 1, 8);
    struct engine e = start(net.graph, &t.geometry, PIQUE_PRECISION_FP32, 2);
    struct album out = run_samples(&t, e.run, &in);
    const struct pq_range *seen = pq_run_seen(e.run, 1, true);
    for (int i = 0; i < 2 * 2 * 3; i++)
        assert_int_equal(seen[i].bad, i % 3 == 0);
    free_album(&in);
    free_album(&out);
    end(&e);
    net_free(&net);
}

static void pictures_of_more_channels_have_no_samples(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 7, 8, 1, 2, 5, 0);
    pique_error err;
    struct engine e = start(net.graph, &(struct pq_geometry){1, 4, 4, 4}, PIQUE_PRECISION_FP32, 1);
    const struct pq_sampling how = {.in = {.planes = 1, .depth = 8},
                                    .out = {.planes = 1, .depth = 8}};
    assert_int_equal(pq_run_sample(e.run, &how, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "more than 4 channels"));
    end(&e);
    net_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_those_of_the_same_run_of_floats),
        cmocka_unit_test(what_is_not_finite_is_seen),
        cmocka_unit_test(pictures_of_more_channels_have_no_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
