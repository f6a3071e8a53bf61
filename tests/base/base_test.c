/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/crc32.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/str.h"

static void a_failure_is_a_code_and_a_sentence(void **state)
{
    (void)state;
    pique_error err;
    assert_int_equal(pq_fail(&err, PIQUE_EFORMAT, "%s: bad", "x.pth"), PIQUE_EFORMAT);
    assert_int_equal(err.code, PIQUE_EFORMAT);
    assert_string_equal(err.message, "x.pth: bad");
    assert_int_equal(pq_fail(&err, PIQUE_EIO, "again: %s", err.message), PIQUE_EIO);
    assert_string_equal(err.message, "again: x.pth: bad");
    assert_int_equal(pq_fail(NULL, PIQUE_EIO, "nobody listens"), PIQUE_EIO);
}

static void a_long_sentence_is_cut_between_characters(void **state)
{
    (void)state;
    char text[700];
    for (int shift = 0; shift < 4; shift++) {
        memset(text, 'a', sizeof text);
        for (size_t i = (size_t)shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 3); /* the euro sign */
        text[sizeof text - 1] = '\0';
        pique_error err;
        pq_fail(&err, PIQUE_EIO, "%s", text);
        size_t n = strlen(err.message);
        assert_in_range(n, sizeof err.message - 4, sizeof err.message - 1);
        assert_memory_equal(err.message + n - 3, "\xe2\x82\xac", 3);
    }
}

static void every_status_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(pique_status_name(0), "OK");
    assert_string_equal(pique_status_name(PIQUE_ECREATE), "ECREATE");
    assert_string_equal(pique_status_name(PIQUE_EINTERNAL), "EINTERNAL");
    assert_string_equal(pique_status_name(-99), "UNKNOWN");
    assert_string_equal(pique_status_name(7), "UNKNOWN");
    assert_int_equal(pq_status_of_errno(ENOSPC), PIQUE_ENOSPC);
    assert_int_equal(pq_status_of_errno(EDQUOT), PIQUE_ENOSPC);
    assert_int_equal(pq_status_of_errno(EACCES), PIQUE_ECREATE);
    assert_int_equal(pq_status_of_errno(EPIPE), PIQUE_EIO);
}

static void strings_grow_and_survive_a_failed_allocation(void **state)
{
    (void)state;
    struct pq_str s = {0};
    for (int i = 0; i < 100; i++)
        pq_str_printf(&s, "%d,", i);
    char *text = pq_str_take(&s);
    assert_int_equal(strlen(text), 10 * 2 + 90 * 3);
    pq_free(text);
    pq_str_add(&s, "kept");
    pq_fault_arm(PQ_FAULT_ALLOC, 1, 0, true);
    char *big = malloc(1000);
    memset(big, 'x', 999);
    big[999] = '\0';
    pq_str_add(&s, big);
    pq_str_add(&s, "ignored");
    pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
    assert_string_equal(s.data, "kept");
    assert_null(pq_str_take(&s));
    free(big);
    text = pq_str_take(&s);
    assert_string_equal(text, "");
    pq_free(text);
}

static void prefixes_and_suffixes(void **state)
{
    (void)state;
    assert_true(pq_starts_with("module.body", "module."));
    assert_false(pq_starts_with("mod", "module."));
    assert_true(pq_ends_with("a.param", ".param"));
    assert_false(pq_ends_with("m", ".param"));
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    size_t n;
    assert_false(pq_mul_size(SIZE_MAX, 2, &n));
    assert_false(pq_add_size(SIZE_MAX, 1, &n));
    assert_null(pq_calloc(SIZE_MAX / 2, 3));
    assert_null(pq_realloc_array(NULL, SIZE_MAX / 2, 3));
    assert_null(pq_big_alloc(NULL, SIZE_MAX));
    void *p = pq_big_alloc(NULL, 0);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    pq_big_free(NULL, p);
}

static void *counting_alloc(void *user, size_t bytes, size_t align)
{
    (*(int *)user)++;
    return aligned_alloc(align, bytes);
}

static void counting_free(void *user, void *memory)
{
    (*(int *)user)--;
    free(memory);
}

static void the_callers_allocator_is_used_for_large_buffers(void **state)
{
    (void)state;
    int live = 0;
    pique_allocator a = {sizeof a, &live, counting_alloc, counting_free};
    void *p = pq_big_alloc(&a, 1000);
    assert_int_equal(live, 1);
    pq_big_free(&a, p);
    assert_int_equal(live, 0);
    pq_big_free(&a, NULL);
    assert_int_equal(live, 0);
}

