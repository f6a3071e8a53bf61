/* SPDX-License-Identifier: MIT */
#include "upscale/output.h"

/* The state of a running hash as a plain struct, so that it passes through our allocator. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/alloc.h"
#include "kernels/samples.h"
#include "upscale/ring.h"
#include "upscale/stages.h"

enum { ROWS = 16 }; /* at a time */

struct pq_output {
    struct pq_stage *chain; /* NULL: rows are put */
    const pique_allocator *allocator;
    struct pq_picture_format format;
    struct pq_row_sink *sink;
    struct pq_pool *pool;
    float *rows;
    unsigned char *samples;
    size_t row_floats, row_bytes;
    int done;
    XXH3_state_t *hash;
};

static int make_room(struct pq_output *o, pique_error *err)
{
    size_t float_bytes, a, b;
    int rc = pq_row_floats_bytes(o->chain->width, o->chain->planes, &float_bytes, err);
    if (rc)
        return rc;
    o->row_floats = float_bytes / sizeof(float);
    if (pq_mul_size(float_bytes, ROWS, &a) && pq_mul_size(o->row_bytes, ROWS, &b)) {
        o->rows = pq_big_alloc(o->chain->allocator, a);
        o->samples = pq_big_alloc(o->chain->allocator, b);
    }
    return o->rows && o->samples ? 0 : pq_fail_nomem(err, (float_bytes + float_bytes / 2) * ROWS);
}

int pq_output_new(struct pq_stage *chain, const struct pq_picture_format *format,
                  struct pq_row_sink *sink, struct pq_pool *pool, struct pq_output **out,
                  pique_error *err)
{
    *out = NULL;
    struct pq_output *o = pq_calloc(1, sizeof *o);
    if (!o)
        return pq_fail_nomem(err, sizeof *o);
    o->chain = chain;
    o->allocator = chain ? chain->allocator : NULL;
    o->format = *format;
    if (chain) {
        o->format.width = chain->width;
        o->format.height = chain->height;
    }
    o->sink = sink;
    o->pool = pool;
    o->row_bytes = pq_picture_row_bytes(&o->format);
    o->hash = pq_big_alloc(o->allocator, sizeof *o->hash); /* wants a multiple of 64 bytes */
    int rc = o->hash ? 0 : pq_fail_nomem(err, sizeof *o->hash);
    if (!rc && chain)
        rc = make_room(o, err);
    if (rc) {
        pq_output_free(&o);
        return rc;
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
    pq_big_free(o->allocator, o->rows);
    pq_big_free(o->allocator, o->samples);
    pq_big_free(o->allocator, o->hash);
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
    if ((rc = pq_output_put(o, n, o->samples, err)))
        return rc;
    *done = o->done;
    return 0;
}

int pq_output_put(struct pq_output *o, int rows, const void *data, pique_error *err)
{
    XXH3_64bits_update(o->hash, data, (size_t)rows * o->row_bytes);
    int rc = o->sink->write(o->sink, rows, data, (ptrdiff_t)o->row_bytes, err);
    if (!rc)
        o->done += rows;
    return rc;
}

uint64_t pq_output_hash(const struct pq_output *o)
{
    return XXH3_64bits_digest(o->hash);
}
