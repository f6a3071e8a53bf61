/* SPDX-License-Identifier: MIT */
#include "arch/windows.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "arch/distance.h"
#include "base/alloc.h"

enum { NAME = 128, CHUNK = 256 };

const float pq_windows_eps = 1e-5f;

#define FORMATTED(name, fmt)                                                                       \
    char name[NAME];                                                                               \
    va_list args_##name;                                                                           \
    va_start(args_##name, fmt);                                                                    \
    vsnprintf(name, sizeof name, fmt, args_##name);                                                \
    va_end(args_##name)

/* ---- sizes and indices ---- */

int pq_windows_size(struct pq_parts *p, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    const int rows = pq_parts_extent(p, 0, "%s", name);
    if (rows < 0)
        return rows;
    const int side = pq_square_root(rows), size = (side + 1) / 2;
    if (side % 2 == 0 || size > PQ_MAX_WINDOW)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED,
                             "tensor '%s' has %d rows; (2 n - 1)^2 with n of 1 to %d are possible",
                             name, rows, PQ_MAX_WINDOW);
    return size;
}

int32_t *pq_windows_new_index(struct pq_parts *p, int queries, int keys)
{
    const size_t count = (size_t)(queries * queries) * (size_t)(keys * keys);
    int32_t *index = pq_graph_own(p->g, count * sizeof *index);
    if (!index)
        pq_fail_nomem(p->err, count * sizeof *index);
    return index;
}

int pq_windows_begin(struct pq_parts *p, struct pq_windows *w, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    *w = (struct pq_windows){.qkv_bias = pq_parts_has(p, "%s.qkv.bias", name)};
    w->size = pq_windows_size(p, "%s.relative_position_bias_table", name);
    if (w->size < 0)
        return w->size;
    w->index = pq_distance_index(p, w->size, w->size);
    return w->index ? 0 : PIQUE_ENOMEM;
}

static bool same_index(const struct pq_tensor *t, const int32_t *index, size_t count)
{
    float values[CHUNK];
    for (size_t at = 0; at < count; at += CHUNK) {
        const size_t n = PQ_MIN(count - at, CHUNK);
        pq_tensor_to_f32(t, at, n, values);
        for (size_t i = 0; i < n; i++) {
            if (values[i] != (float)index[at + i])
                return false;
        }
    }
    return true;
}

int pq_windows_check_index(struct pq_parts *p, const int32_t *index, int rows, int columns,
                           const char *fmt, ...)
{
    FORMATTED(name, fmt);
    const struct pq_tensor *t = pq_statedict_find(p->sd, name);
    if (!t)
        return 0;
    const int64_t flat = (int64_t)rows * columns;
    if (!pq_tensor_is(t, 2, (const int64_t[]){rows, columns}) && !pq_tensor_is(t, 1, &flat))
        return pq_parts_fail(p, PIQUE_EFORMAT, "tensor '%s' is not of %d x %d numbers", name, rows,
                             columns);
    if (!same_index(t, index, (size_t)flat))
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED,
                             "tensor '%s' orders the biases in another way than by distance", name);
    pq_parts_skip(p, "%s", name);
    return 0;
}

/* ---- layers ---- */

/* The rows of a matrix, or the elements of a vector. */
static struct pq_tensor rows_of(const struct pq_tensor *t, int64_t first, int64_t count)
{
    struct pq_tensor part = *t;
    const int64_t each = t->dims > 1 ? t->shape[1] : 1;
    part.shape[0] = count;
    part.data = (const char *)t->data + (size_t)(first * each) * pq_dtype_size(t->dtype);
    return part;
}

int pq_windows_linear(struct pq_parts *p, int in, const struct pq_some_rows *rows, const char *fmt,
                      ...)
{
    FORMATTED(name, fmt);
    if (in < 0)
        return in;
    const struct pq_tensor *weight = NULL, *bias = NULL;
    const int64_t shape[] = {rows->total, p->g->ops[in].channels};
    int rc = pq_parts_tensor(p, 2, shape, &weight, "%s.weight", name);
    if (!rc && rows->biased)
        rc = pq_parts_tensor(p, 1, shape, &bias, "%s.bias", name);
    if (rc)
        return rc;
    struct pq_tensor w = rows_of(weight, rows->first, rows->outputs), b;
    w.dims = 4;
    w.shape[2] = w.shape[3] = 1;
    if (bias)
        b = rows_of(bias, rows->first, rows->outputs);
    return pq_graph_conv2d(p->g, in, &w, bias ? &b : NULL, p->err);
}

static int linear(struct pq_parts *p, int in, int outputs, const char *name, const char *part)
{
    return pq_windows_linear(
        p, in, &(struct pq_some_rows){.outputs = outputs, .total = outputs, .biased = true},
        "%s.%s", name, part);
}

int pq_windows_attend(struct pq_parts *p, const int qkv[3], const struct pq_attention *a, int rows,
                      const char *fmt, ...)
{
    FORMATTED(name, fmt);
    for (int i = 0; i < 3; i++) {
        if (qkv[i] < 0)
            return qkv[i];
    }
    const int dim = p->g->ops[qkv[0]].channels;
    const int heads = pq_parts_extent(p, 1, "%s.relative_position_bias_table", name);
    if (heads < 0)
        return heads;
    if (dim % heads)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor '%s.relative_position_bias_table' is for %d heads of %d "
                             "channels",
                             name, heads, dim);
    const struct pq_tensor *table = NULL;
    int rc = pq_parts_tensor(p, 2, (const int64_t[]){rows, heads}, &table,
                             "%s.relative_position_bias_table", name);
    if (rc)
        return rc;
    struct pq_attention attention = *a;
    attention.heads = heads;
    attention.scale = (float)pow(dim / heads, -0.5);
    return pq_graph_attention(p->g, qkv[0], qkv[1], qkv[2], &attention, table, p->err);
}

