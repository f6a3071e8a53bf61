/* SPDX-License-Identifier: MIT */
/* Small networks against committed results, by the public API alone.
 *
 *     golden_test FOLDER            compares with FOLDER/outputs.f32 and FOLDER/hashes.txt
 *     golden_test FOLDER --hashes [int16]
 *                                   prints what hashes.txt, or hashes-int16.txt, should hold
 *
 * FOLDER/cases.txt names the networks and pictures. Their numbers come from an integer hash, here
 * and in make.py, which computed outputs.f32 in double precision. hashes.txt holds what this
 * program computed: those bits never change as long as the numeric key, its first line, does not.
 * A new key comes with a new hashes.txt. */
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
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "../sanitized.h"
#include "pique/pique.h"

enum { MAX_CASES = 32, HASH_WIDTH = 35, HASH_HEIGHT = 23 };

/* Of the range 0..1: fp32 against double precision over up to 37 convolutions. Sums of 9 x 64
 * products may be off by 2 gamma_576 sum |x||w| in theory, a few units in the last place in
 * practice: 8.3e-7 was measured. A changed weight is off by far more. */
static const double BOUND = 2e-6;

enum kind { WEIGHT, BIAS, SLOPE, PICTURE };

struct test_case {
    char name[32];
    int features, convs, scale, channels, width, height;
    uint32_t seed;
    int growth, plus; /* growth 0: Compact */
};

static const char *folder;
static struct test_case cases[MAX_CASES];
static int case_count;

/* ---- numbers ---- */

static uint32_t mix(uint32_t x)
{
    x = (x ^ x >> 16) * UINT32_C(0x7feb352d);
    x = (x ^ x >> 15) * UINT32_C(0x846ca68b);
    return x ^ x >> 16;
}

static uint32_t hashed(uint32_t seed, int layer, enum kind kind, size_t i)
{
    const uint32_t key = mix(mix(seed) + (uint32_t)layer) + (uint32_t)kind;
    return mix((uint32_t)i + mix(key));
}

/* In [-1, 1), exact. */
static float unit(uint32_t seed, int layer, enum kind kind, size_t i)
{
    return (float)((int32_t)(hashed(seed, layer, kind, i) >> 8) - (1 << 23)) * 0x1p-23f;
}

/* ---- a model file ---- */

struct file {
    float *data;
    size_t count;
    char header[16384];
    size_t header_bytes;
};

static void put(struct file *file, const char *name, const char *shape, size_t count)
{
    file->header_bytes += (size_t)snprintf(
        file->header + file->header_bytes, sizeof file->header - file->header_bytes,
        "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
        file->count ? "," : "{", name, shape, file->count * 4, (file->count + count) * 4);
    assert_true(file->header_bytes + 2 < sizeof file->header);
    file->data = realloc(file->data, (file->count + count) * sizeof *file->data);
    assert_non_null(file->data);
    file->count += count;
}

static void put_layer(struct file *file, const struct test_case *c, int i)
{
    const int last = i == c->convs + 1;
    const int in = i ? c->features : c->channels;
    const int out = last ? c->channels * c->scale * c->scale : c->features;
    const size_t weights = (size_t)in * (size_t)out * 9;
    const float size = sqrtf(6.0f / (float)(9 * in)) * (last ? 0.125f : 1);
    char name[32], shape[32];
    snprintf(name, sizeof name, "body.%d.weight", 2 * i);
    snprintf(shape, sizeof shape, "%d,%d,3,3", out, in);
    put(file, name, shape, weights);
    for (size_t k = 0; k < weights; k++)
        file->data[file->count - weights + k] = unit(c->seed, i, WEIGHT, k) * size;
    snprintf(name, sizeof name, "body.%d.bias", 2 * i);
    snprintf(shape, sizeof shape, "%d", out);
    put(file, name, shape, (size_t)out);
    for (int k = 0; k < out; k++)
        file->data[file->count - (size_t)(out - k)] = unit(c->seed, i, BIAS, (size_t)k) * 0.0625f;
    if (last)
        return;
    snprintf(name, sizeof name, "body.%d.weight", 2 * i + 1);
    put(file, name, shape, (size_t)out);
    for (int k = 0; k < out; k++)
        file->data[file->count - (size_t)(out - k)] = unit(c->seed, i, SLOPE, (size_t)k) * 0.5f;
}

