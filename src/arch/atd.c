/* SPDX-License-Identifier: MIT */
/* ATD (Zhang et al., "Transcending the Limit of Local Window: Advanced Super-Resolution Transformer
 * with Adaptive Token Dictionary", 2024).
 *
 * SwinIR's frame. A layer adds three things to x: attention in windows; what each pixel finds in
 * the group's dictionary of tokens; and attention among pixels that found the same token, which are
 * sorted by that and cut into runs. Then the dictionary learns from the picture. So every pixel
 * depends on all.
 *
 * Among pixels of one category the reference program leaves the order to an unstable sort, and so
 * what comes into one run; here it is row by row. */
#include "arch/arch.h"

#include <math.h>

#include "arch/ends.h"
#include "arch/windows.h"
#include "base/alloc.h"

enum { RUN = 256, LIGHT_RUN = 128, LIGHT_DIM = 48 };

static const float norm3_eps = 1e-5f, most_logit = 4.605170186f; /* ln 100 */

struct atd {
    struct pq_parts parts;
    struct pq_ends ends;
    struct pq_windows windows;
    bool bias;           /* of wqkv and the like */
    int tokens, reduced; /* of the dictionary; channels in which it is searched */
    int run;
    struct pq_tensor unit; /* what brings a root of mean squares to a norm */
};

#define LAYER "layers.%d.residual_group.layers.%d"

/* ---- sizes ---- */

static int fill_unit(struct atd *n)
{
    float *values = pq_graph_own(n->parts.g, (size_t)n->reduced * sizeof *values);
    if (!values)
        return pq_fail_nomem(n->parts.err, (size_t)n->reduced * sizeof *values);
    for (int i = 0; i < n->reduced; i++)
        values[i] = (float)pow(n->reduced, -0.5);
    n->unit = (struct pq_tensor){.dtype = PQ_F32, .dims = 1, .shape = {n->reduced}, .data = values};
    return 0;
}

static int find_sizes(struct atd *n)
{
    struct pq_parts *p = &n->parts;
    int rc = pq_ends_find(p, &n->ends);
    if (!rc)
        rc = pq_windows_begin(p, &n->windows, LAYER ".attn_win", 0, 0);
    if (rc)
        return rc;
    if (pq_parts_has(p, "no_norm"))
        n->ends.mean = false;
    pq_parts_skip(p, "no_norm");
    pq_parts_skip_endings(p, ".attn_mask");
    n->bias = pq_parts_has(p, LAYER ".wqkv.bias", 0, 0);
    n->run = n->ends.enlarge == PQ_ENLARGE_DIRECT && n->ends.dim == LIGHT_DIM ? LIGHT_RUN : RUN;
    n->tokens = pq_parts_extent(p, 0, LAYER ".attn_atd.scale", 0, 0);
    n->reduced = pq_parts_extent(p, 0, LAYER ".attn_atd.wq.weight", 0, 0);
    if (n->tokens < 0 || n->reduced < 0)
        return PQ_MIN(n->tokens, n->reduced);
    if (n->tokens > PQ_MAX_CHANNELS || n->reduced > PQ_MAX_CHANNELS)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED,
                             "tensor '" LAYER ".attn_atd.wq.weight' is for %d tokens of %d "
                             "channels; %d are possible",
                             0, 0, n->tokens, n->reduced, PQ_MAX_CHANNELS);
    const int area = n->windows.size * n->windows.size;
    rc = pq_windows_check_index(p, n->windows.index, area, area, "relative_position_index_SA");
    return rc ? rc : fill_unit(n);
}

/* ---- the dictionary ---- */

/* NAME.weight [outputs, dim] over each token. */
static int add_tokens_linear(struct atd *n, int tokens, int outputs, int group, int layer,
                             const char *name)
{
    struct pq_parts *p = &n->parts;
    const struct pq_tensor *weight = NULL, *bias = NULL;
    const int64_t shape[] = {outputs, n->ends.dim};
    int rc = pq_parts_tensor(p, 2, shape, &weight, LAYER ".attn_atd.%s.weight", group, layer, name);
    if (!rc && n->bias)
        rc = pq_parts_tensor(p, 1, shape, &bias, LAYER ".attn_atd.%s.bias", group, layer, name);
    return rc ? rc : pq_graph_tokens_linear(p->g, tokens, n->tokens, weight, bias, p->err);
}

