/* SPDX-License-Identifier: MIT */
/* What planes are said to mean, against what zimg makes of them, for frames that are read and for
 * those that are written; and which have no such meaning. */
#include "video/yuv.h"

#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "yuv.h"

static const struct pq_colour PLAIN = {AVCOL_SPC_BT709, AVCOL_PRI_BT709, AVCOL_TRC_BT709,
                                       AVCOL_RANGE_MPEG, AVCHROMA_LOC_LEFT};

/* zimg rounds to 16 bits; its dither to fewer moves a sample by less than a step. */
static const double ROUNDING = 0.52, DITHER = 1.01;

static struct pq_frame *new_frame(const struct pq_samples *s)
{
    pique_error err;
    struct pq_frame *frame;
    AVFrame *f = av_frame_alloc();
    assert_non_null(f);
    f->format = s->format;
    f->width = s->width;
    f->height = s->height;
    assert_int_equal(av_frame_get_buffer(f, 0), 0);
    assert_ok(pq_av_frame_wrap(f, &frame, &err), err);
    av_frame_free(&f);
    return frame;
}

/* Samples of every value, so that colours leave their range and borders show. */
static void fill(void *row, int width, int depth)
{
    for (int x = 0; x < width; x++)
        if (depth > 8)
            ((uint16_t *)row)[x] = (uint16_t)(rand() & ((1 << depth) - 1));
        else
            ((uint8_t *)row)[x] = (uint8_t)rand();
}

static struct pq_frame *random_frame(const struct pq_samples *s)
{
    struct pq_frame *frame = new_frame(s);
    for (int p = 0; p < frame->planes; p++)
        for (int y = 0; y < frame->plane[p].rows; y++)
            fill((void *)(frame->plane[p].data + y * frame->plane[p].stride),
                 frame->plane[p].row_bytes / (frame->depth > 8 ? 2 : 1), frame->depth);
    return frame;
}

static struct pq_image new_image(int width, int height)
{
    struct pq_image im = {.width = width, .height = height, .planes = 3, .depth = 16};
    const size_t stride = ((size_t)width * 2 + 63) & ~(size_t)63;
    im.memory = pq_big_alloc(NULL, stride * (size_t)height * 3);
    assert_non_null(im.memory);
    for (int p = 0; p < 3; p++) {
        im.data[p] = (char *)im.memory + stride * (size_t)height * (size_t)p;
        im.stride[p] = (ptrdiff_t)stride;
        for (int y = 0; y < height; y++)
            fill((char *)im.data[p] + y * im.stride[p], width, 16);
    }
    return im;
}

static float *floats_of(const struct pq_image *im)
{
    float *rgb = malloc((size_t)im->width * (size_t)im->height * 3 * sizeof *rgb);
    assert_non_null(rgb);
    for (int y = 0; y < im->height; y++)
        for (int x = 0; x < im->width; x++)
            for (int c = 0; c < 3; c++)
                rgb[(y * im->width + x) * 3 + c] = (float)(sample(im, c, x, y) / 65535.0);
    return rgb;
}

/* ---- the meaning ---- */

static const char *text_of(const struct pq_samples *s)
{
    static char text[200];
    snprintf(text, sizeof text, "%s, %s, %s, %s, %d x %d", av_get_pix_fmt_name(s->format),
             av_color_space_name(s->colour.matrix), av_color_range_name(s->colour.range),
             av_chroma_location_name(s->colour.site), s->width, s->height);
    return text;
}

static void check_reading(const struct pq_samples *s, const struct pq_yuv *yuv)
{
    pique_error err;
    struct pq_converter *to;
    struct pq_frame *frame = random_frame(s);
    const struct pq_image planes = planes_of(frame);
    struct pq_image im = new_image(s->width, s->height);
    assert_ok(pq_converter_to_rgb(s, 3, "test", &to, &err), err);
    assert_ok(pq_convert_to_rgb(to, pq_av_frame(frame), 0, 0, &im, &err), err);
    float *rgb = colours_of(yuv, &planes);
    const double off = colours_off(rgb, s->width, 0, 0, &im);
    if (off > ROUNDING)
        fail_msg("%s: colours are off by %.3f", text_of(s), off);
    free(rgb);
    pq_big_free(NULL, im.memory);
    pq_converter_close(&to);
    pq_av_frame_unref(&frame);
}

