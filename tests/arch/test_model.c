/* SPDX-License-Identifier: MIT */
/* Models through the public API: facts, failures, and the real weights where they are at hand. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "arch/model.h"
#include "base/fault.h"
#include "base/sha256.h"
#include "make_model.h"

static const struct maker tiny = {
    .features = 6, .convs = 2, .scale = 2, .channels = 3, .seed = 5, .half = true};

static char folder[] = "model.XXXXXX";
static char st_path[64], param_path[64], bin_path[64];

static pique_model *open_or_fail(const char *path)
{
    pique_model *m;
    pique_error err = {0};
    if (pique_model_open(path, &m, &err))
        fail_msg("%s", err.message);
    return m;
}

static pique_model_info info_of(const pique_model *m)
{
    pique_model_info info = {.size = sizeof info};
    assert_int_equal(pique_model_get_info(m, &info, NULL), 0);
    return info;
}

static void a_model_tells_its_facts(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        const char *path = i == 0 ? st_path : i == 1 ? param_path : bin_path;
        pique_model *m = open_or_fail(path);
        pique_model_info info = info_of(m);
        assert_string_equal(info.path, path);
        assert_string_equal(info.container, i ? "ncnn" : "safetensors");
        assert_string_equal(info.architecture, "Compact");
        assert_int_equal(info.scale_num, 2);
        assert_int_equal(info.scale_den, 1);
        assert_int_equal(info.in_channels, 3);
        assert_int_equal(info.out_channels, 3);
        assert_int_equal(info.features, 6);
        assert_int_equal(info.convolutions, 4);
        assert_int_equal(info.receptive_radius, 4);
        uint64_t weights = 27 * 6 + 2 * 54 * 6 + 54 * 12, others = 3 * 6 + 12 + 3 * 6;
        assert_int_equal(info.parameters, weights + others);
        /* at the size of the input: 2 x weights; biases and the rest are not counted by everybody
         */
        assert_true(info.flops_per_pixel >= 2 * weights);
        assert_true(info.flops_per_pixel < 2 * weights + 200);
        assert_string_equal(info.dtype, "f16");
        assert_int_equal(info.tensor_count, 11);
        char hex[PQ_SHA256_HEX];
        assert_int_equal(pq_sha256_file(i ? bin_path : st_path, hex, NULL), 0);
        assert_string_equal(pique_model_sha256(m), hex);

        pique_tensor_info t = {.size = sizeof t};
        assert_int_equal(pique_model_get_tensor(m, 0, &t, NULL), 0);
        assert_string_equal(t.name, i ? "Conv_0.weight" : "body.0.weight");
        assert_string_equal(t.dtype, "f16");
        assert_int_equal(t.dims, 4);
        assert_int_equal(t.shape[1], 3);
        assert_int_equal(pique_model_get_tensor(m, 11, &t, NULL), PIQUE_EINVAL);
        const char *key = NULL, *value = NULL;
        assert_int_equal(pique_model_get_metadata(m, 0, &key, &value), i ? PIQUE_EINVAL : 0);
        if (!i)
            assert_string_equal(value, "pt");
        assert_int_equal(pique_model_get_metadata(m, 1, &key, &value), PIQUE_EINVAL);
        assert_int_equal(pq_model_graph(m)->ops[0].channels, 3);
        pique_model_close(&m);
        assert_null(m);
    }
}

static void file_bytes_count_both_halves(void **state)
{
    (void)state;
    pique_model *a = open_or_fail(param_path), *b = open_or_fail(bin_path);
    FILE *p = fopen(param_path, "rb"), *q = fopen(bin_path, "rb");
    assert_non_null(p);
    assert_non_null(q);
    fseek(p, 0, SEEK_END);
    fseek(q, 0, SEEK_END);
    assert_int_equal(info_of(a).file_bytes, ftell(p) + ftell(q));
    assert_int_equal(info_of(b).file_bytes, info_of(a).file_bytes);
    fclose(p);
    fclose(q);
    pique_model_close(&a);
    pique_model_close(&b);
}

