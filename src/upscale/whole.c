/* SPDX-License-Identifier: MIT */
#include "upscale/whole.h"

#include "base/alloc.h"
#include "upscale/engine.h"
#include "upscale/ring.h"

enum { ROWS = 16 };

int pq_whole_alloc(const pique_allocator *allocator, int width, int height, int planes, float **out,
                   pique_error *err)
{
    size_t row_bytes, bytes;
    int rc = pq_row_floats_bytes(width, planes, &row_bytes, err);
    if (rc)
        return rc;
    if (!pq_mul_size(row_bytes, (size_t)height, &bytes))
        return pq_fail_nomem(err, UINT64_MAX);
    *out = pq_big_alloc(allocator, bytes);
    return *out ? 0 : pq_fail_nomem(err, bytes);
}

void pq_whole_free(const pique_allocator *allocator, float **memory)
{
    pq_big_free(allocator, *memory);
    *memory = NULL;
}

int pq_whole_read(struct pq_stage *const *stages, int count, const pique_engine *engine,
                  float **out, pique_error *err)
{
    const struct pq_stage *like = stages[0];
    const size_t row = (size_t)like->width * (size_t)like->planes;
    int rc = 0;
    for (int i = 0; !rc && i < count; i++)
        rc = pq_whole_alloc(like->allocator, like->width, like->height, like->planes, &out[i], err);
    for (int y = 0; !rc && y < like->height; y += ROWS) {
        rc = pq_engine_check_cancel(engine, err);
        for (int i = 0; !rc && i < count; i++)
            rc = stages[i]->read(stages[i], PQ_MIN(ROWS, like->height - y),
                                 out[i] + (size_t)y * row, err);
    }
    return rc;
}

struct pq_planes pq_whole_planes(const struct pq_stage *stage, const float *data)
{
    return (struct pq_planes){.data = data,
                              .width = stage->width,
                              .height = stage->height,
                              .planes = stage->planes,
                              .allocator = stage->allocator};
}