/* A frame that zimg made of a picture. */
static void check_written(const struct pq_yuv *yuv, const struct pq_image *im,
                          const struct pq_frame *frame, const char *what)
{
    float *rgb = floats_of(im);
    double *plane[3];
    samples_of(yuv, rgb, im->width, im->height, plane);
    const double off = samples_off(plane, yuv, frame);
    if (off > (yuv->depth < 16 ? DITHER : ROUNDING))
        fail_msg("%s: samples are off by %.3f", what, off);
    for (int p = 0; p < 3; p++)
        free(plane[p]);
    free(rgb);
}

static void check_writing(const struct pq_samples *s, const struct pq_yuv *yuv)
{
    pique_error err;
    struct pq_converter *from;
    struct pq_frame *frame = new_frame(s);
    struct pq_image im = new_image(s->width, s->height);
    assert_ok(pq_converter_from_rgb(s, 3, 16, "test", &from, &err), err);
    assert_ok(pq_convert_from_rgb(from, &im, (AVFrame *)pq_av_frame(frame), &err), err);
    check_written(yuv, &im, frame, text_of(s));
    pq_big_free(NULL, im.memory);
    pq_converter_close(&from);
    pq_av_frame_unref(&frame);
}

static void planes_mean_what_zimg_makes_of_them(void **state)
{
    static const enum AVPixelFormat formats[] = {
        AV_PIX_FMT_YUV420P,   AV_PIX_FMT_YUV422P,   AV_PIX_FMT_YUV444P,   AV_PIX_FMT_YUV440P,
        AV_PIX_FMT_YUV420P10, AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV444P10, AV_PIX_FMT_YUV440P10,
        AV_PIX_FMT_YUV420P12, AV_PIX_FMT_YUV444P12, AV_PIX_FMT_YUV420P16, AV_PIX_FMT_YUV444P16,
        AV_PIX_FMT_YUVJ420P};
    static const enum AVColorSpace matrices[] = {AVCOL_SPC_BT709,     AVCOL_SPC_SMPTE170M,
                                                 AVCOL_SPC_BT470BG,   AVCOL_SPC_BT2020_NCL,
                                                 AVCOL_SPC_SMPTE240M, AVCOL_SPC_FCC};
    static const int sizes[][2] = {{64, 48}, {37, 23}, {2, 1}};
    (void)state;
    srand(7);
    int n = 0;
    for (size_t f = 0; f < PQ_COUNT(formats); f++)
        for (enum AVChromaLocation site = AVCHROMA_LOC_LEFT; site <= AVCHROMA_LOC_BOTTOM; site++)
            for (size_t m = 0; m < 2 * PQ_COUNT(matrices); m++, n++) {
                const int *size = sizes[n % 3];
                struct pq_samples s = {formats[f], PLAIN, size[0], size[1]};
                struct pq_yuv yuv;
                s.colour.matrix = matrices[m / 2];
                s.colour.range = m % 2 ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
                s.colour.site = site;
                if (!pq_yuv_of(&s, &yuv))
                    fail_msg("%s: is not taken", text_of(&s));
                check_reading(&s, &yuv);
                check_writing(&s, &yuv);
            }
}

