/* SPDX-License-Identifier: MIT */
/* The option table, its parser and everything that is generated from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "option/option.h"

/* The words of a line, as if typed after "pique". */
static int parse(struct pq_options *o, pique_error *err, const char *line)
{
    static char copy[512];
    static char *words[32];
    int count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        words[count++] = word;
    return pq_options_parse(o, PQ_CMD_RUN, count, words, err);
}

/* ---- the table ---- */

static void test_every_row_is_complete(void **state)
{
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *o = &pq_option_table[i];
        assert_non_null(o->name);
        assert_non_null(o->help);
        assert_in_range(strlen(o->name), 2, 20);
        assert_in_range(strlen(o->help), 10, 60);
        assert_int_not_equal(o->help[strlen(o->help) - 1], '.');
        assert_int_not_equal(o->commands, 0);
        bool bare = o->kind == PQ_KIND_FLAG || o->kind == PQ_KIND_COUNT;
        assert_int_equal(bare, o->value == NULL);
        assert_int_equal(o->kind == PQ_KIND_CHOICE, o->choices != NULL);
        if (o->detail)
            assert_int_equal(o->detail[strlen(o->detail) - 1], '.');
    }
}

static void test_names_and_letters_are_unique_within_a_command(void **state)
{
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        for (size_t k = i + 1; k < PQ_OPT_COUNT; k++) {
            const struct pq_option *a = &pq_option_table[i], *b = &pq_option_table[k];
            if (!(a->commands & b->commands))
                continue;
            assert_string_not_equal(a->name, b->name);
            if (a->letter)
                assert_int_not_equal(a->letter, b->letter);
        }
    }
}

static void test_every_fallback_passes_its_own_check(void **state)
{
    for (int c = 0; c < PQ_CMD_COUNT; c++) {
        struct pq_options o;
        pique_error err;
        assert_int_equal(pq_options_init(&o, (enum pq_command_id)c, &err), 0);
        for (size_t i = 0; i < PQ_OPT_COUNT; i++)
            assert_false(o.values[i].set);
        pq_options_free(&o);
    }
}

static void test_format_choices_are_in_the_order_of_the_library(void **state)
{
    struct pq_options o;
    pique_error err;
    assert_int_equal(parse(&o, &err, "-f ppm"), 0);
    assert_int_equal(pq_whole(&o, PQ_OPT_FORMAT), PIQUE_FORMAT_PPM);
    pq_options_free(&o);
    assert_int_equal(parse(&o, &err, "-f jpeg --alpha flatten --precision fp32"), 0);
    assert_int_equal(pq_whole(&o, PQ_OPT_FORMAT), PIQUE_FORMAT_JPEG);
    assert_int_equal(pq_whole(&o, PQ_OPT_ALPHA), PIQUE_ALPHA_FLATTEN);
    assert_int_equal(pq_whole(&o, PQ_OPT_PRECISION), PIQUE_PRECISION_FP32);
    pq_options_free(&o);
    assert_int_equal(parse(&o, &err, "--precision fp16"), 0);
    assert_int_equal(pq_whole(&o, PQ_OPT_PRECISION), PIQUE_PRECISION_FP16);
    pq_options_free(&o);
    assert_int_equal(parse(&o, &err, "--precision bf16"), 0);
    assert_int_equal(pq_whole(&o, PQ_OPT_PRECISION), PIQUE_PRECISION_BF16);
    pq_options_free(&o);
}

/* ---- parsing ---- */

static void test_words_are_taken_in_every_usual_form(void **state)
{
    static const char *const lines[] = {
        "a.png -s 4 -o out -qy", "--scale 4 a.png --output out --quiet --overwrite",
        "-s4 -oout a.png -q -y", "--scale=4 --output=out -yq -- a.png",
        "-yqs 4x a.png -o out",  "-s x4 a.png -yqoout",
    };
    for (size_t i = 0; i < PQ_COUNT(lines); i++) {
        struct pq_options o;
        pique_error err;
        assert_int_equal(parse(&o, &err, lines[i]), 0);
        assert_true(o.values[PQ_OPT_SCALE].number == 4);
        assert_string_equal(pq_text(&o, PQ_OPT_OUTPUT), "out");
        assert_true(pq_given(&o, PQ_OPT_QUIET) && pq_given(&o, PQ_OPT_OVERWRITE));
        assert_int_equal(o.operand_count, 1);
        assert_string_equal(o.operands[0], "a.png");
        pq_options_free(&o);
    }
}

