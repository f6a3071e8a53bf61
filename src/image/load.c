/* SPDX-License-Identifier: MIT */
/* Pictures that libvips reads.
 *
 *   file -> loader -> orientation -> colours -> region -> rows
 *
 * Each arrow pulls. The loader decodes in order, so that a PNG, a JPEG or a TIFF of any height
 * takes the memory of a few rows; the formats that can only be decoded as a whole (WebP, AVIF,
 * HEIF, JPEG XL, progressive JPEG, interlaced PNG) and pictures that must be turned are held by
 * libvips, in memory up to 100 MB, in a temporary file above. Everything runs on the thread that
 * asks for rows. */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "image/compat.h"
#include "image/meta.h"
#include "image/picture.h"
#include "image/vips.h"

enum { STRIP = 16 }; /* rows that are asked of libvips at a time */

struct vips_picture {
    struct pq_picture base; /* first */
    struct pq_input input;
    VipsImage *image;   /* as delivered */
    VipsRegion *region; /* a window on it */
    pthread_t owner;    /* libvips ties a region to the thread that made it */
    int next_row;
    int heif_bits; /* bits of a HEIF sample that libvips left-aligned in 16; else 0 */
};

static const char *loader_name(enum pq_kind kind)
{
    switch (kind) {
    case PQ_KIND_PNG:
        return "pngload_source";
    case PQ_KIND_JPEG:
        return "jpegload_source";
    case PQ_KIND_WEBP:
        return "webpload_source";
    case PQ_KIND_TIFF:
        return "tiffload_source";
    case PQ_KIND_GIF:
        return "gifload_source";
    case PQ_KIND_AVIF:
    case PQ_KIND_HEIF:
        return "heifload_source";
    case PQ_KIND_JXL:
        return "jxlload_source";
    default:
        return "";
    }
}

/* ---- failures ---- */

/* A failed read explains more than what libvips makes of it. */
static int load_failed(struct vips_picture *p, pique_error *err)
{
    if (p->input.io.code) {
        if (err)
            *err = p->input.io;
        vips_error_clear();
        return p->input.io.code;
    }
    char what[96];
    snprintf(what, sizeof what, pq_tr("damaged or unusable %s picture"),
             pq_kind_name(p->input.kind));
    return pq_vips_fail(err, 0, p->input.name, what);
}

/* libjpeg goes on with grey after what it calls a warning. These three mean lost pixels; others,
 * such as stray bytes between segments, which many cameras write, do not. libvips keeps the first
 * warning of a file in its error buffer. */
static bool jpeg_lost_pixels(const struct vips_picture *p)
{
    static const char *const signs[] = {"remature end", "bad Huffman", "instead of RST"};
    const char *text = vips_error_buffer();
    for (size_t i = 0; p->input.kind == PQ_KIND_JPEG && i < PQ_COUNT(signs); i++) {
        if (strstr(text, signs[i]))
            return true;
    }
    return false;
}

/* ---- the pipeline ---- */

static int field_int(VipsImage *image, const char *name, int otherwise)
{
    int value;
    if (!vips_image_get_typeof(image, name) || vips_image_get_int(image, name, &value))
        return otherwise;
    return value;
}

static int open_loader(struct vips_picture *p, VipsAccess access, VipsImage **out, pique_error *err)
{
    const char *name = loader_name(p->input.kind);
    if (!pq_vips_has(name))
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: this build of libvips cannot read %s",
                       p->input.name, pq_kind_name(p->input.kind));
    vips_error_clear();
    VipsSource *source = pq_input_source(&p->input);
    if (!source)
        return load_failed(p, err);
    VipsOperation *op = vips_operation_new(name);
    /* For PNG a warning is a checksum that does not fit; for the others it is often harmless. */
    VipsFailOn fail_on = p->input.kind == PQ_KIND_PNG ? VIPS_FAIL_ON_WARNING : VIPS_FAIL_ON_ERROR;
    g_object_set(op, "source", source, "access", access, "fail_on", fail_on, NULL);
    int rc = pq_op_run(op, out);
    g_object_unref(source);
    return rc || p->input.io.code ? load_failed(p, err) : 0;
}

