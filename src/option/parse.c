/* SPDX-License-Identifier: MIT */
/* From the words of a command line to a set of checked options.
 *
 * --name VALUE, --name=VALUE, -n VALUE, -nVALUE and letters in one word (-qy) are taken; options
 * and operands may be mixed; "--" ends the options; "-" is an operand. Names are typed in full, so
 * that a later version can add one without breaking a script. */
#include <string.h>

#include "base/alloc.h"
#include "option/option.h"

static bool takes_value(const struct pq_option *option)
{
    return option->kind != PQ_KIND_FLAG && option->kind != PQ_KIND_COUNT;
}

int pq_options_init(struct pq_options *o, enum pq_command_id command, pique_error *err)
{
    *o = (struct pq_options){.command = command};
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *option = &pq_option_table[i];
        if (!option->fallback)
            continue;
        int rc = pq_options_set(o, option, option->fallback, err);
        if (rc)
            return rc;
        o->values[i].set = false;
    }
    return 0;
}

void pq_options_free(struct pq_options *o)
{
    pq_free(o->operands);
    for (size_t i = 0; i < PQ_OPT_COUNT; i++)
        pq_free(o->values[i].all);
    *o = (struct pq_options){0};
}

/* For the sentences: "models info", or "" for the implicit command. */
static const char *command_words(enum pq_command_id command)
{
    return pq_commands[command].words;
}

static int unknown_name(const char *name, size_t length, enum pq_command_id command,
                        pique_error *err)
{
    const char *names[PQ_OPT_COUNT];
    char typed[64];
    size_t count = 0;
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        if (pq_option_table[i].commands >> command & 1)
            names[count++] = pq_option_table[i].name;
    }
    length = PQ_MIN(length, sizeof typed - 1);
    memcpy(typed, name, length);
    typed[length] = '\0';
    const char *near = pq_nearest(typed, names, count);
    const char *words = command_words(command);
    if (near) {
        return pq_fail(err, PIQUE_EINVAL, "pique%s%s has no option --%s; did you mean --%s?",
                       *words ? " " : "", words, typed, near);
    }
    return pq_fail(err, PIQUE_EINVAL, "pique%s%s has no option --%s; --help-all lists all",
                   *words ? " " : "", words, typed);
}

/* Where the value of an option comes from when it does not stand in the same word: the next word,
 * but not one that is an option itself (write --output=--json to mean that). */
static const char *next_value(int count, char *const *words, int *i, enum pq_command_id command)
{
    if (*i + 1 >= count)
        return NULL;
    const char *next = words[*i + 1];
    if (pq_starts_with(next, "--") &&
        (next[2] == '\0' || pq_option_find(next + 2, strcspn(next + 2, "="), command)))
        return NULL;
    ++*i;
    return next;
}

static int parse_long(struct pq_options *o, int count, char *const *words, int *i, pique_error *err)
{
    const char *name = words[*i] + 2;
    size_t length = strcspn(name, "=");
    const struct pq_option *option = pq_option_find(name, length, o->command);
    if (!option)
        return unknown_name(name, length, o->command, err);
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (!value && takes_value(option))
        value = next_value(count, words, i, o->command);
    return pq_options_set(o, option, value, err);
}

static int parse_letters(struct pq_options *o, int count, char *const *words, int *i,
                         pique_error *err)
{
    for (const char *letter = words[*i] + 1; *letter; letter++) {
        const struct pq_option *option = pq_option_find_letter(*letter, o->command);
        if (!option) {
            const char *command = command_words(o->command);
            return pq_fail(err, PIQUE_EINVAL,
                           "pique%s%s has no option -%c (in '%.40s'); --help-all lists all",
                           *command ? " " : "", command,
                           *letter >= ' ' && *letter <= '~' ? *letter : '?', words[*i]);
        }
        if (!takes_value(option)) {
            int rc = pq_options_set(o, option, NULL, err);
            if (rc)
                return rc;
            continue;
        }
        const char *value = letter[1] ? letter + 1 : next_value(count, words, i, o->command);
        return pq_options_set(o, option, value, err);
    }
    return 0;
}

int pq_options_parse(struct pq_options *o, enum pq_command_id command, int count,
                     char *const *words, pique_error *err)
{
    int rc = pq_options_init(o, command, err);
    if (rc)
        return rc;
    o->operands = pq_calloc((size_t)count + 1, sizeof *o->operands);
    if (!o->operands)
        return pq_fail_nomem(err, ((size_t)count + 1) * sizeof *o->operands);
    bool options_end = false;
    for (int i = 0; i < count && !rc; i++) {
        const char *word = words[i];
        if (options_end || word[0] != '-' || word[1] == '\0')
            o->operands[o->operand_count++] = word;
        else if (strcmp(word, "--") == 0)
            options_end = true;
        else if (word[1] == '-')
            rc = parse_long(o, count, words, &i, err);
        else
            rc = parse_letters(o, count, words, &i, err);
    }
    return rc;
}
