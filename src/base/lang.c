/* SPDX-License-Identifier: MIT */
/* Sentences in the language of whoever reads them. The dictionary is a table that is made when
 * pique is built (tools/make_dictionary.py): English formats in the order of their hashes, each
 * with its translation. A program that speaks English never looks into it. */
#include "base/lang.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/dictionary.h"

static _Thread_local enum pq_lang thread_lang = PQ_LANG_COUNT; /* COUNT: as the process */

enum pq_lang pq_lang_of(const char *text)
{
    if (!text || (text[0] | 0x20) != 'f' || (text[1] | 0x20) != 'r')
        return PQ_LANG_EN;
    /* "fr" and what may follow it in the name of a locale, but no "fry" or "frs". */
    return text[2] == '\0' || strchr("_-.@", text[2]) ? PQ_LANG_FR : PQ_LANG_EN;
}

enum pq_lang pq_lang(void)
{
    static atomic_int process_lang = PQ_LANG_COUNT; /* COUNT: not yet read; two may read it */
    if (thread_lang != PQ_LANG_COUNT)
        return thread_lang;
    int lang = atomic_load_explicit(&process_lang, memory_order_relaxed);
    if (lang == PQ_LANG_COUNT) {
        lang = (int)pq_lang_of(getenv("PIQUE_LANG"));
        atomic_store_explicit(&process_lang, lang, memory_order_relaxed);
    }
    return (enum pq_lang)lang;
}

void pq_lang_on_thread(enum pq_lang lang)
{
    thread_lang = lang;
}

/* FNV-1a, 64 bit, but for each 'l': PRIu64 is "lu" here and "llu" there, and the table is made
 * without knowing which. */
static uint64_t hash_of(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++) {
        if (*text != 'l')
            h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return h;
}

const char *pq_tr(const char *english)
{
    if (!english || pq_lang() == PQ_LANG_EN)
        return english;
    const uint64_t hash = hash_of(english);
    size_t low = 0, high = pq_dictionary_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (pq_dictionary[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    /* Equal hashes are not equal sentences, and a wrong format would be worse than an English one.
     */
    for (; low < pq_dictionary_count && pq_dictionary[low].hash == hash; low++) {
        if (strcmp(pq_dictionary[low].english, english) == 0)
            return pq_dictionary[low].french;
    }
    return english;
}
