/* SPDX-License-Identifier: MIT */
#include "arch/take.h"

#include <stddef.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/lang.h"

int pq_arch_tensor(const struct pq_statedict *sd, const char *name, int dims, const int64_t *shape,
                   const struct pq_tensor **out, pique_error *err)
{
    const struct pq_tensor *t = pq_statedict_find(sd, name);
    if (!t)
        return pq_fail(err, PIQUE_EFORMAT, "%s: tensor '%s' is missing", sd->map.path, name);
    if (!pq_tensor_is(t, dims, shape)) {
        struct pq_tensor wanted = {.dims = dims};
        for (int i = 0; i < dims; i++)
            wanted.shape[i] = shape[i];
        char is[96], should[96];
        return pq_fail(err, PIQUE_EFORMAT, "%s: tensor '%s' has shape %s, not %s", sd->map.path,
                       name, pq_tensor_shape_text(t, is, sizeof is),
                       pq_tensor_shape_text(&wanted, should, sizeof should));
    }
    if (t->dtype == PQ_I64 || t->dtype == PQ_I32)
        return pq_fail(err, PIQUE_EFORMAT, "%s: tensor '%s' holds integers (%s), not weights",
                       sd->map.path, name, pq_dtype_name(t->dtype));
    *out = t;
    return 0;
}

int pq_taking_begin(struct pq_taking *taking, const struct pq_statedict *sd, pique_error *err)
{
    *taking = (struct pq_taking){sd, pq_calloc(sd->count, sizeof(bool))};
    return taking->taken ? 0 : pq_fail_nomem(err, sd->count * sizeof(bool));
}

void pq_taking_end(struct pq_taking *taking)
{
    pq_free(taking->taken);
    *taking = (struct pq_taking){0};
}

static void note(struct pq_taking *taking, const struct pq_tensor *t)
{
    const char *entry = (const char *)t - offsetof(struct pq_named_tensor, tensor);
    taking->taken[(const struct pq_named_tensor *)(const void *)entry - taking->sd->tensors] = true;
}

enum { NAME = 128 }; /* bytes; no architecture has longer names */

int pq_take(struct pq_taking *taking, const char *stem, const char *part, int dims,
            const int64_t *shape, const struct pq_tensor **out, pique_error *err)
{
    char name[NAME];
    snprintf(name, sizeof name, "%s%s", stem, part);
    int rc = pq_arch_tensor(taking->sd, name, dims, shape, out, err);
    if (!rc)
        note(taking, *out);
    return rc;
}

bool pq_take_any(struct pq_taking *taking, const char *stem, const char *part)
{
    char name[NAME];
    snprintf(name, sizeof name, "%s%s", stem, part);
    const struct pq_tensor *t = pq_statedict_find(taking->sd, name);
    if (t)
        note(taking, t);
    return t != NULL;
}

int pq_taking_check(const struct pq_taking *taking, const char *network, pique_error *err)
{
    for (size_t i = 0; i < taking->sd->count; i++) {
        if (!taking->taken[i])
            return pq_fail(err, PIQUE_EFORMAT, "%s: tensor '%s' has no place in %s network",
                           taking->sd->map.path, taking->sd->tensors[i].name, pq_tr(network));
    }
    return 0;
}