static void an_older_program_gets_what_it_has_room_for(void **state)
{
    (void)state;
    pique_model *m = open_or_fail(st_path);
    pique_model_info info;
    memset(&info, 0x5a, sizeof info);
    info.size = offsetof(pique_model_info, scale_num);
    assert_int_equal(pique_model_get_info(m, &info, NULL), 0);
    assert_string_equal(info.architecture, "Compact");
    assert_int_equal(info.scale_num, 0x5a5a5a5a);
    info.size = 0;
    assert_int_equal(pique_model_get_info(m, &info, NULL), PIQUE_EINVAL);
    pique_tensor_info t = {.size = 0};
    assert_int_equal(pique_model_get_tensor(m, 0, &t, NULL), PIQUE_EINVAL);
    pique_model_close(&m);
}

static void a_file_without_a_pickle_names_nothing(void **state)
{
    (void)state;
    pique_model *m = open_or_fail(st_path);
    pique_global_info g = {.size = sizeof g};
    pique_error err;
    assert_int_equal(pique_model_get_global(m, 0, &g, &err), PIQUE_EINVAL);
    g.size = 0;
    assert_int_equal(pique_model_get_global(m, 0, &g, &err), PIQUE_EINVAL);
    assert_non_null(strstr(err.message, "size is not set"));
    assert_int_equal(pique_model_get_global(NULL, 0, &g, NULL), PIQUE_EINVAL);
    pique_model_close(&m);
}

static void senseless_arguments_are_refused(void **state)
{
    (void)state;
    pique_model *m = (pique_model *)&m;
    pique_error err;
    assert_int_equal(pique_model_open(NULL, &m, &err), PIQUE_EINVAL);
    assert_null(m);
    assert_int_equal(pique_model_open(st_path, NULL, &err), PIQUE_EINVAL);
    assert_int_equal(pique_model_open("no such model", &m, NULL), PIQUE_ENOENT);
    assert_null(m);
    pique_model_close(&m);
    pique_model_close(NULL);
}

static void *hash_it(void *model)
{
    return strdup(pique_model_sha256(model));
}

static void many_threads_may_ask_at_once(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    pique_model *m = open_or_fail(st_path);
    pthread_t threads[THREADS];
    char hex[PQ_SHA256_HEX];
    assert_int_equal(pq_sha256_file(st_path, hex, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_it, m), 0);
    for (int i = 0; i < THREADS; i++) {
        void *text;
        assert_int_equal(pthread_join(threads[i], &text), 0);
        assert_string_equal(text, hex);
        free(text);
    }
    pique_model_close(&m);
}

static void a_network_that_changes_the_channels_is_refused(void **state)
{
    (void)state;
    static const char param[] = "7767517\n2 2\nInput in 0 1 a\n"
                                "Convolution c 1 1 a b 0=3 1=1 5=0 6=6\n";
    static const unsigned char zeros[28];
    char path[64], bin[64];
    struct bytes b = {0};
    pique_model *m;
    pique_error err;
    snprintf(path, sizeof path, "%s/c.param", folder);
    snprintf(bin, sizeof bin, "%s/c.bin", folder);
    bytes_text(&b, "%s", param);
    bytes_save(&b, path);
    bytes_free(&b);
    bytes_add(&b, zeros, sizeof zeros);
    bytes_save(&b, bin);
    bytes_free(&b);
    assert_int_equal(pique_model_open(path, &m, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "turns 2 channels into 3"));
    unlink(path);
    unlink(bin);
}

/* ---- faults ---- */

static void *failing_malloc(size_t size)
{
    return pq_fault(PQ_FAULT_ALLOC) ? NULL : malloc(size);
}

static void fail_each(enum pq_fault_kind kind, int errnum, const char *path)
{
    int rc = -1;
    long n = 1;
    for (; rc != 0 && n < 10000; n++) {
        pique_model *m;
        pique_error err = {0};
        pq_fault_arm(kind, n, errnum, n % 2);
        rc = pique_model_open(path, &m, &err);
        pq_fault_arm(kind, 0, 0, false);
        assert_int_equal(rc == 0, m != NULL);
        assert_true(rc == 0 || err.message[0]);
        pique_model_close(&m);
    }
    assert_int_equal(rc, 0);
    assert_true(n > 2); /* at least one failed */
}

