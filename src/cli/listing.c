/* SPDX-License-Identifier: MIT */
#include "cli/listing.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "cli/commands.h"

/* ---- rows ---- */

/* The file that holds the weights is the last one: the .bin of a pair. */
static const char *sum_of(const struct pq_catalogue_variant *v)
{
    return v->file_count ? v->files[v->file_count - 1].sha256 : NULL;
}

/* The file of the catalogue that the shelf knows a variant by. */
static const struct pq_shelf_file *on_shelf(const struct pq_listing *l,
                                            const struct pq_catalogue_variant *v)
{
    return v->file_count ? pq_shelf_find(&l->shelf, v->files[0].name) : NULL;
}

/* What of a row is only known from the file: where the catalogue does not say it all. */
static int look_into(struct pq_listing *l, const struct pq_shelf_file *file, struct pq_row *row,
                     pique_error *err)
{
    struct pq_card card;
    int rc = pq_cards_get(&l->cards, file, &card, err);
    row->sha256 = rc ? NULL : card.sha256;
    row->bytes = row->bytes ? row->bytes : file->bytes;
    return rc;
}

static int entry_row(struct pq_listing *l, const struct pq_catalogue_entry *e, struct pq_row *row,
                     pique_error *err)
{
    const struct pq_catalogue_variant *first = e->variant_count ? &e->variants[0] : NULL;
    bool here = first && pq_catalogue_installed(l->folder, first);
    *row = (struct pq_row){.name = e->name,
                           .sha256 = first ? sum_of(first) : NULL,
                           .architecture = e->architecture,
                           .licence = e->licence,
                           .entry = e,
                           .scale_num = e->scale,
                           .scale_den = 1,
                           .bytes = e->bytes,
                           .here = here,
                           .usable = e->supported};
    const struct pq_shelf_file *file = here ? on_shelf(l, first) : NULL;
    int rc = file && e->supported && !row->sha256 ? look_into(l, file, row, err) : 0;
    if (file && !row->bytes)
        row->bytes = file->bytes;
    if (!rc && row->sha256)
        row->speed = pq_speeds_find(&l->speeds, row->sha256, NULL);
    return rc;
}

static int file_row(struct pq_listing *l, const struct pq_shelf_file *file, struct pq_row *row,
                    pique_error *err)
{
    struct pq_card card;
    int rc = pq_cards_get(&l->cards, file, &card, err);
    if (rc)
        return rc;
    *row = (struct pq_row){.name = file->name,
                           .file = file->name,
                           .sha256 = card.sha256,
                           .architecture = card.architecture ? card.architecture : "?",
                           .licence = card.licence,
                           .problem = card.problem,
                           .scale_num = card.scale_num,
                           .scale_den = card.scale_den,
                           .bytes = file->bytes,
                           .here = true,
                           .usable = !card.problem};
    if (card.sha256)
        row->speed = pq_speeds_find(&l->speeds, card.sha256, NULL);
    return 0;
}

static bool is_named(const struct pq_catalogue_file *file, const char *name)
{
    return strcmp(file->name, name) == 0;
}

/* The entry one of whose variants begins with this file, and that variant. */
static const struct pq_catalogue_entry *entry_of_file(const char *name,
                                                      const struct pq_catalogue_variant **variant)
{
    for (size_t i = 0; i < pq_catalogue_count(); i++) {
        const struct pq_catalogue_entry *e = pq_catalogue_at(i);
        for (size_t v = 0; v < e->variant_count; v++) {
            *variant = &e->variants[v];
            if (e->variants[v].file_count && is_named(&e->variants[v].files[0], name))
                return e;
        }
    }
    return NULL;
}

int pq_listing_row(struct pq_listing *l, const struct pq_shelf_file *file, struct pq_row *row,
                   pique_error *err)
{
    const struct pq_catalogue_variant *variant;
    const struct pq_catalogue_entry *e = entry_of_file(file->name, &variant);
    if (!e)
        return file_row(l, file, row, err);
    int rc = entry_row(l, e, row, err);
    row->file = file->name;
    row->here = true;
    if (e->variant_count < 2)
        return rc;
    row->name = variant->name; /* one file is one of them, not all */
    row->scale_num = variant->scale;
    row->bytes = file->bytes;
    row->sha256 = sum_of(variant);
    row->speed = row->sha256 ? pq_speeds_find(&l->speeds, row->sha256, NULL) : 0;
    return rc;
}

