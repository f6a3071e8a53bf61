/* SPDX-License-Identifier: MIT */
/* pique models: the catalogue and the models folder. A file is opened when it is first seen and
 * remembered, so that the answer is there at once. pique models info: one model, in full. */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/lang.h"
#include "cli/catalogue.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/listing.h"
#include "pique/pique.h"

/* ---- the list ---- */

static void list_text(struct pq_str *s, const struct pq_listing *l)
{
    const char *recommended = pq_catalogue_recommended();
    bool problems = false;
    pq_row_heading(s);
    for (size_t i = 0; i < l->count; i++) {
        pq_row_text(s, &l->rows[i]);
        problems |= l->rows[i].problem != NULL;
    }
    pq_str_add(s, pq_tr("\nFolder: "));
    pq_str_add_shown(s, l->folder);
    pq_str_printf(s, pq_tr("\nDefault: %s\n"), pq_catalogue_default());
    if (recommended)
        pq_str_printf(s, pq_tr("Recommended for anime: %s\n"), recommended);
    for (size_t i = 0; i < l->notes.count; i++) {
        pq_str_add(s, pq_tr("Note: "));
        pq_str_add_shown(s, l->notes.list[i]);
        pq_str_add(s, "\n");
    }
    if (problems)
        pq_str_add(s, pq_tr("pique models info NAME says why a file cannot be opened.\n"));
    pq_str_add(
        s,
        pq_tr("pique models fetch NAME gets a model, pique models info NAME tells all of it.\n"));
}

static void list_json(struct pq_str *s, const struct pq_listing *l)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "folder", l->folder);
    pq_json_open(&j, "models", '[');
    for (size_t i = 0; i < l->count; i++) {
        if (!l->rows[i].entry)
            continue;
        pq_json_open(&j, NULL, '{');
        pq_row_json(&j, &l->rows[i]);
        pq_json_close(&j, '}');
    }
    pq_json_close(&j, ']');
    pq_json_open(&j, "files", '[');
    for (size_t i = 0; i < l->count; i++) {
        if (!l->rows[i].entry)
            pq_json_string(&j, NULL, l->rows[i].file);
    }
    pq_json_close(&j, ']');
    pq_json_open(&j, "own", '[');
    for (size_t i = 0; i < l->count; i++) {
        if (l->rows[i].entry)
            continue;
        pq_json_open(&j, NULL, '{');
        pq_row_json(&j, &l->rows[i]);
        pq_json_close(&j, '}');
    }
    pq_json_close(&j, ']');
    pq_json_open(&j, "notes", '[');
    for (size_t i = 0; i < l->notes.count; i++)
        pq_json_string(&j, NULL, l->notes.list[i]);
    pq_json_close(&j, ']');
    pq_json_close(&j, '}');
    pq_json_take_line(&j, s);
}

static bool is_named(const struct pq_catalogue_file *file, const char *name)
{
    return strcmp(file->name, name) == 0;
}

/* For completions: one a line, so not the names that could not be one; and without a look into any
 * file. */
static int list_names(struct pq_str *s, const char *folder, pique_error *err)
{
    struct pq_shelf shelf;
    int rc = pq_shelf_scan(folder, &shelf, err);
    pq_str_add(s, "");
    for (size_t i = 0; !rc && i < pq_catalogue_count(); i++) {
        const struct pq_catalogue_entry *e = pq_catalogue_at(i);
        for (size_t v = 0; v < e->variant_count; v++) {
            if (!pq_catalogue_installed(folder, &e->variants[v]))
                continue;
            if (v == 0)
                pq_str_printf(s, "%s\n", e->name);
            if (strcmp(e->variants[v].name, e->name) != 0)
                pq_str_printf(s, "%s\n", e->variants[v].name);
        }
    }
    for (size_t i = 0; !rc && i < shelf.count; i++) {
        const char *name = shelf.files[i].name;
        if (!strpbrk(name, "\r\n") && !pq_catalogue_any_file(is_named, name))
            pq_str_printf(s, "%.*s\n", (int)pq_model_stem(name), name);
    }
    if (!rc)
        pq_shelf_free(&shelf);
    return rc;
}

int pq_cli_models_json(struct pq_str *out)
{
    pique_error err;
    struct pq_listing listing = {0};
    char *folder = pq_models_folder();
    int rc = folder ? pq_listing_make(&listing, folder, &err) : pq_fail_nomem(&err, 256);
    if (!rc)
        list_json(out, &listing);
    pq_listing_free(&listing);
    pq_free(folder);
    return rc;
}

