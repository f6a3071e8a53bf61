/* SPDX-License-Identifier: MIT */
#include "model/statedict.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

void pq_statedict_free(struct pq_statedict *sd)
{
    for (size_t i = 0; i < sd->count; i++)
        pq_free(sd->tensors[i].name);
    for (size_t i = 0; i < sd->metadata_count; i++) {
        pq_free(sd->metadata[i].key);
        pq_free(sd->metadata[i].value);
    }
    for (size_t i = 0; i < sd->owned_count; i++)
        pq_free(sd->owned[i]);
    for (size_t i = 0; i < sd->global_count; i++)
        pq_free(sd->globals[i].name);
    pq_free(sd->tensors);
    pq_free(sd->globals);
    pq_free(sd->metadata);
    pq_free(sd->owned);
    for (size_t i = 0; i < sd->other_count; i++)
        pq_map_close(&sd->others[i]);
    pq_free(sd->others);
    pq_map_close(&sd->map);
    *sd = (struct pq_statedict){0};
}

const struct pq_tensor *pq_statedict_find(const struct pq_statedict *sd, const char *name)
{
    for (size_t i = 0; i < sd->count; i++) {
        if (strcmp(sd->tensors[i].name, name) == 0)
            return &sd->tensors[i].tensor;
    }
    return NULL;
}

int pq_statedict_add(struct pq_statedict *sd, const char *name, const struct pq_tensor *tensor,
                     pique_error *err)
{
    struct pq_named_tensor *tensors =
        pq_grown(sd->tensors, sd->count, &sd->capacity, sizeof *tensors);
    if (!tensors)
        return pq_fail_nomem(err, (sd->count + 1) * sizeof *tensors);
    sd->tensors = tensors;
    char *copy = pq_strdup(name);
    if (!copy)
        return pq_fail_nomem(err, strlen(name) + 1);
    sd->tensors[sd->count++] = (struct pq_named_tensor){.name = copy, .tensor = *tensor};
    return 0;
}

int pq_statedict_add_metadata(struct pq_statedict *sd, const char *key, const char *value,
                              pique_error *err)
{
    if (sd->metadata_count == sd->metadata_capacity) {
        size_t capacity = sd->metadata_capacity ? sd->metadata_capacity * 2 : 8;
        struct pq_pair *pairs = pq_realloc_array(sd->metadata, capacity, sizeof *pairs);
        if (!pairs)
            return pq_fail_nomem(err, capacity * sizeof *pairs);
        sd->metadata = pairs;
        sd->metadata_capacity = capacity;
    }
    struct pq_pair *pair = &sd->metadata[sd->metadata_count++];
    *pair = (struct pq_pair){.key = pq_strdup(key), .value = pq_strdup(value)};
    return pair->key && pair->value ? 0 : pq_fail_nomem(err, strlen(key) + strlen(value) + 2);
}

const char *pq_statedict_note(const struct pq_statedict *sd, const char *key)
{
    for (size_t i = 0; i < sd->metadata_count; i++) {
        if (strcmp(sd->metadata[i].key, key) == 0)
            return sd->metadata[i].value;
    }
    return NULL;
}

int pq_statedict_add_global(struct pq_statedict *sd, const char *name, uint64_t uses,
                            bool interpreted, pique_error *err)
{
    for (size_t i = 0; i < sd->global_count; i++) {
        if (strcmp(sd->globals[i].name, name) == 0) {
            sd->globals[i].uses += uses;
            return 0;
        }
    }
    struct pq_global *globals =
        pq_grown(sd->globals, sd->global_count, &sd->global_capacity, sizeof *globals);
    if (!globals)
        return pq_fail_nomem(err, (sd->global_count + 1) * sizeof *globals);
    sd->globals = globals;
    char *copy = pq_strdup(name);
    if (!copy)
        return pq_fail_nomem(err, strlen(name) + 1);
    sd->globals[sd->global_count++] =
        (struct pq_global){.name = copy, .uses = uses, .interpreted = interpreted};
    return 0;
}

