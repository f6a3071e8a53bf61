/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "cli/bench.h"

static int add_word(struct pq_words *words, size_t *capacity, const char *text, size_t length,
                    pique_error *err)
{
    char **grown = pq_grown(words->list, words->count, capacity, sizeof *grown);
    if (!grown)
        return pq_fail_nomem(err, sizeof *grown);
    words->list = grown;
    words->list[words->count] = pq_strndup(text, length);
    if (!words->list[words->count])
        return pq_fail_nomem(err, length + 1);
    words->count++;
    return 0;
}

static int refuse(enum pq_option_id id, const char *expected, const char *word, pique_error *err)
{
    return pq_fail(err, PIQUE_EINVAL, "--%s takes %s, not '%.60s'", pq_option_table[id].name,
                   expected, word);
}

int pq_words_of(const struct pq_options *o, enum pq_option_id id, const char *fallback,
                struct pq_words *out, pique_error *err)
{
    const struct pq_value *value = &o->values[id];
    size_t capacity = 0;
    *out = (struct pq_words){0};
    if (!value->set)
        return add_word(out, &capacity, fallback, strlen(fallback), err);
    int rc = 0;
    for (size_t i = 0; !rc && i < value->all_count; i++) {
        for (const char *word = value->all[i]; !rc;) {
            const size_t length = strcspn(word, ",");
            if (!length)
                return refuse(id, pq_tr("values with commas between them"), value->all[i], err);
            rc = add_word(out, &capacity, word, length, err);
            word += length;
            if (!*word++)
                break;
        }
    }
    return rc;
}

void pq_words_free(struct pq_words *words)
{
    while (words->count)
        pq_free(words->list[--words->count]);
    pq_free(words->list);
    *words = (struct pq_words){0};
}

/* Digits, at most five of them, from *text on. */
static bool read_digits(const char **text, int *out)
{
    const size_t length = strspn(*text, "0123456789");
    *out = 0;
    for (size_t i = 0; i < length && i < 5; i++)
        *out = *out * 10 + (*text)[i] - '0';
    *text += length;
    return length >= 1 && length <= 5;
}

int pq_word_number(enum pq_option_id id, const char *word, int least, int most, int *out,
                   pique_error *err)
{
    char expected[160];
    const char *end = word;
    if (read_digits(&end, out) && !*end && *out >= least && *out <= most)
        return 0;
    snprintf(expected, sizeof expected,
             pq_tr("whole numbers from %d to %d with commas between them"), least, most);
    return refuse(id, expected, word, err);
}

int pq_word_size(enum pq_option_id id, const char *word, int *width, int *height, pique_error *err)
{
    enum { MOST = 32768 };
    const char *end = word;
    if (read_digits(&end, width) && *end++ == 'x' && read_digits(&end, height) && !*end &&
        *width >= 1 && *width <= MOST && *height >= 1 && *height <= MOST)
        return 0;
    return refuse(id,
                  pq_tr("sizes such as 640x360 with commas between them, each side up to 32768"),
                  word, err);
}

int pq_word_tier(enum pq_option_id id, const char *word, enum pique_precision *out,
                 pique_error *err)
{
    const char *choices = pq_option_table[PQ_OPT_PRECISION].choices, *one = choices;
    int index = 0;
    for (size_t n = 0; (n = pq_next_word(&one, n)) != 0; index++) {
        if (strlen(word) == n && memcmp(word, one, n) == 0) {
            *out = (enum pique_precision)index;
            return 0;
        }
    }
    char expected[200];
    snprintf(expected, sizeof expected, pq_tr("'all', or some of %s with commas between them"),
             choices);
    return refuse(id, expected, word, err);
}
