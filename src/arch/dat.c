/* SPDX-License-Identifier: MIT */
/* DAT (Chen et al., "Dual Aggregation Transformer for Image Super-Resolution", 2023).
 *
 *     ends -> layer norm -> group -> ... -> group -> layer norm -> ends
 *
 * A group adds to x what its blocks and the convolution behind them make of it. In a block,
 *
 *     x = x + proj(mixed(seen, local)),  x = x + feed
 *
 * seen is attention of q, k and v: to places in windows in even blocks, among channels over the
 * whole picture in odd ones. local is a depthwise convolution of v. Each is multiplied by a gate
 * that the other yields: a number a channel from the mean of one, a number a pixel from the other.
 * Windows are h x w for one half of the channels and w x h for the other. What is added to their
 * products comes from a small network over the distance of two pixels (dat_positions.c). */
#include "arch/arch.h"

#include <stdio.h>

#include "arch/dat_positions.h"
#include "arch/distance.h"
#include "arch/ends.h"
#include "arch/parts.h"
#include "base/alloc.h"

enum { CHANNEL_SQUEEZE = 8, PLACE_SQUEEZE = 16 };

static const float eps = 1e-5f;

struct dat {
    struct pq_parts parts;
    struct pq_ends ends;
    int split[2];            /* windows: rows and columns, or columns and rows */
    const int32_t *index[2]; /* of h x w, and of w x h */
    bool qkv_bias;
    int heads;   /* of the group that is being added */
    char at[48]; /* the name of its block */
};

/* ---- sizes ---- */

static int find_sizes(struct dat *n)
{
    struct pq_parts *p = &n->parts;
    const bool direct = !pq_parts_has(p, "conv_last.weight");
    int rc = pq_parts_extent(p, 0, direct ? "upsample.0.weight" : "conv_before_upsample.0.weight");
    rc = rc < 0 ? rc : pq_ends_find(p, &n->ends);
    if (!rc && n->ends.enlarge != PQ_ENLARGE_SHUFFLE && n->ends.enlarge != PQ_ENLARGE_DIRECT)
        rc = pq_parts_fail(p, PIQUE_EUNSUPPORTED, "a DAT that does not enlarge by a pixel shuffle");
    if (!rc && n->ends.dim % 2)
        rc = pq_parts_fail(p, PIQUE_EFORMAT,
                           "tensor 'conv_first.weight' has %d outputs, no two "
                           "halves",
                           n->ends.dim);
    if (!rc)
        rc = pq_dat_find_split(p, n->split, "layers.0.blocks.0.attn.attns.0");
    for (int i = 0; i < 2 && !rc; i++) {
        n->index[i] = pq_distance_index(p, n->split[i], n->split[1 - i]);
        rc = n->index[i] ? 0 : PIQUE_ENOMEM;
    }
    n->qkv_bias = pq_parts_has(p, "layers.0.blocks.0.attn.qkv.bias") ||
                  pq_parts_has(p, "layers.0.blocks.1.attn.qkv.bias");
    return rc;
}

/* Of a group: told by its first block among channels, else by half of a block in windows. */
static int find_heads(struct dat *n, int group)
{
    struct pq_parts *p = &n->parts;
    if (!pq_parts_has(p, "layers.%d.blocks.1.attn.temperature", group)) {
        int half =
            pq_parts_extent(p, 0, "layers.%d.blocks.0.attn.attns.0.pos.pos3.2.weight", group);
        n->heads = 2 * half;
        return PQ_MIN(half, 0);
    }
    n->heads = pq_parts_extent(p, 0, "layers.%d.blocks.1.attn.temperature", group);
    if (n->heads > 0 && n->heads % 2)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor 'layers.%d.blocks.1.attn.temperature' is for %d heads, no two "
                             "halves",
                             group, n->heads);
    return PQ_MIN(n->heads, 0);
}

/* ---- attention ---- */

