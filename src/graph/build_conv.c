/* SPDX-License-Identifier: MIT */
/* Convolutions of all kinds, as the two that backends know: dense, and each channel alone. */
#include "base/alloc.h"
#include "graph/build.h"

static int check_weight(const struct pq_tensor *weight, int per_group, pique_error *err)
{
    char text[96];
    bool four = weight->dims == 4;
    for (int i = 2; i < 4 && four; i++)
        four = weight->shape[i] >= 1 && weight->shape[i] <= PQ_MAX_KERNEL;
    if (!four)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "a convolution's weight is %s; [out, in, k, k] with k up to %d is expected",
                       pq_tensor_shape_text(weight, text, sizeof text), PQ_MAX_KERNEL);
    if (weight->shape[1] != per_group)
        return pq_fail(err, PIQUE_EFORMAT,
                       "a convolution's weight is %s, but its input has %d channels",
                       pq_tensor_shape_text(weight, text, sizeof text), per_group);
    if (weight->shape[0] < 1 || weight->shape[0] > PQ_MAX_CHANNELS)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "a convolution's weight is %s; at most %d channels are possible",
                       pq_tensor_shape_text(weight, text, sizeof text), PQ_MAX_CHANNELS);
    return 0;
}

static int check_bias(const struct pq_tensor *weight, const struct pq_tensor *bias,
                      pique_error *err)
{
    char text[96];
    if (!bias || pq_tensor_is(bias, 1, weight->shape))
        return 0;
    return pq_fail(err, PIQUE_EFORMAT, "a convolution's bias is %s, but it has %lld outputs",
                   pq_tensor_shape_text(bias, text, sizeof text), (long long)weight->shape[0]);
}

/* A dense weight of the same map as one in groups: zeros between groups. */
static int expand_groups(struct pq_graph *g, const struct pq_tensor *weight, int groups,
                         struct pq_tensor *dense, pique_error *err)
{
    int64_t out = weight->shape[0], per_group = weight->shape[1];
    int64_t taps = weight->shape[2] * weight->shape[3];
    const int64_t shape[] = {out, per_group * groups, weight->shape[2], weight->shape[3]};
    int rc = pq_build_check_weights(g, (uint64_t)(out * shape[1] * taps), err);
    if (rc)
        return rc;
    *dense = pq_graph_own_tensor(g, 4, shape);
    float *to = (float *)dense->data;
    if (!to)
        return pq_fail_nomem(err, (size_t)(out * per_group * taps) * (size_t)groups * sizeof *to);
    for (int64_t o = 0; o < out; o++) {
        int64_t group = o / (out / groups), from = o * per_group * taps;
        for (int64_t i = 0; i < shape[1] * taps; i++)
            to[i] = 0;
        pq_tensor_to_f32(weight, (size_t)from, (size_t)(per_group * taps),
                         to + group * per_group * taps);
        to += shape[1] * taps;
    }
    return 0;
}

static bool window_ok(const struct pq_window *w)
{
    return w->stride >= 1 && w->stride <= PQ_MAX_FACTOR && w->dilation >= 1 &&
           w->dilation <= PQ_MAX_PAD && (w->kernel - 1) * w->dilation < PQ_MAX_PAD &&
           w->before >= 0 && w->after >= 0 && w->before <= PQ_MAX_PAD && w->after <= PQ_MAX_PAD;
}

static int set_windows(struct pq_op *op, const struct pq_tensor *weight,
                       const struct pq_conv_shape *s, pique_error *err)
{
    op->ver = (struct pq_window){(int)weight->shape[2], s->stride_y + !s->stride_y,
                                 s->dilation_y + !s->dilation_y, s->top, s->bottom};
    op->hor = (struct pq_window){(int)weight->shape[3], s->stride_x + !s->stride_x,
                                 s->dilation_x + !s->dilation_x, s->left, s->right};
    if (!window_ok(&op->ver) || !window_ok(&op->hor) || op->ver.stride != op->hor.stride)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "a convolution has strides %d and %d, dilations %d and %d, paddings %d, %d, "
                       "%d, %d; one stride of 1 to %d and up to %d pixels of reach are possible",
                       op->ver.stride, op->hor.stride, op->ver.dilation, op->hor.dilation, s->top,
                       s->left, s->bottom, s->right, PQ_MAX_FACTOR, PQ_MAX_PAD);
    op->rate_den = op->ver.stride;
    return 0;
}

