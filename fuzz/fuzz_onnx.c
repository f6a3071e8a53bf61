/* SPDX-License-Identifier: MIT */
/* Any bytes as an ONNX file. */
#include <stdint.h>

#include "arch/arch.h"
#include "memory_map.h"
#include "model/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A folder that is not there: weights beside the file are not looked for. */
    struct pq_statedict sd = {.map = memory_map(data, size, "/nowhere/fuzz.onnx")};
    struct pq_graph *graph;
    pique_error err;
    if (pq_onnx_read(&sd, &graph, &err) == 0) {
        struct pq_graph_facts facts;
        int features;
        touch_all(&sd);
        pq_graph_facts(graph, &facts);
        pq_arch_of_graph(graph, &features);
    }
    pq_graph_free(&graph);
    memory_free(&sd);
    return 0;
}
