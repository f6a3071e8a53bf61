/* SPDX-License-Identifier: MIT */
/* Getting models of the catalogue: the command. A plan is made first: the files that are asked for,
 * less those that are here with the right sum. An empty plan ends without a network call. Else
 * licence, size and sources are told, and download.c does the rest. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/lang.h"
#include "base/sha256.h"
#include "base/str.h"
#include "cli/catalogue.h"
#include "cli/commands.h"
#include "cli/download.h"
#include "cli/exit.h"

/* ---- the plan ---- */

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
        struct pq_fetch_item *item = &f->items[f->count++];
        *item =
            (struct pq_fetch_item){.entry = entry, .variant = variant, .file = file, .path = path};
        pq_fetch_find(f, item);
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

/* What is named; where nothing is, or all is set, the whole catalogue. */
static int make_plan(struct pq_fetch *f, const char *const *names, size_t count, bool all,
                     pique_error *err)
{
    int rc = f->folder ? pq_sums_open(&f->sums, f->folder, err) : pq_fail_nomem(err, 256);
    if (!rc && f->sums.damaged)
        pq_tell_note(&f->tell, "note: %s is damaged; the sums in it are forgotten", f->sums.path);
    for (size_t i = 0; !rc && i < count; i++)
        rc = add_name(f, names[i], err);
    all |= !count;
    for (size_t i = 0; !rc && all && i < pq_catalogue_count(); i++)
        rc = add_entry(f, pq_catalogue_at(i), err);
    return rc;
}

static void drop_plan(struct pq_fetch *f)
{
    for (size_t i = 0; i < f->count; i++)
        pq_free(f->items[i].path);
    pq_free(f->items);
    pq_free(f->folder);
    pq_sums_close(&f->sums);
}

/* ---- telling ---- */

static bool same_package(const struct pq_catalogue_entry *a, const struct pq_catalogue_entry *b)
{
    return a->package && b->package && strcmp(a->package, b->package) == 0;
}

static bool package_told(const struct pq_fetch *f, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (!f->items[k].here && same_package(f->items[k].entry, f->items[i].entry))
            return true;
    }
    return false;
}

/* Bytes of what is missing of an entry from the i-th item on; *trusted: some sum is not known. */
static uint64_t missing_of(const struct pq_fetch *f, size_t i, bool *known, bool *trusted)
{
    uint64_t bytes = 0;
    *known = true;
    *trusted = false;
    for (size_t k = i; k < f->count; k++) {
        if (f->items[k].entry != f->items[i].entry || f->items[k].here)
            continue;
        bytes += f->items[k].file->bytes;
        *known &= f->items[k].file->bytes != 0;
        *trusted |= !f->items[k].sha256;
    }
    return bytes;
}

static void tell_model_event(const struct pq_catalogue_entry *entry, uint64_t bytes, bool trusted)
{
    struct pq_json j = pq_tell_event("fetch_model");
    pq_json_string(&j, "name", entry->name);
    pq_json_string(&j, "architecture", entry->architecture);
    pq_json_int(&j, "scale", entry->scale);
    if (bytes)
        pq_json_uint(&j, "bytes", bytes);
    pq_json_string(&j, "licence", entry->licence);
    pq_json_string(&j, "licence_source", entry->licence_source);
    pq_json_bool(&j, "non_commercial", entry->non_commercial);
    pq_json_bool(&j, "supported", entry->supported);
    pq_json_bool(&j, "first_use_trusted", trusted);
    pq_tell_event_end(&j);
}

static void tell_model(const struct pq_fetch *f, size_t i)
{
    const struct pq_catalogue_entry *entry = f->items[i].entry;
    char size[24];
    bool known, trusted;
    uint64_t bytes = missing_of(f, i, &known, &trusted);
    if (f->tell.json) {
        tell_model_event(entry, known ? bytes : 0, trusted);
        return;
    }
    pq_tell_line(&f->tell, "%s: %s, %s x%d", entry->name,
                 known ? pq_size_text(bytes, size) : pq_tr("size not known"), entry->architecture,
                 entry->scale);
    pq_tell_line(&f->tell, "    licence of the weights: %s%s%s%s", entry->licence,
                 entry->licence_source ? " (" : "",
                 entry->licence_source ? entry->licence_source : "",
                 entry->licence_source ? ")" : "");
    if (entry->non_commercial)
        pq_tell_line(&f->tell, "    NOT FOR COMMERCIAL USE: its licence forbids it");
    if (!entry->supported)
        pq_tell_line(&f->tell, "    note: this version of pique cannot run it yet");
    if (trusted)
        pq_tell_line(&f->tell, "    note: nobody has told its SHA-256: this first download is "
                               "trusted, its sum is remembered and compared from then on");
}

static void tell_models(const struct pq_fetch *f)
{
    for (size_t i = 0; i < f->count; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first &= f->items[k].entry != f->items[i].entry || f->items[k].here;
        if (!f->items[i].here && first)
            tell_model(f, i);
    }
}

