/* SPDX-License-Identifier: MIT */
/* Networks that PyTorch made against what PyTorch computed, by the public API alone; and their bits
 * against those that are committed, which any processor must give under the same numeric key.
 *
 *     nets_test FOLDER HASHES            takes every FOLDER/nets*.txt
 *     nets_test FOLDER HASHES --bits     the bits alone, at every level of the processor
 *     nets_test FOLDER HASHES --hashes   prints what HASHES must be
 *
 * A line of such a list names a model file, what must be found in it, and the sizes of a picture
 * and of its result; both lie in FOLDER/NAME.f32 (torch/README.md). A model of an architecture that
 * this version cannot run is skipped, and named. */
#include <glob.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

#include "../sanitized.h"
#include "pique/pique.h"

enum { MAX_CASES = 256 };

struct test_case {
    char file[80], architecture[32];
    int scale, channels;
    int width, height, out_width, out_height;
    double tolerance;
};

static const char *folder;
static struct test_case cases[MAX_CASES];
static int case_count;

struct hash {
    char file[80];
    uint64_t hash;
};

static char hashes_key[128];
static struct hash hashes[MAX_CASES];
static int hash_count;

/* ---- what is committed ---- */

/* The picture, and behind it the result; the caller frees both in one. */
static float *read_numbers(const struct test_case *c, size_t in_count, size_t out_count)
{
    char path[4096];
    const char *dot = strrchr(c->file, '.');
    snprintf(path, sizeof path, "%s/%.*s.f32", folder, (int)(dot - c->file), c->file);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s: cannot be read", path);
    float *data = malloc((in_count + out_count) * sizeof *data);
    assert_non_null(data);
    if (fread(data, sizeof *data, in_count + out_count, f) != in_count + out_count ||
        fgetc(f) != EOF)
        fail_msg("%s: does not hold %zu numbers", path, in_count + out_count);
    fclose(f);
    return data;
}

static int read_list(const char *path)
{
    char line[512];
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    int rc = 0;
    while (!rc && fgets(line, sizeof line, f)) {
        if (*line == '#' || *line == '\n')
            continue;
        struct test_case *c = &cases[case_count];
        if (case_count == MAX_CASES ||
            sscanf(line, "%79s %31s %d %d %d %d %d %d %lf", c->file, c->architecture, &c->scale,
                   &c->channels, &c->width, &c->height, &c->out_width, &c->out_height,
                   &c->tolerance) != 9 ||
            !strrchr(c->file, '.'))
            rc = -1;
        else
            case_count++;
    }
    fclose(f);
    return rc;
}

static int read_lists(void)
{
    char pattern[4096];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/nets*.txt", folder);
    if (glob(pattern, 0, NULL, &found))
        return -1;
    int rc = 0;
    for (size_t i = 0; i < found.gl_pathc && !rc; i++) {
        rc = read_list(found.gl_pathv[i]);
        if (rc)
            fprintf(stderr, "%s: not understood behind %d cases\n", found.gl_pathv[i], case_count);
    }
    globfree(&found);
    return rc;
}

static int read_hashes(const char *path)
{
    char line[256];
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    int rc = 0;
    while (!rc && fgets(line, sizeof line, f)) {
        struct hash *h = &hashes[hash_count];
        if (*line == '#' || sscanf(line, "key %127s", hashes_key) == 1)
            continue;
        if (hash_count < MAX_CASES && sscanf(line, "%79s %" SCNx64, h->file, &h->hash) == 2)
            hash_count++;
        else
            rc = -1;
    }
    fclose(f);
    return rc;
}

/* ---- runs ---- */

/* NULL where this version cannot run the architecture. */
static pique_model *open_model(const struct test_case *c)
{
    char path[4096];
    pique_model *model = NULL;
    pique_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, c->file);
    const int rc = pique_model_open(path, &model, &err);
    if (rc == PIQUE_EUNSUPPORTED)
        print_message("skipped: %s: %s\n", c->architecture, err.message);
    else if (rc)
        fail_msg("%s", err.message);
    return model;
}

static void check_info(const struct test_case *c, const pique_model *model)
{
    pique_model_info info = {.size = sizeof info};
    assert_int_equal(pique_model_get_info(model, &info, NULL), 0);
    if (strcmp(info.architecture, c->architecture) != 0 || info.scale_num != c->scale ||
        info.scale_den != 1 || info.in_channels != c->channels || info.out_channels != c->channels)
        fail_msg("%s is taken for %s, scale %d/%d, channels %d to %d", c->file, info.architecture,
                 info.scale_num, info.scale_den, info.in_channels, info.out_channels);
}

/* One way to run; bits must not depend on it. */
struct way {
    int threads, band, frames; /* the picture is the last of so many; the others hold other ones */
};

