/* SPDX-License-Identifier: MIT */
/* Layers that take something out of the .bin, in the order in which it lies there. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "model/ncnn_import.h"

enum { FLAG_F32 = 0, FLAG_F16 = 0x01306B47, PAD_SAME_UPPER = -233, PAD_SAME_LOWER = -234 };
enum { ACT_NONE, ACT_RELU, ACT_LEAKY, ACT_CLIP, ACT_SIGMOID, ACT_MISH };

/* ---- weights ---- */

static int take(struct ncnn_import *im, const struct pq_ncnn_layer *layer, uint64_t bytes,
                const void **out)
{
    const struct pq_map *bin = &im->sd->map;
    if (bytes > bin->size - im->at)
        return pq_fail(im->err, PIQUE_EFORMAT,
                       "%s: layer '%s' needs %" PRIu64 " bytes at byte %zu, the file has %zu; the "
                       "download may be incomplete",
                       bin->path, layer->name, bytes, im->at, bin->size);
    *out = bin->data + im->at;
    im->at += bytes;
    return 0;
}

static int name_weight(struct ncnn_import *im, const struct pq_ncnn_layer *layer, const char *part,
                       const struct pq_tensor *t)
{
    char name[PQ_MAX_NAME + 16];
    size_t n = strlen(layer->name);
    memcpy(name, layer->name, n); /* at most PQ_MAX_NAME bytes: the parser saw to it */
    strcpy(name + n, part);
    return pq_statedict_add(im->sd, name, t, im->err);
}

/* Plain floats, without a flag. */
static int take_f32(struct ncnn_import *im, const struct pq_ncnn_layer *layer, const char *part,
                    int count, struct pq_tensor *t)
{
    *t = (struct pq_tensor){.dtype = PQ_F32, .dims = 1, .shape = {count}};
    int rc = take(im, layer, (uint64_t)count * 4, &t->data);
    return rc ? rc : name_weight(im, layer, part, t);
}

/* A weight behind its flag; its shape is set already. */
static int take_flagged(struct ncnn_import *im, const struct pq_ncnn_layer *layer,
                        struct pq_tensor *t)
{
    const void *p = NULL;
    int rc = take(im, layer, 4, &p);
    if (rc)
        return rc;
    const unsigned char *b = p;
    uint32_t flag = b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24;
    if (flag != FLAG_F32 && flag != FLAG_F16)
        return pq_fail(im->err, PIQUE_EUNSUPPORTED,
                       "%s: the weights of layer '%s' are quantised (flag 0x%08" PRIX32
                       "); f32 and f16 can be read",
                       im->sd->map.path, layer->name, flag);
    t->dtype = flag == FLAG_F16 ? PQ_F16 : PQ_F32;
    size_t count;
    if (!pq_tensor_count(t, &count))
        return ncnn_unsupported(im, layer, "its weight is too large");
    rc = take(im, layer, ((uint64_t)count * pq_dtype_size(t->dtype) + 3) & ~UINT64_C(3), &t->data);
    return rc ? rc : name_weight(im, layer, ".weight", t);
}

/* Weight and, where parameter `id` says so, bias. */
static int take_both(struct ncnn_import *im, const struct pq_ncnn_layer *layer, int id,
                     struct pq_tensor *weight, struct pq_tensor *bias)
{
    int has_bias;
    if (!ncnn_whole(im, layer, id, 0, &has_bias) || has_bias < 0 || has_bias > 1)
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT,
                               "whether it has a bias is neither 0 nor 1");
    *bias = (struct pq_tensor){0};
    int rc = take_flagged(im, layer, weight);
    if (!rc && has_bias)
        rc = take_f32(im, layer, ".bias", (int)weight->shape[0], bias);
    return rc;
}

/* ---- parameters that convolutions share ---- */

static int groups_of(struct ncnn_import *im, const struct pq_ncnn_layer *layer, int *groups)
{
    *groups = 1;
    if (strcmp(layer->type, "ConvolutionDepthWise") == 0 &&
        (!ncnn_whole(im, layer, 7, 1, groups) || *groups < 1 || *groups > PQ_MAX_CHANNELS))
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "its groups are no count");
    return 0;
}

/* [outputs, inputs of a group, height, width] from the parameters; the inputs come from the number
 * of weights. */
