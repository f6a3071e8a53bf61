/* SPDX-License-Identifier: MIT */
/* SPANF3, the SPAN of traiNNer-redux: ReLU in its blocks, attention with a weight, and no
 * convolution behind the last block.
 *
 *     x -> [unshuffle] -> conv_1 = f -> block_1 = b1 -> ... -> block_n = b
 *     out = shuffle(to_pixel(conv_cat([f, b, b1, s])))
 *
 * where s is the first activation of block_n. Networks of 1x and 2x may work on a folded picture,
 * padded by reflection to a multiple, which they enlarge by 4. */
#include "arch/arch.h"

#include "arch/span_parts.h"
#include "base/alloc.h"

enum { FOLDED_SCALE = 4, MAX_BLOCKS = 500, NAME = 96 };

struct spanf3 {
    struct pq_parts parts;
    int channels, features, blocks;
    int fold, inner; /* the picture is folded by, and then enlarged by */
};

bool pq_spanf3_detect(const struct pq_statedict *sd)
{
    return pq_statedict_find(sd, "block_1.att_conv.weight") || pq_span_has(sd, "to_pixel");
}

/* Of a folded picture the outputs tell the channels, and the inputs by how much it is folded. */
static int find_fold(struct spanf3 *s, const char *first, const char *last)
{
    struct pq_parts *p = &s->parts;
    const int outputs = pq_parts_extent(p, 0, "%s", last);
    const int inputs = pq_parts_extent(p, 1, "%s", first);
    if (outputs < 0 || inputs < 0)
        return PQ_MIN(outputs, inputs);
    s->inner = FOLDED_SCALE;
    s->channels = outputs / (FOLDED_SCALE * FOLDED_SCALE);
    if (s->channels < 1 || s->channels > 4 || outputs % (FOLDED_SCALE * FOLDED_SCALE))
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor '%s' has %d outputs, not 16 for each of 1 to 4 channels", last,
                             outputs);
    s->fold = inputs % s->channels ? 0 : pq_square_root(inputs / s->channels);
    if (s->fold >= 1 && s->fold <= FOLDED_SCALE && FOLDED_SCALE % s->fold == 0)
        return 0;
    return pq_parts_fail(p, PIQUE_EFORMAT,
                         "tensor '%s' has %d inputs, not %d channels folded by 2 or 4", first,
                         inputs, s->channels);
}

static int find_sizes(struct spanf3 *s)
{
    struct pq_parts *p = &s->parts;
    const bool folded = pq_span_has(p->sd, "conv_1.1");
    char first[NAME], last[NAME];
    int rc = pq_span_weight(p, folded ? "conv_1.1" : "conv_1", first, sizeof first);
    if (!rc)
        rc = pq_span_weight(p, "to_pixel", last, sizeof last);
    if (rc)
        return rc;
    s->features = pq_parts_extent(p, 0, "%s", first);
    s->blocks = s->features < 0 ? s->features : pq_parts_count(p, "block_");
    if (s->blocks < 0)
        return s->blocks;
    s->blocks--; /* they count from 1 */
    if (s->blocks < 1 || s->blocks > MAX_BLOCKS)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "%d blocks; 1 to %d are possible", s->blocks,
                             MAX_BLOCKS);
    if (folded)
        return find_fold(s, first, last);
    s->fold = 1;
    s->channels = pq_parts_picture(p, "%s", first);
    s->inner = s->channels < 0 ? s->channels : pq_parts_square_scale(p, s->channels, "%s", last);
    return PQ_MIN(s->inner, 0);
}

static int add_network(struct spanf3 *s)
{
    struct pq_parts *p = &s->parts;
    const int picture = pq_graph_input(p->g, s->channels, p->err);
    int first = pq_parts_pad_to(p, picture, PQ_PAD_REFLECT, s->fold);
    first = pq_parts_unshuffle(p, first, s->fold);
    first =
        pq_span_conv(p, first, s->features, pq_span_has(p->sd, "conv_1.1") ? "conv_1.1" : "conv_1");
    int at = first, early = -1, attention = -1;
    for (int n = 1; n <= s->blocks && at >= 0; n++) {
        at = pq_span_block(p, at, PQ_SPAN_LEARNT, &attention, "block_%d", n);
        if (n == 1)
            early = at;
    }
    if (at < 0)
        return at;
    at = pq_parts_concat(p, 4, (const int[]){first, at, early, attention});
    at = pq_parts_conv(p, at, s->features, 1, "conv_cat");
    at = pq_span_conv(p, at, s->channels * s->inner * s->inner, "to_pixel");
    at = pq_parts_shuffle(p, at, s->inner);
    return s->fold == 1 ? at : pq_parts_crop_to(p, at, picture, s->inner / s->fold);
}

int pq_spanf3_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct spanf3 s = {0};
    int rc = pq_parts_begin(&s.parts, sd, g, err);
    if (rc)
        return rc;
    s.parts.needs_biases = true;
    int at = find_sizes(&s);
    if (at >= 0)
        at = add_network(&s);
    return pq_parts_finish(&s.parts, at, "a SPANF3");
}
