/* SPDX-License-Identifier: MIT */
#include "image/formats.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "image/compat.h"
#include "image/vips.h"

typedef void configure_fn(VipsOperation *op, VipsImage *image, const struct pq_save *save);

static int quality_of(const struct pq_save *save)
{
    return save->quality >= 1 && save->quality <= 100 ? save->quality : 95;
}

static int compression_of(const struct pq_save *save)
{
    return save->compression >= 0 && save->compression <= 9 ? save->compression : 6;
}

/* From here on colours at half resolution would be what one sees. */
static VipsForeignSubsample subsampling_of(const struct pq_save *save)
{
    return quality_of(save) >= 90 ? VIPS_FOREIGN_SUBSAMPLE_OFF : VIPS_FOREIGN_SUBSAMPLE_ON;
}

/* One filter for all rows, "up": on upscaled pictures as small as the best of five within 5 per
 * cent, in three quarters of the time. Without compression a filter gains nothing. */
static void configure_png(VipsOperation *op, VipsImage *image, const struct pq_save *save)
{
    int level = compression_of(save);
    g_object_set(op, "compression", level, "filter",
                 level ? VIPS_FOREIGN_PNG_FILTER_UP : VIPS_FOREIGN_PNG_FILTER_NONE, NULL);
}

static void configure_jpeg(VipsOperation *op, VipsImage *image, const struct pq_save *save)
{
    /* Optimal Huffman tables would hold all coefficients in memory until the last row. */
    g_object_set(op, "Q", quality_of(save), "optimize_coding", FALSE, "subsample_mode",
                 subsampling_of(save), NULL);
}

static void configure_webp(VipsOperation *op, VipsImage *image, const struct pq_save *save)
{
    g_object_set(op, "Q", quality_of(save), "lossless", save->lossless, "effort", 4,
                 "smart_subsample", quality_of(save) >= 90, NULL);
    /* Colours under full transparency, for a lossless file that is lossless. */
    if (pq_op_knows(op, "exact"))
        g_object_set(op, "exact", save->lossless, NULL);
}

static void configure_tiff(VipsOperation *op, VipsImage *image, const struct pq_save *save)
{
    enum { CLASSIC_LIMIT = 3500 }; /* MiB; a TIFF that is not a BigTIFF ends at 4 GiB */
    bool packed = compression_of(save) > 0;
    g_object_set(op, "compression",
                 packed ? VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE
                        : VIPS_FOREIGN_TIFF_COMPRESSION_NONE,
                 "predictor",
                 packed ? VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL : VIPS_FOREIGN_TIFF_PREDICTOR_NONE,
                 "bigtiff", VIPS_IMAGE_SIZEOF_IMAGE(image) >> 20 > CLASSIC_LIMIT, NULL);
}

/* 16 bits become 12. Not 10, though more decoders know that: libheif 1.15 with libaom 3.6 writes
 * beyond its memory for 10 bits without subsampling. "lossless" keeps every bit of what the encoder
 * is given, but that is YCbCr, so one step of 8 bits may be lost on the way. */
static void configure_avif(VipsOperation *op, VipsImage *image, const struct pq_save *save)
{
    /* Effort 4 takes five times as long as 3 and gains 3 per cent. */
    g_object_set(op, "Q", quality_of(save), "lossless", save->lossless, "bitdepth",
                 image->BandFmt == VIPS_FORMAT_UCHAR ? 8 : 12, "effort", 3, "subsample_mode",
                 save->lossless ? VIPS_FOREIGN_SUBSAMPLE_OFF : subsampling_of(save), NULL);
}

static void configure_jxl(VipsOperation *op, VipsImage *image, const struct pq_save *save)
{
    g_object_set(op, "Q", quality_of(save), "lossless", save->lossless, "effort", 5, NULL);
}

