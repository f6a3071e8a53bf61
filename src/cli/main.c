/* SPDX-License-Identifier: MIT */
/* pique: from the first word of the command line to a command. The way of a picture starts in
 * run.c. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/lang.h"
#include "base/str.h"
#include "cli/commands.h"
#include "pique/pique.h"

/* The command with the most words that the line begins with; *used is how many it takes. */
static enum pq_command_id find_command(int argc, char **argv, int *used)
{
    enum pq_command_id best = PQ_CMD_RUN;
    *used = 1;
    for (int c = 1; c < PQ_CMD_COUNT; c++) {
        const char *word = pq_commands[c].words;
        int at = 1;
        for (size_t n = 0; (n = pq_next_word(&word, n)) != 0; at++) {
            if (at >= argc || strlen(argv[at]) != n || memcmp(argv[at], word, n) != 0)
                break;
        }
        if (*word == '\0' && at > *used) {
            *used = at;
            best = (enum pq_command_id)c;
        }
    }
    return best;
}

static int print_generated(void (*generate)(struct pq_str *out, const char *version))
{
    struct pq_str text = {0};
    generate(&text, pique_version());
    return pq_cli_print(&text);
}

static int print_version(void)
{
    struct pq_str text = {0};
    pq_str_printf(&text, "pique %s\n", pique_version());
    return pq_cli_print(&text);
}

static int print_schema(void)
{
    struct pq_str text = {0};
    pq_option_schema(&text);
    return pq_cli_print(&text);
}

/* How many operands a command takes. */
static int check_operands(const struct pq_options *o, pique_error *err)
{
    const struct pq_command *c = &pq_commands[o->command];
    const char *operands = pq_command_text_operands(c, pq_lang());
    if (*c->operands == '\0' && o->operand_count) {
        return pq_fail(err, PIQUE_EINVAL, "pique %s takes no '%s'; --help-all lists the commands",
                       c->words, o->operands[0]);
    }
    bool needed = *c->operands && *c->operands != '[' && !pq_given(o, PQ_OPT_ALL);
    if (needed && !o->operand_count) {
        const char *blank = *c->words ? " " : "";
        return pq_fail(err, PIQUE_EINVAL, "nothing to do: pique%s%s takes %s; see pique --help",
                       blank, c->words, operands);
    }
    static const struct {
        enum pq_command_id command;
        size_t count;
        const char *text;
    } exact[] = {{PQ_CMD_MODELS_INFO, 1, PQ_SAID("one ")},
                 {PQ_CMD_COMPLETE, 1, PQ_SAID("one ")},
                 {PQ_CMD_COMPARE, 1, PQ_SAID("one ")},
                 {PQ_CMD_PREVIEW, 1, PQ_SAID("one ")},
                 {PQ_CMD_PROBE, 1, PQ_SAID("one ")},
                 {PQ_CMD_RESUME, 1, PQ_SAID("one ")},
                 {PQ_CMD_PAUSE, 1, PQ_SAID("one ")},
                 {PQ_CMD_CONTINUE, 1, PQ_SAID("one ")},
                 {PQ_CMD_STOP, 1, PQ_SAID("one ")},
                 {PQ_CMD_LOOK, 1, PQ_SAID("one ")},
                 {PQ_CMD_WORK, 1, PQ_SAID("one ")},
                 {PQ_CMD_MODELS_CONVERT, 2, ""},
                 {PQ_CMD_MODELS_BLEND, 4, ""}};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        if (o->command == exact[i].command && o->operand_count != exact[i].count)
            return pq_fail(err, PIQUE_EINVAL, "pique %s takes %s%s", c->words, pq_tr(exact[i].text),
                           operands);
    }
    return 0;
}

