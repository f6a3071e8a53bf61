/* SPDX-License-Identifier: MIT */
/* SwinIR (Liang et al., "SwinIR: Image Restoration Using Swin Transformer", 2021).
 *
 *     ends -> layer norm -> group -> ... -> group -> layer norm -> ends
 *
 * A group adds to x what its blocks and the convolution behind them make of it. Every second
 * block's windows are shifted. Networks with windows of 7, which are those that remove traces of
 * JPEG, take colours as 0 .. 255; nothing else says so. */
#include "arch/arch.h"

#include "arch/ends.h"
#include "arch/windows.h"
#include "base/alloc.h"

enum { JPEG_WINDOW = 7 };

struct swinir {
    struct pq_parts parts;
    struct pq_ends ends;
    struct pq_windows windows;
};

static int find_sizes(struct swinir *n)
{
    struct pq_parts *p = &n->parts;
    int rc = pq_ends_find(p, &n->ends);
    if (!rc)
        rc = pq_windows_begin(p, &n->windows, "layers.0.residual_group.blocks.0.attn");
    if (rc)
        return rc;
    if (n->windows.size == JPEG_WINDOW)
        n->ends.range = 255;
    pq_parts_skip_endings(p, ".attn_mask"); /* that of the size it was trained with */
    return 0;
}

static int add_group(struct swinir *n, int x, int group)
{
    struct pq_parts *p = &n->parts;
    const int blocks = pq_parts_count(p, "layers.%d.residual_group.blocks", group);
    if (blocks < 0)
        return blocks;
    int at = x;
    for (int i = 0; i < blocks && at >= 0; i++) {
        n->windows.shift = i % 2 ? n->windows.size / 2 : 0;
        at = pq_windows_block(p, at, &n->windows, "layers.%d.residual_group.blocks.%d", group, i);
    }
    return pq_parts_add(p, x, pq_ends_closing(p, at, "layers.%d.conv", group));
}

static int add_network(struct swinir *n)
{
    struct pq_parts *p = &n->parts;
    const int groups = pq_parts_count(p, "layers");
    int at =
        groups < 0 ? groups : pq_windows_body_begin(p, &n->ends, PQ_PAD_REFLECT, n->windows.size);
    for (int group = 0; group < groups && at >= 0; group++)
        at = add_group(n, at, group);
    return pq_windows_body_finish(p, &n->ends, at, true);
}

int pq_swinir_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct swinir n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    rc = find_sizes(&n);
    return pq_parts_finish(&n.parts, rc ? rc : add_network(&n), "a SwinIR");
}
