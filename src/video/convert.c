/* SPDX-License-Identifier: MIT */
/* One graph of zimg for the colours and one for alpha, which is a picture in gray of its own there.
 *
 *     frame -> [aligned, continued to whole chroma samples] -> zimg -> [piece] -> picture
 *
 * What stands in brackets is a copy, made where zimg cannot read or write where the samples lie. */
#include "video/convert.h"

#include <libavutil/pixdesc.h>
#include <limits.h>
#include <string.h>
#include <zimg.h>

#include "base/alloc.h"

enum {
    ALIGN = 64, /* of rows: more than any instruction set of zimg asks for */
    MAX_SUBSAMPLING = 2
};

/* zimg rounds as the instructions do that it finds, so it is told the ones that every processor of
 * the kind has: half as slow again as AVX2, four to six times as fast as without any. */
#if defined(__x86_64__)
static const zimg_cpu_type_e CPU = ZIMG_CPU_X86_SSE2;
#else
static const zimg_cpu_type_e CPU = ZIMG_CPU_NONE;
#endif

/* Planes in the order of zimg: R, G, B, A or Y, U, V, A. */
struct planes {
    unsigned char *data[4];
    ptrdiff_t stride[4];
};

struct pq_converter {
    struct pq_samples film;
    const AVPixFmtDescriptor *desc;
    bool to_rgb, copies; /* copies: the samples are the same on both sides */
    bool gray, film_alpha;
    int planes, depth;             /* of the picture */
    int whole_width, whole_height; /* of whole chroma samples */
    zimg_filter_graph *colour, *alpha;
    void *work;                            /* of zimg */
    struct planes film_copy, picture_copy; /* made when they are needed */
    char *name;
};

/* ---- formats ---- */

bool pq_can_convert(enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(format);
    const uint64_t no = AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL |
                        AV_PIX_FMT_FLAG_BAYER | AV_PIX_FMT_FLAG_FLOAT;
    if (!desc || desc->flags & no || desc->log2_chroma_w > MAX_SUBSAMPLING ||
        desc->log2_chroma_h > MAX_SUBSAMPLING)
        return false;
    const int depth = desc->comp[0].depth, bytes = depth > 8 ? 2 : 1;
    if (depth < 8 || depth > 16 || (depth > 8 && desc->flags & AV_PIX_FMT_FLAG_BE) ||
        desc->nb_components == 2)
        return false;
    for (int c = 0, seen = 0; c < desc->nb_components; c++) {
        const AVComponentDescriptor *comp = &desc->comp[c];
        if (comp->depth != depth || comp->step != bytes || comp->shift || comp->offset ||
            seen & 1 << comp->plane)
            return false;
        seen |= 1 << comp->plane;
    }
    return true;
}

static bool is_rgb(const AVPixFmtDescriptor *desc)
{
    return desc->flags & AV_PIX_FMT_FLAG_RGB;
}

int pq_rgb_depth(const struct pq_samples *samples)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(samples->format);
    return desc && is_rgb(desc) && desc->comp[0].depth == 8 &&
                   samples->colour.range == AVCOL_RANGE_JPEG
               ? 8
               : 16;
}

/* ---- building ---- */

static zimg_pixel_type_e type_of(int depth)
{
    return depth > 8 ? ZIMG_PIXEL_WORD : ZIMG_PIXEL_BYTE;
}

/* Whether zimg needs light itself for a matrix, and so transfer and primaries. */
static bool needs_light(enum AVColorSpace matrix)
{
    return matrix == AVCOL_SPC_BT2020_CL || matrix == AVCOL_SPC_ICTCP ||
           matrix == AVCOL_SPC_CHROMA_DERIVED_NCL || matrix == AVCOL_SPC_CHROMA_DERIVED_CL;
}

/* Both sides of a graph alike; the sides' own follows. */
static zimg_image_format format_of(const struct pq_converter *c)
{
    zimg_image_format f;
    zimg_image_format_default(&f, ZIMG_API_VERSION);
    f.width = (unsigned)c->whole_width;
    f.height = (unsigned)c->whole_height;
    f.color_family = ZIMG_COLOR_GREY;
    f.pixel_range = ZIMG_RANGE_FULL;
    return f;
}

