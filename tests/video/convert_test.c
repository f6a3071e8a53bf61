/* SPDX-License-Identifier: MIT */
/* Between frames and pictures: against the definition of each matrix in double, and back again. */
#include "films.h"

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "video/convert.h"
#include "video/planar.h"
#include "video/turn.h"

static const struct pq_colour PLAIN = {AVCOL_SPC_BT709, AVCOL_PRI_BT709, AVCOL_TRC_BT709,
                                       AVCOL_RANGE_MPEG, AVCHROMA_LOC_LEFT};

static struct pq_image new_image(int width, int height, int planes, int depth)
{
    struct pq_image im = {.width = width, .height = height, .planes = planes, .depth = depth};
    const size_t stride = ((size_t)width * (depth > 8 ? 2 : 1) + 63) & ~(size_t)63;
    im.memory = pq_big_alloc(NULL, stride * (size_t)height * (size_t)planes);
    assert_non_null(im.memory);
    for (int p = 0; p < planes; p++) {
        im.data[p] = (char *)im.memory + stride * (size_t)height * (size_t)p;
        im.stride[p] = (ptrdiff_t)stride;
    }
    return im;
}

static void free_image(struct pq_image *im)
{
    pq_big_free(NULL, im->memory);
}

static AVFrame *new_frame(enum AVPixelFormat format, int width, int height)
{
    AVFrame *f = av_frame_alloc();
    assert_non_null(f);
    f->format = format;
    f->width = width;
    f->height = height;
    assert_int_equal(av_frame_get_buffer(f, 0), 0);
    return f;
}

static unsigned get(const AVFrame *f, int component, int x, int y)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(f->format);
    const int p = desc->comp[component].plane;
    const unsigned char *row = f->data[p] + (ptrdiff_t)y * f->linesize[p];
    return desc->comp[0].depth > 8 ? ((const uint16_t *)(const void *)row)[x] : row[x];
}

static void put(AVFrame *f, int component, int x, int y, unsigned value)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(f->format);
    const int p = desc->comp[component].plane;
    unsigned char *row = f->data[p] + (ptrdiff_t)y * f->linesize[p];
    if (desc->comp[0].depth > 8)
        ((uint16_t *)(void *)row)[x] = (uint16_t)value;
    else
        row[x] = (unsigned char)value;
}

static void width_of(const AVFrame *f, int component, int *width, int *height)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(f->format);
    const bool chroma = (component == 1 || component == 2) && !(desc->flags & AV_PIX_FMT_FLAG_RGB);
    *width = AV_CEIL_RSHIFT(f->width, chroma ? desc->log2_chroma_w : 0);
    *height = AV_CEIL_RSHIFT(f->height, chroma ? desc->log2_chroma_h : 0);
}

/* ---- the definition ---- */

/* Kr and Kb of ITU-R BT.601-7, BT.709-6, BT.2020-2, SMPTE 240M and FCC. */
static void weights(enum AVColorSpace matrix, double *kr, double *kb)
{
    static const struct {
        enum AVColorSpace matrix;
        double kr, kb;
    } table[] = {{AVCOL_SPC_BT709, 0.2126, 0.0722},      {AVCOL_SPC_SMPTE170M, 0.299, 0.114},
                 {AVCOL_SPC_BT470BG, 0.299, 0.114},      {AVCOL_SPC_SMPTE240M, 0.212, 0.087},
                 {AVCOL_SPC_BT2020_NCL, 0.2627, 0.0593}, {AVCOL_SPC_FCC, 0.30, 0.11}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].matrix == matrix) {
            *kr = table[i].kr;
            *kb = table[i].kb;
            return;
        }
    *kr = *kb = 0;
    fail();
}

/* Samples of a frame from R, G, B of 0 to 1; BT.2100-2 table 9. */
static void encode(const double rgb[3], const struct pq_colour *c, int depth, bool is_rgb,
                   double out[3])
{
    const double unit = (double)(1 << (depth - 8)), top = (double)((1 << depth) - 1);
    const bool full = c->range == AVCOL_RANGE_JPEG;
    double kr, kb;
    if (is_rgb) {
        for (int i = 0; i < 3; i++)
            out[i] = full ? rgb[i] * top : (16 + 219 * rgb[i]) * unit;
        return;
    }
    weights(c->matrix, &kr, &kb);
    const double y = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2];
    const double cb = (rgb[2] - y) / (2 * (1 - kb)), cr = (rgb[0] - y) / (2 * (1 - kr));
    out[0] = full ? y * top : (16 + 219 * y) * unit;
    out[1] = full ? cb * top + 128 * unit : (128 + 224 * cb) * unit;
    out[2] = full ? cr * top + 128 * unit : (128 + 224 * cr) * unit;
}

