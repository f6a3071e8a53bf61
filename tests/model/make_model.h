/* SPDX-License-Identifier: MIT */
/* Makes small Compact and ESRGAN models with random weights, as files that the readers can be tried
 * on. The network is sane: its result is a nearest upscale with some noise on it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How ESRGAN's tensors are named: by its authors, by BasicSR and Real-ESRGAN, by BSRGAN and RealSR.
 */
enum maker_names { NAMES_ESRGAN, NAMES_BASICSR, NAMES_BSRGAN };

struct maker {
    int features, convs; /* convs: between the first and the last, as in "16 convolutions" */
    int scale, channels;
    uint64_t seed;
    bool half;  /* f16 convolution weights (ncnn); else f32 */
    bool leaky; /* no PReLU weights: leaky ReLU of 0.1 */
    /* ESRGAN, where blocks is not 0; scale is a power of two, convs and leaky mean nothing. */
    int blocks, growth;
    bool plus; /* ESRGAN+ */
    enum maker_names names;
};

/* Bytes that grow. Plain malloc: test code must not count as an allocation of the library. */
struct bytes {
    unsigned char *data; /* a zero byte follows, once anything was added */
    size_t size, capacity;
};

void bytes_add(struct bytes *b, const void *data, size_t size);
void bytes_text(struct bytes *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void bytes_free(struct bytes *b);
/* Exits the test with a sentence where that fails. */
void bytes_save(const struct bytes *b, const char *path);

/* The i-th of `count` models that differ in all of this; the last four are ESRGAN's. */
struct maker maker_of_series(int i, int count);

void make_safetensors(const struct maker *m, struct bytes *file);
void make_ncnn(const struct maker *m, struct bytes *param, struct bytes *bin);
/* A safetensors file from a JSON header and data. */
void wrap_safetensors(const char *json, const void *data, size_t data_bytes, struct bytes *file);