/* One half of the channels, in windows of its own shape. */
static int add_half(struct dat *n, int qkv, int half, bool shifted)
{
    struct pq_parts *p = &n->parts;
    const int dim = n->ends.dim, part = dim / 2, heads = n->heads / 2;
    const int height = n->split[half], width = n->split[1 - half];
    int in[3];
    for (int i = 0; i < 3; i++) {
        in[i] = pq_parts_slice(p, qkv, i * dim + half * part, part);
        if (in[i] < 0)
            return in[i];
    }
    struct pq_tensor table;
    int rc = pq_dat_positions(p, height, width, heads, &table, "%s.attn.attns.%d", n->at, half);
    if (rc)
        return rc;
    const struct pq_attention a = {.heads = heads,
                                   .height = height,
                                   .width = width,
                                   .key_height = height,
                                   .key_width = width,
                                   .shift_y = shifted ? height / 2 : 0,
                                   .shift_x = shifted ? width / 2 : 0,
                                   .multiple = PQ_MAX(height, width),
                                   .scale = pq_parts_rsqrt(PQ_MAX(part / heads, 1)),
                                   .index = n->index[half]};
    return pq_graph_attention(p->g, in[0], in[1], in[2], &a, &table, p->err);
}

static int attend_to_places(struct dat *n, int qkv, bool shifted)
{
    const int halves[] = {add_half(n, qkv, 0, shifted), add_half(n, qkv, 1, shifted)};
    return pq_parts_concat(&n->parts, 2, halves);
}

static int attend_to_channels(struct dat *n, int qkv)
{
    struct pq_parts *p = &n->parts;
    const int dim = n->ends.dim;
    const float *values = NULL;
    int q = pq_parts_slice(p, qkv, 0, dim), k = pq_parts_slice(p, qkv, dim, dim);
    int v = pq_parts_slice(p, qkv, 2 * dim, dim);
    if (q < 0 || k < 0 || v < 0)
        return PQ_MIN(PQ_MIN(q, k), v);
    int rc = pq_parts_values(p, 3, (const int64_t[]){n->heads, 1, 1}, &values,
                             "%s.attn.temperature", n->at);
    if (rc)
        return rc;
    const struct pq_tensor temperatures = {
        .dtype = PQ_F32, .dims = 1, .shape = {n->heads}, .data = values};
    return pq_graph_channel_mix(p->g, q, k, v, n->heads, &temperatures, p->err);
}

/* x times a number for each channel, which the mean of `by` yields. */
static int gate_channels(struct dat *n, int x, int by)
{
    struct pq_parts *p = &n->parts;
    const int dim = n->ends.dim;
    int at = pq_parts_conv(p, pq_parts_mean(p, by), dim / CHANNEL_SQUEEZE, 1,
                           "%s.attn.channel_interaction.1", n->at);
    at = pq_parts_batch_norm(p, at, eps, "%s.attn.channel_interaction.2", n->at);
    at = pq_parts_conv(p, pq_parts_curve(p, at, PQ_ACT_GELU), dim, 1,
                       "%s.attn.channel_interaction.4", n->at);
    return pq_parts_mul(p, x, pq_parts_curve(p, at, PQ_ACT_SIGMOID));
}

/* x times a number for each pixel. */
static int gate_places(struct dat *n, int x, int by)
{
    struct pq_parts *p = &n->parts;
    int at = pq_parts_conv(p, by, n->ends.dim / PLACE_SQUEEZE, 1, "%s.attn.spatial_interaction.0",
                           n->at);
    at = pq_parts_batch_norm(p, at, eps, "%s.attn.spatial_interaction.1", n->at);
    at = pq_parts_conv(p, pq_parts_curve(p, at, PQ_ACT_GELU), 1, 1, "%s.attn.spatial_interaction.3",
                       n->at);
    return pq_parts_mul(p, x, pq_parts_curve(p, at, PQ_ACT_SIGMOID));
}

