/* SPDX-License-Identifier: MIT */
#include "model/pickle_machine.h"

#include <stdalign.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"

enum { BLOCK_BYTES = 64 << 10 };

typedef struct pq_pickle_value value;

struct pq_pickle_block {
    struct pq_pickle_block *next;
    size_t used, size;
    alignas(16) unsigned char data[];
};

/* ---- memory ---- */

void *pq_pm_take(struct pq_machine *m, size_t bytes)
{
    struct pq_pickle_block *b = m->out->blocks;
    bytes = (bytes + 15) & ~(size_t)15;
    if (!b || b->size - b->used < bytes) {
        size_t size = PQ_MAX(bytes, (size_t)BLOCK_BYTES);
        struct pq_pickle_block *fresh = pq_malloc(sizeof *fresh + size);
        if (!fresh) {
            pq_fail_nomem(m->err, sizeof *fresh + size);
            return NULL;
        }
        *fresh = (struct pq_pickle_block){.next = b, .size = size};
        m->out->blocks = b = fresh;
    }
    void *p = b->data + b->used;
    b->used += bytes;
    return p;
}

int pq_pm_grow(struct pq_machine *m, void *array, size_t count, size_t *capacity, size_t item)
{
    if (count < *capacity)
        return 0;
    size_t more = *capacity ? *capacity * 2 : 64;
    void *old, *fresh;
    memcpy(&old, array, sizeof old); /* any pointer; all have one form here */
    fresh = pq_realloc_array(old, more, item);
    if (!fresh)
        return pq_fail_nomem(m->err, more * item);
    memcpy(array, &fresh, sizeof fresh);
    *capacity = more;
    return 0;
}

value *pq_pm_make(struct pq_machine *m, enum pq_pickle_kind kind)
{
    value *v = pq_pm_take(m, sizeof *v);
    if (v)
        *v = (value){.kind = kind};
    return v;
}

int pq_pm_add_item(struct pq_machine *m, value *v, value *item)
{
    if (v->count == v->capacity) {
        uint32_t capacity = v->capacity ? v->capacity * 2 : 4;
        value **items = pq_pm_take(m, capacity * sizeof(value *));
        if (!items)
            return PIQUE_ENOMEM;
        if (v->count)
            memcpy(items, v->items, v->count * sizeof *items);
        v->items = items;
        v->capacity = capacity;
    }
    v->items[v->count++] = item;
    return 0;
}

/* ---- failing ---- */

int pq_pm_broken(struct pq_machine *m, const char *what)
{
    return pq_fail(m->err, PIQUE_EFORMAT, "%s: the pickle %s (byte %zu of it)", m->path,
                   pq_tr(what), m->at);
}

/* ---- the stack ---- */

void pq_pm_count_use(value *v)
{
    if (v->kind == PQ_PICKLE_GLOBAL)
        ((struct pq_pickle_global *)v)->uses++;
}

int pq_pm_push(struct pq_machine *m, value *v)
{
    if (!v)
        return PIQUE_ENOMEM;
    pq_pm_count_use(v);
    int rc = pq_pm_grow(m, &m->stack, m->depth, &m->stack_capacity, sizeof *m->stack);
    if (!rc)
        m->stack[m->depth++] = v;
    return rc;
}

size_t pq_pm_above_mark(const struct pq_machine *m)
{
    return m->depth - (m->mark_count ? m->marks[m->mark_count - 1] : 0);
}

value *pq_pm_pop(struct pq_machine *m)
{
    if (pq_pm_above_mark(m) == 0) {
        pq_pm_broken(m, "takes a value where there is none");
        return NULL;
    }
    return m->stack[--m->depth];
}

value *pq_pm_top(struct pq_machine *m)
{
    value *v = pq_pm_pop(m);
    m->depth += v != NULL;
    return v;
}

int pq_pm_push_mark(struct pq_machine *m)
{
    int rc = pq_pm_grow(m, &m->marks, m->mark_count, &m->mark_capacity, sizeof *m->marks);
    if (!rc)
        m->marks[m->mark_count++] = m->depth;
    return rc;
}

int pq_pm_pop_mark(struct pq_machine *m, value ***items, size_t *count)
{
    if (m->mark_count == 0)
        return pq_pm_broken(m, "looks for a mark where there is none");
    size_t mark = m->marks[--m->mark_count];
    *count = m->depth - mark;
    *items = *count ? m->stack + mark : NULL;
    m->depth = mark;
    return 0;
}

value *pq_pm_collect(struct pq_machine *m, enum pq_pickle_kind kind, value **items, size_t count)
{
    value *v = pq_pm_make(m, kind);
    if (!v || count == 0)
        return v;
    /* As many as there are: most never grow. There is one step of the pickle for each. */
    v->items = pq_pm_take(m, count * sizeof *items);
    if (!v->items)
        return NULL;
    memcpy(v->items, items, count * sizeof *items);
    v->count = v->capacity = (uint32_t)count;
    return v;
}

/* ---- memo ---- */

/* Writers number from 0 on, and each number takes at least two bytes of the pickle. */
int pq_pm_put_memo(struct pq_machine *m, uint64_t index)
{
    value *v = pq_pm_top(m);
    if (!v)
        return PIQUE_EFORMAT;
    if (index >= m->bytes || index >= PQ_PM_MAX_STEPS)
        return pq_pm_broken(m, "numbers a value beyond all that it can hold");
    if (index >= m->memo_capacity) {
        size_t capacity = PQ_MAX((size_t)index + 1, 2 * m->memo_capacity);
        value **memo = pq_realloc_array(m->memo, capacity, sizeof *memo);
        if (!memo)
            return pq_fail_nomem(m->err, capacity * sizeof *memo);
        memset(memo + m->memo_capacity, 0, (capacity - m->memo_capacity) * sizeof *memo);
        m->memo = memo;
        m->memo_capacity = capacity;
    }
    m->memo_count += !m->memo[index];
    m->memo[index] = v;
    return 0;
}

int pq_pm_get_memo(struct pq_machine *m, uint64_t index)
{
    if (index >= m->memo_capacity || !m->memo[index])
        return pq_pm_broken(m, "asks for a value that it never numbered");
    return pq_pm_push(m, m->memo[index]);
}

/* ---- the end ---- */

void pq_pm_free(struct pq_machine *m)
{
    pq_free(m->stack);
    pq_free(m->memo);
    pq_free(m->marks);
}

void pq_pickle_free(struct pq_pickle *pickle)
{
    for (struct pq_pickle_block *b = pickle->blocks, *next; b; b = next) {
        next = b->next;
        pq_free(b);
    }
    pq_free(pickle->globals);
    pq_free(pickle->persistent);
    *pickle = (struct pq_pickle){0};
}
