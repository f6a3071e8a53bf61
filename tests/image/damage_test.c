/* SPDX-License-Identifier: MIT */
/* Damaged and dishonest files: an error with a sentence, or the true picture; never a crash, never
 * half a picture, never much memory. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vips/vips.h>

#include "helper.h"
#include "png.h"

/* Read to the end, keeping one strip; *hash tells pictures apart (FNV-1a over the samples). */
static int drain(const char *path, uint64_t *hash, pique_error *err)
{
    enum { STRIP = 8 };
    struct pq_row_source *source;
    *err = (pique_error){0};
    int rc = io()->open_source(path, true, &source, err);
    if (rc)
        return rc;
    const struct pq_picture_format f = source->format;
    size_t stride = pq_picture_row_bytes(&f);
    unsigned char *rows = malloc(stride * STRIP);
    assert_non_null(rows);
    *hash = 14695981039346656037u ^ (uint64_t)f.width << 32 ^ (uint64_t)f.height;
    for (int y = 0; !rc && y < f.height; y += STRIP) {
        int n = f.height - y < STRIP ? f.height - y : STRIP;
        rc = source->read(source, n, rows, (ptrdiff_t)stride, err);
        for (size_t i = 0; !rc && i < stride * (size_t)n; i++)
            *hash = (*hash ^ rows[i]) * 1099511628211u;
    }
    free(rows);
    source->close(source);
    return rc;
}

static void assert_sentence(int rc, const pique_error *err, const char *path)
{
    assert_int_equal(rc, err->code);
    assert_true(rc < 0);
    assert_non_null(strstr(err->message, path));
    assert_null(strchr(err->message, '\n'));
    assert_true(strlen(err->message) > strlen(path) + 8);
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void put_text(const char *name, const char *text)
{
    put_file(in_folder(name), text, strlen(text));
}

/* ---- samples of every format ---- */

#define SAMPLES 15
static const char *const samples[SAMPLES] = {
    "s.png",      "s.jpeg",   "s.webp", "s.tiff",          "s.avif",
    "s.jxl",      "s.ppm",    "s.gif",  "progressive.jpg", "adam7.png",
    "turned.jpg", "flat.tif", "s.bmp",  "plain.ppm",       "s.pam"};

/* The same picture in the formats that only libavcodec reads. A plain PPM cut within its last
 * number is a sound one with another number, so that has one digit. */
static void make_av_samples(const struct picture *p)
{
    unsigned char file[16384] = "BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x2e\0\0\0\x21\0\0\0\1\0"
                                "\x18";
    size_t row = 46 * 3 + 2; /* padded to four */
    for (size_t y = 0; y < 33; y++)
        memcpy(file + 54 + y * row, p->data + y * 46 * 3, 46 * 3);
    put_file(in_folder("s.bmp"), file, 54 + 33 * row);
    int n = sprintf((char *)file, "P7\nWIDTH 46\nHEIGHT 33\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\n"
                                  "ENDHDR\n");
    memcpy(file + n, p->data, p->bytes);
    put_file(in_folder("s.pam"), file, (size_t)n + p->bytes);
    n = sprintf((char *)file, "P3 30 33 255\n");
    for (size_t i = 0; i < 30 * 33 * 3; i++)
        n += sprintf((char *)file + n, "%d\n", i == 30 * 33 * 3 - 1 ? 7 : p->data[i]);
    put_file(in_folder("plain.ppm"), file, (size_t)n);
}

static int make_samples(void **state)
{
    struct picture p = draw(46, 33, 3, false, 8);
    pique_error err;
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        char name[32];
        snprintf(name, sizeof name, "s.%s", caps->name);
        const struct pq_save save = save_as(caps->format);
        assert_ok(write_picture(in_folder(name), &p, &save, NULL, &err), err);
    }
    VipsImage *image = vips_image_new_from_memory(p.data, p.bytes, 46, 33, 3, VIPS_FORMAT_UCHAR);
    image->Type = VIPS_INTERPRETATION_sRGB;
    if (vips_type_find("VipsOperation", "gifsave"))
        assert_int_equal(vips_gifsave(image, in_folder("s.gif"), NULL), 0);
    assert_int_equal(vips_jpegsave(image, in_folder("progressive.jpg"), "interlace", TRUE, NULL),
                     0);
    assert_int_equal(vips_pngsave(image, in_folder("adam7.png"), "interlace", TRUE, NULL), 0);
    assert_int_equal(vips_tiffsave(image, in_folder("flat.tif"), NULL), 0);
    vips_image_set_int(image, VIPS_META_ORIENTATION, 6);
    assert_int_equal(vips_jpegsave(image, in_folder("turned.jpg"), NULL), 0);
    make_av_samples(&p);
    g_object_unref(image);
    free_picture(&p);
    return 0;
}