static zimg_image_format film_format(const struct pq_converter *c)
{
    const struct pq_colour *colour = &c->film.colour;
    zimg_image_format f = format_of(c);
    f.depth = (unsigned)c->desc->comp[0].depth;
    f.pixel_type = type_of((int)f.depth);
    f.pixel_range = colour->range == AVCOL_RANGE_JPEG ? ZIMG_RANGE_FULL : ZIMG_RANGE_LIMITED;
    if (c->gray)
        return f;
    f.color_family = is_rgb(c->desc) ? ZIMG_COLOR_RGB : ZIMG_COLOR_YUV;
    /* The numbers of libav and zimg are those of H.273. */
    f.matrix_coefficients =
        is_rgb(c->desc) ? ZIMG_MATRIX_RGB : (zimg_matrix_coefficients_e)colour->matrix;
    f.subsample_w = c->desc->log2_chroma_w;
    f.subsample_h = c->desc->log2_chroma_h;
    if (colour->site != AVCHROMA_LOC_UNSPECIFIED)
        f.chroma_location = (zimg_chroma_location_e)(colour->site - AVCHROMA_LOC_LEFT);
    return f;
}

static zimg_image_format picture_format(const struct pq_converter *c)
{
    zimg_image_format f = format_of(c);
    f.depth = (unsigned)c->depth;
    f.pixel_type = type_of(c->depth);
    if (c->gray && c->to_rgb)
        return f; /* one plane, which is copied into three */
    f.color_family = ZIMG_COLOR_RGB;
    f.matrix_coefficients = ZIMG_MATRIX_RGB;
    return f;
}

static zimg_filter_graph *build(const struct pq_converter *c, zimg_image_format film,
                                zimg_image_format picture)
{
    zimg_graph_builder_params params;
    zimg_graph_builder_params_default(&params, ZIMG_API_VERSION);
    params.resample_filter_uv = ZIMG_RESIZE_BICUBIC;
    params.filter_param_a_uv = 0.0; /* Catmull-Rom */
    params.filter_param_b_uv = 0.5;
    params.cpu_type = CPU;
    if (!c->to_rgb && film.depth < picture.depth)
        params.dither_type = ZIMG_DITHER_ORDERED;
    if (film.color_family == ZIMG_COLOR_YUV && needs_light(c->film.colour.matrix)) {
        film.transfer_characteristics = picture.transfer_characteristics =
            (zimg_transfer_characteristics_e)c->film.colour.transfer;
        film.color_primaries = picture.color_primaries =
            (zimg_color_primaries_e)c->film.colour.primaries;
    }
    return c->to_rgb ? zimg_filter_graph_build(&film, &picture, &params)
                     : zimg_filter_graph_build(&picture, &film, &params);
}

static int fail_zimg(const struct pq_converter *c, pique_error *err)
{
    char why[256] = "";
    if (zimg_get_last_error(why, sizeof why) == ZIMG_ERROR_OUT_OF_MEMORY)
        return pq_fail_nomem(err, (unsigned long long)c->whole_width * (unsigned)c->whole_height);
    const char *matrix = av_color_space_name(c->film.colour.matrix);
    return pq_fail(err, PIQUE_EUNSUPPORTED,
                   "%s: its colours (%s, matrix %s) cannot be converted: %s", c->name,
                   c->desc->name, matrix ? matrix : "unknown", why);
}

static int build_graphs(struct pq_converter *c, pique_error *err)
{
    zimg_image_format film = film_format(c), picture = picture_format(c);
    c->colour = build(c, film, picture);
    if (!c->colour)
        return fail_zimg(c, err);
    if (c->film_alpha && c->planes == 4) {
        film = picture = format_of(c);
        film.depth = (unsigned)c->desc->comp[3].depth;
        picture.depth = (unsigned)c->depth;
        film.pixel_type = type_of((int)film.depth);
        picture.pixel_type = type_of(c->depth);
        c->alpha = build(c, film, picture);
        if (!c->alpha)
            return fail_zimg(c, err);
    }
    size_t bytes = 0, more = 0;
    if (zimg_filter_graph_get_tmp_size(c->colour, &bytes) ||
        (c->alpha && zimg_filter_graph_get_tmp_size(c->alpha, &more)))
        return fail_zimg(c, err);
    bytes = PQ_MAX(bytes, more);
    c->work = pq_big_alloc(NULL, bytes);
    return c->work ? 0 : pq_fail_nomem(err, bytes);
}

static int whole(int size, int shift)
{
    return AV_CEIL_RSHIFT(size, shift) << shift;
}

