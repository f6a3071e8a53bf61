/* SPDX-License-Identifier: MIT */
/* The public face of a model: opened, recognised, checked, described. */
#include "arch/opened.h"

#include <string.h>

#include "arch/arch.h"
#include "arch/border.h"
#include "base/alloc.h"

const struct pq_graph *pq_model_graph(const pique_model *model)
{
    return model->own_graph ? model->own_graph : model->container.graph;
}

void pq_model_rest(const pique_model *model)
{
    const struct pq_statedict *sd = &model->container.sd;
    pq_map_rest(&sd->map);
    for (size_t i = 0; i < sd->other_count; i++)
        pq_map_rest(&sd->others[i]);
}

const struct pq_tiers *pq_model_tiers(const pique_model *model)
{
    return &model->tiers;
}

/* ---- opening ---- */

static int recognise(pique_model *m, pique_error *err)
{
    if (m->container.graph) {
        m->architecture = pq_arch_of_graph(m->container.graph, &m->features);
        if (strcmp(m->container.name, "ncnn") != 0)
            return 0;
        return pq_border_frame(m->container.graph, m->path, &m->own_graph, err);
    }
    int rc = pq_arch_build(&m->container.sd, &m->own_graph, &m->architecture, err);
    if (!rc)
        pq_arch_of_graph(m->own_graph, &m->features);
    return rc;
}

/* A picture goes in and the same kind of picture comes out. */
static int check_channels(const pique_model *m, pique_error *err)
{
    int in = m->facts.in_channels, out = m->facts.out_channels;
    if (in != out || (in != 1 && in != 3 && in != 4))
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: the network turns %d channels into %d; 1 to 1, 3 to 3 and 4 to 4 can "
                       "be run",
                       m->path, in, out);
    return 0;
}

int pq_model_new(const char *path, pique_model **out, pique_error *err)
{
    pique_model *m = pq_calloc(1, sizeof *m);
    *out = m;
    if (!m)
        return pq_fail_nomem(err, sizeof *m);
    pthread_mutex_init(&m->hash_lock, NULL);
    m->path = pq_strdup(path);
    return m->path ? 0 : pq_fail_nomem(err, strlen(path) + 1);
}

static int add_file(pique_model *m, const char *path, pique_error *err)
{
    char **files = pq_realloc_array(m->files, m->file_count + 1, sizeof *files);
    if (!files)
        return pq_fail_nomem(err, (m->file_count + 1) * sizeof *files);
    m->files = files;
    char *copy = pq_strdup(path);
    if (!copy)
        return pq_fail_nomem(err, strlen(path) + 1);
    files[m->file_count++] = copy;
    return 0;
}

int pq_model_add_files(pique_model *m, const pique_model *from, pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < from->file_count && !rc; i++)
        rc = add_file(m, from->files[i], err);
    return rc;
}

int pq_model_finish(pique_model *m, pique_error *err)
{
    int rc = recognise(m, err);
    if (rc)
        return rc;
    pq_graph_facts(pq_model_graph(m), &m->facts);
    pq_tiers_of(m->architecture, pq_model_graph(m), &m->tiers);
    return check_channels(m, err);
}

/* What refuses an operation does not know of which file it is. The other half of an ncnn model is
 * called the same up to the dot. */
static void name_file(const char *path, pique_error *err)
{
    const char *dot = strrchr(path, '.');
    size_t n = dot ? (size_t)(dot - path) : strlen(path);
    char *stem = pq_strndup(path, n);
    if (stem && !strstr(err->message, stem))
        pq_fail(err, err->code, "%s: %s", path, err->message);
    pq_free(stem);
}

int pique_model_open(const char *path, pique_model **out, pique_error *err)
{
    if (out)
        *out = NULL;
    if (!path || !out)
        return pq_fail(err, PIQUE_EINVAL, "pique_model_open: path and out must not be NULL");
    int rc = pq_model_new(path, out, err);
    if (!rc)
        rc = add_file(*out, path, err);
    if (!rc)
        rc = pq_container_open(path, &(*out)->container, err);
    if (!rc)
        rc = pq_model_finish(*out, err);
    if (rc && err)
        name_file(path, err);
    if (rc)
        pique_model_close(out);
    return rc;
}