/* ---- names that mean two things ---- */

static int note(struct pq_listing *l, pique_error *err, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, pq_tr(fmt), args);
    va_end(args);
    return pq_names_add(&l->notes, text) ? 0 : pq_fail_nomem(err, 1024);
}

static bool same_stem(const char *a, const char *b)
{
    size_t n = pq_model_stem(a);
    return n == pq_model_stem(b) && memcmp(a, b, n) == 0;
}

/* What -m STEM opens of several files of one stem: the order of pq_model_resolve(). */
static const char *winner(const char *a, const char *b)
{
    static const char *const order[] = {".safetensors", ".param", ".pth", ".pt", ".ckpt", ".onnx"};
    for (size_t i = 0; i < PQ_COUNT(order); i++) {
        if (pq_ends_with(a, order[i]))
            return a;
        if (pq_ends_with(b, order[i]))
            return b;
    }
    return a;
}

static int note_file(struct pq_listing *l, size_t i, size_t first, pique_error *err)
{
    const struct pq_row *row = &l->rows[i];
    char stem[512];
    const struct pq_catalogue_variant *variant;
    int rc = 0;
    snprintf(stem, sizeof stem, "%.*s", (int)pq_model_stem(row->file), row->file);
    const struct pq_catalogue_entry *e = pq_catalogue_find(stem, &variant);
    if (e && strcmp(variant ? variant->name : e->name, stem) == 0)
        rc = note(l, err,
                  "%s: the catalogue has a model of that name, which -m %s means where it is "
                  "here; name the file with its ending",
                  row->file, stem);
    for (size_t k = first; !rc && k < i; k++) {
        const struct pq_row *other = &l->rows[k];
        if (same_stem(row->file, other->file))
            rc = note(l, err, "%s and %s have one name: -m %s means %s", other->file, row->file,
                      stem, winner(other->file, row->file));
        else if (row->sha256 && other->sha256 && strcmp(row->sha256, other->sha256) == 0)
            rc = note(l, err, "%s and %s are the same weights", other->file, row->file);
    }
    for (size_t k = 0; !rc && row->sha256 && k < first; k++) {
        const struct pq_row *known = &l->rows[k];
        if (known->sha256 && strcmp(known->sha256, row->sha256) == 0)
            rc = note(l, err, "%s is %s of the catalogue", row->file, known->name);
    }
    return rc;
}

/* ---- the whole ---- */

static int fill(struct pq_listing *l, pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < pq_catalogue_count(); i++)
        rc = entry_row(l, pq_catalogue_at(i), &l->rows[l->count++], err);
    size_t first = l->count;
    for (size_t i = 0; !rc && i < l->shelf.count; i++) {
        const struct pq_shelf_file *file = &l->shelf.files[i];
        if (!file->whole || pq_catalogue_any_file(is_named, file->name))
            continue;
        rc = file_row(l, file, &l->rows[l->count++], err);
    }
    for (size_t i = first; !rc && i < l->count; i++)
        rc = note_file(l, i, first, err);
    if (!rc && l->cards.damaged)
        rc = note(l, err, "%s is damaged and is written anew", l->cards.path);
    if (!rc && l->speeds.damaged)
        rc =
            note(l, err, "%s is damaged: the speeds measured so far are forgotten", l->speeds.path);
    return rc;
}

int pq_listing_make(struct pq_listing *l, const char *folder, pique_error *err)
{
    *l = (struct pq_listing){.folder = pq_strdup(folder)};
    int rc = l->folder ? pq_cards_open(&l->cards, folder, err) : pq_fail_nomem(err, 256);
    if (!rc)
        rc = pq_speeds_open(&l->speeds, err);
    if (!rc)
        rc = pq_shelf_scan(folder, &l->shelf, err);
    size_t most = pq_catalogue_count() + l->shelf.count;
    l->rows = rc ? NULL : pq_calloc(most, sizeof *l->rows);
    if (!rc && !l->rows)
        rc = pq_fail_nomem(err, most * sizeof *l->rows);
    if (!rc)
        rc = fill(l, err);
    if (!rc)
        pq_cards_save(&l->cards, &l->shelf);
    else
        pq_listing_free(l);
    return rc;
}

