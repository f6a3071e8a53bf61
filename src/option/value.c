/* SPDX-License-Identifier: MIT */
/* From the text of a value to a checked value. Every refusal is one sentence of the same form:
 * "--scale takes a number above 0 and at most 64, not 'nan'". */
#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "option/option.h"

/* A plain decimal number that fills the text: no blanks, no hexadecimal, no "inf" or "nan". */
static bool read_number(const char *text, size_t length, double *number)
{
    char copy[64];
    if (length == 0 || length >= sizeof copy || strspn(text, "0123456789.eE+-") < length)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *end;
    *number = strtod(copy, &end);
    return *end == '\0' && isfinite(*number);
}

static bool read_whole(const char *text, size_t length, double least, double most, int64_t *whole)
{
    int64_t n = 0;
    if (length == 0 || length > 18)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        n = n * 10 + (text[i] - '0');
    }
    *whole = n;
    return (double)n >= least && (double)n <= most;
}

static bool read_scale(const struct pq_option *option, const char *text, struct pq_value *v)
{
    size_t length = strlen(text);
    if (length && (*text == 'x' || *text == 'X')) {
        text++;
        length--;
    } else if (length && (text[length - 1] == 'x' || text[length - 1] == 'X')) {
        length--;
    }
    return read_number(text, length, &v->number) && v->number > 0 && v->number <= option->most;
}

static bool read_size(const struct pq_option *option, const char *text, struct pq_value *v)
{
    size_t length = strcspn(text, "xX");
    int64_t w, h;
    if (text[length] == '\0' || !read_whole(text, length, option->least, option->most, &w) ||
        !read_whole(text + length + 1, strlen(text + length + 1), option->least, option->most, &h))
        return false;
    v->width = (int)w;
    v->height = (int)h;
    return true;
}

/* 256x256, 256x256+10+20 */
static bool read_crop(const struct pq_option *option, const char *text, struct pq_value *v)
{
    enum { FARTHEST = 100000000 };
    char size[32];
    const size_t length = strcspn(text, "+");
    int64_t x = -1, y = -1;
    v->whole = strcmp(text, "auto") == 0;
    if (v->whole)
        return true;
    if (length >= sizeof size)
        return false;
    memcpy(size, text, length);
    size[length] = '\0';
    if (text[length]) {
        const char *first = text + length + 1, *second = strchr(first, '+');
        if (!second || !read_whole(first, (size_t)(second - first), 0, FARTHEST, &x) ||
            !read_whole(second + 1, strlen(second + 1), 0, FARTHEST, &y))
            return false;
    }
    v->x = (int)x;
    v->y = (int)y;
    return read_size(option, size, v);
}

/* 90, 1:30, 0:01:30.5 */
static bool read_time(const char *text, struct pq_value *v)
{
    double sum = 0, part;
    for (int parts = 0; parts < 3; parts++) {
        const size_t length = strcspn(text, ":");
        const char *allowed = text[length] ? "0123456789" : "0123456789."; /* a fraction: last */
        if (strspn(text, allowed) < length || !read_number(text, length, &part) ||
            (parts && part >= 60))
            return false;
        sum = sum * 60 + part;
        if (text[length] == '\0') {
            v->number = sum;
            return sum < 1e6;
        }
        text += length + 1;
    }
    return false;
}

/* 25, 24000/1001, and the rates of NTSC as people write them. */
static bool read_rate(const char *text, struct pq_value *v)
{
    static const struct {
        const char *text;
        int num;
    } ntsc[] = {{"23.976", 24000}, {"23.98", 24000}, {"29.97", 30000},
                {"47.952", 48000}, {"59.94", 60000}, {"119.88", 120000}};
    for (size_t i = 0; i < PQ_COUNT(ntsc); i++) {
        if (strcmp(text, ntsc[i].text) == 0) {
            v->width = ntsc[i].num;
            v->height = 1001;
            return true;
        }
    }
    const size_t length = strcspn(text, "/");
    int64_t num, den;
    double number;
    if (text[length] == '/') {
        if (!read_whole(text, length, 1, 1000000, &num) ||
            !read_whole(text + length + 1, strlen(text + length + 1), 1, 1000000, &den))
            return false;
        v->width = (int)num;
        v->height = (int)den;
        return num <= 1000 * den;
    }
    if (strspn(text, "0123456789.") < length || !read_number(text, length, &number) ||
        !(number > 0 && number <= 1000))
        return false;
    v->width = (int)(number * 1000 + 0.5);
    v->height = 1000;
    return v->width > 0;
}

