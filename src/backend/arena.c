/* SPDX-License-Identifier: MIT */
/* First fit, in the order of birth: a buffer takes the lowest gap that is large enough among those
 * that live when it is born. For the few sizes that a network has this wastes little. */
#include "backend/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct arena {
    const struct pq_place **live; /* in the order of offsets */
    size_t count;
    size_t packed;       /* so many of the first have no gap before or between them */
    int64_t first_death; /* the earliest among them */
    size_t floats;
};

static int by_birth(const void *a, const void *b)
{
    const struct pq_place *x = *(struct pq_place *const *)a, *y = *(struct pq_place *const *)b;
    if (x->born != y->born)
        return x->born < y->born ? -1 : 1;
    return x < y ? -1 : x > y; /* the same order whatever qsort() does */
}

static void bury(struct arena *a, int64_t now)
{
    if (a->first_death >= now)
        return;
    size_t kept = 0;
    a->first_death = INT64_MAX;
    for (size_t i = 0; i < a->count; i++) {
        if (a->live[i]->dies < now) {
            a->packed = PQ_MIN(a->packed, kept);
            continue;
        }
        a->first_death = PQ_MIN(a->first_death, a->live[i]->dies);
        a->live[kept++] = a->live[i];
    }
    a->count = kept;
}

static bool place(struct arena *a, struct pq_place *p)
{
    size_t i = a->packed, end;
    size_t at = i ? a->live[i - 1]->offset + a->live[i - 1]->floats : 0;
    for (; i < a->count && a->live[i]->offset - at < p->floats; i++)
        at = a->live[i]->offset + a->live[i]->floats;
    p->offset = at;
    if (!pq_add_size(at, p->floats, &end))
        return false;
    a->floats = PQ_MAX(a->floats, end);
    memmove(&a->live[i + 1], &a->live[i], (a->count - i) * sizeof(const struct pq_place *));
    a->live[i] = p;
    a->count++;
    for (end = p->offset; a->packed == i && i < a->count && a->live[i]->offset == end; i++) {
        end += a->live[i]->floats;
        a->packed++;
    }
    a->first_death = PQ_MIN(a->first_death, p->dies);
    return true;
}

int pq_arena_place(struct pq_place *places, size_t count, size_t *floats, pique_error *err)
{
    struct pq_place **order = pq_calloc(count, sizeof(struct pq_place *));
    struct arena arena = {.live = pq_calloc(count, sizeof(struct pq_place *)),
                          .first_death = INT64_MAX};
    int rc = order && arena.live ? 0 : pq_fail_nomem(err, 2 * count * sizeof(struct pq_place *));
    for (size_t i = 0; i < count && !rc; i++)
        order[i] = &places[i];
    if (!rc)
        qsort(order, count, sizeof(struct pq_place *), by_birth);
    for (size_t i = 0; i < count && !rc; i++) {
        bury(&arena, order[i]->born);
        if (!place(&arena, order[i]))
            rc = pq_fail(err, PIQUE_ENOMEM, "the picture needs more than memory can address");
    }
    *floats = arena.floats;
    pq_free(order);
    pq_free(arena.live);
    return rc;
}
