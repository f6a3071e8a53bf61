/* SPDX-License-Identifier: MIT */
/* waifu2x's swin_unet in the scales 1, 2 and 4 (nunif). Swin blocks at three sizes:
 *
 *     edges repeated -> 3x3 -> 3x3 -> crop -> swin1 ----------- (+) -> swin5 -> shuffle -> 0..1
 *                                               \-> swin2 - (+) -/
 *                                                    \-> swin3 -> swin4 ...
 *
 * Down is a 2x2 convolution of stride 2, up a linear layer and a pixel shuffle. Windows are of 6,
 * so sizes are multiples of 48 behind the 16 pixels that the border takes. That program cuts
 * pictures into tiles; this is the whole picture at once. */
#include "arch/arch.h"

#include "arch/windows.h"
#include "base/alloc.h"

enum { BORDER = 8, PATCH_BORDER = 2, STEP = 48, WINDOW = 6 };

static const float slope = 0.1f;

struct swin_unet {
    struct pq_parts parts;
    struct pq_windows windows;
    int channels, dim, scale;
    bool norm; /* in front of attention and layers */
};

static int find_sizes(struct swin_unet *n)
{
    struct pq_parts *p = &n->parts;
    p->needs_biases = true;
    n->channels = pq_parts_extent(p, 1, "unet.patch.0.weight");
    n->dim = pq_parts_extent(p, 0, "unet.patch.2.weight");
    const int out = pq_parts_extent(p, 0, "unet.to_image.proj.weight");
    if (n->channels < 0 || n->dim < 0 || out < 0)
        return PQ_MIN(PQ_MIN(n->channels, n->dim), out);
    n->scale = out % n->channels ? 0 : pq_square_root(out / n->channels);
    if (n->scale != 1 && n->scale != 2 && n->scale != 4)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED,
                             "tensor 'unet.to_image.proj.weight' has %d outputs; 1, 4 or 16 times "
                             "%d channels are possible",
                             out, n->channels);
    n->norm = pq_parts_has(p, "unet.swin1.block.0.norm1.weight");
    int rc = pq_windows_begin(p, &n->windows, "unet.swin1.block.0.attn");
    if (rc || n->windows.size == WINDOW)
        return rc;
    return pq_parts_fail(p, PIQUE_EUNSUPPORTED,
                         "tensor 'unet.swin1.block.0.attn.relative_position_bias_table' is for "
                         "windows of %d, not %d",
                         n->windows.size, WINDOW);
}

static int add_norm(struct swin_unet *n, int x, int stage, int block, int which)
{
    struct pq_parts *p = &n->parts;
    if (x < 0 || !n->norm)
        return x;
    const struct pq_tensor *weight = NULL;
    int rc = pq_parts_tensor(p, 1, (const int64_t[]){p->g->ops[x].channels}, &weight,
                             "unet.swin%d.block.%d.norm%d.weight", stage, block, which);
    return rc ? rc : pq_graph_norm(p->g, x, PQ_OP_LAYER_NORM, weight, NULL, pq_windows_eps, p->err);
}

static int add_block(struct swin_unet *n, int x, int stage, int block)
{
#define BLOCK "unet.swin%d.block.%d"
    struct pq_parts *p = &n->parts;
    const int dim = p->g->ops[x].channels;
    const int hidden = pq_parts_extent(p, 0, BLOCK ".mlp.0.weight", stage, block);
    if (hidden < 0)
        return hidden;
    n->windows.shift = block % 2 ? n->windows.size / 2 : 0;
    int y = pq_windows_attention(p, add_norm(n, x, stage, block, 1), &n->windows, BLOCK ".attn",
                                 stage, block);
    x = pq_parts_add(p, x, pq_parts_linear(p, y, dim, BLOCK ".attn.proj", stage, block));
    y = pq_parts_linear(p, add_norm(n, x, stage, block, 2), hidden, BLOCK ".mlp.0", stage, block);
    y = pq_parts_linear(p, pq_parts_curve(p, y, PQ_ACT_GELU), dim, BLOCK ".mlp.3", stage, block);
    return pq_parts_add(p, x, y);
#undef BLOCK
}

static int add_stage(struct swin_unet *n, int x, int stage)
{
    const int blocks = pq_parts_count(&n->parts, "unet.swin%d.block", stage);
    int at = blocks < 0 && x >= 0 ? blocks : x;
    for (int i = 0; i < blocks && at >= 0; i++)
        at = add_block(n, at, stage, i);
    return at;
}

static int add_down(struct swin_unet *n, int x, int which)
{
    struct pq_parts *p = &n->parts;
    const int out = pq_parts_extent(p, 0, "unet.down%d.conv.weight", which);
    if (out < 0)
        return out;
    const struct pq_conv_shape half = {.stride_y = 2, .stride_x = 2};
    return pq_parts_conv_as(p, x, out, 2, 2, &half, "unet.down%d.conv", which);
}

/* Twice as large, and the same size as `beside`, to which it is added. */
static int add_up(struct swin_unet *n, int x, int beside, int which)
{
    struct pq_parts *p = &n->parts;
    if (x < 0 || beside < 0)
        return PQ_MIN(x, beside);
    x = pq_parts_linear(p, x, 4 * p->g->ops[beside].channels, "unet.up%d.proj", which);
    return pq_parts_add(p, pq_parts_shuffle(p, x, 2), beside);
}

/* The two convolutions, and the rest of the border off. */
static int add_patch(struct swin_unet *n, int picture)
{
    struct pq_parts *p = &n->parts;
    const struct pq_conv_shape bare = {0};
    const int half = pq_parts_extent(p, 0, "unet.patch.0.weight");
    if (half < 0 || picture < 0)
        return PQ_MIN(half, picture);
    int at = pq_graph_pad(p->g, picture, PQ_PAD_EDGE, BORDER, STEP, p->err);
    at = pq_parts_act(p, pq_parts_conv_as(p, at, half, 3, 3, &bare, "unet.patch.0"), slope);
    at = pq_parts_act(p, pq_parts_conv_as(p, at, n->dim, 3, 3, &bare, "unet.patch.2"), slope);
    return at < 0 ? at : pq_graph_crop(p->g, at, BORDER - PATCH_BORDER, p->err);
}

static int add_network(struct swin_unet *n)
{
    struct pq_parts *p = &n->parts;
    const int picture = pq_graph_input(p->g, n->channels, p->err);
    int first = add_stage(n, add_patch(n, picture), 1);
    int second = add_stage(n, add_down(n, first, 1), 2);
    int at = add_stage(n, add_down(n, second, 2), 3);
    at = add_stage(n, add_up(n, at, second, 2), 4);
    if (first >= 0 && pq_parts_has(p, "unet.proj2.weight")) {
        const int out = pq_parts_extent(p, 0, "unet.proj2.weight");
        first = out < 0 ? out : pq_parts_linear(p, first, out, "unet.proj2");
    }
    at = add_stage(n, add_up(n, at, first, 1), 5);
    at = pq_parts_linear(p, at, n->channels * n->scale * n->scale, "unet.to_image.proj");
    at = pq_parts_crop_to(p, pq_parts_shuffle(p, at, n->scale), picture, n->scale);
    return at < 0 ? at : pq_graph_clip(p->g, at, 0, 1, p->err);
}

int pq_swin_unet_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct swin_unet n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    rc = find_sizes(&n);
    return pq_parts_finish(&n.parts, rc ? rc : add_network(&n), "a SwinUNet");
}