static void test_dashes_that_are_no_options_are_operands_and_values(void **state)
{
    struct pq_options o;
    pique_error err;
    assert_int_equal(parse(&o, &err, "- -o - -- -q --json"), 0);
    assert_int_equal(o.operand_count, 3);
    assert_string_equal(o.operands[0], "-");
    assert_string_equal(o.operands[1], "-q");
    assert_string_equal(o.operands[2], "--json");
    assert_string_equal(pq_text(&o, PQ_OPT_OUTPUT), "-");
    assert_false(pq_given(&o, PQ_OPT_QUIET));
    pq_options_free(&o);
    assert_int_equal(parse(&o, &err, "a --output=--json"), 0);
    assert_string_equal(pq_text(&o, PQ_OPT_OUTPUT), "--json");
    pq_options_free(&o);
}

static void test_times_rates_and_bits_are_read_as_they_are_written(void **state)
{
    static const struct {
        const char *text;
        double seconds;
    } times[] = {{"90", 90}, {"1:30", 90}, {"0:01:30.5", 90.5}, {"01:00:00", 3600}, {"0.04", 0.04}};
    static const struct {
        const char *text;
        int num, den;
    } rates[] = {{"25", 25, 1},          {"23.976", 24000, 1001}, {"23.98", 24000, 1001},
                 {"29.97", 30000, 1001}, {"59.94", 60000, 1001},  {"24000/1001", 24000, 1001},
                 {"12.5", 125, 10},      {"24", 24, 1},           {"119.88", 120000, 1001}};
    static const char *const bad[] = {
        "--ss 1:60", "--ss -1",  "--ss 1:2:3:4",    "--ss 1.5:30",  "--ss :",      "--ss 1e9",
        "--ss 1:",   "--fps 0",  "--fps 1/0",       "--fps 1e3",    "--fps 24/",   "--fps 2000",
        "--fps /2",  "--fps .",  "--bitrate 5X",    "--bitrate M",  "--bitrate 1", "--bitrate 5MB",
        "--enc key", "--enc =1", "--crop auto+1+1", "--to 0:00:0x1"};
    struct pq_options o;
    pique_error err;
    char line[64];
    for (size_t i = 0; i < PQ_COUNT(times); i++) {
        snprintf(line, sizeof line, "a.mkv --ss %s", times[i].text);
        assert_int_equal(parse(&o, &err, line), 0);
        assert_true(o.values[PQ_OPT_FROM_TIME].number == times[i].seconds);
        pq_options_free(&o);
    }
    for (size_t i = 0; i < PQ_COUNT(rates); i++) {
        snprintf(line, sizeof line, "a.mkv --fps %s", rates[i].text);
        assert_int_equal(parse(&o, &err, line), 0);
        const struct pq_value *v = &o.values[PQ_OPT_RATE];
        assert_int_equal((int64_t)v->width * rates[i].den, (int64_t)rates[i].num * v->height);
        pq_options_free(&o);
    }
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        if (parse(&o, &err, bad[i]) != PIQUE_EINVAL)
            fail_msg("%s was taken", bad[i]);
        pq_options_free(&o);
    }
}

