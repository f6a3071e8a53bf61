/* SPDX-License-Identifier: MIT */
#include "arch/arch.h"

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"

#define KEYS(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

/* The first row that fits decides, so a network whose names include another's stands before it.
 * Rows without functions are networks that are known but cannot be run: their files are refused by
 * name. */
static const struct pq_arch archs[] = {
    {"Compact", KEYS("body.0.weight", "body.1.weight"), pq_compact_detect, pq_compact_build},
    {"MM-RealSR",
     KEYS("conv_first.weight", "am_list.0.fc.0.weight", "dd_embed.0.weight", "conv_last.weight"),
     NULL, NULL},
    {"ESRGAN",
     KEYS("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_body.weight", "conv_last.weight"),
     pq_esrgan_detect, pq_esrgan_build},
    {"HAT",
     KEYS("relative_position_index_SA", "conv_first.weight", "conv_last.weight",
          "layers.0.residual_group.overlap_attn.relative_position_bias_table",
          "layers.0.residual_group.blocks.0.conv_block.cab.0.weight"),
     NULL, pq_hat_build},
    {"GRL",
     KEYS("conv_first.weight", "norm_start.weight", "norm_end.weight",
          "layers.0.blocks.0.attn.window_attn.attn_transform.logit_scale"),
     NULL, NULL},
    {"Swin2SR",
     KEYS("patch_embed.proj.weight", "layers.0.residual_group.blocks.0.norm1.weight",
          "layers.0.residual_group.blocks.0.attn.logit_scale"),
     NULL, NULL},
    {"SwinIR",
     KEYS("layers.0.residual_group.blocks.0.norm1.weight",
          "layers.0.residual_group.blocks.0.mlp.fc1.bias",
          "layers.0.residual_group.blocks.0.attn.relative_position_index"),
     NULL, pq_swinir_build},
    {"SRFormer",
     KEYS("layers.0.residual_group.blocks.0.norm1.weight",
          "layers.0.residual_group.blocks.0.attn.aligned_relative_position_index",
          "layers.0.residual_group.blocks.0.mlp.fc1.bias", "conv_first.weight"),
     NULL, pq_srformer_build},
    {"SwinUNet",
     KEYS("unet.patch.0.weight", "unet.patch.2.weight",
          "unet.swin1.block.0.attn.relative_position_bias_table", "unet.down1.conv.weight",
          "unet.up1.proj.weight", "unet.to_image.proj.weight"),
     NULL, pq_swin_unet_build},
    {"OmniSR",
     KEYS("residual_layer.0.residual_layer.0.layer.0.fn.0.weight", "input.weight", "up.0.weight"),
     NULL, pq_omnisr_build},
    {"GFPGAN", KEYS("toRGB.0.weight", "stylegan_decoder.style_mlp.1.weight"), NULL, NULL},
    {"SCUNet", KEYS("m_head.0.weight", "m_tail.0.weight", "m_body.0.conv1_1.weight"), NULL, NULL},
    {"FBCNN", KEYS("qf_pred.0.res.0.weight", "m_head.weight"), NULL, NULL},
    {"DRUNet", KEYS("m_head.weight", "m_down1.0.res.0.weight", "m_tail.weight"), NULL, NULL},
    {"CRAFT",
     KEYS("conv_first.weight", "layers.0.residual_group.hf_blocks.0.attn.temperature",
          "layers.0.residual_group.hf_blocks.0.norm1.weight"),
     NULL, NULL},
    {"DITN", KEYS("sft.weight", "UFONE.0.ITLs.0.attn.temperature", "upsample.0.weight"), NULL,
     NULL},
    {"RGT",
     KEYS("before_RG.1.weight", "layers.0.blocks.0.gamma",
          "layers.0.blocks.0.attn.attns.0.rpe_biases", "layers.0.blocks.0.mlp.fc1.weight"),
     NULL, NULL},
    {"DAT",
     KEYS("conv_first.weight", "before_RG.1.weight", "layers.0.blocks.0.attn.qkv.weight",
          "layers.0.blocks.0.attn.attns.0.rpe_biases",
          "layers.0.blocks.0.attn.spatial_interaction.0.weight",
          "layers.0.blocks.0.ffn.fc1.weight"),
     NULL, pq_dat_build},
    {"SPAN",
     KEYS("conv_1.sk.weight", "block_1.c1_r.sk.weight", "conv_cat.weight", "conv_2.sk.weight",
          "upsampler.0.weight"),
     pq_span_detect, pq_span_build},
    {"SPANPlus",
     KEYS("feats.0.sk.weight", "feats.1.block_1.c1_r.sk.weight", "feats.1.conv_2.sk.weight",
          "feats.1.conv_cat.weight"),
     pq_spanplus_detect, pq_spanplus_build},
    {"SPANF3",
     KEYS("conv_1.sk.weight", "block_1.c1_r.sk.weight", "block_1.att_conv.weight",
          "conv_cat.weight", "to_pixel.sk.weight"),
     pq_spanf3_detect, pq_spanf3_build},
    {"VGG7", KEYS("net.0.weight", "net.2.weight", "net.10.weight", "net.12.weight"), pq_vgg7_detect,
     pq_vgg7_build},
    {"UpConv7", KEYS("net.0.weight", "net.2.weight", "net.10.weight", "net.12.weight"),
     pq_upconv7_detect, pq_upconv7_build},
    {"UpCunet",
     KEYS("unet1.conv1.conv.0.weight", "unet1.conv_bottom.weight", "unet2.conv1.conv.0.weight",
          "unet2.conv_bottom.weight"),
     pq_upcunet_detect, pq_upcunet_build},
    {"Real-CUGAN",
     KEYS("unet1.conv1.conv.0.weight", "unet1.conv_bottom.weight", "unet2.conv1.conv.0.weight",
          "unet2.conv_bottom.weight"),
     NULL, pq_cugan_build},
    {"SAFMN",
     KEYS("to_feat.weight", "feats.0.norm1.weight", "feats.0.norm2.weight",
          "feats.0.safm.mfr.0.weight", "feats.0.safm.aggr.weight", "feats.0.ccm.ccm.0.weight",
          "to_img.0.weight"),
     NULL, pq_safmn_build},
    {"ATD",
     KEYS("relative_position_index_SA", "layers.0.residual_group.td",
          "layers.0.residual_group.layers.0.norm1.weight",
          "layers.0.residual_group.layers.0.wqkv.weight",
          "layers.0.residual_group.layers.0.attn_win.relative_position_bias_table",
          "layers.0.residual_group.layers.0.attn_atd.wq.weight",
          "layers.0.residual_group.layers.0.attn_aca.logit_scale",
          "layers.0.residual_group.layers.0.convffn.fc1.weight"),
     NULL, pq_atd_build},
    {"DRCT",
     KEYS("conv_first.weight", "layers.0.swin1.norm1.weight",
          "layers.0.swin1.attn.relative_position_bias_table", "layers.0.adjust1.weight",
          "layers.0.swin5.mlp.fc1.weight", "norm.weight"),
     NULL, pq_drct_build},
    {"RealPLKSR",
     KEYS("feats.0.weight", "feats.1.channel_mixer.0.weight", "feats.1.lk.conv.weight",
          "feats.1.refine.weight"),
     pq_realplksr_detect, pq_realplksr_build},
    {"PLKSR",
     KEYS("feats.0.weight", "feats.1.channe_mixer.0.weight", "feats.1.lk.conv.weight",
          "feats.1.refine.weight"),
     pq_plksr_detect, pq_plksr_build},
    {"MoSR",
     KEYS("gblocks.0.weight", "gblocks.1.norm.weight", "gblocks.1.fc1.weight",
          "gblocks.1.conv.weight", "gblocks.1.fc2.weight"),
     NULL, pq_mosr_build},
    {"RCAN",
     KEYS("body.0.body.0.body.0.weight", "body.0.body.0.body.3.conv_du.0.weight", "tail.1.weight"),
     pq_rcan_detect, pq_rcan_build},
};

