/* SPDX-License-Identifier: MIT */
/* DRCT (Hsu et al., "DRCT: Saving Image Super-Resolution away from Information Bottleneck", 2024).
 *
 * SwinIR's frame with other groups: five Swin blocks, of which each sees the group's input and what
 * the ones before it made, side by side; 1/5 of the last one's is added to the input. Nothing
 * closes a group. */
#include "arch/arch.h"

#include "arch/ends.h"
#include "arch/windows.h"
#include "base/alloc.h"

enum { BLOCKS = 5 };

static const float group_scale = 0.2f, slope = 0.2f;

struct drct {
    struct pq_parts parts;
    struct pq_ends ends;
    struct pq_windows windows;
    int growth; /* channels that a block adds */
};

static int find_sizes(struct drct *n)
{
    struct pq_parts *p = &n->parts;
    int rc = pq_ends_find(p, &n->ends);
    if (!rc)
        rc = pq_windows_begin(p, &n->windows, "layers.0.swin1.attn");
    if (rc)
        return rc;
    pq_parts_skip_endings(p, ".attn_mask");
    n->growth = pq_parts_extent(p, 0, "layers.0.adjust1.weight");
    return PQ_MIN(n->growth, 0);
}

static int add_group(struct drct *n, int x, int group)
{
    struct pq_parts *p = &n->parts;
    int parts[BLOCKS] = {x}, y = x;
    for (int i = 0; i < BLOCKS; i++) {
        y = i ? pq_parts_concat(p, i + 1, parts) : x;
        n->windows.shift = i % 2 ? n->windows.size / 2 : 0;
        y = pq_windows_block(p, y, &n->windows, "layers.%d.swin%d", group, i + 1);
        const bool last = i == BLOCKS - 1;
        y = pq_parts_conv(p, y, last ? n->ends.dim : n->growth, 1, "layers.%d.adjust%d", group,
                          i + 1);
        if (y < 0)
            return y;
        if (!last)
            parts[i + 1] = pq_parts_act(p, y, slope);
    }
    return pq_graph_add(p->g, x, y, group_scale, p->err);
}

static int add_network(struct drct *n)
{
    struct pq_parts *p = &n->parts;
    const int groups = pq_parts_count(p, "layers");
    int at =
        groups < 0 ? groups : pq_windows_body_begin(p, &n->ends, PQ_PAD_REFLECT, n->windows.size);
    for (int group = 0; group < groups && at >= 0; group++)
        at = add_group(n, at, group);
    return pq_windows_body_finish(p, &n->ends, at, pq_parts_has(p, "conv_after_body.weight"));
}

int pq_drct_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct drct n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    rc = find_sizes(&n);
    return pq_parts_finish(&n.parts, rc ? rc : add_network(&n), "a DRCT");
}
