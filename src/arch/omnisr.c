/* SPDX-License-Identifier: MIT */
/* Omni-SR (Wang et al., "Omni Aggregation Networks for Lightweight Image Super-Resolution", 2023).
 *
 *     x -> pad -> input -> group -> ... -> group -> output -> + -> up -> crop
 *                      \-------------------------------------/
 *
 * A group is blocks, a 1x1, the group's input added, and a gate over places (esa). A block is
 *
 *     local ->
 *     attention in windows -> feed -> attention among channels in windows -> feed ->
 *     attention over a grid -> feed -> attention among channels over a grid -> feed
 *
 * each with its own input added. The first of a grid attends to every (height / n)-th row and
 * (width / n)-th column, n x n pixels in all. The second has n x n groups, each every n-th row and
 * column, and in a group channels attend to each other: that is channel attention over the whole
 * picture, once its pixels are folded n x n into channels, those of a place together. */
#include "arch/arch.h"

#include <stdio.h>

#include "arch/distance.h"
#include "arch/parts.h"
#include "base/alloc.h"

enum {
    HEADS = 4,
    PLAIN_WINDOW = 8, /* of networks without position biases */
    GATE_LEAST = 16,  /* channels in a gate over places */
    POOL = 7,
    POOL_STRIDE = 3,
    POOL_NEEDS = 2 * POOL + 1 /* pixels, before a 3x3 of stride 2 */
};

static const float token_eps = 1e-5f, channel_eps = 1e-6f;

struct omnisr {
    struct pq_parts parts;
    int dim, channels, scale;
    int groups, blocks; /* blocks of each group */
    int window;
    bool biases, positions;
    const int32_t *index;
    char at[64]; /* the name of the block or the part of it that is being added */
};

/* ---- sizes ---- */

static int find_scale(struct omnisr *n)
{
    struct pq_parts *p = &n->parts;
    int out = pq_parts_extent(p, 0, "up.0.weight");
    if (out < 0)
        return out;
    n->scale = out % n->channels ? 0 : pq_square_root(out / n->channels);
    if (n->scale < 1 || n->scale > PQ_MAX_FACTOR)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor 'up.0.weight' has %d outputs, which is no square scale of %d "
                             "channels",
                             out, n->channels);
    return 0;
}

static int find_window(struct omnisr *n)
{
    struct pq_parts *p = &n->parts;
    static const char table[] = "residual_layer.0.residual_layer.0.layer.2.fn.rel_pos_bias.weight";
    static const char other[] = "residual_layer.0.residual_layer.0.layer.8.fn.rel_pos_bias.weight";
    n->window = PLAIN_WINDOW;
    n->positions = pq_parts_has(p, "%s", table) || pq_parts_has(p, "%s", other);
    if (!n->positions)
        return 0;
    int rows = pq_parts_extent(p, 0, "%s", table);
    if (rows < 0)
        return rows;
    int side = pq_square_root(rows);
    n->window = (side + 1) / 2;
    if (side % 2 == 0)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor '%s' has %d rows, which are those of no square window", table,
                             rows);
    if (n->window > PQ_MAX_FACTOR)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "windows of %d pixels; 1 to %d are possible",
                             n->window, PQ_MAX_FACTOR);
    n->index = pq_distance_index(p, n->window, n->window);
    return n->index ? 0 : PIQUE_ENOMEM;
}

static int find_sizes(struct omnisr *n)
{
    struct pq_parts *p = &n->parts;
    n->dim = pq_parts_extent(p, 0, "input.weight");
    n->channels = pq_parts_extent(p, 1, "input.weight");
    n->groups = pq_parts_count(p, "residual_layer");
    n->blocks = pq_parts_count(p, "residual_layer.0.residual_layer");
    const int least = PQ_MIN(PQ_MIN(n->dim, n->channels), PQ_MIN(n->groups, n->blocks));
    if (least < 0)
        return least;
    n->blocks--;
    if (n->dim % HEADS)
        return pq_parts_fail(p, PIQUE_EFORMAT, "tensor 'input.weight' has %d outputs for %d heads",
                             n->dim, HEADS);
    n->biases = pq_parts_has(p, "input.bias") || pq_parts_has(p, "output.bias");
    int rc = find_scale(n);
    return rc ? rc : find_window(n);
}

/* ---- parts of a block ---- */

static int add_local(struct omnisr *n, int x)
{
    struct pq_parts *p = &n->parts;
    p->needs_biases = true;
    int y = pq_parts_curve(p, pq_parts_conv(p, x, n->dim, 1, "%s.fn.0", n->at), PQ_ACT_GELU);
    y = pq_parts_curve(p, pq_parts_depthwise(p, y, 3, "%s.fn.2", n->at), PQ_ACT_GELU);
    p->needs_biases = false;
    int gate = pq_parts_mean(p, y);
    gate = pq_parts_linear(p, gate, n->dim / 4, "%s.fn.4.gate.1", n->at);
    gate = pq_parts_curve(p, gate, PQ_ACT_SILU);
    gate = pq_parts_linear(p, gate, n->dim, "%s.fn.4.gate.3", n->at);
    y = pq_parts_mul(p, y, pq_parts_curve(p, gate, PQ_ACT_SIGMOID));
    p->needs_biases = true;
    return pq_parts_add(p, x, pq_parts_conv(p, y, n->dim, 1, "%s.fn.5", n->at));
}