static void what_is_no_such_frame_is_left_to_zimg(void **state)
{
    static const enum AVPixelFormat formats[] = {
        AV_PIX_FMT_GBRP,    AV_PIX_FMT_GBRP10,  AV_PIX_FMT_GBRAP,       AV_PIX_FMT_GRAY8,
        AV_PIX_FMT_GRAY16,  AV_PIX_FMT_NV12,    AV_PIX_FMT_P010,        AV_PIX_FMT_YUV411P,
        AV_PIX_FMT_YUV410P, AV_PIX_FMT_YUYV422, AV_PIX_FMT_YUV420P10BE, AV_PIX_FMT_PAL8};
    static const enum AVColorSpace matrices[] = {AVCOL_SPC_RGB,
                                                 AVCOL_SPC_YCGCO,
                                                 AVCOL_SPC_BT2020_CL,
                                                 AVCOL_SPC_SMPTE2085,
                                                 AVCOL_SPC_ICTCP,
                                                 AVCOL_SPC_CHROMA_DERIVED_NCL,
                                                 AVCOL_SPC_CHROMA_DERIVED_CL,
                                                 AVCOL_SPC_UNSPECIFIED};
    struct pq_yuv yuv;
    (void)state;
    for (size_t f = 0; f < PQ_COUNT(formats); f++) {
        const struct pq_samples s = {formats[f], PLAIN, 64, 48};
        if (pq_yuv_of(&s, &yuv))
            fail_msg("%s is taken", av_get_pix_fmt_name(formats[f]));
    }
    struct pq_samples s = {AV_PIX_FMT_YUV420P, PLAIN, 64, 48};
    assert_true(pq_yuv_of(&s, &yuv));
    for (size_t m = 0; m < PQ_COUNT(matrices); m++) {
        s.colour.matrix = matrices[m];
        if (pq_yuv_of(&s, &yuv))
            fail_msg("%s is taken", av_color_space_name(matrices[m]));
    }
    s.colour = PLAIN;
    s.colour.site = AVCHROMA_LOC_UNSPECIFIED;
    assert_false(pq_yuv_of(&s, &yuv));
}

/* ---- films that are read ---- */

/* Frames as read() delivers them, against the pictures of the same source. */
static void check_source(const struct pq_film_read *read)
{
    pique_error err;
    struct pq_film_source *source = open_film(read);
    const struct pq_film_facts *f = &source->facts;
    struct pq_image im = new_image(f->info.width, f->info.height);
    if (!f->yuv.depth)
        fail_msg("%s: its %s is not taken", read->path, f->pixel_format);
    for (int i = 0; i < 3; i++) {
        struct pq_frame *frame;
        assert_ok(source->read(source, &frame, &err), err);
        assert_non_null(frame);
        assert_int_equal(frame->width, f->frame_width);
        assert_int_equal(frame->height, f->frame_height);
        assert_int_equal(frame->depth, f->yuv.depth);
        const struct pq_image planes = planes_of(frame);
        float *rgb = colours_of(&f->yuv, &planes);
        assert_ok(source->to_rgb(source, frame, &im, &err), err);
        const double off = colours_off(rgb, frame->width, f->crop_x, f->crop_y, &im);
        if (off > ROUNDING)
            fail_msg("%s: frame %d is off by %.3f", read->path, i, off);
        free(rgb);
        pq_av_frame_unref(&frame);
    }
    pq_big_free(NULL, im.memory);
    source->close(source);
}

static const char *film_of(const char *name, const char *format, const char *how)
{
    return make_film(name, "-f lavfi -i testsrc2=s=70x50:r=25:d=0.4,noise=alls=60,format=%s %s",
                     format, how);
}

static void frames_that_are_read_are_the_planes(void **state)
{
    static const char *const formats[] = {"yuv420p",     "yuvj420p",    "yuv422p",    "yuv444p",
                                          "yuv420p10le", "yuv422p10le", "yuv440p",    "yuv444p12le",
                                          "yuv420p16le", "yuv444p16le", "yuv440p10le"};
    (void)state;
    for (size_t i = 0; i < PQ_COUNT(formats); i++)
        check_source(&(struct pq_film_read){.path = film_of("plain.mkv", formats[i], "-c:v ffv1"),
                                            .alpha = true});
    check_source(
        &(struct pq_film_read){.path = film_of("tagged.mkv", "yuv420p",
                                               "-c:v ffv1 -colorspace bt2020nc -color_range pc "
                                               "-chroma_sample_location topleft"),
                               .alpha = true});
    /* Samples side by side are planes by then. */
    check_source(&(struct pq_film_read){.path = film_of("packed.nut", "yuyv422", "-c:v rawvideo"),
                                        .alpha = true});
    check_source(&(struct pq_film_read){.path = film_of("packed.nut", "nv12", "-c:v rawvideo"),
                                        .alpha = true});
    const char *path = film_of("plain.mkv", "yuv420p", "-c:v ffv1");
    check_source(&(struct pq_film_read){.path = path, .alpha = true, .deinterlace = true});
    check_source(&(struct pq_film_read){.path = path, .alpha = true, .fps = {50, 1}});
    check_source(&(struct pq_film_read){.path = path,
                                        .alpha = true,
                                        .crop_width = 31,
                                        .crop_height = 17,
                                        .crop_x = 5,
                                        .crop_y = 3});
    check_source(&(struct pq_film_read){.path = film_of("alpha.mkv", "yuva420p", "-c:v ffv1")});
}

