/* SPDX-License-Identifier: MIT */
/* How long the processor takes for a frame, in several ways beside one another.
 *
 *     bench/cpu MODEL FRAME WIDTH HEIGHT RUNS DEVICE[/TIER][,THREADS[,BAND]] ...
 *
 * FRAME is a file of 8-bit RGB without a header, or - for something with edges and noise. The ways
 * take turns, RUNS times, so that what else the machine does meets them all: compare their medians
 * and their best runs with one another. A hash tells which give the same picture, and the peak of
 * memory is that of all ways together: run one alone to see its own. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "pique/pique.h"

enum { MOST_WAYS = 16, MOST_RUNS = 101 };

struct way {
    const char *name;
    pique_engine *engine;
    int out_width, out_height;
    unsigned char *out;
    uint64_t hash;
    double seconds[MOST_RUNS], work[MOST_RUNS]; /* of the clock; of all threads */
};

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void stop(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* FNV-1a. */
static uint64_t hash_of(const unsigned char *data, size_t bytes)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    return hash;
}

static unsigned char *read_frame(const char *path, int width, int height)
{
    const size_t bytes = (size_t)width * (size_t)height * 3;
    unsigned char *frame = malloc(bytes);
    if (!frame)
        stop("out of memory");
    if (strcmp(path, "-") == 0) {
        uint32_t seed = 1;
        for (size_t i = 0; i < bytes; i++) {
            const int x = (int)(i % ((size_t)width * 3)), y = (int)(i / ((size_t)width * 3));
            seed = seed * 1664525u + 1013904223u;
            frame[i] = (unsigned char)((x / 37 * 53 + y / 23 * 91 + (int)(seed >> 28)) & 255);
        }
        return frame;
    }
    FILE *f = fopen(path, "rb");
    if (!f || fread(frame, 1, bytes, f) != bytes)
        stop("the frame cannot be read");
    fclose(f);
    return frame;
}

static enum pique_precision tier_of(const char *name)
{
    static const char *const names[] = {"auto", "fp32", "fp16", "bf16", "int16"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0)
            return (enum pique_precision)i;
    }
    stop("there is no such tier");
    return PIQUE_PRECISION_AUTO;
}

/* "cpu:direct,2,8", "cpu/fp32,2" */
static void open_way(struct way *way, const pique_model *model, const char *name, int width,
                     int height)
{
    static char device[64];
    int threads = 0, band = 0;
    pique_error err;
    way->name = name;
    snprintf(device, sizeof device, "%.*s", (int)strcspn(name, ","), name);
    sscanf(name + strlen(device), ",%d,%d", &threads, &band);
    char *tier = strchr(device, '/');
    if (tier)
        *tier++ = '\0';
    const pique_engine_options options = {.size = sizeof options,
                                          .device = device,
                                          .precision = tier_of(tier ? tier : "auto"),
                                          .threads = threads,
                                          .band_rows = band};
    if (pique_engine_open(model, &options, &way->engine, &err) ||
        pique_batch_begin(way->engine, 1, width, height, &err))
        stop(err.message);
    pique_batch_output_size(way->engine, &way->out_width, &way->out_height);
    way->out = malloc((size_t)way->out_width * (size_t)way->out_height * 3);
    if (!way->out)
        stop("out of memory");
}

static void run(struct way *way, unsigned char *frame, int width, int height, int r)
{
    pique_error err;
    const pique_rows in = {frame, (ptrdiff_t)width * 3, (ptrdiff_t)width * height * 3,
                           PIQUE_SAMPLE_U8};
    const pique_rows out = {way->out, (ptrdiff_t)way->out_width * 3,
                            (ptrdiff_t)way->out_width * way->out_height * 3, PIQUE_SAMPLE_U8};
    const double start = now(CLOCK_MONOTONIC), worked = now(CLOCK_PROCESS_CPUTIME_ID);
    if (pique_batch_run(way->engine, 1, width, height, &in, &out, &err))
        stop(err.message);
    way->seconds[r] = now(CLOCK_MONOTONIC) - start;
    way->work[r] = now(CLOCK_PROCESS_CPUTIME_ID) - worked;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc < 7 || argc - 6 > MOST_WAYS) {
        fprintf(stderr,
                "usage: %s MODEL FRAME WIDTH HEIGHT RUNS DEVICE[/TIER][,THREADS[,BAND]] ...\n",
                argv[0]);
        return 2;
    }
    const int width = atoi(argv[3]), height = atoi(argv[4]), count = argc - 6;
    const int runs = atoi(argv[5]) < MOST_RUNS ? atoi(argv[5]) : MOST_RUNS;
    static struct way ways[MOST_WAYS];
    pique_model *model;
    pique_error err;
    if (width < 1 || height < 1 || runs < 1)
        stop("a size and a number of runs are needed");
    if (pique_model_open(argv[1], &model, &err))
        stop(err.message);
    unsigned char *frame = read_frame(argv[2], width, height);
    for (int i = 0; i < count; i++) {
        open_way(&ways[i], model, argv[6 + i], width, height);
        run(&ways[i], frame, width, height, 0); /* warm */
    }
    for (int r = 0; r < runs; r++) {
        for (int i = 0; i < count; i++)
            run(&ways[i], frame, width, height, r);
    }
    for (int i = 0; i < count; i++) {
        struct way *way = &ways[i];
        qsort(way->seconds, (size_t)runs, sizeof *way->seconds, compare);
        qsort(way->work, (size_t)runs, sizeof *way->work, compare);
        way->hash = hash_of(way->out, (size_t)way->out_width * (size_t)way->out_height * 3);
        printf("%-20s %-24s median %.4f s, best %.4f s; of all threads %.4f s, best %.4f s; "
               "%016" PRIx64 "\n",
               way->name, pique_engine_numeric_key(way->engine), way->seconds[runs / 2],
               way->seconds[0], way->work[runs / 2], way->work[0], way->hash);
        pique_engine_close(&way->engine);
        free(way->out);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("at most %ld MiB\n", usage.ru_maxrss / 1024);
    free(frame);
    pique_model_close(&model);
    return 0;
}
