/* SPDX-License-Identifier: MIT */
#include "cli/chain.h"

#include <string.h>

#include "base/alloc.h"
#include "cli/commands.h"
#include "cli/exit.h"

/* One name of the list. */
static int open_link(struct pq_chain *chain, const char *name, const char *all, int *exit_status,
                     pique_error *err)
{
    if (!*name)
        return pq_fail(err, PIQUE_EINVAL, "--model %s: a name is missing in this list", all);
    if (chain->count == PIQUE_CHAIN_MODELS)
        return pq_fail(err, PIQUE_EINVAL, "--model %s: at most %d models can follow one another",
                       all, PIQUE_CHAIN_MODELS);
    struct pq_link *link = &chain->links[chain->count++];
    link->info.size = sizeof link->info;
    link->name = pq_strdup(name);
    int rc = link->name ? pq_cli_model_open(name, &link->model, exit_status, err)
                        : pq_fail_nomem(err, strlen(name));
    return rc ? rc : pique_model_get_info(link->model, &link->info, err);
}

char *pq_chain_cut(char *list, char separator)
{
    if (pq_cli_model_named(list))
        return NULL;
    for (char *end = list + strlen(list); (end = memrchr(list, separator, (size_t)(end - list)));) {
        *end = '\0';
        if (pq_cli_model_named(list))
            return end + 1;
        *end = separator;
    }
    char *first = strchr(list, separator);
    if (first)
        *first++ = '\0';
    return first;
}

int pq_chain_open(struct pq_chain *chain, const char *text, char separator, int *exit_status,
                  pique_error *err)
{
    *chain = (struct pq_chain){0};
    *exit_status = 0;
    char *list = pq_strdup(text);
    int rc = list ? 0 : pq_fail_nomem(err, strlen(text));
    for (char *name = list; !rc && name;) {
        char *next = pq_chain_cut(name, separator);
        rc = open_link(chain, name, text, exit_status, err);
        name = next;
    }
    pq_free(list);
    if (rc && !*exit_status)
        *exit_status = pq_exit_of(rc);
    return rc;
}

int pq_chain_start(struct pq_chain *chain, const pique_engine_options *options, pique_error *err)
{
    pique_engine_options o = *options;
    int rc = 0;
    for (size_t i = 0; !rc && i < chain->count; i++) {
        o.threads_of = chain->engines[0];
        rc = pique_engine_open(chain->links[i].model, &o, &chain->engines[i], err);
    }
    return rc;
}

void pq_chain_stop(struct pq_chain *chain)
{
    for (size_t i = chain->count; i > 0; i--) /* the first one lends its threads to the others */
        pique_engine_close(&chain->engines[i - 1]);
}

double pq_chain_scale(const struct pq_chain *chain)
{
    double scale = 1;
    for (size_t i = 0; i < chain->count; i++)
        scale = scale * chain->links[i].info.scale_num / chain->links[i].info.scale_den;
    return scale;
}

char *pq_chain_numeric_key(const struct pq_chain *chain)
{
    struct pq_str keys = {0};
    for (size_t i = 0; i < chain->count; i++) {
        const char *key = pique_engine_numeric_key(chain->engines[i]);
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(key, pique_engine_numeric_key(chain->engines[k])) == 0;
        if (!seen)
            pq_str_printf(&keys, "%s%s", i ? ", " : "", key);
    }
    return pq_str_take(&keys);
}

void pq_chain_close(struct pq_chain *chain)
{
    pq_chain_stop(chain);
    while (chain->count) {
        chain->count--;
        pique_model_close(&chain->links[chain->count].model);
        pq_free(chain->links[chain->count].name);
    }
}
