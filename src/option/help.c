/* SPDX-License-Identifier: MIT */
/* --help, which fits a screen of 24 lines of 80 columns, and --help-all. */
#include <string.h>

#include "base/alloc.h"
#include "option/option.h"

enum { COLUMNS = 80, HELP_COLUMN = 25 };

/* What does not come from the tables, in each language. */
static const struct {
    const char *head, *usage, *commands_line, *example, *commands, *ending;
} texts[PQ_LANG_COUNT] = {
    [PQ_LANG_EN] =
        {
            "upscale pictures and films with neural networks",
            "Usage: pique [OPTION ...] FILE|FOLDER|- ... [-o FILE|FOLDER|-]\n",
            "\nCommands: serve, queue, preview, compare, probe, resume, codecs, models, devices\n",
            "Example: pique drawing.png photos/ -o big/ -s 2 --format webp\n",
            "\nCommands:\n",
            "\nExit status: 0 all done, 2 usage, 65 bad data, 66 no input, 69 model or\n"
            "device unavailable, 70 defect, 73 cannot create, 74 read or write failed,\n"
            "75 disk or memory full, 130 interrupted.\n",
        },
    [PQ_LANG_FR] =
        {
            "agrandir images et films avec des réseaux de neurones",
            "Usage : pique [OPTION ...] FICHIER|DOSSIER|- ... [-o FICHIER|DOSSIER|-]\n",
            "\nAussi : serve, queue, preview, compare, probe, resume, codecs, models, devices\n",
            "Exemple : pique dessin.png photos/ -o grand/ -s 2 --format webp\n",
            "\nCommandes :\n",
            "\nCode de retour : 0 tout est fait, 2 usage, 65 données invalides, 66 pas\n"
            "d'entrée, 69 modèle ou matériel indisponible, 70 défaut de pique, 73 création\n"
            "impossible, 74 lecture ou écriture en échec, 75 disque ou mémoire pleins,\n"
            "130 interrompu.\n",
        },
};

/* Columns of a piece of UTF-8 as these tables hold it: a column a character. */
static size_t columns_of(const char *text, size_t bytes)
{
    size_t columns = 0;
    for (size_t i = 0; i < bytes; i++)
        columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    return columns;
}

/* text from `column` on, wrapped at blanks, further lines indented alike. */
static void add_wrapped(struct pq_str *out, const char *text, size_t at, size_t column)
{
    const char *word = text;
    for (size_t n = 0; (n = pq_next_word(&word, n)) != 0;) {
        const size_t wide = columns_of(word, n);
        bool first = at == column;
        if (!first && at + 1 + wide >= COLUMNS) {
            pq_str_printf(out, "\n%*s", (int)column, "");
            at = column;
            first = true;
        }
        if (!first) {
            pq_str_add(out, " ");
            at++;
        }
        pq_str_add_n(out, word, n);
        at += wide;
    }
    pq_str_add(out, "\n");
}

/* left at column 2, help at HELP_COLUMN, on a line of its own where left is too long. */
static void add_row(struct pq_str *out, const char *left, const char *help)
{
    const size_t wide = columns_of(left, strlen(left)) + 2;
    if (wide + 1 < HELP_COLUMN)
        pq_str_printf(out, "  %s%*s", left, HELP_COLUMN - (int)wide, "");
    else
        pq_str_printf(out, "  %s\n%*s", left, HELP_COLUMN, "");
    add_wrapped(out, help, HELP_COLUMN, HELP_COLUMN);
}

static void add_option(struct pq_str *out, const struct pq_option *option)
{
    struct pq_str left = {0}, right = {0};
    pq_option_usage(&left, option, pq_lang());
    pq_str_add(&right, pq_option_text_help(option, pq_lang()));
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
    pq_str_printf(out, "pique %s - %s\n", version, texts[pq_lang()].head);
    pq_str_add(out, texts[pq_lang()].usage);
}

void pq_option_help(struct pq_str *out, const char *version)
{
    add_head(out, version);
    pq_str_add(out, "\n");
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        if (pq_option_table[i].common)
            add_option(out, &pq_option_table[i]);
    }
    pq_str_add(out, texts[pq_lang()].commands_line);
    pq_str_add(out, texts[pq_lang()].example);
}

void pq_option_help_all(struct pq_str *out, const char *version)
{
    const enum pq_lang lang = pq_lang();
    add_head(out, version);
    for (int group = 0; group < PQ_GROUP_COUNT; group++) {
        pq_str_printf(out, "\n%s%s:\n", pq_option_group_name((enum pq_option_group)group, lang),
                      lang == PQ_LANG_FR ? " " : "");
        for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
            if ((int)pq_option_table[i].group == group)
                add_option(out, &pq_option_table[i]);
        }
    }
    pq_str_add(out, texts[lang].commands);
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        const struct pq_command *c = &pq_commands[i];
        if (i == PQ_CMD_RUN || c->hidden)
            continue;
        const char *operands = pq_command_text_operands(c, lang);
        char *left = pq_asprintf("%s%s%s", c->words, *operands ? " " : "", operands);
        if (left)
            add_row(out, left, pq_command_text_help(c, lang));
        else
            out->failed = true;
        pq_free(left);
    }
    pq_str_add(out, texts[lang].ending);
}
