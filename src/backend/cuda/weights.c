/* SPDX-License-Identifier: MIT */
#include "backend/cuda/weights.h"

#include <string.h>

#include "backend/cuda/hopper.h"
#include "backend/cuda/kernels/tile.h"
#include "base/alloc.h"
#include "graph/axis.h"

/* Of a convolution's block of output channels, and of where an array begins, in floats. */
enum { LANES = 16, ALIGN = 64 };

/* Where arrays go: first only counted, then written. */
struct packing {
    enum pq_dtype type; /* of halves; PQ_F32: there are none */
    float *data;        /* NULL while they are counted */
    size_t floats;
};

/* Room for an array; NULL while they are counted. *at: where it is. */
static float *room(struct packing *p, size_t floats, int64_t *at)
{
    *at = (int64_t)p->floats;
    float *array = p->data ? p->data + p->floats : NULL;
    p->floats += (floats + ALIGN - 1) / ALIGN * ALIGN;
    return array;
}

/* `lanes` floats: the first `count` come from t, or are `fill` where t has no data; the rest are 0.
 */
static void vector(struct packing *p, const struct pq_tensor *t, float fill, int count, int lanes,
                   int64_t *at)
{
    float *v = room(p, (size_t)lanes, at);
    for (int i = 0; v && i < lanes; i++)
        v[i] = i < count ? fill : 0.0f;
    if (v && t->data)
        pq_tensor_to_f32(t, 0, (size_t)count, v);
}

/* [out][in][taps] -> [block of 16][taps][in][16] */
static void conv_weights(const struct pq_tensor *t, int out, int in, int taps, float *packed)
{
    for (int o = 0; o < cuda_to_16(out); o++) {
        for (int c = 0; c < in; c++) {
            float row[PQ_MAX_KERNEL * PQ_MAX_KERNEL] = {0};
            if (o < out)
                pq_tensor_to_f32(t, ((size_t)o * (size_t)in + (size_t)c) * (size_t)taps,
                                 (size_t)taps, row);
            for (int tap = 0; tap < taps; tap++) {
                const size_t at =
                    ((size_t)(o / LANES) * (size_t)taps + (size_t)tap) * (size_t)in + (size_t)c;
                packed[at * LANES + (size_t)(o % LANES)] = row[tap];
            }
        }
    }
}

/* Weights on their way into the order of kernels/conv_half.cu. */
struct tile_packing {
    const struct pq_graph *graph;
    const struct pq_op *op;
    enum pq_dtype type; /* of halves */
    int taps, width;    /* output channels of a block */
    uint16_t *to;
};

static int all_channels(const struct pq_graph *graph, const struct pq_op *op)
{
    int sum = 0;
    for (int k = 0; k < op->inputs - op->residual; k++)
        sum += cuda_to_16(graph->ops[op->in[k]].channels);
    return sum;
}

/* A chunk of some channels of one map, from input channel `from` on, of which `there` exist. */
static void tile_chunk(struct tile_packing *t, int block, int from, int channels, int there)
{
    float row[PQ_MAX_KERNEL * PQ_MAX_KERNEL];
    const size_t in = (size_t)t->op->weight.shape[1], taps = (size_t)t->taps;
    for (int n = 0; n < t->width; n++) {
        const int o = block * t->width + n;
        for (int c = 0; c < there && o < t->op->channels; c++) {
            pq_tensor_to_f32(&t->op->weight, ((size_t)o * in + (size_t)(from + c)) * taps, taps,
                             row);
            for (int tap = 0; tap < t->taps; tap++) {
                const int part = (tap * (channels / 16) + c / 16) * (t->width / 16) + n / 16;
                t->to[part * CUDA_WEIGHTS + cuda_weight_place(n % 16, c % 16)] =
                    cuda_half_bits(t->type, row[tap]);
            }
        }
    }
    t->to += t->taps * t->width * channels;
}

static void pack_tiles(struct tile_packing *t)
{
    for (int block = 0; block < cuda_tile_blocks(t->op->channels); block++) {
        int from = 0;
        for (int k = 0; k < t->op->inputs - t->op->residual; k++) {
            const int there = t->graph->ops[t->op->in[k]].channels, all = cuda_to_16(there);
            for (int first = 0; first < all; first += CUDA_CHUNK)
                tile_chunk(t, block, from + first, PQ_MIN(all - first, CUDA_CHUNK),
                           PQ_MIN(there - first, CUDA_CHUNK));
            from += there;
        }
    }
}

static void tiled_weights(struct packing *p, const struct pq_graph *graph, const struct pq_op *op,
                          int64_t *at)
{
    struct tile_packing t = {.graph = graph,
                             .op = op,
                             .type = p->type,
                             .taps = op->ver.kernel * op->hor.kernel,
                             .width = cuda_tile_sixteens(op->channels) * 16};
    const size_t halves = (size_t)cuda_tile_blocks(op->channels) * (size_t)t.width *
                              (size_t)all_channels(graph, op) * (size_t)t.taps +
                          (size_t)t.width * 16; /* which are taken and not multiplied */
    float *w = room(p, halves / 2, at);
    t.to = (uint16_t *)(void *)w;
    if (w)
        pack_tiles(&t);
}