/* Of the last run. */
static char numeric_key[128];

static void run(const struct test_case *c, const pique_model *model, const struct way *way,
                const float *in, size_t in_count, float *out, size_t out_count)
{
    pique_engine *engine = NULL;
    pique_error err = {0};
    const pique_engine_options options = {.size = sizeof options,
                                          .precision = PIQUE_PRECISION_FP32,
                                          .threads = way->threads,
                                          .band_rows = way->band};
    if (pique_engine_open(model, &options, &engine, &err))
        fail_msg("%s: %s", c->file, err.message);
    snprintf(numeric_key, sizeof numeric_key, "%s", pique_engine_numeric_key(engine));
    const size_t frames = (size_t)way->frames, row = sizeof(float) * (size_t)c->channels;
    float *from = malloc(frames * in_count * sizeof *from);
    float *to = malloc(frames * out_count * sizeof *to);
    assert_true(from && to);
    for (size_t i = 0; i < (frames - 1) * in_count; i++)
        from[i] = 1 - in[in_count - 1 - i % in_count];
    memcpy(from + (frames - 1) * in_count, in, in_count * sizeof *in);
    const pique_rows rows_in = {from, (ptrdiff_t)row * c->width,
                                (ptrdiff_t)(in_count * sizeof *from), PIQUE_SAMPLE_F32};
    const pique_rows rows_out = {to, (ptrdiff_t)row * c->out_width,
                                 (ptrdiff_t)(out_count * sizeof *to), PIQUE_SAMPLE_F32};
    int width, height;
    if (pique_batch_begin(engine, way->frames, c->width, c->height, &err))
        fail_msg("%s: %s", c->file, err.message);
    pique_batch_output_size(engine, &width, &height);
    if (width != c->out_width || height != c->out_height)
        fail_msg("%s: the result would be %d x %d", c->file, width, height);
    if (pique_batch_run(engine, way->frames, c->width, c->height, &rows_in, &rows_out, &err))
        fail_msg("%s: %s", c->file, err.message);
    memcpy(out, to + (frames - 1) * out_count, out_count * sizeof *out);
    free(from);
    free(to);
    pique_engine_close(&engine);
}

/* A few rows at a time, fewer than the engine wants. */
static void check_pushes(const struct test_case *c, const pique_model *model, const float *in,
                         const float *want, size_t count)
{
    pique_engine *engine = NULL;
    const pique_engine_options options = {
        .size = sizeof options, .precision = PIQUE_PRECISION_FP32, .threads = 1};
    const size_t in_row = (size_t)c->width * (size_t)c->channels;
    const size_t out_row = (size_t)c->out_width * (size_t)c->channels;
    float *got = malloc(count * sizeof *got);
    assert_non_null(got);
    assert_int_equal(pique_engine_open(model, &options, &engine, NULL), 0);
    assert_int_equal(pique_batch_begin(engine, 1, c->width, c->height, NULL), 0);
    for (int pushed = 0, pulled = 0; pulled < c->out_height;) {
        const pique_rows from = {(void *)(in + (size_t)pushed * in_row),
                                 (ptrdiff_t)(in_row * sizeof *in), 0, PIQUE_SAMPLE_F32};
        const pique_rows to = {got + (size_t)pulled * out_row, (ptrdiff_t)(out_row * sizeof *got),
                               0, PIQUE_SAMPLE_F32};
        const int wanted = pique_batch_wants(engine), n = wanted < 3 ? wanted : 3;
        if (n)
            assert_int_equal(pique_batch_push(engine, &from, n, NULL), 0);
        const int here = pique_batch_pull(engine, &to, c->out_height - pulled, NULL);
        assert_true(here >= 0);
        pushed += n;
        pulled += here;
    }
    if (memcmp(want, got, count * sizeof *got) != 0)
        fail_msg("%s: other bits where few rows are pushed at a time", c->file);
    pique_engine_close(&engine);
    free(got);
}

/* Where all takes long, in some of all ways; where threads are looked at, in two, of three threads.
 */
static void check_bits(const struct test_case *c, const pique_model *model, const float *in,
                       size_t in_count, const float *want, size_t count)
{
    const int threads[] = {1, 3}, bands[] = {1, 4, 16, c->height};
    float *got = malloc(count * sizeof *got);
    assert_non_null(got);
    for (int i = test_much(0, 1, 1); i < 2 * 4 * 2; i += test_much(1, 5, 10)) {
        const struct way way = {threads[i % 2], bands[i / 2 % 4], 1 + i / 8};
        run(c, model, &way, in, in_count, got, count);
        if (memcmp(want, got, count * sizeof *got) != 0)
            fail_msg("%s: other bits with %d threads, bands of %d rows, batch place %d", c->file,
                     way.threads, way.band, way.frames);
    }
    free(got);
}

