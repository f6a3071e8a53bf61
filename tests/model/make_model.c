/* SPDX-License-Identifier: MIT */
/* Weights are uniform in +-sqrt(6 / inputs) (He et al., 2015), which keeps the size of activations
 * from layer to layer; those of the last convolution are a fiftieth of that. In both containers the
 * same maker gives the same numbers: with half set, all of a convolution's weights are rounded to
 * f16 in either. */
#include "make_model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes ---- */

void bytes_add(struct bytes *b, const void *data, size_t size)
{
    if (b->size + size + 1 > b->capacity) {
        b->capacity = 2 * (b->size + size) + 1;
        b->data = realloc(b->data, b->capacity);
        if (!b->data)
            abort();
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
}

void bytes_text(struct bytes *b, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        abort();
    bytes_add(b, text, (size_t)n);
}

void bytes_free(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}

void bytes_save(const struct bytes *b, const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(b->data ? b->data : (unsigned char *)"", 1, b->size, f) != b->size ||
        fclose(f) != 0) {
        fprintf(stderr, "%s: cannot be written\n", path);
        exit(1);
    }
}

/* ---- numbers ---- */

/* xorshift64*, the same everywhere. */
static float uniform(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    uint32_t top = (uint32_t)(*state * UINT64_C(2685821657736338717) >> 32);
    return (float)(top >> 8) * 0x1p-23f - 1;
}

/* To the nearest f16, ties away from zero; the weights here are small, normal or zero. */
static uint16_t to_half(float f)
{
    uint16_t sign = f < 0 ? 0x8000 : 0;
    f = fabsf(f);
    if (f < 0x1p-14f)
        return (uint16_t)(sign | (uint16_t)lroundf(f * 0x1p24f));
    int e;
    long m = lroundf(frexpf(f, &e) * 2048); /* 1024 .. 2048 */
    if (m == 2048) {
        m = 1024;
        e++;
    }
    return (uint16_t)(sign | (e + 14) << 10 | (m - 1024));
}

static int layers(const struct maker *m)
{
    return 2 * m->convs + 3; /* conv, act, convs x (conv, act), conv */
}

struct layer {
    int in, out, kernel;
    float *weight, *bias; /* bias NULL: slopes */
};

/* bias: whether there is one; layers without are slopes or a 1x1 convolution. */
static void fill(const struct maker *m, struct layer *l, int i, bool bias, float range)
{
    uint64_t state = (m->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)i * 7919 + 1;
    size_t count = (size_t)l->out * (size_t)l->in * (size_t)(l->kernel * l->kernel);
    l->weight = malloc(count * sizeof(float));
    l->bias = bias ? malloc((size_t)l->out * sizeof(float)) : NULL;
    if (!l->weight || (bias && !l->bias))
        abort();
    for (int k = 0; k < 8; k++)
        uniform(&state);
    for (size_t k = 0; k < count; k++)
        l->weight[k] = uniform(&state) * range;
    for (int k = 0; k < l->out && bias; k++)
        l->bias[k] = uniform(&state) * 0.01f;
}

static struct layer make_layer(const struct maker *m, int i)
{
    bool first = i == 0, last = i == layers(m) - 1;
    struct layer l = {.in = first ? m->channels : m->features,
                      .out = last ? m->channels * m->scale * m->scale : m->features,
                      .kernel = 3};
    if (i % 2) {
        l.in = l.kernel = 1; /* slopes */
        fill(m, &l, i, false, 0.2f);
    } else {
        fill(m, &l, i, true, sqrtf(6.0f / (float)(l.in * 9)) * (last ? 0.02f : 1));
    }
    return l;
}

static void free_layer(struct layer *l)
{
    free(l->weight);
    free(l->bias);
}

static void add_weight(const struct maker *m, const struct layer *l, struct bytes *out)
{
    size_t count = (size_t)l->out * (size_t)l->in * (size_t)(l->kernel * l->kernel);
    for (size_t i = 0; i < count && m->half; i++) {
        uint16_t h = to_half(l->weight[i]);
        bytes_add(out, &h, sizeof h);
    }
    if (!m->half)
        bytes_add(out, l->weight, count * sizeof(float));
}

/* ---- ESRGAN ---- */