/* How three programs name the tensors of ESRGAN. */
static const struct style {
    const char *first, *block, *dense, *end, *trunk, *up, *hr, *last; /* trunk NULL: all numbered */
} styles[] = {
    {"model.0", "model.1.sub.", ".RDB", ".0", NULL, NULL, NULL, NULL},
    {"conv_first", "body.", ".rdb", "", "conv_body", "conv_up", "conv_hr", "conv_last"},
    {"conv_first", "RRDB_trunk.", ".RDB", "", "trunk_conv", "upconv", "HRconv", "conv_last"}};

/* The i-th convolution; a 1x1 one has no bias. */
static void put_conv(struct file *file, const struct test_case *c, int i, const char *stem, int in,
                     int out, int kernel, float gain)
{
    const size_t weights = (size_t)(in * out * kernel * kernel);
    const float size = sqrtf(6.0f / (float)(kernel * kernel * in)) * gain;
    char name[80], shape[32];
    snprintf(name, sizeof name, "%s.weight", stem);
    snprintf(shape, sizeof shape, "%d,%d,%d,%d", out, in, kernel, kernel);
    put(file, name, shape, weights);
    for (size_t k = 0; k < weights; k++)
        file->data[file->count - weights + k] = unit(c->seed, i, WEIGHT, k) * size;
    if (kernel == 1)
        return;
    snprintf(name, sizeof name, "%s.bias", stem);
    snprintf(shape, sizeof shape, "%d", out);
    put(file, name, shape, (size_t)out);
    for (int k = 0; k < out; k++)
        file->data[file->count - (size_t)(out - k)] = unit(c->seed, i, BIAS, (size_t)k) * 0.0625f;
}

static int put_dense(struct file *file, const struct test_case *c, const struct style *s, int block,
                     int dense, int i)
{
    char name[64];
    for (int conv = 1; conv <= 5; conv++) {
        snprintf(name, sizeof name, "%s%d%s%d.conv%d%s", s->block, block, s->dense, dense, conv,
                 s->end);
        put_conv(file, c, i++, name, c->features + (conv - 1) * c->growth,
                 conv < 5 ? c->growth : c->features, 3, 1);
        if (conv != 2 || !c->plus)
            continue;
        snprintf(name, sizeof name, "%s%d%s%d.conv1x1", s->block, block, s->dense, dense);
        put_conv(file, c, i++, name, c->features, c->growth, 1, 1);
    }
    return i;
}

static void put_esrgan(struct file *file, const struct test_case *c, const struct style *s)
{
    const int f = c->features;
    int i = 0, number = 0;
    char name[64];
    put_conv(file, c, i++, s->first, c->channels, f, 3, 1);
    for (int block = 0; block < c->convs; block++) {
        for (int dense = 1; dense <= 3; dense++)
            i = put_dense(file, c, s, block, dense, i);
    }
    snprintf(name, sizeof name, "%s%d", s->block, c->convs);
    put_conv(file, c, i++, s->trunk ? s->trunk : name, f, f, 3, 1);
    for (int scale = 2; scale <= c->scale; scale *= 2) {
        number++;
        snprintf(name, sizeof name, "%s%d", s->up ? s->up : "model.", s->up ? number : 3 * number);
        put_conv(file, c, i++, name, f, f, 3, 1);
    }
    snprintf(name, sizeof name, "model.%d", 3 * number + 2);
    put_conv(file, c, i++, s->hr ? s->hr : name, f, f, 3, 1);
    snprintf(name, sizeof name, "model.%d", 3 * number + 4);
    put_conv(file, c, i++, s->last ? s->last : name, f, c->channels, 3, 0.125f);
}

