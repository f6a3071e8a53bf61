/* SPDX-License-Identifier: MIT */
/* Pictures stream: memory grows with the width, not with the height. And pictures that other
 * programs made, where they are at hand. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../sanitized.h"
#include "helper.h"

enum { WIDTH = 1920, HEIGHT = 8640, LIMIT_MIB = 60 };

static long peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss >> 10;
}

static void fill_row(unsigned char *row, int y)
{
    for (int x = 0; x < WIDTH * 3; x++)
        row[x] = (unsigned char)(x / 16 + y / 8 + ((x * 7 ^ y * 13) & 7));
}

static void stream(enum pique_format format, const char *name, bool exact)
{
    const struct pq_picture_format f = {WIDTH, HEIGHT, 3, false, 8};
    struct pq_save save = save_as(format);
    save.compression = 1;
    pique_error err;
    unsigned char row[WIDTH * 3], expected[WIDTH * 3];
    long before = peak_mib();
    struct pq_row_sink *sink;
    assert_ok(io()->open_sink(in_folder(name), &f, &save, NULL, &sink, &err), err);
    for (int y = 0; y < HEIGHT; y++) {
        fill_row(row, y);
        assert_ok(sink->write(sink, 1, row, sizeof row, &err), err);
    }
    assert_ok(sink->finish(sink, NULL, &err), err);
    sink->close(sink);
    long written = peak_mib();
    if (written - before > LIMIT_MIB)
        fail_msg("writing %s took %ld MiB", name, written - before);
    struct pq_row_source *source;
    assert_ok(io()->open_source(in_folder(name), false, &source, &err), err);
    for (int y = 0; y < HEIGHT; y++) {
        fill_row(expected, y);
        assert_ok(source->read(source, 1, row, sizeof row, &err), err);
        if (exact && memcmp(row, expected, sizeof row) != 0)
            fail_msg("%s: row %d differs", name, y);
    }
    source->close(source);
    if (peak_mib() - written > LIMIT_MIB)
        fail_msg("reading %s took %ld MiB", name, peak_mib() - written);
    print_message("%s: writing +%ld MiB, reading +%ld MiB\n", name, written - before,
                  peak_mib() - written);
    remove(in_folder(name));
}

static void tall_pictures_stream(void **state)
{
    if (TEST_SANITIZED) {
        print_message("skipped: a sanitizer keeps freed memory\n");
        skip();
    }
    io();
    stream(PIQUE_FORMAT_PNG, "tall.png", true);
    stream(PIQUE_FORMAT_JPEG, "tall.jpg", false);
    stream(PIQUE_FORMAT_TIFF, "tall.tif", true);
}

/* ---- pictures of others ---- */

static const char *media(const char *name)
{
    static char path[512];
    const char *folder_name = getenv("PIQUE_MEDIA");
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder_name ? folder_name : ".", name);
    if (stat(path, &st) == 0)
        return path;
    print_message("skipped: no %s (PIQUE_MEDIA names the folder)\n", path);
    return NULL;
}

static void pictures_of_other_programs_are_read(void **state)
{
    static const struct {
        const char *name;
        int colours;
        bool alpha;
        int depth;
    } known[] = {{"0014.jpg", 3, false, 8},
                 {"wolf_gray.jpg", 1, false, 8},
                 {"children-alpha.png", 3, true, 8},
                 {"tree_alpha_16bit.png", 3, true, 16}};
    int done = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *path = media(known[i].name);
        struct picture p;
        pique_error err;
        if (!path)
            continue;
        assert_ok(read_picture(path, false, 13, &p, &err), err);
        assert_int_equal(p.format.colours, known[i].colours);
        assert_int_equal(p.format.alpha, known[i].alpha);
        assert_int_equal(p.format.depth, known[i].depth);
        free_picture(&p);
        done++;
    }
    if (!done)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tall_pictures_stream),
        cmocka_unit_test(pictures_of_other_programs_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