static void test_options_of_films_reach_the_library(void **state)
{
    struct pq_options o;
    pique_error err;
    pique_film_options f = {.size = sizeof f};
    assert_int_equal(parse(&o, &err,
                           "a.mkv --enc a=1 --enc b=2=3 --bitrate 1.5M --crop auto "
                           "--skip-duplicates 2 --keep-frames both --hardware vaapi "
                           "--frame-format png-small -f webm --ss 5 --to 1:00"),
                     0);
    assert_int_equal(pq_options_check(&o, &err), 0);
    pq_options_to_film(&o, &f);
    assert_int_equal(f.encoder_option_count, 2);
    assert_string_equal(f.encoder_options[0], "a=1");
    assert_string_equal(f.encoder_options[1], "b=2=3");
    assert_int_equal(f.bitrate, 1500000);
    assert_true(f.crop_auto && f.crop_width == 0);
    assert_true(f.tolerance == 2 && !f.no_reuse);
    assert_int_equal(f.keep, PIQUE_KEEP_BOTH);
    assert_int_equal(f.hardware, PIQUE_HARDWARE_VAAPI);
    assert_int_equal(f.frame_format, PIQUE_FRAMES_PNG_SMALL);
    assert_string_equal(f.container, "webm");
    assert_true(f.from == 5 && f.to == 60);
    pq_options_free(&o);
    static const char *const torn[] = {"a --crf 3 --bitrate 5M", "a --ss 5 --to 5",
                                       "a --resolution 720p -s 2", "a --ss 5 --to 0:04"};
    for (size_t i = 0; i < PQ_COUNT(torn); i++) {
        assert_int_equal(parse(&o, &err, torn[i]), 0);
        assert_int_equal(pq_options_check(&o, &err), PIQUE_EINVAL);
        pq_options_free(&o);
    }
}

static void test_a_crop_has_a_size_and_perhaps_a_place(void **state)
{
    static const struct {
        const char *text;
        int w, h, x, y; /* w 0: refused */
    } table[] = {
        {"256x128", 256, 128, -1, -1},
        {"1X1+0+0", 1, 1, 0, 0},
        {"8x9+100+50", 8, 9, 100, 50},
        {"8x9+100", 0, 0, 0, 0},
        {"8x9+1+", 0, 0, 0, 0},
        {"8x9+-1+3", 0, 0, 0, 0},
        {"0x9", 0, 0, 0, 0},
        {"32769x9", 0, 0, 0, 0},
        {"8x9+1+2+3", 0, 0, 0, 0},
        {"+1+2", 0, 0, 0, 0},
        {"8", 0, 0, 0, 0},
        {"", 0, 0, 0, 0},
        {"8x9+999999999+1", 0, 0, 0, 0},
        {"11111111111111111111111111111111111111x1", 0, 0, 0, 0},
    };
    const struct pq_option *crop = &pq_option_table[PQ_OPT_CROP];
    for (size_t i = 0; i < PQ_COUNT(table); i++) {
        struct pq_options o;
        pique_error err = {0};
        assert_int_equal(pq_options_init(&o, PQ_CMD_COMPARE, &err), 0);
        int rc = pq_options_set(&o, crop, table[i].text, &err);
        if (rc != (table[i].w ? 0 : PIQUE_EINVAL))
            fail_msg("'%s' gave %d '%s'", table[i].text, rc, err.message);
        const struct pq_value *v = &o.values[PQ_OPT_CROP];
        if (rc)
            assert_non_null(strstr(err.message, "a piece such as 256x256 or 256x256+100+50"));
        else
            assert_true(v->width == table[i].w && v->height == table[i].h && v->x == table[i].x &&
                        v->y == table[i].y);
        pq_options_free(&o);
    }
}

static void test_the_last_of_two_wins_and_verbose_counts(void **state)
{
    struct pq_options o;
    pique_error err;
    assert_int_equal(parse(&o, &err, "-s 2 -s 3 -vv --verbose"), 0);
    assert_true(o.values[PQ_OPT_SCALE].number == 3);
    assert_int_equal(pq_whole(&o, PQ_OPT_VERBOSE), 3);
    pq_options_free(&o);
}

/* A line, and words that its sentence must hold; NULL where it must be taken. */
struct refusal {
    const char *line, *sentence;
};