static int add_feed(struct omnisr *n, int x)
{
    struct pq_parts *p = &n->parts;
    p->needs_biases = false;
    int y = pq_parts_layer_norm(p, x, channel_eps, "%s.norm", n->at);
    y = pq_parts_conv(p, y, 2 * n->dim, 1, "%s.fn.project_in", n->at);
    y = pq_parts_depthwise(p, y, 3, "%s.fn.dwconv", n->at);
    int a = pq_parts_curve(p, pq_parts_slice(p, y, 0, n->dim), PQ_ACT_GELU);
    y = pq_parts_mul(p, a, pq_parts_slice(p, y, n->dim, n->dim));
    return pq_parts_add(p, x, pq_parts_conv(p, y, n->dim, 1, "%s.fn.project_out", n->at));
}

/* Windows of n x n, or n x n pixels spread over the picture. */
static struct pq_attention windows(const struct omnisr *n, bool grid)
{
    return (struct pq_attention){.heads = HEADS,
                                 .height = n->window,
                                 .width = n->window,
                                 .key_height = n->window,
                                 .key_width = n->window,
                                 .grid = grid};
}

static int add_attention(struct omnisr *n, int x, bool grid)
{
    struct pq_parts *p = &n->parts;
    const int dim = n->dim;
    const struct pq_tensor *table = NULL;
    struct pq_attention a = windows(n, grid);
    a.scale = pq_parts_rsqrt(dim / HEADS);
    a.index = n->index;
    p->needs_biases = false;
    int y = pq_parts_layer_norm(p, x, token_eps, "%s.norm", n->at);
    y = pq_parts_linear(p, y, 3 * dim, "%s.fn.to_qkv", n->at);
    int q = pq_parts_slice(p, y, 0, dim), k = pq_parts_slice(p, y, dim, dim);
    int v = pq_parts_slice(p, y, 2 * dim, dim);
    if (q < 0 || k < 0 || v < 0)
        return PQ_MIN(PQ_MIN(q, k), v);
    if (n->positions) {
        const int64_t rows = 2 * n->window - 1;
        int rc = pq_parts_tensor(p, 2, (const int64_t[]){rows * rows, HEADS}, &table,
                                 "%s.fn.rel_pos_bias.weight", n->at);
        if (rc)
            return rc;
    }
    y = pq_graph_attention(p->g, q, k, v, &a, table, p->err);
    return pq_parts_add(p, x, pq_parts_linear(p, y, dim, "%s.fn.to_out.0", n->at));
}

/* One temperature for each of so many copies of each head. */
static int take_temperatures(struct omnisr *n, int copies, struct pq_tensor *out)
{
    struct pq_parts *p = &n->parts;
    const float *values = NULL;
    int rc =
        pq_parts_values(p, 3, (const int64_t[]){HEADS, 1, 1}, &values, "%s.fn.temperature", n->at);
    if (rc)
        return rc;
    const size_t count = (size_t)(copies * HEADS);
    float *all = pq_graph_own(p->g, count * sizeof *all);
    if (!all)
        return pq_fail_nomem(p->err, count * sizeof *all);
    for (size_t i = 0; i < count; i++)
        all[i] = values[i % HEADS];
    *out = (struct pq_tensor){.dtype = PQ_F32, .dims = 1, .shape = {copies * HEADS}, .data = all};
    return 0;
}

/* Fold n x n pixels into channels; so each place of them has its heads of its own. */
static int mix_over_grid(struct omnisr *n, const int in[3])
{
    struct pq_parts *p = &n->parts;
    const int area = n->window * n->window;
    struct pq_tensor temperatures;
    int folded[3], rc = take_temperatures(n, area, &temperatures);
    if (rc)
        return rc;
    for (int i = 0; i < 3; i++) {
        folded[i] = pq_graph_pixel_unshuffle_by_place(p->g, in[i], n->window, p->err);
        if (folded[i] < 0)
            return folded[i];
    }
    int y = pq_graph_channel_mix(p->g, folded[0], folded[1], folded[2], area * HEADS, &temperatures,
                                 p->err);
    return y < 0 ? y : pq_graph_pixel_shuffle_by_place(p->g, y, n->window, p->err);
}

static int mix_in_windows(struct omnisr *n, const int in[3])
{
    struct pq_parts *p = &n->parts;
    const struct pq_attention a = windows(n, false);
    struct pq_tensor temperatures;
    int rc = take_temperatures(n, 1, &temperatures);
    return rc ? rc
              : pq_graph_channel_attention(p->g, in[0], in[1], in[2], &a, &temperatures, p->err);
}