static void check_hash(const struct test_case *c, const float *got, size_t count, const char *level)
{
    if (strcmp(hashes_key, numeric_key) != 0)
        fail_msg("the numeric key is '%s' now and was '%s': commit what --hashes prints",
                 numeric_key, hashes_key);
    for (int i = 0; i < hash_count; i++) {
        if (strcmp(hashes[i].file, c->file) != 0)
            continue;
        if (XXH3_64bits(got, count * sizeof *got) != hashes[i].hash)
            fail_msg("%s, %s: other bits under the same numeric key", c->file, level);
        return;
    }
    fail_msg("%s has no hash: commit what --hashes prints", c->file);
}

static double most_off(const float *got, const float *want, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(got[i]))
            return INFINITY;
        most = fmax(most, fabs((double)got[i] - (double)want[i]));
    }
    return most;
}

/* False where it was skipped. */
static int check_case(const struct test_case *c)
{
    pique_model *model = open_model(c);
    if (!model)
        return 0;
    check_info(c, model);
    const size_t in_count = (size_t)c->width * (size_t)c->height * (size_t)c->channels;
    const size_t count = (size_t)c->out_width * (size_t)c->out_height * (size_t)c->channels;
    float *in = read_numbers(c, in_count, count), *got = malloc(count * sizeof *got);
    assert_non_null(got);
    run(c, model, &(struct way){1, c->height, 1}, in, in_count, got, count);
    const double most = most_off(got, in + in_count, count);
    if (!(most <= c->tolerance))
        fail_msg("%s: off by %.2e, allowed %.0e", c->file, most, c->tolerance);
    print_message("%s: off by %.2e, allowed %.0e\n", c->file, most, c->tolerance);
    check_hash(c, got, count, "the best level");
    check_bits(c, model, in, in_count, got, count);
    check_pushes(c, model, in, got, count);
    free(in);
    free(got);
    pique_model_close(&model);
    return 1;
}

/* One run at each level, or at the best where the hash is printed. False where it was skipped. */
static bool check_bits_alone(const struct test_case *c, bool print)
{
    static const char *const levels[] = {NULL, "scalar", "avx2", "avx512", "neon"};
    pique_model *model = open_model(c);
    if (!model)
        return false;
    const size_t in_count = (size_t)c->width * (size_t)c->height * (size_t)c->channels;
    const size_t count = (size_t)c->out_width * (size_t)c->out_height * (size_t)c->channels;
    float *in = read_numbers(c, in_count, count), *got = malloc(count * sizeof *got);
    assert_non_null(got);
    for (size_t l = print ? 0 : 1; l < (print ? 1 : sizeof levels / sizeof *levels); l++) {
        if (pique_set_cpu_level(levels[l], NULL))
            continue;
        run(c, model, &(struct way){2, 4, 1}, in, in_count, got, count);
        if (print && c == cases)
            printf("key %s\n", numeric_key);
        if (print)
            printf("%s %016" PRIx64 "\n", c->file, XXH3_64bits(got, count * sizeof *got));
        else
            check_hash(c, got, count, levels[l]);
    }
    pique_set_cpu_level(NULL, NULL);
    free(in);
    free(got);
    pique_model_close(&model);
    return true;
}

static void print_hashes(void)
{
    printf("# XXH3-64 of the float32 results of the networks of nets*.txt. Made by nets_test "
           "--hashes.\n");
    for (int i = 0; i < case_count; i++)
        check_bits_alone(&cases[i], true);
}

/* ---- tests ---- */

static void a_network(void **state)
{
    if (!check_case(*state))
        skip();
}

static void the_bits_of_a_network(void **state)
{
    if (!check_bits_alone(*state, false))
        skip();
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: nets_test FOLDER HASHES [--bits | --hashes]\n");
        return 2;
    }
    folder = argv[1];
    if (read_lists() || !case_count) {
        fprintf(stderr, "%s/nets*.txt: cannot be read\n", folder);
        return 1;
    }
    if (argc > 3 && strcmp(argv[3], "--hashes") == 0) {
        print_hashes();
        return 0;
    }
    if (read_hashes(argv[2])) {
        fprintf(stderr, "%s: cannot be read\n", argv[2]);
        return 1;
    }
    const bool bits = argc > 3 && strcmp(argv[3], "--bits") == 0;
    struct CMUnitTest tests[MAX_CASES];
    for (int i = 0; i < case_count; i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].file,
                                       .test_func = bits ? the_bits_of_a_network : a_network,
                                       .initial_state = &cases[i]};
    return _cmocka_run_group_tests("networks agree with PyTorch", tests, (size_t)case_count, NULL,
                                   NULL);
}