enum role { FIRST, DENSE, SHORTCUT, TRUNK, UP, HR, LAST };

/* Where the i-th convolution stands; block from 0, the others from 1. */
struct place {
    enum role role;
    int block, dense, conv, up;
};

static int ups(const struct maker *m)
{
    int n = 0;
    while (1 << n < m->scale)
        n++;
    return n;
}

static int rrdb_convs(const struct maker *m)
{
    return 1 + m->blocks * 3 * (5 + m->plus) + 1 + ups(m) + 2;
}

static struct place place_of(const struct maker *m, int i)
{
    int per = 5 + m->plus, dense = m->blocks * 3 * per;
    if (i == 0)
        return (struct place){.role = FIRST};
    i--;
    if (i < dense) {
        int conv = i % per + 1;
        bool shortcut = m->plus && conv == 3;
        return (struct place){.role = shortcut ? SHORTCUT : DENSE,
                              .block = i / per / 3,
                              .dense = i / per % 3 + 1,
                              .conv = m->plus && conv > 3 ? conv - 1 : conv};
    }
    i -= dense;
    if (i == 0)
        return (struct place){.role = TRUNK};
    if (i <= ups(m))
        return (struct place){.role = UP, .up = i};
    return (struct place){.role = i == ups(m) + 1 ? HR : LAST};
}

static void rrdb_name(const struct maker *m, const struct place *p, char name[64])
{
    static const char *const fixed[3][LAST + 1] = {
        [NAMES_BASICSR] = {"conv_first", "body.%d.rdb%d.conv%d", "body.%d.rdb%d.conv1x1",
                           "conv_body", "conv_up%d", "conv_hr", "conv_last"},
        [NAMES_BSRGAN] = {"conv_first", "RRDB_trunk.%d.RDB%d.conv%d", "RRDB_trunk.%d.RDB%d.conv1x1",
                          "trunk_conv", "upconv%d", "HRconv", "conv_last"},
        [NAMES_ESRGAN] = {"model.%d", "model.1.sub.%d.RDB%d.conv%d.0",
                          "model.1.sub.%d.RDB%d.conv1x1", "model.1.sub.%d", "model.%d", "model.%d",
                          "model.%d"},
    };
    const char *text = fixed[m->names][p->role];
    if (p->role == DENSE || p->role == SHORTCUT)
        snprintf(name, 64, text, p->block, p->dense, p->conv);
    else if (m->names == NAMES_ESRGAN)
        snprintf(name, 64, text,
                 p->role == FIRST   ? 0
                 : p->role == TRUNK ? m->blocks
                 : p->role == UP    ? 3 * p->up
                                    : 3 * ups(m) + (p->role == HR ? 2 : 4));
    else
        snprintf(name, 64, text, p->up);
}

/* The picture goes straight through the first channels of all but the body, which adds noise. */
static struct layer rrdb_layer(const struct maker *m, int i)
{
    const struct place p = place_of(m, i);
    bool body = p.role == DENSE || p.role == SHORTCUT, carries = !body && p.role != TRUNK;
    struct layer l = {.in = m->features, .out = m->features, .kernel = p.role == SHORTCUT ? 1 : 3};
    if (p.role == FIRST)
        l.in = m->channels;
    if (p.role == DENSE)
        l.in += (p.conv - 1) * m->growth;
    if (p.role == SHORTCUT || (p.role == DENSE && p.conv < 5))
        l.out = m->growth;
    if (p.role == LAST)
        l.out = m->channels;
    float range = sqrtf(6.0f / (float)(l.in * l.kernel * l.kernel));
    fill(m, &l, i, p.role != SHORTCUT, range * (body ? 1 : p.role == TRUNK ? 0.1f : 0.02f));
    for (int c = 0; c < m->channels && c < m->features && carries; c++)
        l.weight[(c * l.in + c) * 9 + 4] += 1;
    return l;
}

/* ---- safetensors ---- */

void wrap_safetensors(const char *json, const void *data, size_t data_bytes, struct bytes *file)
{
    uint64_t n = strlen(json);
    unsigned char head[8];
    for (int i = 0; i < 8; i++)
        head[i] = (unsigned char)(n >> (8 * i));
    bytes_add(file, head, sizeof head);
    bytes_add(file, json, (size_t)n);
    bytes_add(file, data_bytes ? data : "", data_bytes);
}

