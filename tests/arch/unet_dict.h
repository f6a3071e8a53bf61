/* SPDX-License-Identifier: MIT */
/* State dicts of Real-CUGAN and waifu2x, narrower than the public ones, and the same networks as
 * ncnn files in the two ways in which they are written. */
#pragma once

#include "../net.h"

#include <math.h>
#include <stdio.h>

#include "arch/arch.h"
#include "arch/border.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "make_model.h"
#include "memory_map.h"
#include "model/ncnn.h"

enum { UNET_WIDE = 8 };

/* ---- state dicts; the data of each tensor is freed with it ---- */

static inline void dict_put(struct pq_statedict *sd, struct rng *r, const char *name, int dims,
                            const int64_t *shape, float size)
{
    struct pq_tensor t = {.dtype = PQ_F32, .dims = dims};
    size_t n = 1;
    for (int i = 0; i < dims; i++)
        n *= (size_t)(t.shape[i] = shape[i]);
    float *v = malloc(n * sizeof *v);
    assert_non_null(v);
    for (size_t i = 0; i < n; i++)
        v[i] = rng_float(r) * size;
    t.data = v;
    assert_int_equal(pq_statedict_add(sd, name, &t, NULL), 0);
}

static inline void dict_conv(struct pq_statedict *sd, struct rng *r, const char *name, int out,
                             int in, int k, bool transposed)
{
    char full[96];
    const int64_t shape[] = {transposed ? in : out, transposed ? out : in, k, k}, n = out;
    snprintf(full, sizeof full, "%s.weight", name);
    dict_put(sd, r, full, 4, shape, 2 / sqrtf((float)(in * (transposed ? 2 : k * k))));
    snprintf(full, sizeof full, "%s.bias", name);
    dict_put(sd, r, full, 1, &n, 0.3f);
}

static inline void dict_pair(struct pq_statedict *sd, struct rng *r, const char *name, int in,
                             int middle, int out, bool weighed)
{
    char part[64];
    snprintf(part, sizeof part, "%s.conv.0", name);
    dict_conv(sd, r, part, middle, in, 3, false);
    snprintf(part, sizeof part, "%s.conv.2", name);
    dict_conv(sd, r, part, out, middle, 3, false);
    if (!weighed)
        return;
    snprintf(part, sizeof part, "%s.seblock.conv1", name);
    dict_conv(sd, r, part, out / 8, out, 1, false);
    snprintf(part, sizeof part, "%s.seblock.conv2", name);
    dict_conv(sd, r, part, out, out / 8, 1, false);
}

static inline void dict_begin(struct pq_statedict *sd)
{
    *sd = (struct pq_statedict){.map = {.path = (char *)"unet.pth"}};
}

static inline void dict_unets(struct pq_statedict *sd, struct rng *r, int in, int between,
                              int scale)
{
    const int w = UNET_WIDE;
    dict_pair(sd, r, "unet1.conv1", in, w / 2, w, false);
    dict_conv(sd, r, "unet1.conv1_down", w, w, 2, false);
    dict_pair(sd, r, "unet1.conv2", w, 2 * w, w, true);
    dict_conv(sd, r, "unet1.conv2_up", w, w, 2, true);
    dict_conv(sd, r, "unet1.conv3", w, w, 3, false);
    dict_conv(sd, r, "unet1.conv_bottom", between, w, scale + 2, scale > 1);
    dict_pair(sd, r, "unet2.conv1", between, w / 2, w, false);
    dict_conv(sd, r, "unet2.conv1_down", w, w, 2, false);
    dict_pair(sd, r, "unet2.conv2", w, w, 2 * w, true);
    dict_conv(sd, r, "unet2.conv2_down", 2 * w, 2 * w, 2, false);
    dict_pair(sd, r, "unet2.conv3", 2 * w, 4 * w, 2 * w, true);
    dict_conv(sd, r, "unet2.conv3_up", 2 * w, 2 * w, 2, true);
    dict_pair(sd, r, "unet2.conv4", 2 * w, w, w, true);
    dict_conv(sd, r, "unet2.conv4_up", w, w, 2, true);
    dict_conv(sd, r, "unet2.conv5", w, w, 3, false);
    dict_conv(sd, r, "unet2.conv_bottom", between, w, 3, false);
}

/* Seven layers, the last of which enlarges by `scale`. */
static inline void dict_chain(struct pq_statedict *sd, struct rng *r, int scale)
{
    static const int wide[] = {3, 2, 4, 4, 6, 6, 8, 3};
    for (int i = 0; i < 7; i++) {
        char name[16];
        snprintf(name, sizeof name, "net.%d", 2 * i);
        const bool up = i == 6 && scale == 2;
        dict_conv(sd, r, name, wide[i + 1], wide[i], up ? 4 : 3, up);
    }
}

