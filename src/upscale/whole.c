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

int pq_whole_read(struct pq_stage *stage, const pique_engine *engine, float **out, pique_error *err)
{
    const size_t row = (size_t)stage->width * (size_t)stage->planes;
    int rc = pq_whole_alloc(stage->allocator, stage->width, stage->height, stage->planes, out, err);
    for (int y = 0; !rc && y < stage->height; y += ROWS) {
        rc = pq_engine_check_cancel(engine, err);
        if (!rc)
            rc = stage->read(stage, PQ_MIN(ROWS, stage->height - y), *out + (size_t)y * row, err);
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