void pique_model_close(pique_model **model)
{
    if (!model || !*model)
        return;
    pique_model *m = *model;
    pq_graph_free(&m->own_graph);
    pq_container_close(&m->container);
    pthread_mutex_destroy(&m->hash_lock);
    for (size_t i = 0; i < m->file_count; i++)
        pq_free(m->files[i]);
    pq_free(m->files);
    pq_free(m->path);
    pq_free(m);
    *model = NULL;
}

/* ---- describing ---- */

const char *pique_model_sha256(const pique_model *model)
{
    pique_model *m = (pique_model *)model; /* what is cached does not change what it is */
    const struct pq_map *map = &m->container.sd.map;
    pthread_mutex_lock(&m->hash_lock);
    if (!m->sha256[0])
        pq_sha256(map->data, map->size, m->sha256);
    pthread_mutex_unlock(&m->hash_lock);
    return m->sha256;
}

/* Fill what the caller's version of a struct has room for. */
static void copy_info(void *to, const void *from, size_t theirs, size_t ours)
{
    memcpy((char *)to + sizeof(size_t), (const char *)from + sizeof(size_t),
           PQ_MIN(theirs, ours) - sizeof(size_t));
}

int pique_model_get_info(const pique_model *model, pique_model_info *info, pique_error *err)
{
    if (!model || !info || info->size < sizeof info->size)
        return pq_fail(err, PIQUE_EINVAL, "pique_model_get_info: info->size is not set");
    const struct pq_statedict *sd = &model->container.sd;
    pique_model_info full = {
        .path = model->path,
        .container = model->container.name,
        .architecture = model->architecture,
        .scale_num = model->facts.num,
        .scale_den = model->facts.den,
        .in_channels = model->facts.in_channels,
        .out_channels = model->facts.out_channels,
        .features = model->features,
        .convolutions = model->facts.convolutions,
        .receptive_radius = model->facts.radius,
        .parameters = model->facts.parameters,
        .flops_per_pixel = model->facts.flops_per_pixel,
        .file_bytes = model->container.file_bytes,
        .dtype = pq_statedict_dtype(sd),
        .tensor_count = sd->count,
        .fp16_unsafe = model->tiers.fp16,
        .bf16_unsafe = model->tiers.bf16,
        .int16_unsafe = model->tiers.int16,
    };
    copy_info(info, &full, info->size, sizeof full);
    return 0;
}

int pique_model_get_tensor(const pique_model *model, size_t i, pique_tensor_info *info,
                           pique_error *err)
{
    if (!model || !info || info->size < sizeof info->size)
        return pq_fail(err, PIQUE_EINVAL, "pique_model_get_tensor: info->size is not set");
    const struct pq_statedict *sd = &model->container.sd;
    if (i >= sd->count)
        return pq_fail(err, PIQUE_EINVAL, "%s: has no tensor %zu, it has %zu", model->path, i,
                       sd->count);
    const struct pq_tensor *t = &sd->tensors[i].tensor;
    pique_tensor_info full = {
        .name = sd->tensors[i].name, .dtype = pq_dtype_name(t->dtype), .dims = t->dims};
    memcpy(full.shape, t->shape, sizeof full.shape);
    copy_info(info, &full, info->size, sizeof full);
    return 0;
}

int pique_model_get_metadata(const pique_model *model, size_t i, const char **key,
                             const char **value)
{
    if (!model || !key || !value || i >= model->container.sd.metadata_count)
        return PIQUE_EINVAL;
    *key = model->container.sd.metadata[i].key;
    *value = model->container.sd.metadata[i].value;
    return 0;
}

int pique_model_get_global(const pique_model *model, size_t i, pique_global_info *info,
                           pique_error *err)
{
    if (!model || !info || info->size < sizeof info->size)
        return pq_fail(err, PIQUE_EINVAL, "pique_model_get_global: info->size is not set");
    const struct pq_statedict *sd = &model->container.sd;
    if (i >= sd->global_count)
        return pq_fail(err, PIQUE_EINVAL, "%s: names no function or class %zu, it names %zu",
                       model->path, i, sd->global_count);
    const struct pq_global *g = &sd->globals[i];
    pique_global_info full = {
        .name = g->name, .uses = g->uses, .role = g->interpreted ? "interpreted" : "opaque"};
    copy_info(info, &full, info->size, sizeof full);
    return 0;
}