void pq_listing_free(struct pq_listing *l)
{
    pq_free(l->rows);
    pq_names_free(&l->notes);
    pq_shelf_free(&l->shelf);
    pq_cards_close(&l->cards);
    pq_speeds_close(&l->speeds);
    pq_free(l->folder);
    *l = (struct pq_listing){0};
}

/* ---- as text and JSON ---- */

static const char *state_of(const struct pq_row *row)
{
    if (row->here)
        return row->usable    ? pq_tr("here")
               : row->problem ? pq_tr("cannot be opened")
                              : pq_tr("here, not usable yet");
    return row->usable ? pq_tr("not here") : pq_tr("not usable yet");
}

void pq_row_heading(struct pq_str *s)
{
    pq_str_add_cell(s, pq_tr("NAME"), 28);
    pq_str_add(s, " ");
    pq_str_add_cell(s, pq_tr("NETWORK"), 9);
    pq_str_add(s, " ");
    pq_str_add_cell(s, pq_tr("SCALE"), 5);
    pq_str_printf(s, " %8s  ", pq_tr("SIZE"));
    pq_str_add_cell(s, pq_tr("LICENCE"), 12);
    pq_str_add(s, " ");
    pq_str_add_cell(s, pq_tr("SPEED"), 11);
    pq_str_printf(s, " %s\n", pq_tr("STATE"));
}

void pq_row_text(struct pq_str *s, const struct pq_row *row)
{
    char size[24], scale[32], speed[24] = "-";
    if (row->scale_den == 1)
        snprintf(scale, sizeof scale, "x%d", row->scale_num);
    else
        snprintf(scale, sizeof scale, "x%d/%d", row->scale_num, row->scale_den);
    if (row->speed > 0)
        snprintf(speed, sizeof speed, "%.3g MP/s", row->speed);
    pq_str_add_cell(s, row->name, 28);
    pq_str_printf(s, " %-9s %-5s %8s  ", row->architecture, row->problem ? "-" : scale,
                  row->bytes ? pq_size_text(row->bytes, size) : "?");
    pq_str_add_cell(s, pq_tr(row->licence), 12);
    pq_str_printf(s, " %-11s %s\n", speed, state_of(row));
}

void pq_row_json(struct pq_json *j, const struct pq_row *row)
{
    const struct pq_catalogue_entry *e = row->entry;
    const char *recommended = pq_catalogue_recommended();
    pq_json_string(j, "name", row->name);
    if (row->file)
        pq_json_string(j, "file", row->file);
    if (row->problem)
        pq_json_string(j, "problem", row->problem);
    else
        pq_json_string(j, "architecture", row->architecture);
    if (!row->problem && row->scale_den == 1)
        pq_json_int(j, "scale", row->scale_num);
    else if (!row->problem)
        pq_json_number(j, "scale", (double)row->scale_num / row->scale_den);
    if (row->bytes)
        pq_json_uint(j, "bytes", row->bytes);
    else
        pq_json_string(j, "bytes", NULL);
    pq_json_string(j, "sha256", row->sha256);
    pq_json_string(j, "licence", row->licence);
    pq_json_bool(j, "supported", row->usable);
    pq_json_bool(j, "installed", row->here);
    if (row->speed > 0)
        pq_json_number(j, "mpixels_per_second", row->speed);
    if (!e)
        return;
    pq_json_string(j, "title", e->title);
    pq_json_string(j, "licence_source", e->licence_source);
    pq_json_bool(j, "non_commercial", e->non_commercial);
    pq_json_string(j, "about", e->about);
    pq_json_string(j, "about_fr", e->about_fr);
    pq_json_bool(j, "default", strcmp(e->name, pq_catalogue_default()) == 0);
    pq_json_bool(j, "recommended", recommended && strcmp(e->name, recommended) == 0);
    pq_json_open(j, "variants", '[');
    for (size_t v = 0; v < e->variant_count; v++)
        pq_json_string(j, NULL, e->variants[v].name);
    pq_json_close(j, ']');
}