/* change: index of a weight that gets 0.01 more; (size_t)-1 for none. Little-endian machines. */
static pique_model *make_styled_model(const struct test_case *c, const struct style *s,
                                      size_t change)
{
    struct file file = {0};
    for (int i = 0; i < c->convs + 2 && !c->growth; i++)
        put_layer(&file, c, i);
    if (c->growth)
        put_esrgan(&file, c, s);
    if (change < file.count)
        file.data[change] += 0.01f;
    file.header[file.header_bytes++] = '}';
    char path[] = "golden-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "wb");
    assert_non_null(f);
    const uint64_t size = file.header_bytes;
    assert_int_equal(fwrite(&size, sizeof size, 1, f), 1);
    assert_int_equal(fwrite(file.header, 1, file.header_bytes, f), file.header_bytes);
    assert_int_equal(fwrite(file.data, sizeof *file.data, file.count, f), file.count);
    assert_int_equal(fclose(f), 0);
    free(file.data);
    pique_model *model = NULL;
    pique_error err = {0};
    const int rc = pique_model_open(path, &model, &err);
    unlink(path);
    if (rc)
        fail_msg("%s: %s", c->name, err.message);
    return model;
}

static pique_model *make_model(const struct test_case *c, size_t change)
{
    return make_styled_model(c, &styles[0], change);
}

/* ---- runs ---- */

static pique_engine *make_engine_in(enum pique_precision tier, const pique_model *model,
                                    int threads, int band)
{
    pique_engine *engine = NULL;
    pique_error err = {0};
    const pique_engine_options options = {
        .size = sizeof options, .precision = tier, .threads = threads, .band_rows = band};
    if (pique_engine_open(model, &options, &engine, &err))
        fail_msg("%s", err.message);
    return engine;
}

static pique_engine *make_engine(const pique_model *model, int threads, int band)
{
    return make_engine_in(PIQUE_PRECISION_FP32, model, threads, band);
}

static pique_rows rows_of(void *data, int width, int height, int channels, enum pique_sample sample)
{
    const ptrdiff_t bytes = sample == PIQUE_SAMPLE_U8 ? 1 : 4;
    const ptrdiff_t row = (ptrdiff_t)width * channels * bytes;
    return (pique_rows){data, row, row * height, sample};
}

static void run(pique_engine *engine, const struct test_case *c, int width, int height,
                enum pique_sample sample_in, void *in, enum pique_sample sample_out, void *out)
{
    pique_error err = {0};
    const pique_rows from = rows_of(in, width, height, c->channels, sample_in);
    const pique_rows to =
        rows_of(out, width * c->scale, height * c->scale, c->channels, sample_out);
    if (pique_batch_run(engine, 1, width, height, &from, &to, &err))
        fail_msg("%s: %s", c->name, err.message);
}

static size_t output_count(const struct test_case *c, int width, int height)
{
    return (size_t)(width * height * c->channels * c->scale * c->scale);
}

/* The float result for the picture of the case; the caller frees it. */
static float *run_case(const struct test_case *c, size_t change)
{
    pique_model *model = make_model(c, change);
    pique_engine *engine = make_engine(model, 0, 0);
    const size_t count = (size_t)(c->width * c->height * c->channels);
    float *in = malloc(count * sizeof *in);
    float *out = malloc(output_count(c, c->width, c->height) * sizeof *out);
    assert_true(in && out);
    for (size_t i = 0; i < count; i++)
        in[i] = (float)(hashed(c->seed, 0, PICTURE, i) >> 8) * 0x1p-24f;
    run(engine, c, c->width, c->height, PIQUE_SAMPLE_F32, in, PIQUE_SAMPLE_F32, out);
    free(in);
    pique_engine_close(&engine);
    pique_model_close(&model);
    return out;
}

static double most_off(const float *got, const float *want, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(isfinite(got[i]));
        most = fmax(most, fabs((double)got[i] - (double)want[i]));
    }
    return most;
}

/* ---- tests ---- */

static FILE *open_data(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s: cannot be read", path);
    return f;
}

static float *next_output(FILE *f, const struct test_case *c, size_t *count)
{
    *count = output_count(c, c->width, c->height);
    float *want = malloc(*count * sizeof *want);
    assert_non_null(want);
    if (fread(want, sizeof *want, *count, f) != *count)
        fail_msg("outputs.f32 ends in %s", c->name);
    return want;
}

