/* SPDX-License-Identifier: MIT */
#include "film/pictures.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sequence.h"
#include "base/str.h"
#include "upscale/format.h"
#include "upscale/module.h"

enum { ROWS = 16 }; /* that are handed over at a time */

/* ---- names ---- */

char *pq_frame_path(const struct pq_frame_files *files, int64_t index)
{
    struct pq_number_place place;
    if (!pq_is_sequence(files->pattern, &place)) /* the one frame of a preview */
        return pq_strdup(files->pattern);
    return pq_asprintf("%.*s%0*" PRId64 "%s", (int)(place.at - files->pattern), files->pattern,
                       place.digits, index + 1, place.at + place.length);
}

/* "folder/stem" + "%06d" + suffix, with what may be taken for a number in the folder refused. */
static int make_pattern(struct pq_frame_files *files, const char *folder, const char *stem,
                        pique_error *err)
{
    const char *suffix = files->caps->suffixes;
    if (strchr(folder, '%'))
        return pq_fail(err, PIQUE_EINVAL, "%s: a folder for frames may have no %% in its name",
                       folder);
    files->pattern = pq_asprintf("%s/%s%%06d%.*s", folder, stem, (int)strcspn(suffix, " "), suffix);
    return files->pattern ? 0 : pq_fail_nomem(err, strlen(folder) + 32);
}

/* ---- formats ---- */

static int find_caps(struct pq_frame_files *files, enum pique_format format, pique_error *err)
{
    int rc = pq_picture_module(&files->io, err);
    if (rc)
        return rc;
    for (files->caps = files->io->formats; files->caps->format; files->caps++) {
        if (files->caps->format == format)
            return 0;
    }
    return pq_fail(err, PIQUE_EUNSUPPORTED, "this build cannot write that format of pictures");
}

int pq_frame_files_kept(struct pq_frame_files *files, enum pique_frame_format format,
                        const char *folder, const char *stem, pique_error *err)
{
    static const struct {
        enum pique_format format;
        int quality, compression, depth;
    } how[] = {
        [PIQUE_FRAMES_PNG] = {PIQUE_FORMAT_PNG, 95, 6, 8},
        [PIQUE_FRAMES_PNG16] = {PIQUE_FORMAT_PNG, 95, 0, 16},
        [PIQUE_FRAMES_PNG_SMALL] = {PIQUE_FORMAT_PNG, 95, 9, 8},
        [PIQUE_FRAMES_JPEG100] = {PIQUE_FORMAT_JPEG, 100, 6, 8},
        [PIQUE_FRAMES_JPEG95] = {PIQUE_FORMAT_JPEG, 95, 6, 8},
    };
    *files = (struct pq_frame_files){.background = {255, 255, 255}};
    if ((unsigned)format >= PQ_COUNT(how))
        return pq_fail(err, PIQUE_EINVAL, "there is no format %d of frames", (int)format);
    files->depth = how[format].depth;
    files->save = (struct pq_save){.format = how[format].format,
                                   .quality = how[format].quality,
                                   .compression = how[format].compression,
                                   .overwrite = true};
    int rc = find_caps(files, how[format].format, err);
    return rc ? rc : make_pattern(files, folder, stem, err);
}

int pq_frame_files_result(struct pq_frame_files *files, const char *dst, bool single,
                          const pique_picture_options *o, int depth, pique_error *err)
{
    *files = (struct pq_frame_files){.background = {255, 255, 255}};
    int rc = pq_picture_module(&files->io, err);
    if (!rc)
        rc = pq_format_choose(files->io->formats, o->format,
                              single || pq_is_sequence(dst, NULL) ? dst : "a.png", "png",
                              &files->caps, err);
    if (rc)
        return rc;
    files->depth = o->depth ? o->depth : depth;
    if (files->depth == 16 && !files->caps->depth16)
        files->depth = 8;
    if (o->background_set)
        memcpy(files->background, o->background, sizeof files->background);
    files->save = (struct pq_save){
        .format = files->caps->format,
        .quality = o->quality ? o->quality : 95,
        .lossless = o->lossless,
        .compression = o->compression_set && o->compression >= 0 ? o->compression : 6,
        .overwrite = !single || o->overwrite,
    };
    if (!single && !pq_is_sequence(dst, NULL))
        return make_pattern(files, dst, "", err);
    files->pattern = pq_strdup(dst);
    return files->pattern ? 0 : pq_fail_nomem(err, strlen(dst) + 1);
}

