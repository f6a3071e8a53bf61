/* SPDX-License-Identifier: MIT */
/* One way to compute, and the clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/pool.h"
#include "base/str.h"
#include "cli/bench.h"

static const double PEAK_SECONDS = 0.05;

bool pq_way_on_cpu(const struct pq_way *way)
{
    const char *device = way->engine_options.device;
    return !device || pq_starts_with(device, "cpu");
}

/* ---- frames ---- */

static size_t frame_bytes(int width, int height, int channels)
{
    return (size_t)width * (size_t)height * (size_t)channels;
}

/* Something with edges and noise, the same everywhere, another for each frame. */
static void fill(const struct pq_way *way)
{
    unsigned char *p = way->in;
    for (int f = 0; f < way->batch; f++) {
        uint32_t seed = (uint32_t)f + 1;
        for (int y = 0; y < way->height; y++) {
            for (int x = 0; x < way->width * way->in_channels; x++) {
                seed = seed * 1664525u + 1013904223u;
                *p++ = (unsigned char)((x / 37 * 53 + y / 23 * 91 + (int)(seed >> 28)) & 255);
            }
        }
    }
}

static int make_frames(struct pq_way *way, pique_error *err)
{
    const size_t in = frame_bytes(way->width, way->height, way->in_channels);
    const size_t out = frame_bytes(way->out_width, way->out_height, way->out_channels);
    way->in = pq_big_alloc(NULL, in * (size_t)way->batch);
    way->out = pq_big_alloc(NULL, out * (size_t)way->batch);
    if (!way->in || !way->out)
        return pq_fail_nomem(err, (unsigned long long)(in + out) * (unsigned)way->batch);
    fill(way);
    return 0;
}

static pique_rows rows_of(unsigned char *data, int width, int height, int channels)
{
    const ptrdiff_t row = (ptrdiff_t)width * channels;
    return (pique_rows){data, row, row * height, PIQUE_SAMPLE_U8};
}

int pq_way_run(struct pq_way *way, double *seconds, pique_error *err)
{
    const pique_rows in = rows_of(way->in, way->width, way->height, way->in_channels);
    const pique_rows out = rows_of(way->out, way->out_width, way->out_height, way->out_channels);
    const double start = pq_seconds();
    const int rc =
        pique_batch_run(way->engine, way->batch, way->width, way->height, &in, &out, err);
    *seconds = pq_seconds() - start;
    return rc;
}

/* ---- open and close ---- */

static void name_device(struct pq_way *way)
{
    const char *id = way->engine_options.device ? way->engine_options.device : "cpu";
    snprintf(way->device_name, sizeof way->device_name, "%s", id);
    for (size_t i = 0;; i++) {
        pique_device_info d = {.size = sizeof d};
        if (pique_device_get(i, &d, NULL) != 0)
            return;
        /* "cuda" is the first of cuda:0, cuda:1; "cpu:direct" is the cpu. */
        const size_t length = PQ_MIN(strlen(d.id), strlen(id));
        if (strncmp(id, d.id, length) == 0 && strchr(":", id[length]) &&
            strchr(":", d.id[length])) {
            snprintf(way->device_name, sizeof way->device_name, "%s", d.name);
            return;
        }
    }
}

int pq_way_open(struct pq_way *way, pique_error *err)
{
    double seconds;
    name_device(way);
    way->threads = way->engine_options.threads ? way->engine_options.threads : pq_cores();
    int rc = pique_engine_open(way->model, &way->engine_options, &way->engine, err);
    if (!rc)
        rc = pique_batch_begin(way->engine, way->batch, way->width, way->height, err);
    if (rc)
        return rc;
    pique_batch_output_size(way->engine, &way->out_width, &way->out_height);
    rc = make_frames(way, err);
    return rc ? rc : pq_way_run(way, &seconds, err);
}

void pq_way_close(struct pq_way *way)
{
    pique_engine_close(&way->engine);
    pq_big_free(NULL, way->in);
    pq_big_free(NULL, way->out);
    way->in = way->out = NULL;
}

int pq_way_alone(struct pq_way *way, pique_error *err)
{
    pq_memory_forget_most();
    const int rc = pq_way_open(way, err);
    if (!rc) {
        way->memory_bytes = pq_memory_most();
        way->hash =
            XXH3_64bits(way->out, (size_t)way->batch * frame_bytes(way->out_width, way->out_height,
                                                                   way->out_channels));
    }
    pq_way_close(way);
    return rc;
}

/* ---- figures ---- */

int pq_way_measure(struct pq_way *way, pique_error *err)
{
    const int run = way->runs;
    int rc = 0;
    if (pq_way_on_cpu(way))
        rc = pique_cpu_peak(way->threads, PEAK_SECONDS, &way->peak[run], err);
    if (!rc)
        rc = pq_way_run(way, &way->seconds[run], err);
    way->runs += !rc;
    return rc;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the middle ones; values are sorted. */
static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return count ? (values[(count - 1) / 2] + values[count / 2]) / 2 : 0;
}

struct pq_figures pq_way_figures(const struct pq_way *way)
{
    double seconds[PQ_WAY_RUNS], peaks[PQ_WAY_RUNS], shares[PQ_WAY_RUNS];
    const double pixels = (double)way->width * way->height * way->batch;
    const double flops = (double)way->flops_per_pixel * pixels;
    struct pq_figures f = {0};
    for (int i = 0; i < way->runs; i++) {
        seconds[i] = way->seconds[i];
        peaks[i] = way->peak[i];
        shares[i] = way->peak[i] > 0 ? flops / way->seconds[i] / way->peak[i] : 0;
    }
    f.seconds = median(seconds, way->runs);
    f.best = seconds[0];
    f.frames = way->batch / f.seconds;
    f.best_frames = way->batch / f.best;
    f.mpixels = pixels / 1e6 / f.seconds;
    f.flops = flops / f.seconds;
    f.peak = median(peaks, way->runs);
    f.share = median(shares, way->runs);
    return f;
}
