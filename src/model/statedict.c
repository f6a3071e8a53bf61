/* SPDX-License-Identifier: MIT */
#include "model/statedict.h"

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
    pq_free(sd->tensors);
    pq_free(sd->metadata);
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

bool pq_name_ok(const char *name)
{
    size_t n = strnlen(name, PQ_MAX_NAME + 1);
    if (n == 0 || n > PQ_MAX_NAME)
        return false;
    for (size_t i = 0, length; i < n; i += length ? length : 1) {
        length = pq_utf8_length(name + i);
        if (pq_is_control(name + i))
            return false;
    }
    return true;
}
