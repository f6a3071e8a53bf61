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
    int in, out;
    float *weight, *bias; /* bias NULL: slopes */
};

static struct layer make_layer(const struct maker *m, int i)
{
    uint64_t state = (m->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)i * 7919 + 1;
    bool first = i == 0, last = i == layers(m) - 1;
    struct layer l = {.in = first ? m->channels : m->features,
                      .out = last ? m->channels * m->scale * m->scale : m->features};
    bool slopes = i % 2;
    size_t count = slopes ? (size_t)l.out : (size_t)l.out * (size_t)l.in * 9;
    l.weight = malloc(count * sizeof(float));
    l.bias = slopes ? NULL : malloc((size_t)l.out * sizeof(float));
    if (!l.weight || (!slopes && !l.bias))
        abort();
    float range = slopes ? 0.2f : sqrtf(6.0f / (float)(l.in * 9)) * (last ? 0.02f : 1);
    for (int k = 0; k < 8; k++)
        uniform(&state);
    for (size_t k = 0; k < count; k++)
        l.weight[k] = uniform(&state) * range;
    for (int k = 0; k < l.out && l.bias; k++)
        l.bias[k] = uniform(&state) * 0.01f;
    return l;
}

static void free_layer(struct layer *l)
{
    free(l->weight);
    free(l->bias);
}

static void add_weight(const struct maker *m, const struct layer *l, struct bytes *out)
{
    size_t count = (size_t)l->out * (size_t)l->in * 9;
    for (size_t i = 0; i < count && m->half; i++) {
        uint16_t h = to_half(l->weight[i]);
        bytes_add(out, &h, sizeof h);
    }
    if (!m->half)
        bytes_add(out, l->weight, count * sizeof(float));
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

void make_safetensors(const struct maker *m, struct bytes *file)
{
    struct bytes json = {0}, data = {0};
    bytes_text(&json, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int i = 0; i < layers(m); i++) {
        if (i % 2 && m->leaky)
            continue;
        struct layer l = make_layer(m, i);
        char name[64], shape[64];
        size_t begin = data.size;
        snprintf(name, sizeof name, "body.%d.weight", i);
        if (l.bias) {
            add_weight(m, &l, &data);
            snprintf(shape, sizeof shape, "%d,%d,3,3", l.out, l.in);
            describe(&json, name, m->half ? "F16" : "F32", shape, begin, data.size);
            begin = data.size;
            snprintf(name, sizeof name, "body.%d.bias", i);
        }
        bytes_add(&data, l.bias ? l.bias : l.weight, (size_t)l.out * sizeof(float));
        snprintf(shape, sizeof shape, "%d", l.out);
        describe(&json, name, "F32", shape, begin, data.size);
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

void make_ncnn(const struct maker *m, struct bytes *param, struct bytes *bin)
{
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