static const struct refusal refusals[] = {
    {"--scale 0", "--scale takes a number above 0 and at most 64, not '0'"},
    {"--scale -1", "above 0 and at most 64, not '-1'"},
    {"--scale nan", "--scale takes a number above 0 and at most 64, not 'nan'"},
    {"--scale inf", "not 'inf'"},
    {"--scale 1e9", "not '1e9'"},
    {"--scale 64.1", "at most 64"},
    {"--scale 0x4", "not '0x4'"},
    {"--scale x4x", "not 'x4x'"},
    {"--scale x", "not 'x'"},
    {"--scale 1,5", "not '1,5'"},
    {"--scale", "nothing follows it"},
    {"-s", "--scale takes a number above 0"},
    {"--scale --json", "nothing follows it"},
    {"--scale=", "not ''"},
    {"--width 0", "--width takes a whole number from 1 to 1000000, not '0'"},
    {"--width 1.5", "not '1.5'"},
    {"--width -3", "not '-3'"},
    {"--width 99999999999999999999", "whole number"},
    {"--fit 1920", "--fit takes a size such as 1920x1080"},
    {"--fit 0x10", "--fit"},
    {"--fit 10x", "--fit"},
    {"--fit 10x10x10", "--fit"},
    {"--sharpen 2.5", "--sharpen takes a number from 0 to 2"},
    {"--contrast 0", "--contrast"},
    {"--alpha maybe", "--alpha takes keep, drop or flatten, not 'maybe'"},
    {"--depth 12", "--depth takes 8 or 16, not '12'"},
    {"--format bmp", "png, jpeg"},
    {"--background red", "--background takes a colour such as ff8000"},
    {"--background 12345", "--background"},
    {"--background 12345g", "--background"},
    {"--quality 0", "from 1 to 100"},
    {"--compression 10", "from 0 to 9"},
    {"--memory 12Q", "--memory takes a size such as 500M or 2G"},
    {"--memory 1K", "from 1M"},
    {"--memory G", "--memory"},
    {"--memory 1e3G", "--memory"},
    {"--memory 9999999T", "--memory"},
    {"--threads 0", "from 1 to 1024"},
    {"--band 0", "or 'whole'"},
    {"--band all", "or 'whole'"},
    {"--cpu sse2", "--cpu takes scalar, avx2, avx512, avx512-vnni or neon"},
    {"--suffix a/b", "without '/'"},
    {"--output=", "not empty"},
    {"--overwrite=yes", "--overwrite takes no value, but got 'yes'"},
    {"--scal 2", "has no option --scal; did you mean --scale?"},
    {"--ouptut x", "did you mean --output?"},
    {"--SCALE 2", "did you mean --scale?"},
    {"--no-such-thing-at-all", "has no option --no-such-thing-at-all; --help-all"},
    {"-Z", "has no option -Z"},
    {"-\177", "has no option -? "},
    {"-\303\251", "has no option -? "},
    {"-qZ", "(in '-qZ')"},
    {"--names", "has no option --names"}, /* of another command */
};

static void test_every_mistake_gets_a_sentence_that_names_it(void **state)
{
    for (size_t i = 0; i < PQ_COUNT(refusals); i++) {
        struct pq_options o;
        pique_error err = {0};
        int rc = parse(&o, &err, refusals[i].line);
        if (rc != PIQUE_EINVAL || !strstr(err.message, refusals[i].sentence))
            fail_msg("'%s' gave %d '%s'", refusals[i].line, rc, err.message);
        assert_int_equal(err.code, PIQUE_EINVAL);
        pq_options_free(&o);
    }
}

static void test_options_that_contradict_each_other_are_refused(void **state)
{
    static const struct refusal pairs[] = {
        {"-s 2 --width 100", "--scale and --width cannot be used together"},
        {"-s 2 --height 100", "--scale and --height"},
        {"-s 2 --fit 10x10", "--scale and --fit"},
        {"--fit 10x10 --height 7", "--fit and --height"},
        {"-y --skip-existing", "--overwrite and --skip-existing"},
        {"-q -v", "--quiet and --verbose"},
        {"-f png --quality 90", "png has no quality"},
        {"-f jpeg --lossless", "jpeg cannot be written without loss"},
        {"-f webp --compression 3", "not for webp"},
        {"-f jpeg --depth 16", "jpeg holds 8 bits"},
        {"--width 10 --height 20", NULL},
        {"-f png --depth 16 --compression 9", NULL},
        {"-f webp --lossless --quality 80", NULL},
        {"--quality 80", NULL},
    };
    for (size_t i = 0; i < PQ_COUNT(pairs); i++) {
        struct pq_options o;
        pique_error err = {0};
        assert_int_equal(parse(&o, &err, pairs[i].line), 0);
        int rc = pq_options_check(&o, &err);
        bool good = pairs[i].sentence ? rc == PIQUE_EINVAL && strstr(err.message, pairs[i].sentence)
                                      : rc == 0;
        if (!good)
            fail_msg("'%s' gave %d '%s'", pairs[i].line, rc, err.message);
        pq_options_free(&o);
    }
}

