/* SPDX-License-Identifier: MIT */
#include "base/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/lang.h"
#include "base/str.h"

typedef const void *table_fn(void);

struct search {
    const struct pq_module *module;
    const void *table;
    pique_error failure; /* why table is NULL */
};

/* Open one file. 0 where it does not exist; any other failure goes to `failure`. */
static int try_file(void *user, const char *path)
{
    struct search *s = user;
    const struct pq_module *m = s->module;
    if (!pq_exists(path))
        return 0;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        pq_fail(&s->failure, PIQUE_EUNSUPPORTED, "%s cannot be loaded (%s); %s", path,
                why ? why : pq_tr("no reason given"), pq_tr(m->needs));
        return 1;
    }
    union {
        void *object;
        table_fn *function;
    } symbol = {.object = dlsym(handle, m->symbol)};
    const void *table = symbol.object ? symbol.function() : NULL;
    if (table && *(const int *)table == m->version) {
        s->table = table;
        return 1;
    }
    if (table)
        pq_fail(&s->failure, PIQUE_EUNSUPPORTED,
                "%s has version %d, and this pique needs version %d; install both from one build",
                path, *(const int *)table, m->version);
    else
        pq_fail(&s->failure, PIQUE_EUNSUPPORTED, "%s is not a %s of pique", path, m->what);
    dlclose(handle);
    return 1;
}

/* A path that is to be looked at. */
static int at(const char *folder, int length, const char *below, const char *name, pq_place_fn *try,
              void *user)
{
    char *path = pq_asprintf("%.*s/%s%s", length, folder, below, name);
    int rc = path ? try(user, path) : PIQUE_ENOMEM;
    pq_free(path);
    return rc;
}

int pq_module_around(const struct pq_module *m, const char *file, pq_place_fn *try, void *user)
{
    static const char *const installed[] = {"", "pique/", "../lib/pique/"};
    static const char *const built[] = {"src/", "../src/", "../../src/"};
    char real[PATH_MAX];
    if (!strchr(file, '/') || !realpath(file, real))
        return 0;
    const int folder = (int)(strrchr(real, '/') - real);
    int rc = 0;
    for (size_t i = 0; !rc && i < PQ_COUNT(installed); i++)
        rc = at(real, folder, installed[i], m->file, try, user);
    for (size_t i = 0; !rc && i < PQ_COUNT(built); i++) {
        char *below = pq_asprintf("%s%s/", built[i], m->folder);
        rc = below ? at(real, folder, below, m->file, try, user) : PIQUE_ENOMEM;
        pq_free(below);
    }
    return rc;
}

/* Only resolved paths: unless $PIQUE_MODULE_DIR says so, nothing is loaded from the folder that one
 * happens to stand in. */
static int look_everywhere(struct search *s)
{
    static const char us = 0; /* lies in the library or program that this code is part of */
    const char *own = secure_getenv("PIQUE_MODULE_DIR");
    int rc = 0;
    if (own && own[0])
        rc = at(own, (int)strlen(own), "", s->module->file, try_file, s);
    Dl_info info;
    if (!rc && dladdr(&us, &info) && info.dli_fname)
        rc = pq_module_around(s->module, info.dli_fname, try_file, s);
    return rc ? rc : pq_module_around(s->module, "/proc/self/exe", try_file, s);
}

static void search(struct search *s)
{
    const int rc = look_everywhere(s);
    if (rc == PIQUE_ENOMEM)
        pq_fail_nomem(&s->failure, 256);
    if (rc)
        return;
    pq_fail(&s->failure, PIQUE_EUNSUPPORTED,
            "the %s %s was not found beside the program nor in its library folder; "
            "PIQUE_MODULE_DIR can name the folder that has it. %s",
            pq_tr(s->module->what), s->module->file, pq_tr(s->module->built));
}

int pq_module_load(const struct pq_module *module, const void **table, pique_error *err)
{
    struct search s = {.module = module};
    search(&s);
    *table = s.table;
    return s.table ? 0 : pq_fail(err, s.failure.code, "%s", s.failure.message);
}
