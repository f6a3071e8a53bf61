/* SPDX-License-Identifier: MIT */
/* PLKSR (Lee, Yun and Ro, "Partial Large Kernel CNNs for Efficient Super-Resolution", 2024) and
 * RealPLKSR, its variant of training programs.
 *
 *     x -> conv -> block -> ... -> block -> conv -> + -> to_img
 *      \-------------- each channel s s times -----/
 *
 * A block adds to x what comes out of
 *
 *     mixer (to twice the channels and back) -> large kernel on the first channels alone ->
 *     attention (x sigmoid(conv x)), where there is one -> 1x1
 *
 * RealPLKSR's has Mish in its mixer, and either a group norm of 4 groups at its end, which makes
 * every pixel depend on the whole picture, or a layer norm at its beginning. PLKSR's has GELU, no
 * norm, and one of three large kernels: a dense one, a sum of dilated 5x5, or a high, a wide and a
 * small one. to_img is a pixel shuffle or DySample. That a name is spelt channe_mixer is no mistake
 * of ours. */
#include "arch/arch.h"

#include "arch/dysample.h"
#include "arch/parts.h"
#include "base/alloc.h"

enum { PICTURE = 3, MAX_BLOCKS = 500, NORM_GROUPS = 4, SPARSE_KERNEL = 5 };

static const float group_eps = 1e-5f, layer_eps = 1e-6f;

struct plksr {
    struct pq_parts parts;
    bool real;          /* RealPLKSR */
    int layers, blocks; /* of feats; the blocks among them */
    int dim, scale;
    bool dysample;
};

static bool has_large_kernel(const struct pq_statedict *sd)
{
    return pq_statedict_find(sd, "feats.1.lk.conv.weight") ||
           pq_statedict_find(sd, "feats.1.lk.convs.0.weight") ||
           pq_statedict_find(sd, "feats.1.lk.mn_conv.weight");
}

/* By the mixer, of which one tensor may be missing, so that this can be said. */
static bool detect(const struct pq_statedict *sd, const char *weight, const char *bias)
{
    return (pq_statedict_find(sd, weight) || pq_statedict_find(sd, bias)) &&
           (has_large_kernel(sd) || pq_statedict_find(sd, "feats.1.refine.weight"));
}

bool pq_plksr_detect(const struct pq_statedict *sd)
{
    return detect(sd, "feats.1.channe_mixer.0.weight", "feats.1.channe_mixer.0.bias");
}

bool pq_realplksr_detect(const struct pq_statedict *sd)
{
    return detect(sd, "feats.1.channel_mixer.0.weight", "feats.1.channel_mixer.0.bias");
}

/* RealPLKSR has a layer without weights, a dropout, before its last convolution. */
static int find_sizes(struct plksr *n)
{
    struct pq_parts *p = &n->parts;
    n->layers = pq_parts_count(p, "feats");
    if (n->layers < 0)
        return n->layers;
    n->blocks = n->layers - (n->real ? 3 : 2);
    if (n->blocks < 1 || n->blocks > MAX_BLOCKS)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "%d blocks; 1 to %d are possible", n->blocks,
                             MAX_BLOCKS);
    n->dim = pq_parts_extent(p, 0, "feats.0.weight");
    int out = pq_parts_extent(p, 0, "feats.%d.weight", n->layers - 1);
    if (n->dim < 0 || out < 0)
        return PQ_MIN(n->dim, out);
    n->scale = out % PICTURE ? 0 : pq_square_root(out / PICTURE);
    if (n->scale < 1 || n->scale > PQ_MAX_FACTOR)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor 'feats.%d.weight' has %d outputs, which is no square scale of "
                             "%d channels",
                             n->layers - 1, out, PICTURE);
    n->dysample = pq_parts_has(p, "to_img.init_pos");
    return 0;
}

/* ---- large kernels, over the first channels ---- */

