/* SPDX-License-Identifier: MIT */
#include "backend/cpu/conv.h"

static bool may_be_halves(const struct pq_graph *g, int i)
{
    const struct pq_op *op = &g->ops[i];
    if (op->global || op->column || op->measured || i == g->output)
        return false;
    if (op->kind == PQ_OP_CONV2D)
        return true;
    /* Pixels of halves have whole lanes: few channels would take more than as floats. */
    return (op->kind == PQ_OP_ADD || op->kind == PQ_OP_CROP) &&
           cpu_lanes_of(op->channels) < 2 * op->channels;
}

/* Whether operation i, of which it is known whether it yields halves, takes them as its input k. */
static bool takes_halves(const struct cpu_program *program, int i, int k)
{
    const struct pq_graph *g = program->base.graph;
    const struct pq_op *op = &g->ops[i];
    switch (op->kind) {
    case PQ_OP_CONV2D:
        return cpu_is_words(program->mode, op) ||
               (!(op->residual && k == op->inputs - 1) && cpu_widens(g, i));
    case PQ_OP_MUL:
        return k == 0 && op->global_inputs == 2;
    case PQ_OP_ADD: /* what is floats in the end is not rounded before */
    case PQ_OP_CROP:
        return program->steps[i].halves;
    case PQ_OP_ROW_SUMS:
        return true;
    default:
        return false;
    }
}

/* Readers come behind what they read. */
void cpu_choose_halves(struct cpu_program *program)
{
    const struct pq_graph *g = program->base.graph;
    if (program->mode->tier != PIQUE_PRECISION_INT16)
        return;
    for (int i = 0; i < g->count; i++)
        program->steps[i].halves = may_be_halves(g, i);
    for (int i = g->count - 1; i > 0; i--) {
        for (int k = 0; k < g->ops[i].inputs; k++)
            program->steps[g->ops[i].in[k]].halves &= takes_halves(program, i, k);
    }
}
