/* SPDX-License-Identifier: MIT */
/* Where pictures come from and where they go, as rows.
 *
 * image/ (and later video/) implement these; upscale/ only calls them. Samples are interleaved,
 * unsigned, in native byte order: colours (1 or 3), then alpha where there is one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "pique/picture.h"

struct pq_picture_format {
    int width, height;
    int colours; /* 1 grey, 3 RGB */
    bool alpha;  /* not premultiplied */
    int depth;   /* 8 or 16 */
};

static inline size_t pq_picture_row_bytes(const struct pq_picture_format *f)
{
    return (size_t)f->width * (size_t)(f->colours + f->alpha) * (size_t)(f->depth / 8);
}

/* A picture that is read from the top. Thread-safety: one call at a time. */
struct pq_row_source {
    struct pq_picture_format format; /* as seen: orientation applied, CMYK already sRGB */
    pique_picture_info info;         /* what the file says */
    /* The next `rows` rows; the caller never asks beyond the end. After a failure only rewind() and
     * close() make sense. */
    int (*read)(struct pq_row_source *source, int rows, void *data, ptrdiff_t stride,
                pique_error *err);
    /* Start again from the top. */
    int (*rewind)(struct pq_row_source *source, pique_error *err);
    void (*close)(struct pq_row_source *source);
};

/* A picture that is written from the top. Thread-safety: one call at a time. */
struct pq_row_sink {
    /* The next rows, copied before it returns; it may wait for the writer. After a failure only
     * close() may follow. */
    int (*write)(struct pq_row_sink *sink, int rows, const void *data, ptrdiff_t stride,
                 pique_error *err);
    /* All rows are written: make the output exist under its name. *bytes is its size. The sink is
     * spent after this, whatever it returns, and must still be closed. */
    int (*finish)(struct pq_row_sink *sink, uint64_t *bytes, pique_error *err);
    /* Free it; what is not finished leaves nothing behind. */
    void (*close)(struct pq_row_sink *sink);
};

/* What an output format can hold. */
struct pq_format_caps {
    enum pique_format format;
    const char *name;     /* "png" */
    const char *suffixes; /* ".png", space-separated, first one is written */
    bool alpha;
    bool depth16;
    bool grey;           /* keeps a single channel; otherwise grey is written as RGB */
    int max_extent;      /* largest width or height */
    bool icc, exif, xmp; /* which of these of the source it carries */
};

/* How a picture is written; all resolved, nothing left to choose. */
struct pq_save {
    enum pique_format format;
    int quality;
    bool lossless;
    int compression;
    bool overwrite;
};

/* What a picture module offers: one table, found by dlopen (upscale/module.h). */
struct pq_picture_io {
    int version; /* PQ_PICTURE_IO_VERSION of the headers it was built with */
    int (*probe)(const char *path, bool allow_untrusted, pique_picture_info *info,
                 pique_error *err);
    int (*open_source)(const char *path, bool allow_untrusted, struct pq_row_source **out,
                       pique_error *err);
    /* Formats that can be written, format 0 (AUTO) ends the list. */
    const struct pq_format_caps *formats;
    /* Profile, EXIF, XMP and resolution are taken from `like`, a source of this module, which must
     * outlive the sink. Nothing appears under `path` before finish(). */
    int (*open_sink)(const char *path, const struct pq_picture_format *format,
                     const struct pq_save *save, const struct pq_row_source *like,
                     struct pq_row_sink **out, pique_error *err);
    /* Text, UTF-8 with "\n" between lines, in letters of so many pixels, into the top left of a
     * mask of width x height: 0 where there is none, 255 where it covers a pixel wholly. What does
     * not fit is cut. PIQUE_EUNSUPPORTED where this machine cannot. May be NULL. */
    int (*draw_text)(const char *text, int pixels, unsigned char *mask, int width, int height,
                     pique_error *err);
};

enum { PQ_PICTURE_IO_VERSION = 3 };
