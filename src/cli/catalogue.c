/* SPDX-License-Identifier: MIT */
#include "cli/catalogue.h"

#include <ctype.h>
#include <jansson.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/catalogue_json.h"
#include "option/option.h"

/* Lives as long as the program; the strings of the entries belong to root. */
static struct {
    json_t *root;
    struct pq_catalogue_entry *entries;
    size_t count;
    bool tried;
} catalogue;

/* ---- reading ---- */

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

/* null and a missing key are NULL. */
static const char *maybe_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 ? (uint64_t)n : 0;
}

static bool read_variant(const json_t *from, struct pq_catalogue_variant *to, uint64_t *bytes)
{
    const json_t *list = json_object_get(from, "files");
    size_t count = json_array_size(list);
    struct pq_catalogue_file *files = pq_calloc(count, sizeof *files);
    if (!files)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *f = json_array_get(list, i);
        files[i] = (struct pq_catalogue_file){.name = text(f, "name"),
                                              .sha256 = maybe_text(f, "sha256"),
                                              .path = maybe_text(f, "path"),
                                              .upstream = maybe_text(f, "upstream"),
                                              .bytes = number(f, "bytes")};
        *bytes += files[i].bytes;
    }
    *to = (struct pq_catalogue_variant){.name = text(from, "name"),
                                        .scale = (int)number(from, "scale"),
                                        .files = files,
                                        .file_count = count};
    return true;
}

static bool read_entry(const json_t *from, struct pq_catalogue_entry *to)
{
    *to = (struct pq_catalogue_entry){
        .name = text(from, "name"),
        .title = maybe_text(from, "title"),
        .architecture = text(from, "architecture"),
        .about = text(from, "about"),
        .about_fr = text(from, "about_fr"),
        .licence = text(from, "licence"),
        .licence_source = maybe_text(from, "licence_source"),
        .home = text(from, "home"),
        .package = maybe_text(from, "package"),
        .package_version = maybe_text(from, "version"),
        .package_bytes = number(from, "package_bytes"),
        .scale = (int)number(from, "scale"),
        .supported = json_is_true(json_object_get(from, "supported")),
        .non_commercial = json_is_true(json_object_get(from, "non_commercial")),
    };
    const json_t *list = json_object_get(from, "variants");
    size_t count = json_array_size(list);
    struct pq_catalogue_variant *variants = pq_calloc(count, sizeof *variants);
    if (!variants)
        return false;
    to->variants = variants;
    bool all_known = true;
    for (; to->variant_count < count; to->variant_count++) {
        size_t i = to->variant_count;
        if (!read_variant(json_array_get(list, i), &variants[i], &to->bytes))
            return false;
        for (size_t f = 0; f < variants[i].file_count; f++)
            all_known &= variants[i].files[f].bytes != 0;
    }
    to->bytes = all_known ? to->bytes : 0;
    return true;
}

static void free_entry(struct pq_catalogue_entry *entry)
{
    for (size_t i = 0; i < entry->variant_count; i++)
        pq_free((void *)entry->variants[i].files);
    pq_free((void *)entry->variants);
}

static void read_catalogue(void)
{
    if (catalogue.tried)
        return;
    catalogue.tried = true;
    catalogue.root = json_loadb((const char *)pq_catalogue_json, pq_catalogue_json_size,
                                JSON_REJECT_DUPLICATES, NULL);
    const json_t *list = json_object_get(catalogue.root, "models");
    size_t count = json_array_size(list);
    struct pq_catalogue_entry *entries = pq_calloc(count, sizeof *entries);
    if (!entries)
        return;
    for (size_t i = 0; i < count; i++) {
        if (read_entry(json_array_get(list, i), &entries[i]))
            continue;
        for (size_t k = 0; k <= i; k++)
            free_entry(&entries[k]);
        pq_free(entries);
        return;
    }
    catalogue.entries = entries;
    catalogue.count = count;
}

/* ---- asking ---- */

size_t pq_catalogue_count(void)
{
    read_catalogue();
    return catalogue.count;
}

