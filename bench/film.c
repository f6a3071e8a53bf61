/* SPDX-License-Identifier: MIT */
/* What the pipeline costs: a film to nowhere against the bare engine on the same frames.
 *
 *     bench/film MODEL FILM.y4m [BATCH [RUNS [DEVICE]]]
 *
 * Both in one process, one after the other, RUNS times; the last line has the medians. The bare
 * engine gets as many frames of that size from memory, BATCH at a time: what the network alone
 * takes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "pique/pique.h"

enum { MOST_RUNS = 99 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Of all threads: what other programs take meanwhile does not count. */
static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *list, int count)
{
    qsort(list, (size_t)count, sizeof *list, compare);
    return count % 2 ? list[count / 2] : (list[count / 2 - 1] + list[count / 2]) / 2;
}

static void stop(const pique_error *err)
{
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

/* The network on so many frames of any content: its time does not depend on it. */
static double bare(pique_engine *engine, const pique_film_info *film, int64_t frames, int batch)
{
    pique_error err;
    int width, height;
    if (pique_batch_begin(engine, batch, film->width, film->height, &err))
        stop(&err);
    pique_batch_output_size(engine, &width, &height);
    const size_t in_bytes = (size_t)film->width * (size_t)film->height * 3;
    const size_t out_bytes = (size_t)width * (size_t)height * 3;
    unsigned char *in = malloc(in_bytes * (size_t)batch), *out = malloc(out_bytes * (size_t)batch);
    if (!in || !out)
        exit(1);
    for (size_t i = 0; i < in_bytes * (size_t)batch; i++)
        in[i] = (unsigned char)(i * 7919 >> 5);
    const pique_rows from = {in, film->width * 3, (ptrdiff_t)in_bytes, PIQUE_SAMPLE_U8};
    const pique_rows to = {out, (ptrdiff_t)width * 3, (ptrdiff_t)out_bytes, PIQUE_SAMPLE_U8};
    const double start = now();
    for (int64_t done = 0; done < frames; done += batch) {
        const int n = frames - done < batch ? (int)(frames - done) : batch;
        if (pique_batch_run(engine, n, film->width, film->height, &from, &to, &err))
            stop(&err);
    }
    const double seconds = now() - start;
    free(in);
    free(out);
    return seconds;
}

static double whole(pique_engine *engine, const char *path, int batch, pique_film_report *report)
{
    pique_error err;
    const pique_film_options o = {.size = sizeof o, .batch = batch, .no_reuse = true};
    const double start = now();
    *report = (pique_film_report){.size = sizeof *report};
    if (pique_film_upscale(&engine, 1, path, "null:", &o, report, &err))
        stop(&err);
    return now() - start;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "film MODEL FILM.y4m [BATCH [RUNS [DEVICE]]]\n");
        return 2;
    }
    const int batch = argc > 3 ? atoi(argv[3]) : 4, runs = argc > 4 ? atoi(argv[4]) : 5;
    pique_model *model;
    pique_engine *engine;
    pique_error err;
    pique_film_info film = {.size = sizeof film};
    pique_film_report report;
    double alone[MOST_RUNS], piped[MOST_RUNS], ratio[MOST_RUNS], work[MOST_RUNS];
    const pique_engine_options o = {.size = sizeof o, .device = argc > 5 ? argv[5] : NULL};
    if (runs < 1 || runs > MOST_RUNS || pique_film_probe(argv[2], &film, &err) ||
        pique_model_open(argv[1], &model, &err) || pique_engine_open(model, &o, &engine, &err))
        stop(&err);
    (void)whole(engine, argv[2], batch, &report); /* warm, and counts the frames */
    for (int i = 0; i < runs; i++) {
        const double before = cpu();
        alone[i] = bare(engine, &film, report.frames, batch);
        const double between = cpu();
        piped[i] = whole(engine, argv[2], batch, &report);
        ratio[i] = alone[i] / piped[i];
        work[i] = (between - before) / (cpu() - between);
        printf("run %d: engine %.2f s, film %.2f s, ratio %.3f, of processor time %.3f\n", i + 1,
               alone[i], piped[i], ratio[i], work[i]);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const double each = report.frames ? 1e3 / (double)report.frames : 0;
    printf("of the last film a frame took, of threads side by side: decoding %.2f ms, converting "
           "%.2f, "
           "computing %.2f, finishing and its hash %.2f, writing %.2f\n",
           report.decode_seconds * each, report.convert_seconds * each, report.infer_seconds * each,
           report.finish_seconds * each, report.encode_seconds * each);
    const double frames = (double)report.frames;
    printf("%dx%d, %" PRId64 " frames, batch %d: engine %.2f frames/s, film %.2f frames/s, ratio "
           "%.3f, of processor time %.3f, peak memory %ld MiB\n",
           film.width, film.height, report.frames, batch, frames / median(alone, runs),
           frames / median(piped, runs), median(ratio, runs), median(work, runs),
           usage.ru_maxrss >> 10);
    pique_engine_close(&engine);
    pique_model_close(&model);
    return 0;
}
