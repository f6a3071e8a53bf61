/* SPDX-License-Identifier: MIT */
/* HAT (Chen et al., "Activating More Pixels in Image Super-Resolution Transformer", 2023).
 *
 * SwinIR's frame. A block adds to x, beside what its attention makes, 1/100 of a convolution block
 * whose channels are gated by their means over the whole picture. Each group ends by an attention
 * whose keys come from larger windows around those of the queries, with zeros around the picture.
 * Where there is no conv_after_body nothing closes the groups either. */
#include "arch/arch.h"

#include <stdio.h>

#include "arch/ends.h"
#include "arch/windows.h"
#include "base/alloc.h"

static const float conv_scale = 0.01f;

struct hat {
    struct pq_parts parts;
    struct pq_ends ends;
    struct pq_windows windows;
    int large;            /* the keys' window of the last attention of a group */
    const int32_t *index; /* its index of biases */
    bool closed;          /* by convolutions */
};

/* ---- sizes ---- */

/* Distances are counted from a place that makes many negative; these count from the table's end. */
static int fill_overlap_index(struct hat *n)
{
    const int size = n->windows.size, large = n->large, side = size + large - 1;
    int32_t *to = pq_windows_new_index(&n->parts, size, large);
    if (!to)
        return PIQUE_ENOMEM;
    n->index = to;
    for (int q = 0; q < size * size; q++) {
        for (int k = 0; k < large * large; k++) {
            const int dy = k / large - q / size + size - large + 1;
            const int dx = k % large - q % size + size - large + 1;
            *to++ = dy * side + dx;
        }
    }
    int rc = pq_windows_check_index(&n->parts, n->index, size * size, large * large,
                                    "relative_position_index_OCA");
    for (to -= size * size * large * large; to < n->index + size * size * large * large; to++)
        *to += *to < 0 ? side * side : 0;
    return rc;
}

static int find_large(struct hat *n)
{
    struct pq_parts *p = &n->parts;
    static const char name[] = "layers.0.residual_group.overlap_attn.relative_position_bias_table";
    const int rows = pq_parts_extent(p, 0, "%s", name);
    if (rows < 0)
        return rows;
    const int size = n->windows.size;
    n->large = pq_square_root(rows) + 1 - size;
    if (n->large < size || n->large > PQ_MAX_WINDOW || (n->large - size) % 2)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED,
                             "tensor '%s' has %d rows; (%d + n - 1)^2 with n of %d to %d, in steps "
                             "of 2, are possible",
                             name, rows, size, size, PQ_MAX_WINDOW);
    return fill_overlap_index(n);
}

static int find_sizes(struct hat *n)
{
    struct pq_parts *p = &n->parts;
    int rc = pq_ends_find(p, &n->ends);
    if (!rc)
        rc = pq_windows_begin(p, &n->windows, "layers.0.residual_group.blocks.0.attn");
    if (rc)
        return rc;
    const int tokens = n->windows.size * n->windows.size;
    n->closed = pq_parts_has(p, "conv_after_body.weight");
    pq_parts_skip_endings(p, ".attn_mask");
    rc = pq_windows_check_index(p, n->windows.index, tokens, tokens, "relative_position_index_SA");
    return rc ? rc : find_large(n);
}

/* ---- operations ---- */

/* Each channel by what two layers make of the means of all. */
static int add_gate(struct hat *n, int x, int group, int block)
{
    struct pq_parts *p = &n->parts;
#define GATE "layers.%d.residual_group.blocks.%d.conv_block.cab.3.attention"
    const int squeezed = pq_parts_extent(p, 0, GATE ".1.weight", group, block);
    if (x < 0 || squeezed < 0)
        return PQ_MIN(x, squeezed);
    int gate = pq_parts_conv(p, pq_parts_mean(p, x), squeezed, 1, GATE ".1", group, block);
    gate = pq_parts_conv(p, pq_parts_act(p, gate, 0), n->ends.dim, 1, GATE ".3", group, block);
    return pq_parts_mul(p, x, pq_parts_curve(p, gate, PQ_ACT_SIGMOID));
#undef GATE
}