/* 800000, 800k, 5M */
static bool read_bits(const struct pq_option *option, const char *text, struct pq_value *v)
{
    const size_t length = strspn(text, "0123456789.");
    const char *unit = text + length;
    double number;
    if (!read_number(text, length, &number))
        return false;
    if (*unit == 'k' || *unit == 'K')
        number *= 1e3;
    else if (*unit == 'm' || *unit == 'M')
        number *= 1e6;
    if (*unit && unit[1])
        return false;
    if (*unit && !strchr("kKmM", *unit))
        return false;
    v->whole = (int64_t)number;
    return number >= option->least && number <= option->most;
}

static bool read_pair(const char *text)
{
    const char *equals = strchr(text, '=');
    return equals && equals != text;
}

/* 1536, 512K, 1.5G, 2GiB */
static bool read_bytes(const struct pq_option *option, const char *text, struct pq_value *v)
{
    static const char units[] = "KMGT";
    size_t length = strspn(text, "0123456789.");
    double number;
    if (!read_number(text, length, &number))
        return false;
    const char *unit = text + length;
    const char *found = *unit ? strchr(units, toupper((unsigned char)*unit)) : NULL;
    if (found) {
        number = ldexp(number, 10 * (int)(found - units + 1));
        unit++;
    }
    if (*unit && strcmp(unit, "B") != 0 && strcmp(unit, "b") != 0 && strcmp(unit, "iB") != 0)
        return false;
    if (!(number >= option->least && number <= option->most))
        return false;
    v->whole = (int64_t)number;
    return true;
}

static bool read_choice(const struct pq_option *option, const char *text, struct pq_value *v)
{
    const char *word = option->choices;
    int64_t index = 0;
    for (size_t n = 0; (n = pq_next_word(&word, n)) != 0; index++) {
        if (strlen(text) == n && memcmp(word, text, n) == 0) {
            v->whole = index;
            return true;
        }
    }
    return false;
}

static bool read_colour(const char *text, struct pq_value *v)
{
    if (strcmp(text, "white") == 0 || strcmp(text, "black") == 0) {
        memset(v->rgb, text[0] == 'w' ? 255 : 0, sizeof v->rgb);
        return true;
    }
    text += *text == '#';
    if (strlen(text) != 6 || strspn(text, "0123456789abcdefABCDEF") != 6)
        return false;
    unsigned long rgb = strtoul(text, NULL, 16);
    v->rgb[0] = (unsigned char)(rgb >> 16);
    v->rgb[1] = (unsigned char)(rgb >> 8);
    v->rgb[2] = (unsigned char)rgb;
    return true;
}

static bool read_rows(const struct pq_option *option, const char *text, struct pq_value *v)
{
    if (strcmp(text, "whole") == 0) {
        v->whole = INT_MAX;
        return true;
    }
    return read_whole(text, strlen(text), option->least, option->most, &v->whole);
}

static bool read_value(const struct pq_option *option, const char *text, struct pq_value *v)
{
    switch (option->kind) {
    case PQ_KIND_FLAG:
    case PQ_KIND_COUNT:
        return false; /* takes none */
    case PQ_KIND_INT:
        return read_whole(text, strlen(text), option->least, option->most, &v->whole);
    case PQ_KIND_NUMBER:
        return read_number(text, strlen(text), &v->number) && v->number >= option->least &&
               v->number <= option->most;
    case PQ_KIND_SCALE:
        return read_scale(option, text, v);
    case PQ_KIND_SIZE:
        return read_size(option, text, v);
    case PQ_KIND_CROP:
        return read_crop(option, text, v);
    case PQ_KIND_TIME:
        return read_time(text, v);
    case PQ_KIND_RATE:
        return read_rate(text, v);
    case PQ_KIND_BITS:
        return read_bits(option, text, v);
    case PQ_KIND_PAIR:
        return read_pair(text);
    case PQ_KIND_BYTES:
        return read_bytes(option, text, v);
    case PQ_KIND_ROWS:
        return read_rows(option, text, v);
    case PQ_KIND_CHOICE:
        return read_choice(option, text, v);
    case PQ_KIND_COLOUR:
        return read_colour(text, v);
    case PQ_KIND_PART:
        return !strchr(text, '/');
    case PQ_KIND_TEXT:
    case PQ_KIND_PATH:
    case PQ_KIND_MODEL:
        return *text != '\0';
    }
    return false;
}

/* "8, 16" and "keep, drop or flatten" alike: "keep, drop or flatten". */
static void add_choices(struct pq_str *s, const char *choices)
{
    const char *word = choices;
    size_t n = pq_next_word(&word, 0);
    while (n) {
        const char *now = word;
        size_t length = n;
        n = pq_next_word(&word, n);
        const char *after = word + n;
        bool last_follows = n && pq_next_word(&after, 0) == 0;
        pq_str_add_n(s, now, length);
        if (n)
            pq_str_add(s, last_follows ? pq_tr(" or ") : ", ");
    }
}