static void assert_no_planes(const char *path)
{
    struct pq_film_source *source = open_film(&(struct pq_film_read){.path = path, .alpha = true});
    if (source->facts.yuv.depth)
        fail_msg("%s: is taken", path);
    source->close(source);
}

static void films_of_another_kind_say_so(void **state)
{
    (void)state;
    assert_no_planes(film_of("alpha.mkv", "yuva420p", "-c:v ffv1"));
    assert_no_planes(film_of("rgb.mkv", "bgr0", "-c:v ffv1"));
    assert_no_planes(film_of("gray.mkv", "gray", "-c:v ffv1"));
    assert_no_planes(film_of("411.mkv", "yuv411p", "-c:v ffv1"));
    assert_no_planes(film_of("ycgco.mkv", "yuv444p", "-c:v ffv1 -colorspace ycgco"));
    const char *flat = film_of("flat.mp4", "yuv420p", "-c:v mpeg4");
    if (can_make_film("turned.mp4", "-display_rotation 90 -i '%s' -c copy", flat))
        assert_no_planes(in_folder("turned.mp4"));
    else
        assert_no_planes(make_film("turned.mp4", "-i '%s' -c copy -metadata:s:v rotate=90", flat));
}

/* ---- films that are written ---- */

static void assert_alike(const struct pq_frame *blank, const struct pq_frame *full)
{
    const AVFrame *a = pq_av_frame(blank), *b = pq_av_frame(full);
    assert_int_equal(a->format, b->format);
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->pts, b->pts);
    assert_int_equal(a->nb_side_data, b->nb_side_data);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->colorspace, b->colorspace);
    assert_int_equal(a->color_range, b->color_range);
    assert_int_equal(a->color_primaries, b->color_primaries);
    assert_int_equal(a->color_trc, b->color_trc);
    assert_int_equal(a->chroma_location, b->chroma_location);
    assert_int_equal(a->sample_aspect_ratio.num, b->sample_aspect_ratio.num);
    assert_int_equal(blank->pts, full->pts);
    assert_int_equal(blank->duration, full->duration);
    assert_int_equal(blank->depth, full->depth);
    assert_int_equal(blank->planes, full->planes);
    for (int p = 0; p < full->planes; p++) {
        assert_ptr_not_equal(blank->plane[p].data, full->plane[p].data);
        assert_int_equal(blank->plane[p].stride, full->plane[p].stride);
        assert_int_equal(blank->plane[p].row_bytes, full->plane[p].row_bytes);
        assert_int_equal(blank->plane[p].rows, full->plane[p].rows);
    }
    assert_true(av_frame_is_writable((AVFrame *)a));
}