/* ---- recognising ---- */

/* How many of the keys are there; *missing is the first that is not. */
static int count_keys(const struct pq_statedict *sd, const struct pq_arch *arch, int *total,
                      const char **missing)
{
    int found = 0;
    *missing = NULL;
    for (*total = 0; arch->keys[*total]; ++*total) {
        if (pq_statedict_find(sd, arch->keys[*total]))
            found++;
        else if (!*missing)
            *missing = arch->keys[*total];
    }
    return found;
}

static bool fits(const struct pq_statedict *sd, const struct pq_arch *arch)
{
    int total;
    const char *missing;
    return arch->detect ? arch->detect(sd) : count_keys(sd, arch, &total, &missing) == total;
}

/* Say what the file holds and what comes closest. */
static int fail_unknown(const struct pq_statedict *sd, pique_error *err)
{
    enum { SHOWN = 10 };
    if (sd->count == 0)
        return pq_fail(err, PIQUE_EFORMAT, "%s: the file holds no tensors", sd->map.path);
    const struct pq_arch *best = NULL;
    const char *lacks = NULL;
    int best_found = 0, best_total = 1;
    for (size_t i = 0; i < PQ_COUNT(archs); i++) {
        int total;
        const char *missing;
        int found = count_keys(sd, &archs[i], &total, &missing);
        if (found * best_total > best_found * total) {
            best = &archs[i];
            best_found = found;
            best_total = total;
            lacks = missing;
        }
    }
    struct pq_str s = {0};
    if (best && lacks)
        pq_str_printf(&s, pq_tr("; closest is %s, which needs '%s'"), best->name, lacks);
    pq_str_add(&s, pq_tr("; first tensors: "));
    for (size_t i = 0; i < sd->count && i < SHOWN; i++)
        pq_str_printf(&s, "%s%s", i ? ", " : "", sd->tensors[i].name);
    char *text = pq_str_take(&s);
    int rc = pq_fail(err, PIQUE_EUNSUPPORTED, "%s: unsupported architecture%s", sd->map.path,
                     text ? text : "");
    pq_free(text);
    return rc;
}