static int conv_shape(struct ncnn_import *im, const struct pq_ncnn_layer *layer,
                      struct pq_tensor *t)
{
    int out, w, h, size;
    if (!ncnn_whole(im, layer, 0, 0, &out) || !ncnn_whole(im, layer, 1, 0, &w) ||
        !ncnn_whole(im, layer, 11, w, &h) || !ncnn_whole(im, layer, 6, 0, &size) || out < 1 ||
        w < 1 || h < 1 || size < 1)
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT,
                               "outputs, kernel or weight size is no count");
    if (out > PQ_MAX_CHANNELS || w > PQ_MAX_KERNEL || h > PQ_MAX_KERNEL)
        return ncnn_unsupported(im, layer,
                                "only kernels of up to 31 can be run, and up to 4096 outputs");
    int one = out * w * h;
    if (size % one || size / one > PQ_MAX_CHANNELS)
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT,
                               "the size of its weight does not fit outputs and kernel");
    *t = (struct pq_tensor){.dims = 4, .shape = {out, size / one, h, w}};
    return 0;
}

int ncnn_conv_channels(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    struct pq_tensor t = {0};
    int groups = 1, rc = conv_shape(im, layer, &t);
    if (!rc)
        rc = groups_of(im, layer, &groups);
    return rc ? rc : (int)t.shape[1] * groups;
}

static int check_channels(struct ncnn_import *im, const struct pq_ncnn_layer *layer, int64_t reads)
{
    return reads == ncnn_channels(im, layer)
               ? 0
               : ncnn_fail_layer(im, layer, PIQUE_EFORMAT,
                                 "the size of its weight does not fit the channels of its input");
}

/* Parameters that must be 0 or absent. */
static int check_zeros(struct ncnn_import *im, const struct pq_ncnn_layer *layer, size_t count,
                       const int *ids, const char *why)
{
    for (size_t i = 0; i < count; i++) {
        if (!ncnn_is(im, layer, ids[i], 0))
            return ncnn_unsupported(im, layer, why);
    }
    return 0;
}

static int find_steps(struct ncnn_import *im, const struct pq_ncnn_layer *layer,
                      struct pq_conv_shape *s)
{
    if (!ncnn_whole(im, layer, 3, 1, &s->stride_x) ||
        !ncnn_whole(im, layer, 13, s->stride_x, &s->stride_y) ||
        !ncnn_whole(im, layer, 2, 1, &s->dilation_x) ||
        !ncnn_whole(im, layer, 12, s->dilation_x, &s->dilation_y) || s->stride_x < 1 ||
        s->stride_y < 1 || s->dilation_x < 1 || s->dilation_y < 1)
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "its stride or dilation is no count");
    return 0;
}

static int find_padding(struct ncnn_import *im, const struct pq_ncnn_layer *layer, int kernel_h,
                        int kernel_w, struct pq_conv_shape *s)
{
    if (!ncnn_whole(im, layer, 4, 0, &s->left) || !ncnn_whole(im, layer, 15, s->left, &s->right) ||
        !ncnn_whole(im, layer, 14, s->left, &s->top) ||
        !ncnn_whole(im, layer, 16, s->top, &s->bottom))
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "its padding is no whole number");
    if (s->left == PAD_SAME_UPPER || s->left == PAD_SAME_LOWER) {
        if (s->right != s->left || s->top != s->left || s->bottom != s->left || s->stride_x != 1 ||
            s->stride_y != 1 || kernel_h % 2 == 0 || kernel_w % 2 == 0 ||
            s->dilation_x > PQ_MAX_PAD || s->dilation_y > PQ_MAX_PAD)
            return ncnn_unsupported(im, layer,
                                    "only with odd kernels and stride 1 can a padding that keeps "
                                    "the size be run");
        s->left = s->right = (kernel_w - 1) / 2 * s->dilation_x;
        s->top = s->bottom = (kernel_h - 1) / 2 * s->dilation_y;
    }
    if (s->left < 0 || s->right < 0 || s->top < 0 || s->bottom < 0)
        return ncnn_unsupported(im, layer, "only a padding from 0 on can be run");
    return 0;
}

/* ---- activations that ncnn folds into a layer ---- */