static void decode(const unsigned s[3], const struct pq_colour *c, int depth, bool is_rgb,
                   double rgb[3])
{
    const double unit = (double)(1 << (depth - 8)), top = (double)((1 << depth) - 1);
    const bool full = c->range == AVCOL_RANGE_JPEG;
    double kr, kb;
    if (is_rgb) {
        for (int i = 0; i < 3; i++)
            rgb[i] = full ? s[i] / top : (s[i] / unit - 16) / 219;
        return;
    }
    weights(c->matrix, &kr, &kb);
    const double y = full ? s[0] / top : (s[0] / unit - 16) / 219;
    const double cb = full ? (s[1] - 128 * unit) / top : (s[1] / unit - 128) / 224;
    const double cr = full ? (s[2] - 128 * unit) / top : (s[2] / unit - 128) / 224;
    rgb[0] = y + 2 * (1 - kr) * cr;
    rgb[2] = y + 2 * (1 - kb) * cb;
    rgb[1] = (y - kr * rgb[0] - kb * rgb[2]) / (1 - kr - kb);
}

/* Eight bars of 75 per cent and a ramp below. */
static void bar_at(int x, int y, int width, int height, double rgb[3])
{
    const int bar = x * 8 / width;
    for (int i = 0; i < 3; i++)
        rgb[i] = y < height / 2 ? (bar >> (2 - i) & 1 ? 0.75 : 0.0) : bar / 7.0;
}

static AVFrame *draw_bars(enum AVPixelFormat format, const struct pq_colour *c, int width,
                          int height)
{
    AVFrame *f = new_frame(format, width, height);
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(format);
    for (int i = 0; i < desc->nb_components; i++) {
        int w, h;
        width_of(f, i, &w, &h);
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                double rgb[3], s[3];
                bar_at(x * width / w, y * height / h, width, height, rgb);
                encode(rgb, c, desc->comp[0].depth, desc->flags & AV_PIX_FMT_FLAG_RGB, s);
                put(f, i, x, y, i == 3 ? (unsigned)x % 250 : (unsigned)lrint(s[i]));
            }
    }
    return f;
}

/* ---- tests ---- */

/* Inside a bar: no neighbour of another colour within the reach of the chroma filter. */
static bool inside(int x, int y, int width, int height, int reach)
{
    double here[3], there[3];
    bar_at(x, y, width, height, here);
    for (int dy = -reach; dy <= reach; dy += reach ? reach : 1)
        for (int dx = -reach; dx <= reach; dx += reach ? reach : 1) {
            bar_at(PQ_MIN(PQ_MAX(x + dx, 0), width - 1), PQ_MIN(PQ_MAX(y + dy, 0), height - 1),
                   width, height, there);
            if (memcmp(here, there, sizeof here))
                return false;
        }
    return true;
}

static void check_bars(enum AVPixelFormat format, const struct pq_colour *c)
{
    enum { W = 512, H = 64 };
    pique_error err;
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(format);
    const bool is_rgb = desc->flags & AV_PIX_FMT_FLAG_RGB;
    const int depth = desc->comp[0].depth, shift = PQ_MAX(desc->log2_chroma_w, desc->log2_chroma_h);
    const int reach = shift ? 3 << shift : 0;
    const struct pq_samples samples = {format, *c, W, H};
    const int planes = desc->nb_components == 4 ? 4 : 3, out_depth = pq_rgb_depth(&samples);
    AVFrame *bars = draw_bars(format, c, W, H), *back = new_frame(format, W, H);
    struct pq_image im = new_image(W, H, planes, out_depth);
    struct pq_converter *to, *from;
    assert_ok(pq_converter_to_rgb(&samples, planes, "test", &to, &err), err);
    assert_ok(pq_converter_from_rgb(&samples, planes, out_depth, "test", &from, &err), err);
    assert_ok(pq_convert_to_rgb(to, bars, 0, 0, &im, &err), err);
    const double top = out_depth == 8 ? 255 : 65535;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            if (!inside(x, y, W, H, reach))
                continue;
            unsigned s[3];
            double rgb[3];
            for (int i = 0; i < 3; i++) {
                const bool chroma = i && !is_rgb;
                s[i] = get(bars, i, x >> (chroma ? desc->log2_chroma_w : 0),
                           y >> (chroma ? desc->log2_chroma_h : 0));
            }
            decode(s, c, depth, is_rgb, rgb);
            for (int i = 0; i < 3; i++) {
                const double due = PQ_MIN(PQ_MAX(rgb[i], 0), 1) * top;
                if (fabs(sample(&im, i, x, y) - due) > 2)
                    fail_msg("%s, %s: plane %d at %d, %d is %u, not %.2f", desc->name,
                             av_color_space_name(c->matrix), i, x, y, sample(&im, i, x, y), due);
            }
        }
    assert_ok(pq_convert_from_rgb(from, &im, back, &err), err);
    for (int i = 0; i < desc->nb_components; i++) {
        int w, h;
        width_of(bars, i, &w, &h);
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                if (inside(x * W / w, y * H / h, W, H, reach * 2) &&
                    abs((int)get(bars, i, x, y) - (int)get(back, i, x, y)) > 1)
                    fail_msg("%s, %s: component %d at %d, %d was %u and is %u", desc->name,
                             av_color_space_name(c->matrix), i, x, y, get(bars, i, x, y),
                             get(back, i, x, y));
    }
    free_image(&im);
    av_frame_free(&bars);
    av_frame_free(&back);
    pq_converter_close(&to);
    pq_converter_close(&from);
}

