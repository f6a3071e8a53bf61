/* SPDX-License-Identifier: MIT */
/* Compact, which its authors call SRVGGNetCompact (Wang et al., Real-ESRGAN, 2021): a plain row of
 * convolutions at the size of the input.
 *
 *     x -> conv -> act -> conv -> act -> ... -> conv -> pixel shuffle by s -> + -> out
 *       \-------------------------- nearest by s ---------------------------/
 *
 * In a state dict body.0, body.2, ... body.last are the convolutions, 3x3 with bias; body.1,
 * body.3, ... are PReLU with a slope a channel. Where the odd ones are absent the activation has no
 * weights and is a leaky ReLU of 0.1, as the reference code has it. */
#include "arch/arch.h"

#include <stdio.h>
#include <string.h>

#include "arch/take.h"
#include "base/alloc.h"

enum { MAX_LAYERS = 2001, KERNEL = 3, MAX_PICTURE = 4 /* channels of a picture */ };

static const float leaky_slope = 0.1f;

/* Facts that the shapes tell. */
struct shape {
    int last; /* number of the last convolution */
    int features, channels, scale;
    bool prelu;
};

/* "body.12.weight" -> 12 and whether it is a bias; false for any other name. */
static bool parse_key(const char *name, int *layer, bool *bias)
{
    static const char prefix[] = "body.";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *s = name + sizeof prefix - 1;
    int n = 0, digits = 0;
    for (; s[digits] >= '0' && s[digits] <= '9' && digits < 6; digits++)
        n = n * 10 + (s[digits] - '0');
    if (digits == 0 || (digits > 1 && s[0] == '0') || n >= MAX_LAYERS)
        return false;
    *layer = n;
    *bias = strcmp(s + digits, ".bias") == 0;
    return *bias || strcmp(s + digits, ".weight") == 0;
}

bool pq_compact_detect(const struct pq_statedict *sd)
{
    if (pq_statedict_find(sd, "body.0.weight") &&
        (pq_statedict_find(sd, "body.1.weight") || pq_statedict_find(sd, "body.2.weight")))
        return true;
    /* One of these may be the tensor that is missing; then that should be said. */
    int layer;
    bool bias, all = sd->count > 2;
    for (size_t i = 0; i < sd->count && all; i++)
        all = parse_key(sd->tensors[i].name, &layer, &bias);
    return all;
}

/* ---- from shapes to facts ---- */

static int find_last(const struct pq_statedict *sd, struct shape *s, pique_error *err)
{
    for (size_t i = 0; i < sd->count; i++) {
        int layer;
        bool bias;
        if (!parse_key(sd->tensors[i].name, &layer, &bias))
            return pq_fail(err, PIQUE_EFORMAT, "%s: tensor '%s' has no place in a Compact network",
                           sd->map.path, sd->tensors[i].name);
        s->last = PQ_MAX(s->last, layer);
        s->prelu = s->prelu || layer % 2;
    }
    if (s->last % 2)
        return pq_fail(err, PIQUE_EFORMAT, "%s: tensor 'body.%d.weight' is missing", sd->map.path,
                       s->last + 1);
    return 0;
}

/* The sizes that all others follow from, out of the first and the last convolution. */
static int find_sizes(const struct pq_statedict *sd, struct shape *s, pique_error *err)
{
    char last_name[32], text[200];
    snprintf(last_name, sizeof last_name, "body.%d.weight", s->last);
    const struct pq_tensor *first = pq_statedict_find(sd, "body.0.weight");
    const struct pq_tensor *last = pq_statedict_find(sd, last_name);
    if (!first || !last)
        return pq_fail(err, PIQUE_EFORMAT, "%s: tensor '%s' is missing", sd->map.path,
                       first ? last_name : "body.0.weight");
    if (first->dims != 4 || first->shape[0] < 1 || first->shape[0] > PQ_MAX_CHANNELS ||
        first->shape[1] < 1 || first->shape[1] > PQ_MAX_CHANNELS)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: tensor 'body.0.weight' has shape %s, not [features, channels, 3, 3]",
                       sd->map.path, pq_tensor_shape_text(first, text, sizeof text));
    s->features = (int)first->shape[0];
    s->channels = (int)first->shape[1];
    if (s->channels > MAX_PICTURE)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: tensor 'body.0.weight' has shape %s; at most %d channels can come in",
                       sd->map.path, pq_tensor_shape_text(first, text, sizeof text), MAX_PICTURE);
    int64_t out = last->dims == 4 ? last->shape[0] : 0;
    for (s->scale = 1; s->scale <= PQ_MAX_FACTOR; s->scale++) {
        if ((int64_t)s->channels * s->scale * s->scale == out)
            return 0;
    }
    return pq_fail(err, PIQUE_EFORMAT,
                   "%s: tensor '%s' has shape %s; its first number should be %d times the square "
                   "of a scale from 1 to %d",
                   sd->map.path, last_name, pq_tensor_shape_text(last, text, sizeof text),
                   s->channels, PQ_MAX_FACTOR);
}

