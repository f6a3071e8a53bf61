/* SPDX-License-Identifier: MIT */
/* Two state dicts into one between them: w a + (1 - w) b, weight by weight, in float and in the
 * order in which Real-ESRGAN does it (its "deep network interpolation", by which
 * realesr-general-x4v3 and its -wdn twin yield any strength of denoising; Wang et al., Deep Network
 * Interpolation, CVPR 2019).
 */
#include "model/blend.h"

#include <string.h>

#include "base/alloc.h"

static bool is_integer(const struct pq_tensor *t)
{
    return t->dtype == PQ_I64 || t->dtype == PQ_I32;
}

/* ---- whether both are one network ---- */

static int missing(const struct pq_statedict *sd, const struct pq_statedict *other,
                   const char *name, pique_error *err)
{
    return pq_fail(err, PIQUE_EFORMAT, "%s: has no tensor '%s', which %s has", sd->map.path, name,
                   other->map.path);
}

/* In the order of a, then what only b has. */
static int check_pair(const struct pq_statedict *a, const struct pq_statedict *b, size_t i,
                      const struct pq_tensor **twin, pique_error *err)
{
    const char *name = a->tensors[i].name;
    const struct pq_tensor *x = &a->tensors[i].tensor, *y = pq_statedict_find(b, name);
    char is[96], should[96];
    size_t count;
    if (!y)
        return missing(b, a, name, err);
    if (!pq_tensor_is(y, x->dims, x->shape))
        return pq_fail(err, PIQUE_EFORMAT, "%s: tensor '%s' has shape %s, and %s in %s",
                       b->map.path, name, pq_tensor_shape_text(y, is, sizeof is),
                       pq_tensor_shape_text(x, should, sizeof should), a->map.path);
    *twin = y;
    if (!is_integer(x) && !is_integer(y))
        return 0;
    if (x->dtype != y->dtype || !pq_tensor_count(x, &count) ||
        memcmp(x->data, y->data, count * pq_dtype_size(x->dtype)) != 0)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: tensor '%s' holds whole numbers, and others than in %s", b->map.path,
                       name, a->map.path);
    return 0;
}

static int check_rest(const struct pq_statedict *a, const struct pq_statedict *b, pique_error *err)
{
    for (size_t i = 0; i < b->count; i++) {
        if (!pq_statedict_find(a, b->tensors[i].name))
            return missing(a, b, b->tensors[i].name, err);
    }
    return 0;
}

/* ---- one weight ---- */

/* Three roundings an element, as PyTorch has it: w x, (1 - w) y, and their sum. */
static void mix(float *x, const struct pq_tensor *y, size_t count, double weight)
{
    float first = (float)weight, second = (float)(1 - weight);
    for (size_t i = 0; i < count; i++) {
        float other;
        pq_tensor_to_f32(y, i, 1, &other);
        x[i] = first * x[i] + second * other;
    }
}

static int add_mixed(struct pq_statedict *out, const struct pq_named_tensor *a,
                     const struct pq_tensor *b, double weight, pique_error *err)
{
    struct pq_tensor t = a->tensor;
    bool whole = is_integer(&t);
    size_t count = 0, bytes;
    void *memory = NULL;
    if (!whole)
        t.dtype = PQ_F32;
    if (!pq_tensor_count(&t, &count) || !pq_mul_size(count, pq_dtype_size(t.dtype), &bytes))
        return pq_fail(err, PIQUE_EFORMAT, "%s: tensor '%s' is larger than any memory",
                       out->map.path, a->name);
    int rc = pq_statedict_own(out, bytes, &memory, err);
    if (rc)
        return rc;
    if (whole) {
        memcpy(memory, t.data, bytes);
    } else {
        pq_tensor_to_f32(&a->tensor, 0, count, memory);
        mix(memory, b, count, weight);
    }
    t.data = memory;
    return pq_statedict_add(out, a->name, &t, err);
}

/* ---- the whole ---- */

int pq_statedict_blend(const struct pq_statedict *a, const struct pq_statedict *b, double weight,
                       struct pq_statedict *out, pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < a->count && !rc; i++) {
        const struct pq_tensor *twin = NULL;
        rc = check_pair(a, b, i, &twin, err);
        if (!rc)
            rc = add_mixed(out, &a->tensors[i], twin, weight, err);
    }
    return rc ? rc : check_rest(a, b, err);
}