static void faults_strike_once_or_for_ever(void **state)
{
    (void)state;
    pq_fault_arm(PQ_FAULT_WRITE, 2, ENOSPC, false);
    assert_false(pq_fault(PQ_FAULT_WRITE));
    errno = 0;
    assert_true(pq_fault(PQ_FAULT_WRITE));
    assert_int_equal(errno, ENOSPC);
    assert_false(pq_fault(PQ_FAULT_WRITE));
    assert_int_equal(pq_fault_count(PQ_FAULT_WRITE), 3);
    pq_fault_arm(PQ_FAULT_WRITE, 1, EIO, true);
    assert_true(pq_fault(PQ_FAULT_WRITE) && pq_fault(PQ_FAULT_WRITE));
    pq_fault_arm(PQ_FAULT_WRITE, 0, 0, false);
    assert_false(pq_fault(PQ_FAULT_WRITE));
}

/* FIPS 180-2, appendix B. */
static void sha256_of_known_texts(void **state)
{
    (void)state;
    char hex[PQ_SHA256_HEX];
    pq_sha256("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    pq_sha256("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void a_level_can_be_forced_down_but_not_up(void **state)
{
    (void)state;
    assert_true(pq_cpu_force(PQ_CPU_SCALAR));
    assert_int_equal(pq_cpu_level(), PQ_CPU_SCALAR);
    assert_true(pq_cpu_force(pq_cpu_best()));
    for (int l = 0; l < PQ_CPU_LEVELS; l++) {
        const enum pq_cpu_level level = (enum pq_cpu_level)l;
        pq_cpu_force(pq_cpu_best());
        assert_int_equal(pq_cpu_force(level), pq_cpu_has(level));
        assert_int_equal(pq_cpu_level(), pq_cpu_has(level) ? level : pq_cpu_best());
    }
    /* Of two families a processor has one. */
    assert_false(pq_cpu_has(PQ_CPU_AVX2) && pq_cpu_has(PQ_CPU_NEON));
    pq_cpu_force(pq_cpu_best());
    char brand[64];
    pq_cpu_brand(brand, sizeof brand);
    assert_true(strlen(brand) > 0);
}

static void keep_line(void *user, enum pique_log_level level, const char *line)
{
    assert_int_equal(level, PIQUE_LOG_WARN);
    strcpy(user, line);
}

static void crc32_is_that_of_zip(void **state)
{
    (void)state;
    assert_int_equal(pq_crc32("", 0), 0);
    assert_int_equal(pq_crc32("123456789", 9), 0xcbf43926);
    unsigned char data[100];
    for (int i = 0; i < 100; i++)
        data[i] = (unsigned char)(i * i + 7);
    for (size_t begin = 0; begin < 9; begin++) { /* at any alignment and length, a bit at a time */
        for (size_t end = begin; end <= sizeof data; end++) {
            uint32_t c = 0xffffffff;
            for (size_t i = begin; i < end; i++) {
                c ^= data[i];
                for (int bit = 0; bit < 8; bit++)
                    c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
            }
            assert_int_equal(pq_crc32(data + begin, end - begin), ~c);
        }
    }
}

static void log_lines_reach_the_listener(void **state)
{
    (void)state;
    char line[1100] = "";
    struct pq_log log;
    pq_log_init(&log, keep_line, line);
    pq_log(&log, PIQUE_LOG_WARN, "%d rows", 3);
    assert_string_equal(line, "3 rows");
    pq_log_destroy(&log);
    pq_log(NULL, PIQUE_LOG_WARN, "nobody");
}

static void what_steers_a_terminal_is_not_shown(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"plain \xc3\xbc \xe4\xb8\x80 \xf0\x9f\x98\x80",
         "plain \xc3\xbc \xe4\xb8\x80 \xf0\x9f\x98\x80"},
        {"\033[2J\a\n\x7f", "?[2J???"},
        {"\xc2\x9b|\xc2\xa0|\x9b|\xff", "?|\xc2\xa0|?|?"},
        {"\xe2\x80\xae|\xe2\x81\xa6|\xe2\x80\xa6", "?|?|\xe2\x80\xa6"},
        {"\xc0\xaf\xe2\x80", "????"},
    };
    for (size_t i = 0; i < PQ_COUNT(pairs); i++) {
        struct pq_str s = {0};
        pq_str_add(&s, "");
        pq_str_add_shown(&s, pairs[i][0]);
        assert_string_equal(s.data, pairs[i][1]);
        pq_str_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_a_code_and_a_sentence),
        cmocka_unit_test(a_long_sentence_is_cut_between_characters),
        cmocka_unit_test(every_status_has_a_name),
        cmocka_unit_test(strings_grow_and_survive_a_failed_allocation),
        cmocka_unit_test(prefixes_and_suffixes),
        cmocka_unit_test(what_steers_a_terminal_is_not_shown),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(the_callers_allocator_is_used_for_large_buffers),
        cmocka_unit_test(faults_strike_once_or_for_ever),
        cmocka_unit_test(sha256_of_known_texts),
        cmocka_unit_test(crc32_is_that_of_zip),
        cmocka_unit_test(a_level_can_be_forced_down_but_not_up),
        cmocka_unit_test(log_lines_reach_the_listener),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