static void describe(struct bytes *json, const char *name, const char *dtype, const char *shape,
                     size_t begin, size_t end)
{
    bytes_text(json, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", name,
               dtype, shape, begin, end);
}

/* A convolution with its bias, or slopes. */
static void put_layer(const struct maker *m, const struct layer *l, const char *stem, bool slopes,
                      struct bytes *json, struct bytes *data)
{
    char name[80], shape[64];
    size_t begin = data->size;
    snprintf(name, sizeof name, "%s.weight", stem);
    if (slopes) {
        bytes_add(data, l->weight, (size_t)l->out * sizeof(float));
        snprintf(shape, sizeof shape, "%d", l->out);
    } else {
        add_weight(m, l, data);
        snprintf(shape, sizeof shape, "%d,%d,%d,%d", l->out, l->in, l->kernel, l->kernel);
    }
    describe(json, name, m->half && !slopes ? "F16" : "F32", shape, begin, data->size);
    if (!l->bias)
        return;
    begin = data->size;
    snprintf(name, sizeof name, "%s.bias", stem);
    bytes_add(data, l->bias, (size_t)l->out * sizeof(float));
    snprintf(shape, sizeof shape, "%d", l->out);
    describe(json, name, "F32", shape, begin, data->size);
}

void make_safetensors(const struct maker *m, struct bytes *file)
{
    struct bytes json = {0}, data = {0};
    bytes_text(&json, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int i = 0; i < (m->blocks ? rrdb_convs(m) : layers(m)); i++) {
        if (i % 2 && m->leaky && !m->blocks)
            continue;
        struct layer l = m->blocks ? rrdb_layer(m, i) : make_layer(m, i);
        char stem[64];
        if (m->blocks) {
            const struct place p = place_of(m, i);
            rrdb_name(m, &p, stem);
        } else {
            snprintf(stem, sizeof stem, "body.%d", i);
        }
        put_layer(m, &l, stem, !m->blocks && i % 2, &json, &data);
        free_layer(&l);
    }
    bytes_text(&json, "}");
    wrap_safetensors((const char *)json.data, data.data, data.size, file);
    bytes_free(&json);
    bytes_free(&data);
}

/* ---- ncnn ---- */

static void add_flagged(const struct maker *m, const struct layer *l, struct bytes *bin)
{
    static const unsigned char half[] = {0x47, 0x6b, 0x30, 0x01}, full[] = {0, 0, 0, 0};
    bytes_add(bin, m->half ? half : full, 4);
    add_weight(m, l, bin);
    bytes_add(bin, full, -bin->size % 4);
}

/* One layer of the network; returns the number of the blob that it makes. */
static int write_layer(const struct maker *m, int i, int blob, struct bytes *param,
                       struct bytes *bin)
{
    if (i % 2 && m->leaky) {
        bytes_text(param, "ReLU act_%d 1 1 %d %d 0=1.000000e-01\n", i, blob, blob + 1);
        return blob + 1;
    }
    struct layer l = make_layer(m, i);
    if (l.bias) {
        bytes_text(param, "Convolution Conv_%d 1 1 %d %d 0=%d 1=3 4=1 5=1 6=%d\n", i, blob,
                   blob + 1, l.out, l.out * l.in * 9);
        add_flagged(m, &l, bin);
    } else {
        bytes_text(param, "PReLU PRelu_%d 1 1 %d %d 0=%d\n", i, blob, blob + 1, l.out);
    }
    bytes_add(bin, l.bias ? l.bias : l.weight, (size_t)l.out * sizeof(float));
    free_layer(&l);
    return blob + 1;
}

/* A growing .param of an ESRGAN network, its blobs numbered as they come. */
struct joined {
    const struct maker *m;
    struct bytes text, *bin;
    int layers, blobs, convs;
};

static int put_text(struct joined *j, const char *type, int count, const int *in,
                    const char *params)
{
    bytes_text(&j->text, "%s %s_%d %d 1", type, type, j->layers++, count);
    for (int i = 0; i < count; i++)
        bytes_text(&j->text, " %d", in[i]);
    bytes_text(&j->text, " %d %s\n", j->blobs, params);
    return j->blobs++;
}

