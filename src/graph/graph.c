/* SPDX-License-Identifier: MIT */
#include "graph/graph.h"

#include "base/alloc.h"
#include "base/lang.h"
#include "graph/build.h"
#include "graph/fuse.h"

enum { MAX_RATIO = 1 << 12 }; /* largest numerator or denominator of a size ratio */

const char *pq_op_name(enum pq_op_kind kind)
{
    static const char *const names[PQ_OP_KINDS] = {
        [PQ_OP_INPUT] = PQ_SAID("input"),
        [PQ_OP_CONV2D] = PQ_SAID("conv2d"),
        [PQ_OP_DEPTHWISE] = PQ_SAID("depthwise convolution"),
        [PQ_OP_ACT] = PQ_SAID("activation"),
        [PQ_OP_PIXEL_SHUFFLE] = PQ_SAID("pixel shuffle"),
        [PQ_OP_PIXEL_UNSHUFFLE] = PQ_SAID("pixel unshuffle"),
        [PQ_OP_NEAREST] = PQ_SAID("nearest"),
        [PQ_OP_ADD] = PQ_SAID("add"),
        [PQ_OP_MUL] = PQ_SAID("multiplication"),
        [PQ_OP_AFFINE] = PQ_SAID("affine"),
        [PQ_OP_CONCAT] = PQ_SAID("concat"),
        [PQ_OP_SLICE] = PQ_SAID("slice"),
        [PQ_OP_BICUBIC] = PQ_SAID("bicubic"),
        [PQ_OP_BILINEAR] = PQ_SAID("bilinear"),
        [PQ_OP_PAD] = PQ_SAID("padding"),
        [PQ_OP_CROP] = PQ_SAID("crop"),
        [PQ_OP_MAX_POOL] = PQ_SAID("max pool"),
        [PQ_OP_MEAN_POOL] = PQ_SAID("mean pool"),
        [PQ_OP_LAYER_NORM] = PQ_SAID("layer norm"),
        [PQ_OP_RMS_NORM] = PQ_SAID("RMS norm"),
        [PQ_OP_ROW_SUMS] = PQ_SAID("row sums"),
        [PQ_OP_MEAN] = PQ_SAID("mean"),
        [PQ_OP_GROUP_NORM] = PQ_SAID("group norm"),
        [PQ_OP_ROW_GRAM] = PQ_SAID("row products"),
        [PQ_OP_GRAM_SOFTMAX] = PQ_SAID("softmax of products"),
        [PQ_OP_MIX] = PQ_SAID("channel mix"),
        [PQ_OP_ATTENTION] = PQ_SAID("attention"),
        [PQ_OP_CHANNEL_ATTENTION] = PQ_SAID("channel attention"),
        [PQ_OP_GIVEN] = PQ_SAID("given statistic"),
        [PQ_OP_DYSAMPLE] = PQ_SAID("dysample"),
        [PQ_OP_CONSTANT] = PQ_SAID("constant"),
        [PQ_OP_TOKENS_LINEAR] = PQ_SAID("linear layer over tokens"),
        [PQ_OP_TOKENS_UNIT] = PQ_SAID("norm of tokens"),
        [PQ_OP_LOOK_UP] = PQ_SAID("look-up of tokens"),
        [PQ_OP_BLEND] = PQ_SAID("blend of tokens"),
        [PQ_OP_ROW_EXP] = PQ_SAID("exponential of a row"),
        [PQ_OP_ROW_SHARES] = PQ_SAID("shares of a row"),
        [PQ_OP_TOKENS_UPDATE] = PQ_SAID("update of tokens"),
        [PQ_OP_CATEGORY] = PQ_SAID("category"),
        [PQ_OP_ROW_COUNTS] = PQ_SAID("counts of a row"),
        [PQ_OP_ORDER] = PQ_SAID("order"),
        [PQ_OP_RANK] = PQ_SAID("rank"),
        [PQ_OP_PICK] = PQ_SAID("pick"),
        [PQ_OP_RUN_ATTENTION] = PQ_SAID("attention in runs"),
        [PQ_OP_FROM_YUV] = PQ_SAID("colours of luma and chroma"),
        [PQ_OP_TO_YUV] = PQ_SAID("luma and chroma"),
        [PQ_OP_RESIZE] = PQ_SAID("resize"),
        [PQ_OP_EFFECTS] = PQ_SAID("effects"),
        [PQ_OP_CHANNELS] = PQ_SAID("choice of channels"),
        [PQ_OP_FLATTEN] = PQ_SAID("background"),
        [PQ_OP_ROW_OPAQUE] = PQ_SAID("opacity of a row"),
        [PQ_OP_BLEED_SUMS] = PQ_SAID("sums of visible colours"),
        [PQ_OP_BLEED] = PQ_SAID("colours of invisible pixels"),
        [PQ_OP_ALPHA] = PQ_SAID("alpha"),
    };
    return pq_tr(names[kind]);
}

