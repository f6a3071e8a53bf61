/* SPDX-License-Identifier: MIT */
/* The commands about the models folder alone, so that a test can run them without the rest of the
 * program: fetch-test fetch NAME..., fetch-test verify, fetch-test models, fetch-test resolve NAME.
 * FAULT=KIND:N:ERRNO in the environment fails the N-th call of a kind (base/fault.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "cli/catalogue.h"
#include "cli/commands.h"

static void arm(const char *fault)
{
    int kind, errnum;
    long n;
    if (fault && sscanf(fault, "%d:%ld:%d", &kind, &n, &errnum) == 3 && kind >= 0 &&
        kind < PQ_FAULT_KINDS)
        pq_fault_arm((enum pq_fault_kind)kind, n, errnum, false);
}

static int resolve(const char *name)
{
    char *path;
    pique_error err;
    if (pq_model_resolve(name, &path, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    puts(path);
    pq_free(path);
    return 0;
}

static int command(enum pq_command_id id, int count, char **words)
{
    struct pq_options o;
    pique_error err;
    int status;
    if (pq_options_parse(&o, id, count, words, &err) != 0)
        status = pq_cli_fail(&err);
    else
        status = id == PQ_CMD_MODELS_FETCH    ? pq_cli_models_fetch(&o)
                 : id == PQ_CMD_MODELS_VERIFY ? pq_cli_models_verify(&o)
                                              : pq_cli_models(&o);
    pq_options_free(&o);
    return status;
}

int main(int argc, char **argv)
{
    arm(getenv("FAULT"));
    if (argc > 1 && strcmp(argv[1], "fetch") == 0)
        return command(PQ_CMD_MODELS_FETCH, argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "verify") == 0)
        return command(PQ_CMD_MODELS_VERIFY, argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "models") == 0)
        return command(PQ_CMD_MODELS, argc - 2, argv + 2);
    if (argc > 2 && strcmp(argv[1], "resolve") == 0)
        return resolve(argv[2]);
    return 2;
}
