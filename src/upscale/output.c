/* SPDX-License-Identifier: MIT */
#include "upscale/output.h"

/* The state of a running hash as a plain struct, so that it passes through our allocator. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/alloc.h"
#include "upscale/ring.h"
#include "upscale/samples.h"
#include "upscale/stages.h"

enum { ROWS = 16 }; /* at a time */

struct pq_output {
    struct pq_stage *chain;
    struct pq_picture_format format;
    struct pq_row_sink *sink;
    struct pq_pool *pool;
    float *rows;
    unsigned char *samples;
    size_t row_floats, row_bytes;
    int done;
    XXH3_state_t *hash;
};

int pq_output_new(struct pq_stage *chain, const struct pq_picture_format *format,
                  struct pq_row_sink *sink, struct pq_pool *pool, struct pq_output **out,
                  pique_error *err)
{
    *out = NULL;
    size_t float_bytes;
    int rc = pq_row_floats_bytes(chain->width, chain->planes, &float_bytes, err);
    if (rc)
        return rc;
    struct pq_output *o = pq_calloc(1, sizeof *o);
    if (!o)
        return pq_fail_nomem(err, sizeof *o);
    o->chain = chain;
    o->format = *format;
    o->format.width = chain->width;
    o->format.height = chain->height;
    o->sink = sink;
    o->pool = pool;
    o->row_floats = float_bytes / sizeof(float);
    o->row_bytes = pq_picture_row_bytes(&o->format);
    size_t a, b;
    if (pq_mul_size(float_bytes, ROWS, &a) && pq_mul_size(o->row_bytes, ROWS, &b)) {
        o->rows = pq_big_alloc(chain->allocator, a);
        o->samples = pq_big_alloc(chain->allocator, b);
        o->hash =
            pq_big_alloc(chain->allocator, sizeof *o->hash); /* wants a multiple of 64 bytes */
    }
    if (!o->rows || !o->samples || !o->hash) {
        pq_output_free(&o);
        return pq_fail_nomem(err, (float_bytes + float_bytes / 2) * ROWS);
    }
    XXH3_INITSTATE(o->hash);
    XXH3_64bits_reset(o->hash);
    *out = o;
    return 0;
}

void pq_output_free(struct pq_output **output)
{
    struct pq_output *o = *output;
    if (!o)
        return;
    pq_big_free(o->chain->allocator, o->rows);
    pq_big_free(o->chain->allocator, o->samples);
    pq_big_free(o->chain->allocator, o->hash);
    pq_free(o);
    *output = NULL;
}

PQ_SAMPLE_INLINE void round_row(const struct pq_output *o, const float *p, void *row, int depth)
{
    const int planes = o->chain->planes;
    size_t i = 0;
    for (int x = 0; x < o->format.width; x++, p += planes) {
        if (o->format.colours == 1)
            pq_sample_store(row, i++, pq_luma(p), depth);
        else
            for (int c = 0; c < 3; c++)
                pq_sample_store(row, i++, p[c], depth);
        if (o->format.alpha)
            pq_sample_store(row, i++, planes == 4 ? p[3] : 1, depth);
    }
}

static void round_task(void *context, int index, int worker)
{
    (void)worker;
    const struct pq_output *o = context;
    const float *p = o->rows + (size_t)index * o->row_floats;
    void *row = o->samples + (size_t)index * o->row_bytes;
    if (o->format.depth == 8)
        round_row(o, p, row, 8);
    else
        round_row(o, p, row, 16);
}

int pq_output_step(struct pq_output *o, int *done, pique_error *err)
{
    const int n = PQ_MIN(ROWS, o->chain->height - o->done);
    int rc = o->chain->read(o->chain, n, o->rows, err);
    if (rc)
        return rc;
    pq_share_out(o->pool, n, round_task, o);
    XXH3_64bits_update(o->hash, o->samples, (size_t)n * o->row_bytes);
    if ((rc = o->sink->write(o->sink, n, o->samples, (ptrdiff_t)o->row_bytes, err)))
        return rc;
    o->done += n;
    *done = o->done;
    return 0;
}

uint64_t pq_output_hash(const struct pq_output *o)
{
    return XXH3_64bits_digest(o->hash);
}
