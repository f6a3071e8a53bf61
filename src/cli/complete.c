/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/commands.h"

int pq_cli_complete(const struct pq_options *o)
{
    struct pq_str text = {0};
    const char *shell = o->operands[0];
    if (strcmp(shell, "bash") == 0) {
        pq_option_bash(&text);
    } else if (strcmp(shell, "zsh") == 0) {
        pq_option_zsh(&text);
    } else if (strcmp(shell, "fish") == 0) {
        pq_option_fish(&text);
    } else {
        pique_error err;
        pq_fail(&err, PIQUE_EINVAL, "pique complete knows bash, zsh and fish, not '%.40s'", shell);
        return pq_cli_fail(&err);
    }
    return pq_cli_print(&text);
}
