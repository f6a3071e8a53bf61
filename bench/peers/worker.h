/* SPDX-License-Identifier: MIT */
/* What the workers in C of bench/peers.py have in common: files of floats, the clock, and the
 * conversation, which peers.py describes. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline void stop(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static inline float *floats(size_t count)
{
    float *p = aligned_alloc(64, (count * sizeof *p + 63) / 64 * 64);
    if (!p)
        stop("out of memory");
    return p;
}

static inline float *read_floats(const char *path, size_t count)
{
    float *p = floats(count);
    FILE *f = fopen(path, "rb");
    if (!f || fread(p, sizeof *p, count, f) != count)
        stop("a file is shorter than it should be, or is not there");
    fclose(f);
    return p;
}

static inline double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* run: the network once. save: what it last made, as planes. peak: operations a second; or NULL. */
struct worker {
    void (*run)(void *state);
    void (*save)(void *state, FILE *f);
    double (*peak)(void *state);
    void *state;
};

static inline int serve(const struct worker *w, const char *version)
{
    char line[4096];
    w->run(w->state); /* warm */
    printf("ready %s\n", version);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "run") == 0) {
            const double start = seconds_now();
            w->run(w->state);
            printf("%.9f\n", seconds_now() - start);
        } else if (strcmp(line, "peak") == 0 && w->peak) {
            printf("%.6g\n", w->peak(w->state));
        } else if (strncmp(line, "save ", 5) == 0) {
            FILE *f = fopen(line + 5, "wb");
            if (!f)
                stop("the result cannot be written");
            w->save(w->state, f);
            if (fclose(f))
                stop("the result cannot be written");
            puts("saved");
        } else {
            stop("what was asked is not understood");
        }
        fflush(stdout);
    }
    return 0;
}
