/* SPDX-License-Identifier: MIT */
/* Two models into one between them, which is built and checked as one that is read. */
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/opened.h"
#include "base/alloc.h"
#include "base/str.h"
#include "model/blend.h"

/* Where it came from, for whoever writes it; and a sum of its own, as no file has one. */
static int add_origin(pique_model *m, const pique_model *a, const pique_model *b, double weight,
                      pique_error *err)
{
    struct pq_statedict *sd = &m->container.sd;
    char text[32], both[2 * PQ_SHA256_HEX + sizeof text];
    snprintf(text, sizeof text, "%.17g", weight);
    snprintf(both, sizeof both, "%s %s %s", pique_model_sha256(a), pique_model_sha256(b), text);
    pq_sha256(both, strlen(both), m->sha256);
    int rc = pq_statedict_add_metadata(sd, "blend_a_sha256", pique_model_sha256(a), err);
    if (!rc)
        rc = pq_statedict_add_metadata(sd, "blend_b_sha256", pique_model_sha256(b), err);
    return rc ? rc : pq_statedict_add_metadata(sd, "blend_weight", text, err);
}

/* What is noted about a network is part of it: the notes of both must be the same. */
static int check_notes(const struct pq_statedict *x, const struct pq_statedict *y, pique_error *err)
{
    for (size_t i = 0; pq_arch_notes[i]; i++) {
        const char *a = pq_statedict_note(x, pq_arch_notes[i]);
        const char *b = pq_statedict_note(y, pq_arch_notes[i]);
        if (!a != !b || (a && strcmp(a, b) != 0))
            return pq_fail(
                err, PIQUE_EUNSUPPORTED,
                "%s and %s are different networks: the note '%s' in them is not the same",
                x->map.path, y->map.path, pq_arch_notes[i]);
    }
    return 0;
}

static int blend(pique_model *m, const pique_model *a, const pique_model *b, double weight,
                 pique_error *err)
{
    struct pq_statedict x = {0}, y = {0}, *out = &m->container.sd;
    int rc = pq_model_names(a, &x, err);
    if (!rc)
        rc = pq_model_names(b, &y, err);
    m->container.name = "blend";
    m->container.file_bytes = a->container.file_bytes + b->container.file_bytes;
    out->map.path = rc ? NULL : pq_strdup(m->path);
    if (!rc && !out->map.path)
        rc = pq_fail_nomem(err, strlen(m->path) + 1);
    if (!rc)
        rc = check_notes(&x, &y, err);
    if (!rc)
        rc = pq_statedict_blend(&x, &y, weight, out, err);
    if (!rc)
        rc = pq_arch_copy_notes(&x, out, err);
    if (!rc)
        rc = pq_model_add_files(m, a, err);
    if (!rc)
        rc = pq_model_add_files(m, b, err);
    if (!rc)
        rc = add_origin(m, a, b, weight, err);
    if (!rc)
        rc = pq_model_finish(m, err);
    pq_statedict_free(&x);
    pq_statedict_free(&y);
    return rc;
}

int pique_model_blend(const pique_model *a, const pique_model *b, double weight, pique_model **out,
                      pique_error *err)
{
    if (out)
        *out = NULL;
    if (!a || !b || !out || !(weight >= 0 && weight <= 1))
        return pq_fail(err, PIQUE_EINVAL,
                       "pique_model_blend: a, b and out must not be NULL, weight is 0 to 1");
    char *path = pq_asprintf("%s+%s:%.9g", a->path, b->path, weight);
    int rc = path ? pq_model_new(path, out, err) : pq_fail_nomem(err, 64);
    pq_free(path);
    if (!rc)
        rc = blend(*out, a, b, weight, err);
    if (rc)
        pique_model_close(out);
    return rc;
}
