/* SPDX-License-Identifier: MIT */
/* What is written: read again by the strict reader, and looked at byte by byte; and what happens
 * where a weight does not fit, memory or the disk ends, or a call fails. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "memory_map.h"
#include "model/safetensors.h"
#include "model/save.h"
#include "tensor/f16.h"

static char folder[] = "save.XXXXXX";
static char out_path[64];

/* Weights of every type, more than one piece of one of them, and odd shapes. */
enum { MANY = 70010 };
static float many[MANY];
static const float f32[] = {1.5f, -2.25f, 0x1p-24f, 65504, 65519.996f, -0.0f};
static const double f64[] = {1 + 0x1p-30, -0.5};
static const uint16_t f16[] = {0x3c00, 0x0001, 0xfbff}, bf16[] = {0x3f80, 0xc040};
static const int64_t i64[] = {INT64_MAX, -1};
static const int32_t i32[] = {16777217};

static void add(struct pq_statedict *sd, const char *name, enum pq_dtype dtype, int64_t a,
                int64_t b, const void *data)
{
    struct pq_tensor t = {
        .dtype = dtype, .dims = b ? 2 : a >= 0, .shape = {a < 0 ? 0 : a, b}, .data = data};
    pique_error err;
    assert_int_equal(pq_statedict_add(sd, name, &t, &err), 0);
}

static void make(struct pq_statedict *sd)
{
    pique_error err;
    *sd = (struct pq_statedict){.map.path = pq_strdup("x.pth")};
    for (int i = 0; i < MANY; i++)
        many[i] = (float)i / 512 - 60;
    add(sd, "many", PQ_F32, MANY / 10, 10, many);
    add(sd, "whole.64", PQ_I64, 1, 2, i64);
    add(sd, "b", PQ_F32, 3, 2, f32);
    add(sd, "a \"quoted\" \xc3\xa9", PQ_F64, 2, 0, f64);
    add(sd, "none", PQ_F32, 0, 3, f32);
    add(sd, "scalar", PQ_I32, -1, 0, i32);
    add(sd, "half", PQ_F16, 3, 0, f16);
    add(sd, "brain", PQ_BF16, 1, 2, bf16);
    assert_int_equal(pq_statedict_add_metadata(sd, "format", "pt", &err), 0);
    assert_int_equal(pq_statedict_add_metadata(sd, "note", "a\nb\t\"\xe2\x80\xae", &err), 0);
}

static int save(const struct pq_statedict *sd, bool half, bool overwrite, pique_error *err)
{
    struct pq_saving saving = {.sd = sd, .half = half};
    *err = (pique_error){0};
    return pq_save(&saving, out_path, overwrite, err);
}

