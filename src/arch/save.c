/* SPDX-License-Identifier: MIT */
/* A model to a file: its weights under the names of its architecture, and where they came from. */
#include <string.h>

#include "arch/opened.h"
#include "base/alloc.h"
#include "base/str.h"
#include "model/save.h"
#include "pique/pique.h"

/* What is said anew in every file that is written. */
static bool is_ours(const char *key)
{
    static const char *const ours[] = {"format",         "source_sha256",  "pique_version",
                                       "blend_a_sha256", "blend_b_sha256", "blend_weight"};
    for (size_t i = 0; i < PQ_COUNT(ours); i++) {
        if (strcmp(key, ours[i]) == 0)
            return true;
    }
    return false;
}

/* Notes of a safetensors file go along; other files hold what only their own program asks for, but
 * for what says which network it is: that is in *out already. A
 * blend has three sentences about itself in place of one source. */
static int add_metadata(const pique_model *m, struct pq_statedict *out, pique_error *err)
{
    const struct pq_statedict *sd = &m->container.sd;
    bool blend = strcmp(m->container.name, "blend") == 0;
    bool keep = blend || strcmp(m->container.name, "safetensors") == 0;
    int rc = pq_statedict_add_metadata(out, "format", "pt", err);
    if (!rc && !blend)
        rc = pq_statedict_add_metadata(out, "source_sha256", pique_model_sha256(m), err);
    if (!rc)
        rc = pq_statedict_add_metadata(out, "pique_version", pique_version(), err);
    for (size_t i = 0; keep && i < sd->metadata_count && !rc; i++) {
        const char *key = sd->metadata[i].key;
        if ((blend || !is_ours(key)) && !pq_statedict_note(out, key))
            rc = pq_statedict_add_metadata(out, key, sd->metadata[i].value, err);
    }
    return rc;
}

/* Give what the caller's version of a struct has no room for its default. */
static void read_options(const pique_save_options *options, pique_save_options *full)
{
    *full = (pique_save_options){.size = sizeof *full};
    if (options)
        memcpy(full, options, PQ_MIN(options->size, sizeof *full));
}

/* An ONNX file says how its network is joined, so that any names do: those of the file that it came
 * from where those of the architecture are not known. */
static int names_for_graph(const pique_model *m, struct pq_statedict *out, pique_error *err)
{
    const struct pq_statedict *sd = &m->container.sd;
    pique_error ignored;
    int rc = pq_model_names(m, out, &ignored);
    if (!rc || rc == PIQUE_ENOMEM)
        return rc ? pq_fail_nomem(err, sd->count * sizeof *sd->tensors) : 0;
    pq_statedict_free(out);
    out->map.path = pq_strdup(m->path);
    rc = out->map.path ? 0 : pq_fail_nomem(err, strlen(m->path) + 1);
    for (size_t i = 0; i < sd->count && !rc; i++)
        rc = pq_statedict_add(out, sd->tensors[i].name, &sd->tensors[i].tensor, err);
    return rc;
}

int pique_model_save(const pique_model *model, const char *path, const pique_save_options *options,
                     pique_error *err)
{
    if (!model || !path || (options && options->size < sizeof options->size))
        return pq_fail(err, PIQUE_EINVAL,
                       "pique_model_save: model and path must not be NULL, options->size be set");
    for (size_t i = 0; i < model->file_count; i++) {
        if (pq_same_file(model->files[i], path))
            return pq_fail(err, PIQUE_ECREATE, "%s: is the model itself, which is not replaced",
                           path);
    }
    pique_save_options o;
    struct pq_statedict sd;
    read_options(options, &o);
    int rc = pq_ends_with(path, ".onnx") ? names_for_graph(model, &sd, err)
                                         : pq_model_names(model, &sd, err);
    if (!rc)
        rc = add_metadata(model, &sd, err);
    struct pq_saving saving = {
        .sd = &sd, .graph = pq_model_graph(model), .half = o.half, .cancel = o.cancel};
    if (!rc)
        rc = pq_save(&saving, path, o.overwrite, err);
    pq_statedict_free(&sd);
    return rc;
}
