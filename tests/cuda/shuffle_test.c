/* SPDX-License-Identifier: MIT */
/* Convolutions that write their result shuffled: the same bits as when that is done by the host,
 * and only where a step's rows are all there. */
#include "../net.h"
#include "../sanitized.h"
#include "backend/cuda/choice.h"
#include "base/alloc.h"
#include "standin.h"

static const enum pique_precision tiers[] = {PIQUE_PRECISION_FP16, PIQUE_PRECISION_BF16};

/* ---- bits ---- */

/* The end of a network: what a convolution of `channels` channels of the result makes is shuffled,
 * and the picture may be added. */
struct end {
    int factor, channels, features, kernel;
    bool by_place, act, added, swapped;
};

/* The values that a picture of `channels` channels adds to each channel of the convolution. */
static int spread(struct pq_graph *g, const struct end *e, int x)
{
    int y = -1, parts[PQ_MAX_INPUTS - 1], count = 0;
    for (int c = 0; c < e->channels * e->factor * e->factor; c++) {
        const int from = e->by_place ? c % e->channels : c / (e->factor * e->factor);
        if (y >= 0)
            parts[count++] = y;
        parts[count++] = pq_graph_slice(g, x, from, 1, NULL);
        y = pq_graph_concat(g, count, parts, NULL);
        count = 0;
    }
    return y;
}

static int enlarged(struct pq_graph *g, const struct end *e, int y)
{
    return e->by_place ? pq_graph_pixel_shuffle_by_place(g, y, e->factor, NULL)
                       : pq_graph_pixel_shuffle(g, y, e->factor, NULL);
}

/* shuffled: the network; else what it is before the shuffle, with what is added there. */
static void build(struct net *net, const struct end *e, uint64_t seed, bool shuffled)
{
    struct rng r = {seed};
    *net = (struct net){0};
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    struct pq_graph *g = net->graph;
    const int x = pq_graph_input(g, e->channels, NULL);
    const int early = shuffled && e->swapped  ? pq_graph_nearest(g, x, e->factor, NULL)
                      : !shuffled && e->added ? spread(g, e, x)
                                              : -1;
    const int out = e->channels * e->factor * e->factor;
    int y = net_conv(net, &r, x, e->features, 3);
    y = net_conv(net, &r, y, out, e->kernel);
    if (e->act)
        y = pq_graph_act(g, y, 0.2f, NULL, NULL);
    if (shuffled)
        y = enlarged(g, e, y);
    if (shuffled && e->added)
        y = early >= 0 ? pq_graph_add(g, early, y, 1, NULL)
                       : pq_graph_add(g, y, pq_graph_nearest(g, x, e->factor, NULL), 1, NULL);
    else if (e->added)
        y = pq_graph_add(g, early, y, 1, NULL);
    assert_true(y > 0);
    assert_int_equal(pq_graph_finish(g, y, NULL), 0);
}

