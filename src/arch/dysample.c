/* SPDX-License-Identifier: MIT */
#include "arch/dysample.h"

/* The groups follow from the offsets: two for each group and each pixel of the result. */
static int find_groups(struct pq_parts *p, int scale, const char *stem)
{
    int offsets = pq_parts_extent(p, 0, "%s.offset.weight", stem);
    if (offsets < 0)
        return offsets;
    if (offsets % (2 * scale * scale))
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor '%s.offset.weight' has %d outputs, no multiple of 2 x %d x %d",
                             stem, offsets, scale, scale);
    return offsets / (2 * scale * scale);
}

static int add_offsets(struct pq_parts *p, int x, int count, const char *stem)
{
    const float *places = NULL;
    const float nothing = 0;
    int offset = pq_parts_conv(p, x, count, 1, "%s.offset", stem);
    const bool needs_biases = p->needs_biases;
    p->needs_biases = false; /* scope has none */
    int scope = pq_parts_curve(p, pq_parts_conv(p, x, count, 1, "%s.scope", stem), PQ_ACT_SIGMOID);
    p->needs_biases = needs_biases;
    offset = pq_parts_mul(p, offset, pq_parts_scale(p, scope, 0.5f, 1, &nothing));
    if (offset < 0)
        return offset;
    int rc = pq_parts_values(p, 4, (const int64_t[]){1, count, 1, 1}, &places, "%s.init_pos", stem);
    return rc ? rc : pq_parts_scale(p, offset, 1, count, places);
}

int pq_dysample_add(struct pq_parts *p, int x, int channels, int scale, const char *stem)
{
    int groups = x < 0 ? x : find_groups(p, scale, stem);
    if (groups < 0)
        return groups;
    int offsets = add_offsets(p, x, 2 * groups * scale * scale, stem);
    if (offsets < 0)
        return offsets;
    int at = pq_graph_dysample(p->g, x, offsets, scale, groups, p->err);
    if (at >= 0 &&
        (p->g->ops[at].channels != channels || pq_parts_has(p, "%s.end_conv.weight", stem)))
        at = pq_parts_conv(p, at, channels, 1, "%s.end_conv", stem);
    return at;
}

bool pq_dysample_has(const struct pq_parts *p, const char *stem)
{
    return pq_parts_has(p, "%s.offset.weight", stem) || pq_parts_has(p, "%s.init_pos", stem);
}

int pq_dysample_scale(const struct pq_parts *p, const char *stem)
{
    enum { GROUPS = 4 };
    return pq_parts_square_scale(p, 2 * GROUPS, "%s.offset.weight", stem);
}
