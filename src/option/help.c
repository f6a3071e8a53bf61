/* SPDX-License-Identifier: MIT */
/* --help, which fits a screen of 24 lines of 80 columns, and --help-all. */
#include <string.h>

#include "base/alloc.h"
#include "option/option.h"

enum { COLUMNS = 80, HELP_COLUMN = 25 };

/* text from `column` on, wrapped at blanks, further lines indented alike. */
static void add_wrapped(struct pq_str *out, const char *text, size_t at, size_t column)
{
    const char *word = text;
    for (size_t n = 0; (n = pq_next_word(&word, n)) != 0;) {
        bool first = at == column;
        if (!first && at + 1 + n >= COLUMNS) {
            pq_str_printf(out, "\n%*s", (int)column, "");
            at = column;
            first = true;
        }
        if (!first) {
            pq_str_add(out, " ");
            at++;
        }
        pq_str_add_n(out, word, n);
        at += n;
    }
    pq_str_add(out, "\n");
}

/* left at column 2, help at HELP_COLUMN, on a line of its own where left is too long. */
static void add_row(struct pq_str *out, const char *left, const char *help)
{
    size_t length = strlen(left) + 2;
    if (length + 1 < HELP_COLUMN)
        pq_str_printf(out, "  %-*s", HELP_COLUMN - 2, left);
    else
        pq_str_printf(out, "  %s\n%*s", left, HELP_COLUMN, "");
    add_wrapped(out, help, HELP_COLUMN, HELP_COLUMN);
}

static void add_option(struct pq_str *out, const struct pq_option *option)
{
    struct pq_str left = {0}, right = {0};
    pq_option_usage(&left, option);
    pq_str_add(&right, option->help);
    if (option->fallback && strcmp(option->fallback, "auto") != 0)
        pq_str_printf(&right, " (%s)", option->fallback);
    if (left.data && right.data)
        add_row(out, left.data, right.data);
    else
        out->failed = true;
    pq_str_free(&left);
    pq_str_free(&right);
}

static void add_head(struct pq_str *out, const char *version)
{
    pq_str_printf(out, "pique %s - upscale pictures and films with neural networks\n", version);
    pq_str_add(out, "Usage: pique [OPTION ...] FILE|FOLDER|- ... [-o FILE|FOLDER|-]\n");
}

void pq_option_help(struct pq_str *out, const char *version)
{
    add_head(out, version);
    pq_str_add(out, "\n");
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        if (pq_option_table[i].common)
            add_option(out, &pq_option_table[i]);
    }
    pq_str_add(
        out, "\nCommands: serve, queue, preview, compare, probe, resume, codecs, models, devices\n"
             "Example: pique drawing.png photos/ -o big/ -s 2 --format webp\n");
}

void pq_option_help_all(struct pq_str *out, const char *version)
{
    add_head(out, version);
    for (int group = 0; group < PQ_GROUP_COUNT; group++) {
        pq_str_printf(out, "\n%s:\n", pq_option_group_name((enum pq_option_group)group));
        for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
            if ((int)pq_option_table[i].group == group)
                add_option(out, &pq_option_table[i]);
        }
    }
    pq_str_add(out, "\nCommands:\n");
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        if (i == PQ_CMD_RUN || pq_commands[i].hidden)
            continue;
        const struct pq_command *c = &pq_commands[i];
        char *left = pq_asprintf("%s%s%s", c->words, *c->operands ? " " : "", c->operands);
        if (left)
            add_row(out, left, c->help);
        else
            out->failed = true;
        pq_free(left);
    }
    pq_str_add(out, "\nExit status: 0 all done, 2 usage, 65 bad data, 66 no input, 69 model or\n"
                    "device unavailable, 70 defect, 73 cannot create, 74 read or write failed,\n"
                    "75 disk or memory full, 130 interrupted.\n");
}
