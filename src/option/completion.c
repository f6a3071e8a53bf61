/* SPDX-License-Identifier: MIT */
/* Completion scripts for bash, zsh and fish, all from the two tables. Names of models are asked
 * from `pique models --names` when the user presses the key. */
#include <string.h>

#include "option/option.h"

/* ---- bash ---- */

/* The last word of a command is what its case looks at; "" is the implicit one. */
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
                    "    'models info'|'models fetch'|'models verify'|"
                    "'models convert'|'models blend') "
                    "command=\"models ${COMP_WORDS[2]}\";;\n"
                    "    esac\n"
                    "    case $prev in\n");
    for (size_t i = 0; i < PQ_OPT_COUNT; i++)
        bash_value(out, &pq_option_table[i]);
    pq_str_add(out, "    esac\n    case $command in\n");
    for (size_t i = 1; i < PQ_CMD_COUNT; i++) {
        pq_str_printf(out, "    '%s') words='", pq_commands[i].words);
        bash_option_names(out, (enum pq_command_id)i);
        if (i == PQ_CMD_MODELS)
            pq_str_add(out, " info fetch verify convert blend");
        else if (i == PQ_CMD_COMPLETE)
            pq_str_add(out, " bash zsh fish");
        pq_str_add(out, "';;\n");
    }
    pq_str_add(out, "    *) words='");
    bash_option_names(out, PQ_CMD_RUN);
    pq_str_add(
        out, "'\n        [ \"$COMP_CWORD\" -eq 1 ] && words+=' compare models devices complete man "
             "schema';;\n    esac\n"
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
        const char *repeat = o->kind == PQ_KIND_COUNT ? "*" : "";
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
        return " \\\n        '*:model:_pique_models'";
    case PQ_CMD_COMPLETE:
        return " \\\n        '1:shell:(bash zsh fish)'";
    default:
        return "";
    }
}

void pq_option_zsh(struct pq_str *out)
{
    pq_str_add(
        out, "#compdef pique\n"
             "_pique_models()\n{\n"
             "    local -a names\n"
             "    names=(${(f)\"$(pique models --names 2>/dev/null)\"})\n"
             "    compadd -a names\n    _files\n}\n"
             "_pique()\n{\n"
             "    local command=\"${words[2]-}\"\n"
             "    if (( CURRENT == 2 )); then\n"
             "        compadd models devices complete man schema\n"
             "    fi\n"
             "    if [[ $command == models && ${words[3]-} == (info|fetch|verify|convert|blend) "
             "]]; then\n"
             "        command=\"models ${words[3]}\"\n"
             "        (( CURRENT > 3 )) && { shift 2 words; (( CURRENT -= 2 )) }\n"
             "    elif [[ $command == (models|devices|complete|man|schema) ]]; then\n"
             "        (( CURRENT == 3 )) && [[ $command == models ]] && compadd info fetch verify "
             "convert blend\n"
             "        (( CURRENT > 2 )) && { shift words; (( CURRENT -= 1 )) }\n"
             "    fi\n"
             "    case $command in\n");
    for (size_t n = 1; n <= PQ_CMD_COUNT; n++) {
        enum pq_command_id command = (enum pq_command_id)(n % PQ_CMD_COUNT);
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

/* When a row of a command is offered. */
static void fish_condition(struct pq_str *out, enum pq_command_id command)
{
    const char *words = pq_commands[command].words;
    const char *blank = strchr(words, ' ');
    if (command == PQ_CMD_RUN)
        pq_str_add(
            out,
            " -n 'not __fish_seen_subcommand_from compare models devices complete man schema'");
    else if (blank)
        pq_str_printf(out,
                      " -n '__fish_seen_subcommand_from models; and "
                      "__fish_seen_subcommand_from %s'",
                      blank + 1);
    else if (command == PQ_CMD_MODELS)
        pq_str_add(out, " -n '__fish_seen_subcommand_from models; and not "
                        "__fish_seen_subcommand_from info fetch verify convert blend'");
    else
        pq_str_printf(out, " -n '__fish_seen_subcommand_from %s'", words);
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

void pq_option_fish(struct pq_str *out)
{
    pq_str_add(out, "# fish completion for pique\n");
    for (size_t c = 1; c < PQ_CMD_COUNT; c++) {
        const char *words = pq_commands[c].words;
        const char *blank = strchr(words, ' ');
        pq_str_add(out, "complete -c pique");
        if (blank)
            pq_str_printf(out, " -n '__fish_seen_subcommand_from models' -f -a %s -d ", blank + 1);
        else
            pq_str_printf(out, " -n __fish_use_subcommand -a %s -d ", words);
        fish_quoted(out, pq_commands[c].help);
        pq_str_add(out, "\n");
    }
    pq_str_add(out,
               "complete -c pique -n '__fish_seen_subcommand_from info fetch verify convert blend' "
               "-a '(pique models --names 2>/dev/null)'\n"
               "complete -c pique -n '__fish_seen_subcommand_from complete' -f "
               "-a 'bash zsh fish'\n");
    for (size_t c = 0; c < PQ_CMD_COUNT; c++) {
        for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
            if (pq_option_table[i].commands >> c & 1)
                fish_option(out, &pq_option_table[i], (enum pq_command_id)c);
        }
    }
}
