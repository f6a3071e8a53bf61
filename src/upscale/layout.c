/* SPDX-License-Identifier: MIT */
/* The sheet as a picture: its pictures in rows from the left, a label under each, white between.
 *
 *     +------------------------------+
 *     |  +--------+ gap +--------+   |
 *     |  | source |     | model  |   |
 *     |  +--------+     +--------+   |
 *     |  label          label        |
 *     |  ...
 */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "upscale/call.h"
#include "upscale/format.h"
#include "upscale/sheet.h"

struct layout {
    const pique_sheet *sheet;
    int columns, rows;
    int gap, letter; /* pixels: between pictures, of the letters */
    int label_height;
    unsigned char *labels; /* for each picture a mask of cell_width x label_height */
    int width, height;
};

/* As many beside one another as make the sheet about as wide as high, or one more where fewer
 * places stay empty then; up to three in one row. */
static int count_columns(int pictures)
{
    int columns = 1;
    while (columns * columns < pictures)
        columns++;
    if (pictures <= 3)
        return pictures;
    const int empty = (columns - pictures % columns) % columns;
    const int emptier = (columns + 1 - pictures % (columns + 1)) % (columns + 1);
    return emptier < empty ? columns + 1 : columns;
}

static int count_lines(const char *text)
{
    int lines = 1;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static unsigned char *label_of(const struct layout *l, size_t picture)
{
    return l->labels + picture * (size_t)l->sheet->info.cell_width * (size_t)l->label_height;
}

static void drop_labels(struct layout *l)
{
    pq_free(l->labels);
    l->labels = NULL;
    l->label_height = 0;
}

/* Where this machine cannot draw text, the sheet goes without. */
static int draw_labels(struct layout *l, pique_error *err)
{
    const pique_sheet *s = l->sheet;
    int lines = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->cells[i].label)
            lines = PQ_MAX(lines, count_lines(s->cells[i].label));
    if (lines == 0 || lines > 100 || !s->io->draw_text)
        return 0;
    l->label_height = (lines * l->letter * 4 + 2) / 3; /* lines lie 1.2 to 1.3 letters apart */
    const size_t bytes = (size_t)s->info.cell_width * (size_t)l->label_height * s->count;
    l->labels = pq_calloc(bytes, 1);
    int rc = l->labels ? 0 : pq_fail_nomem(err, bytes);
    for (size_t i = 0; !rc && i < s->count; i++)
        if (s->cells[i].label)
            rc = s->io->draw_text(s->cells[i].label, l->letter, label_of(l, i), s->info.cell_width,
                                  l->label_height, err);
    if (rc == PIQUE_EUNSUPPORTED) {
        drop_labels(l);
        rc = 0;
    }
    return rc;
}

static int lay_out(struct layout *l, const pique_sheet *s, pique_error *err)
{
    *l = (struct layout){.sheet = s, .columns = count_columns((int)s->count)};
    l->rows = ((int)s->count + l->columns - 1) / l->columns;
    l->letter = PQ_MIN(PQ_MAX(s->info.cell_width / 36, 12), 28);
    l->gap = l->letter;
    int rc = draw_labels(l, err);
    const int below = l->label_height ? l->gap / 2 + l->label_height : 0;
    l->width = l->gap + l->columns * (s->info.cell_width + l->gap);
    l->height = l->gap + l->rows * (s->info.cell_height + below + l->gap);
    return rc;
}

/* One row of one picture and what is under it; y counts from its top. */
static void fill_cell(const struct layout *l, size_t picture, int y, unsigned char *out)
{
    const pique_sheet_info *info = &l->sheet->info;
    const size_t width = (size_t)info->cell_width;
    if (y < info->cell_height) {
        memcpy(out, l->sheet->cells[picture].samples + (size_t)y * width * 3, width * 3);
        return;
    }
    const int line = y - info->cell_height - l->gap / 2;
    if (line < 0 || line >= l->label_height)
        return;
    const unsigned char *mask = label_of(l, picture) + (size_t)line * width;
    for (size_t i = 0; i < width * 3; i++)
        out[i] = (unsigned char)(255 - mask[i / 3]);
}