int pq_arch_build(const struct pq_statedict *sd, struct pq_graph **graph, const char **name,
                  pique_error *err)
{
    const struct pq_arch *arch = NULL;
    for (size_t i = 0; i < PQ_COUNT(archs) && !arch; i++) {
        if (fits(sd, &archs[i]))
            arch = &archs[i];
    }
    if (!arch)
        return fail_unknown(sd, err);
    if (!arch->build)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: unsupported architecture: this is %s, which this version cannot run",
                       sd->map.path, arch->name);
    *name = arch->name;
    int rc = pq_graph_new(graph, err);
    if (!rc)
        rc = arch->build(sd, *graph, err);
    if (rc)
        pq_graph_free(graph);
    return rc;
}

/* nunif's, Real-CUGAN's, and what the name of a JSON file says. */
const char *const pq_arch_notes[] = {"nunif_model", "name",          "kwargs.no_clip",
                                     "pro",         "enlarge first", NULL};

int pq_arch_copy_notes(const struct pq_statedict *from, struct pq_statedict *to, pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; pq_arch_notes[i] && !rc; i++) {
        const char *value = pq_statedict_note(from, pq_arch_notes[i]);
        if (value)
            rc = pq_statedict_add_metadata(to, pq_arch_notes[i], value, err);
    }
    return rc;
}

const char *pq_arch_of_graph(const struct pq_graph *g, int *features)
{
    *features = pq_compact_features(g);
    if (*features)
        return "Compact";
    *features = pq_esrgan_features(g);
    if (*features)
        return "ESRGAN";
    const char *chain = pq_waifu2x_chain(g);
    return chain ? chain : pq_unet_is(g) ? "UpCunet" : "graph";
}