int pq_windows_attention(struct pq_parts *p, int in, const struct pq_windows *w, const char *fmt,
                         ...)
{
    FORMATTED(name, fmt);
    if (in < 0)
        return in;
    const int dim = p->g->ops[in].channels, size = w->size;
    int rc = pq_windows_check_index(p, w->index, size * size, size * size,
                                    "%s.relative_position_index", name);
    if (rc)
        return rc;
    int qkv[3];
    for (int i = 0; i < 3; i++)
        qkv[i] = pq_windows_linear(
            p, in, &(struct pq_some_rows){i * dim, dim, 3 * dim, w->qkv_bias}, "%s.qkv", name);
    return pq_windows_attend(p, qkv,
                             &(struct pq_attention){.height = size,
                                                    .width = size,
                                                    .key_height = size,
                                                    .key_width = size,
                                                    .shift_y = w->shift,
                                                    .shift_x = w->shift,
                                                    .index = w->index},
                             (2 * size - 1) * (2 * size - 1), "%s", name);
}

int pq_windows_feed(struct pq_parts *p, int in, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    const int hidden = in < 0 ? in : pq_parts_extent(p, 0, "%s.fc1.weight", name);
    if (hidden < 0)
        return hidden;
    const int dim = p->g->ops[in].channels;
    int at = linear(p, in, hidden, name, "fc1");
    return linear(p, pq_parts_curve(p, at, PQ_ACT_GELU), dim, name, "fc2");
}

int pq_windows_conv_feed(struct pq_parts *p, int in, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    if (in < 0)
        return in;
    const int hidden = pq_parts_extent(p, 0, "%s.fc1.weight", name);
    const int kernel = pq_parts_extent(p, 2, "%s.dwconv.depthwise_conv.0.weight", name);
    if (hidden < 0 || kernel < 0)
        return PQ_MIN(hidden, kernel);
    if (kernel % 2 == 0)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor '%s.dwconv.depthwise_conv.0.weight' has an even kernel of %d",
                             name, kernel);
    const int dim = p->g->ops[in].channels;
    int at = pq_parts_curve(p, linear(p, in, hidden, name, "fc1"), PQ_ACT_GELU);
    int local = pq_parts_depthwise(p, at, kernel, "%s.dwconv.depthwise_conv.0", name);
    at = pq_parts_add(p, at, pq_parts_curve(p, local, PQ_ACT_GELU));
    return linear(p, at, dim, name, "fc2");
}

int pq_windows_block(struct pq_parts *p, int in, const struct pq_windows *w, const char *fmt, ...)
{
    FORMATTED(name, fmt);
    if (in < 0)
        return in;
    const int dim = p->g->ops[in].channels;
    int at = pq_parts_layer_norm(p, in, pq_windows_eps, "%s.norm1", name);
    at = pq_windows_attention(p, at, w, "%s.attn", name);
    at = pq_parts_add(p, in, linear(p, at, dim, name, "attn.proj"));
    int fed = pq_parts_layer_norm(p, at, pq_windows_eps, "%s.norm2", name);
    return pq_parts_add(p, at, pq_windows_feed(p, fed, "%s.mlp", name));
}

/* ---- the body ---- */

int pq_windows_body_begin(struct pq_parts *p, struct pq_ends *e, enum pq_pad_mode mode,
                          int multiple)
{
    return pq_parts_layer_norm(p, pq_ends_begin(p, e, mode, multiple), pq_windows_eps,
                               "patch_embed.norm");
}

int pq_windows_body_finish(struct pq_parts *p, const struct pq_ends *e, int in, bool closed)
{
    int at = pq_parts_layer_norm(p, in, pq_windows_eps, "norm");
    if (closed)
        at = pq_ends_closing(p, at, "conv_after_body");
    return at < 0 ? at : pq_ends_finish(p, e, at);
}