/* What a writer for films like this one says of its frames. *yuv may be NULL. */
static void check_writer(const struct pq_film_write *write, bool taken, struct pq_yuv *yuv)
{
    pique_error err;
    struct pq_film_encoder chosen;
    struct pq_film_writer *w;
    struct pq_frame *full, *blank;
    assert_ok(pq_av_choose(write, &chosen, &err), err);
    assert_ok(pq_av_open_writer(write, &chosen, &w, &err), err);
    struct pq_image im = new_image(write->width, write->height);
    assert_ok(w->from_rgb(w, &im, &full, &err), err);
    assert_ok(w->blank(w, &blank, &err), err);
    assert_alike(blank, full);
    if (chosen.yuv != taken || (w->yuv.depth != 0) != taken)
        fail_msg("%s of %s: %d, %d", chosen.encoder, chosen.pixel_format, chosen.yuv, w->yuv.depth);
    if (taken) {
        assert_int_equal(w->yuv.depth, chosen.depth);
        check_written(&w->yuv, &im, full, chosen.pixel_format);
    }
    if (yuv)
        *yuv = w->yuv;
    pq_av_frame_unref(&full);
    pq_av_frame_unref(&blank);
    pq_big_free(NULL, im.memory);
    w->close(w);
}

static void check_like(const char *path, const char *container, const char *codec,
                       const char *profile, bool alpha, bool taken)
{
    struct pq_film_source *source = open_film(&(struct pq_film_read){.path = path, .alpha = true});
    check_writer(&(struct pq_film_write){.like = source,
                                         .container = container,
                                         .codec = codec,
                                         .profile = profile,
                                         .hardware = PIQUE_HARDWARE_OFF,
                                         .alpha = alpha,
                                         .width = 140,
                                         .height = 100,
                                         .in_width = 70,
                                         .in_height = 50},
                 taken, NULL);
    source->close(source);
}

static void frames_that_are_written_are_the_planes(void **state)
{
    static const char *const formats[] = {"yuv420p",     "yuv422p",     "yuv444p",
                                          "yuv420p10le", "yuv422p12le", "yuv444p16le"};
    (void)state;
    for (size_t i = 0; i < PQ_COUNT(formats); i++) {
        const char *path = film_of("plain.mkv", formats[i], "-c:v ffv1");
        check_like(path, "y4m", NULL, NULL, false, true);
        check_like(path, "mkv", "ffv1", NULL, false, true);
        check_like(path, "mov", "prores", NULL, false, true);
    }
    check_like(film_of("tagged.mkv", "yuv420p",
                       "-c:v ffv1 -colorspace bt2020nc -color_range pc "
                       "-chroma_sample_location topleft"),
               "mkv", "h264", NULL, false, true);
    check_like(film_of("alpha.mkv", "yuva444p10le", "-c:v ffv1"), "mov", "prores", "4444", true,
               false);
    check_like(in_folder("alpha.mkv"), "mkv", "h264", NULL, true, true);
    check_like(film_of("rgb.mkv", "bgr0", "-c:v ffv1"), "mkv", "ffv1", NULL, false, false);
    check_like(film_of("gray.mkv", "gray", "-c:v ffv1"), "y4m", NULL, NULL, false, true);
    check_like(film_of("ycgco.mkv", "yuv444p", "-c:v ffv1 -colorspace ycgco"), "mkv", "ffv1", NULL,
               false, false);
}

/* Of R, G and B the size decides which matrix it will be. */
static void a_film_of_rgb_is_written_with_the_matrix_of_its_size(void **state)
{
    (void)state;
    struct pq_film_source *source =
        open_film(&(struct pq_film_read){.path = film_of("rgb.mkv", "bgr0", "-c:v ffv1")});
    struct pq_film_write write = {.like = source,
                                  .container = "y4m",
                                  .width = 141,
                                  .height = 101,
                                  .in_width = 70,
                                  .in_height = 50};
    struct pq_yuv yuv;
    check_writer(&write, true, &yuv);
    assert_true(yuv.kr == 0.299);
    write.width = 1280;
    check_writer(&write, true, &yuv);
    assert_true(yuv.kr == 0.2126);
    source->close(source);
}

int main(void)
{
    need_ffmpeg();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planes_mean_what_zimg_makes_of_them),
        cmocka_unit_test(what_is_no_such_frame_is_left_to_zimg),
        cmocka_unit_test(frames_that_are_read_are_the_planes),
        cmocka_unit_test(films_of_another_kind_say_so),
        cmocka_unit_test(frames_that_are_written_are_the_planes),
        cmocka_unit_test(a_film_of_rgb_is_written_with_the_matrix_of_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