void pq_frame_files_free(struct pq_frame_files *files)
{
    pq_free(files->pattern);
    files->pattern = NULL;
}

/* ---- pixels ---- */

/* A sample of the picture, in the depth of the file. */
static uint32_t sample(const struct pq_image *image, int plane, int x, int y, int depth)
{
    const void *row = (const char *)image->data[plane] + y * image->stride[plane];
    const uint32_t v = image->depth == 8 ? ((const uint8_t *)row)[x] : ((const uint16_t *)row)[x];
    if (image->depth == depth)
        return v;
    return depth == 8 ? (v * 255 + 32767) / 65535 : v * 257;
}

static void put(void *row, size_t i, uint32_t value, int depth)
{
    if (depth == 8)
        ((uint8_t *)row)[i] = (uint8_t)value;
    else
        ((uint16_t *)row)[i] = (uint16_t)value;
}

static void interleave(const struct pq_frame_files *files, const struct pq_image *image, int y,
                       const struct pq_picture_format *format, void *row)
{
    const int depth = format->depth;
    const uint32_t full = depth == 8 ? 255 : 65535;
    size_t i = 0;
    for (int x = 0; x < image->width; x++) {
        const uint32_t a = image->planes == 4 ? sample(image, 3, x, y, depth) : full;
        for (int c = 0; c < 3; c++) {
            uint32_t v = sample(image, c, x, y, depth);
            if (!format->alpha && a < full) {
                const uint64_t behind = (uint64_t)files->background[c] * (full / 255);
                v = (uint32_t)(((uint64_t)v * a + behind * (full - a) + full / 2) / full);
            }
            put(row, i++, v, depth);
        }
        if (format->alpha)
            put(row, i++, a, depth);
    }
}

int pq_frame_write(const struct pq_frame_files *files, const char *path,
                   const struct pq_image *image, uint64_t *bytes, pique_error *err)
{
    struct pq_row_sink *sink = NULL;
    const struct pq_picture_format format = {
        .width = image->width,
        .height = image->height,
        .colours = 3,
        .alpha = image->planes == 4 && files->caps->alpha,
        .depth = files->depth,
    };
    const size_t row = pq_picture_row_bytes(&format);
    char *rows = pq_malloc(row * ROWS);
    int rc = rows ? 0 : pq_fail_nomem(err, row * ROWS);
    if (!rc)
        rc = files->io->open_sink(path, &format, &files->save, NULL, &sink, err);
    for (int y = 0; !rc && y < image->height; y += ROWS) {
        const int n = PQ_MIN(ROWS, image->height - y);
        for (int i = 0; i < n; i++)
            interleave(files, image, y + i, &format, rows + (size_t)i * row);
        rc = sink->write(sink, n, rows, (ptrdiff_t)row, err);
    }
    if (!rc)
        rc = sink->finish(sink, bytes, err);
    if (sink)
        sink->close(sink);
    pq_free(rows);
    return rc;
}

int pq_frame_copy(const char *from, const char *to, uint64_t *bytes, pique_error *err)
{
    enum { PIECE = 1 << 20 };
    struct pq_file in, out;
    void *buffer = pq_malloc(PIECE);
    if (!buffer)
        return pq_fail_nomem(err, PIECE);
    *bytes = 0;
    int rc = pq_file_open(from, &in, err);
    if (rc) {
        pq_free(buffer);
        return rc;
    }
    rc = pq_file_create(to, true, &out, err);
    for (size_t got = 1; !rc && got;) {
        rc = pq_file_read(&in, buffer, PIECE, &got, err);
        if (!rc && got)
            rc = pq_file_write(&out, buffer, got, err);
        *bytes += got;
    }
    if (!rc)
        rc = pq_file_commit(&out, true, err);
    else
        pq_file_close(&out);
    pq_file_close(&in);
    pq_free(buffer);
    return rc;
}
