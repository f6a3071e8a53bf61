/* SPDX-License-Identifier: MIT */
#include "cli/cards.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/sha256.h"
#include "base/str.h"
#include "cli/record.h"
#include "pique/model.h"

int pq_cards_open(struct pq_cards *c, const char *folder, pique_error *err)
{
    *c = (struct pq_cards){.folder = pq_strdup(folder), .path = pq_cache_path("models.json")};
    c->record = c->folder && c->path ? pq_record_read(c->path, &c->damaged) : NULL;
    if (c->record)
        return 0;
    pq_cards_close(c);
    return pq_fail_nomem(err, 256);
}

void pq_cards_close(struct pq_cards *c)
{
    json_decref(c->record);
    pq_free(c->path);
    pq_free(c->folder);
    *c = (struct pq_cards){0};
}

/* ---- opening ---- */

static const char *licence_in(const pique_model *model)
{
    static const char *const keys[] = {"license", "licence", "modelspec.license"};
    const char *key, *value;
    for (size_t i = 0; pique_model_get_metadata(model, i, &key, &value) == 0; i++) {
        for (size_t k = 0; k < PQ_COUNT(keys); k++) {
            if (strcasecmp(key, keys[k]) == 0 && *value && strlen(value) < 100)
                return value;
        }
    }
    return NULL;
}

/* A record holds UTF-8 alone, and a file may say what it likes. */
static json_t *shown(const char *from)
{
    struct pq_str s = {0};
    if (!from)
        return json_null();
    pq_str_add_shown(&s, from);
    json_t *string = s.failed ? NULL : json_string(s.data ? s.data : "");
    pq_str_free(&s);
    return string;
}

/* The path stands before the sentence, and is said elsewhere. */
static const char *without_path(const char *message, const char *path)
{
    const char *colon = pq_tr(": ");
    size_t n = strlen(path), m = strlen(colon);
    return strncmp(message, path, n) == 0 && strncmp(message + n, colon, m) == 0 ? message + n + m
                                                                                 : message;
}

static json_t *describe(const char *path)
{
    pique_error err;
    pique_model *model = NULL;
    pique_model_info info = {.size = sizeof info};
    int rc = pique_model_open(path, &model, &err);
    if (!rc)
        rc = pique_model_get_info(model, &info, &err);
    json_t *one = NULL;
    if (rc && rc != PIQUE_ENOMEM)
        one = json_pack("{s:b, s:o}", "passing", rc != PIQUE_EFORMAT && rc != PIQUE_EUNSUPPORTED,
                        "problem", shown(without_path(err.message, path)));
    if (!rc)
        one = json_pack("{s:s, s:i, s:i, s:s, s:o}", "architecture", info.architecture, "scale_num",
                        info.scale_num, "scale_den", info.scale_den, "sha256",
                        pique_model_sha256(model), "licence", shown(licence_in(model)));
    pique_model_close(&model);
    return one;
}

/* ---- remembering ---- */

/* A key is UTF-8 too; a path that is not is known by its sum. */
static char *key_of(const char *path)
{
    char hex[PQ_SHA256_HEX];
    for (const char *c = path; *c; c += pq_utf8_length(c)) {
        if (pq_utf8_length(c) == 0) {
            pq_sha256(path, strlen(path), hex);
            return pq_asprintf("sha256:%s", hex);
        }
    }
    return pq_strdup(path);
}

static bool is_of(const json_t *one, const struct pq_shelf_file *file)
{
    return one && !json_is_true(json_object_get(one, "passing")) &&
           (uint64_t)json_integer_value(json_object_get(one, "bytes")) == file->bytes &&
           json_integer_value(json_object_get(one, "changed")) == file->changed &&
           (uint64_t)json_integer_value(json_object_get(one, "inode")) == file->inode;
}