static void networks_agree_with_double_precision(void **state)
{
    FILE *f = open_data("outputs.f32");
    double worst = 0;
    for (int i = 0; i < case_count; i++) {
        size_t count;
        float *want = next_output(f, &cases[i], &count), *got = run_case(&cases[i], (size_t)-1);
        const double most = most_off(got, want, count);
        if (!(most <= BOUND))
            fail_msg("%s: off by %.2e, allowed %.0e", cases[i].name, most, BOUND);
        worst = fmax(worst, most);
        free(want);
        free(got);
    }
    assert_int_equal(fgetc(f), EOF);
    fclose(f);
    print_message("%d networks: at most %.2e, allowed %.0e\n", case_count, worst, BOUND);
}

static void one_changed_weight_is_noticed(void **state)
{
    size_t count;
    FILE *f = open_data("outputs.f32");
    float *want = next_output(f, &cases[0], &count), *got = run_case(&cases[0], 300);
    fclose(f);
    assert_true(most_off(got, want, count) > 10 * BOUND);
    free(want);
    free(got);
}

/* XXH3-64 of the float32 result, and of the 8-bit one. */
static void hash_case(const struct test_case *c, pique_engine *engine, uint64_t hash[2])
{
    const size_t in_count = (size_t)(HASH_WIDTH * HASH_HEIGHT * c->channels);
    const size_t count = output_count(c, HASH_WIDTH, HASH_HEIGHT);
    uint8_t *in = malloc(in_count), *steps = malloc(count);
    float *out = malloc(count * sizeof *out);
    assert_true(in && steps && out);
    for (size_t i = 0; i < in_count; i++)
        in[i] = (uint8_t)(hashed(c->seed, 0, PICTURE, i) >> 24);
    run(engine, c, HASH_WIDTH, HASH_HEIGHT, PIQUE_SAMPLE_U8, in, PIQUE_SAMPLE_F32, out);
    run(engine, c, HASH_WIDTH, HASH_HEIGHT, PIQUE_SAMPLE_U8, in, PIQUE_SAMPLE_U8, steps);
    hash[0] = XXH3_64bits(out, count * sizeof *out);
    hash[1] = XXH3_64bits(steps, count);
    free(in);
    free(steps);
    free(out);
}

struct golden_hash {
    char name[32];
    uint64_t hash[2];
};

/* The key into key[128]; returns the number of lines after it. */
static int read_hashes(const char *name, char *key, struct golden_hash *list)
{
    char line[256];
    int count = 0;
    FILE *f = open_data(name);
    *key = '\0';
    while (fgets(line, sizeof line, f)) {
        struct golden_hash *h = &list[count];
        if (*line == '#')
            continue;
        if (strncmp(line, "key ", 4) == 0)
            snprintf(key, 128, "%.*s", (int)strcspn(line + 4, "\n"), line + 4);
        else if (count < MAX_CASES &&
                 sscanf(line, "%31s %" SCNx64 " %" SCNx64, h->name, &h->hash[0], &h->hash[1]) == 3)
            count++;
        else
            fail_msg("%s: not understood: %s", name, line);
    }
    fclose(f);
    return count;
}

static void names_of_tensors_change_no_bit(void **state)
{
    int tried = 0;
    for (int i = 0; i < case_count; i++) {
        uint64_t hash[sizeof styles / sizeof *styles][2];
        for (size_t s = 0; s < sizeof styles / sizeof *styles && cases[i].growth; s++) {
            pique_model *model = make_styled_model(&cases[i], &styles[s], (size_t)-1);
            pique_engine *engine = make_engine(model, 2, 0);
            hash_case(&cases[i], engine, hash[s]);
            pique_engine_close(&engine);
            pique_model_close(&model);
            if (memcmp(hash[0], hash[s], sizeof *hash) != 0)
                fail_msg("%s: other bits with names such as %s", cases[i].name, styles[s].block);
            tried++;
        }
    }
    assert_true(tried > 6);
}