/* HEIF and JPEG XL turn their pixels themselves; what EXIF says there is history. */
static int orientation_of(const struct vips_picture *p, VipsImage *image)
{
    if (p->input.kind == PQ_KIND_HEIF || p->input.kind == PQ_KIND_AVIF ||
        p->input.kind == PQ_KIND_JXL)
        return 1;
    int value = field_int(image, VIPS_META_ORIENTATION, 1);
    return value >= 1 && value <= 8 ? value : 1;
}

static bool decoded_whole(const struct vips_picture *p, VipsImage *image)
{
    switch (p->input.kind) {
    case PQ_KIND_TIFF:
        return false;
    case PQ_KIND_PNG:
    case PQ_KIND_JPEG:
        return field_int(image, "interlaced", 0) != 0;
    default:
        return true;
    }
}

/* Replace *image by what an operation made of it. */
static int step(VipsImage **image, int rc, VipsImage **next)
{
    if (rc)
        return -1;
    g_object_unref(*image);
    *image = *next;
    return 0;
}

static int turn(VipsImage **image, int orientation)
{
    VipsImage *next = NULL;
    vips_image_set_int(*image, VIPS_META_ORIENTATION, orientation);
    return step(image, vips_autorot(*image, &next, NULL), &next);
}

static int cmyk_to_srgb(VipsImage **image)
{
    VipsImage *next = NULL;
    int depth = (*image)->BandFmt == VIPS_FORMAT_USHORT ? 16 : 8;
    int rc = vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "input_profile", "cmyk",
                                "intent", VIPS_INTENT_RELATIVE, "black_point_compensation", TRUE,
                                "depth", depth, NULL);
    return step(image, rc, &next);
}

static int to_srgb(VipsImage **image)
{
    VipsImage *next = NULL;
    VipsInterpretation space = (*image)->BandFmt == VIPS_FORMAT_UCHAR ? VIPS_INTERPRETATION_sRGB
                                                                      : VIPS_INTERPRETATION_RGB16;
    return step(image, vips_colourspace(*image, &next, space, NULL), &next);
}

static int keep_bands(VipsImage **image, int bands)
{
    VipsImage *next = NULL;
    if ((*image)->Bands == bands)
        return 0;
    return step(image, vips_extract_band(*image, &next, 0, "n", bands, NULL), &next);
}

static int refuse_samples(const struct vips_picture *p, VipsImage *image, pique_error *err)
{
    return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: %d channels of type %s (%s) are not supported",
                   p->input.name, image->Bands,
                   vips_enum_nick(VIPS_TYPE_BAND_FORMAT, image->BandFmt),
                   vips_enum_nick(VIPS_TYPE_INTERPRETATION, image->Type));
}

/* Colours that are neither grey nor RGB nor CMYK, and floating-point light, become sRGB; *converted
 * says that the profile of the file no longer describes the pixels. */
static int convert_colours(struct vips_picture *p, VipsImage **image, bool *converted,
                           pique_error *err)
{
    *converted = true;
    switch ((*image)->Type) {
    case VIPS_INTERPRETATION_CMYK:
        if ((*image)->BandFmt != VIPS_FORMAT_UCHAR && (*image)->BandFmt != VIPS_FORMAT_USHORT)
            return refuse_samples(p, *image, err);
        return cmyk_to_srgb(image) ? load_failed(p, err) : 0;
    case VIPS_INTERPRETATION_LAB:
    case VIPS_INTERPRETATION_LABS:
    case VIPS_INTERPRETATION_LABQ:
    case VIPS_INTERPRETATION_XYZ:
    case VIPS_INTERPRETATION_scRGB:
        if ((*image)->Bands > 3) /* the range of their alpha is not agreed on */
            return refuse_samples(p, *image, err);
        return to_srgb(image) ? load_failed(p, err) : 0;
    default:
        *converted = false;
        return 0;
    }
}

