/* SPDX-License-Identifier: MIT */
/* pique models: the catalogue and the models folder, without opening a single model, so that the
 * answer is there at once. pique models info: one model, opened and told in full. */
#include <dirent.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/catalogue.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/names.h"
#include "pique/pique.h"

/* ---- files that the catalogue does not know ---- */

static bool is_named(const struct pq_catalogue_file *file, const char *name)
{
    return strcmp(file->name, name) == 0;
}

/* Whether a name ends as those of model files do; of an ncnn pair the .param counts. */
static bool is_model_name(const char *name)
{
    static const char *const suffixes[] = {".safetensors", ".param", ".pth", ".pt", ".ckpt"};
    for (size_t i = 0; i < PQ_COUNT(suffixes); i++) {
        if (pq_ends_with(name, suffixes[i]))
            return true;
    }
    return false;
}

/* Model files of the folder by their names. */
static void list_other_files(const char *folder, struct pq_names *names)
{
    DIR *d = opendir(folder);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (is_model_name(e->d_name) && e->d_name[0] != '.' &&
            !pq_catalogue_any_file(is_named, e->d_name) && !pq_names_add(names, e->d_name))
            break;
    }
    closedir(d);
    pq_names_sort(names);
}

/* Text from a file or its name, harmless and at least so wide. */
static void add_shown(struct pq_str *s, const char *text, int width)
{
    size_t before = s->length;
    pq_str_add_shown(s, text);
    int used = (int)(s->length - before);
    pq_str_printf(s, "%*s", PQ_MAX(width - used, 0), "");
}

/* ---- the list ---- */

static bool installed(const char *folder, const struct pq_catalogue_entry *e)
{
    return e->variant_count && pq_catalogue_installed(folder, &e->variants[0]);
}

static void add_entry(struct pq_str *s, const struct pq_catalogue_entry *e, bool here)
{
    char size[24];
    pq_str_printf(s, "%-28s %-8s x%-4d %8s  %-12s %s\n", e->name, e->architecture, e->scale,
                  pq_size_text(e->bytes, size), e->licence,
                  here ? (e->supported ? "installed" : "here, not usable yet")
                       : (e->supported ? "not here" : "not usable yet"));
}

static void add_entry_json(struct pq_json *j, const struct pq_catalogue_entry *e, bool here)
{
    pq_json_open(j, NULL, '{');
    pq_json_string(j, "name", e->name);
    pq_json_string(j, "architecture", e->architecture);
    pq_json_int(j, "scale", e->scale);
    pq_json_uint(j, "bytes", e->bytes);
    pq_json_string(j, "licence", e->licence);
    pq_json_string(j, "licence_source", e->licence_source);
    pq_json_bool(j, "non_commercial", e->non_commercial);
    pq_json_string(j, "about", e->about);
    pq_json_bool(j, "supported", e->supported);
    pq_json_bool(j, "installed", here);
    pq_json_bool(j, "default", strcmp(e->name, pq_catalogue_default()) == 0);
    pq_json_open(j, "variants", '[');
    for (size_t v = 0; v < e->variant_count; v++)
        pq_json_string(j, NULL, e->variants[v].name);
    pq_json_close(j, ']');
    pq_json_close(j, '}');
}

static void list_text(struct pq_str *s, const char *folder, const struct pq_names *others)
{
    pq_str_printf(s, "%-28s %-8s %-5s %8s  %-12s %s\n", "NAME", "NETWORK", "SCALE", "SIZE",
                  "LICENCE", "STATE");
    for (size_t i = 0; i < pq_catalogue_count(); i++) {
        const struct pq_catalogue_entry *e = pq_catalogue_at(i);
        add_entry(s, e, installed(folder, e));
    }
    for (size_t i = 0; i < others->count; i++) {
        add_shown(s, others->list[i], 28);
        pq_str_add(s, " own file; pique models info tells more\n");
    }
    pq_str_add(s, "\nFolder: ");
    add_shown(s, folder, 0);
    pq_str_printf(s, "\nDefault: %s\n", pq_catalogue_default());
    pq_str_add(s,
               "pique models fetch NAME gets a model, pique models info NAME tells all of it.\n");
}

static void list_json(struct pq_str *s, const char *folder, const struct pq_names *others)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "folder", folder);
    pq_json_open(&j, "models", '[');
    for (size_t i = 0; i < pq_catalogue_count(); i++) {
        const struct pq_catalogue_entry *e = pq_catalogue_at(i);
        add_entry_json(&j, e, installed(folder, e));
    }
    pq_json_close(&j, ']');
    pq_json_open(&j, "files", '[');
    for (size_t i = 0; i < others->count; i++)
        pq_json_string(&j, NULL, others->list[i]);
    pq_json_close(&j, ']');
    pq_json_close(&j, '}');
    pq_json_take_line(&j, s);
}

