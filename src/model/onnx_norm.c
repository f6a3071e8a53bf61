/* SPDX-License-Identifier: MIT */
/* Normalisation and means. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_emit.h"
#include "model/onnx_ops.h"

/* Input i, a list of that many floats. */
static int list(struct pq_import *im, size_t i, int64_t count, const struct pq_number **out)
{
    int rc;
    *out = pq_op_constant(im, i, &rc);
    if (*out && pq_number_count(*out) != (size_t)count)
        rc = pq_import_fail(im, PIQUE_EFORMAT, "its input %zu has %zu numbers, not %lld", i,
                            pq_number_count(*out), (long long)count);
    return rc;
}

int pq_op_batch_norm(struct pq_import *im, int what)
{
    (void)what;
    int in;
    int rc = pq_layout_picture(im, pq_import_in(im, 0), &in);
    if (rc)
        return rc;
    const int channels = im->graph->ops[in].channels;
    const struct pq_number *part[4]; /* scale, bias, mean, variance */
    for (size_t i = 0; i < 4; i++) {
        rc = list(im, i + 1, channels, &part[i]);
        if (rc)
            return rc;
    }
    if (pq_import_int(im, "training_mode", 0))
        return pq_import_refuse(im, "it is as in training; export the network in eval() mode");
    const double eps = (double)pq_import_float(im, "epsilon", 1e-5F);
    double *factors = pq_malloc((size_t)channels * 2 * sizeof *factors);
    if (!factors)
        return pq_fail_nomem(im->err, (size_t)channels * 2 * sizeof *factors);
    double *terms = factors + channels;
    for (int c = 0; c < channels; c++) {
        const size_t k = (size_t)c;
        factors[c] = pq_number_at(part[0], 0, k) / sqrt(pq_number_at(part[3], 0, k) + eps);
        terms[c] = pq_number_at(part[1], 0, k) - pq_number_at(part[2], 0, k) * factors[c];
    }
    const int op = pq_emit_scaled(im, in, factors, terms);
    pq_free(factors);
    return pq_op_set_nchw(im, 0, op);
}

/* One of `count` numbers for each channel. */
static int repeat(struct pq_import *im, const struct pq_number *n, int channels,
                  struct pq_tensor *t)
{
    const int each = channels / (int)pq_number_count(n);
    float *to = pq_emit_floats(im, channels, t);
    for (int c = 0; c < channels && to; c++)
        to[c] = (float)pq_number_at(n, 0, (size_t)(c / each));
    return to ? 0 : pq_fail_nomem(im->err, (size_t)channels * sizeof *to);
}

static int group_norm(struct pq_import *im, const struct pq_value *v, int groups,
                      const struct pq_number *scale, const struct pq_number *bias)
{
    const int channels = im->graph->ops[v->op].channels;
    struct pq_tensor weights, biases;
    if (im->graph->ops[v->op].global)
        return pq_import_refuse(im, "one pixel cannot be normalised");
    int rc = repeat(im, scale, channels, &weights);
    if (!rc)
        rc = repeat(im, bias, channels, &biases);
    if (rc)
        return rc;
    pique_error e = {0};
    int op = pq_graph_group_norm(im->graph, v->op, groups, &weights, &biases,
                                 pq_import_float(im, "epsilon", 1e-5F), &e);
    return pq_import_set_picture(im, 0, pq_import_placed(im, op, &e), &v->layout);
}

/* Over all but the first two dimensions. Where the second is the upper digits of the channels, it
 * is normalisation in groups: so exporters write it. */
int pq_op_instance_norm(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    const struct pq_number *scale, *bias;
    int rc = pq_op_input(im, &v);
    if (rc)
        return rc;
    const struct pq_layout *l = &v.layout;
    const int channels = im->graph->ops[v.op].channels;
    int64_t groups = 1;
    bool upper = l->dims >= 2 && !l->length[0];
    for (int i = 0; i < l->length[1] && upper; i++) {
        upper = l->atoms[i].axis == PQ_CHANNELS &&
                groups * l->atoms[i].size * l->atoms[i].inner == channels;
        groups *= upper ? l->atoms[i].size : 1;
    }
    if (!upper)
        return pq_import_refuse(im, "it normalises over something else than pixels of groups of "
                                    "channels");
    rc = list(im, 1, groups, &scale);
    if (!rc)
        rc = list(im, 2, groups, &bias);
    return rc ? rc : group_norm(im, &v, (int)groups, scale, bias);
}