static float *run(const struct pq_graph *graph, enum pique_precision tier,
                  const struct pq_geometry *g, const float *in)
{
    int width, height, rc;
    float *out = net_run_tier(graph, "cuda", tier, 1, g, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    if (standin_faults())
        fail_msg("%d faults; the first: %s", standin_faults(), standin_fault(0));
    return out;
}

/* Value (x, y, c) of the result, from what the convolution made. */
static float from_small(const struct end *e, const struct pq_geometry *g, const float *small,
                        int frame, int y, int x, int c)
{
    const int f = e->factor, place = y % f * f + x % f;
    const int channel = e->by_place ? place * e->channels + c : c * f * f + place;
    const size_t pixel =
        ((size_t)frame * (size_t)g->height + (size_t)(y / f)) * (size_t)g->width + (size_t)(x / f);
    return small[pixel * (size_t)(e->channels * f * f) + (size_t)channel];
}

static void check(const struct end *e, uint64_t seed, const struct pq_geometry *g)
{
    struct net large, small;
    struct rng r = {seed + 100};
    float *in = net_picture(&r, g, e->channels);
    build(&large, e, seed, true);
    build(&small, e, seed, false);
    for (size_t t = 0; t < PQ_COUNT(tiers); t++) {
        float *have = run(large.graph, tiers[t], g, in), *to = have;
        float *want = run(small.graph, tiers[t], g, in);
        for (int f = 0; f < g->frames; f++) {
            for (int y = 0; y < g->height * e->factor; y++) {
                for (int x = 0; x < g->width * e->factor; x++) {
                    for (int c = 0; c < e->channels; c++, to++) {
                        const float value = from_small(e, g, want, f, y, x, c);
                        if (memcmp(&value, to, sizeof value) != 0)
                            fail_msg("seed %d, tier %d: frame %d, (%d, %d), channel %d is %g, "
                                     "not %g",
                                     (int)seed, (int)tiers[t], f, x, y, c, (double)*to,
                                     (double)value);
                    }
                }
            }
        }
        free(have);
        free(want);
    }
    free(in);
    net_free(&large);
    net_free(&small);
}

static void a_shuffled_result_has_the_bits_of_one_that_the_host_shuffles(void **state)
{
    (void)state;
    static const int channels[] = {1, 2, 3, 3, 3, 4, 7, 20};
    for (uint64_t seed = 1; seed <= 40; seed += (uint64_t)test_much(1, 5, 7)) {
        struct rng r = {seed};
        const struct end e = {.factor = 2 + rng_below(&r, 3),
                              .channels = channels[rng_below(&r, 8)],
                              .features = 1 + rng_below(&r, 40),
                              .kernel = 1 + 2 * rng_below(&r, 3),
                              .by_place = rng_below(&r, 3) == 0,
                              .act = rng_below(&r, 2),
                              .added = rng_below(&r, 3) > 0,
                              .swapped = rng_below(&r, 2)};
        const struct pq_geometry g = {1 + rng_below(&r, 2), 1 + rng_below(&r, 45),
                                      1 + rng_below(&r, 30), 1 + rng_below(&r, 14)};
        struct end sure = e;
        sure.swapped = e.swapped && e.added;
        standin_mode(seed % 2 ? STANDIN_LAZY : STANDIN_THREADS, seed, 0);
        check(&sure, seed, &g);
    }
}

/* ---- choice ---- */

enum { X = 0, CHANNELS = 3, FACTOR = 2 };

static int conv_to(struct net *net, struct rng *r, int in, int channels)
{
    return net_conv(net, r, in, channels * FACTOR * FACTOR, 3);
}

/* A network; *last: which operation computes the convolution, 0 itself, 1 the shuffle, 2 the sum.
 * NULL behind the last network. */
static const char *make(struct net *net, struct rng *r, int which, int *last)
{
    struct pq_graph *g = net->graph;
    const int x = pq_graph_input(g, CHANNELS, NULL);
    int y, conv = -1, like = -1;
    *last = 1;
    switch (which) {
    case 0:
        y = pq_graph_pixel_shuffle(g, conv_to(net, r, net_conv(net, r, x, 9, 3), 3), 2, NULL);
        *last = 2;
        assert_true(pq_graph_add(g, y, pq_graph_nearest(g, x, 2, NULL), 1, NULL) > 0);
        return "Compact";
    case 1:
        assert_true(pq_graph_pixel_shuffle(g, conv_to(net, r, x, 3), 2, NULL) > 0);
        return "a shuffle that is the result";
    case 2:
        y = pq_graph_pixel_shuffle(g, conv_to(net, r, x, 3), 2, NULL);
        assert_true(pq_graph_add(g, y, pq_graph_nearest(g, x, 2, NULL), 0.5f, NULL) > 0);
        return "a sum with a factor";
    case 3:
        y = pq_graph_pixel_shuffle(g, conv_to(net, r, x, 3), 2, NULL);
        assert_true(pq_graph_add(g, y, pq_graph_bicubic(g, x, 2, 1, NULL), 1, NULL) > 0);
        return "a sum with what waits for rows";
    case 4:
        y = pq_graph_pixel_shuffle(g, conv_to(net, r, x, 3), 2, NULL);
        like = pq_graph_nearest(g, x, 2, NULL);
        y = pq_graph_add(g, y, like, 1, NULL);
        assert_true(pq_graph_mul(g, y, like, NULL) > 0);
        return "a nearest that others read";
    case 5:
        conv = pq_graph_pad(g, x, PQ_PAD_EDGE, 2, 1, NULL);
        conv = pq_graph_crop(g, conv_to(net, r, conv, 3), 2, NULL);
        conv = net_conv(net, r, conv, 12, 3);
        y = pq_graph_pixel_shuffle(g, conv, 2, NULL);
        assert_true(pq_graph_add(g, y, pq_graph_nearest(g, x, 2, NULL), 1, NULL) > 0);
        return "a network with a border";
    case 6:
        conv = conv_to(net, r, x, 3);
        y = pq_graph_pixel_shuffle(g, conv, 2, NULL);
        y = pq_graph_concat(g, 2, (const int[]){y, pq_graph_nearest(g, conv, 2, NULL)}, NULL);
        *last = 0;
        return "a convolution that others read";
    case 7:
        y = pq_graph_pixel_shuffle(g, conv_to(net, r, x, 24), 2, NULL);
        net_conv(net, r, y, 3, 3);
        *last = 0;
        return "a shuffle of 24 channels that a convolution reads";
    case 8:
        y = pq_graph_pixel_shuffle(g, conv_to(net, r, x, 32), 2, NULL);
        net_conv(net, r, y, 3, 3);
        return "a shuffle of 32 channels that a convolution reads";
    case 9:
        y = pq_graph_pad(g, x, PQ_PAD_EDGE, 0, 2, NULL);
        y = net_conv(net, r, pq_graph_pixel_unshuffle(g, y, 2, NULL), 12, 3);
        assert_true(pq_graph_pixel_shuffle(g, y, 2, NULL) > 0);
        *last = 0;
        return "a convolution of a smaller picture";
    case 10:
        like = net_conv(net, r, x, 12, 1);
        conv = pq_graph_add(g, like, conv_to(net, r, x, 3), 0.5f, NULL);
        assert_true(pq_graph_pixel_shuffle(g, conv, 2, NULL) > 0);
        return "a convolution with a residual";
    default:
        return NULL;
    }
}

static void check_choice(const struct pq_graph *g, enum pique_precision tier, int last,
                         const char *what)
{
    struct cuda_step *steps = pq_calloc((size_t)g->count, sizeof *steps);
    assert_non_null(steps);
    cuda_choose(g, tier, steps);
    int skipped = 0, shrunk = 0, by = 0;
    for (int i = 0; i < g->count; i++) {
        skipped += steps[i].skipped;
        shrunk += steps[i].shrink > 1;
        if (steps[i].conv < 0)
            continue;
        assert_false(steps[i].skipped);
        assert_true(steps[steps[i].conv].skipped);
        by = g->ops[i].kind == PQ_OP_ADD ? 2 : 1;
    }
    if (by != last || skipped != last || shrunk != (last == 2))
        fail_msg("%s: %d operations are passed over, %d kept smaller; operation %d does it", what,
                 skipped, shrunk, by);
    pq_free(steps);
}

/* Where it is done it is right, and where it could not be it is not. */
static void it_is_done_where_all_rows_are_there(void **state)
{
    (void)state;
    struct rng r = {3};
    const struct pq_geometry g = {2, 33, 21, 4}, whole = {2, 33, 21, 21};
    float *in = net_picture(&r, &g, CHANNELS);
    for (int which = 0;; which++) {
        struct net net = {0};
        int last = 0;
        assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
        const char *what = make(&net, &r, which, &last);
        if (!what) {
            net_free(&net);
            break;
        }
        assert_int_equal(pq_graph_finish(net.graph, net.graph->count - 1, NULL), 0);
        check_choice(net.graph, PIQUE_PRECISION_FP32, 0, what);
        for (size_t t = 0; t < PQ_COUNT(tiers); t++) {
            check_choice(net.graph, tiers[t], last, what);
            int width, height, rc;
            float *have =
                net_run_tier(net.graph, "cuda", tiers[t], 1, &g, in, &width, &height, &rc);
            assert_int_equal(rc, 0);
            float *want = run(net.graph, tiers[t], &whole, in);
            const size_t floats = 2 * (size_t)width * (size_t)height *
                                  (size_t)net.graph->ops[net.graph->output].channels;
            if (memcmp(have, want, floats * sizeof *want) != 0)
                fail_msg("%s: bands change bits", what);
            free(have);
            free(want);
        }
        net_free(&net);
    }
    free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shuffled_result_has_the_bits_of_one_that_the_host_shuffles),
        cmocka_unit_test(it_is_done_where_all_rows_are_there),
    };
    return cmocka_run_group_tests_name("cuda shuffle", tests, NULL, NULL);
}