/* clang-format off */
static const struct format {
    struct pq_format_caps caps;
    const char *saver; /* of libvips; NULL: ours */
    configure_fn *configure;
    bool seeks;
} known[] = {
    /* format, name, suffixes, alpha, depth16, grey, max_extent (JPEG: libjpeg's own limit; 0: as
     * much as libvips takes), icc, exif (libvips writes none into a TIFF), xmp */
    {{PIQUE_FORMAT_PNG, "png", ".png", true, true, true, 0, true, true, true},
     "pngsave_target", configure_png, false},
    {{PIQUE_FORMAT_JPEG, "jpeg", ".jpg .jpeg .jpe .jfif", false, false, true, 65500, true, true,
      true},
     "jpegsave_target", configure_jpeg, false},
    {{PIQUE_FORMAT_WEBP, "webp", ".webp", true, false, false, 16383, true, true, true},
     "webpsave_target", configure_webp, false},
    {{PIQUE_FORMAT_TIFF, "tiff", ".tif .tiff", true, true, true, 0, true, false, true},
     "tiffsave_target", configure_tiff, true},
    {{PIQUE_FORMAT_AVIF, "avif", ".avif", true, true, false, 16384, true, true, true},
     "avifsave_target", configure_avif, false},
    {{PIQUE_FORMAT_JXL, "jxl", ".jxl", true, true, true, 1 << 23, true, true, true},
     "jxlsave_target", configure_jxl, false},
    {{PIQUE_FORMAT_PPM, "ppm", ".ppm .pgm .pnm", false, true, true, 1 << 30, false, false, false},
     NULL, NULL, false},
};
/* clang-format on */

static struct pq_format_caps usable[PQ_COUNT(known) + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* libvips has the AVIF saver wherever it has libheif, but libheif needs an encoder of its own: try
 * one pixel. */
static bool can_encode(const struct format *f)
{
    const struct pq_save save = {.format = f->caps.format, .quality = 95};
    VipsImage *black = NULL;
    if (vips_black(&black, 64, 64, "bands", 3, NULL))
        return false;
    black->Type = VIPS_INTERPRETATION_sRGB; /* refused from 8.16.1 on if it says nothing */
    VipsOperation *op = pq_format_saver(black, &save);
    VipsTarget *target = vips_target_new_to_memory();
    bool works = false;
    if (op) {
        g_object_set(op, "target", target, NULL);
        works = pq_op_run(op, NULL) == 0;
    }
    g_object_unref(target);
    g_object_unref(black);
    vips_error_clear();
    return works;
}

static void find_usable(void)
{
    size_t n = 0;
    for (size_t i = 0; i < PQ_COUNT(known); i++) {
        const struct format *f = &known[i];
        if (f->saver && !pq_vips_has(f->saver))
            continue;
        if (f->caps.format == PIQUE_FORMAT_AVIF && !can_encode(f))
            continue;
        usable[n] = f->caps;
        /* Since libvips 8.16 a function tells, so no table in this file can hold it. */
        if (usable[n].max_extent == 0)
            usable[n].max_extent = VIPS_MAX_COORD;
        n++;
    }
}

const struct pq_format_caps *pq_formats(void)
{
    pthread_once(&once, find_usable);
    return usable;
}

const struct pq_format_caps *pq_format_find(enum pique_format format)
{
    for (const struct pq_format_caps *caps = pq_formats(); caps->format; caps++) {
        if (caps->format == format)
            return caps;
    }
    return NULL;
}

static const struct format *known_format(enum pique_format format)
{
    for (size_t i = 0; i < PQ_COUNT(known); i++) {
        if (known[i].caps.format == format)
            return &known[i];
    }
    return NULL;
}

VipsOperation *pq_format_saver(VipsImage *image, const struct pq_save *save)
{
    const struct format *f = known_format(save->format);
    VipsOperation *op = f && f->saver ? vips_operation_new(f->saver) : NULL;
    if (!op)
        return NULL;
    g_object_set(op, "in", image, NULL);
    f->configure(op, image, save);
    /* WebP has no other place for the resolution. */
    if (save->format != PIQUE_FORMAT_WEBP && !vips_image_get_typeof(image, VIPS_META_EXIF_NAME))
        pq_save_without_exif(op);
    return op;
}

bool pq_format_seeks(enum pique_format format)
{
    const struct format *f = known_format(format);
    return f && f->seeks;
}