/* Names in the folder, temporary ones too. */
static int files(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

/* ---- what is in the file ---- */

static bool same_float(float have, float want)
{
    return memcmp(&have, &want, sizeof have) == 0;
}

static void check_tensor(const struct pq_tensor *have, const struct pq_tensor *want, bool half)
{
    bool whole = want->dtype == PQ_I64 || want->dtype == PQ_I32;
    size_t count;
    assert_non_null(have);
    assert_true(pq_tensor_is(have, want->dims, want->shape));
    assert_int_equal(have->dtype, whole ? want->dtype : half ? PQ_F16 : PQ_F32);
    assert_true(pq_tensor_count(want, &count));
    if (whole)
        assert_memory_equal(have->data, want->data, count * pq_dtype_size(want->dtype));
    for (size_t i = 0; i < count && !whole; i++) {
        float a, b;
        pq_tensor_to_f32(have, i, 1, &a);
        pq_tensor_to_f32(want, i, 1, &b);
        double exact = want->dtype == PQ_F64 ? f64[i] : b;
        if (!same_float(a, half ? pq_f16_to_f32(pq_f64_to_f16(exact)) : b))
            fail_msg("element %zu is %.9g, not %.9g", i, a, b);
    }
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    struct pq_statedict sd, again;
    pique_error err;
    make(&sd);
    for (int half = 0; half < 2; half++) {
        assert_int_equal(save(&sd, half, false, &err), 0);
        again = (struct pq_statedict){0};
        assert_int_equal(pq_map_open(out_path, &again.map, &err), 0);
        if (pq_safetensors_read(&again, &err))
            fail_msg("%s", err.message);
        assert_int_equal(again.count, sd.count);
        for (size_t i = 0; i < sd.count; i++) {
            assert_string_equal(again.tensors[i].name, sd.tensors[i].name);
            check_tensor(&again.tensors[i].tensor, &sd.tensors[i].tensor, half);
        }
        assert_int_equal(again.metadata_count, 2);
        assert_string_equal(again.metadata[1].value, sd.metadata[1].value);
        pq_statedict_free(&again);
        assert_int_equal(unlink(out_path), 0);
    }
    pq_statedict_free(&sd);
}

static void the_header_is_as_its_description_says(void **state)
{
    (void)state;
    static const char want[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                               "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                               "\"b\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[16,20]}}";
    struct pq_statedict sd = {.map.path = pq_strdup("x.pth")};
    pique_error err;
    struct pq_map map;
    add(&sd, "a", PQ_F32, 2, 2, f32);
    add(&sd, "b", PQ_I32, -1, 0, i32);
    assert_int_equal(pq_statedict_add_metadata(&sd, "format", "pt", &err), 0);
    assert_int_equal(save(&sd, false, false, &err), 0);
    assert_int_equal(pq_map_open(out_path, &map, &err), 0);
    size_t n = map.data[0] | (size_t)map.data[1] << 8, text = strlen(want);
    assert_int_equal(n, (text + 7) / 8 * 8);
    assert_int_equal(map.size, 8 + n + 20);
    assert_memory_equal(map.data + 2, "\0\0\0\0\0\0", 6);
    assert_memory_equal(map.data + 8, want, text);
    for (size_t i = text; i < n; i++)
        assert_int_equal(map.data[8 + i], ' ');
    pq_map_close(&map);
    pq_statedict_free(&sd);
    assert_int_equal(unlink(out_path), 0);
}

static void what_is_not_finite_stays_so(void **state)
{
    (void)state;
    const float odd[] = {INFINITY, -INFINITY, NAN};
    for (int half = 0; half < 2; half++) {
        struct pq_statedict sd = {.map.path = pq_strdup("x.pth")};
        struct pq_saving saving = {.sd = &sd, .half = half};
        unsigned char out[12];
        pique_error err;
        float f[3];
        add(&sd, "odd", PQ_F32, 3, 0, odd);
        assert_int_equal(pq_save_elements(&saving, &sd.tensors[0], 0, 3, out, &err), 0);
        struct pq_tensor t = {
            .dtype = half ? PQ_F16 : PQ_F32, .dims = 1, .shape = {3}, .data = out};
        pq_tensor_to_f32(&t, 0, 3, f);
        assert_true(f[0] == INFINITY && f[1] == -INFINITY && isnan(f[2]));
        pq_statedict_free(&sd);
    }
}

/* ---- refusals ---- */

static void a_weight_that_does_not_fit_is_named_and_nothing_is_left(void **state)
{
    (void)state;
    const float large[] = {1, -65520};
    const double larger[] = {1e39};
    struct pq_statedict sd = {.map.path = pq_strdup("x.pth")};
    pique_error err;
    add(&sd, "fine", PQ_F32, 6, 0, f32);
    add(&sd, "body.1.weight", PQ_F32, 2, 0, large);
    assert_int_equal(save(&sd, true, false, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "x.pth: tensor 'body.1.weight' holds -65520"));
    assert_int_equal(files(), 0);
    assert_int_equal(save(&sd, false, false, &err), 0);
    unlink(out_path);
    add(&sd, "double", PQ_F64, 1, 0, larger);
    assert_int_equal(save(&sd, false, false, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "'double' holds 1e+39"));
    assert_int_equal(files(), 0);
    pq_statedict_free(&sd);
}

static void a_name_that_the_format_cannot_hold_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"__metadata__", "", "a\xff", "a\033[2J"};
    for (size_t i = 0; i < PQ_COUNT(names); i++) {
        struct pq_statedict sd = {.map.path = pq_strdup("x.pth")};
        pique_error err;
        add(&sd, names[i], PQ_F32, 1, 0, f32);
        assert_int_equal(save(&sd, false, false, &err), PIQUE_EUNSUPPORTED);
        assert_int_equal(files(), 0);
        pq_statedict_free(&sd);
    }
}