/* What the option takes, for the sentence. */
static void add_expected(struct pq_str *s, const struct pq_option *o)
{
    switch (o->kind) {
    case PQ_KIND_INT:
        pq_str_printf(s, pq_tr("a whole number from %.0f to %.0f"), o->least, o->most);
        break;
    case PQ_KIND_NUMBER:
        pq_str_printf(s, pq_tr("a number from %g to %g"), o->least, o->most);
        break;
    case PQ_KIND_SCALE:
        pq_str_printf(s, pq_tr("a number above 0 and at most %g"), o->most);
        break;
    case PQ_KIND_SIZE:
        pq_str_printf(s, pq_tr("a size such as 1920x1080, each side from %.0f to %.0f"), o->least,
                      o->most);
        break;
    case PQ_KIND_CROP:
        pq_str_printf(
            s,
            pq_tr("a piece such as 256x256 or 256x256+100+50, each side from %.0f to %.0f, or "
                  "'auto'"),
            o->least, o->most);
        break;
    case PQ_KIND_TIME:
        pq_str_add(s, pq_tr("a time such as 90, 1:30 or 0:01:30.5"));
        break;
    case PQ_KIND_RATE:
        pq_str_add(s, pq_tr("frames a second such as 24, 23.976 or 30000/1001, at most 1000"));
        break;
    case PQ_KIND_BITS:
        pq_str_add(s, pq_tr("bits a second such as 800k or 5M, from 1k to 10000M"));
        break;
    case PQ_KIND_PAIR:
        pq_str_add(s, pq_tr("KEY=VALUE"));
        break;
    case PQ_KIND_BYTES:
        pq_str_add(s, pq_tr("a size such as 500M or 2G, from 1M to 1024T"));
        break;
    case PQ_KIND_ROWS:
        pq_str_printf(s, pq_tr("a whole number from %.0f to %.0f, or 'whole'"), o->least, o->most);
        break;
    case PQ_KIND_CHOICE:
        add_choices(s, o->choices);
        break;
    case PQ_KIND_COLOUR:
        pq_str_add(s, pq_tr("a colour such as ff8000, or 'white' or 'black'"));
        break;
    case PQ_KIND_PART:
        pq_str_add(s, pq_tr("a piece of a file name without '/'"));
        break;
    default:
        pq_str_add(s, pq_tr("a value that is not empty"));
        break;
    }
}

static int refuse(const struct pq_option *option, const char *text, pique_error *err)
{
    struct pq_str expected = {0};
    add_expected(&expected, option);
    int rc = pq_fail(err, PIQUE_EINVAL, "--%s takes %s, not '%.60s'", option->name,
                     expected.data ? expected.data : pq_tr("another value"), text);
    pq_str_free(&expected);
    return rc;
}

/* The newest text behind those that were given before it. */
static int keep_all(struct pq_value *value, pique_error *err)
{
    const char **grown =
        pq_grown(value->all, value->all_count, &value->all_capacity, sizeof *grown);
    if (!grown)
        return pq_fail_nomem(err, sizeof *grown);
    value->all = grown;
    value->all[value->all_count++] = value->text;
    return 0;
}

int pq_options_set(struct pq_options *o, const struct pq_option *option, const char *text,
                   pique_error *err)
{
    struct pq_value *value = &o->values[option - pq_option_table];
    bool bare = option->kind == PQ_KIND_FLAG || option->kind == PQ_KIND_COUNT;
    if (bare) {
        if (text) {
            return pq_fail(err, PIQUE_EINVAL, "--%s takes no value, but got '%.60s'", option->name,
                           text);
        }
        value->whole = option->kind == PQ_KIND_COUNT ? value->whole + 1 : 1;
        value->set = true;
        return 0;
    }
    if (!text) {
        struct pq_str expected = {0};
        add_expected(&expected, option);
        int rc = pq_fail(err, PIQUE_EINVAL, "--%s takes %s, but nothing follows it", option->name,
                         expected.data ? expected.data : pq_tr("a value"));
        pq_str_free(&expected);
        return rc;
    }
    struct pq_value v = {.set = true, .text = text};
    if (!read_value(option, text, &v))
        return refuse(option, text, err);
    v.all = value->all;
    v.all_count = value->all_count;
    v.all_capacity = value->all_capacity;
    *value = v;
    return option->repeats ? keep_all(value, err) : 0;
}
