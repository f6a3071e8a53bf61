/* SPDX-License-Identifier: MIT */
/* The two languages of the option table: nothing is left out of either, they say the same, and what
 * is made of them fits where it is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "option/man_text.h"
#include "option/option.h"

/* A text in both languages, and where it stands. */
struct twin {
    const char *where, *what, *en, *fr;
    const char *choices; /* of the option; or NULL */
};

/* All sentences of the tables, one after the other; false at the end. */
static bool next_twin(size_t n, struct twin *t)
{
    if (n < 2 * PQ_OPT_COUNT) {
        const struct pq_option *o = &pq_option_table[n / 2];
        *t = n % 2 ? (struct twin){o->name, "detail", o->detail, o->detail_fr, o->choices}
                   : (struct twin){o->name, "help", o->help, o->help_fr, o->choices};
        return true;
    }
    n -= 2 * PQ_OPT_COUNT;
    if (n >= PQ_CMD_COUNT)
        return false;
    const struct pq_command *c = &pq_commands[n];
    *t = (struct twin){c->words, "help of the command", c->help, c->help_fr, NULL};
    return true;
}

static size_t columns(const char *text, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

/* Whether the word stands in the text and no letter or digit touches it. */
static bool has_word(const char *text, const char *word, size_t length)
{
    for (const char *s = text; *s; s++) {
        const bool starts = s == text || !isalnum((unsigned char)s[-1]);
        if (starts && strncmp(s, word, length) == 0 && !isalnum((unsigned char)s[length]))
            return true;
    }
    return false;
}

/* ---- the tables ---- */

static void test_no_option_and_no_command_is_without_either_language(void **state)
{
    struct twin t;
    for (size_t i = 0; next_twin(i, &t); i++) {
        if (!t.en != !t.fr)
            fail_msg("%s: its %s is there in one language alone", t.where, t.what);
        if (!t.en && strcmp(t.what, "detail") != 0)
            fail_msg("%s has no %s", t.where, t.what);
    }
}

static void test_every_option_of_a_run_has_sentences_for_the_guide(void **state)
{
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *o = &pq_option_table[i];
        if ((o->commands & PQ_FOR(RUN)) && (!o->detail || !o->detail_fr))
            fail_msg("--%s has no detail", o->name);
    }
}

static void test_no_group_is_without_either_language(void **state)
{
    for (int g = 0; g < PQ_GROUP_COUNT; g++) {
        const enum pq_option_group group = (enum pq_option_group)g;
        assert_non_null(pq_option_group_id(group));
        const char *en = pq_option_group_name(group, PQ_LANG_EN);
        const char *fr = pq_option_group_name(group, PQ_LANG_FR);
        assert_true(en && *en && fr && *fr);
        /* The one heading that both languages spell alike. */
        if (strcmp(en, fr) == 0)
            assert_string_equal(en, "Films");
        for (int k = 0; k < g; k++)
            assert_string_not_equal(pq_option_group_id(group),
                                    pq_option_group_id((enum pq_option_group)k));
    }
}

static void test_a_help_is_a_phrase_of_one_line_and_a_detail_whole_sentences(void **state)
{
    struct twin t;
    for (size_t i = 0; next_twin(i, &t); i++) {
        const char *texts[] = {t.en, t.fr};
        for (size_t k = 0; k < PQ_COUNT(texts) && texts[k]; k++) {
            const char *text = texts[k];
            const bool period = text[strlen(text) - 1] == '.';
            const bool detail = strcmp(t.what, "detail") == 0;
            if (period != detail)
                fail_msg("%s: '%s' ends badly", t.where, text);
            if (strcmp(t.what, "help") == 0)
                assert_in_range(columns(text, strlen(text)), 10, 60);
            if (strstr(text, "  ") || isspace((unsigned char)*text))
                fail_msg("%s: '%s' has blanks too many", t.where, text);
        }
    }
}