static int add_sparse(struct plksr *n, int x, int block)
{
    struct pq_parts *p = &n->parts;
    int count = pq_parts_count(p, "feats.%d.lk.convs", block), sum = -1;
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        const int channels = p->g->ops[x].channels, reach = SPARSE_KERNEL / 2 * (i + 1);
        const struct pq_conv_shape shape = {.dilation_y = i + 1,
                                            .dilation_x = i + 1,
                                            .top = reach,
                                            .left = reach,
                                            .bottom = reach,
                                            .right = reach};
        int y = pq_parts_conv_as(p, x, channels, SPARSE_KERNEL, SPARSE_KERNEL, &shape,
                                 "feats.%d.lk.convs.%d", block, i);
        sum = i == 0 ? y : pq_parts_add(p, sum, y);
        if (sum < 0)
            return sum;
    }
    return sum;
}

static int add_rectangular(struct plksr *n, int x, int block)
{
    struct pq_parts *p = &n->parts;
    static const char *const names[] = {"mn_conv", "nm_conv", "nn_conv"};
    int sum = -1;
    for (int i = 0; i < 3; i++) {
        int high = pq_parts_extent(p, 2, "feats.%d.lk.%s.weight", block, names[i]);
        int wide = pq_parts_extent(p, 3, "feats.%d.lk.%s.weight", block, names[i]);
        if (high < 0 || wide < 0)
            return PQ_MIN(high, wide);
        const struct pq_conv_shape shape = {
            .top = high / 2, .bottom = high / 2, .left = wide / 2, .right = wide / 2};
        int y = pq_parts_conv_as(p, x, p->g->ops[x].channels, high, wide, &shape, "feats.%d.lk.%s",
                                 block, names[i]);
        sum = i == 0 ? y : pq_parts_add(p, sum, y);
        if (sum < 0)
            return sum;
    }
    return sum;
}

static bool has_layer(const struct pq_parts *p, int block, const char *name)
{
    return pq_parts_has(p, "feats.%d.lk.%s.weight", block, name) ||
           pq_parts_has(p, "feats.%d.lk.%s.bias", block, name);
}

static const char *large_kernel_name(const struct pq_parts *p, int block)
{
    if (has_layer(p, block, "convs.0"))
        return "convs.0";
    return has_layer(p, block, "mn_conv") ? "mn_conv" : "conv";
}

static int add_large_kernel(struct plksr *n, int x, int block)
{
    struct pq_parts *p = &n->parts;
    if (x < 0)
        return x;
    const char *name = large_kernel_name(p, block);
    int part = pq_parts_extent(p, 0, "feats.%d.lk.%s.weight", block, name);
    int kernel = pq_parts_extent(p, 2, "feats.%d.lk.%s.weight", block, name);
    if (part < 0 || kernel < 0)
        return PQ_MIN(part, kernel);
    if (part > n->dim)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor 'feats.%d.lk.%s.weight' is for %d of %d channels", block, name,
                             part, n->dim);
    int first = pq_parts_slice(p, x, 0, part), y = first;
    if (first < 0)
        return first;
    if (name[0] == 'm')
        y = add_rectangular(n, first, block);
    else if (name[4] == 's')
        y = add_sparse(n, first, block);
    else
        y = pq_parts_conv(p, first, part, kernel, "feats.%d.lk.conv", block);
    if (part == n->dim)
        return y;
    int rest = pq_parts_slice(p, x, part, n->dim - part);
    return pq_parts_concat(p, 2, (const int[]){y, rest});
}

/* ---- blocks ---- */

static int add_mixer(struct plksr *n, int x, int block)
{
    struct pq_parts *p = &n->parts;
    const char *name = n->real ? "channel_mixer" : "channe_mixer";
    int first = pq_parts_extent(p, 2, "feats.%d.%s.0.weight", block, name);
    int second = pq_parts_extent(p, 2, "feats.%d.%s.2.weight", block, name);
    if (x < 0 || first < 0 || second < 0)
        return x < 0 ? x : PQ_MIN(first, second);
    x = pq_parts_conv(p, x, 2 * n->dim, first, "feats.%d.%s.0", block, name);
    x = pq_parts_curve(p, x, n->real ? PQ_ACT_MISH : PQ_ACT_GELU);
    return pq_parts_conv(p, x, n->dim, second, "feats.%d.%s.2", block, name);
}

