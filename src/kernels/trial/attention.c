/* SPDX-License-Identifier: MIT */
/* Trials of products of matrices and of attention in a window. */
#include "base/alloc.h"
#include "kernels/trial/rows.h"
#include "kernels/wide.h"

void pq_trial_product_prepare(struct pq_trial *t)
{
    struct pq_product *p = pq_trial_memory(t, sizeof *p);
    if (!p)
        return;
    *p = (struct pq_product){.rows = pq_trial_size(t, 64, pq_trial_below(t, 20)),
                             .steps = pq_trial_size(t, 64, 1 + pq_trial_below(t, 20)),
                             .columns = pq_trial_channels(t)};
    const bool turned = pq_trial_below(t, 2); /* a's steps are rows in memory */
    const int lines = turned ? p->steps : p->rows, length = turned ? p->rows : p->steps;
    const int a_line = pq_trial_stride(t, PQ_MAX(length, 1));
    p->a_row = turned ? 1 : a_line;
    p->a_step = turned ? a_line : 1;
    p->a = pq_trial_pixels(t, lines, a_line, length);
    p->b_step = pq_trial_stride(t, p->columns);
    p->b = pq_trial_pixels(t, p->steps, (int)p->b_step, p->columns);
    p->out_row = pq_trial_stride(t, p->columns);
    p->out = pq_trial_result(t, p->rows, (int)p->out_row, p->columns, 0, p->rows);
    pq_trial_shape(t, "%d x %d x %d", p->rows, p->steps, p->columns);
    t->work = 2.0 * p->rows * p->steps * p->columns;
    t->args = p;
}

void pq_trial_product_run(const struct pq_trial *t)
{
    pq_wide(t->level)->product(t->args);
}

static int some_tokens(struct pq_trial *t)
{
    static const int tokens[] = {1, 2, 7, 9, 15, 16, 17, 31, 33, 49, 64, 70};
    return pq_trial_size(t, 256, tokens[pq_trial_below(t, PQ_COUNT(tokens))]);
}

void pq_trial_attention_prepare(struct pq_trial *t)
{
    struct pq_attention_args *a = pq_trial_memory(t, sizeof *a);
    if (!a)
        return;
    *a = (struct pq_attention_args){.queries = some_tokens(t),
                                    .keys = some_tokens(t),
                                    .dim = pq_trial_size(t, 30, pq_trial_channels(t)),
                                    .scale = rng_float(&t->rng)};
    a->q_stride = pq_trial_stride(t, a->dim);
    a->k_stride = pq_trial_stride(t, a->dim);
    a->v_stride = pq_trial_stride(t, a->dim);
    a->out_stride = pq_trial_stride(t, a->dim);
    a->q = pq_trial_pixels(t, a->queries, a->q_stride, a->dim);
    a->k = pq_trial_pixels(t, a->keys, a->k_stride, a->dim);
    a->v = pq_trial_pixels(t, a->keys, a->v_stride, a->dim);
    if (t->timed || pq_trial_below(t, 2))
        a->bias = pq_trial_values(t, (size_t)a->queries * (size_t)a->keys);
    a->scratch = pq_trial_scratch(t, pq_attention_scratch(a->queries, a->keys, a->dim));
    a->out = pq_trial_result(t, a->queries, a->out_stride, a->dim, 0, a->queries);
    pq_trial_shape(t, "%d x %d, %d", a->queries, a->keys, a->dim);
    t->work = 4.0 * a->queries * a->keys * a->dim;
    t->args = a;
}

void pq_trial_attention_run(const struct pq_trial *t)
{
    pq_wide(t->level)->attention(t->args);
}

void pq_trial_channel_attention_prepare(struct pq_trial *t)
{
    struct pq_channel_attention_args *a = pq_trial_memory(t, sizeof *a);
    if (!a)
        return;
    *a = (struct pq_channel_attention_args){.tokens =
                                                pq_trial_size(t, 256, 1 + pq_trial_below(t, 70)),
                                            .dim = pq_trial_size(t, 30, pq_trial_channels(t)),
                                            .temperature = rng_float(&t->rng)};
    a->q_stride = pq_trial_stride(t, a->dim);
    a->k_stride = pq_trial_stride(t, a->dim);
    a->v_stride = pq_trial_stride(t, a->dim);
    a->out_stride = pq_trial_stride(t, a->dim);
    a->q = pq_trial_pixels(t, a->tokens, a->q_stride, a->dim);
    a->k = pq_trial_pixels(t, a->tokens, a->k_stride, a->dim);
    a->v = pq_trial_pixels(t, a->tokens, a->v_stride, a->dim);
    a->scratch = pq_trial_scratch(t, pq_channel_attention_scratch(a->dim));
    a->out = pq_trial_result(t, a->tokens, a->out_stride, a->dim, 0, a->tokens);
    pq_trial_shape(t, "%d, %d", a->tokens, a->dim);
    t->work = 4.0 * a->tokens * a->dim * a->dim;
    t->args = a;
}

void pq_trial_channel_attention_run(const struct pq_trial *t)
{
    pq_wide(t->level)->channel_attention(t->args);
}
