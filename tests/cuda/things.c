/* SPDX-License-Identifier: MIT */
#include "inner.h"

size_t si_live[STANDIN_KINDS];

static struct si_thing *things;
static int numbers[SI_THINGS];

const char *si_kind_name(int what)
{
    static const char *const names[SI_THINGS] = {
        [STANDIN_STREAMS] = "stream",          [STANDIN_EVENTS] = "event",
        [STANDIN_MODULES] = "module",          [STANDIN_GRAPHS] = "graph",
        [STANDIN_GRAPH_EXECS] = "ready graph", [SI_FUNCTIONS] = "function"};
    return names[what];
}

void *si_thing_new(int what, size_t bytes)
{
    struct si_thing *t = si_alloc(1, bytes);
    cuda_result rc;
    *t = (struct si_thing){
        .next = things, .what = what, .number = ++numbers[what], .device = si_current(&rc)};
    t->context = si_context();
    things = t;
    if (what < STANDIN_KINDS)
        si_live[what]++;
    return t;
}

void *si_thing_find(int what, const void *handle)
{
    for (struct si_thing *t = things; t; t = t->next) {
        if (t != handle || t->what != what)
            continue;
        if (!t->dead)
            return t;
        si_fault("%s (call %" PRIu64 ") uses %s %d, which was destroyed", si_call_name(),
                 si_call_number(), si_kind_name(what), t->number);
        return NULL;
    }
    si_fault("%s (call %" PRIu64 "): %p is no %s", si_call_name(), si_call_number(), handle,
             si_kind_name(what));
    return NULL;
}

void si_thing_end(struct si_thing *thing)
{
    thing->dead = true;
    if (thing->what < STANDIN_KINDS)
        si_live[thing->what]--;
}

struct si_thing *si_things(void)
{
    return things;
}

void si_things_free(void)
{
    while (things) {
        struct si_thing *t = things;
        things = t->next;
        free(t);
    }
    memset(numbers, 0, sizeof numbers);
}
