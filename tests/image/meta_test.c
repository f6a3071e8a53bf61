/* SPDX-License-Identifier: MIT */
/* What travels with a picture: profile, EXIF, XMP, resolution; and what must not. */
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include "helper.h"

static const char xmp[] = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:Description "
                          "tiff:Orientation=\"6\" dc:title=\"a cat\"/></x:xmpmeta>";

/* A JPEG with everything: turned, with a profile, EXIF, XMP, 300 dpi. */
static const char *make_rich_jpeg(void)
{
    struct picture p = draw(40, 24, 3, false, 8);
    VipsImage *image = vips_image_new_from_memory(p.data, p.bytes, 40, 24, 3, VIPS_FORMAT_UCHAR);
    VipsImage *rich;
    image->Type = VIPS_INTERPRETATION_sRGB;
    assert_int_equal(vips_copy(image, &rich, "xres", 300 / 25.4, "yres", 300 / 25.4, NULL), 0);
    void *profile;
    size_t size;
    VipsBlob *blob;
    assert_int_equal(vips_profile_load("srgb", &blob, NULL), 0);
    profile = (void *)(uintptr_t)vips_blob_get(blob, &size);
    vips_image_set_blob_copy(rich, VIPS_META_ICC_NAME, profile, size);
    vips_area_unref(VIPS_AREA(blob));
    vips_image_set_blob_copy(rich, VIPS_META_XMP_NAME, xmp, sizeof xmp - 1);
    vips_image_set_int(rich, VIPS_META_ORIENTATION, 6);
    vips_image_set_string(rich, VIPS_META_RESOLUTION_UNIT, "in");
    vips_image_set_string(rich, "exif-ifd0-Make",
                          "Daguerre (Daguerre, ASCII, 9 components, 9 bytes)");
    assert_int_equal(vips_jpegsave(rich, in_folder("rich.jpg"), "Q", 95, NULL), 0);
    g_object_unref(rich);
    g_object_unref(image);
    free_picture(&p);
    return in_folder("rich.jpg");
}

static bool blob_is(VipsImage *image, const char *name, const void **data, size_t *size)
{
    return vips_image_get_typeof(image, name) && vips_image_get_blob(image, name, data, size) == 0;
}

static bool carries_resolution(const char *name)
{
    return strcmp(name, "png") == 0 || strcmp(name, "jpeg") == 0 || strcmp(name, "tiff") == 0;
}

static void check_kept(const struct pq_format_caps *caps, const char *path)
{
    VipsImage *image = vips_image_new_from_file(path, NULL);
    const void *data;
    size_t size;
    if (!image)
        fail_msg("%s: %s", caps->name, vips_error_buffer());
    if (!blob_is(image, VIPS_META_ICC_NAME, &data, &size) || size < 128)
        fail_msg("%s lost the profile", caps->name);
    if (!blob_is(image, VIPS_META_XMP_NAME, &data, &size) || !memmem(data, size, "a cat", 5))
        fail_msg("%s lost XMP", caps->name);
    if (memmem(data, size, "Orientation=\"6\"", 15) || !memmem(data, size, "Orientation=\"1\"", 15))
        fail_msg("%s: XMP says another orientation", caps->name);
    const char *make;
    if (caps->exif &&
        (!vips_image_get_typeof(image, "exif-ifd0-Make") ||
         vips_image_get_string(image, "exif-ifd0-Make", &make) || !strstr(make, "Daguerre")))
        fail_msg("%s lost EXIF", caps->name);
    int orientation = 1;
    if (vips_image_get_typeof(image, VIPS_META_ORIENTATION))
        vips_image_get_int(image, VIPS_META_ORIENTATION, &orientation);
    assert_int_equal(orientation, 1);
    if (carries_resolution(caps->name) && (int)(image->Xres * 25.4 + 0.5) != 300)
        fail_msg("%s: resolution is %g dpi", caps->name, image->Xres * 25.4);
    assert_int_equal(vips_image_get_typeof(image, "jpeg-thumbnail-data"), 0);
    g_object_unref(image);
}

