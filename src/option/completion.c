/* SPDX-License-Identifier: MIT */
/* Completion scripts for bash, zsh and fish, all from the two tables. Names of models are asked
 * from `pique models --names` when the user presses the key. */
#include <string.h>

#include "option/option.h"

/* ---- words of commands ---- */

/* The commands that are offered: not the implicit one, nor those of pique itself. */
static bool is_offered(size_t command)
{
    return command != PQ_CMD_RUN && !pq_commands[command].hidden;
}

static bool is_first_word(size_t command, const char *word, size_t length)
{
    const char *words = pq_commands[command].words;
    return strcspn(words, " ") == length && memcmp(words, word, length) == 0;
}

/* "info" of "models info"; NULL where there is one word. */
static const char *second_word(size_t command)
{
    const char *blank = strchr(pq_commands[command].words, ' ');
    return blank ? blank + 1 : NULL;
}

/* Whether no command before it in the table begins with the same word. */
static bool opens_family(size_t command)
{
    const char *words = pq_commands[command].words;
    for (size_t i = 0; i < command; i++) {
        if (is_offered(i) && is_first_word(i, words, strcspn(words, " ")))
            return false;
    }
    return true;
}

/* Each first word once, each with a blank before it. */
static void add_first_words(struct pq_str *out)
{
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        if (!is_offered(i) || !opens_family(i))
            continue;
        pq_str_add(out, " ");
        pq_str_add_n(out, pq_commands[i].words, strcspn(pq_commands[i].words, " "));
    }
}

/* What may follow the first word of a command, `before` the first and `between` two of them. */
static void add_second_words(struct pq_str *out, size_t family, const char *before,
                             const char *between)
{
    const char *words = pq_commands[family].words;
    bool any = false;
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        if (!is_offered(i) || !second_word(i) || !is_first_word(i, words, strcspn(words, " ")))
            continue;
        pq_str_printf(out, "%s%s", any ? between : before, second_word(i));
        any = true;
    }
}

/* ---- bash ---- */

static void bash_option_names(struct pq_str *out, enum pq_command_id command)
{
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *o = &pq_option_table[i];
        if (!(o->commands >> command & 1))
            continue;
        pq_str_printf(out, " --%s", o->name);
        if (o->letter)
            pq_str_printf(out, " -%c", o->letter);
    }
}

static void bash_value(struct pq_str *out, const struct pq_option *o)
{
    if (!o->value)
        return;
    pq_str_printf(out, "    --%s", o->name);
    if (o->letter)
        pq_str_printf(out, "|-%c", o->letter);
    pq_str_add(out, ")\n        ");
    if (o->choices)
        pq_str_printf(out, "COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n", o->choices);
    else if (o->kind == PQ_KIND_PATH)
        pq_str_add(out, "_pique_files\n");
    else if (o->kind == PQ_KIND_MODEL)
        pq_str_add(out, "_pique_models; _pique_files\n");
    else
        pq_str_add(out, "COMPREPLY=()\n");
    pq_str_add(out, "        return;;\n");
}

/* The options of a command and the words that may follow it; for a first word that is no command
 * by itself ("queue") those words alone. */
static void bash_command(struct pq_str *out, size_t command)
{
    const char *words = pq_commands[command].words;
    if (second_word(command) && opens_family(command)) {
        pq_str_add(out, "    '");
        pq_str_add_n(out, words, strcspn(words, " "));
        pq_str_add(out, "') words='");
        add_second_words(out, command, "", " ");
        pq_str_add(out, "';;\n");
    }
    pq_str_add(out, "    '");
    pq_str_add(out, words);
    pq_str_add(out, "') words='");
    bash_option_names(out, (enum pq_command_id)command);
    if (!second_word(command))
        add_second_words(out, command, " ", " ");
    if (command == PQ_CMD_COMPLETE)
        pq_str_add(out, " bash zsh fish");
    pq_str_add(out, "';;\n");
}