/* How much more a token counts than by its angle: 1 + clamp(scale, 0, 1) ln tokens. */
static int find_sharpness(struct atd *n, int group, int layer, struct pq_tensor *out)
{
    struct pq_parts *p = &n->parts;
    const struct pq_tensor *scale = NULL;
    const int64_t shape[] = {n->tokens};
    int rc = pq_parts_tensor(p, 1, shape, &scale, LAYER ".attn_atd.scale", group, layer);
    if (rc)
        return rc;
    float *values = pq_graph_own(p->g, (size_t)n->tokens * sizeof *values);
    if (!values)
        return pq_fail_nomem(p->err, (size_t)n->tokens * sizeof *values);
    pq_tensor_to_f32(scale, 0, (size_t)n->tokens, values);
    for (int i = 0; i < n->tokens; i++)
        values[i] = (float)(1 + fmin(fmax((double)values[i], 0), 1) * log(n->tokens));
    *out = (struct pq_tensor){.dtype = PQ_F32, .dims = 1, .shape = {n->tokens}, .data = values};
    return 0;
}

/* How much of which token a pixel is like. */
static int add_look_up(struct atd *n, int y, int tokens, int group, int layer)
{
    struct pq_parts *p = &n->parts;
    struct pq_tensor sharpness;
    int rc = find_sharpness(n, group, layer, &sharpness);
    int keys = rc ? rc : add_tokens_linear(n, tokens, n->reduced, group, layer, "wk");
    if (keys >= 0)
        keys = pq_graph_tokens_unit(p->g, keys, n->tokens, &sharpness, p->err);
    if (keys < 0)
        return keys;
    int q = pq_windows_linear(p, y, &(struct pq_some_rows){0, n->reduced, n->reduced, n->bias},
                              LAYER ".attn_atd.wq", group, layer);
    if (q >= 0)
        q = pq_graph_norm(p->g, q, PQ_OP_RMS_NORM, &n->unit, NULL, 1e-24f / (float)n->reduced,
                          p->err);
    return q < 0 ? q : pq_graph_look_up(p->g, q, keys, n->tokens, p->err);
}

/* What the dictionary is for the next layer. */
static int add_update(struct atd *n, int x, int likeness, int tokens, int group, int layer)
{
    struct pq_parts *p = &n->parts;
    const struct pq_tensor *sigma = NULL;
    const int64_t shape[] = {n->tokens, 1};
    int rc = pq_parts_tensor(p, 2, shape, &sigma, LAYER ".sigma", group, layer);
    if (rc)
        return rc;
    struct pq_tensor keep = *sigma;
    keep.dims = 1;
    const int scores =
        pq_parts_group_norm(p, likeness, n->tokens, norm3_eps, LAYER ".norm3", group, layer);
    return scores < 0 ? scores : pq_graph_tokens_update(p->g, scores, x, tokens, &keep, p->err);
}

/* ---- attention ---- */

static int add_windows(struct atd *n, const int qkv[3], int group, int layer)
{
    struct pq_parts *p = &n->parts;
    const int size = n->windows.size, shift = layer % 2 ? size / 2 : 0;
    int at = pq_windows_attend(p, qkv,
                               &(struct pq_attention){.height = size,
                                                      .width = size,
                                                      .key_height = size,
                                                      .key_width = size,
                                                      .shift_y = shift,
                                                      .shift_x = shift,
                                                      .index = n->windows.index},
                               (2 * size - 1) * (2 * size - 1), LAYER ".attn_win", group, layer);
    return pq_parts_linear(p, at, n->ends.dim, LAYER ".attn_win.proj", group, layer);
}

