/* SPDX-License-Identifier: MIT */
/* The fetch and verify commands alone, so that a test can run them without the rest of the program:
 * fetch-test fetch NAME..., fetch-test verify, fetch-test resolve NAME. FAULT=KIND:N:ERRNO in the
 * environment fails the N-th call of a kind (base/fault.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "cli/catalogue.h"
#include "cli/fetch.h"

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

int main(int argc, char **argv)
{
    arm(getenv("FAULT"));
    if (argc > 1 && strcmp(argv[1], "fetch") == 0)
        return pq_cli_models_fetch(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "verify") == 0)
        return pq_cli_models_verify(argc - 1, argv + 1);
    if (argc > 2 && strcmp(argv[1], "resolve") == 0)
        return resolve(argv[2]);
    return 2;
}