static bool there(const char *name)
{
    struct stat st;
    return stat(in_folder(name), &st) == 0;
}

/* libjxl itself writes to the terminal what it thinks of a damaged file. */
static void hush(bool on)
{
    static int kept = -1;
    if (on && kept < 0) {
        int null = open("/dev/null", O_WRONLY);
        kept = dup(STDERR_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    } else if (!on && kept >= 0) {
        dup2(kept, STDERR_FILENO);
        close(kept);
        kept = -1;
    }
}

static int drain_hushed(const char *path, uint64_t *hash, pique_error *err)
{
    hush(true);
    int rc = drain(path, hash, err);
    hush(false);
    return rc;
}

/* ---- tests ---- */

static void a_truncated_picture_is_an_error_or_whole(void **state)
{
    for (int i = 0; i < SAMPLES; i++) {
        if (!there(samples[i]))
            continue;
        size_t size, refused = 0, cuts = 0;
        unsigned char *data = get_file(in_folder(samples[i]), &size);
        uint64_t whole, hash;
        pique_error err;
        assert_ok(drain_hushed(in_folder(samples[i]), &whole, &err), err);
        const char *cut = in_folder("cut");
        size_t step = size / 120 + 1;
        for (size_t n = 0; n < size; n += n < 64 || n + 64 > size ? 1 : step) {
            put_file(cut, data, n);
            int rc = drain_hushed(cut, &hash, &err);
            if (rc)
                assert_sentence(rc, &err, cut);
            else if (hash != whole)
                fail_msg("%s cut at %zu of %zu bytes gives another picture", samples[i], n, size);
            refused += rc != 0;
            cuts++;
        }
        /* Only trailers may be missing without harm. */
        if (refused * 10 < cuts * 8)
            fail_msg("%s: only %zu of %zu truncations were noticed", samples[i], refused, cuts);
        free(data);
    }
}

static void flipped_bits_never_crash(void **state)
{
    uint32_t r = 2463534242u;
    for (int i = 0; i < SAMPLES; i++) {
        if (!there(samples[i]))
            continue;
        size_t size;
        unsigned char *data = get_file(in_folder(samples[i]), &size);
        const char *path = in_folder("flipped");
        for (int n = 0; n < 120; n++) {
            unsigned char *copy = malloc(size);
            assert_non_null(copy);
            memcpy(copy, data, size);
            for (int k = 0; k <= n % 4; k++) {
                r = r * 1664525u + 1013904223u;
                /* Half of them among the headers. */
                size_t at = (r >> 8) % (n & 1 ? size : size < 200 ? size : 200);
                copy[at] ^= (unsigned char)(1u << (r & 7));
            }
            put_file(path, copy, size);
            uint64_t hash;
            pique_error err;
            int rc = drain_hushed(path, &hash, &err);
            if (rc)
                assert_sentence(rc, &err, path);
            free(copy);
        }
        free(data);
    }
}

static void a_damaged_png_body_is_noticed(void **state)
{
    size_t size;
    unsigned char *data = get_file(in_folder("s.png"), &size);
    data[size / 2] ^= 0x10;
    put_file(in_folder("body.png"), data, size);
    uint64_t hash;
    pique_error err;
    assert_int_equal(drain_hushed(in_folder("body.png"), &hash, &err), PIQUE_EFORMAT);
    free(data);
}

/* A camera that stopped writing, repaired by a tool that only added the end marker. */
static void a_jpeg_whose_second_half_is_missing_is_noticed(void **state)
{
    static const char *const names[] = {"s.jpeg", "progressive.jpg"};
    for (int i = 0; i < 2; i++) {
        size_t size;
        unsigned char *data = get_file(in_folder(names[i]), &size);
        size_t half = size * 6 / 10;
        while (data[half - 1] == 0xff)
            half++;
        data[half] = 0xff;
        data[half + 1] = 0xd9;
        put_file(in_folder("half.jpg"), data, half + 2);
        uint64_t hash;
        pique_error err;
        if (i == 0) /* a progressive picture may lack refinement and yet be all there */
            assert_int_equal(drain_hushed(in_folder("half.jpg"), &hash, &err), PIQUE_EFORMAT);
        else
            drain_hushed(in_folder("half.jpg"), &hash, &err);
        free(data);
    }
}

/* Many cameras leave some; nothing of the picture is lost. */
static void a_jpeg_with_stray_bytes_is_read(void **state)
{
    size_t size;
    unsigned char *data = get_file(in_folder("s.jpeg"), &size);
    unsigned char *more = malloc(size + 3);
    assert_non_null(more);
    size_t first = 4 + (size_t)(data[4] << 8 | data[5]); /* behind the first segment */
    memcpy(more, data, first);
    memcpy(more + first, "\0\x12\x34", 3);
    memcpy(more + first + 3, data + first, size - first);
    put_file(in_folder("stray.jpg"), more, size + 3);
    uint64_t whole, hash;
    pique_error err;
    assert_ok(drain(in_folder("s.jpeg"), &whole, &err), err);
    assert_ok(drain(in_folder("stray.jpg"), &hash, &err), err);
    assert_true(hash == whole);
    free(more);
    free(data);
}

static void random_bytes_are_refused(void **state)
{
    static const char *const heads[] = {
        "",     "\x89PNG\r\n\x1a\n", "\xff\xd8\xff\xe0", "GIF89a", "II*", "P6 3 3 255\n",
        "P1\n", "\xff\x0a",          "RIFFxxxxWEBP",     "BM",     "MM"};
    uint32_t r = 1;
    for (int i = 0; i < 11 * 12; i++) {
        unsigned char data[600];
        size_t size = 20 + (size_t)i * 4, head = strlen(heads[i % 11]);
        for (size_t k = 0; k < size; k++) {
            r = r * 1664525u + 1013904223u;
            data[k] = (unsigned char)(r >> 24);
        }
        memcpy(data, heads[i % 11], head);
        put_file(in_folder("random"), data, size);
        uint64_t hash;
        pique_error err;
        int rc = drain_hushed(in_folder("random"), &hash, &err);
        if (rc)
            assert_sentence(rc, &err, in_folder("random"));
        else if (memcmp(heads[i % 11], "P", 1) != 0) /* nine random pixels are a picture */
            fail_msg("random bytes after '%s' are a picture", heads[i % 11]);
    }
}

static void what_is_no_picture_is_named(void **state)
{
    uint64_t hash;
    pique_error err;
    put_file(in_folder("empty.png"), "", 0);
    assert_int_equal(drain(in_folder("empty.png"), &hash, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "empty.png: the file is empty"));
    put_text("text.png", "Dear diary");
    assert_int_equal(drain(in_folder("text.png"), &hash, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "text.png: not a picture that pique can read"));
    assert_int_equal(drain(in_folder("nowhere.png"), &hash, &err), PIQUE_ENOENT);
    assert_sentence(PIQUE_ENOENT, &err, in_folder("nowhere.png"));
    assert_int_equal(drain(folder(), &hash, &err), PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "folder"));
    put_text("blocked.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>");
    assert_int_equal(drain(in_folder("blocked.svg"), &hash, &err), PIQUE_EFORMAT);
    assert_int_equal(drain("/dev/zero", &hash, &err), PIQUE_EFORMAT);
}