static int open_converter(const struct pq_samples *film, int planes, int depth, bool to_rgb,
                          const char *name, struct pq_converter **out, pique_error *err)
{
    *out = NULL;
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(film->format);
    if (!pq_can_convert(film->format))
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: samples of the format %s cannot be converted",
                       name, desc ? desc->name : "unknown");
    struct pq_converter *c = pq_calloc(1, sizeof *c);
    if (!c)
        return pq_fail_nomem(err, sizeof *c);
    const int parts = desc->nb_components;
    *c = (struct pq_converter){.film = *film,
                               .desc = desc,
                               .to_rgb = to_rgb,
                               .gray = parts == 1,
                               .film_alpha = parts == 4,
                               .planes = planes,
                               .depth = depth,
                               .whole_width = whole(film->width, desc->log2_chroma_w),
                               .whole_height = whole(film->height, desc->log2_chroma_h),
                               .name = pq_strdup(name)};
    c->copies = depth == 8 && pq_rgb_depth(film) == 8;
    int rc = c->name ? 0 : pq_fail_nomem(err, strlen(name) + 1);
    if (!rc && !c->copies)
        rc = build_graphs(c, err);
    if (rc)
        pq_converter_close(&c);
    *out = c;
    return rc;
}

int pq_converter_to_rgb(const struct pq_samples *from, int planes, const char *name,
                        struct pq_converter **out, pique_error *err)
{
    return open_converter(from, planes, pq_rgb_depth(from), true, name, out, err);
}

int pq_converter_from_rgb(const struct pq_samples *to, int planes, int depth, const char *name,
                          struct pq_converter **out, pique_error *err)
{
    return open_converter(to, planes, depth, false, name, out, err);
}

void pq_converter_close(struct pq_converter **converter)
{
    struct pq_converter *c = *converter;
    *converter = NULL;
    if (!c)
        return;
    zimg_filter_graph_free(c->colour);
    zimg_filter_graph_free(c->alpha);
    pq_big_free(NULL, c->work);
    for (int p = 0; p < 4; p++) {
        pq_big_free(NULL, c->film_copy.data[p]);
        pq_big_free(NULL, c->picture_copy.data[p]);
    }
    pq_free(c->name);
    pq_free(c);
}

/* ---- planes ---- */

/* One plane of a side: where it lies, how large it is, and how large zimg wants it. */
struct plane {
    unsigned char *data;
    ptrdiff_t stride;
    int width, height, whole_width, whole_height, bytes;
};

static struct plane film_plane(const struct pq_converter *c, const AVFrame *frame, int i)
{
    const int p = c->desc->comp[i].plane;
    const bool chroma = (i == 1 || i == 2) && !is_rgb(c->desc);
    const int w = chroma ? c->desc->log2_chroma_w : 0, h = chroma ? c->desc->log2_chroma_h : 0;
    return (struct plane){.data = frame->data[p],
                          .stride = frame->linesize[p],
                          .width = AV_CEIL_RSHIFT(c->film.width, w),
                          .height = AV_CEIL_RSHIFT(c->film.height, h),
                          .whole_width = c->whole_width >> w,
                          .whole_height = c->whole_height >> h,
                          .bytes = c->desc->comp[i].depth > 8 ? 2 : 1};
}

static struct plane picture_plane(const struct pq_converter *c, const struct pq_image *image, int i)
{
    return (struct plane){.data = image->data[i],
                          .stride = image->stride[i],
                          .width = image->width,
                          .height = image->height,
                          .whole_width = c->whole_width,
                          .whole_height = c->whole_height,
                          .bytes = c->depth > 8 ? 2 : 1};
}

static bool zimg_can_use(const struct plane *p)
{
    return p->width == p->whole_width && p->height == p->whole_height && p->stride > 0 &&
           !((uintptr_t)p->data % ALIGN) && !(p->stride % ALIGN);
}

