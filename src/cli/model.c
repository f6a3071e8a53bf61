/* SPDX-License-Identifier: MIT */
/* From what names a model on the command line to a model that is open. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/catalogue.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "pique/pique.h"

static int open_one(const char *name, pique_model **out, int *exit, pique_error *err)
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

int pq_cli_model_blend(const char *a, const char *b, double weight, pique_model **out, int *exit,
                       pique_error *err)
{
    pique_model *first = NULL, *second = NULL;
    *out = NULL;
    int rc = open_one(a, &first, exit, err);
    if (!rc)
        rc = open_one(b, &second, exit, err);
    if (!rc) {
        rc = pique_model_blend(first, second, weight, out, err);
        *exit = pq_exit_of(rc);
    }
    pique_model_close(&first);
    pique_model_close(&second);
    return rc;
}

/* Whether a name stands for something that can be opened. */
static bool is_there(const char *name)
{
    char *path = NULL;
    bool there = pq_model_resolve(name, &path, NULL) == 0;
    pq_free(path);
    return there;
}

/* Cut "A+B" where what stands before a + and behind it are both there; returns B, or NULL. */
static const char *cut_in_two(char *text)
{
    for (char *plus = strchr(text, '+'); plus; plus = strchr(plus + 1, '+')) {
        *plus = '\0';
        if (is_there(text) && is_there(plus + 1))
            return plus + 1;
        *plus = '+';
    }
    return NULL;
}

/* "A+B:W" in three parts of copy, where that is what was meant: what stands before a + and behind
 * it up to the last : are both there. A file of that name goes first. */
static bool is_blend(const char *name, char *copy, const char **second, double *weight)
{
    char *colon = strrchr(copy, ':');
    if (!colon || is_there(name) || !pq_cli_weight(colon + 1, weight))
        return false;
    *colon = '\0';
    *second = cut_in_two(copy);
    return *second != NULL;
}

/* Whether what is no name is two models with no weight, or with one that makes no sense. */
static bool lacks_weight(const char *name)
{
    char *copy = pq_strdup(name);
    bool two = copy && cut_in_two(copy) != NULL;
    char *colon = copy && !two ? strrchr(copy, ':') : NULL;
    if (colon) {
        *colon = '\0';
        two = cut_in_two(copy) != NULL;
    }
    pq_free(copy);
    return two;
}

bool pq_cli_model_named(const char *name)
{
    const char *second;
    double weight;
    char *copy = pq_strdup(name);
    bool named = is_there(name) || (copy && is_blend(name, copy, &second, &weight));
    pq_free(copy);
    return named;
}

int pq_cli_model_open(const char *name, pique_model **out, int *exit, pique_error *err)
{
    char *copy = pq_strdup(name);
    const char *second = NULL;
    double weight = 0;
    *out = NULL;
    if (!copy) {
        *exit = PQ_EXIT_FULL;
        return pq_fail_nomem(err, strlen(name) + 1);
    }
    int rc = is_blend(name, copy, &second, &weight)
                 ? pq_cli_model_blend(copy, second, weight, out, exit, err)
                 : open_one(name, out, exit, err);
    pq_free(copy);
    if (rc == PIQUE_ENOENT && lacks_weight(name)) {
        *exit = PQ_EXIT_USAGE;
        rc = pq_fail(err, PIQUE_EINVAL,
                     "%s: the model between two is written A+B:W, with a weight W of A from 0 to 1",
                     name);
    }
    return rc;
}

bool pq_cli_weight(const char *text, double *weight)
{
    char *end;
    if (*text == '\0' || strlen(text) > 32 || strspn(text, "0123456789.") != strlen(text))
        return false;
    *weight = strtod(text, &end);
    return *end == '\0' && *weight <= 1;
}