/* ---- sizes that are not true ---- */

static void put_big16(unsigned char *p, unsigned v)
{
    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)v;
}

static void lie_in_png(void)
{
    static const unsigned char row[8] = {0};
    const struct raw_png png = {65535, 65535, 8, 2, NULL, 0, NULL, 0, row, 8, 1};
    put_raw_png(in_folder("lie.png"), &png);
}

static void lie_in_jpeg(const char *from, const char *to, unsigned char sof)
{
    size_t size;
    unsigned char *data = get_file(in_folder(from), &size);
    for (size_t i = 2; i + 9 < size; i++) {
        if (data[i] == 0xff && data[i + 1] == sof && data[i + 2] == 0) {
            put_big16(data + i + 5, 65500);
            put_big16(data + i + 7, 65500);
            break;
        }
    }
    put_file(in_folder(to), data, size);
    free(data);
}

static void lie_in_gif(void)
{
    static const unsigned char gif[] = "GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff"
                                       ",\0\0\0\0\xff\xff\xff\xff\0\2\2\x44\1\0;";
    put_file(in_folder("lie.gif"), gif, sizeof gif - 1);
}

static void lie_in_tiff(void)
{
    size_t size;
    unsigned char *data = get_file(in_folder("s.tiff"), &size);
    assert_true(data[0] == 'I');
    size_t ifd = data[4] | (size_t)data[5] << 8 | (size_t)data[6] << 16;
    assert_true(ifd + 2 < size);
    int n = data[ifd] | data[ifd + 1] << 8;
    unsigned char *planes = NULL;
    for (int i = 0; i < n; i++) {
        unsigned char *entry = data + ifd + 2 + i * 12;
        int tag = entry[0] | entry[1] << 8;
        if (tag == 256 || tag == 257 || tag == 278) { /* width, height, rows per strip */
            memset(entry + 8, 0, 4);
            entry[8] = entry[9] = 0xff;
        }
        if (tag == 284)
            planes = entry + 8;
    }
    put_file(in_folder("lie.tif"), data, size);
    assert_non_null(planes);
    planes[0] = 2; /* one after the other */
    put_file(in_folder("planes.tif"), data, size);
    free(data);
}