static void refuse_english(const char *where, const char *french)
{
    static const char *const english[] = {
        "the",   "and",     "of",       "with",   "which",   "where",   "when", "is",  "are",
        "not",   "this",    "that",     "from",   "by",      "each",    "all",  "any", "has",
        "files", "picture", "pictures", "folder", "folders", "default", "name"};
    for (const char *s = french; *s;) {
        const size_t length = strcspn(s, " ");
        /* Names of options are what they are. */
        for (size_t i = 0; i < PQ_COUNT(english) && !pq_starts_with(s, "--"); i++) {
            if (strlen(english[i]) == length && memcmp(s, english[i], length) == 0)
                fail_msg("%s: '%s' is English in '%s'", where, english[i], french);
        }
        s += length + (s[length] != '\0');
    }
}

static void test_no_french_text_is_left_in_english(void **state)
{
    struct twin t;
    for (size_t i = 0; next_twin(i, &t); i++) {
        if (t.fr && strcmp(t.en, t.fr) == 0)
            fail_msg("%s: its %s is the same in both languages", t.where, t.what);
        if (t.fr)
            refuse_english(t.where, t.fr);
    }
}

/* Words in capitals that stand for what one types, in English. */
static bool is_english_name(const char *text)
{
    static const char *const names[] = {
        "PATH", "FILE",   "FOLDER", "NAME",  "TEXT",  "FACTOR",  "HEIGHT", "WxH",  "AMOUNT",
        "HOW",  "COLOUR", "NUMBER", "RATE",  "KEY",   "VALUE",   "WHICH",  "TIME", "TRACKS",
        "ROWS", "FRAMES", "TIER",   "BYTES", "LEVEL", "ADDRESS", "JOB",    "OUT"};
    for (size_t i = 0; i < PQ_COUNT(names); i++) {
        if (has_word(text, names[i], strlen(names[i])))
            return true;
    }
    return false;
}

static void test_what_stands_for_a_value_is_in_the_language_of_its_text(void **state)
{
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *o = &pq_option_table[i];
        if (o->value && is_english_name(pq_option_text_value(o, PQ_LANG_FR)))
            fail_msg("--%s takes '%s' in French", o->name, pq_option_text_value(o, PQ_LANG_FR));
        assert_true(o->value || !o->value_fr);
    }
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        const char *fr = pq_command_text_operands(&pq_commands[i], PQ_LANG_FR);
        if (is_english_name(fr))
            fail_msg("pique %s takes '%s' in French", pq_commands[i].words, fr);
        /* pique tells by the bracket whether operands may be left out. */
        assert_int_equal(*fr == '[', *pq_commands[i].operands == '[');
        assert_int_equal(*fr == '\0', *pq_commands[i].operands == '\0');
    }
}

/* ---- both say the same ---- */

/* The next number of a text with what belongs to it (0:01:30.5, 800k, 256x256, png16), or the next
 * name of an option (--memory); its length, 0 at the end. */
static size_t next_fixed(const char **text, size_t length)
{
    for (const char *s = *text + length; *s;) {
        const bool name = pq_starts_with(s, "--");
        size_t n = name ? 2 : 0;
        bool digit = false;
        while (isalnum((unsigned char)s[n]) || (s[n] && strchr(name ? "-" : ".:/", s[n])))
            digit |= isdigit((unsigned char)s[n++]) != 0;
        size_t kept = n;
        while (kept && strchr(".:/-", s[kept - 1]))
            kept--;
        if (kept && (digit || name)) {
            *text = s;
            return kept;
        }
        s += n ? n : 1;
    }
    return 0;
}

