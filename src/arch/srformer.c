/* SPDX-License-Identifier: MIT */
/* SRFormer (Zhou et al., "SRFormer: Permuted Self-Attention for Single Image Super-Resolution",
 * 2023).
 *
 * SwinIR's frame with two other parts. Attention has a quarter of the keys: of each 2 x 2 pixels a
 * quarter of the channels is computed, and those stand side by side. Between the two layers that
 * follow, a depthwise convolution of what the first one yields is added to it.
 *
 * Where the shift of the windows is odd, the 2 x 2 pixels begin in the last row and column, which
 * come round from the other side: what the reference program makes of a rolled picture. */
#include "arch/arch.h"

#include "arch/ends.h"
#include "arch/windows.h"
#include "base/alloc.h"

enum { FOLD = 2, PLACES = FOLD * FOLD };

struct srformer {
    struct pq_parts parts;
    struct pq_ends ends;
    int half, window; /* of keys, a side; of queries */
    const int32_t *index;
    bool qkv_bias;
};

#define BLOCK "layers.0.residual_group.blocks.0"

static int fill_index(struct srformer *n)
{
    const int side = 2 * n->half - 1, size = n->window;
    int32_t *to = pq_windows_new_index(&n->parts, size, n->half);
    if (!to)
        return PIQUE_ENOMEM;
    n->index = to;
    for (int q = 0; q < size * size; q++) {
        for (int k = 0; k < n->half * n->half; k++) {
            const int dy = q / size / FOLD - k / n->half, dx = q % size / FOLD - k % n->half;
            *to++ = (dy + n->half - 1) * side + dx + n->half - 1;
        }
    }
    return 0;
}

static int find_sizes(struct srformer *n)
{
    struct pq_parts *p = &n->parts;
    int rc = pq_ends_find(p, &n->ends);
    if (rc)
        return rc;
    if (n->ends.dim % PLACES)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor 'conv_first.weight' has %d outputs, no multiple of %d",
                             n->ends.dim, PLACES);
    n->half = pq_windows_size(p, BLOCK ".attn.relative_position_bias_table");
    if (n->half < 0)
        return n->half;
    n->window = FOLD * n->half;
    if (n->window > PQ_MAX_WINDOW)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "windows of %d; 1 to %d are possible",
                             n->window, PQ_MAX_WINDOW);
    n->qkv_bias = pq_parts_has(p, BLOCK ".attn.q.bias");
    pq_parts_skip_endings(p, ".attn_mask");
    return fill_index(n);
}
#undef BLOCK

/* ---- operations ---- */

#define BLOCK "layers.%d.residual_group.blocks.%d"

/* Keys or values: `first` are the rows of kv that make them. */
static int add_folded(struct srformer *n, int x, int first, int shift, int group, int block)
{
    struct pq_parts *p = &n->parts;
    const int quarter = n->ends.dim / PLACES;
    int at =
        pq_windows_linear(p, x, &(struct pq_some_rows){first, quarter, 2 * quarter, n->qkv_bias},
                          BLOCK ".attn.kv", group, block);
    if (at >= 0 && shift % FOLD) {
        at = pq_graph_pad4(p->g, at, PQ_PAD_WRAP, 1, 1, 0, 0, 1, p->err);
        at = at < 0 ? at : pq_graph_crop_like(p->g, at, x, 1, 1, p->err);
    }
    return at < 0 ? at : pq_graph_pixel_unshuffle_by_place(p->g, at, FOLD, p->err);
}

static int add_attention(struct srformer *n, int x, int group, int block)
{
    struct pq_parts *p = &n->parts;
    const int dim = n->ends.dim, half = n->half, shift = block % 2 ? half : 0;
    int rc = pq_windows_check_index(p, n->index, n->window * n->window, half * half,
                                    BLOCK ".attn.aligned_relative_position_index", group, block);
    if (rc)
        return rc;
    const int qkv[] = {
        pq_windows_linear(p, x, &(struct pq_some_rows){0, dim, dim, n->qkv_bias}, BLOCK ".attn.q",
                          group, block),
        add_folded(n, x, 0, shift, group, block),
        add_folded(n, x, dim / PLACES, shift, group, block),
    };
    int at = pq_windows_attend(p, qkv,
                               &(struct pq_attention){.height = n->window,
                                                      .width = n->window,
                                                      .key_height = half,
                                                      .key_width = half,
                                                      .shift_y = shift,
                                                      .shift_x = shift,
                                                      .fold = FOLD,
                                                      .index = n->index},
                               (2 * half - 1) * (2 * half - 1), BLOCK ".attn", group, block);
    return pq_parts_linear(p, at, dim, BLOCK ".attn.proj", group, block);
}

static int add_block(struct srformer *n, int x, int group, int block)
{
    struct pq_parts *p = &n->parts;
    int y = pq_parts_layer_norm(p, x, pq_windows_eps, BLOCK ".norm1", group, block);
    x = pq_parts_add(p, x, y < 0 ? y : add_attention(n, y, group, block));
    y = pq_parts_layer_norm(p, x, pq_windows_eps, BLOCK ".norm2", group, block);
    return pq_parts_add(p, x, pq_windows_conv_feed(p, y, BLOCK ".mlp", group, block));
}

static int add_group(struct srformer *n, int x, int group)
{
    struct pq_parts *p = &n->parts;
    const int blocks = pq_parts_count(p, "layers.%d.residual_group.blocks", group);
    int at = blocks < 0 ? blocks : x;
    for (int i = 0; i < blocks && at >= 0; i++)
        at = add_block(n, at, group, i);
    return pq_parts_add(p, x, pq_ends_closing(p, at, "layers.%d.conv", group));
}

static int add_network(struct srformer *n)
{
    struct pq_parts *p = &n->parts;
    const int groups = pq_parts_count(p, "layers");
    int at = groups < 0 ? groups : pq_windows_body_begin(p, &n->ends, PQ_PAD_REFLECT, n->window);
    for (int group = 0; group < groups && at >= 0; group++)
        at = add_group(n, at, group);
    return pq_windows_body_finish(p, &n->ends, at, true);
}

int pq_srformer_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct srformer n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    rc = find_sizes(&n);
    return pq_parts_finish(&n.parts, rc ? rc : add_network(&n), "an SRFormer");
}