static inline void dict_end(struct pq_statedict *sd)
{
    for (size_t i = 0; i < sd->count; i++)
        free((void *)sd->tensors[i].tensor.data);
    sd->map.path = NULL;
    pq_statedict_free(sd);
}

/* ---- the same as ncnn files ---- */

/* As pnnx writes them (Real-CUGAN) or as they came from Caffe (waifu2x). */
enum dialect { PNNX, CAFFE };

struct writer {
    const struct pq_statedict *sd;
    enum dialect dialect;
    struct bytes lines, bin;
    int layers; /* each makes one blob: its number */
};

/* One layer; `in` behind its own are blobs that it reads, -1: none. */
static inline int write_layer(struct writer *w, const char *type, int a, int b, const char *params)
{
    const int n = w->layers++;
    bytes_text(&w->lines, "%s l%d %d 1", type, n, (a >= 0) + (b >= 0));
    if (a >= 0)
        bytes_text(&w->lines, " b%d", a);
    if (b >= 0)
        bytes_text(&w->lines, " b%d", b);
    bytes_text(&w->lines, " b%d %s\n", n, params);
    return n;
}

static inline const struct pq_tensor *tensor_of(const struct writer *w, const char *name,
                                                const char *ending)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", name, ending);
    const struct pq_tensor *t = pq_statedict_find(w->sd, full);
    assert_non_null(t);
    return t;
}

static inline void write_weights(struct writer *w, const char *name, bool transposed)
{
    const struct pq_tensor *t = tensor_of(w, name, "weight");
    const struct pq_tensor *bias = tensor_of(w, name, "bias");
    const size_t taps = (size_t)(t->shape[2] * t->shape[3]);
    static const unsigned char flag[4];
    bytes_add(&w->bin, flag, sizeof flag);
    const int64_t a = t->shape[transposed ? 1 : 0], b = t->shape[transposed ? 0 : 1];
    for (int64_t i = 0; i < a; i++) {
        for (int64_t k = 0; k < b; k++) {
            const int64_t from = transposed ? k * a + i : i * b + k;
            bytes_add(&w->bin, (const float *)t->data + (size_t)from * taps, taps * 4);
        }
    }
    bytes_add(&w->bin, bias->data, (size_t)bias->shape[0] * 4);
}

static inline int write_conv(struct writer *w, int x, const char *name, int stride, bool act)
{
    const struct pq_tensor *t = tensor_of(w, name, "weight");
    char params[160];
    snprintf(params, sizeof params, "0=%d 1=%d 3=%d 5=1 6=%d%s", (int)t->shape[0], (int)t->shape[2],
             stride, (int)(t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3]),
             act ? " 9=2 -23310=1,1.000000e-01" : "");
    write_weights(w, name, false);
    return write_layer(w, "Convolution", x, -1, params);
}

static inline int write_deconv(struct writer *w, int x, const char *name, int stride, int pad,
                               bool act)
{
    const struct pq_tensor *t = tensor_of(w, name, "weight");
    char params[160];
    snprintf(params, sizeof params, "0=%d 1=%d 3=%d 4=%d 5=1 6=%d%s", (int)t->shape[1],
             (int)t->shape[2], stride, pad,
             (int)(t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3]),
             act ? " 9=2 -23310=1,1.000000e-01" : "");
    write_weights(w, name, true);
    return write_layer(w, "Deconvolution", x, -1, params);
}

static inline int write_matrix(struct writer *w, int x, const char *name, int act)
{
    const struct pq_tensor *t = tensor_of(w, name, "weight");
    char params[80];
    snprintf(params, sizeof params, "0=%d 1=1 2=%d 9=%d", (int)t->shape[0],
             (int)(t->shape[0] * t->shape[1]), act);
    write_weights(w, name, false);
    return write_layer(w, "InnerProduct", x, -1, params);
}

static inline int write_pair(struct writer *w, int x, const char *name, bool weighed)
{
    char part[64];
    for (int i = 0; i <= 2; i += 2) {
        snprintf(part, sizeof part, "%s.conv.%d", name, i);
        x = write_conv(w, x, part, 1, true);
    }
    if (!weighed)
        return x;
    int gate = write_layer(w, "Pooling", x, -1, "0=1 4=1");
    snprintf(part, sizeof part, "%s.seblock.conv1", name);
    gate = write_matrix(w, gate, part, 1);
    snprintf(part, sizeof part, "%s.seblock.conv2", name);
    gate = write_matrix(w, gate, part, 4);
    return w->dialect == PNNX ? write_layer(w, "BinaryOp", x, gate, "0=2")
                              : write_layer(w, "Scale", x, gate, "0=-233");
}