/* Among pixels that are most like the same token. */
static int add_categories(struct atd *n, const int qkv[3], int likeness, int group, int layer)
{
    struct pq_parts *p = &n->parts;
    const float *logit = NULL;
    int order, rank, sorted[3];
    const int heads =
        pq_parts_extent(p, 1, LAYER ".attn_win.relative_position_bias_table", group, layer);
    int rc = heads < 0 ? heads : pq_graph_sort(p->g, likeness, &order, &rank, p->err);
    if (!rc)
        rc = pq_parts_values(p, 2, (const int64_t[]){1, 1}, &logit, LAYER ".attn_aca.logit_scale",
                             group, layer);
    for (int i = 0; i < 3 && rc >= 0; i++)
        rc = sorted[i] = pq_graph_pick(p->g, qkv[i], order, p->err);
    if (rc < 0)
        return rc;
    const float scale = (float)exp(fmin((double)*logit, (double)most_logit));
    int at = pq_graph_run_attention(p->g, sorted, heads, n->run, scale, p->err);
    if (at >= 0)
        at = pq_graph_pick(p->g, at, rank, p->err);
    return pq_windows_linear(p, at, &(struct pq_some_rows){0, n->ends.dim, n->ends.dim, n->bias},
                             LAYER ".attn_aca.proj", group, layer);
}

/* ---- layers ---- */

/* *tokens becomes the next layer's dictionary, unless this is the last one. */
static int add_layer(struct atd *n, int x, int *tokens, int group, int layer, bool last)
{
    struct pq_parts *p = &n->parts;
    const int dim = n->ends.dim;
    int y = pq_parts_layer_norm(p, x, pq_windows_eps, LAYER ".norm1", group, layer), qkv[3];
    for (int i = 0; i < 3; i++) {
        qkv[i] = pq_windows_linear(p, y, &(struct pq_some_rows){i * dim, dim, 3 * dim, n->bias},
                                   LAYER ".wqkv", group, layer);
        if (qkv[i] < 0)
            return qkv[i];
    }
    const int likeness = add_look_up(n, y, *tokens, group, layer);
    const int values =
        likeness < 0 ? likeness : add_tokens_linear(n, *tokens, dim, group, layer, "wv");
    if (values < 0)
        return values;
    x = pq_parts_add(p, x, add_windows(n, qkv, group, layer));
    x = pq_parts_add(p, x, pq_graph_blend(p->g, likeness, values, p->err));
    x = pq_parts_add(p, x, add_categories(n, qkv, likeness, group, layer));
    y = pq_parts_layer_norm(p, x, pq_windows_eps, LAYER ".norm2", group, layer);
    x = pq_parts_add(p, x, pq_windows_conv_feed(p, y, LAYER ".convffn", group, layer));
    if (x < 0 || last)
        return x;
    *tokens = add_update(n, x, likeness, *tokens, group, layer);
    return *tokens < 0 ? *tokens : x;
}

static int add_group(struct atd *n, int x, int group)
{
    struct pq_parts *p = &n->parts;
    const struct pq_tensor *td = NULL;
    const int layers = pq_parts_count(p, "layers.%d.residual_group.layers", group);
    const int64_t shape[] = {n->tokens, n->ends.dim};
    int rc = layers < 0 ? layers
                        : pq_parts_tensor(p, 2, shape, &td, "layers.%d.residual_group.td", group);
    int tokens = rc ? rc : pq_graph_constant(p->g, td, p->err);
    int at = tokens < 0 ? tokens : x;
    for (int i = 0; i < layers && at >= 0; i++)
        at = add_layer(n, at, &tokens, group, i, i == layers - 1);
    return pq_parts_add(p, x, pq_ends_closing(p, at, "layers.%d.conv", group));
}

static int add_network(struct atd *n)
{
    struct pq_parts *p = &n->parts;
    const int groups = pq_parts_count(p, "layers");
    int at =
        groups < 0 ? groups : pq_windows_body_begin(p, &n->ends, PQ_PAD_MIRROR, n->windows.size);
    for (int group = 0; group < groups && at >= 0; group++)
        at = add_group(n, at, group);
    return pq_windows_body_finish(p, &n->ends, at, true);
}

int pq_atd_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct atd n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    rc = find_sizes(&n);
    return pq_parts_finish(&n.parts, rc ? rc : add_network(&n), "an ATD");
}
