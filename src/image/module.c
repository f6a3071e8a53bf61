/* SPDX-License-Identifier: MIT */
/* Pictures from files and to files: what upscale/ asks of this folder. */
#include "image/module.h"

#include <pthread.h>
#include <stdio.h>

#include "base/lang.h"
#include "image/formats.h"
#include "image/picture.h"
#include "image/sink.h"
#include "image/text.h"
#include "image/vips.h"

static int open_picture(const char *path, bool allow_untrusted, struct pq_picture **out,
                        pique_error *err)
{
    *out = NULL;
    struct pq_input in;
    int rc = pq_vips_start(err);
    if (!rc)
        rc = pq_input_open(path, &in, err);
    if (rc)
        return rc;
    if (in.kind == PQ_KIND_JXL && !allow_untrusted) {
        rc = pq_fail(err, PIQUE_EUNSUPPORTED,
                     "%s: JPEG XL is read only with --allow-untrusted, since its reader is not "
                     "hardened against hostile files",
                     in.name);
        pq_input_close(&in);
        return rc;
    }
    if (in.kind == PQ_KIND_JXL)
        pq_vips_allow_jxl();
    const enum pq_kind kind = in.kind;
    rc = kind == PQ_KIND_BMP || kind == PQ_KIND_PNM ? pq_av_load(&in, out, err)
                                                    : pq_vips_load(&in, out, err);
    if (!rc) {
        pique_picture_info *info = &(*out)->source.info;
        info->size = sizeof *info;
        snprintf(info->format, sizeof info->format, "%s", pq_kind_name(kind));
    }
    return rc;
}

static int open_source(const char *path, bool allow_untrusted, struct pq_row_source **out,
                       pique_error *err)
{
    struct pq_picture *picture;
    int rc = open_picture(path, allow_untrusted, &picture, err);
    *out = rc ? NULL : &picture->source;
    return rc;
}

static int probe(const char *path, bool allow_untrusted, pique_picture_info *info, pique_error *err)
{
    struct pq_picture *picture;
    int rc = open_picture(path, allow_untrusted, &picture, err);
    if (rc)
        return rc;
    *info = picture->source.info;
    picture->source.close(&picture->source);
    return 0;
}

static int check_format(const char *path, const struct pq_picture_format *f,
                        const struct pq_format_caps *caps, pique_error *err)
{
    if (f->width < 1 || f->height < 1 || (f->colours != 1 && f->colours != 3) ||
        (f->depth != 8 && f->depth != 16) || (f->alpha && !caps->alpha) ||
        (f->depth == 16 && !caps->depth16) || (f->colours == 1 && !caps->grey))
        return pq_fail(err, PIQUE_EINVAL, "%s: %s cannot hold %d colours%s of %d bits", path,
                       caps->name, f->colours, f->alpha ? pq_tr(" and alpha") : "", f->depth);
    if (f->width > caps->max_extent || f->height > caps->max_extent)
        return pq_fail(err, PIQUE_EINVAL, "%s: %dx%d pixels are too many for %s, which ends at %d",
                       path, f->width, f->height, caps->name, caps->max_extent);
    return 0;
}

static int open_sink(const char *path, const struct pq_picture_format *format,
                     const struct pq_save *save, const struct pq_row_source *like,
                     struct pq_row_sink **out, pique_error *err)
{
    *out = NULL;
    struct pq_output output;
    int rc = pq_vips_start(err);
    if (rc)
        return rc;
    const struct pq_format_caps *caps = pq_format_find(save->format);
    if (!caps)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: this build cannot write that format", path);
    rc = check_format(path, format, caps, err);
    if (!rc)
        rc = pq_output_open(path, save->overwrite, pq_format_seeks(save->format), &output, err);
    if (rc)
        return rc;
    VipsImage *meta = like ? ((const struct pq_picture *)like)->meta : NULL;
    return save->format == PIQUE_FORMAT_PPM
               ? pq_ppm_sink_open(&output, format, out, err)
               : pq_vips_sink_open(&output, format, save, meta, out, err);
}

static struct pq_picture_io table = {
    .version = PQ_PICTURE_IO_VERSION,
    .probe = probe,
    .open_source = open_source,
    .open_sink = open_sink,
    .draw_text = pq_text_draw,
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    if (pq_vips_start(NULL) == 0)
        table.formats = pq_formats();
}

const struct pq_picture_io *pique_picture_module(void)
{
    pthread_once(&once, fill_table);
    return table.formats ? &table : NULL;
}
