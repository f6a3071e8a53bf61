/* SPDX-License-Identifier: MIT */
/* How long it takes until a large model is ready: an ESRGAN network of 23 blocks, 67 MB, as a .pth
 * and as safetensors, from opening the file until the engine is open. Medians of five. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "damage.h"
#include "pique/pique.h"

enum { RUNS = 5 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int measure(const char *path, const char *what)
{
    double model_s[RUNS], all_s[RUNS];
    for (int i = 0; i < RUNS; i++) {
        pique_model *model;
        pique_engine *engine;
        pique_error err;
        double start = now();
        if (pique_model_open(path, &model, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        model_s[i] = now() - start;
        if (pique_engine_open(model, NULL, &engine, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        all_s[i] = now() - start;
        pique_engine_close(&engine);
        pique_model_close(&model);
    }
    qsort(model_s, RUNS, sizeof *model_s, by_value);
    qsort(all_s, RUNS, sizeof *all_s, by_value);
    printf("%-12s %.3f s, of which the file %.3f s\n", what, all_s[RUNS / 2], model_s[RUNS / 2]);
    return 0;
}

int main(void)
{
    const struct maker m = {.features = 64,
                            .growth = 32,
                            .blocks = 23,
                            .scale = 4,
                            .channels = 3,
                            .names = NAMES_BASICSR};
    char folder[] = "/tmp/pique-open-XXXXXX", st[64], pth[64];
    struct bytes b = {0};
    if (!mkdtemp(folder))
        return 1;
    snprintf(st, sizeof st, "%s/x.safetensors", folder);
    snprintf(pth, sizeof pth, "%s/x.pth", folder);
    make_safetensors(&m, &b);
    bytes_save(&b, st);
    bytes_free(&b);
    struct dict d = dict_load(st);
    dict_pth(&d, &b);
    bytes_save(&b, pth);
    bytes_free(&b);
    dict_free(&d);
    int rc = measure(pth, ".pth") || measure(st, "safetensors");
    unlink(st);
    unlink(pth);
    rmdir(folder);
    return rc;
}