static void profile_exif_xmp_and_resolution_are_kept(void **state)
{
    pique_error err;
    struct pq_row_source *source;
    assert_ok(io()->open_source(make_rich_jpeg(), false, &source, &err), err);
    assert_true(source->info.has_icc && source->info.has_exif && source->info.has_xmp);
    assert_int_equal(source->info.orientation, 6);
    assert_int_equal(source->format.width, 24);
    struct picture p = draw(48, 80, 3, false, 8);
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        if (caps->format == PIQUE_FORMAT_PPM || caps->format == PIQUE_FORMAT_JXL)
            continue;
        char name[32];
        snprintf(name, sizeof name, "kept.%s", caps->name);
        const struct pq_save save = save_as(caps->format);
        assert_ok(write_picture(in_folder(name), &p, &save, source, &err), err);
        check_kept(caps, in_folder(name));
        struct picture again;
        assert_ok(read_picture(in_folder(name), false, 9, &again, &err), err);
        assert_int_equal(again.format.width, 48);
        assert_int_equal(again.info.orientation, 1);
        free_picture(&again);
    }
    source->close(source);
    free_picture(&p);
}

static void a_thumbnail_of_the_old_picture_is_dropped(void **state)
{
    pique_error err;
    struct pq_row_source *source;
    struct picture p = draw(64, 64, 3, false, 8);
    VipsImage *image = vips_image_new_from_memory(p.data, p.bytes, 64, 64, 3, VIPS_FORMAT_UCHAR);
    image->Type = VIPS_INTERPRETATION_sRGB;
    void *small;
    size_t size;
    assert_int_equal(vips_jpegsave_buffer(image, &small, &size, "Q", 30, NULL), 0);
    /* An APP1 segment by hand (EXIF 2.32 4.5): IFD 0 with Make, IFD 1 with the thumbnail. */
    unsigned char app1[65536];
    static const unsigned char head[] = {
        0xff, 0xe1, 0, 0, 'E', 'x', 'i', 'f', 0,   0,   'M', 'M', 0, 42, 0, 0,  0, 8, 0, 1,
        1,    0x0f, 0, 2, 0,   0,   0,   4,   'A', 'B', 'C', 0,   0, 0,  0, 26, 0, 3, 1, 3,
        0,    3,    0, 0, 0,   1,   0,   6,   0,   0,   2,   1,   0, 4,  0, 0,  0, 1, 0, 0,
        0,    68,   2, 2, 0,   4,   0,   0,   0,   1,   0,   0,   0, 0,  0, 0,  0, 0};
    memcpy(app1, head, sizeof head);
    assert_true(size + sizeof head < 60000);
    memcpy(app1 + sizeof head, small, size);
    size_t length = sizeof head - 2 + size;
    app1[2] = (unsigned char)(length >> 8);
    app1[3] = (unsigned char)length;
    app1[sizeof head - 6] = (unsigned char)(size >> 8);
    app1[sizeof head - 5] = (unsigned char)size;
    unsigned char *file = malloc(2 * size + sizeof head + 2);
    assert_non_null(file);
    memcpy(file, small, 2);
    memcpy(file + 2, app1, length + 2);
    memcpy(file + 4 + length, (char *)small + 2, size - 2);
    put_file(in_folder("thumb.jpg"), file, length + 2 + size);
    VipsImage *before = vips_image_new_from_file(in_folder("thumb.jpg"), NULL);
    assert_true(vips_image_get_typeof(before, "jpeg-thumbnail-data") != 0);
    g_object_unref(before);
    assert_ok(io()->open_source(in_folder("thumb.jpg"), false, &source, &err), err);
    const struct pq_save save = save_as(PIQUE_FORMAT_JPEG);
    assert_ok(write_picture(in_folder("nothumb.jpg"), &p, &save, source, &err), err);
    source->close(source);
    VipsImage *after = vips_image_new_from_file(in_folder("nothumb.jpg"), NULL);
    const char *make;
    assert_int_equal(vips_image_get_typeof(after, "jpeg-thumbnail-data"), 0);
    assert_int_equal(vips_image_get_string(after, "exif-ifd0-Make", &make), 0);
    assert_non_null(strstr(make, "ABC"));
    g_object_unref(after);
    g_object_unref(image);
    g_free(small);
    free(file);
    free_picture(&p);
}

