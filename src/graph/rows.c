/* SPDX-License-Identifier: MIT */
/* How rows flow through an operation, from which everything about bands follows: the lag of a
 * layer, the receptive field, the size of a line buffer. */
#include "graph/graph.h"

#include "base/alloc.h"

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return -floor_div(-a, b);
}

/* Bicubic reads the four rows centre-1 .. centre+2, where the output row's centre lies at
 * (y + 1/2) den/num - 1/2 of the input and `centre` is the whole part of that. */
static int64_t bicubic_centre(const struct pq_op *op, int64_t y)
{
    return floor_div((2 * y + 1) * op->rate_den - op->rate_num, 2 * (int64_t)op->rate_num);
}

void pq_op_rows_needed(const struct pq_op *op, int64_t y0, int64_t y1, int64_t *in0, int64_t *in1)
{
    int64_t pad;
    switch (op->kind) {
    case PQ_OP_CONV2D:
        pad = (op->kernel - 1) / 2;
        *in0 = y0 - pad;
        *in1 = y1 + pad;
        break;
    case PQ_OP_PIXEL_SHUFFLE:
    case PQ_OP_NEAREST:
        *in0 = floor_div(y0, op->factor);
        *in1 = ceil_div(y1, op->factor);
        break;
    case PQ_OP_BICUBIC:
        *in0 = bicubic_centre(op, y0) - 1;
        *in1 = bicubic_centre(op, y1 - 1) + 3;
        break;
    default:
        *in0 = y0;
        *in1 = y1;
        break;
    }
}

int64_t pq_op_rows_ready(const struct pq_op *op, int64_t have, int64_t in_height,
                         int64_t out_height)
{
    if (have >= in_height)
        return out_height;
    int64_t ready;
    switch (op->kind) {
    case PQ_OP_CONV2D:
        ready = have - (op->kernel - 1) / 2;
        break;
    case PQ_OP_PIXEL_SHUFFLE:
    case PQ_OP_NEAREST:
        ready = have * op->factor;
        break;
    case PQ_OP_BICUBIC:
        /* All y with centre(y) + 3 <= have, that is (2y+1) den < (2 have - 3) num. */
        ready = ceil_div((2 * have - 3) * op->rate_num - op->rate_den, 2 * (int64_t)op->rate_den);
        break;
    default:
        ready = have;
        break;
    }
    return PQ_MIN(PQ_MAX(ready, 0), out_height);
}

int64_t pq_op_extent(const struct pq_op *op, int64_t in_extent)
{
    return in_extent * op->rate_num / op->rate_den;
}

/* Rows of the input that output row y needs, as [*in0, *in1). lo and hi are scratch. */
static void trace_back(const struct pq_graph *g, int64_t y, int64_t *lo, int64_t *hi)
{
    for (int i = 0; i < g->count; i++) {
        lo[i] = INT64_MAX;
        hi[i] = INT64_MIN;
    }
    lo[g->output] = y;
    hi[g->output] = y + 1;
    for (int i = g->count - 1; i > 0; i--) {
        if (lo[i] >= hi[i])
            continue;
        int64_t in0, in1;
        pq_op_rows_needed(&g->ops[i], lo[i], hi[i], &in0, &in1);
        for (int k = 0; k < g->ops[i].inputs; k++) {
            int in = g->ops[i].in[k];
            lo[in] = PQ_MIN(lo[in], in0);
            hi[in] = PQ_MAX(hi[in], in1);
        }
    }
}

/* The farthest input row from the one that an output row lies on, over one period of the ratio. */
static int radius_of(const struct pq_graph *g)
{
    const struct pq_op *out = &g->ops[g->output];
    int64_t *lo = pq_malloc((size_t)g->count * sizeof *lo);
    int64_t *hi = pq_malloc((size_t)g->count * sizeof *hi);
    int64_t radius = -1;
    if (lo && hi) {
        for (int64_t phase = 0; phase < out->num; phase++) {
            int64_t y = ((int64_t)1 << 20) * out->num + phase;
            trace_back(g, y, lo, hi);
            int64_t centre = floor_div(y * out->den, out->num);
            radius = PQ_MAX(radius, PQ_MAX(centre - lo[0], hi[0] - 1 - centre));
        }
    }
    pq_free(lo);
    pq_free(hi);
    return (int)radius;
}

void pq_graph_facts(const struct pq_graph *g, struct pq_graph_facts *facts)
{
    const struct pq_op *out = &g->ops[g->output];
    *facts = (struct pq_graph_facts){
        .in_channels = g->ops[0].channels,
        .out_channels = out->channels,
        .num = out->num,
        .den = out->den,
        .radius = radius_of(g),
    };
    for (int i = 0; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        size_t n = 0;
        if (op->act.on && op->act.slopes.data && pq_tensor_count(&op->act.slopes, &n))
            facts->parameters += n;
        if (op->kind != PQ_OP_CONV2D)
            continue;
        facts->convolutions++;
        if (op->bias.data && pq_tensor_count(&op->bias, &n))
            facts->parameters += n;
        if (!pq_tensor_count(&op->weight, &n))
            continue;
        facts->parameters += n;
        uint64_t area = (uint64_t)op->num * (uint64_t)op->num;
        facts->flops_per_pixel += 2 * n * area / ((uint64_t)op->den * (uint64_t)op->den);
    }
}