int pq_graph_new(struct pq_graph **out, pique_error *err)
{
    *out = pq_calloc(1, sizeof **out);
    if (!*out)
        return pq_fail_nomem(err, sizeof **out);
    (*out)->output = -1;
    return 0;
}

int pq_graph_new_with_room(size_t count, struct pq_graph **out, pique_error *err)
{
    int rc = pq_graph_new(out, err);
    if (rc)
        return rc;
    (*out)->ops = pq_calloc(count, sizeof *(*out)->ops);
    if (!(*out)->ops) {
        pq_graph_free(out);
        return pq_fail_nomem(err, count * sizeof *(*out)->ops);
    }
    (*out)->capacity = (int)count;
    return 0;
}

void pq_graph_free(struct pq_graph **graph)
{
    if (!*graph)
        return;
    for (int i = 0; i < (*graph)->owned_count; i++)
        pq_free((*graph)->owned[i]);
    pq_free((*graph)->owned);
    pq_free((*graph)->ops);
    pq_free(*graph);
    *graph = NULL;
}

void *pq_graph_own(struct pq_graph *g, size_t bytes)
{
    void **owned = pq_realloc_array(g->owned, (size_t)g->owned_count + 1, sizeof *owned);
    if (!owned)
        return NULL;
    g->owned = owned;
    void *memory = pq_malloc(bytes);
    if (memory)
        owned[g->owned_count++] = memory;
    return memory;
}

struct pq_tensor pq_graph_own_tensor(struct pq_graph *g, int dims, const int64_t *shape)
{
    struct pq_tensor t = {.dtype = PQ_F32, .dims = dims};
    for (int i = 0; i < dims; i++)
        t.shape[i] = shape[i];
    size_t count;
    if (pq_tensor_count(&t, &count) && count <= SIZE_MAX / sizeof(float))
        t.data = pq_graph_own(g, count * sizeof(float));
    return t;
}

/* ---- what builders share ---- */

static int gcd(int a, int b)
{
    while (b) {
        int r = a % b;
        a = b;
        b = r;
    }
    return a;
}

static int set_ratio(const struct pq_graph *g, struct pq_op *op, pique_error *err)
{
    int common = gcd(op->rate_num, op->rate_den);
    op->rate_num /= common;
    op->rate_den /= common;
    const struct pq_op *in = &g->ops[op->like >= 0 ? op->like : op->in[0]];
    int64_t num = (int64_t)in->num * op->rate_num, den = (int64_t)in->den * op->rate_den;
    if (num > MAX_RATIO || den > MAX_RATIO)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s changes the size by %lld/%lld",
                       pq_op_name(op->kind), (long long)num, (long long)den);
    common = gcd((int)num, (int)den);
    op->num = (int)num / common;
    op->den = (int)den / common;
    return 0;
}

int pq_build_check_weights(const struct pq_graph *g, uint64_t more, pique_error *err)
{
    if (more <= PQ_MAX_WEIGHTS && g->weights <= PQ_MAX_WEIGHTS - more)
        return 0;
    return pq_fail(err, PIQUE_EUNSUPPORTED, "the network has more than %d weights", PQ_MAX_WEIGHTS);
}

/* A dense convolution is packed for 16 outputs at least. */
static uint64_t weights_of(const struct pq_op *op)
{
    enum { LEAST = 16 };
    size_t count;
    if (!op->weight.data)
        return 0;
    if (!pq_tensor_count(&op->weight, &count))
        return UINT64_MAX;
    return op->kind == PQ_OP_CONV2D && op->channels < LEAST ? count / (size_t)op->channels * LEAST
                                                            : count;
}

int pq_graph_append(struct pq_graph *g, struct pq_op op, pique_error *err)
{
    if (g->output >= 0)
        return pq_fail(err, PIQUE_EINTERNAL, "an operation is added to a finished graph");
    if (g->count >= PQ_MAX_OPS)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "the network has more than %d operations",
                       PQ_MAX_OPS);
    int most = op.global || op.column ? PQ_MAX_GLOBAL_FLOATS : PQ_MAX_CHANNELS;
    if (op.channels < 1 || op.channels > most)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s yields %d channels; 1 to %d are possible",
                       pq_op_name(op.kind), op.channels, most);
    const uint64_t weights = weights_of(&op);
    int rc = op.kind == PQ_OP_INPUT ? 0 : set_ratio(g, &op, err);
    if (!rc)
        rc = pq_build_check_weights(g, weights, err);
    if (rc)
        return rc;
    if (g->count == g->capacity) {
        int capacity = g->capacity ? g->capacity * 2 : 64;
        struct pq_op *ops = pq_realloc_array(g->ops, (size_t)capacity, sizeof *ops);
        if (!ops)
            return pq_fail_nomem(err, (size_t)capacity * sizeof *ops);
        g->ops = ops;
        g->capacity = capacity;
    }
    g->weights += weights;
    g->ops[g->count] = op;
    return g->count++;
}