static void strip_weights(struct packing *p, const struct pq_op *op, int64_t *at)
{
    float *w = room(p, cuda_strip_weights_floats(op), at);
    if (w)
        cuda_strip_weights(op, w);
}

/* Where maps are halves, so are weights, whoever multiplies them. */
static void direct_weights(struct packing *p, const struct pq_op *op, enum pq_dtype type,
                           int64_t *at)
{
    const int in = (int)op->weight.shape[1], taps = op->ver.kernel * op->hor.kernel;
    const size_t count = (size_t)cuda_to_16(op->channels) * (size_t)in * (size_t)taps;
    float *w = room(p, count, at);
    if (!w)
        return;
    conv_weights(&op->weight, op->channels, in, taps, w);
    for (size_t i = 0; type != PQ_F32 && i < count; i++)
        w[i] = cuda_half_value(type, cuda_half_bits(type, w[i]));
}

static void conv(struct packing *p, const struct pq_graph *graph, const struct pq_op *op,
                 struct cuda_step *s)
{
    const int lanes = cuda_tile_blocks(op->channels) * cuda_tile_sixteens(op->channels) * 16;
    if (s->strip)
        strip_weights(p, op, &s->weights);
    else if (s->tiled)
        tiled_weights(p, graph, op, &s->weights);
    else
        direct_weights(p, op, s->type, &s->weights);
    vector(p, &op->bias, 0.0f, op->channels, lanes, &s->bias);
    if (op->act.on)
        vector(p, &op->act.slopes, op->act.slope, op->channels, lanes, &s->slopes);
}

/* rows x columns -> columns x rows */
static void turned(struct packing *p, const struct pq_tensor *t, size_t rows, size_t columns,
                   int64_t *at)
{
    float *w = room(p, rows * columns, at);
    for (size_t r = 0; w && r < rows; r++) {
        for (size_t c = 0; c < columns; c++)
            pq_tensor_to_f32(t, r * columns + c, 1, &w[c * rows + r]);
    }
}

static void depthwise(struct packing *p, const struct pq_op *op, struct cuda_step *s)
{
    turned(p, &op->weight, (size_t)op->channels, (size_t)(op->ver.kernel * op->hor.kernel),
           &s->weights);
    vector(p, &op->bias, 0.0f, op->channels, op->channels, &s->bias);
}

/* One factor and one term a channel. */
static void channels(struct packing *p, const struct pq_op *op, struct cuda_step *s)
{
    const int n = op->kind == PQ_OP_GROUP_NORM ? op->channels / 2 : op->channels;
    vector(p, &op->weight, 1.0f, n, n, &s->weights);
    vector(p, &op->bias, 0.0f, n, n, &s->bias);
}

static void attention(struct packing *p, const struct pq_op *op, struct cuda_step *s)
{
    const struct pq_attention *a = &op->attention;
    const size_t pairs = (size_t)(a->height * a->width) * (size_t)(a->key_height * a->key_width);
    if (!a->index)
        return;
    turned(p, &op->weight, (size_t)op->weight.shape[0], (size_t)op->weight.shape[1], &s->weights);
    float *index = room(p, pairs, &s->index);
    if (index)
        memcpy(index, a->index, pairs * sizeof *a->index);
}

static void tokens_linear(struct packing *p, const struct pq_op *op, struct cuda_step *s)
{
    const int out = (int)op->weight.shape[0];
    turned(p, &op->weight, (size_t)out, (size_t)op->weight.shape[1], &s->weights);
    vector(p, &op->bias, 0.0f, out, out, &s->bias);
}

/* Weights of every pixel along the axis, and of each the first tap and how many there are. */
static void resize(struct packing *p, const struct pq_op *op, struct cuda_step *s)
{
    const struct pq_axis axis = pq_axis_of(op->from, op->extent);
    float *w = room(p, (size_t)op->extent * (size_t)axis.taps, &s->weights);
    float *index = room(p, 2 * (size_t)op->extent, &s->index);
    for (int i = 0; w && i < op->extent; i++) {
        int32_t span[2];
        span[1] = pq_axis_weights(&axis, i, &span[0], w + (size_t)i * (size_t)axis.taps);
        memcpy(index + 2 * (size_t)i, span, sizeof span);
    }
}

