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

/* Open one file. False where it does not exist; any other failure goes to `failure`. */
static bool try_file(struct search *s, const char *path)
{
    const struct pq_module *m = s->module;
    if (!pq_exists(path))
        return false;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        pq_fail(&s->failure, PIQUE_EUNSUPPORTED, "%s cannot be loaded (%s); %s", path,
                why ? why : pq_tr("no reason given"), pq_tr(m->needs));
        return true;
    }
    union {
        void *object;
        table_fn *function;
    } symbol = {.object = dlsym(handle, m->symbol)};
    const void *table = symbol.object ? symbol.function() : NULL;
    if (table && *(const int *)table == m->version) {
        s->table = table;
        return true;
    }
    if (table)
        pq_fail(&s->failure, PIQUE_EUNSUPPORTED,
                "%s has version %d, and this pique needs version %d; install both from one build",
                path, *(const int *)table, m->version);
    else
        pq_fail(&s->failure, PIQUE_EUNSUPPORTED, "%s is not a %s of pique", path, m->what);
    dlclose(handle);
    return true;
}

static bool try_folder(struct search *s, const char *folder, const char *below)
{
    char *path = pq_asprintf("%s/%s%s", folder, below, s->module->file);
    if (!path) {
        pq_fail_nomem(&s->failure, strlen(folder) + strlen(s->module->file));
        return true;
    }
    const bool found = try_file(s, path);
    pq_free(path);
    return found;
}

/* All places around the folder of `file`, which is cut at its last slash. */
static bool try_around(struct search *s, char *file)
{
    static const char *const below[] = {"", "src/", "../src/", "../../src/"};
    char *slash = strrchr(file, '/');
    if (!slash)
        return false;
    *slash = '\0';
    if (try_folder(s, file, "") || try_folder(s, file, "pique/") ||
        try_folder(s, file, "../lib/pique/"))
        return true;
    bool found = false;
    for (size_t i = 1; !found && i < PQ_COUNT(below); i++) {
        char *built = pq_asprintf("%s%s/", below[i], s->module->folder);
        found = built && try_folder(s, file, built);
        pq_free(built);
    }
    return found;
}

/* Only resolved paths: unless $PIQUE_MODULE_DIR says so, nothing is loaded from the folder that one
 * happens to stand in. */
static bool try_resolved(struct search *s, const char *path)
{
    char real[PATH_MAX];
    return strchr(path, '/') && realpath(path, real) && try_around(s, real);
}

static void search(struct search *s)
{
    static const char us = 0; /* lies in the library or program that this code is part of */
    const char *folder = secure_getenv("PIQUE_MODULE_DIR");
    if (folder && folder[0] && try_folder(s, folder, ""))
        return;
    Dl_info info;
    if (dladdr(&us, &info) && info.dli_fname && try_resolved(s, info.dli_fname))
        return;
    if (try_resolved(s, "/proc/self/exe"))
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