struct pq_op pq_op_new(const struct pq_graph *g, enum pq_op_kind kind, int in, int channels)
{
    const struct pq_window one = {.kernel = 1, .stride = 1, .dilation = 1};
    const bool input = kind == PQ_OP_INPUT;
    return (struct pq_op){.kind = kind,
                          .in = {in},
                          .inputs = !input,
                          .like = -1,
                          .channels = channels,
                          .num = 1,
                          .den = 1,
                          .global = !input && g->ops[in].global,
                          .column = !input && g->ops[in].column,
                          .ver = one,
                          .hor = one,
                          .multiple = 1,
                          .factor = 1,
                          .groups = 1,
                          .rate_num = 1,
                          .rate_den = 1,
                          .scale = 1};
}

int pq_build_check_input(const struct pq_graph *g, int in, enum pq_op_kind kind, pique_error *err)
{
    if (in < 0 || in >= g->count)
        return pq_fail(err, PIQUE_EINTERNAL, "%s reads operation %d of %d", pq_op_name(kind), in,
                       g->count);
    return 0;
}

int pq_build_check_picture(const struct pq_graph *g, int in, enum pq_op_kind kind, pique_error *err)
{
    int rc = pq_build_check_input(g, in, kind, err);
    if (!rc && (g->ops[in].global || g->ops[in].column))
        rc = pq_fail(err, PIQUE_EFORMAT, "%s gets no picture", pq_op_name(kind));
    return rc;
}

int pq_build_check_size(const struct pq_graph *g, enum pq_op_kind kind, int a, int b,
                        pique_error *err)
{
    const struct pq_op *x = &g->ops[a], *y = &g->ops[b];
    if (x->global != y->global || x->column != y->column)
        return pq_fail(err, PIQUE_EFORMAT, "%s joins a picture with what is none",
                       pq_op_name(kind));
    if (!x->global && (x->num != y->num || x->den != y->den))
        return pq_fail(err, PIQUE_EFORMAT, "%s joins pictures of %d/%d and %d/%d of the size",
                       pq_op_name(kind), x->num, x->den, y->num, y->den);
    return 0;
}

int pq_build_check_factor(enum pq_op_kind kind, int factor, pique_error *err)
{
    if (factor < 1 || factor > PQ_MAX_FACTOR)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s by %d; 1 to %d are possible", pq_op_name(kind),
                       factor, PQ_MAX_FACTOR);
    return 0;
}

int pq_build_check_vector(enum pq_op_kind kind, const struct pq_tensor *t, int n, const char *what,
                          pique_error *err)
{
    char text[96];
    if (!t || pq_tensor_is(t, 1, (const int64_t[]){n}))
        return 0;
    return pq_fail(err, PIQUE_EFORMAT, "%s needs %d %s, not %s", pq_op_name(kind), n, pq_tr(what),
                   pq_tensor_shape_text(t, text, sizeof text));
}

int pq_graph_input(struct pq_graph *g, int channels, pique_error *err)
{
    if (g->count)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "the network has more than one input");
    return pq_graph_append(g, pq_op_new(g, PQ_OP_INPUT, -1, channels), err);
}

int pq_graph_append_graph(struct pq_graph *g, const struct pq_graph *part, int in, pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_INPUT, err);
    if (rc)
        return rc;
    if (g->ops[in].channels != part->ops[0].channels)
        return pq_fail(err, PIQUE_EFORMAT, "%d channels come into a network for %d",
                       g->ops[in].channels, part->ops[0].channels);
    const int first = g->count - 1; /* where the part's operation 0 would stand */
    for (int i = 1; i < part->count; i++) {
        struct pq_op op = part->ops[i];
        for (int k = 0; k < op.inputs; k++)
            op.in[k] = op.in[k] ? op.in[k] + first : in;
        if (op.like >= 0)
            op.like = op.like ? op.like + first : in;
        int at = pq_graph_append(g, op, err);
        if (at < 0)
            return at;
    }
    return part->output ? part->output + first : in;
}

/* ---- finishing ---- */

int pq_graph_finish(struct pq_graph *g, int output, pique_error *err)
{
    if (g->count == 0 || g->ops[0].kind != PQ_OP_INPUT)
        return pq_fail(err, PIQUE_EFORMAT, "the network has no input");
    int rc = pq_build_check_input(g, output, PQ_OP_INPUT, err);
    if (rc)
        return rc;
    if (g->ops[output].global || g->ops[output].column)
        return pq_fail(err, PIQUE_EFORMAT, "the network's result is no picture");
    rc = pq_graph_fuse(g, &output, err);
    if (!rc)
        g->output = output;
    return rc;
}
