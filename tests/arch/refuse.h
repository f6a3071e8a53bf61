/* SPDX-License-Identifier: MIT */
/* What every architecture owes, tried on a network that PyTorch made (tests/golden/nets): each
 * tensor has to be there and to have its shape, no other may be, and memory may run out anywhere.
 */
#pragma once

#include "../net.h"

#include <math.h>
#include <stdio.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "model/container.h"

/* Its path; static. */
static inline const char *golden_path(const char *folder, const char *file)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return path;
}

static inline void golden_open(const char *folder, const char *file, struct pq_container *c)
{
    pique_error err;
    if (pq_container_open(golden_path(folder, file), c, &err))
        fail_msg("%s", err.message);
}

/* NULL where it is refused. */
static inline struct pq_graph *golden_build(const struct pq_statedict *sd, const char *want,
                                            pique_error *err)
{
    struct pq_graph *g = NULL;
    const char *name = NULL;
    int rc = pq_arch_build(sd, &g, &name, err);
    assert_int_equal(rc == 0, g != NULL);
    assert_true(rc == 0 || rc == PIQUE_EFORMAT || rc == PIQUE_EUNSUPPORTED);
    if (g)
        assert_string_equal(name, want);
    return g;
}

static inline bool ends_in_one_of(const char *name, const char *const *endings)
{
    for (; *endings; endings++) {
        size_t n = strlen(name), m = strlen(*endings);
        if (n >= m && strcmp(name + n - m, *endings) == 0)
            return true;
    }
    return false;
}

/* Built from a file that was changed in one place: refused with a sentence that says `part`, or,
 * where that is NULL, built as ever. */
static inline void built_or_refused(const struct pq_statedict *sd, const char *network,
                                    const char *part, const char *what)
{
    pique_error err = {0};
    struct pq_graph *g = golden_build(sd, network, &err);
    if (!part != (g != NULL))
        fail_msg("%s: %s", what, g ? "is taken" : err.message);
    if (part && !strstr(err.message, part))
        fail_msg("%s: the sentence is '%s'", what, err.message);
    pq_graph_free(&g);
}

/* A sentence names a tensor, or what is left of its layer: 'STEM. of STEM.weight and STEM.0.weight.
 */
static inline void name_layer(const char *tensor, char *layer, size_t size)
{
    size_t n = strlen(tensor);
    while (n > 0 && tensor[n - 1] != '.')
        n--;
    size_t digits = n ? n - 1 : 0;
    while (digits > 0 && tensor[digits - 1] >= '0' && tensor[digits - 1] <= '9')
        digits--;
    if (digits > 0 && digits + 1 < n && tensor[digits - 1] == '.')
        n = digits;
    snprintf(layer, size, "'%.*s", n ? (int)n : (int)size, tensor);
}

/* `unneeded` ends with NULL: endings of names that may be missing or anything. */
static inline void every_tensor_counts(const char *folder, const char *file, const char *network,
                                       const char *const *unneeded)
{
    struct pq_container c;
    golden_open(folder, file, &c);
    struct pq_statedict *sd = &c.sd;
    built_or_refused(sd, network, NULL, file);
    for (size_t i = 0; i < sd->count; i++) {
        struct pq_named_tensor *t = &sd->tensors[i], *last = &sd->tensors[sd->count - 1];
        const struct pq_named_tensor all = *t, end = *last;
        const bool needed = !ends_in_one_of(all.name, unneeded);
        char layer[300];
        name_layer(all.name, layer, sizeof layer);

        *t = end; /* the last takes its place */
        sd->count--;
        built_or_refused(sd, network, needed ? layer : NULL, all.name);
        sd->count++;
        *last = end;
        *t = all;

        /* One row less is still within its memory. What gives a size may spoil others' shapes. */
        if (all.tensor.dims > 0) {
            t->tensor.shape[0]--;
            built_or_refused(sd, network, needed ? "tensor '" : NULL, all.name);
            t->tensor = all.tensor;
        }
        if (all.tensor.dims < PQ_MAX_DIMS) {
            t->tensor.shape[t->tensor.dims++] = 1;
            built_or_refused(sd, network, needed ? "tensor '" : NULL, all.name);
            t->tensor = all.tensor;
        }
    }
    struct pq_tensor one = sd->tensors[0].tensor;
    assert_int_equal(pq_statedict_add(sd, "left.over", &one, NULL), 0);
    built_or_refused(sd, network, "'left.over' has no place", "left.over");
    pq_container_close(&c);
}

static inline void every_failed_allocation_is_a_status(const char *folder, const char *file)
{
    struct pq_container c;
    golden_open(folder, file, &c);
    for (int n = 1;; n++) {
        struct pq_graph *g = NULL;
        const char *name;
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        int rc = pq_arch_build(&c.sd, &g, &name, NULL);
        bool struck = pq_fault_count(PQ_FAULT_ALLOC) >= n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_int_equal(rc, struck ? PIQUE_ENOMEM : 0);
        pq_graph_free(&g);
        if (!struck)
            break;
    }
    pq_container_close(&c);
}

/* The size of the result is scale times that of the picture, and every number of it is one. */
static inline void pictures_of_any_size_run(const char *folder, const char *file,
                                            const char *network, int scale)
{
    static const int sizes[][2] = {{1, 1}, {1, 2}, {2, 1}, {3, 7}, {9, 1}, {8, 8}, {17, 5}};
    struct pq_container c;
    pique_error err;
    golden_open(folder, file, &c);
    struct pq_graph *g = golden_build(&c.sd, network, &err);
    assert_non_null(g);
    const int channels = g->ops[0].channels;
    for (size_t i = 0; i < PQ_COUNT(sizes); i++) {
        const struct pq_geometry geometry = {1, sizes[i][0], sizes[i][1], 2};
        struct rng r = {i + 1};
        int width, height, rc;
        float *in = net_picture(&r, &geometry, channels);
        float *out = net_run(g, "cpu", 2, &geometry, in, &width, &height, &rc);
        assert_int_equal(rc, 0);
        assert_int_equal(width, scale * sizes[i][0]);
        assert_int_equal(height, scale * sizes[i][1]);
        for (int k = 0; k < width * height * channels; k++)
            assert_true(isfinite(out[k]));
        free(in);
        free(out);
    }
    pq_graph_free(&g);
    pq_container_close(&c);
}

/* A tensor whose extent `dim` is another one. */
struct spoilt {
    const char *file, *name;
    int dim;
    int64_t extent;
    const char *said; /* in the sentence */
};

static inline void sizes_are_refused(const char *folder, const char *network, size_t count,
                                     const struct spoilt *cases)
{
    for (size_t i = 0; i < count; i++) {
        struct pq_container c;
        golden_open(folder, cases[i].file, &c);
        struct pq_tensor *t = (struct pq_tensor *)pq_statedict_find(&c.sd, cases[i].name);
        if (!t)
            fail_msg("%s: no tensor '%s'", cases[i].file, cases[i].name);
        t->shape[cases[i].dim] = cases[i].extent;
        built_or_refused(&c.sd, network, cases[i].said, cases[i].name);
        pq_container_close(&c);
    }
}

/* How far an output pixel sees; -1: everywhere. */
static inline int golden_radius(const char *folder, const char *file, const char *network)
{
    struct pq_container c;
    struct pq_graph_facts facts;
    pique_error err;
    golden_open(folder, file, &c);
    struct pq_graph *g = golden_build(&c.sd, network, &err);
    if (!g)
        fail_msg("%s", err.message);
    pq_graph_facts(g, &facts);
    pq_graph_free(&g);
    pq_container_close(&c);
    return facts.radius;
}
