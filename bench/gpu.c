/* SPDX-License-Identifier: MIT */
/* Whether a device computes what the processor does, whether always the same, and how fast.
 *
 *     bench/gpu DEVICE MODEL [BATCHES [WIDTH HEIGHT]]
 *
 * First right: in fp32 the bits of cpu:direct, in the device's fastest tier, and in bf16 where it
 * has that, within a distance that is told.
 * Then the same: every batch size and band height, and BATCHES batches in a row (1000), give one
 * hash. Then fast: frames of WIDTH x HEIGHT (1920 x 1080) a second, medians of five runs of two
 * seconds. A GPU whose generation has kernels of its own is measured with them and without, in
 * turns. What bench/gpu_rate.cu found of the GPU, in the environment, turns speeds into shares: of
 * the rate of its matrix units (PIQUE_MATRIX, TFLOP/s), and of the time of the copies that is
 * hidden behind kernels (PIQUE_COPY_IN, PIQUE_COPY_OUT, GB/s). Exit status 1 where something is not
 * right or not the same. */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pique/pique.h"

enum { MOST_BATCH = 8, RUNS = 5, SMALL_W = 77, SMALL_H = 131 };

static int wrong;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void stop(const pique_error *err)
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

/* FNV-1a. */
static uint64_t hash_of(const unsigned char *data, size_t bytes)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    return hash;
}

/* Something with edges and noise, another for each frame. */
static void fill(unsigned char *frame, int width, int height, uint32_t seed)
{
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width * 3; x++) {
            seed = seed * 1664525u + 1013904223u;
            *frame++ = (unsigned char)((x / 37 * 53 + y / 23 * 91 + (int)(seed >> 28)) & 255);
        }
    }
}

static pique_engine *open_engine(const pique_model *model, const char *device,
                                 enum pique_precision tier, int band)
{
    pique_error err;
    pique_engine *engine;
    const pique_engine_options options = {
        .size = sizeof options, .device = device, .precision = tier, .band_rows = band};
    if (pique_engine_open(model, &options, &engine, &err))
        stop(&err);
    return engine;
}

/* Frames through an engine; the caller frees them. */
struct frames {
    int count, width, height; /* in */
    int out_width, out_height;
    enum pique_sample sample;
    size_t in_bytes, out_bytes; /* of a frame */
    unsigned char *in;
    void *out;
};

static struct frames frames_new(pique_engine *engine, int count, int width, int height,
                                enum pique_sample sample)
{
    pique_error err;
    struct frames f = {.count = count, .width = width, .height = height, .sample = sample};
    if (pique_batch_begin(engine, 1, width, height, &err))
        stop(&err);
    pique_batch_output_size(engine, &f.out_width, &f.out_height);
    f.in_bytes = (size_t)width * (size_t)height * 3;
    f.out_bytes = (size_t)f.out_width * (size_t)f.out_height * 3 *
                  (sample == PIQUE_SAMPLE_F32 ? sizeof(float) : 1);
    f.in = room(f.in_bytes * (size_t)count);
    f.out = room(f.out_bytes * (size_t)count);
    for (int i = 0; i < count; i++)
        fill(f.in + f.in_bytes * (size_t)i, width, height, (uint32_t)i + 1);
    return f;
}

static void frames_free(struct frames *f)
{
    free(f->in);
    free(f->out);
}

/* Those from `first` on in one batch. */
static void run(pique_engine *engine, const struct frames *f, int first, int count)
{
    pique_error err;
    const pique_rows in = {f->in + f->in_bytes * (size_t)first, (ptrdiff_t)f->width * 3,
                           (ptrdiff_t)f->in_bytes, PIQUE_SAMPLE_U8};
    const pique_rows out = {(char *)f->out + f->out_bytes * (size_t)first,
                            (ptrdiff_t)(f->out_bytes / (size_t)f->out_height),
                            (ptrdiff_t)f->out_bytes, f->sample};
    if (pique_batch_run(engine, count, f->width, f->height, &in, &out, &err))
        stop(&err);
}

