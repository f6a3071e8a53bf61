/* SPDX-License-Identifier: MIT */
#include "upscale/survey.h"

#include "base/alloc.h"
#include "kernels/colour.h"
#include "upscale/ring.h"
#include "upscale/stages.h"

enum { ROWS = 16 };

/* Sums of one row, pixels from the left. */
static void sum_row(const float *p, int width, int planes, double *luma, double *weight)
{
    double l = 0, w = 0;
    for (int x = 0; x < width; x++, p += planes) {
        const double a = planes == 4 ? p[3] : 1;
        l += a * pq_luma(p);
        w += a;
    }
    *luma += l;
    *weight += w;
}

int pq_survey(struct pq_stage *stage, int (*check)(void *context, pique_error *err), void *context,
              struct pq_survey *survey, pique_error *err)
{
    size_t row_bytes, bytes;
    int rc = pq_row_floats_bytes(stage->width, stage->planes, &row_bytes, err);
    if (rc)
        return rc;
    float *rows =
        pq_mul_size(row_bytes, ROWS, &bytes) ? pq_big_alloc(stage->allocator, bytes) : NULL;
    if (!rows)
        return pq_fail_nomem(err, row_bytes * ROWS);
    double luma = 0, weight = 0;
    for (int y = 0; !rc && y < stage->height; y += ROWS) {
        const int n = PQ_MIN(ROWS, stage->height - y);
        if ((rc = check(context, err)) || (rc = stage->read(stage, n, rows, err)))
            break;
        for (int i = 0; i < n; i++)
            sum_row(rows + (size_t)i * (row_bytes / sizeof *rows), stage->width, stage->planes,
                    &luma, &weight);
    }
    pq_big_free(stage->allocator, rows);
    *survey = (struct pq_survey){.mean = weight > 0 ? (float)(luma / weight) : 0,
                                 .transparent = pq_source_stage_transparent(stage)};
    return rc;
}