/* The memory for plane i of a copy. */
static int make_copy(struct planes *copy, int i, const struct plane *p, pique_error *err)
{
    if (copy->data[i])
        return 0;
    const size_t stride =
        ((size_t)p->whole_width * (size_t)p->bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    size_t bytes;
    if (!pq_mul_size(stride, (size_t)p->whole_height, &bytes) ||
        !(copy->data[i] = pq_big_alloc(NULL, bytes)))
        return pq_fail_nomem(err, stride);
    copy->stride[i] = (ptrdiff_t)stride;
    return 0;
}

static void repeat_last(unsigned char *row, const struct plane *p)
{
    const size_t bytes = (size_t)p->bytes;
    const unsigned char *last = row + (size_t)(p->width - 1) * bytes;
    for (int x = p->width; x < p->whole_width; x++)
        memcpy(row + (size_t)x * bytes, last, bytes);
}

/* What zimg reads for plane i: the plane, or a copy of it. */
static int give(struct planes *copy, int i, const struct plane *p, struct plane *given,
                pique_error *err)
{
    *given = *p;
    if (zimg_can_use(p))
        return 0;
    const int rc = make_copy(copy, i, p, err);
    if (rc)
        return rc;
    given->data = copy->data[i];
    given->stride = copy->stride[i];
    for (int y = 0; y < p->whole_height; y++) {
        unsigned char *row = given->data + y * given->stride;
        memcpy(row, p->data + PQ_MIN(y, p->height - 1) * p->stride,
               (size_t)p->width * (size_t)p->bytes);
        repeat_last(row, p);
    }
    return 0;
}

/* Where zimg writes plane i: the plane, or a copy of it. */
static int take(struct planes *copy, int i, const struct plane *p, struct plane *taken,
                pique_error *err)
{
    *taken = *p;
    if (zimg_can_use(p))
        return 0;
    const int rc = make_copy(copy, i, p, err);
    taken->data = copy->data[i];
    taken->stride = copy->stride[i];
    return rc;
}

/* The samples from x, y on, of the plane's size. */
static void copy_piece(const struct plane *to, const unsigned char *from, ptrdiff_t stride, int x,
                       int y)
{
    const size_t bytes = (size_t)to->width * (size_t)to->bytes;
    if (from == to->data)
        return;
    for (int row = 0; row < to->height; row++)
        memcpy(to->data + row * to->stride, from + (y + row) * stride + (ptrdiff_t)x * to->bytes,
               bytes);
}

static void fill_opaque(const struct plane *to, int depth)
{
    for (int y = 0; y < to->height; y++) {
        unsigned char *row = to->data + y * to->stride;
        if (depth == 8)
            memset(row, 255, (size_t)to->width);
        else
            for (int x = 0; x < to->width; x++)
                memcpy(row + 2 * (size_t)x, &(uint16_t){(uint16_t)((1U << depth) - 1)}, 2);
    }
}

/* Planes `first` and following of one side of a graph. */
struct side {
    struct plane plane[3];
    int first, count;
    struct planes *copy;
};

static struct side film_side(struct pq_converter *c, const AVFrame *frame, int first, int count)
{
    struct side s = {.first = first, .count = count, .copy = &c->film_copy};
    for (int i = 0; i < count; i++)
        s.plane[i] = film_plane(c, frame, first + i);
    return s;
}

static struct side picture_side(struct pq_converter *c, const struct pq_image *image, int first,
                                int count)
{
    struct side s = {.first = first, .count = count, .copy = &c->picture_copy};
    for (int i = 0; i < count; i++)
        s.plane[i] = picture_plane(c, image, first + i);
    return s;
}

/* All of one side through the graph; the other side gets the piece that begins at x, y. */
static int run(struct pq_converter *c, const zimg_filter_graph *graph, const struct side *from,
               const struct side *to, int x, int y, pique_error *err)
{
    zimg_image_buffer_const in = {.version = ZIMG_API_VERSION};
    zimg_image_buffer out = {.version = ZIMG_API_VERSION};
    struct plane given, taken[3];
    int rc = 0;
    for (int i = 0; i < from->count && !rc; i++) {
        rc = give(from->copy, from->first + i, &from->plane[i], &given, err);
        in.plane[i].data = given.data;
        in.plane[i].stride = given.stride;
        in.plane[i].mask = ZIMG_BUFFER_MAX;
    }
    for (int i = 0; i < to->count && !rc; i++) {
        rc = take(to->copy, to->first + i, &to->plane[i], &taken[i], err);
        out.plane[i].data = taken[i].data;
        out.plane[i].stride = taken[i].stride;
        out.plane[i].mask = ZIMG_BUFFER_MAX;
    }
    if (!rc && zimg_filter_graph_process(graph, &in, &out, c->work, NULL, NULL, NULL, NULL))
        rc = fail_zimg(c, err);
    for (int i = 0; i < to->count && !rc; i++)
        copy_piece(&to->plane[i], taken[i].data, taken[i].stride, x, y);
    return rc;
}

/* ---- converting ---- */

static int check_frame(const struct pq_converter *c, const AVFrame *frame, pique_error *err)
{
    if (frame->format == (int)c->film.format && frame->width == c->film.width &&
        frame->height == c->film.height)
        return 0;
    return pq_fail(err, PIQUE_EINVAL, "%s: a frame of %d x %d where %d x %d is due", c->name,
                   frame->width, frame->height, c->film.width, c->film.height);
}

static int check_picture(const struct pq_converter *c, const struct pq_image *image,
                         pique_error *err)
{
    if (image->planes >= c->planes && image->depth == c->depth)
        return 0;
    return pq_fail(err, PIQUE_EINVAL,
                   "%s: a picture of %d planes of %d bits where %d of %d are due", c->name,
                   image->planes, image->depth, c->planes, c->depth);
}

static int to_rgb(struct pq_converter *c, const AVFrame *in, int x, int y, struct pq_image *out,
                  pique_error *err)
{
    const int parts = c->gray ? 1 : 3;
    const struct side film = film_side(c, in, 0, parts), picture = picture_side(c, out, 0, parts);
    int rc = run(c, c->colour, &film, &picture, x, y, err);
    for (int i = parts; i < 3 && !rc; i++) {
        const struct plane p = picture_plane(c, out, i);
        copy_piece(&p, out->data[0], out->stride[0], 0, 0);
    }
    if (!rc && c->alpha) {
        const struct side from = film_side(c, in, 3, 1), to = picture_side(c, out, 3, 1);
        rc = run(c, c->alpha, &from, &to, x, y, err);
    } else if (!rc && c->planes == 4) {
        const struct plane p = picture_plane(c, out, 3);
        fill_opaque(&p, c->depth);
    }
    return rc;
}

static void copy_to_rgb(const struct pq_converter *c, const AVFrame *in, int x, int y,
                        struct pq_image *out)
{
    for (int i = 0; i < c->planes; i++) {
        const struct plane to = picture_plane(c, out, i);
        if (i == 3 && !c->film_alpha) {
            fill_opaque(&to, c->depth);
            continue;
        }
        const struct plane from = film_plane(c, in, i);
        copy_piece(&to, from.data, from.stride, x, y);
    }
}

int pq_convert_to_rgb(struct pq_converter *c, const AVFrame *in, int x, int y, struct pq_image *out,
                      pique_error *err)
{
    int rc = check_frame(c, in, err);
    if (!rc)
        rc = check_picture(c, out, err);
    if (!rc && (x < 0 || y < 0 || out->width < 1 || out->height < 1 ||
                out->width > c->film.width - x || out->height > c->film.height - y))
        rc = pq_fail(err, PIQUE_EINVAL, "%s: a piece of %d x %d at %d, %d is not within %d x %d",
                     c->name, out->width, out->height, x, y, c->film.width, c->film.height);
    if (!rc && c->copies)
        copy_to_rgb(c, in, x, y, out);
    else if (!rc)
        rc = to_rgb(c, in, x, y, out, err);
    return rc;
}

static int from_rgb(struct pq_converter *c, const struct pq_image *in, AVFrame *out,
                    pique_error *err)
{
    const struct side picture = picture_side(c, in, 0, 3);
    const struct side film = film_side(c, out, 0, c->gray ? 1 : 3);
    int rc = run(c, c->colour, &picture, &film, 0, 0, err);
    if (!rc && c->alpha) {
        const struct side from = picture_side(c, in, 3, 1), to = film_side(c, out, 3, 1);
        rc = run(c, c->alpha, &from, &to, 0, 0, err);
    } else if (!rc && c->film_alpha) {
        const struct plane p = film_plane(c, out, 3);
        fill_opaque(&p, c->desc->comp[3].depth);
    }
    return rc;
}

static void copy_from_rgb(const struct pq_converter *c, const struct pq_image *in, AVFrame *out)
{
    for (int i = 0; i < c->desc->nb_components; i++) {
        const struct plane to = film_plane(c, out, i);
        if (i == 3 && c->planes < 4) {
            fill_opaque(&to, 8);
            continue;
        }
        const struct plane from = picture_plane(c, in, i);
        copy_piece(&to, from.data, from.stride, 0, 0);
    }
}

int pq_convert_from_rgb(struct pq_converter *c, const struct pq_image *in, AVFrame *out,
                        pique_error *err)
{
    int rc = check_frame(c, out, err);
    if (!rc)
        rc = check_picture(c, in, err);
    if (!rc && (in->width != c->film.width || in->height != c->film.height))
        rc = pq_fail(err, PIQUE_EINVAL, "%s: a picture of %d x %d where %d x %d is due", c->name,
                     in->width, in->height, c->film.width, c->film.height);
    if (!rc && c->copies)
        copy_from_rgb(c, in, out);
    else if (!rc)
        rc = from_rgb(c, in, out, err);
    return rc;
}

void pq_converter_version(struct pq_str *out)
{
    unsigned major, minor, micro;
    zimg_get_version_info(&major, &minor, &micro);
    pq_str_printf(out, "zimg %u.%u.%u", major, minor, micro);
}