static int add_attention(struct dat *n, int x, bool among_channels, bool shifted)
{
    struct pq_parts *p = &n->parts;
    const int dim = n->ends.dim;
    p->needs_biases = n->qkv_bias;
    int qkv = pq_parts_linear(p, x, 3 * dim, "%s.attn.qkv", n->at);
    p->needs_biases = true;
    if (qkv < 0)
        return qkv;
    int seen = among_channels ? attend_to_channels(n, qkv) : attend_to_places(n, qkv, shifted);
    int local =
        pq_parts_depthwise(p, pq_parts_slice(p, qkv, 2 * dim, dim), 3, "%s.attn.dwconv.0", n->at);
    local = pq_parts_batch_norm(p, local, eps, "%s.attn.dwconv.1", n->at);
    local = pq_parts_curve(p, local, PQ_ACT_GELU);
    if (seen < 0 || local < 0)
        return PQ_MIN(seen, local);
    int mixed = among_channels
                    ? pq_parts_add(p, gate_places(n, seen, local), gate_channels(n, local, seen))
                    : pq_parts_add(p, gate_channels(n, seen, local), gate_places(n, local, seen));
    return pq_parts_linear(p, mixed, dim, "%s.attn.proj", n->at);
}

/* ---- blocks and groups ---- */

static int add_feed(struct dat *n, int x)
{
    struct pq_parts *p = &n->parts;
    const int hidden = pq_parts_extent(p, 0, "%s.ffn.fc1.weight", n->at), half = hidden / 2;
    if (x < 0 || hidden < 0)
        return PQ_MIN(x, hidden);
    if (hidden % 2)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor '%s.ffn.fc1.weight' has %d outputs, no two halves", n->at,
                             hidden);
    x = pq_parts_linear(p, x, hidden, "%s.ffn.fc1", n->at);
    x = pq_parts_curve(p, x, PQ_ACT_GELU);
    int gate = pq_parts_slice(p, x, half, half);
    gate = pq_parts_layer_norm(p, gate, eps, "%s.ffn.sg.norm", n->at);
    gate = pq_parts_depthwise(p, gate, 3, "%s.ffn.sg.conv", n->at);
    x = pq_parts_mul(p, pq_parts_slice(p, x, 0, half), gate);
    return pq_parts_linear(p, x, n->ends.dim, "%s.ffn.fc2", n->at);
}

static int add_block(struct dat *n, int x, int group, int block)
{
    struct pq_parts *p = &n->parts;
    const bool shifted = block % 4 == (group % 2 ? 0 : 2);
    snprintf(n->at, sizeof n->at, "layers.%d.blocks.%d", group, block);
    int y = pq_parts_layer_norm(p, x, eps, "%s.norm1", n->at);
    x = pq_parts_add(p, x, add_attention(n, y, block % 2, shifted));
    y = pq_parts_layer_norm(p, x, eps, "%s.norm2", n->at);
    return pq_parts_add(p, x, add_feed(n, y));
}

static int add_group(struct dat *n, int x, int group)
{
    struct pq_parts *p = &n->parts;
    const int blocks = pq_parts_count(p, "layers.%d.blocks", group);
    int rc = blocks < 0 ? blocks : find_heads(n, group), at = x;
    if (rc)
        return rc;
    for (int block = 0; block < blocks && at >= 0; block++)
        at = add_block(n, at, group, block);
    return pq_parts_add(p, x, pq_ends_closing(p, at, "layers.%d.conv", group));
}

static int add_network(struct dat *n)
{
    struct pq_parts *p = &n->parts;
    const int groups = pq_parts_count(p, "layers");
    p->needs_biases = true;
    int at = groups < 0 ? groups : pq_ends_begin(p, &n->ends, PQ_PAD_ZERO, 1);
    at = pq_parts_layer_norm(p, at, eps, "before_RG.1");
    for (int group = 0; group < groups && at >= 0; group++)
        at = add_group(n, at, group);
    at = pq_parts_layer_norm(p, at, eps, "norm");
    at = pq_ends_closing(p, at, "conv_after_body");
    return at < 0 ? at : pq_ends_finish(p, &n->ends, at);
}

int pq_dat_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct dat n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    /* Those of the size it was trained with, and what follows from the windows' sides. */
    pq_parts_skip_endings(&n.parts, ".attn_mask_0");
    pq_parts_skip_endings(&n.parts, ".attn_mask_1");
    pq_parts_skip_endings(&n.parts, ".relative_position_index");
    rc = find_sizes(&n);
    return pq_parts_finish(&n.parts, rc ? rc : add_network(&n), "a DAT");
}