/* The form of the rows follows from what is left. */
static int settle_format(struct vips_picture *p, VipsImage **image, pique_error *err)
{
    struct pq_picture_format *f = &p->base.source.format;
    VipsImage *im = *image;
    if ((im->BandFmt != VIPS_FORMAT_UCHAR && im->BandFmt != VIPS_FORMAT_USHORT) ||
        im->Coding != VIPS_CODING_NONE)
        return refuse_samples(p, im, err);
    bool rgb = im->Type == VIPS_INTERPRETATION_sRGB || im->Type == VIPS_INTERPRETATION_RGB ||
               im->Type == VIPS_INTERPRETATION_RGB16;
    bool grey = im->Type == VIPS_INTERPRETATION_B_W || im->Type == VIPS_INTERPRETATION_GREY16;
    if (im->Type == VIPS_INTERPRETATION_MULTIBAND) {
        grey = im->Bands <= 2;
        rgb = im->Bands == 3 || im->Bands == 4;
    }
    if ((!rgb && !grey) || (rgb && im->Bands < 3))
        return refuse_samples(p, im, err);
    f->colours = rgb ? 3 : 1;
    f->alpha = im->Bands > f->colours;
    f->depth = im->BandFmt == VIPS_FORMAT_USHORT ? 16 : 8;
    f->width = im->Xsize;
    f->height = im->Ysize;
    /* Beyond alpha a TIFF may carry channels that nothing here can draw. */
    return keep_bands(image, f->colours + f->alpha) ? load_failed(p, err) : 0;
}

/* From the start of the file to an image whose rows are what read() delivers. */
static int build(struct vips_picture *p, pique_error *err)
{
    VipsImage *image = NULL;
    int rc = open_loader(p, VIPS_ACCESS_SEQUENTIAL, &image, err);
    if (rc)
        return rc;
    int orientation = orientation_of(p, image);
    bool whole = orientation > 2 || decoded_whole(p, image);
    rc = pq_check_extent(&p->input, image->Xsize, image->Ysize, (int)VIPS_IMAGE_SIZEOF_PEL(image),
                         whole, err);
    /* A mirror works within a row; anything more needs rows from the end. */
    if (!rc && orientation > 2) {
        g_clear_object(&image);
        rc = open_loader(p, VIPS_ACCESS_RANDOM, &image, err);
    }
    bool converted = false;
    if (!rc && turn(&image, orientation))
        rc = load_failed(p, err);
    if (!rc)
        rc = convert_colours(p, &image, &converted, err);
    if (!rc)
        rc = settle_format(p, &image, err);
    if (!rc && converted && p->base.meta)
        pq_meta_replace_profile(p->base.meta, image);
    if (rc) {
        g_clear_object(&image);
        return rc;
    }
    p->image = image;
    p->next_row = 0;
    return 0;
}

/* ---- what the file says ---- */

static int describe(struct vips_picture *p, pique_error *err)
{
    VipsImage *header = NULL;
    int rc = open_loader(p, VIPS_ACCESS_SEQUENTIAL, &header, err);
    if (rc)
        return rc;
    pique_picture_info *info = &p->base.source.info;
    info->orientation = orientation_of(p, header);
    bool cmyk = header->Type == VIPS_INTERPRETATION_CMYK;
    info->colours = cmyk ? 4 : header->Bands < 3 ? 1 : 3;
    info->alpha = header->Bands > info->colours;
    info->depth = header->BandFmt == VIPS_FORMAT_UCHAR ? 8 : 16;
    info->width = info->orientation > 4 ? header->Ysize : header->Xsize;
    info->height = info->orientation > 4 ? header->Xsize : header->Ysize;
    info->frames = PQ_MAX(1, field_int(header, VIPS_META_N_PAGES, 1));
    int bits = field_int(header, PQ_VIPS_HEIF_DEPTH, 0);
    if ((p->input.kind == PQ_KIND_HEIF || p->input.kind == PQ_KIND_AVIF) && bits > 8 && bits < 16)
        p->heif_bits = bits;
    p->base.meta = pq_meta_take(header);
    g_object_unref(header);
    if (!p->base.meta)
        return load_failed(p, err);
    info->has_icc = vips_image_get_typeof(p->base.meta, VIPS_META_ICC_NAME) != 0;
    info->has_exif = vips_image_get_typeof(p->base.meta, VIPS_META_EXIF_NAME) != 0;
    info->has_xmp = vips_image_get_typeof(p->base.meta, VIPS_META_XMP_NAME) != 0;
    return 0;
}