int pq_graph_conv(struct pq_graph *g, int in, const struct pq_tensor *weight,
                  const struct pq_tensor *bias, const struct pq_conv_shape *shape, pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_CONV2D, err);
    if (rc)
        return rc;
    int channels = g->ops[in].channels, groups = shape->groups ? shape->groups : 1;
    if (groups < 1 || channels % groups)
        return pq_fail(err, PIQUE_EFORMAT, "a convolution has %d channels in %d groups", channels,
                       groups);
    if ((rc = check_weight(weight, channels / groups, err)) || (rc = check_bias(weight, bias, err)))
        return rc;
    if (weight->shape[0] % groups)
        return pq_fail(err, PIQUE_EFORMAT, "a convolution has %lld outputs in %d groups",
                       (long long)weight->shape[0], groups);
    bool alone = groups > 1 && groups == channels && weight->shape[0] == channels;
    struct pq_op op =
        pq_op_new(g, alone ? PQ_OP_DEPTHWISE : PQ_OP_CONV2D, in, (int)weight->shape[0]);
    op.weight = *weight;
    if (groups > 1 && !alone && (rc = expand_groups(g, weight, groups, &op.weight, err)))
        return rc;
    if (bias)
        op.bias = *bias;
    rc = set_windows(&op, weight, shape, err);
    if (!rc && (op.global || op.column) &&
        (op.ver.kernel != 1 || op.hor.kernel != 1 || op.ver.stride != 1 || op.ver.before ||
         op.ver.after || op.hor.before || op.hor.after))
        rc = pq_fail(err, PIQUE_EFORMAT, "a convolution of more than one pixel gets no picture");
    return rc ? rc : pq_graph_append(g, op, err);
}

int pq_graph_conv2d(struct pq_graph *g, int in, const struct pq_tensor *weight,
                    const struct pq_tensor *bias, pique_error *err)
{
    char text[96];
    int64_t k = weight->dims == 4 ? weight->shape[3] : 0;
    if (weight->dims != 4 || weight->shape[2] != k || k < 1 || k > PQ_MAX_KERNEL || k % 2 == 0)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "a convolution's weight is %s; [out, in, k, k] with odd k is expected",
                       pq_tensor_shape_text(weight, text, sizeof text));
    int pad = (int)(k - 1) / 2;
    return pq_graph_conv(
        g, in, weight, bias,
        &(struct pq_conv_shape){.top = pad, .left = pad, .bottom = pad, .right = pad}, err);
}

/* Output Y = stride i - padding + k reads input i with tap k. Of the outputs with Y + padding =
 * stride q + r, each reads inputs q, q-1, ... with taps r, r + stride, ...; so all r together are a
 * convolution of ceil(k / stride) taps with stride^2 times the channels, which a pixel shuffle then
 * puts in place. Where no pixel of the input lies, zeros stand.
 *
 * Many channels are those of one pixel after another, so that a shuffle moves them together. */
enum { FEWEST_TOGETHER = 8 };

/* The place within a pixel that channel o of `outputs` is for, and the channel of the result. */
struct sub_pixel {
    int place, channel;
};

static struct sub_pixel sub_pixel_of(int o, int outputs, int places)
{
    return outputs < FEWEST_TOGETHER ? (struct sub_pixel){o % places, o / places}
                                     : (struct sub_pixel){o / outputs, o % outputs};
}