const struct pq_catalogue_entry *pq_catalogue_at(size_t i)
{
    return i < pq_catalogue_count() ? &catalogue.entries[i] : NULL;
}

/* How two names are compared. */
typedef bool same_name(const char *a, const char *b);

static bool exactly(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

/* Letters and digits alone, whatever their case: "2x Ani4K v2 Compact" is 2x-Ani4Kv2-Compact. */
static bool loosely(const char *a, const char *b)
{
    if (!a)
        return false;
    for (;; a++, b++) {
        a += strcspn(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+");
        b += strcspn(b, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+");
        if (*a == '\0' || *b == '\0' || tolower(*a) != tolower(*b))
            return *a == *b;
    }
}

static const struct pq_catalogue_entry *find_by(same_name *same, const char *name,
                                                const struct pq_catalogue_variant **variant)
{
    const struct pq_catalogue_entry *found = NULL;
    *variant = NULL;
    for (size_t i = 0; i < pq_catalogue_count(); i++) {
        const struct pq_catalogue_entry *entry = &catalogue.entries[i];
        if (same(entry->name, name) || (same == loosely && same(entry->title, name))) {
            *variant = NULL;
            return entry;
        }
        for (size_t k = 0; !found && k < entry->variant_count; k++) {
            if (same(entry->variants[k].name, name)) {
                found = entry;
                *variant = &entry->variants[k];
            }
        }
    }
    return found;
}

const struct pq_catalogue_entry *pq_catalogue_find(const char *name,
                                                   const struct pq_catalogue_variant **variant)
{
    const struct pq_catalogue_variant *which;
    const struct pq_catalogue_entry *found = find_by(exactly, name, &which);
    if (!found && !strchr(name, '/'))
        found = find_by(loosely, name, &which);
    if (variant)
        *variant = which;
    return found;
}

bool pq_catalogue_any_file(bool (*test)(const struct pq_catalogue_file *file, const char *name),
                           const char *name)
{
    for (size_t i = 0; i < pq_catalogue_count(); i++) {
        const struct pq_catalogue_entry *e = &catalogue.entries[i];
        for (size_t v = 0; v < e->variant_count; v++) {
            for (size_t f = 0; f < e->variants[v].file_count; f++) {
                if (test(&e->variants[v].files[f], name))
                    return true;
            }
        }
    }
    return false;
}

const char *pq_catalogue_default(void)
{
    read_catalogue();
    return text(catalogue.root, "default");
}

const char *pq_catalogue_recommended(void)
{
    read_catalogue();
    return maybe_text(catalogue.root, "recommended");
}

static void consider(const char *candidate, const char *name, const char **best, int *least)
{
    /* What begins as typed is nearer than any misspelling: "realesrgan" means realesrgan-x4... */
    bool begins = strlen(name) >= 4 && pq_starts_with(candidate, name);
    int d = begins ? 0 : pq_edit_distance(name, candidate);
    if (d < *least) {
        *least = d;
        *best = candidate;
    }
}

const char *pq_catalogue_nearest(const char *name)
{
    const char *best = NULL;
    int least =
        (int)PQ_MIN(strlen(name), (size_t)INT_MAX) / 3 + 2; /* farther than that helps nobody */
    for (size_t i = 0; i < pq_catalogue_count(); i++) {
        const struct pq_catalogue_entry *entry = &catalogue.entries[i];
        consider(entry->name, name, &best, &least);
        for (size_t k = 0; k < entry->variant_count; k++)
            consider(entry->variants[k].name, name, &best, &least);
    }
    return best;
}

/* ---- the folder ---- */

const char *pq_home_folder(void)
{
    const char *home = getenv("HOME");
    if (home && *home)
        return home;
    const struct passwd *user = getpwuid(getuid());
    return user && user->pw_dir && *user->pw_dir ? user->pw_dir : ".";
}

char *pq_models_folder(void)
{
    const char *own = getenv("PIQUE_MODELS");
    if (own && *own)
        return pq_strdup(own);
    /* The XDG rules: a relative path there is to be ignored. */
    const char *data = getenv("XDG_DATA_HOME");
    if (data && data[0] == '/')
        return pq_asprintf("%s/pique/models", data);
    return pq_asprintf("%s/.local/share/pique/models", pq_home_folder());
}

char *pq_models_path(const char *folder, const char *name)
{
    return pq_asprintf("%s/%s", folder, name);
}

static bool is_file(const char *path, uint64_t *bytes)
{
    struct stat st;
    if (stat(path, &st) != 0 || S_ISDIR(st.st_mode))
        return false;
    if (bytes)
        *bytes = (uint64_t)st.st_size;
    return true;
}

bool pq_catalogue_installed(const char *folder, const struct pq_catalogue_variant *variant)
{
    bool all = variant->file_count > 0;
    for (size_t i = 0; all && i < variant->file_count; i++) {
        uint64_t bytes = 0;
        char *path = pq_models_path(folder, variant->files[i].name);
        uint64_t right = variant->files[i].bytes;
        all = path && is_file(path, &bytes) && (!right || bytes == right);
        pq_free(path);
    }
    return all;
}

/* ---- what -m means ---- */

/* A file of that name or stem in the folder. *path stays NULL where there is none. */
static int find_in_folder(const char *folder, const char *name, char **path, pique_error *err)
{
    static const char *const suffixes[] = {"",    ".safetensors", ".param", ".pth",
                                           ".pt", ".ckpt",        ".onnx"};
    for (size_t i = 0; i < PQ_COUNT(suffixes); i++) {
        char *candidate = pq_asprintf("%s/%s%s", folder, name, suffixes[i]);
        if (!candidate)
            return pq_fail_nomem(err, strlen(folder) + strlen(name) + 16);
        if (is_file(candidate, NULL)) {
            *path = candidate;
            return 0;
        }
        pq_free(candidate);
    }
    return 0;
}

static int fail_unknown(const char *name, pique_error *err)
{
    const char *near = pq_catalogue_nearest(name);
    if (strchr(name, '/'))
        return pq_fail(err, PIQUE_ENOENT, "%s: there is no such file", name);
    if (near)
        return pq_fail(err, PIQUE_ENOENT, "%s: no such model or file; do you mean %s?", name, near);
    return pq_fail(err, PIQUE_ENOENT, "%s: no such model or file; 'pique models' lists those known",
                   name);
}

int pq_model_resolve(const char *name_or_path, char **path, pique_error *err)
{
    *path = NULL;
    if (is_file(name_or_path, NULL)) {
        *path = pq_strdup(name_or_path);
        return *path ? 0 : pq_fail_nomem(err, strlen(name_or_path) + 1);
    }
    char *folder = pq_models_folder();
    if (!folder)
        return pq_fail_nomem(err, 256);
    int rc = 0;
    const struct pq_catalogue_variant *variant;
    const struct pq_catalogue_entry *entry = pq_catalogue_find(name_or_path, &variant);
    /* A file that is called just that is nearer than a name that only resembles it. */
    bool loose = entry && strcmp(variant ? variant->name : entry->name, name_or_path) != 0;
    if (entry && !variant && entry->variant_count)
        variant = &entry->variants[0];
    if (!entry || loose)
        rc = find_in_folder(folder, name_or_path, path, err);
    if (!rc && !*path && variant && pq_catalogue_installed(folder, variant)) {
        *path = pq_models_path(folder, variant->files[0].name);
        rc = *path ? 0 : pq_fail_nomem(err, strlen(folder) + 64);
    }
    if (!rc && !*path && entry && !loose)
        rc = find_in_folder(folder, name_or_path, path, err);
    if (!rc && !*path && entry) {
        rc = pq_fail(err, PIQUE_ENOENT,
                     "%s: this model is known but not here yet; get it with: pique models "
                     "fetch %s",
                     name_or_path, entry->name);
    } else if (!rc && !*path) {
        rc = fail_unknown(name_or_path, err);
    }
    pq_free(folder);
    return rc;
}
