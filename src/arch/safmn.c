/* SPDX-License-Identifier: MIT */
/* SAFMN (Sun et al., "Spatially-Adaptive Feature Modulation for Efficient Image Super-Resolution",
 * 2023).
 *
 *     x -> pad to 8 -> to_feat -> block -> ... -> block -> + -> to_img -> shuffle -> crop
 *                            \------------------------------/
 *
 * A block is y = x + safm(norm1 x), then y + ccm(norm2 y). safm makes four parts of the channels,
 * takes the largest of 1, 2, 4 and 8 pixels a side, filters each channel, enlarges again, and
 * multiplies what came in by GELU of a 1x1 over all. ccm is 3x3, GELU, 1x1.
 *
 * A picture is mirrored to the right and below to a multiple of 8, so that the sizes halve evenly.
 */
#include "arch/arch.h"

#include "arch/parts.h"
#include "base/alloc.h"

enum { LEVELS = 4, MULTIPLE = 8, KERNEL = 3, MAX_BLOCKS = 500 };

static const float eps = 1e-6f;

struct safmn {
    struct pq_parts parts;
    int channels, dim, blocks, scale;
};

static int find_sizes(struct safmn *n)
{
    struct pq_parts *p = &n->parts;
    n->blocks = pq_parts_count(p, "feats");
    if (n->blocks < 0)
        return n->blocks;
    if (n->blocks < 1 || n->blocks > MAX_BLOCKS)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "%d blocks; 1 to %d are possible", n->blocks,
                             MAX_BLOCKS);
    n->dim = pq_parts_extent(p, 0, "to_feat.weight");
    if (n->dim >= 0 && n->dim % LEVELS)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor 'to_feat.weight' has %d outputs, no multiple of %d", n->dim,
                             LEVELS);
    n->channels = n->dim < 0 ? n->dim : pq_parts_picture(p, "to_feat.weight");
    n->scale =
        n->channels < 0 ? n->channels : pq_parts_square_scale(p, n->channels, "to_img.0.weight");
    return PQ_MIN(n->scale, 0);
}

static int add_modulation(struct safmn *n, int x, int block)
{
    struct pq_parts *p = &n->parts;
    const int part = n->dim / LEVELS;
    int levels[LEVELS];
    for (int i = 0; i < LEVELS; i++) {
        int y = pq_parts_slice(p, x, i * part, part);
        if (i > 0 && y >= 0)
            y = pq_graph_pool(p->g, y, PQ_OP_MAX_POOL, 1 << i, 1 << i, p->err);
        y = pq_parts_depthwise(p, y, KERNEL, "feats.%d.safm.mfr.%d", block, i);
        levels[i] = pq_parts_nearest(p, y, 1 << i);
        if (levels[i] < 0)
            return levels[i];
    }
    int y = pq_parts_concat(p, LEVELS, levels);
    y = pq_parts_conv(p, y, n->dim, 1, "feats.%d.safm.aggr", block);
    return pq_parts_mul(p, pq_parts_curve(p, y, PQ_ACT_GELU), x);
}

static int add_block(struct safmn *n, int x, int block)
{
    struct pq_parts *p = &n->parts;
    const int hidden = pq_parts_extent(p, 0, "feats.%d.ccm.ccm.0.weight", block);
    if (hidden < 0)
        return hidden;
    int y = pq_parts_layer_norm(p, x, eps, "feats.%d.norm1", block);
    x = pq_parts_add(p, x, y < 0 ? y : add_modulation(n, y, block));
    y = pq_parts_layer_norm(p, x, eps, "feats.%d.norm2", block);
    y = pq_parts_conv(p, y, hidden, KERNEL, "feats.%d.ccm.ccm.0", block);
    y = pq_parts_conv(p, pq_parts_curve(p, y, PQ_ACT_GELU), n->dim, 1, "feats.%d.ccm.ccm.2", block);
    return pq_parts_add(p, x, y);
}

static int add_network(struct safmn *n)
{
    struct pq_parts *p = &n->parts;
    const int picture = pq_graph_input(p->g, n->channels, p->err);
    const int padded = pq_parts_pad_to(p, picture, PQ_PAD_REFLECT, MULTIPLE);
    const int first = pq_parts_conv(p, padded, n->dim, KERNEL, "to_feat");
    int at = first;
    for (int block = 0; block < n->blocks && at >= 0; block++)
        at = add_block(n, at, block);
    at = pq_parts_add(p, first, at);
    at = pq_parts_conv(p, at, n->channels * n->scale * n->scale, KERNEL, "to_img.0");
    return pq_parts_crop_to(p, pq_parts_shuffle(p, at, n->scale), picture, n->scale);
}

int pq_safmn_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct safmn n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    n.parts.needs_biases = true;
    int at = find_sizes(&n);
    if (at >= 0)
        at = add_network(&n);
    return pq_parts_finish(&n.parts, at, "a SAFMN");
}
