/* SPDX-License-Identifier: MIT */
/* Any bytes as an ncnn model: the .param, one zero byte, the .bin. */
#include <stdint.h>

#include "arch/arch.h"
#include "memory_map.h"
#include "model/ncnn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t text = zero ? (size_t)(zero - data) : size;
    size_t skip = zero ? text + 1 : text;
    struct pq_map param = memory_map(data, text, "fuzz.param");
    struct pq_statedict sd = {.map = memory_map(data + skip, size - skip, "fuzz.bin")};
    struct pq_graph *graph;
    pique_error err;
    if (pq_graph_new(&graph, &err) == 0 && pq_ncnn_read(&param, &sd, graph, &err) == 0) {
        struct pq_graph_facts facts;
        int features;
        touch_all(&sd);
        pq_graph_facts(graph, &facts);
        pq_arch_of_graph(graph, &features);
    }
    pq_graph_free(&graph);
    memory_unmap(&param);
    memory_free(&sd);
    return 0;
}