static void colours_are_those_of_the_definition(void **state)
{
    static const enum AVColorSpace matrices[] = {AVCOL_SPC_BT709,     AVCOL_SPC_SMPTE170M,
                                                 AVCOL_SPC_BT470BG,   AVCOL_SPC_BT2020_NCL,
                                                 AVCOL_SPC_SMPTE240M, AVCOL_SPC_FCC};
    static const enum AVPixelFormat formats[] = {
        AV_PIX_FMT_YUV420P,   AV_PIX_FMT_YUV422P,   AV_PIX_FMT_YUV444P,   AV_PIX_FMT_YUV420P10,
        AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV444P10, AV_PIX_FMT_YUV420P12, AV_PIX_FMT_YUV422P12,
        AV_PIX_FMT_YUV444P12, AV_PIX_FMT_YUV444P16, AV_PIX_FMT_YUV411P,   AV_PIX_FMT_YUV440P,
        AV_PIX_FMT_YUVA420P,  AV_PIX_FMT_YUVA444P10};
    struct pq_colour c = PLAIN;
    for (size_t m = 0; m < PQ_COUNT(matrices); m++)
        for (size_t f = 0; f < PQ_COUNT(formats); f++)
            for (int full = 0; full < 2; full++) {
                c.matrix = matrices[m];
                c.range = full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
                check_bars(formats[f], &c);
            }
}

static void rgb_of_any_depth_comes_back(void **state)
{
    static const enum AVPixelFormat formats[] = {AV_PIX_FMT_GBRP, AV_PIX_FMT_GBRAP,
                                                 AV_PIX_FMT_GBRP10, AV_PIX_FMT_GBRAP12,
                                                 AV_PIX_FMT_GBRP16};
    struct pq_colour c = PLAIN;
    c.matrix = AVCOL_SPC_RGB;
    for (size_t f = 0; f < PQ_COUNT(formats); f++)
        for (int full = 0; full < 2; full++) {
            c.range = full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
            check_bars(formats[f], &c);
        }
}

static void other_places_of_chroma_are_told_apart(void **state)
{
    enum { W = 64, H = 32 };
    pique_error err;
    unsigned first = 0;
    for (enum AVChromaLocation site = AVCHROMA_LOC_LEFT; site <= AVCHROMA_LOC_CENTER; site++) {
        struct pq_samples samples = {AV_PIX_FMT_YUV420P, PLAIN, W, H};
        samples.colour.site = site;
        AVFrame *bars = draw_bars(samples.format, &samples.colour, W, H);
        struct pq_image im = new_image(W, H, 3, 16);
        struct pq_converter *to;
        assert_ok(pq_converter_to_rgb(&samples, 3, "test", &to, &err), err);
        assert_ok(pq_convert_to_rgb(to, bars, 0, 0, &im, &err), err);
        if (site == AVCHROMA_LOC_LEFT)
            first = sample(&im, 0, 31, 4);
        else
            assert_int_not_equal(sample(&im, 0, 31, 4), first);
        free_image(&im);
        av_frame_free(&bars);
        pq_converter_close(&to);
    }
}