static int add_fused_curve(struct ncnn_import *im, const struct pq_ncnn_layer *layer, int type,
                           int op)
{
    const struct pq_ncnn_param *p = pq_ncnn_param(im->net, layer, 10);
    const struct pq_ncnn_value *v = p ? &im->net->values[p->first] : NULL;
    const int numbers = type == ACT_LEAKY ? 1 : type == ACT_CLIP ? 2 : 0;
    if (numbers && (!p || !p->array || p->count != numbers))
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT,
                               type == ACT_LEAKY ? "its leaky ReLU has no slope"
                                                 : "its clip has no two limits");
    pique_error e = {0};
    switch (type) {
    case ACT_RELU:
    case ACT_LEAKY:
        op = pq_graph_act(im->graph, op, type == ACT_LEAKY ? v->number : 0, NULL, &e);
        break;
    case ACT_CLIP:
        op = pq_graph_clip(im->graph, op, v[0].number, v[1].number, &e);
        break;
    default:
        op = pq_graph_curve(im->graph, op, type == ACT_SIGMOID ? PQ_ACT_SIGMOID : PQ_ACT_MISH, &e);
    }
    return ncnn_placed(im, layer, op, &e);
}

static int add_fused(struct ncnn_import *im, const struct pq_ncnn_layer *layer, int op)
{
    int type;
    if (op < 0)
        return op;
    if (!ncnn_whole(im, layer, 9, 0, &type) || type < ACT_NONE || type > ACT_MISH)
        return ncnn_unsupported(im, layer,
                                "of fused activations only ReLU, leaky ReLU, clip, sigmoid and "
                                "Mish can be run");
    return type == ACT_NONE ? op : add_fused_curve(im, layer, type, op);
}

/* ---- layers ---- */

static int add_conv(struct ncnn_import *im, const struct pq_ncnn_layer *layer,
                    const struct pq_tensor *weight, const struct pq_tensor *bias,
                    const struct pq_conv_shape *shape)
{
    pique_error e = {0};
    const int in = ncnn_input(im, layer, 0);
    int op = pq_graph_conv(im->graph, in, weight, bias->data ? bias : NULL, shape, &e);
    return add_fused(im, layer, ncnn_placed(im, layer, op, &e));
}

int ncnn_convolution(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    static const int zeros[] = {8, 18, 19};
    struct pq_tensor weight, bias;
    struct pq_conv_shape shape = {0};
    int rc = conv_shape(im, layer, &weight);
    if (!rc)
        rc = groups_of(im, layer, &shape.groups);
    if (!rc)
        rc = check_zeros(im, layer, PQ_COUNT(zeros), zeros,
                         "int8 scales, a padding value or computed weights cannot be run");
    if (!rc)
        rc = find_steps(im, layer, &shape);
    if (!rc)
        rc = find_padding(im, layer, (int)weight.shape[2], (int)weight.shape[3], &shape);
    if (!rc)
        rc = check_channels(im, layer, weight.shape[1] * shape.groups);
    if (!rc)
        rc = take_both(im, layer, 5, &weight, &bias);
    return rc ? rc : add_conv(im, layer, &weight, &bias, &shape);
}

int ncnn_depthwise(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    return ncnn_convolution(im, layer);
}

/* A matrix over the channels of one pixel. */
int ncnn_inner_product(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    int out, size;
    if (!ncnn_whole(im, layer, 0, 0, &out) || !ncnn_whole(im, layer, 2, 0, &size) || out < 1 ||
        size < 1 || size % out || size / out > PQ_MAX_CHANNELS)
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "its outputs or weight size is no count");
    if (out > PQ_MAX_CHANNELS || !ncnn_is(im, layer, 8, 0))
        return ncnn_unsupported(im, layer, "int8 scales or more than 4096 outputs cannot be run");
    if (!im->graph->ops[ncnn_input(im, layer, 0)].global)
        return ncnn_unsupported(im, layer, "only over the mean of the picture can it be run");
    struct pq_tensor bias, weight = {.dims = 4, .shape = {out, size / out, 1, 1}};
    const struct pq_conv_shape shape = {0};
    int rc = check_channels(im, layer, size / out);
    if (!rc)
        rc = take_both(im, layer, 1, &weight, &bias);
    return rc ? rc : add_conv(im, layer, &weight, &bias, &shape);
}

/* [out, in, k, k] -> [in, out, k, k] */
static int swap_channels(struct ncnn_import *im, const struct pq_tensor *weight,
                         struct pq_tensor *swapped)
{
    const int64_t out = weight->shape[0], in = weight->shape[1];
    const size_t taps = (size_t)(weight->shape[2] * weight->shape[3]);
    size_t count = 0;
    pq_tensor_count(weight, &count);
    float *to = pq_graph_own(im->graph, count * sizeof *to);
    if (!to)
        return pq_fail_nomem(im->err, count * sizeof *to);
    *swapped = (struct pq_tensor){.dtype = PQ_F32,
                                  .dims = 4,
                                  .shape = {in, out, weight->shape[2], weight->shape[3]},
                                  .data = to};
    for (int64_t i = 0; i < in; i++) {
        for (int64_t o = 0; o < out; o++, to += taps)
            pq_tensor_to_f32(weight, (size_t)(o * in + i) * taps, taps, to);
    }
    return 0;
}