static void a_profile_of_other_colours_is_left_out(void **state)
{
    pique_error err;
    struct pq_row_source *source;
    assert_ok(io()->open_source(make_rich_jpeg(), false, &source, &err), err);
    struct picture p = draw(20, 20, 1, false, 8);
    static const enum pique_format formats[] = {PIQUE_FORMAT_PNG, PIQUE_FORMAT_JPEG,
                                                PIQUE_FORMAT_TIFF};
    for (int i = 0; i < 3; i++) {
        const struct pq_save save = save_as(formats[i]);
        struct picture back;
        assert_ok(write_picture(in_folder("grey"), &p, &save, source, &err), err);
        assert_ok(read_picture(in_folder("grey"), false, 20, &back, &err), err);
        assert_false(back.info.has_icc);
        assert_int_equal(back.info.colours, 1);
        free_picture(&back);
    }
    source->close(source);
    free_picture(&p);
}

static void jpeg_xl_gets_boxes_for_exif_and_xmp(void **state)
{
    if (!caps_of(PIQUE_FORMAT_JXL)) {
        print_message("skipped: this libvips cannot write JPEG XL\n");
        skip();
    }
    pique_error err;
    struct pq_row_source *source;
    assert_ok(io()->open_source(make_rich_jpeg(), false, &source, &err), err);
    struct picture p = draw(50, 30, 3, false, 8), back;
    struct pq_save save = save_as(PIQUE_FORMAT_JXL);
    save.lossless = true;
    assert_ok(write_picture(in_folder("boxes.jxl"), &p, &save, source, &err), err);
    source->close(source);
    size_t size;
    unsigned char *data = get_file(in_folder("boxes.jxl"), &size);
    assert_memory_equal(data + 4, "JXL ", 4);
    assert_non_null(memmem(data, size, "Exif", 4));
    assert_non_null(memmem(data, size, "xml ", 4));
    /* From 8.16 on libvips writes the boxes itself, compressed, and reads them. */
    bool packed = memmem(data, size, "brob", 4) != NULL;
    assert_true(packed || memmem(data, size, "Daguerre", 8));
    assert_true(packed || memmem(data, size, "a cat", 5));
    free(data);
    assert_ok(read_picture(in_folder("boxes.jxl"), true, 9, &back, &err), err);
    assert_true(back.info.has_icc);
    if (packed) {
        assert_true(back.info.has_exif && back.info.has_xmp);
        check_kept(caps_of(PIQUE_FORMAT_JXL), in_folder("boxes.jxl"));
    }
    assert_memory_equal(back.data, p.data, p.bytes);
    free_picture(&back);
    free_picture(&p);
}

static void a_source_without_metadata_gives_none(void **state)
{
    pique_error err;
    struct pq_row_source *source;
    put_file(in_folder("bare.ppm"), "P6 1 1 255\nabc", 14);
    assert_ok(io()->open_source(in_folder("bare.ppm"), false, &source, &err), err);
    struct picture p = draw(20, 20, 3, false, 8), back;
    const struct pq_save save = save_as(PIQUE_FORMAT_PNG);
    assert_ok(write_picture(in_folder("bare.png"), &p, &save, source, &err), err);
    assert_ok(read_picture(in_folder("bare.png"), false, 20, &back, &err), err);
    assert_false(back.info.has_icc || back.info.has_exif || back.info.has_xmp);
    assert_memory_equal(back.data, p.data, p.bytes);
    source->close(source);
    free_picture(&back);
    free_picture(&p);
}

int main(void)
{
    io();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profile_exif_xmp_and_resolution_are_kept),
        cmocka_unit_test(a_thumbnail_of_the_old_picture_is_dropped),
        cmocka_unit_test(a_profile_of_other_colours_is_left_out),
        cmocka_unit_test(jpeg_xl_gets_boxes_for_exif_and_xmp),
        cmocka_unit_test(a_source_without_metadata_gives_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
