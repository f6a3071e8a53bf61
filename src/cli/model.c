/* SPDX-License-Identifier: MIT */
/* From what names a model on the command line to a model that is open. */
#include <string.h>

#include "base/alloc.h"
#include "cli/catalogue.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "pique/pique.h"

int pq_cli_model_open(const char *name, pique_model **out, int *exit, pique_error *err)
{
    char *path = NULL;
    *out = NULL;
    int rc = pq_model_resolve(name, &path, err);
    if (rc) {
        *exit = pq_cli_model_exit(name, rc);
        return rc;
    }
    rc = pique_model_open(path, out, err);
    *exit = pq_exit_of(rc);
    pq_free(path);
    return rc;
}