static void test_values_reach_the_structures_of_the_library(void **state)
{
    struct pq_options o;
    pique_error err;
    pique_picture_options p = {.size = sizeof p};
    pique_engine_options e = {.size = sizeof e};
    assert_int_equal(parse(&o, &err,
                           "--fit 1920X1080 --pre-downscale 720 --sharpen 0.5 --contrast 1.1 "
                           "--saturation 0 --alpha drop --background 0a80Ff -f avif --quality 70 "
                           "--depth 16 -y --allow-untrusted --memory 1.5G --threads 3 --band whole "
                           "--precision fp32 --device cpu"),
                     0);
    pq_options_to_picture(&o, &p);
    pq_options_to_engine(&o, &e);
    assert_int_equal(p.fit_width, 1920);
    assert_int_equal(p.fit_height, 1080);
    assert_int_equal(p.pre_downscale, 720);
    assert_true(p.sharpen == 0.5 && p.contrast == 1.1 && p.saturation == -1 && p.scale == 0);
    assert_int_equal(p.alpha, PIQUE_ALPHA_DROP);
    assert_true(p.background_set && p.background[0] == 0x0a && p.background[1] == 0x80 &&
                p.background[2] == 0xff);
    assert_int_equal(p.format, PIQUE_FORMAT_AVIF);
    assert_int_equal(p.quality, 70);
    assert_int_equal(p.depth, 16);
    assert_true(p.overwrite && p.allow_untrusted && !p.lossless);
    assert_int_equal(e.memory_bytes, 1610612736);
    assert_int_equal(e.threads, 3);
    assert_int_equal(e.band_rows, INT_MAX);
    assert_int_equal(e.precision, PIQUE_PRECISION_FP32);
    assert_string_equal(e.device, "cpu");
    pq_options_free(&o);
}

static void test_without_options_the_library_gets_its_documented_defaults(void **state)
{
    struct pq_options o;
    pique_error err;
    pique_picture_options p = {.size = sizeof p};
    pique_engine_options e = {.size = sizeof e};
    assert_int_equal(parse(&o, &err, "a.png"), 0);
    pq_options_to_picture(&o, &p);
    pq_options_to_engine(&o, &e);
    assert_true(p.scale == 0 && p.width == 0 && p.height == 0 && p.fit_width == 0);
    assert_true(p.sharpen == 0 && p.contrast == 1 && p.saturation == 1);
    assert_true(p.background[0] == 255 && p.background[1] == 255 && p.background[2] == 255);
    assert_true(p.quality == 95 && p.compression == 6 && p.depth == 0);
    assert_int_equal(p.format, PIQUE_FORMAT_AUTO);
    assert_true(e.threads == 0 && e.band_rows == 0 && e.memory_bytes == 0 && !e.device);
    pq_options_free(&o);
}

static void test_a_failing_allocation_is_an_error_and_nothing_else(void **state)
{
    for (long n = 1;; n++) {
        struct pq_options o;
        struct pq_str text = {0};
        pique_error err;
        pq_fault_arm(PQ_FAULT_ALLOC, n, 0, true);
        int rc = parse(&o, &err, "--scale nan x");
        pq_options_free(&o);
        pq_option_help_all(&text, "1");
        pq_option_schema(&text);
        bool failed = text.failed;
        pq_str_free(&text);
        bool reached = pq_fault_count(PQ_FAULT_ALLOC) >= n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_true(rc == PIQUE_EINVAL || rc == PIQUE_ENOMEM);
        if (!reached)
            break;
        assert_true(failed);
    }
}

/* ---- generators ---- */

/* The longest line, and the number of lines. */
static size_t measure(const char *text, size_t *lines)
{
    size_t longest = 0;
    *lines = 0;
    for (const char *s = text; *s;) {
        size_t n = strcspn(s, "\n");
        longest = PQ_MAX(longest, n);
        s += n + (s[n] != '\0');
        ++*lines;
    }
    return longest;
}

