/* SPDX-License-Identifier: MIT */
/* Real-CUGAN (Bilibili, 2022): the U-Nets of unet.c for enlarging by 2, 3 or 4, and by 2 "fast".
 *
 *     2, 3   pad -> U-Nets                                             -> cut to size
 *     4      pad -> U-Nets -> conv_final -> crop 1 -> pixel shuffle 2  -> cut to size -> +
 *            \-------------------------- nearest by 4 --------------------------------/
 *     fast   the same by 2, over a picture folded by a pixel unshuffle of 2
 *
 * The border of the picture is mirrored as wide as the network takes off, and further to the right
 * and below until its size halves evenly. The "pro" files work on x 0.7 + 0.15; they hold a key
 * "pro", a tensor or a number, whose value means nothing. */
#include "arch/arch.h"

#include "arch/parts.h"
#include "arch/unet.h"
#include "base/alloc.h"

static const float pro_factor = 0.7f, pro_term = 0.15f;

struct cugan {
    struct pq_parts parts;
    int channels; /* of the picture */
    int scale;
    bool fast, final, pro;
};

/* What the first and the last convolutions tell. */
static int find_kind(struct cugan *n)
{
    struct pq_parts *p = &n->parts;
    int in = pq_parts_extent(p, 1, "unet1.conv1.conv.0.weight");
    int scale = pq_unet_scale(p);
    if (in < 0 || scale < 0)
        return PQ_MIN(in, scale);
    n->channels = in;
    n->scale = scale;
    n->final = pq_parts_has(p, "conv_final.weight");
    if (!n->final)
        return 0;
    int out = pq_parts_extent(p, 0, "conv_final.weight");
    if (out < 0)
        return out;
    n->fast = out == in;
    n->channels = n->fast ? in / 4 : in;
    if (scale != 2 || out != 4 * n->channels)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "%d channels come in and 'conv_final' yields %d behind a scale of %d: "
                             "neither a Real-CUGAN x4 nor the fast one",
                             in, out, scale);
    n->scale = n->fast ? 2 : 4;
    return 0;
}

static int pad(struct cugan *n, int x)
{
    struct pq_parts *p = &n->parts;
    if (n->fast) /* whose halves have to be even */
        return pq_parts_pad(p, pq_parts_pad_to(p, x, PQ_PAD_REFLECT, 4), PQ_PAD_REFLECT, 38, 1);
    static const struct {
        int border, multiple;
    } of[] = {[2] = {18, 2}, [3] = {14, 4}, [4] = {19, 2}};
    return pq_parts_pad(p, x, PQ_PAD_REFLECT, of[n->scale].border, of[n->scale].multiple);
}

static int add_network(struct cugan *n)
{
    struct pq_parts *p = &n->parts;
    const float back = -pro_term / pro_factor;
    int picture = pq_graph_input(p->g, n->channels, p->err), base = picture;
    if (n->pro)
        base = pq_parts_scale(p, picture, pro_factor, 1, &pro_term);
    int at = pad(n, base);
    if (n->fast)
        at = pq_parts_unshuffle(p, at, 2);
    int between = n->final ? pq_parts_extent(p, 0, "unet2.conv_bottom.weight") : n->channels;
    if (between < 0)
        return between;
    at = pq_unet_add(p, at, n->final ? 2 : n->scale, between, false);
    if (n->final) {
        at = pq_parts_crop(p, pq_unet_conv(p, at, "conv_final"), 1);
        at = pq_parts_shuffle(p, at, 2);
    }
    at = pq_parts_crop_to(p, at, picture, n->scale);
    if (n->final)
        at = pq_parts_add(p, at, pq_parts_nearest(p, base, n->scale));
    return n->pro ? pq_parts_scale(p, at, 1 / pro_factor, 1, &back) : at;
}

int pq_cugan_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct cugan n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    int at = find_kind(&n);
    n.pro = pq_parts_has(&n.parts, "pro") || pq_statedict_note(sd, "pro");
    if (n.pro && !n.fast)
        pq_parts_skip(&n.parts, "pro");
    if (at >= 0)
        at = add_network(&n);
    return pq_parts_finish(&n.parts, at, "a Real-CUGAN");
}
