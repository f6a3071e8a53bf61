/* SPDX-License-Identifier: MIT */
/* State dicts of made models, and whether two graphs are one. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arch/arch.h"
#include "make_model.h"
#include "memory_map.h"
#include "model/ncnn.h"
#include "model/safetensors.h"

static inline void read_dict(const struct maker *m, struct pq_statedict *sd)
{
    struct bytes file = {0};
    pique_error err;
    make_safetensors(m, &file);
    *sd = (struct pq_statedict){.map = memory_map(file.data, file.size, "x.safetensors")};
    if (pq_safetensors_read(sd, &err))
        fail_msg("%s", err.message);
    bytes_free(&file);
}

static inline void remove_tensor(struct pq_statedict *sd, size_t i)
{
    pq_free(sd->tensors[i].name);
    memmove(&sd->tensors[i], &sd->tensors[i + 1], (--sd->count - i) * sizeof *sd->tensors);
}

static inline void same_weights(const struct pq_tensor *a, const struct pq_tensor *b)
{
    assert_int_equal(!a->data, !b->data);
    if (!a->data)
        return;
    size_t count;
    assert_true(pq_tensor_is(a, b->dims, b->shape));
    assert_true(pq_tensor_count(a, &count));
    float *x = malloc(2 * count * sizeof *x);
    assert_non_null(x);
    pq_tensor_to_f32(a, 0, count, x);
    pq_tensor_to_f32(b, 0, count, x + count);
    assert_memory_equal(x, x + count, count * sizeof *x);
    free(x);
}

static inline void same_graph(const struct pq_graph *a, const struct pq_graph *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->output, b->output);
    for (int i = 0; i < a->count; i++) {
        const struct pq_op *x = &a->ops[i], *y = &b->ops[i];
        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->inputs, y->inputs);
        assert_memory_equal(x->in, y->in, (size_t)x->inputs * sizeof *x->in);
        assert_int_equal(x->channels, y->channels);
        assert_int_equal(x->num, y->num);
        assert_memory_equal(&x->ver, &y->ver, sizeof x->ver);
        assert_memory_equal(&x->hor, &y->hor, sizeof x->hor);
        assert_int_equal(x->factor, y->factor);
        assert_int_equal(x->rate_num, y->rate_num);
        assert_int_equal(x->rate_den, y->rate_den);
        assert_int_equal(x->act.on, y->act.on);
        assert_int_equal(x->act.kind, y->act.kind);
        assert_true(x->act.slope == y->act.slope);
        assert_int_equal(x->residual, y->residual);
        assert_true(x->scale == y->scale);
        same_weights(&x->weight, &y->weight);
        same_weights(&x->bias, &y->bias);
        same_weights(&x->act.slopes, &y->act.slopes);
    }
}

/* The same weights as an ncnn pair yield the graph `want`, and are known by that name. */
static inline void same_as_ncnn(const struct maker *m, const struct pq_graph *want,
                                const char *name)
{
    struct bytes param = {0}, bin = {0};
    struct pq_graph *g;
    pique_error err;
    make_ncnn(m, &param, &bin);
    struct pq_map text = memory_map(param.data, param.size, "x.param");
    struct pq_statedict sd = {.map = memory_map(bin.data, bin.size, "x.bin")};
    assert_int_equal(pq_graph_new(&g, &err), 0);
    if (pq_ncnn_read(&text, &sd, g, &err))
        fail_msg("%s", err.message);
    same_graph(want, g);
    int features;
    assert_string_equal(pq_arch_of_graph(g, &features), name);
    assert_int_equal(features, m->features);
    pq_graph_free(&g);
    memory_unmap(&text);
    memory_free(&sd);
    bytes_free(&param);
    bytes_free(&bin);
}