/* Every number has its tensors, so that their count tells whether there are others. */
static int check_count(const struct pq_statedict *sd, const struct shape *s, pique_error *err)
{
    size_t convolutions = (size_t)s->last / 2 + 1;
    size_t expected = 2 * convolutions + (s->prelu ? convolutions - 1 : 0);
    if (sd->count == expected)
        return 0;
    for (size_t i = 0; i < sd->count; i++) {
        int layer = 0;
        bool bias = false;
        parse_key(sd->tensors[i].name, &layer, &bias);
        if (bias && layer % 2)
            return pq_fail(err, PIQUE_EFORMAT, "%s: tensor '%s' has no place in a Compact network",
                           sd->map.path, sd->tensors[i].name);
    }
    return 0; /* then one is missing, and building names it */
}

/* ---- from facts to the graph ---- */

static int add_convolution(const struct pq_statedict *sd, struct pq_graph *g, const struct shape *s,
                           int layer, int in, pique_error *err)
{
    const struct pq_tensor *weight = NULL, *bias = NULL;
    int64_t inputs = layer == 0 ? s->channels : s->features;
    int64_t outputs = layer == s->last ? s->channels * s->scale * s->scale : s->features;
    char name[32];
    snprintf(name, sizeof name, "body.%d.weight", layer);
    int rc = pq_arch_tensor(sd, name, 4, (const int64_t[]){outputs, inputs, KERNEL, KERNEL},
                            &weight, err);
    if (rc)
        return rc;
    snprintf(name, sizeof name, "body.%d.bias", layer);
    rc = pq_arch_tensor(sd, name, 1, &outputs, &bias, err);
    return rc ? rc : pq_graph_conv2d(g, in, weight, bias, err);
}

static int add_activation(const struct pq_statedict *sd, struct pq_graph *g, const struct shape *s,
                          int layer, int in, pique_error *err)
{
    if (!s->prelu)
        return pq_graph_act(g, in, leaky_slope, NULL, err);
    const struct pq_tensor *slopes = NULL;
    char name[32];
    snprintf(name, sizeof name, "body.%d.weight", layer);
    int rc = pq_arch_tensor(sd, name, 1, (const int64_t[]){s->features}, &slopes, err);
    return rc ? rc : pq_graph_act(g, in, 0, slopes, err);
}

static int add_tail(struct pq_graph *g, const struct shape *s, int input, int body,
                    pique_error *err)
{
    int picture = input;
    if (s->scale > 1) {
        body = pq_graph_pixel_shuffle(g, body, s->scale, err);
        picture = body < 0 ? body : pq_graph_nearest(g, input, s->scale, err);
    }
    return picture < 0 ? picture : pq_graph_add(g, body, picture, 1, err);
}

int pq_compact_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct shape s = {0};
    int rc = find_last(sd, &s, err);
    if (!rc)
        rc = find_sizes(sd, &s, err);
    if (!rc)
        rc = check_count(sd, &s, err);
    if (rc)
        return rc;
    int input = pq_graph_input(g, s.channels, err);
    int at = input;
    for (int layer = 0; layer <= s.last && at >= 0; layer++)
        at = layer % 2 ? add_activation(sd, g, &s, layer, at, err)
                       : add_convolution(sd, g, &s, layer, at, err);
    if (at >= 0)
        at = add_tail(g, &s, input, at, err);
    return at < 0 ? at : pq_graph_finish(g, at, err);
}

/* ---- the way back ---- */

static bool is_conv3(const struct pq_op *op)
{
    return op->kind == PQ_OP_CONV2D && op->ver.kernel == KERNEL;
}

int pq_compact_features(const struct pq_graph *g)
{
    const struct pq_op *ops = g->ops;
    int at = g->output, seen = 2;        /* the input and the addition */
    if (ops[at].kind == PQ_OP_BICUBIC) { /* x2 and x3 of realesr-animevideov3 shrink the x4 */
        at = ops[at].in[0];
        seen++;
    }
    int body, picture;
    if (ops[at].kind == PQ_OP_CONV2D &&
        ops[at].residual) { /* a scale of 1: the input is fused in */
        body = at;
        picture = ops[at].in[ops[at].inputs - 1];
        seen--;
    } else if (ops[at].kind == PQ_OP_ADD) {
        body = ops[at].in[0];
        picture = ops[at].in[1];
    } else {
        return 0;
    }
    if (ops[body].kind == PQ_OP_NEAREST || body == 0) {
        int other = body;
        body = picture;
        picture = other;
    }
    if (ops[body].kind == PQ_OP_PIXEL_SHUFFLE && !ops[body].by_place &&
        ops[picture].kind == PQ_OP_NEAREST && ops[body].factor == ops[picture].factor) {
        body = ops[body].in[0];
        picture = ops[picture].in[0];
        seen += 2;
    }
    if (picture != 0 || !is_conv3(&ops[body]) || ops[body].act.on)
        return 0;
    int features = 0;
    seen++;
    for (body = ops[body].in[0]; body != 0; body = ops[body].in[0]) {
        if (!is_conv3(&ops[body]) || !ops[body].act.on ||
            (features && ops[body].channels != features))
            return 0;
        features = ops[body].channels;
        seen++;
    }
    return seen == g->count ? features : 0;
}