/* What goes past, cut and added to x. */
static inline int write_joined(struct writer *w, int x, int past, int border)
{
    char params[80];
    if (w->dialect == PNNX) {
        snprintf(params, sizeof params, "-23309=2,%d,%d -23310=2,-%d,-%d -23311=2,-2,-1", border,
                 border, border, border);
        return write_layer(w, "BinaryOp", write_layer(w, "Crop", past, -1, params), x, "");
    }
    snprintf(params, sizeof params, "0=%d 1=%d", border, border);
    return write_layer(w, "Eltwise", write_layer(w, "Crop", past, x, params), x, "0=1");
}

static inline int write_unets(struct writer *w, int x, int scale)
{
    int wide = write_pair(w, x, "unet1.conv1", false);
    x = write_pair(w, write_conv(w, wide, "unet1.conv1_down", 2, true), "unet1.conv2", true);
    x = write_joined(w, write_deconv(w, x, "unet1.conv2_up", 2, 0, true), wide, 4);
    x = write_conv(w, x, "unet1.conv3", 1, true);
    const int first = scale == 1 ? write_conv(w, x, "unet1.conv_bottom", 1, false)
                                 : write_deconv(w, x, "unet1.conv_bottom", scale, 5 - scale, false);
    wide = write_pair(w, first, "unet2.conv1", false);
    int deep = write_pair(w, write_conv(w, wide, "unet2.conv1_down", 2, true), "unet2.conv2", true);
    x = write_pair(w, write_conv(w, deep, "unet2.conv2_down", 2, true), "unet2.conv3", true);
    x = write_joined(w, write_deconv(w, x, "unet2.conv3_up", 2, 0, true), deep, 4);
    x = write_pair(w, x, "unet2.conv4", true);
    x = write_joined(w, write_deconv(w, x, "unet2.conv4_up", 2, 0, true), wide, 16);
    x = write_conv(w, write_conv(w, x, "unet2.conv5", 1, true), "unet2.conv_bottom", 1, false);
    return write_joined(w, x, first, 20);
}

static inline void writer_begin(struct writer *w, const struct pq_statedict *sd, enum dialect d)
{
    *w = (struct writer){.sd = sd, .dialect = d};
    write_layer(w, "Input", -1, -1, "");
}

/* What an ncnn file becomes. */
struct imported {
    struct pq_statedict sd;
    struct pq_graph *part, *framed;
    pique_error err;
};

static inline int writer_end(struct writer *w, struct imported *im)
{
    struct bytes param = {0};
    bytes_text(&param, "7767517\n%d %d\n", w->layers, w->layers);
    bytes_add(&param, w->lines.data, w->lines.size);
    struct pq_map text = memory_map(param.data, param.size, "x.param");
    *im = (struct imported){.sd.map = memory_map(w->bin.data, w->bin.size, "x.bin")};
    int rc = pq_graph_new(&im->part, &im->err);
    if (!rc)
        rc = pq_ncnn_read(&text, &im->sd, im->part, &im->err);
    if (!rc)
        rc = pq_border_frame(im->part, "x.param", &im->framed, &im->err);
    memory_unmap(&text);
    bytes_free(&param);
    bytes_free(&w->lines);
    bytes_free(&w->bin);
    return rc;
}

static inline void imported_free(struct imported *im)
{
    pq_graph_free(&im->framed);
    pq_graph_free(&im->part);
    memory_free(&im->sd);
}

/* ---- what is checked of each ---- */

static inline struct pq_graph *dict_build(const struct pq_statedict *sd, const char *want)
{
    struct pq_graph *g = NULL;
    const char *name = NULL;
    pique_error err;
    if (pq_arch_build(sd, &g, &name, &err))
        fail_msg("%s", err.message);
    assert_string_equal(name, want);
    return g;
}

/* Pictures of any size become exactly `scale` times as large, and are finite numbers. */
static inline void check_sizes(const struct pq_graph *g, int scale)
{
    static const int sizes[][2] = {{1, 1}, {1, 9}, {2, 1}, {3, 5}, {7, 4}, {18, 33}, {40, 21}};
    struct rng r = {5};
    for (size_t i = 0; i < PQ_COUNT(sizes); i++) {
        const struct pq_geometry geometry = {1, sizes[i][0], sizes[i][1], 7};
        float *in = net_picture(&r, &geometry, g->ops[0].channels);
        int width, height, rc;
        float *out = net_run(g, "cpu", 2, &geometry, in, &width, &height, &rc);
        assert_int_equal(rc, 0);
        assert_int_equal(width, scale * sizes[i][0]);
        assert_int_equal(height, scale * sizes[i][1]);
        for (int k = 0; k < width * height * g->ops[0].channels; k++)
            assert_true(isfinite(out[k]));
        free(in);
        free(out);
    }
}

