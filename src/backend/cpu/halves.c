/* SPDX-License-Identifier: MIT */
#include "backend/cpu/conv.h"

/* Sums that depend on one another settle in a few; where they do not, they are no halves. */
enum { MOST_PASSES = 100 };

static bool may_be_halves(const struct pq_graph *g, int i)
{
    const struct pq_op *op = &g->ops[i];
    return (op->kind == PQ_OP_CONV2D || op->kind == PQ_OP_ADD) && !op->global && !op->column &&
           !op->measured && i != g->output;
}

/* Whether operation i reads halves as it reads floats. */
static bool reads_halves(const struct cpu_program *program, int i)
{
    const struct pq_op *op = &program->base.graph->ops[i];
    return cpu_is_words(program->mode, op) || (op->kind == PQ_OP_ADD && program->steps[i].halves);
}

/* Take back what does not go together with the others; false: all does. */
static bool settle(struct cpu_program *program)
{
    const struct pq_graph *g = program->base.graph;
    bool changed = false;
    for (int i = 0; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        for (int k = 0; k < op->inputs; k++) {
            struct cpu_step *in = &program->steps[op->in[k]];
            if (in->halves && !reads_halves(program, i)) {
                in->halves = false;
                changed = true;
            }
            if (!in->halves && op->kind == PQ_OP_ADD && program->steps[i].halves) {
                program->steps[i].halves = false;
                changed = true;
            }
        }
    }
    return changed;
}

void cpu_choose_halves(struct cpu_program *program)
{
    const struct pq_graph *g = program->base.graph;
    if (program->mode->tier != PIQUE_PRECISION_INT16)
        return;
    for (int i = 0; i < g->count; i++)
        program->steps[i].halves = may_be_halves(g, i);
    for (int pass = 0; settle(program); pass++) {
        for (int i = 0; pass == MOST_PASSES && i < g->count; i++)
            program->steps[i].halves = program->steps[i].halves && g->ops[i].kind != PQ_OP_ADD;
    }
}
