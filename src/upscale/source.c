/* SPDX-License-Identifier: MIT */
/* The first stage: integer samples of a row source become float rows (samples.h says how). */
#include <assert.h>
#include <limits.h>

#include "base/alloc.h"
#include "kernels/samples.h"
#include "upscale/stages.h"

struct source {
    struct pq_stage stage;
    struct pq_row_source *rows; /* borrowed */
    enum pique_alpha alpha;
    float background[3];
    bool transparent;
    size_t row_bytes;
    unsigned char *raw; /* RAW_ROWS rows as the source gives them */
};

enum { RAW_ROWS = 16 };

/* What the picture says of one pixel. */
struct pixel {
    float rgb[3], alpha;
};

static inline struct pixel load(const void *raw, size_t first, const struct pq_picture_format *f)
{
    float s[4] = {0};
    const int samples = f->colours + f->alpha;
    for (int i = 0; i < samples; i++)
        s[i] = pq_sample_load(raw, first + (size_t)i, f->depth);
    struct pixel p = {.alpha = f->alpha ? s[f->colours] : 1};
    for (int c = 0; c < 3; c++)
        p.rgb[c] = s[f->colours == 3 ? c : 0];
    return p;
}

static void convert_row(struct source *s, const void *raw, float *out)
{
    const struct pq_picture_format *f = &s->rows->format;
    const size_t samples = (size_t)(f->colours + f->alpha);
    const int planes = s->stage.planes;
    for (size_t x = 0; x < (size_t)f->width; x++, out += planes) {
        const struct pixel p = load(raw, x * samples, f);
        s->transparent |= p.alpha < 1;
        for (int c = 0; c < 3; c++) {
            out[c] = p.rgb[c];
            if (s->alpha == PIQUE_ALPHA_FLATTEN && p.alpha < 1)
                out[c] = pq_over(p.rgb[c], p.alpha, s->background[c]);
        }
        if (planes == 4)
            out[3] = p.alpha;
    }
}

static int source_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    struct source *s = (struct source *)stage;
    const size_t out_row = (size_t)stage->width * (size_t)stage->planes;
    while (rows > 0) {
        const int n = PQ_MIN(rows, RAW_ROWS);
        int rc = s->rows->read(s->rows, n, s->raw, (ptrdiff_t)s->row_bytes, err);
        if (rc)
            return rc;
        for (int y = 0; y < n; y++, data += out_row)
            convert_row(s, s->raw + (size_t)y * s->row_bytes, data);
        rows -= n;
    }
    return 0;
}

static void source_close(struct pq_stage *stage)
{
    struct source *s = (struct source *)stage;
    pq_big_free(stage->allocator, s->raw);
    pq_free(s);
}

int pq_source_stage(struct pq_stage **chain, struct pq_row_source *source, enum pique_alpha alpha,
                    const unsigned char background[3], const pique_allocator *allocator,
                    pique_error *err)
{
    assert(!*chain);
    const struct pq_picture_format *f = &source->format;
    if (f->width < 1 || f->height < 1 || (f->colours != 1 && f->colours != 3) ||
        (f->depth != 8 && f->depth != 16))
        return pq_fail(err, PIQUE_EINTERNAL,
                       "a picture of %d x %d pixels, %d colours and %d bits came from its reader",
                       f->width, f->height, f->colours, f->depth);
    const size_t row_bytes = pq_picture_row_bytes(f);
    size_t bytes;
    if (!pq_mul_size(row_bytes, RAW_ROWS, &bytes))
        return pq_fail_nomem(err, ULLONG_MAX);
    struct source *s = pq_calloc(1, sizeof *s);
    if (!s)
        return pq_fail_nomem(err, sizeof *s);
    s->raw = pq_big_alloc(allocator, bytes);
    if (!s->raw) {
        pq_free(s);
        return pq_fail_nomem(err, bytes);
    }
    s->stage = (struct pq_stage){.width = f->width,
                                 .height = f->height,
                                 .planes = f->alpha && alpha == PIQUE_ALPHA_KEEP ? 4 : 3,
                                 .allocator = allocator,
                                 .read = source_read,
                                 .close = source_close};
    s->rows = source;
    s->alpha = alpha;
    s->row_bytes = row_bytes;
    for (int c = 0; c < 3; c++)
        s->background[c] = pq_sample_load(background, (size_t)c, 8);
    *chain = &s->stage;
    return 0;
}

bool pq_source_stage_transparent(const struct pq_stage *source_stage)
{
    return ((const struct source *)source_stage)->transparent;
}