/* For completions: one a line, so not the names that could not be one. */
static void list_names(struct pq_str *s, const char *folder, const struct pq_names *others)
{
    pq_str_add(s, "");
    for (size_t i = 0; i < pq_catalogue_count(); i++) {
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
    for (size_t i = 0; i < others->count; i++) {
        const char *dot = strrchr(others->list[i], '.');
        if (!strpbrk(others->list[i], "\r\n"))
            pq_str_printf(s, "%.*s\n", (int)(dot - others->list[i]), others->list[i]);
    }
}

int pq_cli_models(const struct pq_options *o)
{
    struct pq_str text = {0};
    struct pq_names others = {0};
    char *folder = pq_models_folder();
    if (folder) {
        list_other_files(folder, &others);
        if (pq_given(o, PQ_OPT_NAMES))
            list_names(&text, folder, &others);
        else if (pq_given(o, PQ_OPT_JSON))
            list_json(&text, folder, &others);
        else
            list_text(&text, folder, &others);
    }
    text.failed |= !folder;
    pq_names_free(&others);
    pq_free(folder);
    return pq_cli_print(&text);
}

/* ---- one model ---- */

static void add_shape(struct pq_str *s, const pique_tensor_info *t)
{
    for (int d = 0; d < t->dims; d++)
        pq_str_printf(s, "%s%" PRId64, d ? "x" : "", t->shape[d]);
    if (t->dims == 0)
        pq_str_add(s, "scalar");
}

/* What a PyTorch file names, for whoever wants to look at it before trusting it. */
static void add_globals(struct pq_str *s, const pique_model *model)
{
    pique_global_info g = {.size = sizeof g};
    for (size_t i = 0; pique_model_get_global(model, i, &g, NULL) == 0; i++) {
        pq_str_add(s, i ? "" : "\npickle globals\n");
        pq_str_printf(s, "%6" PRIu64 " x  %-11s  ", g.uses, g.role);
        add_shown(s, g.name, 0);
        pq_str_add(s, "\n");
    }
}

static void info_text(struct pq_str *s, const pique_model *model, const pique_model_info *m,
                      const struct pq_catalogue_entry *e)
{
    char size[24];
    pq_str_add(s, "file           ");
    add_shown(s, m->path, 0);
    pq_str_printf(s, " (%s, %s)\n", pq_size_text(m->file_bytes, size), m->container);
    pq_str_printf(s, "sha256         %s\n", pique_model_sha256(model));
    pq_str_printf(s, "architecture   %s\n", m->architecture);
    if (m->scale_den == 1)
        pq_str_printf(s, "scale          %d\n", m->scale_num);
    else
        pq_str_printf(s, "scale          %d/%d\n", m->scale_num, m->scale_den);
    pq_str_printf(s, "channels       %d in, %d out\n", m->in_channels, m->out_channels);
    if (m->features)
        pq_str_printf(s, "features       %d\n", m->features);
    pq_str_printf(s, "convolutions   %d\n", m->convolutions);
    pq_str_printf(s, "parameters     %" PRIu64 " (%s)\n", m->parameters, m->dtype);
    pq_str_printf(s, "work           %.1f kFLOP a pixel of the input\n",
                  (double)m->flops_per_pixel / 1e3);
    pq_str_printf(s, "reach          %d pixels to each side\n", m->receptive_radius);
    if (e) {
        pq_str_printf(s, "known as       %s: %s\n", e->name, e->about);
        pq_str_printf(s, "licence        %s%s\n", e->licence,
                      e->non_commercial ? ", not for commercial use" : "");
    }
    const char *key, *value;
    for (size_t i = 0; pique_model_get_metadata(model, i, &key, &value) == 0; i++) {
        pq_str_add(s, i ? "" : "\nmetadata\n");
        add_shown(s, key, 14);
        pq_str_add(s, " ");
        add_shown(s, value, 0);
        pq_str_add(s, "\n");
    }
    add_globals(s, model);
    pq_str_printf(s, "\n%zu tensors\n", m->tensor_count);
    pique_tensor_info t = {.size = sizeof t};
    for (size_t i = 0; pique_model_get_tensor(model, i, &t, NULL) == 0; i++) {
        add_shown(s, t.name, 34);
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
    pq_json_string(&j, "sha256", pique_model_sha256(model));
    if (e) {
        pq_json_string(&j, "name", e->name);
        pq_json_string(&j, "about", e->about);
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
    bool path = strchr(name, '/') || is_model_name(name) || pq_ends_with(name, ".bin") ||
                pq_ends_with(name, ".onnx");
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
