/* SPDX-License-Identifier: MIT */
/* ESRGAN (Wang et al., 2018), whose network its authors call RRDBNet. Nearly all of it runs at the
 * size of the input:
 *
 *     x -> first -+-> block -> ... -> block -> trunk -> + -> (nearest by 2 -> up)... -> hr -> last
 *                  \-----------------------------------/
 *
 * A block is three dense blocks in a row, y = b + 0.2 d3(d2(d1(b))). A dense block (fig. 4) is five
 * convolutions, each over its input and all results before it:
 *
 *     x1 = c1(x)   x2 = c2(x, x1)   ...   x4 = c4(x, x1, x2, x3)   y = x + 0.2 c5(x, ..., x4)
 *
 * ESRGAN+ (Rakotonirina and Rasoanaivo, 2020) adds a 1x1 convolution of x to x2, and then x2 to x4.
 * Convolutions are 3x3 with bias but for that one; up, hr and the first four of a dense block end
 * in a leaky ReLU of 0.2. Where 4 or 16 times as many channels come in as go out, each 2x2 or 4x4
 * pixels of the picture, padded by reflection to a multiple, are one pixel to the network (pixel
 * unshuffle, Real-ESRGAN), which enlarges by that much less. Sizes follow from shapes, the number
 * of blocks and of upsamplings from names. A network that enlarges by 3 has the names of one that
 * enlarges by 2, and is taken for it.
 */
#include "arch/arch.h"

#include <stdio.h>
#include <string.h>

#include "arch/take.h"
#include "base/alloc.h"

enum {
    MAX_BLOCKS = 100,
    MAX_UPS = 4,     /* by 16 */
    MAX_PICTURE = 4, /* channels of a picture */
    DENSE = 5,       /* convolutions of a dense block */
    NAME = 64        /* bytes */
};

static const float slope = 0.2f, residual_scale = 0.2f;

/* How a training program names the convolutions. */
struct style {
    const char *first;
    const char *block, *dense, *conv_end; /* block 0 dense 1 ".conv" 1 conv_end */
    const char *trunk;                    /* NULL: block and the number after the last block */
    const char *up;                       /* and a number from 1 */
    const char *hr, *last;
    bool numbered; /* first, up, hr and last are numbers in a row: 0 | 3, 6, ... | +2 | +2 */
};

static const struct style styles[] = {
    {"model.0", "model.1.sub.", ".RDB", ".0", NULL, "model.", NULL, NULL, true},
    {"conv_first", "body.", ".rdb", "", "conv_body", "conv_up", "conv_hr", "conv_last", false},
    {"conv_first", "RRDB_trunk.", ".RDB", "", "trunk_conv", "upconv", "HRconv", "conv_last", false},
};

struct builder {
    const struct pq_statedict *sd;
    struct pq_graph *g;
    pique_error *err;
    const struct style *style;
    int blocks, ups;
    int channels, features, growth, out_channels;
    int unshuffle; /* pixels a side that are one to the network */
    bool plus;
    struct pq_taking taking;
};

/* ---- names ---- */

/* "body.12.rdb1.conv1.weight", "body.", ".rdb" -> 12; -1 for any other name. */
static int number_between(const char *name, const char *before, const char *after)
{
    size_t n = strlen(before);
    if (strncmp(name, before, n) != 0)
        return -1;
    int number = 0, digits = 0;
    for (name += n; name[digits] >= '0' && name[digits] <= '9' && digits < 6; digits++)
        number = number * 10 + (name[digits] - '0');
    bool plain = digits > 0 && (digits == 1 || name[0] != '0');
    return plain && strncmp(name + digits, after, strlen(after)) == 0 ? number : -1;
}

static const struct style *find_style(const struct pq_statedict *sd)
{
    for (size_t s = 0; s < PQ_COUNT(styles); s++) {
        for (size_t i = 0; i < sd->count; i++) {
            if (number_between(sd->tensors[i].name, styles[s].block, styles[s].dense) >= 0)
                return &styles[s];
        }
    }
    return NULL;
}

bool pq_esrgan_detect(const struct pq_statedict *sd)
{
    return find_style(sd) != NULL;
}

