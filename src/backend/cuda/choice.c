/* SPDX-License-Identifier: MIT */
#include "backend/cuda/choice.h"

#include "backend/cuda/kernels/tile.h"
#include "backend/cuda/shuffle.h"

/* Whose kernels read maps of either type, though what they write is too fine for halves. */
static bool reads_halves(const struct pq_op *op)
{
    return op->kind == PQ_OP_TO_YUV || op->kind == PQ_OP_RESIZE || op->kind == PQ_OP_EFFECTS ||
           op->kind == PQ_OP_ALPHA;
}

/* Whose kernels read and write maps of either type. The others have sums of their own, which lose
 * nothing by being few and in fp32. */
static bool takes_halves(const struct pq_op *op)
{
    switch (op->kind) {
    case PQ_OP_INPUT:
    case PQ_OP_CONV2D:
    case PQ_OP_DEPTHWISE:
    case PQ_OP_ACT:
    case PQ_OP_PIXEL_SHUFFLE:
    case PQ_OP_PIXEL_UNSHUFFLE:
    case PQ_OP_NEAREST:
    case PQ_OP_ADD:
    case PQ_OP_MUL:
    case PQ_OP_AFFINE:
    case PQ_OP_CONCAT:
    case PQ_OP_SLICE:
    case PQ_OP_BICUBIC:
    case PQ_OP_BILINEAR:
    case PQ_OP_PAD:
    case PQ_OP_CROP:
    case PQ_OP_MAX_POOL:
    case PQ_OP_MEAN_POOL:
    case PQ_OP_DYSAMPLE:
    case PQ_OP_CHANNELS:
    case PQ_OP_FLATTEN:
        return true;
    default:
        return false;
    }
}

/* Whether input k is read as floats though halves would do: alpha that is kept is kept to the bit.
 */
static bool wants_floats(const struct pq_op *op, int k)
{
    return op->by_alpha || op->kind == PQ_OP_FLATTEN || (op->kind == PQ_OP_ALPHA && k == 2) ||
           (!takes_halves(op) && !reads_halves(op));
}

static bool is_tiled(const struct pq_op *op)
{
    const struct pq_window *axes[] = {&op->ver, &op->hor};
    for (int i = 0; i < 2; i++) {
        if (axes[i]->stride != 1 || axes[i]->dilation != 1 || axes[i]->kernel > CUDA_TILE_MAX)
            return false;
    }
    return op->kind == PQ_OP_CONV2D;
}

void cuda_choose(const struct pq_graph *graph, enum pique_precision tier, struct cuda_step *steps)
{
    const enum pq_dtype type = cuda_type_of(tier);
    for (int i = 0; i < graph->count; i++) {
        const struct pq_op *op = &graph->ops[i];
        steps[i].type = !op->column && !op->global && takes_halves(op) ? type : PQ_F32;
        if (op->kind == PQ_OP_ACT && op->act.kind == PQ_ACT_CLIP &&
            steps[op->in[0]].type == PQ_F32) /* of a resize: as fine */
            steps[i].type = PQ_F32;
        if (op->kind == PQ_OP_CHANNELS && i == graph->output) /* a luma, or alpha */
            steps[i].type = PQ_F32;
        steps[i].tiled = type != PQ_F32 && is_tiled(op);
        for (int k = 0; k < op->inputs; k++) {
            if (wants_floats(op, k))
                steps[op->in[k]].type = PQ_F32;
        }
    }
    for (int i = graph->count - 1; i > 0; i--) { /* samples that are dealt as floats */
        const struct pq_op *op = &graph->ops[i];
        if (op->kind == PQ_OP_CHANNELS && op->in[0] == 0 && steps[i].type == PQ_F32)
            steps[0].type = PQ_F32;
    }
    for (int i = 0; i < graph->count; i++) {
        const struct pq_op *op = &graph->ops[i];
        steps[i].stride = op->kind == PQ_OP_CONV2D ? cuda_to_16(op->channels) : op->channels;
        for (int k = 0; k < op->inputs - op->residual && steps[i].tiled; k++) {
            if (steps[op->in[k]].type != PQ_F32)
                steps[op->in[k]].stride = cuda_to_16(graph->ops[op->in[k]].channels);
        }
    }
    cuda_choose_shuffles(graph, steps);
}
