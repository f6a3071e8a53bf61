/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/dictionary.h"
#include "base/error.h"
#include "base/lang.h"
#include "base/log.h"

static int in_english(void **state)
{
    (void)state;
    pq_lang_on_thread(PQ_LANG_EN);
    return 0;
}

static void the_language_of_a_locale_is_that_of_its_first_part(void **state)
{
    (void)state;
    static const char *const french[] = {"fr", "FR", "fr_FR.UTF-8", "fr-CA", "fr.UTF-8", "fr@euro"};
    static const char *const english[] = {"",    "f",      "en",    "C",   "C.UTF-8",
                                          "fry", "frs_DE", "de_FR", "xfr", "POSIX"};
    for (size_t i = 0; i < sizeof french / sizeof *french; i++)
        assert_int_equal(pq_lang_of(french[i]), PQ_LANG_FR);
    for (size_t i = 0; i < sizeof english / sizeof *english; i++)
        assert_int_equal(pq_lang_of(english[i]), PQ_LANG_EN);
    assert_int_equal(pq_lang_of(NULL), PQ_LANG_EN);
}

static void what_is_said_in_english_is_the_sentence_itself(void **state)
{
    (void)state;
    static const char sentence[] = "stopped on request";
    assert_ptr_equal(pq_tr(sentence), sentence);
    assert_null(pq_tr(NULL));
}

static void a_sentence_is_said_in_french_and_one_that_is_not_known_in_english(void **state)
{
    (void)state;
    pq_lang_on_thread(PQ_LANG_FR);
    assert_string_equal(pq_tr("stopped on request"), "arrêté sur demande");
    assert_string_equal(pq_tr("stopped on reques"), "stopped on reques");
    assert_string_equal(pq_tr(""), "");
    assert_null(pq_tr(NULL));
}

static void each_sentence_of_the_dictionary_is_found(void **state)
{
    (void)state;
    pq_lang_on_thread(PQ_LANG_FR);
    assert_true(pq_dictionary_count > 100);
    for (size_t i = 0; i < pq_dictionary_count; i++) {
        assert_true(i == 0 || pq_dictionary[i - 1].hash <= pq_dictionary[i].hash);
        assert_string_equal(pq_tr(pq_dictionary[i].english), pq_dictionary[i].french);
    }
}

/* The hash leaves out 'l', which must not make one sentence of two. */
static void sentences_that_differ_in_an_l_are_two(void **state)
{
    (void)state;
    pq_lang_on_thread(PQ_LANG_FR);
    assert_string_equal(pq_tr("stopped on requestl"), "stopped on requestl");
}

static void a_number_of_fixed_width_is_in_its_place_in_both_languages(void **state)
{
    (void)state;
    char text[200];
    const char *format = "%s: %" PRIu64 " bytes came, not %" PRIu64;
    snprintf(text, sizeof text, pq_tr(format), "a", UINT64_MAX, (uint64_t)7);
    assert_string_equal(text, "a: 18446744073709551615 bytes came, not 7");
    pq_lang_on_thread(PQ_LANG_FR);
    snprintf(text, sizeof text, pq_tr(format), "a", UINT64_MAX, (uint64_t)7);
    assert_string_equal(text, "a\u00a0: 18446744073709551615 octets sont venus, pas 7");
}

static void a_failure_is_said_in_the_language_of_the_thread(void **state)
{
    (void)state;
    pique_error err;
    pq_lang_on_thread(PQ_LANG_FR);
    pq_fail(&err, PIQUE_ECREATE, "%s: exists already", "a.png");
    assert_string_equal(err.message, "a.png\u00a0: existe déjà");
    assert_int_equal(err.code, PIQUE_ECREATE);
    pq_fail_errno(&err, ENOENT, "a.png", "be opened");
    assert_string_equal(
        err.message, "a.png\u00a0: ouverture impossible\u00a0: Aucun fichier ou dossier de ce nom");
    pq_lang_on_thread(PQ_LANG_EN);
    pq_fail_errno(&err, ENOENT, "a.png", "be opened");
    assert_string_equal(err.message, "a.png: cannot be opened: No such file or directory");
}

static void keep_line(void *user, enum pique_log_level level, const char *line)
{
    (void)level;
    snprintf(user, 200, "%s", line);
}

static void log_lines_for_people_are_translated_and_those_for_developers_are_not(void **state)
{
    (void)state;
    char line[200] = "";
    struct pq_log log;
    pq_log_init(&log, keep_line, line);
    pq_lang_on_thread(PQ_LANG_FR);
    pq_log(&log, PIQUE_LOG_WARN, "out of memory");
    assert_string_equal(line, "mémoire insuffisante");
    pq_log(&log, PIQUE_LOG_DEBUG, "out of memory");
    assert_string_equal(line, "out of memory");
    pq_log_destroy(&log);
}

static void *language_of_thread(void *out)
{
    *(enum pq_lang *)out = pq_lang();
    return NULL;
}

static void another_thread_has_the_language_of_the_process(void **state)
{
    (void)state;
    enum pq_lang other = PQ_LANG_COUNT;
    pthread_t thread;
    pq_lang_on_thread(PQ_LANG_FR);
    assert_int_equal(pthread_create(&thread, NULL, language_of_thread, &other), 0);
    pthread_join(thread, NULL);
    assert_int_equal(pq_lang(), PQ_LANG_FR);
    assert_int_equal(other, pq_lang_of(getenv("PIQUE_LANG")));
}

#define TEST(f) cmocka_unit_test_setup(f, in_english)

int main(void)
{
    /* The process is English, whoever starts it; it is read once, so before all. */
    setenv("PIQUE_LANG", "en", 1);
    const struct CMUnitTest tests[] = {
        TEST(the_language_of_a_locale_is_that_of_its_first_part),
        TEST(what_is_said_in_english_is_the_sentence_itself),
        TEST(a_sentence_is_said_in_french_and_one_that_is_not_known_in_english),
        TEST(each_sentence_of_the_dictionary_is_found),
        TEST(sentences_that_differ_in_an_l_are_two),
        TEST(a_number_of_fixed_width_is_in_its_place_in_both_languages),
        TEST(a_failure_is_said_in_the_language_of_the_thread),
        TEST(log_lines_for_people_are_translated_and_those_for_developers_are_not),
        TEST(another_thread_has_the_language_of_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