static const char *dense_name(const struct builder *b, int block, int dense, int conv, char *name)
{
    snprintf(name, NAME, "%s%d%s%d.conv%d%s", b->style->block, block, b->style->dense, dense, conv,
             b->style->conv_end);
    return name;
}

static const char *trunk_name(const struct builder *b, char *name)
{
    if (b->style->trunk)
        return b->style->trunk;
    snprintf(name, NAME, "%s%d", b->style->block, b->blocks);
    return name;
}

/* i from 1 */
static const char *up_name(const struct builder *b, int i, char *name)
{
    snprintf(name, NAME, "%s%d", b->style->up, b->style->numbered ? 3 * i : i);
    return name;
}

static const char *hr_name(const struct builder *b, char *name)
{
    snprintf(name, NAME, "model.%d", 3 * b->ups + 2);
    return b->style->numbered ? name : b->style->hr;
}

static const char *last_name(const struct builder *b, char *name)
{
    snprintf(name, NAME, "model.%d", 3 * b->ups + 4);
    return b->style->numbered ? name : b->style->last;
}

/* ---- from names and shapes to facts ---- */

static int count_parts(struct builder *b)
{
    int highest = 0; /* number of an upsampling, or of the last convolution */
    for (size_t i = 0; i < b->sd->count; i++) {
        const char *name = b->sd->tensors[i].name;
        int block = number_between(name, b->style->block, b->style->dense);
        b->blocks = PQ_MAX(b->blocks, block + 1);
        highest = PQ_MAX(highest, number_between(name, b->style->up, "."));
        b->plus = b->plus || (block >= 0 && strstr(name, ".conv1x1."));
    }
    /* Rounded up: where the last convolution is missing, that is to be said. */
    b->ups = b->style->numbered ? (PQ_MAX(highest, 4) - 4 + 2) / 3 : highest;
    if (b->blocks > MAX_BLOCKS || b->ups > MAX_UPS)
        return pq_fail(b->err, PIQUE_EUNSUPPORTED,
                       "%s: an ESRGAN network with %d blocks and %d upsamplings; %d and %d are "
                       "possible",
                       b->sd->map.path, b->blocks, b->ups, MAX_BLOCKS, MAX_UPS);
    return 0;
}

/* The first or second number of a weight's shape. */
static int find_size(const struct builder *b, const char *stem, int which, int *size)
{
    char name[NAME + 8], text[96];
    snprintf(name, sizeof name, "%s.weight", stem);
    const struct pq_tensor *t = pq_statedict_find(b->sd, name);
    if (!t)
        return pq_fail(b->err, PIQUE_EFORMAT, "%s: tensor '%s' is missing", b->sd->map.path, name);
    if (t->dims != 4 || t->shape[which] < 1 || t->shape[which] > PQ_MAX_CHANNELS)
        return pq_fail(b->err, PIQUE_EFORMAT,
                       "%s: tensor '%s' has shape %s, not [out, in, 3, 3] of 1 to %d each",
                       b->sd->map.path, name, pq_tensor_shape_text(t, text, sizeof text),
                       PQ_MAX_CHANNELS);
    *size = (int)t->shape[which];
    return 0;
}

/* 2 or 4 where that many pixels a side are one to the network, else 1. */
static int find_unshuffle(struct builder *b)
{
    int in = b->channels, out = b->out_channels;
    b->unshuffle = in == 4 * out ? 2 : in == 16 * out ? 4 : 1;
    b->channels /= b->unshuffle * b->unshuffle;
    if (b->channels > MAX_PICTURE)
        return pq_fail(b->err, PIQUE_EUNSUPPORTED,
                       "%s: tensor '%s.weight' has a shape for %d channels; at most %d can come in",
                       b->sd->map.path, b->style->first, in, MAX_PICTURE);
    return 0;
}

static int find_sizes(struct builder *b)
{
    char name[NAME];
    int rc = find_size(b, b->style->first, 0, &b->features);
    if (!rc)
        rc = find_size(b, b->style->first, 1, &b->channels);
    if (!rc)
        rc = find_size(b, dense_name(b, 0, 1, 1, name), 0, &b->growth);
    if (!rc)
        rc = find_size(b, last_name(b, name), 0, &b->out_channels);
    return rc ? rc : find_unshuffle(b);
}

