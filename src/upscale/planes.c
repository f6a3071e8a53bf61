/* SPDX-License-Identifier: MIT */
/* The rows of a picture in memory go through the stage that reads files: interleaved, as a file
 * would give them. */
#include "upscale/planes.h"

#include <string.h>

#include "base/alloc.h"
#include "upscale/rows.h"
#include "upscale/stages.h"

struct planes {
    struct pq_stage stage; /* first */
    struct pq_row_source rows;
    const struct pq_image *image;
    struct pq_stage *source; /* over rows */
    int y;
};

static void interleave(const struct pq_image *image, int y, void *row)
{
    const int planes = image->planes;
    for (int c = 0; c < planes; c++) {
        const void *from = (const char *)image->data[c] + y * image->stride[c];
        const uint8_t *p8 = from;
        const uint16_t *p16 = from;
        for (int x = 0; x < image->width; x++) {
            if (image->depth == 8)
                ((uint8_t *)row)[x * planes + c] = p8[x];
            else
                ((uint16_t *)row)[x * planes + c] = p16[x];
        }
    }
}

static int rows_read(struct pq_row_source *source, int rows, void *data, ptrdiff_t stride,
                     pique_error *err)
{
    struct planes *p = (struct planes *)((char *)source - offsetof(struct planes, rows));
    (void)err;
    for (int i = 0; i < rows; i++)
        interleave(p->image, p->y++, (char *)data + i * stride);
    return 0;
}

static int planes_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    struct pq_stage *source = ((struct planes *)stage)->source;
    return source->read(source, rows, data, err);
}

static void planes_close(struct pq_stage *stage)
{
    struct planes *p = (struct planes *)stage;
    if (p->source)
        p->source->close(p->source);
    pq_free(p);
}

int pq_planes_stage(const struct pq_image *image, enum pique_alpha alpha,
                    const unsigned char background[3], const pique_allocator *allocator,
                    struct pq_stage **out, pique_error *err)
{
    struct planes *p = pq_calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return pq_fail_nomem(err, sizeof *p);
    p->image = image;
    p->rows = (struct pq_row_source){.format = {.width = image->width,
                                                .height = image->height,
                                                .colours = 3,
                                                .alpha = image->planes == 4,
                                                .depth = image->depth},
                                     .read = rows_read};
    int rc = pq_source_stage(&p->source, &p->rows, alpha, background, allocator, err);
    if (rc) {
        pq_free(p);
        return rc;
    }
    p->stage = *p->source;
    p->stage.read = planes_read;
    p->stage.close = planes_close;
    *out = &p->stage;
    return 0;
}