static int sub_pixel_weight(struct pq_graph *g, const struct pq_tensor *weight, int stride,
                            struct pq_tensor *sub, pique_error *err)
{
    int in = (int)weight->shape[0], out = (int)weight->shape[1], k = (int)weight->shape[2];
    int taps = (k + stride - 1) / stride;
    const int64_t shape[] = {(int64_t)out * stride * stride, in, taps, taps};
    size_t count;
    if (!pq_tensor_count(weight, &count) || shape[0] > PQ_MAX_CHANNELS)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "a transposed convolution is too large");
    *sub = pq_graph_own_tensor(g, 4, shape);
    float *from = pq_malloc(count * sizeof *from), *to = (float *)sub->data;
    if (!to || !from) {
        pq_free(from);
        return pq_fail_nomem(err, count * 2 * sizeof *to);
    }
    pq_tensor_to_f32(weight, 0, count, from);
    for (int o = 0; o < (int)shape[0]; o++) {
        const struct sub_pixel at = sub_pixel_of(o, out, stride * stride);
        const int ry = at.place / stride, rx = at.place % stride;
        for (int i = 0; i < in; i++) {
            const float *w = from + ((ptrdiff_t)i * out + at.channel) * k * k;
            for (int ty = 0; ty < taps; ty++) {
                for (int tx = 0; tx < taps; tx++) {
                    /* Tap t of the convolution reads input q - (taps - 1) + t. */
                    int ky = ry + (taps - 1 - ty) * stride, kx = rx + (taps - 1 - tx) * stride;
                    *to++ = ky < k && kx < k ? w[ky * k + kx] : 0;
                }
            }
        }
    }
    pq_free(from);
    return 0;
}

static int sub_pixel_bias(struct pq_graph *g, const struct pq_tensor *bias, int places,
                          struct pq_tensor *out, pique_error *err)
{
    const int outputs = (int)bias->shape[0], count = outputs * places;
    *out = pq_graph_own_tensor(g, 1, (const int64_t[]){count});
    float *to = (float *)out->data;
    if (!to)
        return pq_fail_nomem(err, (size_t)count * sizeof *to);
    for (int i = 0; i < count; i++)
        pq_tensor_to_f32(bias, (size_t)sub_pixel_of(i, outputs, places).channel, 1, &to[i]);
    return 0;
}

int pq_graph_deconv(struct pq_graph *g, int in, const struct pq_tensor *weight,
                    const struct pq_tensor *bias, int stride, int padding, pique_error *err)
{
    int rc = pq_build_check_input(g, in, PQ_OP_CONV2D, err);
    if (rc)
        return rc;
    char text[96];
    int64_t k = weight->dims == 4 ? weight->shape[2] : 0;
    if (k < 1 || k > PQ_MAX_KERNEL || weight->shape[3] != k || stride < 1 ||
        stride > PQ_MAX_FACTOR || k < stride || padding < 0 || padding > k - 1 ||
        weight->shape[1] < 1 || weight->shape[1] > PQ_MAX_CHANNELS)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "a transposed convolution has weight %s, stride %d and padding %d",
                       pq_tensor_shape_text(weight, text, sizeof text), stride, padding);
    if (weight->shape[0] != g->ops[in].channels)
        return pq_fail(err, PIQUE_EFORMAT,
                       "a transposed convolution's weight is %s, but its input has %d channels",
                       pq_tensor_shape_text(weight, text, sizeof text), g->ops[in].channels);
    if (bias && !pq_tensor_is(bias, 1, &weight->shape[1]))
        return pq_fail(err, PIQUE_EFORMAT, "a transposed convolution's bias is %s",
                       pq_tensor_shape_text(bias, text, sizeof text));
    struct pq_tensor sub = {0}, terms = {0};
    rc = sub_pixel_weight(g, weight, stride, &sub, err);
    if (!rc && bias)
        rc = sub_pixel_bias(g, bias, stride * stride, &terms, err);
    if (rc)
        return rc;
    /* Whole: (n - 1) stride + k rows. Zeros around give q = 0 .. n + taps - 2, that is
     * (n + taps - 1) stride rows, of which the last taps stride - k are none of the result. */
    int around = (int)sub.shape[2] - 1, more = (around + 1) * stride - (int)k;
    const struct pq_conv_shape shape = {
        .top = around, .left = around, .bottom = around, .right = around};
    int at = pq_graph_conv(g, in, &sub, bias ? &terms : NULL, &shape, err);
    if (at >= 0 && stride > 1)
        at = weight->shape[1] < FEWEST_TOGETHER
                 ? pq_graph_pixel_shuffle(g, at, stride, err)
                 : pq_graph_pixel_shuffle_by_place(g, at, stride, err);
    if (at < 0 || (padding == 0 && more == 0))
        return at;
    struct pq_op crop = pq_op_new(g, PQ_OP_CROP, at, g->ops[at].channels);
    crop.ver.before = crop.hor.before = padding;
    crop.ver.after = crop.hor.after = padding + more;
    return pq_graph_append(g, crop, err);
}
