/* SPDX-License-Identifier: MIT */
/* The safetensors reader on good files, damaged files and files that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "make_model.h"
#include "memory_map.h"
#include "model/safetensors.h"

static const struct maker tiny = {.features = 2, .convs = 1, .scale = 2, .channels = 1, .seed = 7};

static int read_bytes(const void *data, size_t size, struct pq_statedict *sd, pique_error *err)
{
    *sd = (struct pq_statedict){.map = memory_map(data, size, "x.safetensors")};
    *err = (pique_error){0};
    return pq_safetensors_read(sd, err);
}

static int try_json(const char *json, size_t data_bytes, pique_error *err)
{
    static const unsigned char data[64];
    struct bytes file = {0};
    struct pq_statedict sd;
    wrap_safetensors(json, data, data_bytes, &file);
    int rc = read_bytes(file.data, file.size, &sd, err);
    if (rc == 0)
        touch_all(&sd);
    memory_free(&sd);
    bytes_free(&file);
    return rc;
}

static void reads_every_type_and_the_metadata(void **state)
{
    (void)state;
    /* 1, -2 in each type */
    static const unsigned char data[] = {
        0,   0,    0x80, 0x3f, 0,   0,   0, 0xc0, 0,    0x3c, 0,    0xc0, 0x80, 0x3f,
        0,   0xc0, 0,    0,    0,   0,   0, 0,    0xf0, 0x3f, 0,    0,    0,    0,
        0,   0,    0,    0xc0, 1,   0,   0, 0,    0,    0,    0,    0,    0xfe, 255,
        255, 255,  255,  255,  255, 255, 1, 0,    0,    0,    0xfe, 255,  255,  255};
    static const char json[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
        "\"b\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[8,12]},"
        "\"__metadata__\":{\"format\":\"pt\",\"note\":\"h\\u00e9\"},"
        "\"c\":{\"dtype\":\"BF16\",\"shape\":[2,1],\"data_offsets\":[12,16]},"
        "\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[16,32]},"
        "\"e\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[32,48]},"
        "\"none\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[48,48]},"
        "\"f\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[48,56]}}   ";
    struct bytes file = {0};
    struct pq_statedict sd;
    pique_error err;
    wrap_safetensors(json, data, sizeof data, &file);
    assert_int_equal(read_bytes(file.data, file.size, &sd, &err), 0);
    assert_int_equal(sd.count, 7);
    for (const char *name = "abcdef"; *name; name++) {
        char text[2] = {*name, 0};
        const struct pq_tensor *t = pq_statedict_find(&sd, text);
        float f[2];
        assert_non_null(t);
        pq_tensor_to_f32(t, 0, 2, f);
        assert_true(f[0] == 1 && f[1] == -2);
    }
    assert_int_equal(sd.metadata_count, 2);
    assert_string_equal(sd.metadata[0].key, "format");
    assert_string_equal(sd.metadata[1].value, "h\xc3\xa9");
    assert_null(pq_statedict_find(&sd, "__metadata__"));
    memory_free(&sd);
    bytes_free(&file);
}

#define T(name, dtype, shape, from, to)                                                            \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to   \
    "]}"

