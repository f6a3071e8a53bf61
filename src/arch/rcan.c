/* SPDX-License-Identifier: MIT */
/* RCAN (Zhang et al., "Image Super-Resolution Using Very Deep Residual Channel Attention Networks",
 * 2018).
 *
 *     x -> [255 x - mean] -> [unshuffle] -> head -> group -> ... -> group -> conv -> + -> tail
 *                                               \-----------------------------------/
 *
 * A group is x + conv(blocks x), a block x + attention(conv ReLU conv x). Attention multiplies each
 * channel by what two 1x1 convolutions make of the means of all channels over the picture. The tail
 * is convolutions with a pixel shuffle behind each, and a last convolution; then the mean is added
 * and all divided by 255. The means are convolutions in the file (sub_mean, add_mean); without them
 * values stay as they are.
 *
 * Training programs fold the picture for 1x and 2x (unshuffle), padded by reflection. */
#include "arch/arch.h"

#include "arch/parts.h"
#include "base/alloc.h"

enum { KERNEL = 3, MAX_PARTS = 500, RANGE = 255 };

struct rcan {
    struct pq_parts parts;
    int channels, features, groups;
    int steps;       /* of the tail */
    int fold, inner; /* the picture is folded by, and then enlarged by */
    bool normed;
};

bool pq_rcan_detect(const struct pq_statedict *sd)
{
    return pq_statedict_find(sd, "body.0.body.0.body.3.conv_du.0.weight") != NULL;
}

static bool is_folded(const struct pq_parts *p)
{
    return pq_parts_has(p, "head.1.weight");
}

/* The product of the tail's steps. */
static int find_enlarging(struct rcan *n)
{
    struct pq_parts *p = &n->parts;
    const int layers = pq_parts_count(p, "tail.0"); /* each second one is a shuffle */
    if (layers < 0)
        return layers;
    n->inner = 1;
    for (n->steps = 0; 2 * n->steps < layers; n->steps++) {
        int step = pq_parts_square_scale(p, n->features, "tail.0.%d.weight", 2 * n->steps);
        if (step < 0)
            return step;
        n->inner *= step;
        if (n->inner > PQ_MAX_FACTOR)
            return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "it enlarges by %d; %d is possible",
                                 n->inner, PQ_MAX_FACTOR);
    }
    return 0;
}

static int find_fold(struct rcan *n)
{
    struct pq_parts *p = &n->parts;
    const int inputs = pq_parts_extent(p, 1, "head.%d.weight", is_folded(p));
    if (inputs < 0)
        return inputs;
    n->fold = inputs % n->channels ? 0 : pq_square_root(inputs / n->channels);
    if (n->fold >= 1 && n->fold <= n->inner && n->inner % n->fold == 0 &&
        (is_folded(p) || n->fold == 1))
        return 0;
    return pq_parts_fail(
        p, PIQUE_EFORMAT,
        "tensor 'head.%d.weight' has %d inputs, which do not fit %d channels and a "
        "tail that enlarges by %d",
        is_folded(p), inputs, n->channels, n->inner);
}

static int find_sizes(struct rcan *n)
{
    struct pq_parts *p = &n->parts;
    n->normed = pq_parts_has(p, "sub_mean.weight") || pq_parts_has(p, "add_mean.weight");
    n->groups = pq_parts_count(p, "body") - 1;
    if (n->groups < 1 || n->groups > MAX_PARTS)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "%d groups; 1 to %d are possible", n->groups,
                             MAX_PARTS);
    n->features = pq_parts_extent(p, 0, "head.%d.weight", is_folded(p));
    n->channels = n->features < 0 ? n->features : pq_parts_extent(p, 0, "tail.1.weight");
    if (n->channels > 4)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED,
                             "tensor 'tail.1.weight' has %d outputs; a picture of 1 to 4 channels "
                             "can come out",
                             n->channels);
    int rc = n->channels < 0 ? n->channels : find_enlarging(n);
    return rc ? rc : find_fold(n);
}

