/* SPDX-License-Identifier: MIT */
/* What the opcodes of pickle.c work on: a stack of values, a stack of marks and a memo. Values live
 * in an arena that is freed as a whole. Every opcode makes at most a few values, so that memory is
 * bounded by PQ_PM_MAX_STEPS and by the bytes of the pickle. */
#pragma once

#include "model/pickle.h"

/* A large optimiser's checkpoint takes some 200 000. A step makes at most 48 bytes of values, and
 * an older file has two pickles at a time: together they stay below 64 MiB. */
enum { PQ_PM_MAX_STEPS = 1 << 19 };

struct pq_machine {
    const char *path;
    const unsigned char *data;
    size_t at, bytes;
    struct pq_pickle *out;
    struct pq_pickle_value **stack, **memo;
    size_t depth, stack_capacity, memo_capacity, memo_count;
    size_t *marks;
    size_t mark_count, mark_capacity;
    size_t steps, global_steps;
    pique_error *err;
};

/* All of these fill m->err where they fail. Those that return a pointer then return NULL. */

void *pq_pm_take(struct pq_machine *m, size_t bytes); /* from the arena */
/* Room for one more in an array of our own; array is the address of its pointer. */
int pq_pm_grow(struct pq_machine *m, void *array, size_t count, size_t *capacity, size_t item);
struct pq_pickle_value *pq_pm_make(struct pq_machine *m, enum pq_pickle_kind kind);
int pq_pm_add_item(struct pq_machine *m, struct pq_pickle_value *v, struct pq_pickle_value *item);
struct pq_pickle_value *pq_pm_collect(struct pq_machine *m, enum pq_pickle_kind kind,
                                      struct pq_pickle_value **items, size_t count);

/* PIQUE_EFORMAT: "the pickle WHAT", and where. */
int pq_pm_broken(struct pq_machine *m, const char *what);

/* A GLOBAL is taken once more; pushing one counts it. Others are left alone. */
void pq_pm_count_use(struct pq_pickle_value *v);
/* v NULL is PIQUE_ENOMEM, so that what was just made can be passed as it is. */
int pq_pm_push(struct pq_machine *m, struct pq_pickle_value *v);
struct pq_pickle_value *pq_pm_pop(struct pq_machine *m);
struct pq_pickle_value *pq_pm_top(struct pq_machine *m); /* which stays */
/* Values above the last mark; an operation may not reach below it. */
size_t pq_pm_above_mark(const struct pq_machine *m);
int pq_pm_push_mark(struct pq_machine *m);
/* The values above the last mark leave the stack, and the mark goes. They stay readable until the
 * next push. */
int pq_pm_pop_mark(struct pq_machine *m, struct pq_pickle_value ***items, size_t *count);

int pq_pm_put_memo(struct pq_machine *m, uint64_t index); /* what is on top */
int pq_pm_get_memo(struct pq_machine *m, uint64_t index); /* push it */

/* All but the result. */
void pq_pm_free(struct pq_machine *m);