/* ---- the row source ---- */

static void drop_pipeline(struct vips_picture *p)
{
    g_clear_object(&p->region);
    g_clear_object(&p->image);
}

static int own_region(struct vips_picture *p, pique_error *err)
{
    if (p->region && !pthread_equal(p->owner, pthread_self()))
        g_clear_object(&p->region);
    if (!p->region) {
        p->region = vips_region_new(p->image);
        p->owner = pthread_self();
    }
    return p->region ? 0 : load_failed(p, err);
}

/* libvips puts the 10 or 12 bits of a sample at the top of 16 and zeros below, so that white would
 * be a little grey; repeating the top bits makes it white. */
static void fill_low_bits(uint16_t *samples, size_t count, int bits)
{
    for (size_t i = 0; i < count; i++)
        samples[i] |= (uint16_t)(samples[i] >> bits);
}

static int read_strip(struct vips_picture *p, int rows, char *data, ptrdiff_t stride,
                      pique_error *err)
{
    const struct pq_picture_format *f = &p->base.source.format;
    const VipsRect rect = {0, p->next_row, f->width, rows};
    if (vips_region_prepare(p->region, &rect) || p->input.io.code || jpeg_lost_pixels(p))
        return load_failed(p, err);
    size_t bytes = pq_picture_row_bytes(f);
    for (int y = 0; y < rows; y++) {
        char *row = data + y * stride;
        memcpy(row, VIPS_REGION_ADDR(p->region, 0, p->next_row + y), bytes);
        if (p->heif_bits && f->depth == 16)
            fill_low_bits((uint16_t *)(void *)row, bytes / 2, p->heif_bits);
    }
    p->next_row += rows;
    return 0;
}

static int picture_read(struct pq_row_source *source, int rows, void *data, ptrdiff_t stride,
                        pique_error *err)
{
    struct vips_picture *p = (struct vips_picture *)source;
    if (rows < 0 || rows > source->format.height - p->next_row)
        return pq_fail(err, PIQUE_EINVAL, "%s: rows beyond the end are asked for", p->input.name);
    int rc = p->image ? own_region(p, err) : build(p, err);
    if (!rc && !p->region)
        rc = own_region(p, err);
    char *at = data;
    while (!rc && rows > 0) {
        int n = PQ_MIN(rows, STRIP);
        rc = read_strip(p, n, at, stride, err);
        at += n * stride;
        rows -= n;
    }
    return rc;
}

static int picture_rewind(struct pq_row_source *source, pique_error *err)
{
    struct vips_picture *p = (struct vips_picture *)source;
    const struct pq_picture_format before = source->format;
    drop_pipeline(p);
    int rc = build(p, err);
    if (!rc && memcmp(&before, &source->format, sizeof before) != 0)
        rc = pq_fail(err, PIQUE_EIO, "%s: the file changed while it was read", p->input.name);
    return rc;
}

static void picture_close(struct pq_row_source *source)
{
    struct vips_picture *p = (struct vips_picture *)source;
    if (!p)
        return;
    drop_pipeline(p);
    g_clear_object(&p->base.meta);
    pq_input_close(&p->input);
    pq_free(p);
}

int pq_vips_load(struct pq_input *in, struct pq_picture **out, pique_error *err)
{
    *out = NULL;
    struct vips_picture *p = pq_calloc(1, sizeof *p);
    if (!p) {
        pq_input_close(in);
        return pq_fail_nomem(err, sizeof *p);
    }
    p->input = *in;
    *in = (struct pq_input){.file.fd = -1};
    p->base.source.read = picture_read;
    p->base.source.rewind = picture_rewind;
    p->base.source.close = picture_close;
    int rc = describe(p, err);
    if (!rc)
        rc = build(p, err);
    if (rc)
        picture_close(&p->base.source);
    else
        *out = &p->base;
    return rc;
}