static void test_numbers_and_names_of_options_are_in_both_languages(void **state)
{
    struct twin t;
    size_t seen = 0;
    for (size_t i = 0; next_twin(i, &t); i++) {
        const char *number = t.en;
        for (size_t n = 0; t.en && (n = next_fixed(&number, n)) != 0; seen++) {
            if (!has_word(t.fr, number, n))
                fail_msg("%s: '%.*s' is missing in '%s'", t.where, (int)n, number, t.fr);
        }
        number = t.fr;
        for (size_t n = 0; t.fr && (n = next_fixed(&number, n)) != 0; seen++) {
            if (!has_word(t.en, number, n))
                fail_msg("%s: '%.*s' is missing in '%s'", t.where, (int)n, number, t.en);
        }
    }
    assert_true(seen > 200); /* there is something to compare */
}

static void test_choices_that_one_language_names_the_other_names_too(void **state)
{
    struct twin t;
    size_t seen = 0;
    for (size_t i = 0; next_twin(i, &t); i++) {
        const char *word = t.choices;
        for (size_t n = 0; word && t.en && (n = pq_next_word(&word, n)) != 0;) {
            if (!has_word(t.en, word, n))
                continue;
            seen++;
            if (!has_word(t.fr, word, n))
                fail_msg("%s: '%.*s' is missing in '%s'", t.where, (int)n, word, t.fr);
        }
    }
    assert_true(seen > 30);
}

/* What French typography wants: a blank that does not break before : ; ? ! and inside « ». */
static void check_blanks(const char *where, const char *french)
{
    static const char *const wrong[] = {" :", " ;", " ?", " !", " \xC2\xBB", "\xC2\xAB "};
    for (size_t i = 0; french && i < PQ_COUNT(wrong); i++) {
        if (strstr(french, wrong[i]))
            fail_msg("%s: a line may break at '%s' in '%s'", where, wrong[i], french);
    }
    for (const char *s = french; s && *s;) {
        const size_t n = pq_utf8_length(s);
        if (!n)
            fail_msg("%s: '%s' is not UTF-8", where, french);
        s += n;
    }
}

static void test_french_lines_break_where_they_may(void **state)
{
    struct twin t;
    for (size_t i = 0; next_twin(i, &t); i++)
        check_blanks(t.where, t.fr);
    for (int g = 0; g < PQ_GROUP_COUNT; g++)
        check_blanks("group", pq_option_group_name((enum pq_option_group)g, PQ_LANG_FR));
    const char *const man[] = {pq_man_fr.description, pq_man_fr.naming, pq_man_fr.commands,
                               pq_man_fr.events,      pq_man_fr.ending, pq_man_fr.fallback};
    for (size_t i = 0; i < PQ_COUNT(man); i++)
        check_blanks("manual", man[i]);
}

/* ---- what is made of them ---- */

static char *made(void (*generate)(struct pq_str *, const char *), enum pq_lang lang)
{
    struct pq_str s = {0};
    pq_lang_on_thread(lang);
    generate(&s, "0.1.0");
    pq_lang_on_thread(PQ_LANG_EN);
    assert_false(s.failed);
    return pq_str_take(&s);
}

/* The widest line in columns; *lines how many there are. */
static size_t measure(const char *text, size_t *lines)
{
    size_t widest = 0;
    *lines = 0;
    for (const char *s = text; *s; ++*lines) {
        const size_t n = strcspn(s, "\n");
        const size_t wide = columns(s, n);
        if (wide > 80)
            print_message("%zu columns: %.*s\n", wide, (int)n, s);
        widest = PQ_MAX(widest, wide);
        s += n + (s[n] != '\0');
    }
    return widest;
}

static void test_the_help_fits_a_screen_in_both_languages(void **state)
{
    for (int lang = 0; lang < PQ_LANG_COUNT; lang++) {
        size_t lines;
        char *help = made(pq_option_help, (enum pq_lang)lang);
        assert_true(measure(help, &lines) <= 80);
        assert_true(lines <= 23); /* and the prompt */
        assert_non_null(strstr(help, lang == PQ_LANG_FR ? "Usage\xC2\xA0:" : "Usage:"));
        assert_non_null(strstr(help, "serve, queue,"));
        pq_free(help);
    }
}

