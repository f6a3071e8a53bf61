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
        assert_int_equal(x->kernel, y->kernel);
        assert_int_equal(x->factor, y->factor);
        assert_int_equal(x->act.on, y->act.on);
        assert_true(x->act.slope == y->act.slope);
        assert_int_equal(x->residual, y->residual);
        assert_true(x->scale == y->scale);
        same_weights(&x->weight, &y->weight);
        same_weights(&x->bias, &y->bias);
        same_weights(&x->act.slopes, &y->act.slopes);
    }
}