static int add_conv_block(struct hat *n, int x, int group, int block)
{
    struct pq_parts *p = &n->parts;
#define CAB "layers.%d.residual_group.blocks.%d.conv_block.cab"
    const int inner = pq_parts_extent(p, 0, CAB ".0.weight", group, block);
    if (inner < 0)
        return inner;
    x = pq_parts_curve(p, pq_parts_conv(p, x, inner, 3, CAB ".0", group, block), PQ_ACT_GELU);
    x = pq_parts_conv(p, x, n->ends.dim, 3, CAB ".2", group, block);
    return add_gate(n, x, group, block);
#undef CAB
}

static int add_feed(struct hat *n, int x, int group, const char *stem)
{
    struct pq_parts *p = &n->parts;
    int y =
        pq_parts_layer_norm(p, x, pq_windows_eps, "layers.%d.residual_group.%s.norm2", group, stem);
    return pq_parts_add(p, x,
                        pq_windows_feed(p, y, "layers.%d.residual_group.%s.mlp", group, stem));
}

static int add_block(struct hat *n, int x, int group, int block)
{
    struct pq_parts *p = &n->parts;
    char stem[32];
    snprintf(stem, sizeof stem, "blocks.%d", block);
    int y =
        pq_parts_layer_norm(p, x, pq_windows_eps, "layers.%d.residual_group.%s.norm1", group, stem);
    n->windows.shift = block % 2 ? n->windows.size / 2 : 0;
    int seen =
        pq_windows_attention(p, y, &n->windows, "layers.%d.residual_group.%s.attn", group, stem);
    seen =
        pq_parts_linear(p, seen, n->ends.dim, "layers.%d.residual_group.%s.attn.proj", group, stem);
    int local = add_conv_block(n, y, group, block);
    x = pq_parts_add(p, x, seen);
    if (x < 0 || local < 0)
        return PQ_MIN(x, local);
    return add_feed(n, pq_graph_add(p->g, x, local, conv_scale, p->err), group, stem);
}

static int add_overlap(struct hat *n, int x, int group)
{
    struct pq_parts *p = &n->parts;
    const int dim = n->ends.dim, size = n->windows.size;
#define OVERLAP "layers.%d.residual_group.overlap_attn"
    int y = pq_parts_layer_norm(p, x, pq_windows_eps, OVERLAP ".norm1", group), qkv[3];
    for (int i = 0; i < 3; i++)
        qkv[i] = pq_windows_linear(
            p, y, &(struct pq_some_rows){i * dim, dim, 3 * dim, n->windows.qkv_bias},
            OVERLAP ".qkv", group);
    y = pq_windows_attend(p, qkv,
                          &(struct pq_attention){.height = size,
                                                 .width = size,
                                                 .key_height = n->large,
                                                 .key_width = n->large,
                                                 .index = n->index},
                          (size + n->large - 1) * (size + n->large - 1), OVERLAP, group);
    x = pq_parts_add(p, x, pq_parts_linear(p, y, dim, OVERLAP ".proj", group));
#undef OVERLAP
    return add_feed(n, x, group, "overlap_attn");
}

static int add_group(struct hat *n, int x, int group)
{
    struct pq_parts *p = &n->parts;
    const int blocks = pq_parts_count(p, "layers.%d.residual_group.blocks", group);
    int at = blocks < 0 ? blocks : x;
    for (int i = 0; i < blocks && at >= 0; i++)
        at = add_block(n, at, group, i);
    at = at < 0 ? at : add_overlap(n, at, group);
    if (n->closed)
        at = pq_ends_closing(p, at, "layers.%d.conv", group);
    return pq_parts_add(p, x, at);
}

static int add_network(struct hat *n)
{
    struct pq_parts *p = &n->parts;
    const int groups = pq_parts_count(p, "layers");
    int at =
        groups < 0 ? groups : pq_windows_body_begin(p, &n->ends, PQ_PAD_REFLECT, n->windows.size);
    for (int group = 0; group < groups && at >= 0; group++)
        at = add_group(n, at, group);
    return pq_windows_body_finish(p, &n->ends, at, n->closed);
}

int pq_hat_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct hat n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    rc = find_sizes(&n);
    return pq_parts_finish(&n.parts, rc ? rc : add_network(&n), "a HAT");
}
