/* SPDX-License-Identifier: MIT */
#include "film/shown.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "upscale/output.h"
#include "upscale/stages.h"

/* Small files, quickly: it is read once, by a browser on the same machine mostly. */
enum { COMPRESSION = 1 };

/* ---- a picture in memory ---- */

static void interleave(const struct pq_image *im, int y, void *row)
{
    const int planes = im->planes;
    for (int c = 0; c < planes; c++) {
        const void *from = (const char *)im->data[c] + y * im->stride[c];
        if (im->depth == 8) {
            const uint8_t *in = from;
            uint8_t *out = (uint8_t *)row + c;
            for (int x = 0; x < im->width; x++, out += planes)
                *out = in[x];
        } else {
            const uint16_t *in = from;
            uint16_t *out = (uint16_t *)row + c;
            for (int x = 0; x < im->width; x++, out += planes)
                *out = in[x];
        }
    }
}

static int image_read(struct pq_row_source *source, int rows, void *data, ptrdiff_t stride,
                      pique_error *err)
{
    struct pq_shown_image *s = (struct pq_shown_image *)source;
    (void)err;
    for (int i = 0; i < rows; i++)
        interleave(s->image, s->y++, (char *)data + i * stride);
    return 0;
}

static int image_rewind(struct pq_row_source *source, pique_error *err)
{
    (void)err;
    ((struct pq_shown_image *)source)->y = 0;
    return 0;
}

static void image_close(struct pq_row_source *source)
{
    (void)source;
}

void pq_shown_image(struct pq_shown_image *out, const struct pq_image *image)
{
    *out = (struct pq_shown_image){.rows = {.format = {.width = image->width,
                                                       .height = image->height,
                                                       .colours = 3,
                                                       .alpha = image->planes == 4,
                                                       .depth = image->depth},
                                            .read = image_read,
                                            .rewind = image_rewind,
                                            .close = image_close},
                                   .image = image};
}

/* ---- a piece ---- */

struct crop {
    struct pq_stage stage;
    struct pq_stage *in;
    int x, y, next; /* next: row of `in` */
    float *row;
};

static int crop_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    struct crop *c = (struct crop *)stage;
    const size_t planes = (size_t)stage->planes, n = (size_t)stage->width * planes;
    while (rows > 0) {
        const int rc = c->in->read(c->in, 1, c->row, err);
        if (rc)
            return rc;
        if (c->next++ < c->y)
            continue;
        memcpy(data, c->row + (size_t)c->x * planes, n * sizeof *data);
        data += n;
        rows--;
    }
    return 0;
}

static void crop_close(struct pq_stage *stage)
{
    struct crop *c = (struct crop *)stage;
    c->in->close(c->in);
    pq_free(c->row);
    pq_free(c);
}

static int crop_stage(struct pq_stage **chain, const pique_look_options *o, pique_error *err)
{
    struct pq_stage *in = *chain;
    const int width = o->crop_width, height = o->crop_height;
    const int x = o->crop_x < 0 ? (in->width - width) / 2 : o->crop_x;
    const int y = o->crop_x < 0 ? (in->height - height) / 2 : o->crop_y;
    if (width < 1 || height < 1 || x < 0 || y < 0 || width > in->width - x ||
        height > in->height - y)
        return pq_fail(err, PIQUE_EINVAL, "a piece of %d x %d does not lie there within %d x %d",
                       width, height, in->width, in->height);
    const size_t bytes = (size_t)in->width * (size_t)in->planes * sizeof(float);
    struct crop *c = pq_calloc(1, sizeof *c);
    float *row = pq_malloc(bytes);
    if (!c || !row) {
        pq_free(c);
        pq_free(row);
        return pq_fail_nomem(err, bytes);
    }
    *c = (struct crop){.stage = {.width = width,
                                 .height = height,
                                 .planes = in->planes,
                                 .allocator = in->allocator,
                                 .read = crop_read,
                                 .close = crop_close},
                       .in = in,
                       .x = x,
                       .y = y,
                       .row = row};
    *chain = &c->stage;
    return 0;
}

/* ---- the whole chain ---- */

static int make_chain(struct pq_stage **chain, struct pq_row_source *rows,
                      const pique_look_options *o, pique_error *err)
{
    static const unsigned char unused[3] = {0};
    int rc = pq_source_stage(chain, rows, PIQUE_ALPHA_KEEP, unused, NULL, err);
    if (!rc && o->crop_width)
        rc = crop_stage(chain, o, err);
    if (rc)
        return rc;
    const int w = (*chain)->width, h = (*chain)->height, longest = PQ_MAX(w, h);
    if (o->side <= 0 || longest <= o->side)
        return 0;
    const double factor = (double)o->side / longest;
    return pq_resize_stage(chain, PQ_MAX((int)lround(w * factor), 1),
                           PQ_MAX((int)lround(h * factor), 1), NULL, err);
}

static int write_all(struct pq_stage *chain, const struct pq_picture_format *format,
                     struct pq_row_sink *sink, pique_error *err)
{
    struct pq_output *output = NULL;
    uint64_t bytes;
    int done = 0;
    int rc = pq_output_new(chain, format, sink, NULL, &output, err);
    while (!rc && done < chain->height)
        rc = pq_output_step(output, &done, err);
    pq_output_free(&output);
    return rc ? rc : sink->finish(sink, &bytes, err);
}

int pq_shown_write(const struct pq_picture_io *io, struct pq_row_source *rows, bool is_file,
                   const pique_look_options *o, const char *dst, int *width, int *height,
                   pique_error *err)
{
    const struct pq_save save = {
        .format = PIQUE_FORMAT_PNG, .compression = COMPRESSION, .overwrite = o->overwrite};
    struct pq_stage *chain = NULL;
    struct pq_row_sink *sink = NULL;
    int rc = make_chain(&chain, rows, o, err);
    if (!rc) {
        const struct pq_picture_format format = {.width = chain->width,
                                                 .height = chain->height,
                                                 .colours = rows->format.colours,
                                                 .alpha = rows->format.alpha,
                                                 .depth = 8};
        *width = chain->width;
        *height = chain->height;
        rc = io->open_sink(dst, &format, &save, is_file ? rows : NULL, &sink, err);
        if (!rc)
            rc = write_all(chain, &format, sink, err);
    }
    if (sink)
        sink->close(sink);
    if (chain)
        chain->close(chain);
    return rc;
}
