/* SPDX-License-Identifier: MIT */
/* What every reader of state dicts is put through: read, every weight touched, recognised. */
#pragma once

#include "arch/arch.h"
#include "memory_map.h"

static inline void fuzz_statedict(const uint8_t *data, size_t size,
                                  int (*read)(struct pq_statedict *sd, pique_error *err))
{
    struct pq_statedict sd = {.map = memory_map(data, size, "fuzz")};
    struct pq_graph *graph = NULL;
    const char *name;
    pique_error err;
    if (read(&sd, &err) == 0) {
        touch_all(&sd);
        pq_statedict_canonicalise(&sd);
        if (pq_arch_build(&sd, &graph, &name, &err) == 0) {
            struct pq_graph_facts facts;
            pq_graph_facts(graph, &facts);
        }
    }
    pq_graph_free(&graph);
    memory_free(&sd);
}
