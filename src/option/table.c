/* SPDX-License-Identifier: MIT */
/* The tables themselves, and finding a row. */
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "option/option.h"

const struct pq_command pq_commands[PQ_CMD_COUNT] = {
#define PQ_COMMAND(id, ...) [PQ_CMD_##id] = {__VA_ARGS__},
#include "option/command.def"
#undef PQ_COMMAND
};

const struct pq_option pq_option_table[PQ_OPT_COUNT] = {
#define PQ_OPTION(id, ...) [PQ_OPT_##id] = {__VA_ARGS__},
#include "option/option.def"
#undef PQ_OPTION
};

static const struct {
    const char *id, *name[PQ_LANG_COUNT];
} groups[PQ_GROUP_COUNT] = {
    [PQ_GROUP_FILES] = {"files", {"Files", "Fichiers"}},
    [PQ_GROUP_SIZE] = {"size", {"Model and size", "Modèle et taille"}},
    [PQ_GROUP_LOOK] = {"look", {"Look", "Aspect"}},
    [PQ_GROUP_FORMAT] = {"format", {"Output format", "Format de sortie"}},
    [PQ_GROUP_FILM] = {"film", {"Films", "Films"}},
    [PQ_GROUP_TRACKS] = {"tracks",
                         {"Films: what is read and kept", "Films : ce qui est lu et gardé"}},
    [PQ_GROUP_JOB] = {"job", {"Films: the job", "Films : le travail"}},
    [PQ_GROUP_ENGINE] = {"engine", {"Engine", "Moteur"}},
    [PQ_GROUP_REPORT] = {"report", {"Reporting", "Messages"}},
    [PQ_GROUP_MODELS] = {"models", {"Models", "Modèles"}},
    [PQ_GROUP_SERVER] = {"server", {"Page and queue", "Page et file d'attente"}},
    [PQ_GROUP_MEASURE] = {"measure", {"Measuring", "Mesures"}},
};

const char *pq_option_group_name(enum pq_option_group group, enum pq_lang lang)
{
    return groups[group].name[lang];
}

const char *pq_option_group_id(enum pq_option_group group)
{
    return groups[group].id;
}

/* What is not there in French is the same text in both languages: tests/option sees to it that
 * this is so of names alone, never of sentences. */
static const char *either(const char *en, const char *fr, enum pq_lang lang)
{
    return lang == PQ_LANG_FR && fr ? fr : en;
}

const char *pq_option_text_help(const struct pq_option *option, enum pq_lang lang)
{
    return either(option->help, option->help_fr, lang);
}

const char *pq_option_text_detail(const struct pq_option *option, enum pq_lang lang)
{
    return either(option->detail, option->detail_fr, lang);
}

const char *pq_option_text_value(const struct pq_option *option, enum pq_lang lang)
{
    return either(option->value, option->value_fr, lang);
}

const char *pq_command_text_help(const struct pq_command *command, enum pq_lang lang)
{
    return either(command->help, command->help_fr, lang);
}

const char *pq_command_text_operands(const struct pq_command *command, enum pq_lang lang)
{
    return either(command->operands, command->operands_fr, lang);
}

const struct pq_option *pq_option_find(const char *name, size_t length, enum pq_command_id command)
{
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *o = &pq_option_table[i];
        if ((o->commands >> command & 1) && strlen(o->name) == length &&
            memcmp(o->name, name, length) == 0)
            return o;
    }
    return NULL;
}

const struct pq_option *pq_option_find_letter(char letter, enum pq_command_id command)
{
    for (size_t i = 0; letter && i < PQ_OPT_COUNT; i++) {
        const struct pq_option *o = &pq_option_table[i];
        if ((o->commands >> command & 1) && o->letter == letter)
            return o;
    }
    return NULL;
}

bool pq_option_of_run(const struct pq_option *option)
{
    return option->commands & PQ_FOR(RUN) && option->commands != PQ_FOR_ALL;
}

bool pq_option_page(const struct pq_option *option)
{
    return option->commands >> PQ_PAGE_BIT & 1;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int pq_edit_distance(const char *a, const char *b)
{
    enum { MOST = 63 };
    int rows[3][MOST + 1];
    int n = (int)strnlen(a, MOST + 1), m = (int)strnlen(b, MOST + 1);
    if (n > MOST || m > MOST)
        return INT_MAX;
    for (int j = 0; j <= m; j++)
        rows[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        char x = lower(a[i - 1]);
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            char y = lower(b[j - 1]);
            int best = PQ_MIN(above[j - 1] + (x != y), PQ_MIN(above[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y)
                best = PQ_MIN(best, two_above[j - 2] + 1);
            now[j] = best;
        }
    }
    return rows[n % 3][m];
}

const char *pq_nearest(const char *typed, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t length = strlen(typed);
    if (length == 0)
        return NULL;
    int limit = length <= 4 ? 1 : length <= 8 ? 2 : (int)PQ_MIN(length, 63) / 3;
    for (size_t i = 0; i < count; i++) {
        int distance = pq_edit_distance(typed, candidates[i]);
        if (distance <= limit) {
            best = candidates[i];
            limit = distance - 1;
        }
    }
    return best;
}

size_t pq_next_word(const char **word, size_t length)
{
    *word += length;
    *word += strspn(*word, " ");
    return strcspn(*word, " ");
}

void pq_option_usage(struct pq_str *out, const struct pq_option *option, enum pq_lang lang)
{
    if (option->letter)
        pq_str_printf(out, "-%c, ", option->letter);
    else
        pq_str_add(out, "    ");
    pq_str_printf(out, "--%s", option->name);
    if (option->value)
        pq_str_printf(out, " %s", pq_option_text_value(option, lang));
}
