/* SPDX-License-Identifier: MIT */
/* Networks through the public API, in float, against outputs that ncnn made with the
 * same weights (fp32, whole picture). Skips where the weights or those outputs are not here:
 * PIQUE_TEST_MODELS or PIQUE_MODELS, and PIQUE_SHARED, name their folders. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pique/pique.h"

enum { SIDE = 64, SCALE = 4, COLOURS = 3, BIG = SIDE * SCALE };

/* Two honest fp32 programs differ by up to 1.2e-5; docs/numerics.md says more. */
static const double BOUND = 5e-5;

static bool reference_path(char *path, size_t size, const char *name)
{
    const char *shared = getenv("PIQUE_SHARED"), *root = getenv("PIQUE_SOURCE_ROOT");
    if (shared && *shared)
        snprintf(path, size, "%s/reference/%s", shared, name);
    else
        snprintf(path, size, "%s/../shared/reference/%s", root ? root : ".", name);
    return access(path, R_OK) == 0;
}

static bool model_path(char *path, size_t size, const char *name)
{
    const char *folders[] = {getenv("PIQUE_TEST_MODELS"), getenv("PIQUE_MODELS"),
                             getenv("XDG_DATA_HOME"), getenv("HOME")};
    const char *below[] = {"", "", "/pique/models", "/.local/share/pique/models"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (!folders[i] || !*folders[i])
            continue;
        /* PIQUE_TEST_MODELS may be several folders. */
        for (const char *at = folders[i]; *at;) {
            const int length = (int)strcspn(at, ":");
            snprintf(path, size, "%.*s%s/%s.param", length, at, below[i], name);
            if (access(path, R_OK) == 0)
                return true;
            at += length + (at[length] == ':');
        }
    }
    return false;
}

/* Planar float32, little endian, into interleaved. */
static float *read_planar(const char *path, int side)
{
    const size_t plane = (size_t)side * (size_t)side;
    float *planar = malloc(plane * COLOURS * sizeof *planar);
    float *mixed = malloc(plane * COLOURS * sizeof *mixed);
    FILE *f = fopen(path, "rb");
    assert_true(planar && mixed && f);
    assert_int_equal(fread(planar, sizeof *planar, plane * COLOURS, f), plane * COLOURS);
    fclose(f);
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < COLOURS; c++)
            mixed[i * COLOURS + c] = planar[c * plane + i];
    free(planar);
    return mixed;
}

static pique_rows whole(void *data, int side, enum pique_sample sample, size_t bytes)
{
    const ptrdiff_t row = (ptrdiff_t)((size_t)side * COLOURS * bytes);
    return (pique_rows){data, row, row * side, sample};
}

static void must(int rc, const pique_error *err)
{
    if (rc)
        fail_msg("%s: %s", pique_status_name(rc), err->message);
}

static void run_model(const char *path, const pique_rows *in, const pique_rows *out)
{
    pique_error err = {0};
    pique_model *model = NULL;
    pique_engine *engine = NULL;
    must(pique_model_open(path, &model, &err), &err);
    must(pique_engine_open(model,
                           &(pique_engine_options){.size = sizeof(pique_engine_options),
                                                   .precision = PIQUE_PRECISION_FP32},
                           &engine, &err),
         &err);
    must(pique_batch_run(engine, 1, SIDE, SIDE, in, out, &err), &err);
    pique_engine_close(&engine);
    pique_model_close(&model);
}

static void compare(const char *name, const char *reference)
{
    char input[4096], output[4096], model[4096], file[128];
    snprintf(file, sizeof file, "out_jpeg64_%s.f32", reference);
    if (!reference_path(input, sizeof input, "in_jpeg64.f32") ||
        !reference_path(output, sizeof output, file)) {
        print_message("skipped: no reference outputs; PIQUE_SHARED names the folder that has "
                      "them\n");
        skip();
    }
    if (!model_path(model, sizeof model, name)) {
        print_message("skipped: no weights: pique models fetch %s\n", name);
        skip();
    }
    float *x = read_planar(input, SIDE), *want = read_planar(output, BIG);
    const size_t count = (size_t)BIG * BIG * COLOURS;
    float *got = malloc(count * sizeof *got);
    uint8_t *steps = malloc(count);
    assert_true(got && steps);
    const pique_rows in = whole(x, SIDE, PIQUE_SAMPLE_F32, sizeof *x);
    const pique_rows as_float = whole(got, BIG, PIQUE_SAMPLE_F32, sizeof *got);
    const pique_rows as_u8 = whole(steps, BIG, PIQUE_SAMPLE_U8, 1);
    run_model(model, &in, &as_float);
    run_model(model, &in, &as_u8);
    double most = 0, most_steps = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(isfinite(got[i]));
        const double clipped = fmin(fmax((double)want[i], 0), 1);
        most = fmax(most, fabs((double)got[i] - (double)want[i]));
        most_steps = fmax(most_steps, fabs(steps[i] - clipped * 255));
    }
    print_message("%s: at most %.2e, allowed %.0e; at 8 bits %.4f steps, allowed 0.5 + %.4f\n",
                  name, most, BOUND, most_steps, 255 * BOUND);
    assert_true(most <= BOUND);
    assert_true(most_steps <= 0.5 + 255 * BOUND);
    free(x);
    free(want);
    free(got);
    free(steps);
}

static void animevideov3_agrees_with_ncnn_in_float(void **state)
{
    compare("realesr-animevideov3-x4", "realesr-animevideov3-x4");
}

/* The same weights under two names. */
static void x4fast_agrees_with_ncnn_in_float(void **state)
{
    compare("realesrgan-x4fast", "upscayl-lite-4x");
}

/* 23 blocks, 351 convolutions. */
static void x4plus_agrees_with_ncnn_in_float(void **state)
{
    compare("realesrgan-x4plus", "realesrgan-x4plus");
}

static void x4plus_anime_agrees_with_ncnn_in_float(void **state)
{
    compare("realesrgan-x4plus-anime", "realesrgan-x4plus-anime");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(animevideov3_agrees_with_ncnn_in_float),
                                       cmocka_unit_test(x4fast_agrees_with_ncnn_in_float),
                                       cmocka_unit_test(x4plus_agrees_with_ncnn_in_float),
                                       cmocka_unit_test(x4plus_anime_agrees_with_ncnn_in_float)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