static json_t *look_at(struct pq_cards *c, const struct pq_shelf_file *file, json_t *all,
                       const char *path, const char *key, pique_error *err)
{
    json_t *one = describe(path);
    if (!one || json_object_set_new(one, "bytes", json_integer((json_int_t)file->bytes)) != 0 ||
        json_object_set_new(one, "changed", json_integer(file->changed)) != 0 ||
        json_object_set_new(one, "inode", json_integer((json_int_t)file->inode)) != 0) {
        json_decref(one);
        pq_fail_nomem(err, 512);
        return NULL;
    }
    if (json_object_set_new(all, key, one) != 0) {
        pq_fail_nomem(err, 512);
        return NULL;
    }
    c->changed |= !json_object_get(one, "problem");
    return one;
}

static bool has_sum(const struct pq_catalogue_file *file, const char *sha256)
{
    return file->sha256 && strcmp(file->sha256, sha256) == 0;
}

static const struct pq_catalogue_entry *entry_of_sum(const char *sha256)
{
    for (size_t i = 0; sha256 && i < pq_catalogue_count(); i++) {
        const struct pq_catalogue_entry *e = pq_catalogue_at(i);
        for (size_t v = 0; v < e->variant_count; v++) {
            for (size_t f = 0; f < e->variants[v].file_count; f++) {
                if (has_sum(&e->variants[v].files[f], sha256))
                    return e;
            }
        }
    }
    return NULL;
}

static const char *text(const json_t *one, const char *key)
{
    return json_string_value(json_object_get(one, key));
}

int pq_cards_get(struct pq_cards *c, const struct pq_shelf_file *file, struct pq_card *card,
                 pique_error *err)
{
    char *path = pq_models_path(c->folder, file->name);
    char *key = path ? key_of(path) : NULL;
    json_t *all = key ? pq_record_section(c->record, "files") : NULL;
    int rc = all ? 0 : pq_fail_nomem(err, 256);
    *card = (struct pq_card){.scale_num = 1, .scale_den = 1};
    json_t *one = rc ? NULL : json_object_get(all, key);
    if (!rc && !is_of(one, file))
        one = look_at(c, file, all, path, key, err);
    if (!rc && !one)
        rc = PIQUE_ENOMEM;
    if (!rc) {
        card->architecture = text(one, "architecture");
        card->problem = card->architecture ? NULL : text(one, "problem");
        if (!card->architecture && !card->problem)
            card->problem = pq_tr("it cannot be opened");
        card->sha256 = text(one, "sha256");
        card->known = entry_of_sum(card->sha256);
        const char *licence = card->known ? card->known->licence : text(one, "licence");
        card->licence = licence ? licence : PQ_SAID("unknown");
        int num = (int)json_integer_value(json_object_get(one, "scale_num"));
        int den = (int)json_integer_value(json_object_get(one, "scale_den"));
        card->scale_num = num > 0 ? num : 1;
        card->scale_den = den > 0 ? den : 1;
    }
    pq_free(key);
    pq_free(path);
    return rc;
}

/* Another version may be able to open what an earlier one could not, so that is not remembered
 * from one process to the next. */
static void forget_problems(json_t *record)
{
    json_t *all = json_object_get(record, "files"), *one;
    const char *key;
    void *next;
    json_object_foreach_safe(all, next, key, one)
    {
        if (json_object_get(one, "problem"))
            json_object_del(all, key);
    }
}

void pq_cards_save(struct pq_cards *c, const struct pq_shelf *shelf)
{
    json_t *all = json_object_get(c->record, "files");
    const char *path;
    json_t *one;
    void *next;
    size_t n = strlen(c->folder);
    json_object_foreach_safe(all, next, path, one)
    {
        bool ours = strncmp(path, c->folder, n) == 0 && path[n] == '/';
        if (ours && !pq_shelf_find(shelf, path + n + 1)) {
            json_object_del(all, path);
            c->changed = true;
        }
    }
    json_t *lasting = c->changed ? json_deep_copy(c->record) : NULL;
    if (lasting) {
        forget_problems(lasting);
        (void)pq_record_write(c->path, lasting, NULL);
    }
    json_decref(lasting);
    c->changed = false;
}