static int put_conv(struct joined *j, int in, bool act)
{
    char params[128];
    struct layer l = rrdb_layer(j->m, j->convs++);
    snprintf(params, sizeof params, "0=%d 1=%d 4=%d 5=%d 6=%d%s", l.out, l.kernel, l.kernel / 2,
             l.bias != NULL, l.out * l.in * l.kernel * l.kernel,
             act ? " 9=2 -23310=1,2.000000e-01" : "");
    add_flagged(j->m, &l, j->bin);
    if (l.bias)
        bytes_add(j->bin, l.bias, (size_t)l.out * sizeof(float));
    free_layer(&l);
    return put_text(j, "Convolution", 1, &in, params);
}

static int put_sum(struct joined *j, int a, int b)
{
    return put_text(j, "BinaryOp", 2, (const int[]){a, b}, "0=0");
}

static int put_dense(struct joined *j, int x)
{
    int parts[5] = {x};
    for (int i = 1; i < 5; i++) {
        int joined = i == 1 ? x : put_text(j, "Concat", i, parts, "0=0");
        parts[i] = put_conv(j, joined, true);
        if (j->m->plus && i == 2)
            parts[i] = put_sum(j, parts[i], put_conv(j, x, false));
        if (j->m->plus && i == 4)
            parts[i] = put_sum(j, parts[i], parts[2]);
    }
    int y = put_conv(j, put_text(j, "Concat", 5, parts, "0=0"), false);
    return put_text(j, "Eltwise", 2, (const int[]){y, x}, "0=1 -23301=2,2.000000e-01,1.000000e+00");
}

/* The residual of a dense block is a weighted sum, as ncnn's converter leaves it after optimising;
 * that of a block is a product and a sum, as it is before. */
static void make_ncnn_rrdb(const struct maker *m, struct bytes *param, struct bytes *bin)
{
    struct joined j = {.m = m, .bin = bin};
    int first = put_conv(&j, put_text(&j, "Input", 0, NULL, ""), false), y = first;
    for (int b = 0; b < m->blocks; b++) {
        int x = y;
        for (int d = 0; d < 3; d++)
            y = put_dense(&j, y);
        y = put_text(&j, "BinaryOp", 1, &y, "0=2 1=1 2=2.000000e-01");
        y = put_sum(&j, y, x);
    }
    y = put_sum(&j, first, put_conv(&j, y, false));
    for (int i = 0; i < ups(m); i++)
        y = put_conv(&j, put_text(&j, "Interp", 1, &y, "0=1 1=2.000000e+00 2=2.000000e+00"), true);
    put_conv(&j, put_conv(&j, y, true), false);
    bytes_text(param, "7767517\n%d %d\n", j.layers, j.blobs);
    bytes_add(param, j.text.data, j.text.size);
    bytes_free(&j.text);
}

void make_ncnn(const struct maker *m, struct bytes *param, struct bytes *bin)
{
    if (m->blocks) {
        make_ncnn_rrdb(m, param, bin);
        return;
    }
    int n = layers(m), blob = 1;
    /* input, split, the layers, shuffle, interp, sum */
    bytes_text(param, "7767517\n%d %d\n", n + 5, n + 6);
    bytes_text(param, "Input data 0 1 0\nSplit split 1 2 0 1 picture\n");
    for (int i = 0; i < n; i++)
        blob = write_layer(m, i, blob, param, bin);
    bytes_text(param, "PixelShuffle shuffle 1 1 %d shuffled 0=%d\n", blob, m->scale);
    bytes_text(param, "Interp nearest 1 1 picture large 0=1 1=%e 2=%e\n", (double)m->scale,
               (double)m->scale);
    bytes_text(param, "BinaryOp sum 2 1 shuffled large output 0=0\n");
}

struct maker maker_of_series(int i, int count)
{
    struct maker m = {.features = 1 + i % 3,
                      .convs = i % 3,
                      .scale = 1 + i % 4,
                      .channels = i & 1 ? 3 : 1,
                      .seed = (uint64_t)i,
                      .half = i & 2,
                      .leaky = i & 4};
    if (i >= count - 4) {
        m.blocks = m.growth = 1;
        m.scale = 1 << i % 3;
        m.plus = i == count - 1;
        m.names = (enum maker_names)(i % 3);
    }
    return m;
}
