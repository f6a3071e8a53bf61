/* SPDX-License-Identifier: MIT */
#include "gpu_frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void stop(const pique_error *err)
{
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static void *room(size_t bytes)
{
    void *p = malloc(bytes);
    if (!p)
        exit(1);
    return p;
}

/* Something with edges and noise, another for each frame. */
static void fill(unsigned char *frame, int width, int height, int channels, uint32_t seed)
{
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width * channels; x++) {
            seed = seed * 1664525u + 1013904223u;
            *frame++ = (unsigned char)((x / 37 * 53 + y / 23 * 91 + (int)(seed >> 28)) & 255);
        }
    }
}

pique_engine *open_engine(const pique_model *model, const char *device, enum pique_precision tier,
                          int band)
{
    pique_error err;
    pique_engine *engine;
    const pique_engine_options options = {
        .size = sizeof options, .device = device, .precision = tier, .band_rows = band};
    if (pique_engine_open(model, &options, &engine, &err))
        stop(&err);
    return engine;
}

struct frames frames_new(const pique_model *model, pique_engine *engine, int count, int width,
                         int height, enum pique_sample sample)
{
    pique_error err;
    struct frames f = {.count = count, .width = width, .height = height, .sample = sample};
    pique_model_info info = {.size = sizeof info};
    if (pique_model_get_info(model, &info, &err) ||
        pique_batch_begin(engine, 1, width, height, &err))
        stop(&err);
    pique_batch_output_size(engine, &f.out_width, &f.out_height);
    f.in_channels = info.in_channels;
    f.out_channels = info.out_channels;
    f.in_bytes = (size_t)width * (size_t)height * (size_t)f.in_channels;
    f.out_bytes = (size_t)f.out_width * (size_t)f.out_height * (size_t)f.out_channels *
                  (sample == PIQUE_SAMPLE_F32 ? sizeof(float) : 1);
    f.in = room(f.in_bytes * (size_t)count);
    f.out = room(f.out_bytes * (size_t)count);
    for (int i = 0; i < count; i++)
        fill(f.in + f.in_bytes * (size_t)i, width, height, f.in_channels, (uint32_t)i + 1);
    return f;
}

void frames_free(struct frames *f)
{
    free(f->in);
    free(f->out);
}

void frames_run(pique_engine *engine, const struct frames *f, int first, int count)
{
    pique_error err;
    const pique_rows in = {f->in + f->in_bytes * (size_t)first,
                           (ptrdiff_t)f->width * f->in_channels, (ptrdiff_t)f->in_bytes,
                           PIQUE_SAMPLE_U8};
    const pique_rows out = {(char *)f->out + f->out_bytes * (size_t)first,
                            (ptrdiff_t)(f->out_bytes / (size_t)f->out_height),
                            (ptrdiff_t)f->out_bytes, f->sample};
    if (pique_batch_run(engine, count, f->width, f->height, &in, &out, &err))
        stop(&err);
}

bool has_plain(const pique_model *model, const char *device, char *plain, size_t bytes)
{
    const size_t length = strlen(device);
    if (strncmp(device, "cuda", 4) != 0 ||
        (length > 6 && strcmp(device + length - 6, ":tiles") == 0))
        return false;
    snprintf(plain, bytes, "%s:tiles", device);
    pique_engine *own = open_engine(model, device, PIQUE_PRECISION_AUTO, 0);
    pique_engine *other = open_engine(model, plain, PIQUE_PRECISION_AUTO, 0);
    const bool differ = strcmp(pique_engine_numeric_key(own), pique_engine_numeric_key(other)) != 0;
    pique_engine_close(&own);
    pique_engine_close(&other);
    return differ;
}
