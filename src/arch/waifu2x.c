/* SPDX-License-Identifier: MIT */
/* The networks of waifu2x, as nunif keeps them:
 *
 *     vgg_7      seven 3x3 convolutions, leaky ReLU of 0.1 between
 *     upconv_7   six, and a transposed one that enlarges by 2
 *     cunet      the U-Nets of unet.c at the size of the picture
 *     upcunet    the same, enlarging by 2
 *
 * No layer pads. The border of the picture is repeated as wide as the network takes off, for the
 * U-Nets further to the right and below up to a multiple of 4. Results go into 0 .. 1.
 *
 * vgg_7 enlarges too where what lies before it is told to: nearest by 2, which it then sharpens.
 *
 * nunif writes a network's name and arguments around its tensors ("nunif_model", "name", "kwargs").
 * Tensors alone are told by their shapes; those of upcunet are the same as Real-CUGAN's, and are
 * taken for that. */
#include "arch/arch.h"

#include <stdio.h>
#include <string.h>

#include "arch/parts.h"
#include "arch/unet.h"
#include "base/alloc.h"

enum { LAYERS = 7, LAST = 2 * (LAYERS - 1), CHAIN_BORDER = 7, CUNET_BORDER = 28, UP_BORDER = 18 };

/* The name that nunif knows a network by, or NULL. */
static const char *nunif_name(const struct pq_statedict *sd)
{
    return pq_statedict_note(sd, "nunif_model") ? pq_statedict_note(sd, "name") : NULL;
}

static bool is_named(const struct pq_statedict *sd, const char *name)
{
    const char *is = nunif_name(sd);
    return is && strcmp(is, name) == 0;
}

/* ---- a row of convolutions ---- */

/* Whether this is a row of seven: by its name, or by those of its tensors and the last kernel. */
static bool is_chain(const struct pq_statedict *sd, const char *nunif, int kernel)
{
    char name[32];
    const struct pq_tensor *t = NULL;
    if (nunif_name(sd))
        return is_named(sd, nunif);
    for (int layer = 0; layer <= LAST; layer += 2) {
        snprintf(name, sizeof name, "net.%d.weight", layer);
        t = pq_statedict_find(sd, name);
        if (!t || t->dims != 4)
            return false;
    }
    snprintf(name, sizeof name, "net.%d.weight", LAST + 2);
    return t->shape[3] == kernel && !pq_statedict_find(sd, name);
}

bool pq_vgg7_detect(const struct pq_statedict *sd)
{
    return is_chain(sd, "waifu2x.vgg_7", 3);
}

bool pq_upconv7_detect(const struct pq_statedict *sd)
{
    return is_chain(sd, "waifu2x.upconv_7", 4);
}

static int build_chain(const struct pq_statedict *sd, struct pq_graph *g, int scale,
                       const char *network, pique_error *err)
{
    struct pq_parts p;
    int rc = pq_parts_begin(&p, sd, g, err);
    if (rc)
        return rc;
    int channels = pq_parts_extent(&p, 1, "net.0.weight");
    int picture = channels < 0 ? channels : pq_graph_input(g, channels, err);
    const char *first = pq_statedict_note(sd, "enlarge first");
    int at =
        scale == 1 && first && strcmp(first, "2") == 0 ? pq_parts_nearest(&p, picture, 2) : picture;
    at = pq_parts_pad(&p, at, PQ_PAD_EDGE, CHAIN_BORDER, 1);
    for (int layer = 0; layer < LAST; layer += 2) {
        char name[32];
        snprintf(name, sizeof name, "net.%d", layer);
        at = pq_unet_leaky(&p, pq_unet_conv(&p, at, name));
    }
    const struct pq_conv_shape valid = {0};
    at = scale == 1 ? pq_parts_conv_as(&p, at, channels, 3, 3, &valid, "net.%d", LAST)
                    : pq_parts_deconv(&p, at, channels, 4, 2, 3, "net.%d", LAST);
    return pq_parts_finish(&p, pq_parts_clip(&p, at, 0, 1), network);
}

int pq_vgg7_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    return build_chain(sd, g, 1, "a vgg_7", err);
}

int pq_upconv7_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    return build_chain(sd, g, 2, "an upconv_7", err);
}

const char *pq_waifu2x_chain(const struct pq_graph *g)
{
    int i = 1;
    for (; i < g->count && g->ops[i].kind == PQ_OP_CONV2D && g->ops[i].in[0] == i - 1; i++) {
        const struct pq_op *op = &g->ops[i];
        if (op->ver.kernel != 3 || op->ver.before || op->ver.stride != 1 || op->residual ||
            op->act.on != (i < LAYERS))
            break;
    }
    if (i == LAYERS + 1 && i == g->count)
        return "VGG7";
    /* The transposed convolution: 2x2 with a border of zeros, shuffled and cut. */
    return i == LAYERS && g->count == LAYERS + 3 && g->ops[i].kind == PQ_OP_CONV2D &&
                   g->ops[i].ver.kernel == 2 && g->ops[i + 1].kind == PQ_OP_PIXEL_SHUFFLE &&
                   g->ops[i + 1].factor == 2 && g->ops[i + 2].kind == PQ_OP_CROP
               ? "UpConv7"
               : NULL;
}

/* ---- U-Nets ---- */

bool pq_upcunet_detect(const struct pq_statedict *sd)
{
    if (nunif_name(sd))
        return is_named(sd, "waifu2x.cunet") || is_named(sd, "waifu2x.upcunet");
    const struct pq_tensor *t = pq_statedict_find(sd, "unet1.conv_bottom.weight");
    return t && t->dims == 4 && t->shape[2] == 3 &&
           pq_statedict_find(sd, "unet1.conv1.conv.0.weight") &&
           pq_statedict_find(sd, "unet2.conv1.conv.0.weight");
}

/* The first U-Net's result is clipped but where the file says otherwise. Before nunif it was not,
 * so that it is not for tensors alone. */
static bool is_clipped(const struct pq_statedict *sd)
{
    const char *no_clip = pq_statedict_note(sd, "kwargs.no_clip");
    return nunif_name(sd) && !(no_clip && strcmp(no_clip, "true") == 0);
}

int pq_upcunet_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct pq_parts p;
    int rc = pq_parts_begin(&p, sd, g, err);
    if (rc)
        return rc;
    int scale = pq_unet_scale(&p);
    int channels = pq_parts_extent(&p, 1, "unet1.conv1.conv.0.weight");
    int at = PQ_MIN(PQ_MIN(scale, channels), 0);
    if (scale > 2)
        at = pq_parts_fail(&p, PIQUE_EFORMAT, "a cunet enlarges by 1 or 2, not by %d", scale);
    if (at >= 0) {
        int picture = pq_graph_input(g, channels, err);
        at = pq_parts_pad(&p, picture, PQ_PAD_EDGE, scale == 1 ? CUNET_BORDER : UP_BORDER, 4);
        at = pq_unet_add(&p, at, scale, channels, is_clipped(sd));
        at = pq_parts_clip(&p, pq_parts_crop_to(&p, at, picture, scale), 0, 1);
    }
    return pq_parts_finish(&p, at, "a cunet");
}