static int add_block(struct rcan *n, int x, int group, int block)
{
    struct pq_parts *p = &n->parts;
    const int few = pq_parts_extent(p, 0, "body.%d.body.%d.body.3.conv_du.0.weight", group, block);
    if (few < 0)
        return few;
    int y = pq_parts_conv(p, x, n->features, KERNEL, "body.%d.body.%d.body.0", group, block);
    y = pq_parts_conv(p, pq_parts_act(p, y, 0), n->features, KERNEL, "body.%d.body.%d.body.2",
                      group, block);
    int gate = pq_parts_conv(p, pq_parts_mean(p, y), few, 1, "body.%d.body.%d.body.3.conv_du.0",
                             group, block);
    gate = pq_parts_conv(p, pq_parts_act(p, gate, 0), n->features, 1,
                         "body.%d.body.%d.body.3.conv_du.2", group, block);
    return pq_parts_add(p, x, pq_parts_mul(p, y, pq_parts_curve(p, gate, PQ_ACT_SIGMOID)));
}

static int add_group(struct rcan *n, int x, int group)
{
    struct pq_parts *p = &n->parts;
    const int blocks = pq_parts_count(p, "body.%d.body", group) - 1;
    if (blocks < 0 || blocks > MAX_PARTS)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "%d blocks in group %d; 0 to %d are possible",
                             blocks, group, MAX_PARTS);
    int y = x;
    for (int block = 0; block < blocks && y >= 0; block++)
        y = add_block(n, y, group, block);
    return pq_parts_add(p, x,
                        pq_parts_conv(p, y, n->features, KERNEL, "body.%d.body.%d", group, blocks));
}

static int add_head(struct rcan *n, int picture)
{
    struct pq_parts *p = &n->parts;
    const float nothing = 0;
    int at = pq_parts_pad_to(p, picture, PQ_PAD_REFLECT, n->fold);
    if (n->normed) {
        at = pq_parts_scale(p, at, RANGE, 1, &nothing);
        at = pq_parts_conv(p, at, n->channels, 1, "sub_mean");
    }
    at = pq_parts_unshuffle(p, at, n->fold);
    return pq_parts_conv(p, at, n->features, KERNEL, "head.%d", is_folded(p));
}

static int add_tail(struct rcan *n, int at)
{
    struct pq_parts *p = &n->parts;
    const float nothing = 0;
    for (int i = 0; i < n->steps && at >= 0; i++) {
        int step = pq_parts_square_scale(p, n->features, "tail.0.%d.weight", 2 * i);
        at = pq_parts_conv(p, at, n->features * step * step, KERNEL, "tail.0.%d", 2 * i);
        at = pq_parts_shuffle(p, at, step);
    }
    at = pq_parts_conv(p, at, n->channels, KERNEL, "tail.1");
    if (!n->normed)
        return at;
    at = pq_parts_conv(p, at, n->channels, 1, "add_mean");
    return pq_parts_scale(p, at, 1.0f / RANGE, 1, &nothing);
}

static int add_network(struct rcan *n)
{
    struct pq_parts *p = &n->parts;
    const int picture = pq_graph_input(p->g, n->channels, p->err);
    const int first = add_head(n, picture);
    int at = first;
    for (int group = 0; group < n->groups && at >= 0; group++)
        at = add_group(n, at, group);
    at = pq_parts_add(p, first, pq_parts_conv(p, at, n->features, KERNEL, "body.%d", n->groups));
    at = add_tail(n, at);
    return n->fold == 1 ? at : pq_parts_crop_to(p, at, picture, n->inner / n->fold);
}

int pq_rcan_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct rcan n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    n.parts.needs_biases = true;
    int at = find_sizes(&n);
    if (at >= 0)
        at = add_network(&n);
    return pq_parts_finish(&n.parts, at, "an RCAN");
}