/* The text with every run of blanks and line ends made one blank. */
static char *unwrapped(const char *text)
{
    struct pq_str s = {0};
    for (const char *c = text; *c; c++) {
        if (!strchr(" \n", *c))
            pq_str_add_n(&s, c, 1);
        else if (s.length && s.data[s.length - 1] != ' ')
            pq_str_add(&s, " ");
    }
    return pq_str_take(&s);
}

static void test_the_whole_help_has_every_phrase_of_its_language(void **state)
{
    for (int lang = 0; lang < PQ_LANG_COUNT; lang++) {
        size_t lines;
        struct twin t;
        char *help = made(pq_option_help_all, (enum pq_lang)lang), *flat = unwrapped(help);
        assert_true(measure(help, &lines) <= 80);
        for (size_t i = 0; next_twin(i, &t); i++) {
            const char *text = lang == PQ_LANG_FR ? t.fr : t.en;
            const bool shown =
                strcmp(t.what, "detail") != 0 && *t.where && strcmp(t.where, "work") != 0;
            if (shown && !strstr(flat, text))
                fail_msg("'%s' is missing", text);
        }
        for (int g = 0; g < PQ_GROUP_COUNT; g++)
            assert_non_null(
                strstr(flat, pq_option_group_name((enum pq_option_group)g, (enum pq_lang)lang)));
        pq_free(help);
        pq_free(flat);
    }
}

static void test_no_help_and_no_completion_names_what_pique_calls_itself(void **state)
{
    const struct pq_command *work = &pq_commands[PQ_CMD_WORK];
    assert_true(work->hidden);
    struct pq_str s = {0};
    pq_option_bash(&s);
    pq_option_zsh(&s);
    pq_option_fish(&s);
    assert_null(strstr(s.data, "'work'"));
    assert_null(strstr(s.data, " work "));
    pq_str_free(&s);
    for (int lang = 0; lang < PQ_LANG_COUNT; lang++) {
        char *help = made(pq_option_help_all, (enum pq_lang)lang);
        char *man = made(pq_option_man, (enum pq_lang)lang);
        assert_null(strstr(help, "\n  work"));
        assert_null(strstr(man, "pique work"));
        pq_free(help);
        pq_free(man);
    }
}

/* "skip\-existing" as it is read. */
static char *without_backslashes(const char *roff)
{
    struct pq_str s = {0};
    for (const char *c = roff; *c; c++) {
        if (*c != '\\')
            pq_str_add_n(&s, c, 1);
    }
    return pq_str_take(&s);
}

static void test_each_manual_page_has_the_sections_of_its_language(void **state)
{
    static const char *const sections[PQ_LANG_COUNT][9] = {
        {"NAME", "SYNOPSIS", "DESCRIPTION", "INPUTS AND OUTPUTS", "OPTIONS", "COMMANDS",
         "JSON EVENTS", "EXIT STATUS", "ENVIRONMENT"},
        {"NOM", "SYNOPSIS", "DESCRIPTION", "ENTRÉES ET SORTIES", "OPTIONS", "COMMANDES",
         "ÉVÉNEMENTS JSON", "CODE DE RETOUR", "ENVIRONNEMENT"}};
    for (int lang = 0; lang < PQ_LANG_COUNT; lang++) {
        char *man = made(pq_option_man, (enum pq_lang)lang);
        for (size_t i = 0; i < PQ_COUNT(sections[lang]); i++) {
            char head[64];
            snprintf(head, sizeof head, ".SH %s\n", sections[lang][i]);
            if (!strstr(man, head))
                fail_msg("no %s", head);
        }
        char *text = without_backslashes(man);
        for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
            if (!strstr(text, pq_option_table[i].name))
                fail_msg("--%s is not there", pq_option_table[i].name);
        }
        pq_free(text);
        assert_null(strstr(man, "\xC2\xA0")); /* roff has its own */
        pq_free(man);
    }
}