static void refuses_what_others_would_read_differently(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        size_t data;
        int rc;
        const char *says;
    } cases[] = {
        {"{" T("a", "F32", "[1]", 0, 4) "," T("a", "F32", "[1]", 4, 8) "}", 8, PIQUE_EFORMAT,
         "one name twice"},
        {"{" T("a", "F32", "[2]", 0, 8) "," T("b", "F32", "[2]", 4, 12) "}", 12, PIQUE_EFORMAT,
         "'b' starts at byte 4"},
        {"{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[1]", 8, 12) "}", 12, PIQUE_EFORMAT,
         "'b' starts at byte 8"},
        {"{" T("a", "F32", "[1]", 4, 8) "}", 8, PIQUE_EFORMAT, "'a' starts at byte 4"},
        {"{" T("a", "F32", "[1]", 0, 4) "}", 5, PIQUE_EFORMAT, "1 bytes at the end"},
        {"{" T("a", "F32", "[2]", 0, 8) "}", 7, PIQUE_EFORMAT, "'a' ends at byte 8"},
        {"{" T("a", "F32", "[2]", 0, 4) "}", 4, PIQUE_EFORMAT, "does not fit its 4 bytes"},
        {"{" T("a", "F32", "[2]", 8, 0) "}", 8, PIQUE_EFORMAT, "begin <= end"},
        {"{" T("a", "U8", "[4]", 0, 4) "}", 4, PIQUE_EUNSUPPORTED, "'a' is stored as U8"},
        {"{" T("a", "F32", "[65537,0]", 0, 0) "}", 0, PIQUE_EFORMAT, "0 to 65536"},
        {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, PIQUE_EFORMAT, "at most 8"},
        {"{" T("a", "F32", "[65536,65536,65536,65536,0]", 0, 0) "}", 0, PIQUE_EFORMAT,
         "does not fit"},
        {"{" T("a", "F32", "[1.0]", 0, 4) "}", 4, PIQUE_EFORMAT, "'a'"},
        {"{" T("a\\u001b[2J", "F32", "[1]", 0, 4) "}", 4, PIQUE_EFORMAT, "control"},
        {"{" T("a\\u009b2J", "F32", "[1]", 0, 4) "}", 4, PIQUE_EFORMAT, "control"},
        {"{" T("", "F32", "[1]", 0, 4) "}", 4, PIQUE_EFORMAT, "empty"},
        {"{\"a\":1}", 0, PIQUE_EFORMAT, "'a'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
         PIQUE_EFORMAT, "alone"},
        {"{\"__metadata__\":{\"a\":1}}", 0, PIQUE_EFORMAT, "more than text"},
        {"{\"__metadata__\":[]}", 0, PIQUE_EFORMAT, "not an object"},
        {"[]", 0, PIQUE_EFORMAT, "'{'"},
        {" {}", 0, PIQUE_EFORMAT, "'{'"},
        {"{} {}", 0, PIQUE_EFORMAT, "JSON"},
        {"{", 0, PIQUE_EFORMAT, "too short"},
        {"{\"a\":}", 0, PIQUE_EFORMAT, "JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pique_error err;
        int rc = try_json(cases[i].json, cases[i].data, &err);
        if (rc != cases[i].rc || !strstr(err.message, cases[i].says) ||
            !strstr(err.message, "x.safetensors"))
            fail_msg("%s: %d '%s'", cases[i].json, rc, err.message);
    }
}

static void a_header_that_would_take_gigabytes_is_refused(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct pq_statedict sd;
    pique_error err;
    size_t n = 4 << 20;
    char *json = malloc(n + 1);
    assert_non_null(json);
    memset(json, '[', n);
    json[0] = '{';
    json[n] = '\0';
    wrap_safetensors(json, NULL, 0, &file);
    assert_int_equal(read_bytes(file.data, file.size, &sd, &err), PIQUE_EUNSUPPORTED);
    memory_free(&sd);
    free(json);
    bytes_free(&file);
}

static void a_file_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    struct bytes file = {0};
    make_safetensors(&tiny, &file);
    for (size_t size = 0; size <= file.size; size++) {
        struct pq_statedict sd;
        pique_error err;
        int rc = read_bytes(file.data, size, &sd, &err);
        if ((rc == 0) != (size == file.size) ||
            (rc && strncmp(err.message, "x.safetensors: ", 15) != 0))
            fail_msg("cut to %zu bytes: %d '%s'", size, rc, err.message);
        memory_free(&sd);
    }
    bytes_free(&file);
}