/* Every level of the processor, few threads and many, low bands and high: one hash. Where threads
 * are looked at, all levels but the scalar one. */
static void check_bits(const char *name, enum pique_precision tier)
{
    static const char *const levels[] = {"scalar", "avx2", "avx512", "avx512-vnni", "neon"};
    static const struct {
        int threads, band;
    } ways[] = {{1, 4}, {3, 16}};
    struct golden_hash want[MAX_CASES];
    char key[128];
    const int count = read_hashes(name, key, want);
    assert_int_equal(count, case_count);
    for (size_t l = (size_t)test_much(0, 1, 1); l < sizeof levels / sizeof *levels; l++) {
        if (pique_set_cpu_level(levels[l], NULL)) {
            print_message("%s: not on this processor\n", levels[l]);
            continue;
        }
        for (int i = 0; i < case_count; i++) {
            pique_model *model = make_model(&cases[i], (size_t)-1);
            pique_engine *engine =
                make_engine_in(tier, model, ways[i % 2].threads, ways[i % 2].band);
            uint64_t got[2];
            if (strcmp(key, pique_engine_numeric_key(engine)) != 0)
                fail_msg("the numeric key is '%s' now and was '%s': commit what --hashes prints",
                         pique_engine_numeric_key(engine), key);
            hash_case(&cases[i], engine, got);
            assert_string_equal(cases[i].name, want[i].name);
            if (got[0] != want[i].hash[0] || got[1] != want[i].hash[1])
                fail_msg("%s, %s: other bits under the same numeric key", cases[i].name, levels[l]);
            pique_engine_close(&engine);
            pique_model_close(&model);
        }
    }
    pique_set_cpu_level(NULL, NULL);
}

static void bits_belong_to_the_numeric_key(void **state)
{
    (void)state;
    check_bits("hashes.txt", PIQUE_PRECISION_FP32);
    check_bits("hashes-int16.txt", PIQUE_PRECISION_INT16);
}

static void print_hashes(enum pique_precision tier)
{
    for (int i = 0; i < case_count; i++) {
        pique_model *model = make_model(&cases[i], (size_t)-1);
        pique_engine *engine = make_engine_in(tier, model, 0, 0);
        uint64_t hash[2];
        if (i == 0)
            printf("# XXH3-64 of the float32 and of the 8-bit results of the networks of cases.txt "
                   "for a\n# picture of %d x %d pixels. Made by golden_test --hashes.\nkey %s\n",
                   HASH_WIDTH, HASH_HEIGHT, pique_engine_numeric_key(engine));
        hash_case(&cases[i], engine, hash);
        printf("%-18s %016" PRIx64 " %016" PRIx64 "\n", cases[i].name, hash[0], hash[1]);
        pique_engine_close(&engine);
        pique_model_close(&model);
    }
}

static int read_cases(void)
{
    char path[4096], line[256];
    snprintf(path, sizeof path, "%s/cases.txt", folder);
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    while (case_count < MAX_CASES && fgets(line, sizeof line, f)) {
        struct test_case *c = &cases[case_count];
        if (*line != '#' && sscanf(line, "%31s %d %d %d %d %d %d %" SCNu32 "%d %d", c->name,
                                   &c->features, &c->convs, &c->scale, &c->channels, &c->width,
                                   &c->height, &c->seed, &c->growth, &c->plus) >= 8)
            case_count++;
    }
    fclose(f);
    return case_count ? 0 : -1;
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : ".";
    if (read_cases()) {
        fprintf(stderr, "%s/cases.txt: cannot be read\n", folder);
        return 1;
    }
    if (argc > 2 && strcmp(argv[2], "--hashes") == 0) {
        const bool words = argc > 3 && strcmp(argv[3], "int16") == 0;
        print_hashes(words ? PIQUE_PRECISION_INT16 : PIQUE_PRECISION_FP32);
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(networks_agree_with_double_precision),
                                       cmocka_unit_test(one_changed_weight_is_noticed),
                                       cmocka_unit_test(names_of_tensors_change_no_bit),
                                       cmocka_unit_test(bits_belong_to_the_numeric_key)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
