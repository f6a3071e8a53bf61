/* SPDX-License-Identifier: MIT */
/* The manual page: roff with the man macros. What is about options and commands comes from the
 * tables, the rest from man_text.c. */
#include <string.h>

#include "option/man_text.h"
#include "option/option.h"

#define NO_BREAK "\xC2\xA0" /* U+00A0 */

/* A blank that must not break a line is a character of its own in roff. Returns the bytes taken. */
static size_t add_unbroken(struct pq_str *out, const char *text)
{
    if (!pq_starts_with(text, NO_BREAK))
        return 0;
    pq_str_add(out, "\\~");
    return sizeof NO_BREAK - 1;
}

/* Text that is roff already. */
static void add_section(struct pq_str *out, const char *text)
{
    for (const char *s = text; *s;) {
        const size_t taken = add_unbroken(out, s);
        if (!taken)
            pq_str_add_n(out, s, 1);
        s += taken ? taken : 1;
    }
}

/* Text for roff: no control line by accident, no dash turned into a hyphen. */
static void add_text(struct pq_str *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        pq_str_add(out, "\\&");
    for (const char *s = text; *s;) {
        const size_t taken = add_unbroken(out, s);
        if (taken)
            ;
        else if (*s == '-')
            pq_str_add(out, "\\-");
        else if (*s == '\\')
            pq_str_add(out, "\\e");
        else
            pq_str_add_n(out, s, 1);
        s += taken ? taken : 1;
    }
}

struct language {
    enum pq_lang lang;
    const struct pq_man_text *text;
};

static void add_option(struct pq_str *out, const struct pq_option *option, struct language l)
{
    const char *detail = pq_option_text_detail(option, l.lang);
    pq_str_add(out, ".TP\n");
    if (option->letter)
        pq_str_printf(out, "\\fB\\-%c\\fR, ", option->letter);
    pq_str_add(out, "\\fB\\-\\-");
    add_text(out, option->name);
    pq_str_add(out, "\\fR");
    if (option->value) {
        pq_str_add(out, " \\fI");
        add_text(out, pq_option_text_value(option, l.lang));
        pq_str_add(out, "\\fR");
    }
    pq_str_add(out, "\n");
    add_text(out, pq_option_text_help(option, l.lang));
    pq_str_add(out, ".\n");
    if (detail) {
        add_text(out, detail);
        pq_str_add(out, "\n");
    }
    if (option->fallback) {
        add_section(out, l.text->fallback);
        add_text(out, option->fallback);
        pq_str_add(out, ".\n");
    }
}

static void add_options(struct pq_str *out, struct language l)
{
    add_section(out, l.text->options);
    for (int group = 0; group < PQ_GROUP_COUNT; group++) {
        pq_str_add(out, ".SS ");
        add_text(out, pq_option_group_name((enum pq_option_group)group, l.lang));
        pq_str_add(out, "\n");
        for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
            if ((int)pq_option_table[i].group == group)
                add_option(out, &pq_option_table[i], l);
        }
    }
}

/* The commands that have words of their own and are for people. */
static bool is_shown(size_t command)
{
    return command != PQ_CMD_RUN && !pq_commands[command].hidden;
}

static void add_commands(struct pq_str *out, struct language l)
{
    add_section(out, l.text->commands);
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        const struct pq_command *c = &pq_commands[i];
        const char *operands = pq_command_text_operands(c, l.lang);
        if (!is_shown(i))
            continue;
        pq_str_printf(out, ".TP\n\\fBpique %s\\fR", c->words);
        if (*operands) {
            pq_str_add(out, " \\fI");
            add_text(out, operands);
            pq_str_add(out, "\\fR");
        }
        pq_str_add(out, "\n");
        add_text(out, pq_command_text_help(c, l.lang));
        pq_str_add(out, ".\n");
    }
}

static void add_synopsis(struct pq_str *out, struct language l)
{
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        const char *operands = pq_command_text_operands(&pq_commands[i], l.lang);
        if (!is_shown(i))
            continue;
        pq_str_printf(out, ".br\n.B pique %s\n", pq_commands[i].words);
        if (*operands) {
            pq_str_add(out, "\\fI");
            add_text(out, operands);
            pq_str_add(out, "\\fR\n");
        }
    }
}

void pq_option_man(struct pq_str *out, const char *version)
{
    const struct language l = pq_lang() == PQ_LANG_FR ? (struct language){PQ_LANG_FR, &pq_man_fr}
                                                      : (struct language){PQ_LANG_EN, &pq_man_en};
    pq_str_printf(out, ".TH PIQUE 1 \"\" \"pique %s\" \"%s\"\n", version, l.text->title);
    add_section(out, l.text->name);
    add_section(out, l.text->synopsis);
    add_synopsis(out, l);
    add_section(out, l.text->description);
    add_section(out, l.text->naming);
    add_options(out, l);
    add_commands(out, l);
    add_section(out, l.text->events);
    add_section(out, l.text->ending);
}