/* One result over bands, threads and places in the batch, though means over the whole picture are
 * in it. */
static inline void check_bits(const struct pq_graph *g)
{
    static const int bands[] = {1, 3, 8, 16, 100};
    struct rng r = {6};
    struct pq_geometry geometry = {2, 19, 26, 100};
    const int channels = g->ops[0].channels;
    float *in = net_picture(&r, &geometry, channels);
    int width, height, rc;
    float *want = net_run(g, "cpu", 1, &geometry, in, &width, &height, &rc);
    const size_t frame = (size_t)width * (size_t)height * (size_t)channels;
    assert_int_equal(rc, 0);
    for (size_t b = 0; b < PQ_COUNT(bands); b++) {
        for (int threads = 1; threads <= 3; threads++) {
            geometry.band = bands[b];
            geometry.frames = 1 + threads % 2;
            const int first = 2 - geometry.frames;
            float *have =
                net_run(g, "cpu", threads, &geometry,
                        in + (size_t)first * 19 * 26 * (size_t)channels, &width, &height, &rc);
            assert_int_equal(rc, 0);
            if (memcmp(have, want + (size_t)first * frame,
                       (size_t)geometry.frames * frame * sizeof *have) != 0)
                fail_msg("bands of %d rows, %d threads: other bits", bands[b], threads);
            free(have);
        }
    }
    free(want);
    free(in);
}

/* Each tensor with a row too few, or gone, is refused with the file's name; so is one too many. */
static inline void check_damage(struct pq_statedict *sd, const char *network)
{
    const char *name;
    char sentence[96];
    pique_error err;
    struct pq_graph *g = NULL;
    for (size_t i = 0; i < sd->count; i++) {
        struct pq_tensor *t = &sd->tensors[i].tensor;
        for (int dim = 0; dim < t->dims && strcmp(sd->tensors[i].name, "pro") != 0; dim++) {
            t->shape[dim]--; /* still within its memory */
            if (pq_arch_build(sd, &g, &name, &err) == 0)
                fail_msg("%s with shape[%d] = %d is taken", sd->tensors[i].name, dim,
                         (int)t->shape[dim]);
            assert_null(g);
            if (strncmp(err.message, "unet.pth: ", 10) != 0)
                fail_msg("%s, dim %d: %s", sd->tensors[i].name, dim, err.message);
            t->shape[dim]++;
        }
        char *old = sd->tensors[i].name;
        sd->tensors[i].name = (char *)"somewhere.else";
        assert_int_not_equal(pq_arch_build(sd, &g, &name, &err), 0);
        assert_null(g);
        sd->tensors[i].name = old;
    }
    struct rng r = {1};
    dict_put(sd, &r, "one.too.many", 1, (const int64_t[]){3}, 1);
    assert_int_equal(pq_arch_build(sd, &g, &name, &err), PIQUE_EFORMAT);
    snprintf(sentence, sizeof sentence, "'one.too.many' has no place in %s network", network);
    if (!strstr(err.message, sentence))
        fail_msg("%s", err.message);
}

static inline void check_allocations(const struct pq_statedict *sd)
{
    for (int n = 1;; n++) {
        struct pq_graph *g = NULL;
        const char *name;
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, false);
        int rc = pq_arch_build(sd, &g, &name, NULL);
        bool struck = pq_fault_count(PQ_FAULT_ALLOC) >= n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_int_equal(rc, struck ? PIQUE_ENOMEM : 0);
        pq_graph_free(&g);
        if (!struck)
            break;
    }
}

/* Two graphs on one picture; clipped: where the first one's result is in 0 .. 1. */
static inline void check_same(const struct pq_graph *a, const struct pq_graph *b, int in_width,
                              bool clipped)
{
    struct rng r = {9};
    const struct pq_geometry geometry = {1, in_width, in_width - 4, 4};
    float *in = net_picture(&r, &geometry, 3);
    int width, height, rc, inside = 0;
    float *want = net_run(a, "cpu", 1, &geometry, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    const int wide = width, high = height;
    float *have = net_run(b, "cpu", 2, &geometry, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    assert_int_equal(width, wide);
    assert_int_equal(height, high);
    for (int i = 0; i < width * height * 3; i++) {
        float v = clipped ? fminf(fmaxf(have[i], 0), 1) : have[i];
        if (v != want[i])
            fail_msg("value %d is %g and %g", i, (double)want[i], (double)have[i]);
        inside += want[i] != 0 && want[i] != 1;
    }
    if (inside < width * height / 4)
        fail_msg("only %d of %d values say anything", inside, width * height * 3);
    free(in);
    free(want);
    free(have);
}