/* All that will happen, before it happens. */
static void tell(const struct pq_fetch *f)
{
    char size[24];
    uint64_t bytes;
    size_t count = missing(f, &bytes);
    bool upstream = false, known = true;
    tell_models(f);
    for (size_t i = 0; i < f->count; i++) {
        upstream |= !f->items[i].here && f->items[i].file->upstream;
        known &= f->items[i].here || f->items[i].file->bytes;
    }
    pq_tell_line(&f->tell, "%zu file%s, %s%s, into %s", count, count == 1 ? "" : "s",
                 known   ? ""
                 : bytes ? pq_tr("more than ")
                         : pq_tr("of a size not known"),
                 bytes ? pq_size_text(bytes, size) : "", f->folder);
    upstream &= f->source != PQ_FROM_NPM;
    if (upstream)
        pq_tell_line(&f->tell, "source: the models' own addresses (https)");
    for (size_t i = 0; f->source != PQ_FROM_UPSTREAM && i < f->count; i++) {
        const struct pq_catalogue_entry *entry = f->items[i].entry;
        if (f->items[i].here || !entry->package || package_told(f, i))
            continue;
        pq_tell_line(&f->tell,
                     "source%s: npm package %s %s, a download of %s of which only these files are "
                     "kept",
                     upstream ? pq_tr(", for what they do not give") : "", entry->package,
                     entry->package_version, pq_size_text(entry->package_bytes, size));
    }
}

bool pq_cli_agreed(FILE *out, const char *question)
{
    char answer[16];
    fprintf(out, pq_tr("%s [Y/n] "), pq_tr(question));
    fflush(out);
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    /* In French it is 'o', and whoever types 'y' means the same. */
    return answer[0] && strchr(pq_tr("\nyY"), answer[0]);
}

static bool agreed(const struct pq_options *o)
{
    if (pq_given(o, PQ_OPT_YES) || pq_given(o, PQ_OPT_JSON) || !isatty(STDIN_FILENO) ||
        !isatty(STDOUT_FILENO))
        return true;
    return pq_cli_agreed(stdout, "Go on?");
}

/* ---- the commands ---- */

int pq_cli_fetch_finish(const struct pq_tell *t, int rc, const pique_error *err)
{
    int status = rc ? pq_cli_fail(err) : 0;
    /* A model that nobody has is no missing input. */
    if (rc == PIQUE_ENOENT)
        status = PQ_EXIT_UNAVAILABLE;
    if (t->json) {
        struct pq_json j = pq_tell_event("end");
        if (rc) {
            pq_json_string(&j, "status", pique_status_name(err->code));
            pq_json_string(&j, "message", err->message);
        }
        pq_json_int(&j, "exit", status);
        pq_tell_event_end(&j);
    }
    int lost = pq_cli_flush();
    return status ? status : lost;
}

static enum pq_fetch_source source_of(const struct pq_options *o)
{
    if (!pq_given(o, PQ_OPT_FROM))
        return PQ_FROM_BOTH;
    return pq_whole(o, PQ_OPT_FROM) == 0 ? PQ_FROM_UPSTREAM : PQ_FROM_NPM;
}

/* What is here already and has no sum yet gets one: it is trusted as it is. */
static int remember_sums(struct pq_fetch *f, pique_error *err)
{
    int rc = 0;
    char hex[PQ_SHA256_HEX];
    struct stat st;
    for (size_t i = 0; !rc && i < f->count; i++) {
        const struct pq_fetch_item *item = &f->items[i];
        if (!item->here || item->sha256 || stat(item->path, &st) != 0)
            continue;
        rc = pq_sha256_file(item->path, hex, err);
        if (!rc)
            rc = pq_sums_set(&f->sums, item->file->name, hex, (uint64_t)st.st_size, NULL, err);
        if (!rc)
            pq_tell_note(&f->tell, "  %s: nobody has told its SHA-256; what is here is trusted: %s",
                         item->file->name, hex);
    }
    return rc;
}

static void tell_here(const struct pq_fetch *f)
{
    if (f->tell.json) {
        struct pq_json j = pq_tell_event("fetch_here");
        pq_json_uint(&j, "files", f->count);
        pq_json_string(&j, "folder", f->folder);
        pq_tell_event_end(&j);
    } else {
        pq_tell_line(&f->tell, "%zu file%s here already, in %s", f->count,
                     pq_tr(f->count == 1 ? " is" : "s are"), f->folder);
    }
}

/* --sha256 is for one file, and for one whose sum nobody has told. */
static int check_given_sum(const struct pq_fetch *f, pique_error *err)
{
    if (!f->given_sum)
        return 0;
    if (f->count != 1)
        return pq_fail(err, PIQUE_EINVAL, "--sha256 is for one file, and these are %zu", f->count);
    if (f->items[0].file->sha256 && strcmp(f->items[0].file->sha256, f->given_sum) != 0)
        return pq_fail(err, PIQUE_EINVAL, "--sha256 is not the sum that the catalogue has for %s",
                       f->items[0].file->name);
    return 0;
}