static void test_help_fits_a_screen_of_24_lines_of_80_columns(void **state)
{
    struct pq_str s = {0};
    size_t lines;
    pq_option_help(&s, "0.1.0");
    assert_false(s.failed);
    assert_true(measure(s.data, &lines) <= 80);
    assert_true(lines <= 23); /* and the prompt */
    assert_non_null(strstr(s.data, "--scale"));
    assert_non_null(strstr(s.data, "--help-all"));
    pq_str_free(&s);
}

/* Everything that a generator must mention, whatever it looks like. */
static void assert_names_all(const char *text, bool run_only)
{
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *o = &pq_option_table[i];
        if (run_only && (!(o->commands & PQ_FOR(RUN)) || o->commands == PQ_FOR_ALL))
            continue;
        if (!strstr(text, o->name))
            fail_msg("--%s is not mentioned", o->name);
    }
}

static void test_help_all_shows_everything_in_80_columns(void **state)
{
    struct pq_str s = {0};
    size_t lines;
    pq_option_help_all(&s, "0.1.0");
    assert_true(measure(s.data, &lines) <= 80);
    assert_names_all(s.data, false);
    for (size_t c = 0; c < PQ_CMD_COUNT; c++)
        assert_non_null(strstr(s.data, pq_commands[c].words));
    pq_str_free(&s);
}

/* Feed text to a shell command; its exit status, or -1 where the program is not there. */
static int feed(const char *program, const char *command, const char *text)
{
    char probe[128];
    snprintf(probe, sizeof probe, "command -v %s >/dev/null 2>&1", program);
    if (system(probe) != 0)
        return -1;
    FILE *pipe = popen(command, "w");
    assert_non_null(pipe);
    fputs(text, pipe);
    return pclose(pipe);
}

static void check_script(void (*generate)(struct pq_str *), const char *program,
                         const char *command)
{
    struct pq_str s = {0};
    generate(&s);
    assert_false(s.failed);
    assert_names_all(s.data, false);
    int rc = feed(program, command, s.data);
    pq_str_free(&s);
    if (rc == -1) {
        print_message("%s is not installed; the script was not parsed\n", program);
        skip();
    }
    assert_int_equal(rc, 0);
}

static void test_the_bash_completion_is_a_script(void **state)
{
    check_script(pq_option_bash, "bash", "bash -n");
}

static void test_the_bash_completion_completes(void **state)
{
    struct pq_str s = {0};
    pq_option_bash(&s);
    pq_str_add(&s,
               "\ncompopt() { :; }\npique() { echo tiny; }\n"
               "want() { COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _pique; "
               "[ \"${COMPREPLY[*]}\" = \"$1\" ] || { echo \"got ${COMPREPLY[*]}\"; exit 1; }; }\n"
               "cd /var/empty 2>/dev/null || cd /proc/self/task\n"
               "COMP_WORDS=(pique --alp); want --alpha\n"
               "COMP_WORDS=(pique a.png --format web); want 'webp webm'\n"
               "COMP_WORDS=(pique models f); want fetch\n"
               "COMP_WORDS=(pique models c); want convert\n"
               "COMP_WORDS=(pique models b); want blend\n"
               "COMP_WORDS=(pique models blend t); want tiny\n"
               "COMP_WORDS=(pique models convert t); want tiny\n"
               "COMP_WORDS=(pique models convert --h); want '--help --help-all --half'\n"
               "COMP_WORDS=(pique models info t); want tiny\n"
               "COMP_WORDS=(pique models fetch --fro); want --from\n"
               "COMP_WORDS=(pique que); want queue\n"
               "COMP_WORDS=(pique wor); want ''\n"
               "COMP_WORDS=(pique queue r); want 'resume retry rm'\n"
               "COMP_WORDS=(pique queue add --alp); want --alpha\n"
               "COMP_WORDS=(pique queue rm --p); want --port\n"
               "COMP_WORDS=(pique serve --pa); want --parallel\n");
    int rc = feed("bash", "bash", s.data);
    pq_str_free(&s);
    if (rc == -1)
        skip();
    assert_int_equal(rc, 0);
}

static void test_the_zsh_completion_is_a_script(void **state)
{
    check_script(pq_option_zsh, "zsh", "zsh -n /dev/stdin");
}

