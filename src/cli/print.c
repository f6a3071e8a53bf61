/* SPDX-License-Identifier: MIT */
/* What the commands say, but for the course of a run, which is report.c's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/lang.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "pique/error.h"

int pq_cli_fail(const pique_error *why)
{
    struct pq_str text = {0};
    pq_str_add_shown(&text, why->message); /* it may quote the name of a file */
    fflush(stdout);                        /* what was printed before comes before it */
    fprintf(stderr, "pique: %s\n", text.failed || !text.data ? pq_tr("out of memory") : text.data);
    pq_str_free(&text);
    return pq_exit_of(why->code);
}

int pq_cli_flush(void)
{
    pique_error err;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return PQ_EXIT_OK;
    pq_fail(&err, PIQUE_EIO, "standard output: cannot be written");
    return pq_cli_fail(&err);
}

int pq_cli_print(struct pq_str *text)
{
    pique_error err;
    if (text->failed || !text->data) {
        pq_str_free(text);
        pq_fail(&err, PIQUE_ENOMEM, "out of memory");
        return pq_cli_fail(&err);
    }
    fputs(text->data, stdout);
    pq_str_free(text);
    return pq_cli_flush();
}

bool pq_cli_rewrites(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

const char *pq_size_text(uint64_t bytes, char out[24])
{
    if (bytes >= 1000000000)
        snprintf(out, 24, pq_tr("%.1f GB"), (double)bytes / 1e9);
    else if (bytes >= 100000000)
        snprintf(out, 24, pq_tr("%.0f MB"), (double)bytes / 1e6);
    else if (bytes >= 100000)
        snprintf(out, 24, pq_tr("%.1f MB"), (double)bytes / 1e6);
    else
        snprintf(out, 24, pq_tr("%.1f kB"), (double)bytes / 1e3);
    return out;
}