int pq_cli_models_fetch(const struct pq_options *o)
{
    pique_error err = {0};
    uint64_t bytes;
    char sum[PQ_SHA256_HEX];
    struct pq_tell told = {.out = stdout,
                           .json = pq_given(o, PQ_OPT_JSON),
                           .terminal = pq_cli_rewrites() && !pq_given(o, PQ_OPT_JSON)};
    int rc = pq_cli_given_sum(o, sum, &err);
    for (size_t i = 0; !rc && i < o->operand_count; i++) {
        if (strstr(o->operands[i], "://"))
            return pq_cli_fetch_url(o, &told);
    }
    if (!rc && pq_given(o, PQ_OPT_NAME))
        rc = pq_fail(&err, PIQUE_EINVAL, "--name is for a file from an address (https://...)");
    struct pq_fetch f = {.folder = rc ? NULL : pq_models_folder(),
                         .source = source_of(o),
                         .tell = told,
                         .given_sum = sum[0] ? sum : NULL};
    if (!rc)
        rc = make_plan(&f, o->operands, o->operand_count, pq_given(o, PQ_OPT_ALL), &err);
    if (!rc)
        rc = check_given_sum(&f, &err);
    if (!rc && missing(&f, &bytes) == 0) {
        tell_here(&f);
        rc = remember_sums(&f, &err);
    } else if (!rc) {
        tell(&f);
        rc = agreed(o) ? pq_download(&f, &err) : pq_fail(&err, PIQUE_ECANCELED, "not fetched");
    }
    drop_plan(&f);
    return pq_cli_fetch_finish(&told, rc, &err);
}

int pq_cli_fetch_one(const char *name, const struct pq_tell *told, pique_error *err)
{
    struct pq_fetch f = {.folder = pq_models_folder(), .tell = *told};
    uint64_t bytes;
    int rc = make_plan(&f, &name, 1, false, err);
    if (!rc && missing(&f, &bytes)) {
        tell(&f);
        rc = pq_download(&f, err);
    }
    drop_plan(&f);
    return rc;
}

/* ---- verify ---- */

static const char *state_of(const struct pq_fetch_item *item)
{
    if (item->here)
        return item->sha256 ? pq_tr("right") : pq_tr("unknown");
    return pq_exists(item->path) ? pq_tr("WRONG") : pq_tr("missing");
}

static bool is_named(const struct pq_catalogue_file *file, const char *name)
{
    return strcmp(file->name, name) == 0;
}

/* Files from an address: only their remembered sums are known. */
static int verify_others(const struct pq_fetch *f, size_t *right, size_t *wrong, pique_error *err)
{
    char hex[PQ_SHA256_HEX];
    int rc = 0;
    for (const char *name = NULL; !rc && (name = pq_sums_next(&f->sums, name)) != NULL;) {
        const char *sum = pq_sums_find(&f->sums, name);
        if (!sum || strchr(name, '/') || pq_catalogue_any_file(is_named, name))
            continue;
        char *path = pq_models_path(f->folder, name);
        if (!path) {
            rc = pq_fail_nomem(err, 256);
        } else if (pq_exists(path)) {
            bool same = pq_sha256_file(path, hex, NULL) == 0 && strcmp(hex, sum) == 0;
            pq_tell_line(&f->tell, "%-7s  %s", same ? pq_tr("right") : pq_tr("WRONG"), name);
            *right += same;
            *wrong += !same;
        }
        pq_free(path);
    }
    return rc;
}

int pq_cli_models_verify(const struct pq_options *o)
{
    pique_error err = {0};
    struct pq_fetch f = {.folder = pq_models_folder(), .tell = {.out = stdout}};
    size_t wrong = 0, right = 0, unknown = 0;
    int rc = make_plan(&f, o->operands, o->operand_count, false, &err);
    for (size_t i = 0; !rc && i < f.count; i++) {
        const struct pq_fetch_item *item = &f.items[i];
        if (!pq_exists(item->path) && !o->operand_count)
            continue; /* not asked for, not installed */
        printf("%-7s  %s\n", state_of(item), item->file->name);
        right += item->here && item->sha256;
        unknown += item->here && !item->sha256;
        wrong += !item->here;
    }
    if (!rc && !o->operand_count)
        rc = verify_others(&f, &right, &wrong, &err);
    if (!rc && unknown)
        printf(pq_tr("%zu of unknown sum: 'pique models fetch NAME' remembers what is here\n"),
               unknown);
    if (!rc)
        printf(pq_tr("%zu right, %zu wrong or missing, in %s\n"), right, wrong, f.folder);
    if (!rc && wrong) {
        rc = pq_fail(&err, PIQUE_EFORMAT,
                     "%zu file%s wrong or missing; 'pique models fetch NAME' gets them again",
                     wrong, pq_tr(wrong == 1 ? " is" : "s are"));
    }
    drop_plan(&f);
    return pq_cli_fetch_finish(&f.tell, rc, &err);
}