static void any_allocation_or_file_call_may_fail(void **state)
{
    (void)state;
    json_set_alloc_funcs(failing_malloc, free);
    for (int i = 0; i < 3; i++) {
        const char *path = i == 0 ? st_path : i == 1 ? param_path : bin_path;
        fail_each(PQ_FAULT_ALLOC, 12, path);
        fail_each(PQ_FAULT_OPEN, 24, path);
        fail_each(PQ_FAULT_READ, 5, path);
    }
    json_set_alloc_funcs(malloc, free);
}

/* ---- real weights ---- */

static void real_models_are_what_they_are_known_to_be(void **state)
{
    (void)state;
    static const struct {
        const char *file, *architecture;
        int num, den, features, convolutions, radius;
        uint64_t parameters;
        size_t tensors;
    } known[] = {
        /* 64 features, 16 convolutions between the first and the last */
        {"realesr-animevideov3-x4", "Compact", 4, 1, 64, 18, 18, 621424, 53},
        {"realesr-animevideov3-x3", "Compact", 3, 1, 64, 18, 0, 621424, 53},
        {"realesr-animevideov3-x2", "Compact", 2, 1, 64, 18, 0, 621424, 53},
        {"realesrgan-x4fast", "Compact", 4, 1, 64, 34, 34, 1213296, 101},
        /* 23 and 6 blocks of 15 convolutions, and 6 around them */
        {"realesrgan-x4plus", "ESRGAN", 4, 1, 64, 351, 349, 16697987, 702},
        {"realesrgan-x4plus-anime", "ESRGAN", 4, 1, 64, 96, 94, 4467779, 192},
    };
    const char *models = getenv("PIQUE_TEST_MODELS");
    int found = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known && models; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.param", models, known[i].file);
        if (access(path, R_OK) != 0)
            continue;
        found++;
        pique_model *m = open_or_fail(path);
        pique_model_info info = info_of(m);
        assert_string_equal(info.architecture, known[i].architecture);
        assert_string_equal(info.dtype, "f16");
        assert_int_equal(info.scale_num, known[i].num);
        assert_int_equal(info.scale_den, known[i].den);
        assert_int_equal(info.features, known[i].features);
        assert_int_equal(info.convolutions, known[i].convolutions);
        assert_int_equal(info.parameters, known[i].parameters);
        assert_int_equal(info.tensor_count, known[i].tensors);
        if (known[i].radius)
            assert_int_equal(info.receptive_radius, known[i].radius);
        pique_model_close(&m);
    }
    if (!found) {
        print_message("PIQUE_TEST_MODELS names no folder with real models: skipped\n");
        skip();
    }
}

static int make_files(void **state)
{
    (void)state;
    struct bytes first = {0}, second = {0};
    if (!mkdtemp(folder))
        return -1;
    snprintf(st_path, sizeof st_path, "%s/m.safetensors", folder);
    snprintf(param_path, sizeof param_path, "%s/m.param", folder);
    snprintf(bin_path, sizeof bin_path, "%s/m.bin", folder);
    make_safetensors(&tiny, &first);
    bytes_save(&first, st_path);
    bytes_free(&first);
    make_ncnn(&tiny, &first, &second);
    bytes_save(&first, param_path);
    bytes_save(&second, bin_path);
    bytes_free(&first);
    bytes_free(&second);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(st_path);
    unlink(param_path);
    unlink(bin_path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_tells_its_facts),
        cmocka_unit_test(file_bytes_count_both_halves),
        cmocka_unit_test(an_older_program_gets_what_it_has_room_for),
        cmocka_unit_test(a_file_without_a_pickle_names_nothing),
        cmocka_unit_test(senseless_arguments_are_refused),
        cmocka_unit_test(many_threads_may_ask_at_once),
        cmocka_unit_test(a_network_that_changes_the_channels_is_refused),
        cmocka_unit_test(any_allocation_or_file_call_may_fail),
        cmocka_unit_test(real_models_are_what_they_are_known_to_be),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
