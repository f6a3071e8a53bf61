/* SPDX-License-Identifier: MIT */
/* Two U-Nets in a row, the second correcting the first:
 *
 *     x -> UNet1 -> z -> UNet2 -> + -> out
 *                   \--- crop ---/
 *
 *     UNet1   conv1 ---------- crop 4 ---------- + -> conv3 -> conv_bottom
 *               \-> down -> conv2 -> up --------/
 *     UNet2   conv1 ---------------- crop 16 --------------- + -> conv5 -> conv_bottom
 *               \-> down -> conv2 -- crop 4 -- + -> conv4 -> up /
 *                             \-> down -> conv3 -> up /
 *
 * conv1 .. conv4 are two 3x3 convolutions each; all but conv1 weigh their channels by what these
 * are in the mean over the picture ("seblock"; Hu et al. 2018, Squeeze-and-Excitation). `down` is
 * 2x2 of stride 2, `up` its transpose. No convolution pads, so that each takes a border off. */
#include "arch/unet.h"

#include <stdio.h>

#include "arch/arch.h"
#include "base/alloc.h"

enum { NAME = 64, CROP = 4, DEEP_CROP = 16, LAST_CROP = 20 };

static const float slope = 0.1f;
static const struct pq_conv_shape valid = {0}, halving = {.stride_y = 2, .stride_x = 2};

int pq_unet_leaky(struct pq_parts *p, int x)
{
    return pq_parts_act(p, x, slope);
}

/* `outputs` of a convolution as they are in the file. */
static int outputs_of(const struct pq_parts *p, const char *name)
{
    return pq_parts_extent(p, 0, "%s.weight", name);
}

int pq_unet_conv(struct pq_parts *p, int x, const char *name)
{
    int outputs = outputs_of(p, name);
    return x < 0 || outputs < 0 ? PQ_MIN(x, outputs)
                                : pq_parts_conv_as(p, x, outputs, 3, 3, &valid, "%s", name);
}

int pq_unet_scale(const struct pq_parts *p)
{
    int kernel = pq_parts_extent(p, 2, "unet1.conv_bottom.weight");
    if (kernel >= 3 && kernel <= 5)
        return kernel - 2;
    return kernel < 0 ? kernel
                      : pq_parts_fail(p, PIQUE_EFORMAT,
                                      "tensor 'unet1.conv_bottom.weight' has a kernel of %d; 3, 4 "
                                      "or 5, for a scale of 1, 2 or 3, is expected",
                                      kernel);
}

/* ---- layers ---- */

static int add_seblock(struct pq_parts *p, int x, const char *name)
{
    int squeezed = pq_parts_extent(p, 0, "%s.seblock.conv1.weight", name);
    if (squeezed < 0 || x < 0)
        return PQ_MIN(squeezed, x);
    int gate = pq_parts_mean(p, x);
    gate = pq_parts_act(p, pq_parts_conv(p, gate, squeezed, 1, "%s.seblock.conv1", name), 0);
    gate = pq_parts_conv(p, gate, p->g->ops[x].channels, 1, "%s.seblock.conv2", name);
    return pq_parts_mul(p, x, pq_parts_curve(p, gate, PQ_ACT_SIGMOID));
}

/* Two convolutions. */
static int add_pair(struct pq_parts *p, int x, const char *net, const char *conv, bool weighed)
{
    char name[NAME], part[NAME];
    snprintf(name, sizeof name, "%s.%s", net, conv);
    for (int i = 0; i <= 2; i += 2) {
        snprintf(part, sizeof part, "%.40s.conv.%d", name, i);
        x = pq_unet_leaky(p, pq_unet_conv(p, x, part));
    }
    return weighed ? add_seblock(p, x, name) : x;
}

static int add_down(struct pq_parts *p, int x, const char *net, const char *name)
{
    int outputs = pq_parts_extent(p, 0, "%s.%s.weight", net, name);
    if (outputs < 0 || x < 0)
        return PQ_MIN(outputs, x);
    return pq_unet_leaky(p, pq_parts_conv_as(p, x, outputs, 2, 2, &halving, "%s.%s", net, name));
}

/* x at twice the size, and `beside` added, which is larger by a border. */
static int add_up(struct pq_parts *p, int x, int beside, int border, const char *net,
                  const char *name)
{
    if (beside < 0)
        return beside;
    const int outputs = p->g->ops[beside].channels;
    x = pq_unet_leaky(p, pq_parts_deconv(p, x, outputs, 2, 2, 0, "%s.%s", net, name));
    return pq_parts_add(p, pq_parts_crop(p, beside, border), x);
}

/* ---- the networks ---- */

static int add_unet1(struct pq_parts *p, int x, int scale, int outputs)
{
    static const char net[] = "unet1";
    int wide = add_pair(p, x, net, "conv1", false);
    int deep = add_pair(p, add_down(p, wide, net, "conv1_down"), net, "conv2", true);
    x = add_up(p, deep, wide, CROP, net, "conv2_up");
    x = pq_unet_leaky(p, pq_unet_conv(p, x, "unet1.conv3"));
    if (scale == 1)
        return pq_parts_conv_as(p, x, outputs, 3, 3, &valid, "%s.conv_bottom", net);
    return pq_parts_deconv(p, x, outputs, scale + 2, scale, 5 - scale, "%s.conv_bottom", net);
}

static int add_unet2(struct pq_parts *p, int x, int outputs)
{
    static const char net[] = "unet2";
    int wide = add_pair(p, x, net, "conv1", false);
    int deep = add_pair(p, add_down(p, wide, net, "conv1_down"), net, "conv2", true);
    int deepest = add_pair(p, add_down(p, deep, net, "conv2_down"), net, "conv3", true);
    deep = add_up(p, deepest, deep, CROP, net, "conv3_up");
    x = add_up(p, add_pair(p, deep, net, "conv4", true), wide, DEEP_CROP, net, "conv4_up");
    x = pq_unet_leaky(p, pq_unet_conv(p, x, "unet2.conv5"));
    return pq_parts_conv_as(p, x, outputs, 3, 3, &valid, "%s.conv_bottom", net);
}

int pq_unet_add(struct pq_parts *p, int x, int scale, int between, bool clip)
{
    int first = add_unet1(p, x, scale, between);
    if (clip)
        first = pq_parts_clip(p, first, 0, 1);
    int kept = pq_parts_crop(p, first, LAST_CROP);
    return pq_parts_add(p, kept, add_unet2(p, first, between));
}

/* ---- the way back ---- */

/* Whether convolution `conv` is `down`. */
static bool is_down(const struct pq_op *op)
{
    return op->kind == PQ_OP_CONV2D && op->ver.stride == 2 && op->ver.kernel == 2 &&
           op->hor.kernel == 2 && op->ver.before == 0;
}

bool pq_unet_is(const struct pq_graph *g)
{
    int downs = 0, skips = 0, ups = 0;
    for (int i = 1; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        const struct pq_op *in = &g->ops[op->in[0]];
        downs += is_down(op);
        ups += op->kind == PQ_OP_PIXEL_SHUFFLE && op->factor == 2 && in->kind == PQ_OP_CONV2D;
        skips += op->kind == PQ_OP_CROP && in->kind != PQ_OP_PIXEL_SHUFFLE;
        if (op->kind == PQ_OP_CONV2D && op->ver.kernel == 3 && op->ver.before)
            return false;
    }
    return downs == 3 && ups >= 3 && skips >= 3;
}