static void a_flipped_bit_in_the_header_never_reads_outside(void **state)
{
    (void)state;
    struct bytes file = {0};
    make_safetensors(&tiny, &file);
    size_t head = 8 + file.data[0] + (size_t)file.data[1] * 256;
    for (size_t bit = 0; bit < head * 8; bit++) {
        struct pq_statedict sd;
        pique_error err;
        file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        int rc = read_bytes(file.data, file.size, &sd, &err);
        assert_true(rc == 0 || err.message[0]);
        if (rc == 0)
            touch_all(&sd);
        memory_free(&sd);
        file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    bytes_free(&file);
}

/* Replace the n-th number outside of quotes; false where there are fewer. */
static bool replace_number(const char *json, int n, const char *with, struct bytes *out, bool *same)
{
    bool quoted = false;
    for (const char *s = json; *s; s++) {
        if (*s == '"')
            quoted = !quoted;
        size_t digits = quoted ? 0 : strspn(s, "0123456789");
        if (digits && n-- == 0) {
            bytes_add(out, json, (size_t)(s - json));
            bytes_add(out, with, strlen(with));
            bytes_add(out, s + digits, strlen(s + digits));
            *same = strlen(with) == digits && strncmp(s, with, digits) == 0;
            return true;
        }
        s += digits ? digits - 1 : 0;
    }
    return false;
}

static void a_lie_in_any_number_of_the_header_is_refused(void **state)
{
    (void)state;
    struct bytes file = {0};
    make_safetensors(&tiny, &file);
    size_t n = file.data[0] + (size_t)file.data[1] * 256;
    char *json = strndup((const char *)file.data + 8, n);
    assert_non_null(json);
    int tried = 0;
    for (size_t k = 0; k < sizeof lies / sizeof *lies; k++) {
        struct bytes text = {0};
        bool same;
        for (int i = 0; replace_number(json, i, lies[k], &text, &same); i++) {
            struct bytes lying = {0};
            struct pq_statedict sd;
            pique_error err;
            wrap_safetensors((const char *)text.data, file.data + 8 + n, file.size - 8 - n, &lying);
            int rc = read_bytes(lying.data, lying.size, &sd, &err);
            if ((rc == 0) != same)
                fail_msg("%s: %d '%s'", (const char *)text.data, rc, err.message);
            memory_free(&sd);
            bytes_free(&lying);
            bytes_free(&text);
            tried++;
        }
        /* and the length of the header itself */
        struct pq_statedict sd;
        pique_error err;
        uint64_t lie = strtoull(lies[k], NULL, 10);
        memcpy(file.data, &lie, 8);
        assert_int_equal(read_bytes(file.data, file.size, &sd, &err), PIQUE_EFORMAT);
        memory_free(&sd);
    }
    assert_true(tried > 100);
    free(json);
    bytes_free(&file);
}

static void *failing_malloc(size_t size)
{
    return pq_fault(PQ_FAULT_ALLOC) ? NULL : malloc(size);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    struct bytes file = {0};
    make_safetensors(&tiny, &file);
    json_set_alloc_funcs(failing_malloc, free);
    int rc = -1;
    long n = 1;
    for (; rc != 0 && n < 10000; n++) {
        struct pq_statedict sd = {.map = memory_map(file.data, file.size, "x.safetensors")};
        pique_error err = {0};
        pq_fault_arm(PQ_FAULT_ALLOC, n, 12, n % 2);
        rc = pq_safetensors_read(&sd, &err);
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_true(rc == 0 || err.message[0]);
        /* jansson takes some of its own failures for broken JSON */
        if (rc && rc != PIQUE_ENOMEM && !strstr(err.message, "JSON"))
            fail_msg("allocation %ld: %d '%s'", n, rc, err.message);
        memory_free(&sd);
    }
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(rc, 0);
    assert_true(n > 20);
    bytes_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type_and_the_metadata),
        cmocka_unit_test(refuses_what_others_would_read_differently),
        cmocka_unit_test(a_header_that_would_take_gigabytes_is_refused),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_flipped_bit_in_the_header_never_reads_outside),
        cmocka_unit_test(a_lie_in_any_number_of_the_header_is_refused),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