int pq_statedict_own(struct pq_statedict *sd, size_t bytes, void **out, pique_error *err)
{
    if (sd->owned_count == sd->owned_capacity) {
        size_t capacity = sd->owned_capacity ? sd->owned_capacity * 2 : 8;
        void **owned = pq_realloc_array(sd->owned, capacity, sizeof *owned);
        if (!owned)
            return pq_fail_nomem(err, capacity * sizeof *owned);
        sd->owned = owned;
        sd->owned_capacity = capacity;
    }
    *out = pq_malloc(bytes);
    if (!*out)
        return pq_fail_nomem(err, bytes);
    sd->owned[sd->owned_count++] = *out;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int pq_statedict_open_beside(struct pq_statedict *sd, const char *name, const struct pq_map **out,
                             pique_error *err)
{
    struct pq_map *others =
        pq_grown(sd->others, sd->other_count, &sd->other_capacity, sizeof *others);
    if (!others)
        return pq_fail_nomem(err, (sd->other_count + 1) * sizeof *others);
    sd->others = others;
    int rc = pq_map_open_beside(sd->map.path, name, &others[sd->other_count], err);
    if (!rc)
        *out = &others[sd->other_count++];
    return rc;
}

int pq_statedict_check_names(const struct pq_statedict *sd, pique_error *err)
{
    const char **names = pq_calloc(sd->count, sizeof *names);
    int rc = 0;
    if (!names)
        return pq_fail_nomem(err, sd->count * sizeof *names);
    for (size_t i = 0; i < sd->count; i++)
        names[i] = sd->tensors[i].name;
    qsort(names, sd->count, sizeof *names, by_name);
    for (size_t i = 1; i < sd->count && !rc; i++) {
        if (strcmp(names[i - 1], names[i]) == 0)
            rc = pq_fail(err, PIQUE_EFORMAT, "%s: two tensors are named '%s'", sd->map.path,
                         names[i]);
    }
    pq_free(names);
    return rc;
}

/* ---- canonical names ---- */

static size_t count_with_prefix(const struct pq_statedict *sd, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; i < sd->count; i++)
        n += pq_starts_with(sd->tensors[i].name, prefix);
    return n;
}

/* "model.0.weight" and "net.0.weight" are how some networks name their layers: nothing is wrapped
 * there. Nor where a name would be left empty. */
static bool is_no_wrapper(const struct pq_statedict *sd, const char *prefix)
{
    bool list = strcmp(prefix, "model.") == 0 || strcmp(prefix, "net.") == 0;
    for (size_t i = 0; i < sd->count; i++) {
        char next = sd->tensors[i].name[strlen(prefix)];
        if (next == '\0' || (list && next >= '0' && next <= '9'))
            return true;
    }
    return false;
}

static void strip(struct pq_statedict *sd, const char *prefix)
{
    if (sd->count == 0 || count_with_prefix(sd, prefix) != sd->count || is_no_wrapper(sd, prefix))
        return;
    size_t n = strlen(prefix);
    for (size_t i = 0; i < sd->count; i++) {
        char *name = sd->tensors[i].name;
        memmove(name, name + n, strlen(name + n) + 1);
    }
}

/* Where all names start with one of the two: drop the second. */
static void prefer(struct pq_statedict *sd, const char *prefix, const char *over)
{
    size_t wanted = count_with_prefix(sd, prefix);
    if (wanted == 0 || wanted + count_with_prefix(sd, over) != sd->count)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < sd->count; i++) {
        if (pq_starts_with(sd->tensors[i].name, prefix))
            sd->tensors[kept++] = sd->tensors[i];
        else
            pq_free(sd->tensors[i].name);
    }
    sd->count = kept;
}

void pq_statedict_canonicalise(struct pq_statedict *sd)
{
    static const char *const wrappers[] = {"model_state_dict.",
                                           "state_dict.",
                                           "params_ema.",
                                           "params-ema.",
                                           "params.",
                                           "model.",
                                           "net.",
                                           "module.",
                                           "netG."};
    prefer(sd, "params_ema.", "params.");
    prefer(sd, "params-ema.", "params.");
    for (size_t i = 0; i < PQ_COUNT(wrappers); i++)
        strip(sd, wrappers[i]);
}

/* ---- questions ---- */

const char *pq_statedict_dtype(const struct pq_statedict *sd)
{
    uint64_t elements[PQ_DTYPES] = {0};
    for (size_t i = 0; i < sd->count; i++) {
        size_t n;
        if (pq_tensor_count(&sd->tensors[i].tensor, &n))
            elements[sd->tensors[i].tensor.dtype] += n;
    }
    enum pq_dtype most = PQ_F32;
    for (enum pq_dtype d = PQ_F32; d < PQ_DTYPES; d++) {
        if (elements[d] > elements[most])
            most = d;
    }
    return pq_dtype_name(most);
}

bool pq_text_ok(const char *text, size_t bytes)
{
    for (size_t i = 0, length; i < bytes; i += length ? length : 1) {
        char next[5] = {0}; /* the text need not end in NUL */
        memcpy(next, text + i, PQ_MIN(bytes - i, sizeof next - 1));
        length = pq_utf8_length(next);
        if (pq_is_control(next))
            return false;
    }
    return true;
}

bool pq_name_ok(const char *name)
{
    size_t n = strnlen(name, PQ_MAX_NAME + 1);
    return n > 0 && n <= PQ_MAX_NAME && pq_text_ok(name, n);
}