/* ---- from facts to the graph: each function hands an error of its input on ---- */

static int take(struct builder *b, const char *stem, const char *part, int dims,
                const int64_t *shape, const struct pq_tensor **out)
{
    return pq_take(&b->taking, stem, part, dims, shape, out, b->err);
}

static int add_conv(struct builder *b, int in, const char *stem, int outputs)
{
    if (in < 0)
        return in;
    const struct pq_tensor *weight, *bias;
    const int64_t shape[] = {outputs, b->g->ops[in].channels, 3, 3};
    int rc = take(b, stem, ".weight", 4, shape, &weight);
    if (!rc)
        rc = take(b, stem, ".bias", 1, shape, &bias);
    return rc ? rc : pq_graph_conv2d(b->g, in, weight, bias, b->err);
}

static int add_act(struct builder *b, int in)
{
    return in < 0 ? in : pq_graph_act(b->g, in, slope, NULL, b->err);
}

/* a + scale y */
static int add_sum(struct builder *b, int a, int y, float scale)
{
    return y < 0 ? y : pq_graph_add(b->g, a, y, scale, b->err);
}

/* ESRGAN+: x2 and a 1x1 convolution of x. */
static int add_shortcut(struct builder *b, int block, int dense, int x, int x2)
{
    if (x2 < 0)
        return x2;
    char name[NAME];
    const struct pq_tensor *weight;
    const int64_t shape[] = {b->growth, b->features, 1, 1};
    snprintf(name, sizeof name, "%s%d%s%d.conv1x1", b->style->block, block, b->style->dense, dense);
    int rc = take(b, name, ".weight", 4, shape, &weight);
    return rc ? rc : add_sum(b, x2, pq_graph_conv2d(b->g, x, weight, NULL, b->err), 1);
}

static int add_dense(struct builder *b, int block, int dense, int x)
{
    int parts[DENSE] = {x}, y = x;
    for (int i = 1; i < DENSE && y >= 0; i++) {
        char name[NAME];
        y = pq_graph_concat(b->g, i, parts, b->err);
        y = add_act(b, add_conv(b, y, dense_name(b, block, dense, i, name), b->growth));
        if (b->plus && i == 2)
            y = add_shortcut(b, block, dense, x, y);
        if (b->plus && i == 4)
            y = add_sum(b, parts[2], y, 1);
        parts[i] = y;
    }
    if (y < 0)
        return y;
    char name[NAME];
    y = pq_graph_concat(b->g, DENSE, parts, b->err);
    y = add_conv(b, y, dense_name(b, block, dense, DENSE, name), b->features);
    return add_sum(b, x, y, residual_scale);
}

static int add_body(struct builder *b, int first)
{
    char name[NAME];
    int y = first;
    for (int block = 0; block < b->blocks && y >= 0; block++) {
        int x = y;
        for (int dense = 1; dense <= 3 && y >= 0; dense++)
            y = add_dense(b, block, dense, y);
        y = add_sum(b, x, y, residual_scale);
    }
    return add_sum(b, first, add_conv(b, y, trunk_name(b, name), b->features), 1);
}

static int add_tail(struct builder *b, int y)
{
    char name[NAME];
    for (int i = 1; i <= b->ups && y >= 0; i++) {
        y = pq_graph_nearest(b->g, y, 2, b->err);
        y = add_act(b, add_conv(b, y, up_name(b, i, name), b->features));
    }
    y = add_act(b, add_conv(b, y, hr_name(b, name), b->features));
    return add_conv(b, y, last_name(b, name), b->out_channels);
}

static int add_unshuffle(struct builder *b, int x)
{
    if (x < 0 || b->unshuffle == 1)
        return x;
    x = pq_graph_pad(b->g, x, PQ_PAD_REFLECT, 0, b->unshuffle, b->err);
    return x < 0 ? x : pq_graph_pixel_unshuffle(b->g, x, b->unshuffle, b->err);
}

/* Back to a whole multiple of the picture's size. */
static int add_crop(struct builder *b, int x)
{
    if (x < 0 || b->unshuffle == 1)
        return x;
    return pq_graph_crop_like(b->g, x, 0, 1 << b->ups, b->unshuffle, b->err);
}