/* The piece of a frame is the piece of its picture, also where chroma lies between. */
static void a_piece_is_a_piece_of_the_whole(void **state)
{
    enum { W = 37, H = 23 };
    pique_error err;
    const struct pq_samples samples = {AV_PIX_FMT_YUV420P, PLAIN, W, H};
    AVFrame *f = new_frame(samples.format, W, H);
    srand(3);
    for (int i = 0; i < 3; i++) {
        int w, h;
        width_of(f, i, &w, &h);
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                put(f, i, x, y, (unsigned)rand() & 255);
    }
    struct pq_image whole = new_image(W, H, 3, 16), piece = new_image(11, 7, 3, 16);
    struct pq_converter *to;
    assert_ok(pq_converter_to_rgb(&samples, 3, "test", &to, &err), err);
    assert_ok(pq_convert_to_rgb(to, f, 0, 0, &whole, &err), err);
    assert_ok(pq_convert_to_rgb(to, f, 5, 3, &piece, &err), err);
    for (int i = 0; i < 3; i++)
        for (int y = 0; y < 7; y++)
            for (int x = 0; x < 11; x++)
                assert_int_equal(sample(&piece, i, x, y), sample(&whole, i, x + 5, y + 3));
    assert_int_equal(pq_convert_to_rgb(to, f, 30, 3, &piece, &err), PIQUE_EINVAL);
    pq_converter_close(&to);
    free_image(&whole);
    free_image(&piece);
    av_frame_free(&f);
}

/* Every packed format keeps every sample that libav sees in it. */
static void packed_formats_lose_nothing(void **state)
{
    enum { W = 37, H = 5 };
    int formats = 0;
    pique_error err;
    srand(5);
    for (const AVPixFmtDescriptor *d = NULL; (d = av_pix_fmt_desc_next(d));) {
        const enum AVPixelFormat from = av_pix_fmt_desc_get_id(d), to = pq_planar_of(from, true);
        if (to == AV_PIX_FMT_NONE || to == from || d->flags & AV_PIX_FMT_FLAG_PAL)
            continue;
        const AVPixFmtDescriptor *t = av_pix_fmt_desc_get(to);
        AVFrame *in = new_frame(from, W, H), *out = av_frame_alloc();
        for (int b = 0; b < 4 && in->buf[b]; b++)
            for (size_t i = 0; i < (size_t)in->buf[b]->size; i++)
                in->buf[b]->data[i] = (uint8_t)rand();
        assert_ok(pq_make_planar(in, to, out, "test", &err), err);
        for (int c = 0; c < d->nb_components; c++) {
            const int there = d->nb_components == 2 && c == 1 ? 3 : c;
            const int was = d->comp[c].depth, is = t->comp[there].depth;
            int w, h;
            width_of(out, there, &w, &h);
            for (int y = 0; y < h; y++) {
                uint16_t row[W + 16];
                const uint8_t *data[4];
                memcpy(data, in->data, sizeof data);
                av_read_image_line2(row, data, in->linesize, d, 0, y, c, w, 0, 2);
                for (int x = 0; x < w; x++) {
                    unsigned back = get(out, there, x, y);
                    if (from == AV_PIX_FMT_MONOWHITE)
                        back ^= 255;
                    back = was < 8 || t->flags & AV_PIX_FMT_FLAG_RGB
                               ? (unsigned)lrint(back * ((1 << was) - 1.0) / ((1 << is) - 1.0))
                               : back >> (is - was);
                    if (back != row[x])
                        fail_msg("%s -> %s: component %d at %d, %d", d->name, t->name, c, x, y);
                }
            }
        }
        av_frame_free(&in);
        av_frame_free(&out);
        formats++;
    }
    assert_true(formats > 60);
}

