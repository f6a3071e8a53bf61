/* SPDX-License-Identifier: MIT */
/* SPANPlus, umzi2's SPAN: groups of blocks with Mish in place of SiLU, and a choice of the end.
 *
 *     x -> feats.0 -> group -> ... -> group -> upsampler
 *
 * A group is the body of SPAN: block_1, any number of blocks block_n, block_end, conv_2, and
 * conv_cat over what came in, conv_2, block_1 and the first activation of block_end. The upsampler
 * is a pixel shuffle, DySample or, for 1x, one convolution. */
#include "arch/arch.h"

#include "arch/dysample.h"
#include "arch/span_parts.h"
#include "base/alloc.h"

enum { KERNEL = 3, NAME = 96 };

struct spanplus {
    struct pq_parts parts;
    int channels, features, scale, layers; /* layers: of feats */
    bool dysample, alone;                  /* the upsampler; alone: one convolution */
};

bool pq_spanplus_detect(const struct pq_statedict *sd)
{
    return pq_span_has(sd, "feats.0") && pq_span_has(sd, "feats.1.block_1.c1_r");
}

static int find_sizes(struct spanplus *s)
{
    struct pq_parts *p = &s->parts;
    char first[NAME];
    int rc = pq_span_weight(p, "feats.0", first, sizeof first);
    if (rc)
        return rc;
    s->features = pq_parts_extent(p, 0, "%s", first);
    s->channels = s->features < 0 ? s->features : pq_parts_picture(p, "%s", first);
    s->layers = s->channels < 0 ? s->channels : pq_parts_count(p, "feats");
    if (s->layers < 0)
        return s->layers;
    s->dysample = pq_dysample_has(p, "upsampler");
    s->alone = pq_parts_has(p, "upsampler.weight");
    if (s->alone)
        s->scale = 1;
    else if (s->dysample)
        s->scale = pq_dysample_scale(p, "upsampler");
    else
        s->scale = pq_parts_square_scale(p, s->channels, "upsampler.0.weight");
    return PQ_MIN(s->scale, 0);
}

static int add_group(struct spanplus *s, int x, int group)
{
    struct pq_parts *p = &s->parts;
    const int blocks = pq_parts_count(p, "feats.%d.block_n", group);
    int attention = blocks;
    if (x < 0 || blocks < 0)
        return x < 0 ? x : blocks;
    int early = pq_span_block(p, x, PQ_SPAN_MISH, &attention, "feats.%d.block_1", group);
    int at = early;
    for (int n = 0; n < blocks && at >= 0; n++)
        at = pq_span_block(p, at, PQ_SPAN_MISH, &attention, "feats.%d.block_n.%d", group, n);
    at = pq_span_block(p, at, PQ_SPAN_MISH, &attention, "feats.%d.block_end", group);
    at = pq_span_conv(p, at, s->features, "feats.%d.conv_2", group);
    if (at < 0)
        return at;
    at = pq_parts_concat(p, 4, (const int[]){x, at, early, attention});
    return pq_parts_conv(p, at, s->features, 1, "feats.%d.conv_cat", group);
}

static int add_network(struct spanplus *s)
{
    struct pq_parts *p = &s->parts;
    int at = pq_graph_input(p->g, s->channels, p->err);
    at = pq_span_conv(p, at, s->features, "feats.0");
    for (int group = 1; group < s->layers && at >= 0; group++)
        at = add_group(s, at, group);
    if (s->alone)
        return pq_parts_conv(p, at, s->channels, KERNEL, "upsampler");
    if (s->dysample)
        return pq_dysample_add(p, at, s->channels, s->scale, "upsampler");
    at = pq_parts_conv(p, at, s->channels * s->scale * s->scale, KERNEL, "upsampler.0");
    return pq_parts_shuffle(p, at, s->scale);
}

int pq_spanplus_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct spanplus s = {0};
    int rc = pq_parts_begin(&s.parts, sd, g, err);
    if (rc)
        return rc;
    s.parts.needs_biases = true;
    int at = find_sizes(&s);
    if (at >= 0)
        at = add_network(&s);
    return pq_parts_finish(&s.parts, at, "a SPANPlus");
}