static void pack(struct packing *p, const struct pq_graph *graph, int i, struct cuda_step *s)
{
    const struct pq_op *op = &graph->ops[i];
    switch (op->kind) {
    case PQ_OP_CONV2D:
        conv(p, graph, op, s);
        break;
    case PQ_OP_DEPTHWISE:
        depthwise(p, op, s);
        break;
    case PQ_OP_ACT:
        vector(p, &op->act.slopes, op->act.slope, op->channels, op->channels, &s->slopes);
        break;
    case PQ_OP_AFFINE:
        if (op->inputs == 1)
            channels(p, op, s);
        break;
    case PQ_OP_LAYER_NORM:
    case PQ_OP_RMS_NORM:
    case PQ_OP_GROUP_NORM:
        channels(p, op, s);
        break;
    case PQ_OP_ATTENTION:
        attention(p, op, s);
        break;
    case PQ_OP_CHANNEL_ATTENTION:
        vector(p, &op->weight, 1.0f, op->attention.heads, op->attention.heads, &s->weights);
        break;
    case PQ_OP_CONSTANT:
        vector(p, &op->weight, 1.0f, op->channels, op->channels, &s->weights);
        break;
    case PQ_OP_GRAM_SOFTMAX:
    case PQ_OP_TOKENS_UNIT:
    case PQ_OP_TOKENS_UPDATE:
        vector(p, &op->weight, 1.0f, op->groups, op->groups, &s->weights);
        break;
    case PQ_OP_TOKENS_LINEAR:
        tokens_linear(p, op, s);
        break;
    case PQ_OP_RESIZE:
        resize(p, op, s);
        break;
    default:
        break;
    }
}

/* ---- copies of a network ---- */

static bool same_tensor(const struct pq_tensor *a, const struct pq_tensor *b)
{
    return a->data == b->data && a->dtype == b->dtype && a->dims == b->dims &&
           memcmp(a->shape, b->shape, (size_t)a->dims * sizeof *a->shape) == 0;
}

static bool same_window(const struct pq_window *a, const struct pq_window *b)
{
    return a->kernel == b->kernel && a->stride == b->stride && a->dilation == b->dilation;
}

/* Whether two operations have the same weights, in the same order on the device. */
static bool pack_alike(const struct pq_graph *graph, const struct cuda_step *steps, int i, int k)
{
    const struct pq_op *a = &graph->ops[i], *b = &graph->ops[k];
    if (a->weight.data != b->weight.data || a->kind != b->kind || a->inputs != b->inputs ||
        a->channels != b->channels || a->groups != b->groups || a->residual != b->residual ||
        steps[i].type != steps[k].type || steps[i].tiled != steps[k].tiled ||
        steps[i].strip != steps[k].strip || a->act.on != b->act.on ||
        a->act.slope != b->act.slope || a->attention.index != b->attention.index ||
        a->attention.heads != b->attention.heads)
        return false;
    for (int in = 0; in < a->inputs; in++) {
        if (graph->ops[a->in[in]].channels != graph->ops[b->in[in]].channels)
            return false;
    }
    return same_tensor(&a->weight, &b->weight) && same_tensor(&a->bias, &b->bias) &&
           same_tensor(&a->act.slopes, &b->act.slopes) && same_window(&a->ver, &b->ver) &&
           same_window(&a->hor, &b->hor);
}

/* Alpha goes through a copy of the colours' network: what has been packed is not packed again. */
static bool share(const struct pq_graph *graph, struct cuda_step *steps, int i)
{
    for (int k = 0; graph->ops[i].weight.data && k < i; k++) {
        if (!pack_alike(graph, steps, i, k))
            continue;
        steps[i].weights = steps[k].weights;
        steps[i].bias = steps[k].bias;
        steps[i].slopes = steps[k].slopes;
        steps[i].index = steps[k].index;
        return true;
    }
    return false;
}

/* All arrays, and where the first one of each operation begins. */
struct parcel {
    const struct pq_graph *graph;
    struct cuda_step *steps;
    struct packing packing; /* of all of them */
    size_t *starts;
};

static const size_t SHARED = SIZE_MAX; /* such an operation has no array of its own */

static void count_all(struct parcel *a)
{
    for (int i = 0; i < a->graph->count; i++) {
        struct cuda_step *s = &a->steps[i];
        s->weights = s->bias = s->slopes = s->index = -1;
        a->starts[i] = a->packing.floats;
        if (share(a->graph, a->steps, i))
            a->starts[i] = SHARED;
        else
            pack(&a->packing, a->graph, i, s);
    }
}

static void fill(void *context, int i, int worker)
{
    (void)worker;
    const struct parcel *a = context;
    struct packing p = {a->packing.type, a->packing.data, a->starts[i]};
    if (p.floats != SHARED)
        pack(&p, a->graph, i, &a->steps[i]);
}

int cuda_pack(const struct pq_graph *graph, enum pique_precision tier, struct pq_pool *pool,
              struct cuda_step *steps, float **out, size_t *floats, pique_error *err)
{
    const size_t count = (size_t)graph->count;
    struct parcel a = {.graph = graph,
                       .steps = steps,
                       .packing = {.type = cuda_type_of(tier)},
                       .starts = pq_calloc(count, sizeof *a.starts)};
    *out = NULL;
    if (!a.starts)
        return pq_fail_nomem(err, count * sizeof *a.starts);
    count_all(&a);
    *floats = PQ_MAX(a.packing.floats, ALIGN);
    *out = a.packing.data = pq_calloc(*floats, sizeof **out);
    int rc = *out ? 0 : pq_fail_nomem(err, *floats * sizeof **out);
    if (!rc)
        pq_share_out(pool, graph->count, fill, &a);
    pq_free(a.starts);
    return rc;
}