void pq_option_bash(struct pq_str *out)
{
    /* Names of files never pass compgen -W or an unquoted $(...): these expand what they get. */
    pq_str_add(out, "# bash completion for pique\n"
                    "_pique_files()\n{\n"
                    "    local name\n"
                    "    compopt -o filenames\n"
                    "    while IFS= read -r name; do\n"
                    "        COMPREPLY+=(\"$name\")\n"
                    "    done < <(compgen -f -- \"$cur\")\n"
                    "}\n"
                    "_pique_models()\n{\n"
                    "    local name\n"
                    "    while IFS= read -r name; do\n"
                    "        [[ $name == \"$cur\"* ]] && COMPREPLY+=(\"$name\")\n"
                    "    done < <(pique models --names 2>/dev/null)\n"
                    "}\n"
                    "_pique()\n{\n"
                    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                    "    local command=${COMP_WORDS[1]-} words\n"
                    "    COMPREPLY=()\n"
                    "    [ \"$COMP_CWORD\" -gt 2 ] && case \"$command ${COMP_WORDS[2]}\" in\n"
                    "    ");
    bool any = false;
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        if (is_offered(i) && second_word(i)) {
            pq_str_printf(out, "%s'%s'", any ? "|" : "", pq_commands[i].words);
            any = true;
        }
    }
    pq_str_add(out, ") command=\"$command ${COMP_WORDS[2]}\";;\n"
                    "    esac\n"
                    "    case $prev in\n");
    for (size_t i = 0; i < PQ_OPT_COUNT; i++)
        bash_value(out, &pq_option_table[i]);
    pq_str_add(out, "    esac\n    case $command in\n");
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        if (is_offered(i))
            bash_command(out, i);
    }
    pq_str_add(out, "    *) words='");
    bash_option_names(out, PQ_CMD_RUN);
    pq_str_add(out, "'\n        [ \"$COMP_CWORD\" -eq 1 ] && words+='");
    add_first_words(out);
    pq_str_add(out, "';;\n    esac\n"
                    "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                    "    [[ $command == models\\ * ]] && _pique_models\n"
                    "    [[ $cur == -* ]] || _pique_files\n"
                    "}\ncomplete -F _pique pique\n");
}

/* ---- zsh ---- */

/* Text inside a single-quoted _arguments specification. */
static void zsh_text(struct pq_str *out, const char *text)
{
    for (const char *s = text; *s; s++) {
        if (strchr("[]:\\", *s))
            pq_str_add(out, "\\");
        if (*s == '\'')
            pq_str_add(out, "'\\''");
        else
            pq_str_add_n(out, s, 1);
    }
}

static void zsh_action(struct pq_str *out, const struct pq_option *o)
{
    if (!o->value)
        return;
    pq_str_add(out, ":");
    zsh_text(out, o->value);
    if (o->choices)
        pq_str_printf(out, ":(%s)", o->choices);
    else if (o->kind == PQ_KIND_PATH)
        pq_str_add(out, ":_files");
    else if (o->kind == PQ_KIND_MODEL)
        pq_str_add(out, ":_pique_models");
    else
        pq_str_add(out, ": ");
}

static void zsh_options(struct pq_str *out, enum pq_command_id command)
{
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *o = &pq_option_table[i];
        if (!(o->commands >> command & 1))
            continue;
        const char *assign = o->value ? "=" : "";
        const char *repeat = o->kind == PQ_KIND_COUNT || o->repeats ? "*" : "";
        pq_str_printf(out, " \\\n        '%s--%s%s[", repeat, o->name, assign);
        zsh_text(out, o->help);
        pq_str_add(out, "]");
        zsh_action(out, o);
        pq_str_add(out, "'");
        if (!o->letter)
            continue;
        pq_str_printf(out, " \\\n        '%s-%c%s[", repeat, o->letter, o->value ? "+" : "");
        zsh_text(out, o->help);
        pq_str_add(out, "]");
        zsh_action(out, o);
        pq_str_add(out, "'");
    }
}

