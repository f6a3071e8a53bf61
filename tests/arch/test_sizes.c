/* SPDX-License-Identifier: MIT */
/* The networks of the catalogue whose files cannot be had without their authors' servers, at their
 * true sizes: Compact and UltraCompact, and RealPLKSR small, plain and large. Weights are made
 * here: all tensors look into one piece of random numbers, scaled so that values stay in range. */
#include <math.h>
#include <stdio.h>

#include "../net.h"
#include "arch/arch.h"
#include "base/alloc.h"
#include "model/statedict.h"

enum { RANDOM = 1 << 21 };

static float *numbers;

struct dict {
    struct pq_statedict sd;
    uint64_t parameters;
};

static void put(struct dict *d, const char *name, int dims, const int64_t *shape)
{
    struct pq_tensor t = {.dtype = PQ_F32, .dims = dims, .data = numbers};
    size_t count;
    memcpy(t.shape, shape, (size_t)dims * sizeof *shape);
    assert_true(pq_tensor_count(&t, &count) && count <= RANDOM);
    /* Another place for each, so that no two are alike. */
    t.data = numbers + (d->sd.count * 4099) % (RANDOM - count + 1);
    assert_int_equal(pq_statedict_add(&d->sd, name, &t, NULL), 0);
    d->parameters += count;
}

static void put_conv(struct dict *d, const char *stem, int out, int in, int kernel)
{
    char name[96];
    snprintf(name, sizeof name, "%s.weight", stem);
    put(d, name, 4, (const int64_t[]){out, in, kernel, kernel});
    snprintf(name, sizeof name, "%s.bias", stem);
    put(d, name, 1, (const int64_t[]){out});
}

/* SRVGGNetCompact of 64 features. */
static void make_compact(struct dict *d, int convs, int scale)
{
    char name[32];
    for (int i = 0; i <= convs; i++) {
        snprintf(name, sizeof name, "body.%d", 2 * i);
        put_conv(d, name, 64, i ? 64 : 3, 3);
        snprintf(name, sizeof name, "body.%d.weight", 2 * i + 1);
        put(d, name, 1, (const int64_t[]){64});
    }
    snprintf(name, sizeof name, "body.%d", 2 * convs + 2);
    put_conv(d, name, 3 * scale * scale, 64, 3);
}

static void make_realplksr(struct dict *d, int dim, int blocks, int kernel, bool attention,
                           int scale)
{
    char name[64];
    put_conv(d, "feats.0", dim, 3, 3);
    for (int i = 1; i <= blocks; i++) {
        const struct {
            const char *part;
            int out, in, kernel;
            bool there;
        } convs[] = {
            {"channel_mixer.0", 2 * dim, dim, 3, true},
            {"channel_mixer.2", dim, 2 * dim, 3, true},
            {"lk.conv", dim / 4, dim / 4, kernel, true},
            {"attn.f.0", dim, dim, 3, attention},
            {"refine", dim, dim, 1, true},
        };
        for (size_t k = 0; k < PQ_COUNT(convs); k++) {
            snprintf(name, sizeof name, "feats.%d.%s", i, convs[k].part);
            if (convs[k].there)
                put_conv(d, name, convs[k].out, convs[k].in, convs[k].kernel);
        }
        snprintf(name, sizeof name, "feats.%d.norm.weight", i);
        put(d, name, 1, (const int64_t[]){dim});
        snprintf(name, sizeof name, "feats.%d.norm.bias", i);
        put(d, name, 1, (const int64_t[]){dim});
    }
    snprintf(name, sizeof name, "feats.%d", blocks + 2);
    put_conv(d, name, 3 * scale * scale, dim, 3);
}

/* Recognised, of that scale, with as many parameters as the file, and a picture goes through. */
static void check(struct dict *d, const char *architecture, uint64_t parameters, int scale)
{
    struct pq_graph *g;
    const char *name;
    pique_error err;
    struct pq_graph_facts facts;
    d->sd.map.path = (char *)"made.pth";
    if (pq_arch_build(&d->sd, &g, &name, &err))
        fail_msg("%s", err.message);
    assert_string_equal(name, architecture);
    pq_graph_facts(g, &facts);
    assert_int_equal(facts.num, scale);
    assert_int_equal(facts.den, 1);
    assert_int_equal(facts.parameters, d->parameters);
    assert_int_equal(facts.parameters, parameters);
    struct rng r = {7};
    struct pq_geometry geometry = {1, 23, 17, 4};
    int width, height, rc;
    float *in = net_picture(&r, &geometry, 3);
    float *out = net_run(g, "cpu", 2, &geometry, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    assert_int_equal(width, 23 * scale);
    assert_int_equal(height, 17 * scale);
    for (int i = 0; i < width * height * 3; i++)
        assert_true(isfinite(out[i]));
    free(in);
    free(out);
    pq_graph_free(&g);
    d->sd.map.path = NULL;
    pq_statedict_free(&d->sd);
}

static void compact_networks_of_the_catalogue_run(void **state)
{
    (void)state;
    struct dict d = {0};
    make_compact(&d, 16, 2);
    check(&d, "Compact", 600652, 2); /* Compact */
    d = (struct dict){0};
    make_compact(&d, 8, 2);
    check(&d, "Compact", 304716, 2); /* UltraCompact */
}

static void realplksr_networks_of_the_catalogue_run(void **state)
{
    (void)state;
    struct dict d = {0};
    make_realplksr(&d, 64, 12, 13, false, 2);
    check(&d, "RealPLKSR", 2351308, 2); /* small */
    d = (struct dict){0};
    make_realplksr(&d, 64, 28, 17, true, 2);
    check(&d, "RealPLKSR", 7368908, 2); /* plain */
    d = (struct dict){0};
    make_realplksr(&d, 96, 28, 17, true, 2);
    check(&d, "RealPLKSR", 16563756, 2); /* large */
}

int main(void)
{
    struct rng r = {1};
    numbers = malloc(RANDOM * sizeof *numbers);
    if (!numbers)
        return 1;
    for (int i = 0; i < RANDOM; i++)
        numbers[i] = rng_float(&r) * 0.02f;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compact_networks_of_the_catalogue_run),
        cmocka_unit_test(realplksr_networks_of_the_catalogue_run),
    };
    int rc = cmocka_run_group_tests_name("sizes", tests, NULL, NULL);
    free(numbers);
    return rc;
}