int pq_op_group_norm(struct pq_import *im, int what)
{
    (void)what;
    int rc, op = -1;
    const int64_t groups = pq_import_int(im, "num_groups", 0);
    const struct pq_number *scale = pq_op_constant(im, 1, &rc);
    const struct pq_number *bias = scale ? pq_op_constant(im, 2, &rc) : NULL;
    if (!bias)
        return rc;
    rc = pq_layout_picture(im, pq_import_in(im, 0), &op);
    if (rc)
        return rc;
    const int channels = im->graph->ops[op].channels;
    const size_t count = pq_number_count(scale);
    if (groups < 1 || channels % groups || pq_number_count(bias) != count ||
        (count != (size_t)groups && count != (size_t)channels))
        return pq_import_fail(im, PIQUE_EFORMAT, "its groups do not fit its channels");
    struct pq_value v = {.kind = PQ_VALUE_PICTURE, .op = op};
    pq_layout_nchw(&v.layout, channels);
    return group_norm(im, &v, (int)groups, scale, bias);
}

int pq_op_layer_norm(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    const struct pq_number *weight, *bias = NULL;
    int axis;
    int rc = pq_op_input(im, &v);
    if (!rc)
        rc = pq_import_axis(im, pq_import_int(im, "axis", -1), v.layout.dims, &axis);
    if (!rc && axis != v.layout.dims - 1)
        rc = pq_import_refuse(im, "only the last dimension can be normalised");
    if (!rc)
        rc = pq_layout_settle(im, &v, axis);
    if (rc)
        return rc;
    const int channels = im->graph->ops[v.op].channels;
    struct pq_tensor weights, biases;
    rc = list(im, 1, channels, &weight);
    if (!rc && pq_import_in(im, 2)->kind != PQ_VALUE_NONE)
        rc = list(im, 2, channels, &bias);
    if (!rc)
        rc = repeat(im, weight, channels, &weights);
    if (!rc && bias)
        rc = repeat(im, bias, channels, &biases);
    if (rc)
        return rc;
    pique_error e = {0};
    int op = pq_graph_norm(im->graph, v.op, PQ_OP_LAYER_NORM, &weights, bias ? &biases : NULL,
                           pq_import_float(im, "epsilon", 1e-5F), &e);
    return pq_import_set_picture(im, 0, pq_import_placed(im, op, &e), &v.layout);
}

/* ---- means ---- */

/* Which dimensions: those of `axes`, or all behind the second. */
static int mean_dims(struct pq_import *im, int dims, bool global, bool which[PQ_MAX_DIMS])
{
    int64_t axes[PQ_MAX_DIMS];
    int n = -1;
    int rc = global ? 0 : pq_import_ints(im, "axes", 1, PQ_MAX_DIMS, axes, &n);
    for (int d = 0; d < PQ_MAX_DIMS; d++)
        which[d] = n < 0 && d >= (global ? 2 : 0);
    for (int i = 0; i < n && !rc; i++) {
        int d = 0;
        rc = pq_import_axis(im, axes[i], dims, &d);
        which[d] = true;
    }
    return rc;
}

int pq_op_mean(struct pq_import *im, int what)
{
    struct pq_value v;
    bool which[PQ_MAX_DIMS];
    int rc = pq_op_input(im, &v);
    if (!rc)
        rc = pq_layout_settle(im, &v, pq_op_channel_dim(im, &v));
    if (!rc)
        rc = mean_dims(im, v.layout.dims, what, which);
    if (rc)
        return rc;
    const struct pq_layout *l = &v.layout;
    const bool keep = what || pq_import_int(im, "keepdims", 1);
    bool pixels = false, channels = false, rest = false;
    struct pq_layout out = {.roll = {l->roll[0], l->roll[1]}};
    for (int d = 0, i = 0; d < l->dims; d++) {
        for (int end = i + l->length[d]; i < end; i++) {
            const bool channel = l->atoms[i].axis == PQ_CHANNELS;
            channels = channels || (which[d] && channel);
            pixels = pixels || (which[d] && !channel);
            rest = rest || (!which[d] && !channel);
            if (!which[d]) {
                out.atoms[out.count++] = l->atoms[i];
                out.length[out.dims]++;
            }
        }
        out.dims += !which[d] || keep;
    }
    if (pixels)
        out.roll[0] = out.roll[1] = 0;
    if (pixels && rest)
        return pq_import_refuse(im, "a mean over rows or columns alone cannot be run");
    int op = v.op;
    pique_error e = {0};
    if (channels)
        op = pq_emit_channel_mean(im, op);
    if (op >= 0 && pixels)
        op = pq_import_placed(im, pq_graph_mean(im->graph, op, &e), &e);
    return pq_import_set_picture(im, 0, op, &out);
}