static int dispatch(const struct pq_options *o)
{
    pique_error err;
    if (pq_given(o, PQ_OPT_HELP))
        return print_generated(pq_option_help);
    if (pq_given(o, PQ_OPT_HELP_ALL))
        return print_generated(pq_option_help_all);
    if (pq_given(o, PQ_OPT_VERSION))
        return print_version();
    if (check_operands(o, &err) != 0)
        return pq_cli_fail(&err);
    switch (o->command) {
    case PQ_CMD_COMPARE:
        return pq_cli_compare(o);
    case PQ_CMD_PREVIEW:
        return pq_cli_preview(o);
    case PQ_CMD_PROBE:
        return pq_cli_probe(o);
    case PQ_CMD_LOOK:
        return pq_cli_look(o);
    case PQ_CMD_CODECS:
        return pq_cli_codecs(o);
    case PQ_CMD_RESUME:
        return pq_cli_resume(o);
    case PQ_CMD_PAUSE:
        return pq_cli_pause(o);
    case PQ_CMD_CONTINUE:
        return pq_cli_continue(o);
    case PQ_CMD_STOP:
        return pq_cli_stop(o);
    case PQ_CMD_MODELS:
        return pq_cli_models(o);
    case PQ_CMD_MODELS_INFO:
        return pq_cli_models_info(o);
    case PQ_CMD_MODELS_FETCH:
        return pq_cli_models_fetch(o);
    case PQ_CMD_MODELS_VERIFY:
        return pq_cli_models_verify(o);
    case PQ_CMD_MODELS_CONVERT:
        return pq_cli_models_convert(o);
    case PQ_CMD_MODELS_BLEND:
        return pq_cli_models_blend(o);
    case PQ_CMD_BENCH:
        return pq_cli_bench(o);
    case PQ_CMD_KERNELS:
        return pq_cli_kernels(o);
    case PQ_CMD_DEVICES:
        return pq_cli_devices(o);
    case PQ_CMD_SERVE:
        return pq_cli_serve(o);
    case PQ_CMD_WORK:
        return pq_cli_work(o);
    case PQ_CMD_QUEUE_ADD:
    case PQ_CMD_QUEUE_LS:
    case PQ_CMD_QUEUE_PAUSE:
    case PQ_CMD_QUEUE_RESUME:
    case PQ_CMD_QUEUE_CANCEL:
    case PQ_CMD_QUEUE_RETRY:
    case PQ_CMD_QUEUE_RM:
        return pq_cli_queue(o);
    case PQ_CMD_COMPLETE:
        return pq_cli_complete(o);
    case PQ_CMD_MAN:
        return print_generated(pq_option_man);
    case PQ_CMD_SCHEMA:
        return print_schema();
    default:
        return pq_cli_run(o);
    }
}

/* The language of what is said, before anything is: even a bad option is refused in it. What the
 * command line, pique's own variable or else the locale names goes into that variable, which the
 * library, its modules and processes that this one starts read. */
static void choose_language(int argc, char **argv)
{
    static const char *const variables[] = {"PIQUE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"};
    const char *said = NULL;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (pq_starts_with(argv[i], "--lang="))
            said = argv[i] + strlen("--lang=");
        else if (strcmp(argv[i], "--lang") == 0 && i + 1 < argc)
            said = argv[++i];
    }
    for (size_t i = 0; !said && i < PQ_COUNT(variables); i++) {
        const char *value = getenv(variables[i]);
        said = value && *value ? value : NULL;
    }
    setenv("PIQUE_LANG", pq_lang_of(said) == PQ_LANG_FR ? "fr" : "en", 1);
}

static void reverse(char **words, int count)
{
    for (int i = 0, j = count - 1; i < j; i++, j--) {
        char *word = words[i];
        words[i] = words[j];
        words[j] = word;
    }
}

/* The command, with a language before it moved behind it: pique --lang fr man. */
static enum pq_command_id take_command(int argc, char **argv, int *used)
{
    int before = 0;
    if (argc > 1 && pq_starts_with(argv[1], "--lang="))
        before = 1;
    else if (argc > 2 && strcmp(argv[1], "--lang") == 0)
        before = 2;
    enum pq_command_id command = find_command(argc - before, argv + before, used);
    const int words = *used - 1;
    reverse(argv + 1, before);
    reverse(argv + 1 + before, words);
    reverse(argv + 1, before + words);
    return command;
}

int main(int argc, char **argv)
{
    pq_hold_standard_streams();
    choose_language(argc, argv);
    int used;
    enum pq_command_id command = take_command(argc, argv, &used);
    struct pq_options o;
    pique_error err;
    int rc = pq_options_parse(&o, command, argc > used ? argc - used : 0, argv + used, &err);
    int status = rc ? pq_cli_fail(&err) : dispatch(&o);
    pq_options_free(&o);
    return status;
}