static const char *zsh_operands(enum pq_command_id command)
{
    switch (command) {
    case PQ_CMD_RUN:
        return " \\\n        '*:picture or folder:_files'";
    case PQ_CMD_COMPARE:
        return " \\\n        '1:picture:_files'";
    case PQ_CMD_MODELS_INFO:
    case PQ_CMD_MODELS_FETCH:
    case PQ_CMD_MODELS_VERIFY:
    case PQ_CMD_MODELS_CONVERT:
    case PQ_CMD_MODELS_BLEND:
    case PQ_CMD_BENCH:
        return " \\\n        '*:model:_pique_models'";
    case PQ_CMD_COMPLETE:
        return " \\\n        '1:shell:(bash zsh fish)'";
    default:
        return "";
    }
}

/* The second words of a first word that has such: offered behind it, and taken into the command. */
static void zsh_family(struct pq_str *out, size_t command)
{
    const char *words = pq_commands[command].words;
    const int length = (int)strcspn(words, " ");
    struct pq_str second = {0};
    if (!is_offered(command) || !opens_family(command))
        return;
    add_second_words(&second, command, "", " ");
    if (second.failed)
        out->failed = true;
    if (second.length) {
        pq_str_printf(out,
                      "    if [[ $command == %.*s ]]; then\n"
                      "        (( CURRENT == 3 )) && compadd %s\n"
                      "        if [[ ${words[3]-} == (",
                      length, words, second.data);
        add_second_words(out, command, "", "|");
        pq_str_printf(out,
                      ") ]] && (( CURRENT > 3 )); then\n"
                      "            command=\"%.*s ${words[3]}\"\n"
                      "            shift 2 words; (( CURRENT -= 2 ))\n"
                      "        fi\n"
                      "    fi\n",
                      length, words);
    }
    pq_str_free(&second);
}

/* The commands of one word, with bars between. */
static void zsh_single_words(struct pq_str *out)
{
    bool any = false;
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        if (is_offered(i) && !second_word(i)) {
            pq_str_printf(out, "%s%s", any ? "|" : "", pq_commands[i].words);
            any = true;
        }
    }
}

void pq_option_zsh(struct pq_str *out)
{
    pq_str_add(out, "#compdef pique\n"
                    "_pique_models()\n{\n"
                    "    local -a names\n"
                    "    names=(${(f)\"$(pique models --names 2>/dev/null)\"})\n"
                    "    compadd -a names\n    _files\n}\n"
                    "_pique()\n{\n"
                    "    local command=\"${words[2]-}\"\n"
                    "    if (( CURRENT == 2 )); then\n"
                    "        compadd");
    add_first_words(out);
    pq_str_add(out, "\n    fi\n");
    for (size_t i = 0; i < PQ_CMD_COUNT; i++)
        zsh_family(out, i);
    pq_str_add(out, "    if [[ $command == (");
    zsh_single_words(out);
    pq_str_add(out, ") ]]; then\n"
                    "        (( CURRENT > 2 )) && { shift words; (( CURRENT -= 1 )) }\n"
                    "    fi\n"
                    "    case $command in\n");
    for (size_t n = 1; n <= PQ_CMD_COUNT; n++) {
        enum pq_command_id command = (enum pq_command_id)(n % PQ_CMD_COUNT);
        if (pq_commands[command].hidden)
            continue;
        if (command == PQ_CMD_RUN)
            pq_str_add(out, "    *)");
        else
            pq_str_printf(out, "    '%s')", pq_commands[command].words);
        pq_str_add(out, " _arguments -s -S");
        zsh_options(out, command);
        pq_str_add(out, zsh_operands(command));
        pq_str_add(out, ";;\n");
    }
    pq_str_add(out, "    esac\n}\n_pique \"$@\"\n");
}

/* ---- fish ---- */

static void fish_quoted(struct pq_str *out, const char *text)
{
    pq_str_add(out, "'");
    for (const char *s = text; *s; s++) {
        if (*s == '\'' || *s == '\\')
            pq_str_add(out, "\\");
        pq_str_add_n(out, s, 1);
    }
    pq_str_add(out, "'");
}

