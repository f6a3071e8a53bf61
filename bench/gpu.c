/* SPDX-License-Identifier: MIT */
/* How fast a device is.
 *
 *     bench/gpu DEVICE MODEL [WIDTH HEIGHT]
 *
 * Frames of WIDTH x HEIGHT (1920 x 1080) a second from memory to memory, medians of five runs of
 * a fifth of a second. A GPU whose generation has kernels of its own is measured with them and
 * without, in turns. What bench/gpu_rate.cu found of the GPU, in the environment, turns speeds into
 * shares: of the rate of its matrix units (PIQUE_MATRIX, TFLOP/s), and of the time of the copies
 * that is hidden behind kernels (PIQUE_COPY_IN, PIQUE_COPY_OUT, GB/s). */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gpu_frames.h"

enum { MOST_BATCH = 8, RUNS = 5 };

static const double SECONDS = 0.2; /* of a run, at least */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

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

static double speed(const pique_model *model, pique_engine *engine, int batch, int width,
                    int height)
{
    struct frames f = frames_new(model, engine, batch, width, height, PIQUE_SAMPLE_U8);
    double fps[RUNS];
    frames_run(engine, &f, 0, batch); /* warm */
    for (int r = 0; r < RUNS; r++) {
        const double start = now();
        int frames = 0;
        while (now() - start < SECONDS) {
            frames_run(engine, &f, 0, batch);
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
    const double alone = speed(model, engine, 1, width, height);
    struct frames f = frames_new(model, engine, 1, width, height, PIQUE_SAMPLE_U8);
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
    struct frames f = frames_new(model, engine, 1, width, height, PIQUE_SAMPLE_U8);
    frames_run(engine, &f, 0, 1);
    printf("  from the model to the first frame: %.2f s\n", now() - start);
    frames_free(&f);
    double alone = 0;
    for (int batch = 1; batch <= MOST_BATCH; batch *= 2) {
        const double fps = speed(model, engine, batch, width, height);
        share(model, fps, width, height);
        alone = batch == 1 ? fps : alone;
    }
    for (int batch = 1; batch <= 4; batch *= 4) {
        speed(model, engine, batch, 160, 120);
        speed(model, engine, batch, 640, 480);
    }
    pique_engine_close(&engine);
    overlap(model, device, alone, width, height);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s DEVICE MODEL [WIDTH HEIGHT]\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    const int width = argc > 4 ? atoi(argv[3]) : 1920, height = argc > 4 ? atoi(argv[4]) : 1080;
    char plain[64];
    pique_model *model;
    pique_error err;
    if (pique_model_open(argv[2], &model, &err))
        stop(&err);
    const bool both = has_plain(model, argv[1], plain, sizeof plain);
    for (int turn = 0; turn < (both ? 2 : 1); turn++) {
        speeds(model, argv[1], width, height);
        if (both)
            speeds(model, plain, width, height);
    }
    pique_model_close(&model);
    return 0;
}