/* ---- right ---- */

static float *one_frame(const pique_model *model, const char *device, enum pique_precision tier,
                        size_t *floats)
{
    pique_engine *engine = open_engine(model, device, tier, 0);
    struct frames f = frames_new(engine, 1, SMALL_W, SMALL_H, PIQUE_SAMPLE_F32);
    run(engine, &f, 0, 1);
    *floats = f.out_bytes / sizeof(float);
    printf("  %-24s", pique_engine_numeric_key(engine));
    free(f.in);
    pique_engine_close(&engine);
    return f.out;
}

/* In 16 bits a single pixel may be far off, where a network decides between two drawings: there the
 * mean counts (docs/numerics.md), which is 65 dB for a network that is safe in fp16, 50 in bf16; of
 * pictures, which this one is not. */
static void check(const pique_model *model, const char *device, enum pique_precision tier,
                  const float *want)
{
    size_t floats, other = 0;
    float *have = one_frame(model, device, tier, &floats);
    double worst = 0, squares = 0;
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
    if (!(db >= 45) || (tier == PIQUE_PRECISION_FP32 && other))
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

/* ---- the same ---- */

static void all_batches(const pique_model *model, const char *device)
{
    static const int bands[] = {0, 1, 7, 64, SMALL_H};
    uint64_t first = 0;
    int tried = 0, others = 0;
    for (size_t b = 0; b < sizeof bands / sizeof *bands; b++) {
        pique_engine *engine = open_engine(model, device, PIQUE_PRECISION_AUTO, bands[b]);
        struct frames f = frames_new(engine, MOST_BATCH, SMALL_W, SMALL_H, PIQUE_SAMPLE_U8);
        for (int batch = 1; batch <= MOST_BATCH; batch++, tried++) {
            for (int i = 0; i < MOST_BATCH; i += batch)
                run(engine, &f, i, batch < MOST_BATCH - i ? batch : MOST_BATCH - i);
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
    struct frames f = frames_new(engine, 4, SMALL_W, SMALL_H, PIQUE_SAMPLE_U8);
    uint64_t first = 0;
    int others = 0;
    for (int i = 0; i < batches; i++) {
        memset(f.out, 0x5a, f.out_bytes * 4);
        run(engine, &f, 0, 4);
        const uint64_t hash = hash_of(f.out, f.out_bytes * 4);
        first = i ? first : hash;
        others += hash != first;
    }
    printf("  %d batches of 4 in a row: %d differ\n", batches, others);
    wrong |= others != 0;
    frames_free(&f);
    pique_engine_close(&engine);
}

/* ---- fast ---- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What the environment says of the GPU; 0: nothing. */
static double rate_of(const char *name)
{
    const char *value = getenv(name);
    return value ? atof(value) : 0;
}

static double speed(pique_engine *engine, int batch, int width, int height)
{
    struct frames f = frames_new(engine, batch, width, height, PIQUE_SAMPLE_U8);
    double fps[RUNS];
    run(engine, &f, 0, batch); /* warm */
    for (int r = 0; r < RUNS; r++) {
        const double start = now();
        int frames = 0;
        while (now() - start < 2) {
            run(engine, &f, 0, batch);
            frames += batch;
        }
        fps[r] = frames / (now() - start);
    }
    qsort(fps, RUNS, sizeof *fps, compare);
    printf("  batch %d of %d x %d: %.2f frames a second (%.2f to %.2f)\n", batch, width, height,
           fps[RUNS / 2], fps[0], fps[RUNS - 1]);
    fflush(stdout);
    frames_free(&f);
    return fps[RUNS / 2];
}

static void share(const pique_model *model, double fps, int width, int height)
{
    pique_model_info info = {.size = sizeof info};
    pique_error err;
    if (pique_model_get_info(model, &info, &err))
        stop(&err);
    const double rate = fps * (double)info.flops_per_pixel * width * height * 1e-12;
    printf("    that is %.1f TFLOP/s", rate);
    if (rate_of("PIQUE_MATRIX") > 0)
        printf(", %.0f %% of what mma.sync gives", 100 * rate / rate_of("PIQUE_MATRIX"));
    putchar('\n');
}

/* A frame as one step copies in, computes and copies out one after the other; in steps of bands the
 * three overlap. */
static void overlap(const pique_model *model, const char *device, double fps, int width, int height)
{
    const double in = rate_of("PIQUE_COPY_IN"), out = rate_of("PIQUE_COPY_OUT");
    if (in <= 0 || out <= 0)
        return;
    pique_engine *engine = open_engine(model, device, PIQUE_PRECISION_AUTO, height);
    printf("  as one step:\n");
    const double alone = speed(engine, 1, width, height);
    struct frames f = frames_new(engine, 1, width, height, PIQUE_SAMPLE_U8);
    const double copies = (double)f.in_bytes / in * 1e-9 + (double)f.out_bytes / out * 1e-9;
    printf("    in steps a frame takes %.2f ms less, of %.2f ms of copies\n",
           1e3 / alone - 1e3 / fps, copies * 1e3);
    frames_free(&f);
    pique_engine_close(&engine);
}

static void speeds(const pique_model *model, const char *device, int width, int height)
{
    const double start = now();
    pique_engine *engine = open_engine(model, device, PIQUE_PRECISION_AUTO, 0);
    printf("  %s, %s\n", device, pique_engine_numeric_key(engine));
    struct frames f = frames_new(engine, 1, width, height, PIQUE_SAMPLE_U8);
    run(engine, &f, 0, 1);
    printf("  from the model to the first frame: %.2f s\n", now() - start);
    frames_free(&f);
    double alone = 0;
    for (int batch = 1; batch <= MOST_BATCH; batch *= 2) {
        const double fps = speed(engine, batch, width, height);
        share(model, fps, width, height);
        alone = batch == 1 ? fps : alone;
    }
    for (int batch = 1; batch <= 4; batch *= 4) {
        speed(engine, batch, 160, 120);
        speed(engine, batch, 640, 480);
    }
    pique_engine_close(&engine);
    overlap(model, device, alone, width, height);
}

/* The same GPU without what its generation alone has; false: it is not used anyhow. */
static bool has_plain(const pique_model *model, const char *device, char *plain, size_t bytes)
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

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s DEVICE MODEL [BATCHES [WIDTH HEIGHT]]\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    const int batches = argc > 3 ? atoi(argv[3]) : 1000;
    const int width = argc > 5 ? atoi(argv[4]) : 1920, height = argc > 5 ? atoi(argv[5]) : 1080;
    char plain[64];
    pique_model *model;
    pique_error err;
    size_t floats;
    if (pique_model_open(argv[2], &model, &err))
        stop(&err);
    const bool both = has_plain(model, argv[1], plain, sizeof plain);
    printf("right, on %d x %d:\n", SMALL_W, SMALL_H);
    float *want = one_frame(model, "cpu:direct", PIQUE_PRECISION_FP32, &floats);
    puts(" is the measure");
    check(model, argv[1], PIQUE_PRECISION_FP32, want);
    check(model, argv[1], PIQUE_PRECISION_AUTO, want);
    if (has_bf16(model, argv[1]))
        check(model, argv[1], PIQUE_PRECISION_BF16, want);
    if (both)
        check(model, plain, PIQUE_PRECISION_AUTO, want);
    free(want);
    puts("the same:");
    all_batches(model, argv[1]);
    many_batches(model, argv[1], batches);
    puts("fast:");
    for (int turn = 0; turn < (both ? 2 : 1); turn++) {
        speeds(model, argv[1], width, height);
        if (both)
            speeds(model, plain, width, height);
    }
    pique_model_close(&model);
    puts(wrong ? "NOT RIGHT" : "right");
    return wrong;
}