/* Names with an underline, which are members of events and kinds of them. */
static void test_the_events_of_both_manual_pages_have_the_same_members(void **state)
{
    const char *s = pq_man_en.events;
    size_t seen = 0;
    while ((s = strchr(s, '_'))) {
        const char *from = s;
        while (from > pq_man_en.events && (isalnum((unsigned char)from[-1]) || from[-1] == '_'))
            from--;
        while (isalnum((unsigned char)*s) || *s == '_')
            s++;
        if (!has_word(pq_man_fr.events, from, (size_t)(s - from)))
            fail_msg("%.*s is missing in French", (int)(s - from), from);
        seen++;
    }
    assert_true(seen > 30);
}

static void test_the_french_manual_page_is_roff_without_warnings(void **state)
{
    if (system("command -v groff >/dev/null 2>&1") != 0) {
        print_message("groff is not installed; the page was not formatted\n");
        skip();
    }
    char *man = made(pq_option_man, PQ_LANG_FR);
    FILE *pipe = popen("! groff -Kutf8 -man -ww -z 2>&1 | grep .", "w");
    assert_non_null(pipe);
    fputs(man, pipe);
    pq_free(man);
    assert_int_equal(pclose(pipe), 0);
}

static void test_what_is_for_programs_is_the_same_in_both_languages(void **state)
{
    void (*const generate[])(struct pq_str *) = {pq_option_bash, pq_option_zsh, pq_option_fish,
                                                 pq_option_schema, pq_option_list};
    for (size_t i = 0; i < PQ_COUNT(generate); i++) {
        struct pq_str en = {0}, fr = {0};
        generate[i](&en);
        pq_lang_on_thread(PQ_LANG_FR);
        generate[i](&fr);
        pq_lang_on_thread(PQ_LANG_EN);
        assert_string_equal(en.data, fr.data);
        pq_str_free(&en);
        pq_str_free(&fr);
    }
}

static void test_without_memory_a_french_help_fails_and_nothing_else(void **state)
{
    pq_lang_on_thread(PQ_LANG_FR);
    for (long n = 1;; n++) {
        struct pq_str text = {0};
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, true);
        pq_option_help_all(&text, "1");
        pq_option_man(&text, "1");
        pq_option_list(&text);
        const bool failed = text.failed, reached = pq_fault_count(PQ_FAULT_ALLOC) >= n;
        pq_str_free(&text);
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        if (!reached)
            break;
        assert_true(failed);
    }
    pq_lang_on_thread(PQ_LANG_EN);
}

int main(void)
{
    pq_lang_on_thread(PQ_LANG_EN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_option_and_no_command_is_without_either_language),
        cmocka_unit_test(test_every_option_of_a_run_has_sentences_for_the_guide),
        cmocka_unit_test(test_no_group_is_without_either_language),
        cmocka_unit_test(test_a_help_is_a_phrase_of_one_line_and_a_detail_whole_sentences),
        cmocka_unit_test(test_no_french_text_is_left_in_english),
        cmocka_unit_test(test_what_stands_for_a_value_is_in_the_language_of_its_text),
        cmocka_unit_test(test_numbers_and_names_of_options_are_in_both_languages),
        cmocka_unit_test(test_choices_that_one_language_names_the_other_names_too),
        cmocka_unit_test(test_french_lines_break_where_they_may),
        cmocka_unit_test(test_the_help_fits_a_screen_in_both_languages),
        cmocka_unit_test(test_the_whole_help_has_every_phrase_of_its_language),
        cmocka_unit_test(test_no_help_and_no_completion_names_what_pique_calls_itself),
        cmocka_unit_test(test_each_manual_page_has_the_sections_of_its_language),
        cmocka_unit_test(test_the_events_of_both_manual_pages_have_the_same_members),
        cmocka_unit_test(test_the_french_manual_page_is_roff_without_warnings),
        cmocka_unit_test(test_what_is_for_programs_is_the_same_in_both_languages),
        cmocka_unit_test(test_without_memory_a_french_help_fails_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