/* That none of the second words of the command's family was typed. */
static void fish_no_second(struct pq_str *out, size_t command)
{
    add_second_words(out, command, "; and not __fish_seen_subcommand_from ", " ");
}

/* That a word which also follows another one ("resume" follows "queue") does not do so here. */
static void fish_not_second(struct pq_str *out, const char *word)
{
    for (size_t i = 0; i < PQ_CMD_COUNT; i++) {
        const char *second = second_word(i);
        if (is_offered(i) && second && strcmp(second, word) == 0)
            pq_str_printf(out, "; and not __fish_seen_subcommand_from %.*s",
                          (int)(second - 1 - pq_commands[i].words), pq_commands[i].words);
    }
}

/* When a row of a command is offered. */
static void fish_condition(struct pq_str *out, enum pq_command_id command)
{
    const char *words = pq_commands[command].words, *second = second_word(command);
    if (command == PQ_CMD_RUN) {
        pq_str_add(out, " -n 'not __fish_seen_subcommand_from");
        add_first_words(out);
    } else if (second) {
        pq_str_printf(out,
                      " -n '__fish_seen_subcommand_from %.*s; and "
                      "__fish_seen_subcommand_from %s",
                      (int)(second - 1 - words), words, second);
    } else {
        pq_str_printf(out, " -n '__fish_seen_subcommand_from %s", words);
        fish_no_second(out, command);
        fish_not_second(out, words);
    }
    pq_str_add(out, "'");
}

static void fish_option(struct pq_str *out, const struct pq_option *o, enum pq_command_id command)
{
    pq_str_add(out, "complete -c pique");
    fish_condition(out, command);
    pq_str_printf(out, " -l %s", o->name);
    if (o->letter)
        pq_str_printf(out, " -s %c", o->letter);
    if (o->choices)
        pq_str_printf(out, " -x -a '%s'", o->choices);
    else if (o->kind == PQ_KIND_PATH)
        pq_str_add(out, " -r -F");
    else if (o->kind == PQ_KIND_MODEL)
        pq_str_add(out, " -r -F -a '(pique models --names 2>/dev/null)'");
    else if (o->value)
        pq_str_add(out, " -x");
    pq_str_add(out, " -d ");
    fish_quoted(out, o->help);
    pq_str_add(out, "\n");
}

/* The word of a command itself, where it may be typed. */
static void fish_command(struct pq_str *out, size_t command)
{
    const char *words = pq_commands[command].words, *second = second_word(command);
    const int first = (int)strcspn(words, " ");
    if (second && opens_family(command))
        pq_str_printf(out, "complete -c pique -n __fish_use_subcommand -a %.*s\n", first, words);
    pq_str_add(out, "complete -c pique");
    if (second)
        pq_str_printf(out, " -n '__fish_seen_subcommand_from %.*s' -f -a %s -d ", first, words,
                      second);
    else
        pq_str_printf(out, " -n __fish_use_subcommand -a %s -d ", words);
    fish_quoted(out, pq_commands[command].help);
    pq_str_add(out, "\n");
}

void pq_option_fish(struct pq_str *out)
{
    pq_str_add(out, "# fish completion for pique\n");
    for (size_t c = 0; c < PQ_CMD_COUNT; c++) {
        if (is_offered(c))
            fish_command(out, c);
    }
    pq_str_add(out, "complete -c pique -n '__fish_seen_subcommand_from models; and "
                    "__fish_seen_subcommand_from ");
    add_second_words(out, PQ_CMD_MODELS, "", " ");
    pq_str_add(out, "' -a '(pique models --names 2>/dev/null)'\n"
                    "complete -c pique -n '__fish_seen_subcommand_from complete' -f "
                    "-a 'bash zsh fish'\n");
    for (size_t c = 0; c < PQ_CMD_COUNT; c++) {
        for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
            if (!pq_commands[c].hidden && pq_option_table[i].commands >> c & 1)
                fish_option(out, &pq_option_table[i], (enum pq_command_id)c);
        }
    }
}