static void the_format_follows_from_the_name(void **state)
{
    (void)state;
    struct pq_statedict sd;
    pique_error err;
    make(&sd);
    struct pq_saving saving = {.sd = &sd};
    assert_int_equal(pq_save(&saving, "x.pth", false, &err), PIQUE_EINVAL);
    assert_non_null(strstr(err.message, "ends in .safetensors or .onnx"));
    assert_int_equal(pq_save(&saving, "-", false, &err), PIQUE_EINVAL);
    assert_int_equal(pq_save(&saving, "no/such/x.safetensors", false, &err), PIQUE_ECREATE);
    pq_statedict_free(&sd);
}

static void what_exists_is_replaced_only_when_asked_for(void **state)
{
    (void)state;
    struct pq_statedict sd;
    pique_error err;
    make(&sd);
    assert_int_equal(save(&sd, false, false, &err), 0);
    assert_int_equal(save(&sd, true, false, &err), PIQUE_EEXIST);
    assert_int_equal(save(&sd, true, true, &err), 0);
    assert_int_equal(files(), 1);
    unlink(out_path);
    pq_statedict_free(&sd);
}

static void a_token_that_is_set_stops_it(void **state)
{
    (void)state;
    struct pq_statedict sd;
    pique_error err;
    make(&sd);
    pique_cancel *cancel = pique_cancel_new();
    struct pq_saving saving = {.sd = &sd, .cancel = cancel};
    pique_cancel_set(cancel);
    assert_int_equal(pq_save(&saving, out_path, false, &err), PIQUE_ECANCELED);
    assert_int_equal(files(), 0);
    pique_cancel_free(&cancel);
    pq_statedict_free(&sd);
}

/* ---- faults ---- */

/* Let the n-th call fail; whether that was the last one. */
static bool fail_one(const struct pq_statedict *sd, enum pq_fault_kind kind, int errnum, int want,
                     long n)
{
    pique_error err;
    pq_fault_arm(kind, n, errnum, false);
    int rc = save(sd, false, false, &err);
    bool reached = pq_fault_count(kind) >= n;
    pq_fault_arm(kind, 0, 0, false);
    if (!reached)
        return true;
    if (rc == 0) { /* syncing the folder afterwards may fail unseen: the file is there */
        assert_int_equal(unlink(out_path), 0);
        return false;
    }
    if (rc != want || err.code != rc || !err.message[0])
        fail_msg("call %ld of kind %d: %d '%s'", n, (int)kind, rc, err.message);
    assert_int_equal(files(), 0);
    return false;
}

static void any_call_may_fail_and_leaves_nothing(void **state)
{
    (void)state;
    static const struct {
        enum pq_fault_kind kind;
        int errnum, want;
        long least; /* calls that there must be */
    } cases[] = {
        {PQ_FAULT_ALLOC, ENOMEM, PIQUE_ENOMEM, 4},  {PQ_FAULT_OPEN, EACCES, PIQUE_ECREATE, 1},
        {PQ_FAULT_WRITE, ENOSPC, PIQUE_ENOSPC, 10}, {PQ_FAULT_WRITE, EIO, PIQUE_EIO, 10},
        {PQ_FAULT_SYNC, ENOSPC, PIQUE_ENOSPC, 1},   {PQ_FAULT_RENAME, EIO, PIQUE_EIO, 1}};
    struct pq_statedict sd;
    make(&sd);
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        long n = 1;
        while (!fail_one(&sd, cases[i].kind, cases[i].errnum, cases[i].want, n))
            n++;
        assert_true(n > cases[i].least); /* and then all went well */
        assert_int_equal(unlink(out_path), 0);
    }
    pq_statedict_free(&sd);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(out_path, sizeof out_path, "%s/out.safetensors", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(the_header_is_as_its_description_says),
        cmocka_unit_test(what_is_not_finite_stays_so),
        cmocka_unit_test(a_weight_that_does_not_fit_is_named_and_nothing_is_left),
        cmocka_unit_test(a_name_that_the_format_cannot_hold_is_refused),
        cmocka_unit_test(the_format_follows_from_the_name),
        cmocka_unit_test(what_exists_is_replaced_only_when_asked_for),
        cmocka_unit_test(a_token_that_is_set_stops_it),
        cmocka_unit_test(any_call_may_fail_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
