/* SPDX-License-Identifier: MIT */
#include "arch/parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"

enum { NAME = 128, MAX_COUNT = 1000, MAX_PICTURE = 4 /* channels */ };

/* The name that a function's format and arguments mean. */
#define FORMATTED(name, fmt)                                                                       \
    char name[NAME];                                                                               \
    va_list args_##name;                                                                           \
    va_start(args_##name, fmt);                                                                    \
    vsnprintf(name, sizeof name, fmt, args_##name);                                                \
    va_end(args_##name)

int pq_parts_begin(struct pq_parts *p, const struct pq_statedict *sd, struct pq_graph *g,
                   pique_error *err)
{
    *p = (struct pq_parts){.sd = sd, .g = g, .err = err};
    return pq_taking_begin(&p->taking, sd, err);
}

int pq_parts_finish(struct pq_parts *p, int output, const char *network)
{
    int rc = output < 0 ? output : pq_taking_check(&p->taking, network, p->err);
    pq_taking_end(&p->taking);
    return rc ? rc : pq_graph_finish(p->g, output, p->err);
}

int pq_parts_fail(const struct pq_parts *p, int code, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, pq_tr(fmt), args);
    va_end(args);
    return pq_fail(p->err, code, "%s: %s", p->sd->map.path, text);
}

int pq_square_root(int64_t n)
{
    int64_t root = n > 0 ? (int64_t)llround(sqrt((double)n)) : 0;
    return root * root == n ? (int)root : 0;
}

float pq_parts_rsqrt(int n)
{
    return (float)(1 / sqrt(n));
}

/* ---- names and shapes ---- */

bool pq_parts_has(const struct pq_parts *p, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    return pq_statedict_find(p->sd, name) != NULL;
}

int pq_parts_extent(const struct pq_parts *p, int dim, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    const struct pq_tensor *t = pq_statedict_find(p->sd, name);
    if (!t)
        return pq_parts_fail(p, PIQUE_EFORMAT, "tensor '%s' is missing", name);
    if (t->dims > dim && t->shape[dim] >= 1 && t->shape[dim] <= PQ_MAX_EXTENT)
        return (int)t->shape[dim];
    char text[96];
    return pq_parts_fail(p, PIQUE_EFORMAT, "tensor '%s' has shape %s", name,
                         pq_tensor_shape_text(t, text, sizeof text));
}

int pq_parts_picture(const struct pq_parts *p, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    int channels = pq_parts_extent(p, 1, "%s", name);
    if (channels <= MAX_PICTURE)
        return channels;
    return pq_parts_fail(p, PIQUE_EUNSUPPORTED,
                         "tensor '%s' has %d inputs; a picture of 1 to %d channels can come in",
                         name, channels, MAX_PICTURE);
}

int pq_parts_square_scale(const struct pq_parts *p, int channels, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    int outputs = pq_parts_extent(p, 0, "%s", name);
    if (outputs < 0)
        return outputs;
    int scale = outputs % channels ? 0 : pq_square_root(outputs / channels);
    if (scale >= 1 && scale <= PQ_MAX_FACTOR)
        return scale;
    return pq_parts_fail(p, PIQUE_EFORMAT,
                         "tensor '%s' has %d outputs, not %d times the square of a scale from 1 to "
                         "%d",
                         name, outputs, channels, PQ_MAX_FACTOR);
}

/* The number behind STEM. in a name, or STEM_; -1 where there is none. */
static int number_behind(const char *name, const char *stem, size_t length)
{
    if (strncmp(name, stem, length) != 0)
        return -1;
    name += length;
    if (length == 0 || stem[length - 1] != '_') {
        if (*name++ != '.')
            return -1;
    }
    int number = 0, digits = 0;
    for (; name[digits] >= '0' && name[digits] <= '9' && digits < 6; digits++)
        number = number * 10 + (name[digits] - '0');
    return digits && name[digits] == '.' ? number : -1;
}

int pq_parts_count(const struct pq_parts *p, const char *fmt, ...)
{
    FORMATTED(stem, fmt);
    int count = 0;
    for (size_t i = 0; i < p->sd->count; i++)
        count = PQ_MAX(count, 1 + number_behind(p->sd->tensors[i].name, stem, strlen(stem)));
    if (count > MAX_COUNT)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "'%s' has %d parts; %d are possible", stem,
                             count, MAX_COUNT);
    return count;
}

void pq_parts_skip(struct pq_parts *p, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    pq_take_any(&p->taking, name, "");
}

void pq_parts_skip_endings(struct pq_parts *p, const char *ending)
{
    for (size_t i = 0; i < p->sd->count; i++) {
        const char *name = p->sd->tensors[i].name;
        size_t n = strlen(name), m = strlen(ending);
        if (n >= m && strcmp(name + n - m, ending) == 0)
            p->taking.taken[i] = true;
    }
}

int pq_parts_tensor(struct pq_parts *p, int dims, const int64_t *shape,
                    const struct pq_tensor **out, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    return pq_take(&p->taking, name, "", dims, shape, out, p->err);
}

/* NAME and its ending; values the graph owns. */
static int take_values(struct pq_parts *p, const char *name, const char *ending, int dims,
                       const int64_t *shape, const float **out)
{
    const struct pq_tensor *t = NULL;
    size_t n = 0;
    int rc = pq_take(&p->taking, name, ending, dims, shape, &t, p->err);
    if (rc || !pq_tensor_count(t, &n))
        return rc ? rc : pq_parts_fail(p, PIQUE_EFORMAT, "tensor '%s' is too large", name);
    float *values = pq_graph_own(p->g, n * sizeof *values);
    if (!values)
        return pq_fail_nomem(p->err, n * sizeof *values);
    pq_tensor_to_f32(t, 0, n, values);
    *out = values;
    return 0;
}

int pq_parts_values(struct pq_parts *p, int dims, const int64_t *shape, const float **out,
                    const char *fmt, ...)
{
    FORMATTED(name, fmt);
    return take_values(p, name, "", dims, shape, out);
}

/* ---- layers ---- */

/* NAME.bias [outputs], or NULL where the file has none and may do so. */
static int take_bias(struct pq_parts *p, const char *name, int outputs,
                     const struct pq_tensor **bias)
{
    *bias = NULL;
    if (!p->needs_biases && !pq_parts_has(p, "%s.bias", name))
        return 0;
    return pq_take(&p->taking, name, ".bias", 1, (const int64_t[]){outputs}, bias, p->err);
}

static int add_conv(struct pq_parts *p, int in, int outputs, int kernel_h, int kernel_w,
                    const struct pq_conv_shape *shape, const char *name)
{
    if (in < 0)
        return in;
    const struct pq_tensor *weight = NULL, *bias = NULL;
    const int groups = shape->groups ? shape->groups : 1;
    const int64_t extents[] = {outputs, p->g->ops[in].channels / groups, kernel_h, kernel_w};
    int rc = pq_take(&p->taking, name, ".weight", 4, extents, &weight, p->err);
    if (!rc)
        rc = take_bias(p, name, outputs, &bias);
    return rc ? rc : pq_graph_conv(p->g, in, weight, bias, shape, p->err);
}

static struct pq_conv_shape same_size(int kernel)
{
    const int pad = (kernel - 1) / 2;
    return (struct pq_conv_shape){.top = pad, .left = pad, .bottom = pad, .right = pad};
}

int pq_parts_conv(struct pq_parts *p, int in, int outputs, int kernel, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    const struct pq_conv_shape shape = same_size(kernel);
    return add_conv(p, in, outputs, kernel, kernel, &shape, name);
}

int pq_parts_conv_as(struct pq_parts *p, int in, int outputs, int kernel_h, int kernel_w,
                     const struct pq_conv_shape *shape, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    return add_conv(p, in, outputs, kernel_h, kernel_w, shape, name);
}

int pq_parts_deconv(struct pq_parts *p, int in, int outputs, int kernel, int stride, int padding,
                    const char *fmt, ...)
{
    FORMATTED(name, fmt);
    if (in < 0)
        return in;
    const struct pq_tensor *weight = NULL, *bias = NULL;
    const int64_t extents[] = {p->g->ops[in].channels, outputs, kernel, kernel};
    int rc = pq_take(&p->taking, name, ".weight", 4, extents, &weight, p->err);
    if (!rc)
        rc = take_bias(p, name, outputs, &bias);
    return rc ? rc : pq_graph_deconv(p->g, in, weight, bias, stride, padding, p->err);
}

int pq_parts_depthwise(struct pq_parts *p, int in, int kernel, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    if (in < 0)
        return in;
    struct pq_conv_shape shape = same_size(kernel);
    shape.groups = p->g->ops[in].channels;
    return add_conv(p, in, shape.groups, kernel, kernel, &shape, name);
}

int pq_parts_linear(struct pq_parts *p, int in, int outputs, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    if (in < 0)
        return in;
    const struct pq_tensor *weight = NULL, *bias = NULL;
    const int64_t extents[] = {outputs, p->g->ops[in].channels};
    int rc = pq_take(&p->taking, name, ".weight", 2, extents, &weight, p->err);
    if (!rc)
        rc = take_bias(p, name, outputs, &bias);
    if (rc)
        return rc;
    struct pq_tensor conv = *weight;
    conv.dims = 4;
    conv.shape[2] = conv.shape[3] = 1;
    return pq_graph_conv2d(p->g, in, &conv, bias, p->err);
}

/* NAME.weight and NAME.bias, one of each a channel. */
static int take_pair(struct pq_parts *p, const char *name, int channels,
                     const struct pq_tensor **weight, const struct pq_tensor **bias)
{
    const int64_t shape[] = {channels};
    int rc = pq_take(&p->taking, name, ".weight", 1, shape, weight, p->err);
    return rc ? rc : pq_take(&p->taking, name, ".bias", 1, shape, bias, p->err);
}

int pq_parts_layer_norm(struct pq_parts *p, int in, float eps, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    const struct pq_tensor *weight, *bias;
    int rc = in < 0 ? in : take_pair(p, name, p->g->ops[in].channels, &weight, &bias);
    return rc ? rc : pq_graph_norm(p->g, in, PQ_OP_LAYER_NORM, weight, bias, eps, p->err);
}

int pq_parts_group_norm(struct pq_parts *p, int in, int groups, float eps, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    const struct pq_tensor *weight, *bias;
    int rc = in < 0 ? in : take_pair(p, name, p->g->ops[in].channels, &weight, &bias);
    return rc ? rc : pq_graph_group_norm(p->g, in, groups, weight, bias, eps, p->err);
}

int pq_parts_batch_norm(struct pq_parts *p, int in, float eps, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    if (in < 0)
        return in;
    static const char *const endings[] = {".weight", ".bias", ".running_mean", ".running_var"};
    const int64_t n = p->g->ops[in].channels;
    const float *v[4];
    for (int i = 0; i < 4; i++) {
        int rc = take_values(p, name, endings[i], 1, &n, &v[i]);
        if (rc)
            return rc;
    }
    pq_parts_skip(p, "%s.num_batches_tracked", name);
    float *values = pq_graph_own(p->g, 2 * (size_t)n * sizeof *values);
    if (!values)
        return pq_fail_nomem(p->err, 2 * (size_t)n * sizeof *values);
    for (int64_t c = 0; c < n; c++) {
        double factor = (double)v[0][c] / sqrt((double)v[3][c] + (double)eps);
        values[c] = (float)factor;
        values[n + c] = (float)((double)v[1][c] - (double)v[2][c] * factor);
    }
    struct pq_tensor factors = {.dtype = PQ_F32, .dims = 1, .shape = {n}, .data = values};
    struct pq_tensor terms = factors;
    terms.data = values + n;
    return pq_graph_affine(p->g, in, &factors, &terms, p->err);
}

int pq_parts_prelu(struct pq_parts *p, int in, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    if (in < 0)
        return in;
    const int n = p->g->ops[in].channels;
    const struct pq_tensor *slopes = NULL;
    const bool one = n > 1 && pq_parts_extent(p, 0, "%s.weight", name) == 1;
    int rc =
        pq_take(&p->taking, name, ".weight", 1, (const int64_t[]){one ? 1 : n}, &slopes, p->err);
    float slope = 0;
    if (!rc && one)
        pq_tensor_to_f32(slopes, 0, 1, &slope);
    return rc ? rc : pq_graph_act(p->g, in, slope, one ? NULL : slopes, p->err);
}

/* ---- without weights ---- */

int pq_parts_act(struct pq_parts *p, int in, float slope)
{
    return in < 0 ? in : pq_graph_act(p->g, in, slope, NULL, p->err);
}

int pq_parts_curve(struct pq_parts *p, int in, enum pq_act_kind kind)
{
    return in < 0 ? in : pq_graph_curve(p->g, in, kind, p->err);
}

int pq_parts_clip(struct pq_parts *p, int in, float low, float high)
{
    return in < 0 ? in : pq_graph_clip(p->g, in, low, high, p->err);
}

int pq_parts_add(struct pq_parts *p, int a, int b)
{
    return a < 0 ? a : b < 0 ? b : pq_graph_add(p->g, a, b, 1, p->err);
}

int pq_parts_mul(struct pq_parts *p, int a, int b)
{
    return a < 0 ? a : b < 0 ? b : pq_graph_mul(p->g, a, b, p->err);
}

int pq_parts_concat(struct pq_parts *p, int count, const int *in)
{
    for (int i = 0; i < count; i++) {
        if (in[i] < 0)
            return in[i];
    }
    return pq_graph_concat(p->g, count, in, p->err);
}

int pq_parts_slice(struct pq_parts *p, int in, int first, int count)
{
    return in < 0 ? in : pq_graph_slice(p->g, in, first, count, p->err);
}

int pq_parts_shuffle(struct pq_parts *p, int in, int factor)
{
    return in < 0 || factor == 1 ? in : pq_graph_pixel_shuffle(p->g, in, factor, p->err);
}

int pq_parts_unshuffle(struct pq_parts *p, int in, int factor)
{
    return in < 0 || factor == 1 ? in : pq_graph_pixel_unshuffle(p->g, in, factor, p->err);
}

int pq_parts_nearest(struct pq_parts *p, int in, int factor)
{
    return in < 0 || factor == 1 ? in : pq_graph_nearest(p->g, in, factor, p->err);
}

int pq_parts_mean(struct pq_parts *p, int in)
{
    return in < 0 ? in : pq_graph_mean(p->g, in, p->err);
}

int pq_parts_scale(struct pq_parts *p, int in, float factor, int terms, const float *term)
{
    if (in < 0)
        return in;
    const int64_t n = p->g->ops[in].channels;
    float *values = pq_graph_own(p->g, 2 * (size_t)n * sizeof *values);
    if (!values)
        return pq_fail_nomem(p->err, 2 * (size_t)n * sizeof *values);
    for (int64_t c = 0; c < n; c++) {
        values[c] = factor;
        values[n + c] = term[c < terms ? c : terms - 1];
    }
    struct pq_tensor factors = {.dtype = PQ_F32, .dims = 1, .shape = {n}, .data = values};
    struct pq_tensor added = factors;
    added.data = values + n;
    return pq_graph_affine(p->g, in, &factors, &added, p->err);
}

int pq_parts_pad(struct pq_parts *p, int in, enum pq_pad_mode mode, int border, int multiple)
{
    return in < 0 ? in : pq_graph_pad(p->g, in, mode, border, multiple, p->err);
}

int pq_parts_crop(struct pq_parts *p, int in, int border)
{
    return in < 0 ? in : pq_graph_crop(p->g, in, border, p->err);
}

int pq_parts_pad_to(struct pq_parts *p, int in, enum pq_pad_mode mode, int multiple)
{
    return in < 0 || multiple == 1 ? in : pq_graph_pad(p->g, in, mode, 0, multiple, p->err);
}

int pq_parts_pad_least(struct pq_parts *p, int in, enum pq_pad_mode mode, int multiple, int least)
{
    return in < 0 ? in : pq_graph_pad_least(p->g, in, mode, multiple, least, p->err);
}

int pq_parts_crop_to(struct pq_parts *p, int in, int picture, int scale)
{
    return in < 0 ? in : pq_graph_crop_like(p->g, in, picture, scale, 1, p->err);
}
