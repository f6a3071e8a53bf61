/* SPDX-License-Identifier: MIT */
#include "arch/distance.h"

#include "base/alloc.h"

const int32_t *pq_distance_index(struct pq_parts *p, int height, int width)
{
    if (height < 1 || width < 1 || height > PQ_MAX_WINDOW || width > PQ_MAX_WINDOW) {
        pq_parts_fail(p, PIQUE_EUNSUPPORTED, "windows of %d x %d pixels; 1 to %d are possible",
                      width, height, PQ_MAX_WINDOW);
        return NULL;
    }
    const size_t tokens = (size_t)(height * width);
    int32_t *index = pq_graph_own(p->g, tokens * tokens * sizeof *index);
    if (!index) {
        pq_fail_nomem(p->err, tokens * tokens * sizeof *index);
        return NULL;
    }
    for (int q = 0; q < height * width; q++) {
        for (int k = 0; k < height * width; k++) {
            const int down = q / width - k / width + height - 1;
            index[q * height * width + k] =
                down * (2 * width - 1) + q % width - k % width + width - 1;
        }
    }
    return index;
}