static void a_turn_there_and_back_is_none(void **state)
{
    static const int32_t matrices[8][4] = {{1, 0, 0, 1},  {-1, 0, 0, -1}, {1, 0, 0, -1},
                                           {-1, 0, 0, 1}, {0, 1, -1, 0},  {0, -1, 1, 0},
                                           {0, 1, 1, 0},  {0, -1, -1, 0}};
    enum { W = 5, H = 3 };
    struct pq_image im = new_image(W, H, 3, 16);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            ((uint16_t *)(void *)((char *)im.data[0] + y * im.stride[0]))[x] =
                (uint16_t)(y * 100 + x);
    for (int i = 0; i < 8; i++) {
        const int32_t *m = matrices[i];
        const int32_t matrix[9] = {m[0] * 65536, m[1] * 65536, 0, m[2] * 65536, m[3] * 65536, 0};
        struct pq_turn turn;
        assert_true(pq_turn_of(matrix, &turn));
        struct pq_image seen = new_image(turn.swap ? H : W, turn.swap ? W : H, 3, 16);
        pq_turn_image(turn, &im, &seen);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                const int p = m[0] * x + m[2] * y, q = m[1] * x + m[3] * y;
                const int sx = p + (m[0] + m[2] < 0 ? seen.width - 1 : 0);
                const int sy = q + (m[1] + m[3] < 0 ? seen.height - 1 : 0);
                assert_int_equal(sample(&seen, 0, sx, sy), y * 100 + x);
                const struct pq_piece back =
                    pq_turn_back(turn, (struct pq_piece){sx, sy, 1, 1}, seen.width, seen.height);
                assert_int_equal(back.x, x);
                assert_int_equal(back.y, y);
            }
        free_image(&seen);
    }
    const int32_t askew[9] = {46341, 46341, 0, -46341, 46341, 0};
    struct pq_turn turn;
    assert_false(pq_turn_of(askew, &turn));
    free_image(&im);
}

static void untagged_films_mean_what_players_guess(void **state)
{
    const struct pq_colour open = {AVCOL_SPC_UNSPECIFIED, AVCOL_PRI_UNSPECIFIED,
                                   AVCOL_TRC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED,
                                   AVCHROMA_LOC_UNSPECIFIED};
    struct pq_colour c = pq_colour_resolve(open, AV_PIX_FMT_YUV420P, 1280, 544);
    assert_int_equal(c.matrix, AVCOL_SPC_BT709);
    assert_int_equal(c.range, AVCOL_RANGE_MPEG);
    assert_int_equal(c.site, AVCHROMA_LOC_LEFT);
    assert_int_equal(pq_colour_resolve(open, AV_PIX_FMT_YUV420P, 960, 720).matrix, AVCOL_SPC_BT709);
    assert_int_equal(pq_colour_resolve(open, AV_PIX_FMT_YUV420P, 720, 576).matrix,
                     AVCOL_SPC_BT470BG);
    assert_int_equal(pq_colour_resolve(open, AV_PIX_FMT_YUV420P, 720, 480).matrix,
                     AVCOL_SPC_SMPTE170M);
    c = pq_colour_resolve(open, AV_PIX_FMT_GBRP, 720, 480);
    assert_int_equal(c.matrix, AVCOL_SPC_RGB);
    assert_int_equal(c.range, AVCOL_RANGE_JPEG);
    struct pq_colour said = open;
    said.matrix = AVCOL_SPC_SMPTE240M;
    assert_int_equal(pq_colour_resolve(said, AV_PIX_FMT_YUV420P, 1920, 1080).matrix,
                     AVCOL_SPC_SMPTE240M);
}

static void matrices_that_nobody_knows_are_refused(void **state)
{
    pique_error err;
    struct pq_converter *c;
    struct pq_samples samples = {AV_PIX_FMT_YUV420P, PLAIN, 64, 64};
    samples.colour.matrix = AVCOL_SPC_SMPTE2085;
    assert_int_equal(pq_converter_to_rgb(&samples, 3, "film.mkv", &c, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "film.mkv"));
    samples.colour.matrix = AVCOL_SPC_YCGCO;
    assert_ok(pq_converter_to_rgb(&samples, 3, "film.mkv", &c, &err), err);
    pq_converter_close(&c);
    samples.colour = (struct pq_colour){AVCOL_SPC_ICTCP, AVCOL_PRI_BT2020, AVCOL_TRC_SMPTE2084,
                                        AVCOL_RANGE_MPEG, AVCHROMA_LOC_LEFT};
    assert_ok(pq_converter_to_rgb(&samples, 3, "film.mkv", &c, &err), err);
    pq_converter_close(&c);
    samples.colour.matrix = AVCOL_SPC_BT2020_CL;
    samples.colour.transfer = AVCOL_TRC_BT2020_10;
    assert_ok(pq_converter_to_rgb(&samples, 3, "film.mkv", &c, &err), err);
    pq_converter_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_are_those_of_the_definition),
        cmocka_unit_test(rgb_of_any_depth_comes_back),
        cmocka_unit_test(other_places_of_chroma_are_told_apart),
        cmocka_unit_test(a_piece_is_a_piece_of_the_whole),
        cmocka_unit_test(packed_formats_lose_nothing),
        cmocka_unit_test(a_turn_there_and_back_is_none),
        cmocka_unit_test(untagged_films_mean_what_players_guess),
        cmocka_unit_test(matrices_that_nobody_knows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