static int add_block(struct plksr *n, int x, int block)
{
    struct pq_parts *p = &n->parts;
    const bool layer_norm = n->real && (pq_parts_has(p, "feats.%d.layer_norm.weight", block) ||
                                        pq_parts_has(p, "feats.%d.layer_norm.bias", block));
    int y = x;
    if (layer_norm)
        y = pq_parts_layer_norm(p, y, layer_eps, "feats.%d.layer_norm", block);
    y = add_mixer(n, y, block);
    y = add_large_kernel(n, y, block);
    if (pq_parts_has(p, "feats.%d.attn.f.0.weight", block)) {
        int gate = pq_parts_conv(p, y, n->dim, 3, "feats.%d.attn.f.0", block);
        y = pq_parts_mul(p, y, pq_parts_curve(p, gate, PQ_ACT_SIGMOID));
    }
    y = pq_parts_conv(p, y, n->dim, 1, "feats.%d.refine", block);
    if (n->real && !layer_norm)
        y = pq_parts_group_norm(p, y, NORM_GROUPS, group_eps, "feats.%d.norm", block);
    return pq_parts_add(p, x, y);
}

/* Each channel s s times, one copy behind another: what a pixel shuffle makes the enlarged picture
 * of. A 1x1 convolution of ones does that exactly. */
static int add_repeated(struct plksr *n, int picture)
{
    struct pq_parts *p = &n->parts;
    const int copies = n->scale * n->scale, out = PICTURE * copies;
    float *ones = pq_graph_own(p->g, (size_t)(out * PICTURE) * sizeof *ones);
    if (!ones)
        return pq_fail_nomem(p->err, (size_t)(out * PICTURE) * sizeof *ones);
    for (int o = 0; o < out; o++) {
        for (int c = 0; c < PICTURE; c++)
            ones[o * PICTURE + c] = o / copies == c ? 1 : 0;
    }
    const struct pq_tensor weight = {
        .dtype = PQ_F32, .dims = 4, .shape = {out, PICTURE, 1, 1}, .data = ones};
    return pq_graph_conv2d(p->g, picture, &weight, NULL, p->err);
}

static int add_network(struct plksr *n)
{
    struct pq_parts *p = &n->parts;
    int picture = pq_graph_input(p->g, PICTURE, p->err);
    int at = pq_parts_conv(p, picture, n->dim, 3, "feats.0");
    for (int block = 1; block <= n->blocks && at >= 0; block++)
        at = add_block(n, at, block);
    at = pq_parts_conv(p, at, PICTURE * n->scale * n->scale, 3, "feats.%d", n->layers - 1);
    if (at < 0)
        return at;
    if (!n->dysample) { /* the sum and the shuffle change places */
        at = pq_parts_shuffle(p, at, n->scale);
        return pq_parts_add(p, at, pq_parts_nearest(p, picture, n->scale));
    }
    at = pq_parts_add(p, at, add_repeated(n, picture));
    return pq_dysample_add(p, at, PICTURE, n->scale, "to_img");
}

static int build(const struct pq_statedict *sd, struct pq_graph *g, bool real, pique_error *err)
{
    struct plksr n = {.real = real};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    n.parts.needs_biases = true;
    int at = find_sizes(&n);
    if (at >= 0)
        at = add_network(&n);
    return pq_parts_finish(&n.parts, at, real ? "a RealPLKSR" : "a PLKSR");
}

int pq_plksr_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    return build(sd, g, false, err);
}

int pq_realplksr_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    return build(sd, g, true, err);
}
