/* SPDX-License-Identifier: MIT */
/* Whether a device computes what the processor does, and whether always the same.
 *
 *     bench/gpu-check DEVICE BATCHES MODEL...
 *
 * First right: in fp32 the bits of cpu:direct, in the device's fastest tier, and in bf16 where it
 * has that, within a distance that is told.
 * Then the same: every batch size and band height, and BATCHES batches in a row (0: neither), give
 * one hash. Exit status 1 where something is not right or not the same. */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu_frames.h"

enum { MOST_BATCH = 8, SMALL_W = 77, SMALL_H = 131 };

/* dB. Of trained networks and pictures there are 65 and 50 (docs/numerics.md); this is no picture,
 * and those of the tests have random weights: the farthest of them are 58.3 dB in fp16, as C, and
 * 36 in bf16, on a GPU. */
static const double LEAST_FP32 = 100, LEAST_FP16 = 58, LEAST_BF16 = 35;

static int wrong;

/* FNV-1a. */
static uint64_t hash_of(const unsigned char *data, size_t bytes)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    return hash;
}

/* ---- right ---- */

static double least_of(const char *key)
{
    if (strstr(key, "/fp32/"))
        return strstr(key, "/direct-") ? INFINITY : LEAST_FP32;
    return strstr(key, "/bf16/") ? LEAST_BF16 : LEAST_FP16;
}

static float *one_frame(const pique_model *model, const char *device, enum pique_precision tier,
                        size_t *floats, double *least)
{
    pique_engine *engine = open_engine(model, device, tier, 0);
    struct frames f = frames_new(model, engine, 1, SMALL_W, SMALL_H, PIQUE_SAMPLE_F32);
    frames_run(engine, &f, 0, 1);
    *floats = f.out_bytes / sizeof(float);
    printf("  %-24s", pique_engine_numeric_key(engine));
    *least = least_of(pique_engine_numeric_key(engine));
    free(f.in);
    pique_engine_close(&engine);
    return f.out;
}

/* In 16 bits a single pixel may be far off, where a network decides between two drawings: there the
 * mean counts. */
static void check(const pique_model *model, const char *device, enum pique_precision tier,
                  const float *want)
{
    size_t floats, other = 0;
    double worst = 0, squares = 0, least;
    float *have = one_frame(model, device, tier, &floats, &least);
    for (size_t i = 0; i < floats; i++) {
        const double d = fabs((double)have[i] - (double)want[i]);
        other += memcmp(&have[i], &want[i], sizeof *have) != 0;
        worst = d > worst || d != d ? d : worst;
        squares += d * d;
    }
    const double db = -10 * log10(squares / (double)floats);
    printf(
        " %zu of %zu values have other bits; the farthest is %.2g, that is %.2f of 255; %.1f dB\n",
        other, floats, worst, worst * 255, db);
    if (!(db >= least))
        wrong = 1;
    free(have);
}

static bool has_bf16(const pique_model *model, const char *device)
{
    pique_engine *engine = NULL;
    const pique_engine_options options = {
        .size = sizeof options, .device = device, .precision = PIQUE_PRECISION_BF16};
    const bool has = pique_engine_open(model, &options, &engine, NULL) == 0;
    pique_engine_close(&engine);
    return has;
}

static void all_tiers(const pique_model *model, const char *device)
{
    char plain[64];
    size_t floats;
    double least;
    float *want = one_frame(model, "cpu:direct", PIQUE_PRECISION_FP32, &floats, &least);
    puts(" is the measure");
    check(model, device, PIQUE_PRECISION_FP32, want);
    check(model, device, PIQUE_PRECISION_AUTO, want);
    if (has_bf16(model, device))
        check(model, device, PIQUE_PRECISION_BF16, want);
    if (has_plain(model, device, plain, sizeof plain))
        check(model, plain, PIQUE_PRECISION_AUTO, want);
    free(want);
}

/* ---- the same ---- */

static void all_batches(const pique_model *model, const char *device)
{
    static const int bands[] = {0, 1, 7, 64, SMALL_H};
    uint64_t first = 0;
    int tried = 0, others = 0;
    for (size_t b = 0; b < sizeof bands / sizeof *bands; b++) {
        pique_engine *engine = open_engine(model, device, PIQUE_PRECISION_AUTO, bands[b]);
        struct frames f = frames_new(model, engine, MOST_BATCH, SMALL_W, SMALL_H, PIQUE_SAMPLE_U8);
        for (int batch = 1; batch <= MOST_BATCH; batch++, tried++) {
            for (int i = 0; i < MOST_BATCH; i += batch)
                frames_run(engine, &f, i, batch < MOST_BATCH - i ? batch : MOST_BATCH - i);
            const uint64_t hash = hash_of(f.out, f.out_bytes * MOST_BATCH);
            first = tried ? first : hash;
            others += hash != first;
        }
        frames_free(&f);
        pique_engine_close(&engine);
    }
    printf("  %d ways in batches and bands: %d differ\n", tried, others);
    wrong |= others != 0;
}

static void many_batches(const pique_model *model, const char *device, int batches)
{
    pique_engine *engine = open_engine(model, device, PIQUE_PRECISION_AUTO, 0);
    struct frames f = frames_new(model, engine, 4, SMALL_W, SMALL_H, PIQUE_SAMPLE_U8);
    uint64_t first = 0;
    int others = 0;
    for (int i = 0; i < batches; i++) {
        memset(f.out, 0x5a, f.out_bytes * 4);
        frames_run(engine, &f, 0, 4);
        const uint64_t hash = hash_of(f.out, f.out_bytes * 4);
        first = i ? first : hash;
        others += hash != first;
    }
    printf("  %d batches of 4 in a row: %d differ\n", batches, others);
    wrong |= others != 0;
    frames_free(&f);
    pique_engine_close(&engine);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s DEVICE BATCHES MODEL...\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    pique_engine *held = NULL; /* so that the device is set up once, not for each engine */
    for (int i = 3; i < argc; i++) {
        pique_model *model;
        pique_error err;
        if (pique_model_open(argv[i], &model, &err))
            stop(&err);
        if (!held)
            held = open_engine(model, argv[1], PIQUE_PRECISION_FP32, 0);
        puts(argv[i]);
        all_tiers(model, argv[1]);
        if (atoi(argv[2]) > 0) {
            all_batches(model, argv[1]);
            many_batches(model, argv[1], atoi(argv[2]));
        }
        pique_model_close(&model);
    }
    pique_engine_close(&held);
    puts(wrong ? "NOT RIGHT" : "right");
    return wrong;
}
