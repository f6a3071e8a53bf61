/* SPDX-License-Identifier: MIT */
/* Writing PPM, and PGM for grey: a line of text, then the samples, the larger half first. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "image/sink.h"

struct ppm_sink {
    struct pq_row_sink base; /* first */
    struct pq_output out;
    struct pq_picture_format format;
    int rows; /* written */
    unsigned char *row;
};

static int write_row(struct ppm_sink *s, const void *samples, pique_error *err)
{
    size_t bytes = pq_picture_row_bytes(&s->format);
    memcpy(s->row, samples, bytes);
    uint16_t *wide = (uint16_t *)(void *)s->row;
    for (size_t i = 0; s->format.depth == 16 && i < bytes / 2; i++)
        wide[i] = htons(wide[i]);
    return pq_output_write(&s->out, s->row, bytes, err);
}

static int ppm_write(struct pq_row_sink *sink, int rows, const void *data, ptrdiff_t stride,
                     pique_error *err)
{
    struct ppm_sink *s = (struct ppm_sink *)sink;
    if (rows < 0 || rows > s->format.height - s->rows)
        return pq_fail(err, PIQUE_EINVAL, "%s: more rows than the picture has", s->out.file.path);
    int rc = 0;
    for (int y = 0; !rc && y < rows; y++)
        rc = write_row(s, (const char *)data + y * stride, err);
    s->rows += rows;
    return rc;
}

static int ppm_finish(struct pq_row_sink *sink, uint64_t *bytes, pique_error *err)
{
    struct ppm_sink *s = (struct ppm_sink *)sink;
    if (s->rows != s->format.height)
        return pq_fail(err, PIQUE_EINVAL, "%s: rows are missing", s->out.file.path);
    return pq_output_commit(&s->out, bytes, err);
}

static void ppm_close(struct pq_row_sink *sink)
{
    struct ppm_sink *s = (struct ppm_sink *)sink;
    if (!s)
        return;
    pq_output_close(&s->out);
    pq_free(s->row);
    pq_free(s);
}

int pq_ppm_sink_open(struct pq_output *out, const struct pq_picture_format *format,
                     struct pq_row_sink **sink, pique_error *err)
{
    *sink = NULL;
    struct ppm_sink *s = pq_calloc(1, sizeof *s);
    if (!s) {
        pq_output_close(out);
        return pq_fail_nomem(err, sizeof *s);
    }
    s->base = (struct pq_row_sink){ppm_write, ppm_finish, ppm_close};
    s->out = *out;
    s->format = *format;
    size_t bytes = pq_picture_row_bytes(format);
    s->row = pq_malloc(bytes);
    char header[64];
    int n = snprintf(header, sizeof header, "P%d\n%d %d\n%d\n", format->colours == 1 ? 5 : 6,
                     format->width, format->height, format->depth == 16 ? 65535 : 255);
    int rc = s->row ? pq_output_write(&s->out, header, (size_t)n, err) : pq_fail_nomem(err, bytes);
    if (rc)
        ppm_close(&s->base);
    else
        *sink = &s->base;
    return rc;
}