static void lies_about_the_size_are_refused_cheaply(void **state)
{
    static const char *const lies[] = {"lie.png",    "lie.jpg", "lie2.jpg", "lie.gif", "lie.tif",
                                       "planes.tif", "lie.ppm", "lie.pam",  "lie.pgm", "lie.bmp",
                                       "rle.bmp",    "big.ppm", "zero.ppm"};
    lie_in_png();
    lie_in_jpeg("s.jpeg", "lie.jpg", 0xc0);
    lie_in_jpeg("progressive.jpg", "lie2.jpg", 0xc2);
    lie_in_gif();
    lie_in_tiff();
    put_text("lie.ppm", "P6 65535 65535 255\nabc");
    put_text("big.ppm", "P6 2147483647 2147483647 255\nabc");
    put_text("zero.ppm", "P6 0 5 255\nabc");
    put_text("lie.pgm", "P2 60000 60000 255\n1 2 3");
    put_text("lie.pam", "P7\nWIDTH 50000\nHEIGHT 50000\nDEPTH 4\nMAXVAL 65535\n"
                        "TUPLTYPE RGB_ALPHA\nENDHDR\nx");
    unsigned char bmp[80] =
        "BM\x50\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\xff\xff\0\0\xff\xff\0\0\1\0\x18";
    put_file(in_folder("lie.bmp"), bmp, sizeof bmp);
    bmp[28] = 8;
    bmp[30] = 1; /* RLE8 */
    put_file(in_folder("rle.bmp"), bmp, sizeof bmp);
    long before = peak_kib();
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        uint64_t hash;
        pique_error err;
        int rc = drain(in_folder(lies[i]), &hash, &err);
        if (rc == 0)
            fail_msg("%s was read", lies[i]);
        assert_sentence(rc, &err, in_folder(lies[i]));
        if (peak_kib() - before > 64 << 10)
            fail_msg("%s took %ld KiB", lies[i], peak_kib() - before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lies_about_the_size_are_refused_cheaply),
        cmocka_unit_test(a_truncated_picture_is_an_error_or_whole),
        cmocka_unit_test(flipped_bits_never_crash),
        cmocka_unit_test(a_damaged_png_body_is_noticed),
        cmocka_unit_test(a_jpeg_whose_second_half_is_missing_is_noticed),
        cmocka_unit_test(a_jpeg_with_stray_bytes_is_read),
        cmocka_unit_test(random_bytes_are_refused),
        cmocka_unit_test(what_is_no_picture_is_named),
    };
    return cmocka_run_group_tests(tests, make_samples, NULL);
}
