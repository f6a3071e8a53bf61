/* SPDX-License-Identifier: MIT */
/* run-model MODEL WIDTH HEIGHT IN OUT [COPY [half|DEVICE|int16]]: float32 planes through a model,
 * in float, on a device or in the tier int16; and the model written again, as the end of COPY says,
 * where that is not empty.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pique/pique.h"

static int fail(const pique_error *err)
{
    fprintf(stderr, "%s\n", err->message);
    return 1;
}

static float *read_planes(const char *path, size_t count)
{
    float *data = malloc(count * sizeof *data);
    FILE *f = fopen(path, "rb");
    if (!data || !f || fread(data, sizeof *data, count, f) != count) {
        fprintf(stderr, "%s: does not hold %zu floats\n", path, count);
        exit(1);
    }
    fclose(f);
    return data;
}

int main(int argc, char **argv)
{
    pique_error err = {0};
    pique_model *model;
    pique_engine *engine;
    pique_model_info info = {.size = sizeof info};
    const bool half = argc == 8 && strcmp(argv[7], "half") == 0;
    pique_engine_options options = {.size = sizeof options, .precision = PIQUE_PRECISION_FP32};
    if (argc == 8 && strcmp(argv[7], "int16") == 0)
        options.precision = PIQUE_PRECISION_INT16;
    else if (argc == 8 && !half)
        options = (pique_engine_options){.size = sizeof options, .device = argv[7]};
    if (argc < 6 || argc > 8) {
        fputs("usage: run-model MODEL WIDTH HEIGHT IN OUT [COPY [half|DEVICE|int16]]\n", stderr);
        return 64;
    }
    const int width = atoi(argv[2]), height = atoi(argv[3]);
    if (pique_model_open(argv[1], &model, &err) || pique_model_get_info(model, &info, &err) ||
        pique_engine_open(model, &options, &engine, &err))
        return fail(&err);
    const pique_save_options saving = {.size = sizeof saving, .half = half};
    if (argc > 6 && *argv[6] && pique_model_save(model, argv[6], &saving, &err))
        return fail(&err);
    const size_t c = (size_t)info.in_channels, s = (size_t)info.scale_num;
    const size_t pixels = (size_t)width * (size_t)height, big = pixels * s * s;
    float *in = read_planes(argv[4], pixels * c);
    float *x = malloc(pixels * c * sizeof *x), *y = malloc(big * c * sizeof *y);
    if (!x || !y)
        return 1;
    for (size_t i = 0; i < pixels * c; i++)
        x[i] = in[i % c * pixels + i / c];
    const ptrdiff_t row = (ptrdiff_t)((size_t)width * c * sizeof *x);
    const pique_rows from = {x, row, row * height, PIQUE_SAMPLE_F32};
    const pique_rows to = {y, row * (ptrdiff_t)s, row * height * (ptrdiff_t)(s * s),
                           PIQUE_SAMPLE_F32};
    if (pique_batch_run(engine, 1, width, height, &from, &to, &err))
        return fail(&err);
    FILE *f = fopen(argv[5], "wb");
    for (size_t i = 0; f && i < big * c; i++)
        fwrite(&y[i / big + i % big * c], sizeof *y, 1, f);
    if (!f || fclose(f))
        return 1;
    free(in);
    free(x);
    free(y);
    pique_engine_close(&engine);
    pique_model_close(&model);
    return 0;
}