int pq_cli_models(const struct pq_options *o)
{
    pique_error err;
    struct pq_str text = {0};
    struct pq_listing listing = {0};
    if (pq_given(o, PQ_OPT_WATCH))
        return pq_cli_models_watch(o);
    char *folder = pq_models_folder();
    int rc = folder ? 0 : pq_fail_nomem(&err, 256);
    if (!rc && pq_given(o, PQ_OPT_NAMES))
        rc = list_names(&text, folder, &err);
    else if (!rc)
        rc = pq_listing_make(&listing, folder, &err);
    if (!rc && pq_given(o, PQ_OPT_JSON) && !pq_given(o, PQ_OPT_NAMES))
        list_json(&text, &listing);
    else if (!rc && !pq_given(o, PQ_OPT_NAMES))
        list_text(&text, &listing);
    pq_listing_free(&listing);
    pq_free(folder);
    if (rc) {
        pq_str_free(&text);
        return pq_cli_fail(&err);
    }
    return pq_cli_print(&text);
}

/* ---- one model ---- */

static void add_shape(struct pq_str *s, const pique_tensor_info *t)
{
    for (int d = 0; d < t->dims; d++)
        pq_str_printf(s, "%s%" PRId64, d ? "x" : "", t->shape[d]);
    if (t->dims == 0)
        pq_str_add(s, pq_tr("scalar"));
}

/* What a PyTorch file names, for whoever wants to look at it before trusting it. */
static void add_globals(struct pq_str *s, const pique_model *model)
{
    pique_global_info g = {.size = sizeof g};
    for (size_t i = 0; pique_model_get_global(model, i, &g, NULL) == 0; i++) {
        pq_str_add(s, i ? "" : pq_tr("\npickle globals\n"));
        pq_str_printf(s, "%6" PRIu64 " x  %-11s  ", g.uses, g.role);
        pq_str_add_shown(s, g.name);
        pq_str_add(s, "\n");
    }
}

static void add_tier(struct pq_str *s, const char *tier, const char *unsafe)
{
    pq_str_printf(s, "%-14s %s%s\n", tier, unsafe ? pq_tr("not safe: ") : pq_tr("safe"),
                  unsafe ? pq_tr(unsafe) : "");
}

static void info_text(struct pq_str *s, const pique_model *model, const pique_model_info *m,
                      const struct pq_catalogue_entry *e)
{
    char size[24];
    pq_str_add(s, pq_tr("file           "));
    pq_str_add_shown(s, m->path);
    pq_str_printf(s, " (%s, %s)\n", pq_size_text(m->file_bytes, size), m->container);
    pq_str_printf(s, pq_tr("sha256         %s\n"), pique_model_sha256(model));
    pq_str_printf(s, pq_tr("architecture   %s\n"), m->architecture);
    if (m->scale_den == 1)
        pq_str_printf(s, pq_tr("scale          %d\n"), m->scale_num);
    else
        pq_str_printf(s, pq_tr("scale          %d/%d\n"), m->scale_num, m->scale_den);
    pq_str_printf(s, pq_tr("channels       %d in, %d out\n"), m->in_channels, m->out_channels);
    if (m->features)
        pq_str_printf(s, pq_tr("features       %d\n"), m->features);
    pq_str_printf(s, pq_tr("convolutions   %d\n"), m->convolutions);
    pq_str_printf(s, pq_tr("parameters     %" PRIu64 " (%s)\n"), m->parameters, m->dtype);
    pq_str_printf(s, pq_tr("work           %.1f kFLOP a pixel of the input\n"),
                  (double)m->flops_per_pixel / 1e3);
    if (m->receptive_radius < 0)
        pq_str_add(s, pq_tr("reach          the whole picture\n"));
    else
        pq_str_printf(s, pq_tr("reach          %d pixels to each side\n"), m->receptive_radius);
    add_tier(s, "fp16", m->fp16_unsafe);
    add_tier(s, "bf16", m->bf16_unsafe);
    add_tier(s, "int16", m->int16_unsafe);
    if (e) {
        pq_str_printf(s, pq_tr("known as       %s: %s\n"), e->name,
                      pq_lang() == PQ_LANG_FR ? e->about_fr : e->about);
        pq_str_printf(s, pq_tr("licence        %s%s\n"), e->licence,
                      e->non_commercial ? pq_tr(", not for commercial use") : "");
    }
    const char *key, *value;
    for (size_t i = 0; pique_model_get_metadata(model, i, &key, &value) == 0; i++) {
        pq_str_add(s, i ? "" : pq_tr("\nmetadata\n"));
        pq_str_add_cell(s, key, 14);
        pq_str_add(s, " ");
        pq_str_add_shown(s, value);
        pq_str_add(s, "\n");
    }
    add_globals(s, model);
    pq_str_printf(s, pq_tr("\n%zu tensors\n"), m->tensor_count);
    pique_tensor_info t = {.size = sizeof t};
    int width = 0;
    for (size_t i = 0; pique_model_get_tensor(model, i, &t, NULL) == 0; i++)
        width = PQ_MAX(width, (int)PQ_MIN(strlen(t.name), 100));
    for (size_t i = 0; pique_model_get_tensor(model, i, &t, NULL) == 0; i++) {
        pq_str_add_cell(s, t.name, width);
        pq_str_printf(s, " %-5s ", t.dtype);
        add_shape(s, &t);
        pq_str_add(s, "\n");
    }
}