int pq_esrgan_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct builder b = {.sd = sd, .g = g, .err = err, .style = find_style(sd)};
    int rc = count_parts(&b);
    if (!rc)
        rc = find_sizes(&b);
    if (rc)
        return rc;
    rc = pq_taking_begin(&b.taking, sd, err);
    if (rc)
        return rc;
    int at = add_unshuffle(&b, pq_graph_input(g, b.channels, err));
    at = add_conv(&b, at, b.style->first, b.features);
    at = add_tail(&b, at < 0 ? at : add_body(&b, at));
    at = add_crop(&b, at);
    rc = at < 0 ? at : pq_taking_check(&b.taking, "an ESRGAN", err);
    pq_taking_end(&b.taking);
    return rc ? rc : pq_graph_finish(g, at, err);
}

/* ---- the way back: a finished graph, whose operations stand in the order of the network ---- */

enum form { PLAIN, ACT, RESIDUAL, ACT_RESIDUAL };

/* Whether operation i is a convolution over these inputs; with a residual that is the last. */
static bool is_conv(const struct pq_graph *g, int i, int kernel, int inputs, const int *in,
                    enum form form, float scale)
{
    if (i >= g->count)
        return false;
    const struct pq_op *op = &g->ops[i];
    bool act = form == ACT || form == ACT_RESIDUAL, residual = form >= RESIDUAL;
    return op->kind == PQ_OP_CONV2D && op->ver.kernel == kernel && op->inputs == inputs &&
           memcmp(op->in, in, (size_t)inputs * sizeof *in) == 0 && op->act.on == act &&
           (!act || (op->act.slope == slope && !op->act.slopes.data)) && op->residual == residual &&
           (!residual || op->scale == scale);
}

/* The last operation of the dense block that reads x and begins behind it at i; 0 for none. */
static int match_dense(const struct pq_graph *g, int x, int i)
{
    int in[DENSE + 1] = {x};
    bool plus = false;
    for (int conv = 1; conv < DENSE; conv++) {
        if (conv == 4 && plus) {
            in[4] = in[2];
            if (!is_conv(g, i, 3, 5, in, ACT_RESIDUAL, 1))
                return 0;
        } else if (!is_conv(g, i, 3, conv, in, ACT, 1)) {
            return 0;
        }
        if (conv == 2 && is_conv(g, i + 1, 1, 2, (const int[]){x, i}, RESIDUAL, 1)) {
            plus = true;
            i++;
        }
        in[conv] = i++;
    }
    in[DENSE] = x;
    return is_conv(g, i, 3, DENSE + 1, in, RESIDUAL, residual_scale) ? i : 0;
}

/* The addition at the end of a block that reads x; 0 for none. */
static int match_block(const struct pq_graph *g, int x)
{
    int y = x;
    for (int dense = 0; dense < 3; dense++) {
        y = match_dense(g, y, y + 1);
        if (!y)
            return 0;
    }
    const struct pq_op *op = y + 1 < g->count ? &g->ops[y + 1] : NULL;
    return op && op->kind == PQ_OP_ADD && op->in[0] == x && op->in[1] == y &&
                   op->scale == residual_scale
               ? y + 1
               : 0;
}

int pq_esrgan_features(const struct pq_graph *g)
{
    if (!is_conv(g, 1, 3, 1, (const int[]){0}, PLAIN, 1))
        return 0;
    int at = 1, next;
    while ((next = match_block(g, at)) != 0)
        at = next;
    if (at == 1 || !is_conv(g, at + 1, 3, 2, (const int[]){at, 1}, RESIDUAL, 1))
        return 0;
    at++;
    while (at + 1 < g->count && g->ops[at + 1].kind == PQ_OP_NEAREST &&
           g->ops[at + 1].in[0] == at && is_conv(g, at + 2, 3, 1, (const int[]){at + 1}, ACT, 1))
        at += 2;
    bool ends = is_conv(g, at + 1, 3, 1, (const int[]){at}, ACT, 1) &&
                is_conv(g, at + 2, 3, 1, (const int[]){at + 1}, PLAIN, 1) && at + 3 == g->count;
    return ends ? g->ops[1].channels : 0;
}