int ncnn_deconvolution(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    static const int zeros[] = {18, 19, 20, 21, 28};
    struct pq_tensor weight, bias, swapped;
    struct pq_conv_shape s = {0};
    int rc = conv_shape(im, layer, &weight);
    if (!rc)
        rc = check_zeros(im, layer, PQ_COUNT(zeros), zeros,
                         "more padding, a size or computed weights cannot be run");
    if (!rc)
        rc = find_steps(im, layer, &s);
    if (!rc && (!ncnn_whole(im, layer, 4, 0, &s.left) || s.left < 0 ||
                !ncnn_is(im, layer, 14, s.left) || !ncnn_is(im, layer, 15, s.left) ||
                !ncnn_is(im, layer, 16, s.left) || s.stride_x != s.stride_y || s.dilation_x != 1 ||
                s.dilation_y != 1 || weight.shape[2] != weight.shape[3]))
        rc = ncnn_unsupported(im, layer,
                              "only a square kernel, one stride, one padding and dilation 1 can "
                              "be run");
    if (!rc)
        rc = check_channels(im, layer, weight.shape[1]);
    if (!rc && im->graph->ops[ncnn_input(im, layer, 0)].global)
        rc = ncnn_unsupported(im, layer, "only over a picture can it be run");
    if (!rc)
        rc = take_both(im, layer, 5, &weight, &bias);
    if (!rc)
        rc = swap_channels(im, &weight, &swapped);
    if (rc)
        return rc;
    pique_error e = {0};
    int op = pq_graph_deconv(im->graph, ncnn_input(im, layer, 0), &swapped,
                             bias.data ? &bias : NULL, s.stride_x, s.left, &e);
    return add_fused(im, layer, ncnn_placed(im, layer, op, &e));
}

int ncnn_prelu(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    struct pq_tensor slopes;
    int count;
    if (!ncnn_whole(im, layer, 0, 0, &count) || (count != 1 && count != ncnn_channels(im, layer)))
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT,
                               "it has neither one slope nor one a channel");
    int rc = take_f32(im, layer, ".slope", count, &slopes);
    if (rc)
        return rc;
    float slope;
    pq_tensor_to_f32(&slopes, 0, 1, &slope);
    bool shared = count != ncnn_channels(im, layer);
    if (shared && !isfinite(slope))
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "its slope is not a finite number");
    pique_error e = {0};
    int op = pq_graph_act(im->graph, ncnn_input(im, layer, 0), shared ? slope : 0,
                          shared ? NULL : &slopes, &e);
    return ncnn_placed(im, layer, op, &e);
}

/* The second input times the first, channel by channel; or factors and terms from the file. */
int ncnn_scale(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    enum { FROM_INPUT = -233 };
    int count, has_terms;
    if (layer->inputs == 2) {
        if (!ncnn_is(im, layer, 0, FROM_INPUT) || !ncnn_is(im, layer, 1, 0))
            return ncnn_fail_layer(im, layer, PIQUE_EFORMAT,
                                   "with two inputs its factors are the second");
        return ncnn_product(im, layer);
    }
    if (!ncnn_whole(im, layer, 0, 0, &count) || count != ncnn_channels(im, layer))
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "it has not one factor a channel");
    if (!ncnn_whole(im, layer, 1, 0, &has_terms) || has_terms < 0 || has_terms > 1)
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT,
                               "whether it has a bias is neither 0 nor 1");
    struct pq_tensor factors, terms;
    int rc = take_f32(im, layer, ".scale", count, &factors);
    if (!rc && has_terms)
        rc = take_f32(im, layer, ".bias", count, &terms);
    if (!rc && !has_terms) {
        terms = factors;
        terms.data = pq_graph_own(im->graph, (size_t)count * sizeof(float));
        if (!terms.data)
            return pq_fail_nomem(im->err, (size_t)count * sizeof(float));
        memset((void *)terms.data, 0, (size_t)count * sizeof(float));
    }
    if (rc)
        return rc;
    pique_error e = {0};
    int op = pq_graph_affine(im->graph, ncnn_input(im, layer, 0), &factors, &terms, &e);
    return ncnn_placed(im, layer, op, &e);
}