static void fill_row(const struct layout *l, int y, unsigned char *out)
{
    const pique_sheet *s = l->sheet;
    memset(out, 255, (size_t)l->width * 3);
    const int pitch = (l->height - l->gap) / l->rows;
    const int row = (y - l->gap) / pitch, within = (y - l->gap) % pitch;
    if (y < l->gap)
        return;
    for (int c = 0; c < l->columns; c++) {
        const size_t picture = (size_t)row * (size_t)l->columns + (size_t)c;
        if (picture < s->count)
            fill_cell(l, picture, within,
                      out +
                          3 * ((size_t)l->gap + (size_t)c * (size_t)(s->info.cell_width + l->gap)));
    }
}

static int write_rows(const struct layout *l, struct pq_row_sink *sink, uint64_t *bytes,
                      pique_error *err)
{
    const size_t row_bytes = (size_t)l->width * 3;
    unsigned char *row = pq_malloc(row_bytes);
    int rc = row ? 0 : pq_fail_nomem(err, row_bytes);
    for (int y = 0; !rc && y < l->height; y++) {
        fill_row(l, y, row);
        rc = sink->write(sink, 1, row, (ptrdiff_t)row_bytes, err);
    }
    pq_free(row);
    return rc ? rc : sink->finish(sink, bytes, err);
}

/* As what: by the name. */
static int choose_format(const pique_sheet *s, const char *dst, const struct layout *l,
                         const struct pq_format_caps **caps, pique_error *err)
{
    int rc = pq_format_choose(s->io->formats, PIQUE_FORMAT_AUTO, dst, "png", caps, err);
    if (!rc && PQ_MAX(l->width, l->height) > (*caps)->max_extent)
        rc = pq_fail(err, PIQUE_EUNSUPPORTED,
                     "%s: %d x %d pixels are more than the %d a side that %s holds", dst, l->width,
                     l->height, (*caps)->max_extent, (*caps)->name);
    return rc;
}

static int write_sheet(const pique_sheet *s, const char *dst, pique_sheet_report *report,
                       pique_error *err)
{
    struct layout l;
    struct pq_row_sink *sink = NULL;
    const struct pq_format_caps *caps = NULL;
    int rc = lay_out(&l, s, err);
    if (!rc)
        rc = choose_format(s, dst, &l, &caps, err);
    if (!rc) {
        const struct pq_picture_format format = {
            .width = l.width, .height = l.height, .colours = 3, .depth = 8};
        const struct pq_save save = {.format = caps->format,
                                     .quality = 95,
                                     .compression = 6,
                                     .overwrite = s->options.overwrite};
        rc = s->io->open_sink(dst, &format, &save, s->source, &sink, err);
    }
    if (!rc)
        rc = write_rows(&l, sink, &report->bytes_written, err);
    if (sink)
        sink->close(sink);
    report->width = l.width;
    report->height = l.height;
    report->columns = l.columns;
    report->labelled = l.labels;
    drop_labels(&l);
    return rc;
}

int pique_sheet_write(pique_sheet *sheet, const char *dst, pique_sheet_report *report,
                      pique_error *err)
{
    pique_sheet_report full = {.size = sizeof full};
    if (report && report->size < sizeof report->size)
        return pq_fail(err, PIQUE_EINVAL, "the size of the sheet report is not set");
    if (strcmp(dst, "-") != 0 && !sheet->options.overwrite && pq_exists(dst))
        return pq_fail(err, PIQUE_EEXIST, "%s: exists already; --overwrite replaces it", dst);
    int rc = write_sheet(sheet, dst, &full, err);
    if (!rc && report)
        pq_copy_out(report, report->size, &full, sizeof full);
    return rc;
}
