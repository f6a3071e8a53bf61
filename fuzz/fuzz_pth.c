/* SPDX-License-Identifier: MIT */
/* Any bytes as a PyTorch file: read, recognised, every weight touched. Checksums are not looked at
 * here, which would keep the fuzzer out. */
#include <stdint.h>

#include "arch/arch.h"
#include "memory_map.h"
#include "model/pth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pq_statedict sd = {.map = memory_map(data, size, "fuzz")};
    struct pq_graph *graph = NULL;
    const char *name;
    pique_error err;
    if (pq_pth_read(&sd, &err) == 0) {
        touch_all(&sd);
        pq_statedict_canonicalise(&sd);
        if (pq_arch_build(&sd, &graph, &name, &err) == 0) {
            struct pq_graph_facts facts;
            pq_graph_facts(graph, &facts);
        }
    }
    pq_graph_free(&graph);
    memory_free(&sd);
    return 0;
}