static int add_channel_attention(struct omnisr *n, int x, bool grid)
{
    struct pq_parts *p = &n->parts;
    p->needs_biases = false;
    int y = pq_parts_layer_norm(p, x, channel_eps, "%s.norm", n->at), in[3];
    y = pq_parts_conv(p, y, 3 * n->dim, 1, "%s.fn.qkv", n->at);
    y = pq_parts_depthwise(p, y, 3, "%s.fn.qkv_dwconv", n->at);
    for (int i = 0; i < 3; i++) {
        in[i] = pq_parts_slice(p, y, i * n->dim, n->dim);
        if (in[i] < 0)
            return in[i];
    }
    y = grid ? mix_over_grid(n, in) : mix_in_windows(n, in);
    return pq_parts_add(p, x, pq_parts_conv(p, y, n->dim, 1, "%s.fn.project_out", n->at));
}

/* ---- groups ---- */

static int add_block(struct omnisr *n, int x, int group, int block)
{
    static const struct {
        int number;
        int (*add)(struct omnisr *n, int x, bool grid);
        bool grid;
    } attentions[] = {{2, add_attention, false},
                      {5, add_channel_attention, false},
                      {8, add_attention, true},
                      {11, add_channel_attention, true}};
    static const int feeds[] = {4, 6, 10, 12};
    static const char part[] = "residual_layer.%d.residual_layer.%d.layer.%d";
    snprintf(n->at, sizeof n->at, part, group, block, 0);
    x = add_local(n, x);
    for (int i = 0; i < 4 && x >= 0; i++) {
        snprintf(n->at, sizeof n->at, part, group, block, attentions[i].number);
        x = attentions[i].add(n, x, attentions[i].grid);
        snprintf(n->at, sizeof n->at, part, group, block, feeds[i]);
        x = add_feed(n, x);
    }
    return x;
}

/* x sigmoid(conv4(b + conv_f(a))), a = conv1(x), b a small picture of a's and enlarged again. */
static int add_gate(struct omnisr *n, int x, int group)
{
    struct pq_parts *p = &n->parts;
    const int inner = PQ_MAX(n->dim / 4, GATE_LEAST);
    const struct pq_conv_shape by_two = {.stride_y = 2, .stride_x = 2};
    p->needs_biases = true;
    int a = pq_parts_conv(p, x, inner, 1, "residual_layer.%d.esa.conv1", group);
    int b = pq_parts_conv_as(p, a, inner, 3, 3, &by_two, "residual_layer.%d.esa.conv2", group);
    if (b < 0)
        return b;
    b = pq_graph_pool(p->g, b, PQ_OP_MAX_POOL, POOL, POOL_STRIDE, p->err);
    b = pq_parts_conv(p, b, inner, 3, "residual_layer.%d.esa.conv3", group);
    if (b < 0)
        return b;
    b = pq_graph_bilinear(p->g, b, a, p->err);
    a = pq_parts_conv(p, a, inner, 1, "residual_layer.%d.esa.conv_f", group);
    int gate =
        pq_parts_conv(p, pq_parts_add(p, b, a), n->dim, 1, "residual_layer.%d.esa.conv4", group);
    return pq_parts_mul(p, x, pq_parts_curve(p, gate, PQ_ACT_SIGMOID));
}

static int add_group(struct omnisr *n, int x, int group)
{
    struct pq_parts *p = &n->parts;
    int y = x;
    for (int block = 0; block < n->blocks && y >= 0; block++)
        y = add_block(n, y, group, block);
    p->needs_biases = n->biases;
    y = pq_parts_conv(p, y, n->dim, 1, "residual_layer.%d.residual_layer.%d", group, n->blocks);
    return add_gate(n, pq_parts_add(p, x, y), group);
}

/* The gates over places need a few pixels. The published program has none for a smaller picture;
 * here it gets more zeros. */
static int add_network(struct omnisr *n)
{
    struct pq_parts *p = &n->parts;
    const int least = (POOL_NEEDS + n->window - 1) / n->window * n->window;
    int picture = pq_graph_input(p->g, n->channels, p->err);
    int at = pq_parts_pad_least(p, picture, PQ_PAD_ZERO, n->window, least);
    p->needs_biases = n->biases;
    int first = at = pq_parts_conv(p, at, n->dim, 3, "input");
    for (int group = 0; group < n->groups && at >= 0; group++)
        at = add_group(n, at, group);
    p->needs_biases = n->biases;
    at = pq_parts_add(p, pq_parts_conv(p, at, n->dim, 3, "output"), first);
    at = pq_parts_conv(p, at, n->channels * n->scale * n->scale, 3, "up.0");
    at = pq_parts_shuffle(p, at, n->scale);
    return pq_parts_crop_to(p, at, picture, n->scale);
}

int pq_omnisr_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct omnisr n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    pq_parts_skip_endings(&n.parts, "total_ops"); /* what a profiler left in some files */
    pq_parts_skip_endings(&n.parts, "total_params");
    int at = find_sizes(&n);
    if (at >= 0)
        at = add_network(&n);
    return pq_parts_finish(&n.parts, at, "an Omni-SR");
}