static void test_the_fish_completion_is_a_script(void **state)
{
    check_script(pq_option_fish, "fish", "fish -n /dev/stdin");
}

static void test_the_manual_page_is_roff_without_warnings(void **state)
{
    struct pq_str s = {0};
    pq_option_man(&s, "0.1.0");
    assert_false(s.failed);
    assert_int_equal(strncmp(s.data, ".TH PIQUE 1 ", 12), 0);
    static const char *const sections[] = {"NAME",     "SYNOPSIS",    "DESCRIPTION", "OPTIONS",
                                           "COMMANDS", "EXIT STATUS", "ENVIRONMENT"};
    for (size_t i = 0; i < PQ_COUNT(sections); i++) {
        char head[32];
        snprintf(head, sizeof head, ".SH %s\n", sections[i]);
        assert_non_null(strstr(s.data, head));
    }
    /* groff tells on stderr and returns 0 all the same. */
    int rc = feed("groff", "! groff -man -ww -z 2>&1 | grep .", s.data);
    pq_str_free(&s);
    if (rc == -1) {
        print_message("groff is not installed; the page was not formatted\n");
        skip();
    }
    assert_int_equal(rc, 0);
}

static void test_the_schema_is_json_and_agrees_with_the_table(void **state)
{
    struct pq_str s = {0};
    pq_option_schema(&s);
    json_error_t error;
    json_t *root = json_loads(s.data, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s", error.text);
    json_t *properties = json_object_get(root, "properties");
    assert_names_all(s.data, true);
    json_t *scale = json_object_get(properties, "scale");
    assert_true(json_number_value(json_object_get(scale, "maximum")) == 64);
    assert_true(json_number_value(json_object_get(scale, "exclusiveMinimum")) == 0);
    json_t *quality = json_object_get(properties, "quality");
    assert_int_equal(json_integer_value(json_object_get(quality, "default")), 95);
    assert_int_equal(json_array_size(json_object_get(json_object_get(properties, "alpha"), "enum")),
                     3);
    assert_null(json_object_get(properties, "help"));
    assert_true(json_is_true(json_object_get(quality, "x-page")));
    assert_true(json_is_false(json_object_get(json_object_get(properties, "output"), "x-page")));
    json_decref(root);
    pq_str_free(&s);
}

int main(void)
{
    pq_lang_on_thread(PQ_LANG_EN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_complete),
        cmocka_unit_test(test_names_and_letters_are_unique_within_a_command),
        cmocka_unit_test(test_every_fallback_passes_its_own_check),
        cmocka_unit_test(test_format_choices_are_in_the_order_of_the_library),
        cmocka_unit_test(test_words_are_taken_in_every_usual_form),
        cmocka_unit_test(test_dashes_that_are_no_options_are_operands_and_values),
        cmocka_unit_test(test_times_rates_and_bits_are_read_as_they_are_written),
        cmocka_unit_test(test_options_of_films_reach_the_library),
        cmocka_unit_test(test_a_crop_has_a_size_and_perhaps_a_place),
        cmocka_unit_test(test_the_last_of_two_wins_and_verbose_counts),
        cmocka_unit_test(test_every_mistake_gets_a_sentence_that_names_it),
        cmocka_unit_test(test_options_that_contradict_each_other_are_refused),
        cmocka_unit_test(test_values_reach_the_structures_of_the_library),
        cmocka_unit_test(test_without_options_the_library_gets_its_documented_defaults),
        cmocka_unit_test(test_a_failing_allocation_is_an_error_and_nothing_else),
        cmocka_unit_test(test_help_fits_a_screen_of_24_lines_of_80_columns),
        cmocka_unit_test(test_help_all_shows_everything_in_80_columns),
        cmocka_unit_test(test_the_bash_completion_is_a_script),
        cmocka_unit_test(test_the_bash_completion_completes),
        cmocka_unit_test(test_the_zsh_completion_is_a_script),
        cmocka_unit_test(test_the_fish_completion_is_a_script),
        cmocka_unit_test(test_the_manual_page_is_roff_without_warnings),
        cmocka_unit_test(test_the_schema_is_json_and_agrees_with_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