static void info_json(struct pq_str *s, const pique_model *model, const pique_model_info *m,
                      const struct pq_catalogue_entry *e)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "path", m->path);
    pq_json_string(&j, "container", m->container);
    pq_json_string(&j, "architecture", m->architecture);
    pq_json_int(&j, "scale_num", m->scale_num);
    pq_json_int(&j, "scale_den", m->scale_den);
    pq_json_int(&j, "in_channels", m->in_channels);
    pq_json_int(&j, "out_channels", m->out_channels);
    pq_json_int(&j, "features", m->features);
    pq_json_int(&j, "convolutions", m->convolutions);
    pq_json_int(&j, "receptive_radius", m->receptive_radius);
    pq_json_uint(&j, "parameters", m->parameters);
    pq_json_uint(&j, "flops_per_pixel", m->flops_per_pixel);
    pq_json_uint(&j, "file_bytes", m->file_bytes);
    pq_json_string(&j, "dtype", m->dtype);
    pq_json_bool(&j, "fp16_safe", !m->fp16_unsafe);
    pq_json_bool(&j, "bf16_safe", !m->bf16_unsafe);
    pq_json_bool(&j, "int16_safe", !m->int16_unsafe);
    if (m->fp16_unsafe)
        pq_json_string(&j, "fp16_unsafe", m->fp16_unsafe);
    if (m->bf16_unsafe)
        pq_json_string(&j, "bf16_unsafe", m->bf16_unsafe);
    if (m->int16_unsafe)
        pq_json_string(&j, "int16_unsafe", m->int16_unsafe);
    pq_json_string(&j, "sha256", pique_model_sha256(model));
    if (e) {
        pq_json_string(&j, "name", e->name);
        pq_json_string(&j, "about", e->about);
        pq_json_string(&j, "about_fr", e->about_fr);
        pq_json_string(&j, "licence", e->licence);
        pq_json_bool(&j, "non_commercial", e->non_commercial);
    }
    const char *key, *value;
    pq_json_open(&j, "metadata", '{');
    for (size_t i = 0; pique_model_get_metadata(model, i, &key, &value) == 0; i++)
        pq_json_string(&j, key, value);
    pq_json_close(&j, '}');
    pq_json_open(&j, "globals", '[');
    pique_global_info g = {.size = sizeof g};
    for (size_t i = 0; pique_model_get_global(model, i, &g, NULL) == 0; i++) {
        pq_json_open(&j, NULL, '{');
        pq_json_string(&j, "name", g.name);
        pq_json_uint(&j, "uses", g.uses);
        pq_json_string(&j, "role", g.role);
        pq_json_close(&j, '}');
    }
    pq_json_close(&j, ']');
    pq_json_open(&j, "tensors", '[');
    pique_tensor_info t = {.size = sizeof t};
    for (size_t i = 0; pique_model_get_tensor(model, i, &t, NULL) == 0; i++) {
        pq_json_open(&j, NULL, '{');
        pq_json_string(&j, "name", t.name);
        pq_json_string(&j, "dtype", t.dtype);
        pq_json_open(&j, "shape", '[');
        for (int d = 0; d < t.dims; d++)
            pq_json_int(&j, NULL, t.shape[d]);
        pq_json_close(&j, ']');
        pq_json_close(&j, '}');
    }
    pq_json_close(&j, ']');
    pq_json_close(&j, '}');
    pq_json_take_line(&j, s);
}

int pq_cli_model_exit(const char *name, int status)
{
    bool path = strchr(name, '/') || pq_is_model_name(name) || pq_ends_with(name, ".bin");
    return status == PIQUE_ENOENT && !path ? PQ_EXIT_UNAVAILABLE : pq_exit_of(status);
}

int pq_cli_models_info(const struct pq_options *o)
{
    const char *name = o->operands[0];
    struct pq_str text = {0};
    pique_error err;
    pique_model *model;
    pique_model_info info = {.size = sizeof info};
    int status = 0;
    if (pq_cli_model_open(name, &model, &status, &err)) {
        pq_cli_fail(&err);
        return status;
    }
    (void)pique_model_get_info(model, &info, NULL); /* can only fail on arguments */
    if (pq_given(o, PQ_OPT_JSON))
        info_json(&text, model, &info, pq_catalogue_find(name, NULL));
    else
        info_text(&text, model, &info, pq_catalogue_find(name, NULL));
    pique_model_close(&model);
    return pq_cli_print(&text);
}
