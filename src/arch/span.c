/* SPDX-License-Identifier: MIT */
/* SPAN, the swift parameter-free attention network (Wan et al. 2023).
 *
 *     x -> normalise -> conv_1 = f -> block_1 = b1 -> block_2 -> ... -> block_6 -> conv_2
 *     out = shuffle(upsampler(conv_cat([f, conv_2, b1, s])))
 *
 * where s is SiLU of the first convolution of block_6; span_parts.h has the block. The mean and the
 * range of the normalisation are not in the file; the tensor no_norm says that there is none. The
 * result is not brought back, as in the reference code. */
#include "arch/arch.h"

#include "arch/span_parts.h"
#include "base/alloc.h"

enum { BLOCKS = 6, KERNEL = 3, COLOURS = 3, NAME = 96 };

struct span {
    struct pq_parts parts;
    int channels, features, scale;
};

bool pq_span_detect(const struct pq_statedict *sd)
{
    return pq_statedict_find(sd, "conv_cat.weight") &&
           pq_statedict_find(sd, "upsampler.0.weight") && pq_span_has(sd, "block_1.c1_r");
}

static int find_sizes(struct span *s)
{
    struct pq_parts *p = &s->parts;
    char first[NAME];
    int rc = pq_span_weight(p, "conv_1", first, sizeof first);
    if (rc)
        return rc;
    s->features = pq_parts_extent(p, 0, "conv_cat.weight");
    s->channels = s->features < 0 ? s->features : pq_parts_picture(p, "%s", first);
    s->scale =
        s->channels < 0 ? s->channels : pq_parts_square_scale(p, s->channels, "upsampler.0.weight");
    return PQ_MIN(s->scale, 0);
}

/* (x - mean) 255 */
static int add_normalise(struct span *s, int x)
{
    struct pq_parts *p = &s->parts;
    const float terms[COLOURS] = {(float)(-255 * 0.4488), (float)(-255 * 0.4371),
                                  (float)(-255 * 0.4040)};
    if (pq_parts_has(p, "no_norm")) {
        pq_parts_skip(p, "no_norm");
        return x;
    }
    if (s->channels != COLOURS)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED,
                             "a SPAN of %d channels without 'no_norm' has no known mean",
                             s->channels);
    return pq_parts_scale(p, x, 255, COLOURS, terms);
}

static int add_network(struct span *s)
{
    struct pq_parts *p = &s->parts;
    int first = add_normalise(s, pq_graph_input(p->g, s->channels, p->err));
    first = pq_span_conv(p, first, s->features, "conv_1");
    int at = first, early = -1, attention = -1;
    for (int n = 1; n <= BLOCKS && at >= 0; n++) {
        at = pq_span_block(p, at, PQ_SPAN_SILU, &attention, "block_%d", n);
        if (n == 1)
            early = at;
    }
    at = pq_span_conv(p, at, s->features, "conv_2");
    if (at < 0)
        return at;
    at = pq_parts_concat(p, 4, (const int[]){first, at, early, attention});
    at = pq_parts_conv(p, at, s->features, 1, "conv_cat");
    at = pq_parts_conv(p, at, s->channels * s->scale * s->scale, KERNEL, "upsampler.0");
    return pq_parts_shuffle(p, at, s->scale);
}

int pq_span_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct span s = {0};
    int rc = pq_parts_begin(&s.parts, sd, g, err);
    if (rc)
        return rc;
    s.parts.needs_biases = true;
    int at = find_sizes(&s);
    if (at >= 0)
        at = add_network(&s);
    return pq_parts_finish(&s.parts, at, "a SPAN");
}
