/* SPDX-License-Identifier: MIT */
/* The module as upscale/ loads it: one symbol, one table, usable from several threads. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "helper.h"
#include "image/formats.h"
#include "image/vips.h"

static const char *module_path;

static void the_module_exports_one_symbol(void **state)
{
    void *module = dlopen(module_path, RTLD_NOW | RTLD_LOCAL);
    if (!module)
        fail_msg("%s", dlerror());
    const struct pq_picture_io *(*get)(void) =
        (const struct pq_picture_io *(*)(void))dlsym(module, "pique_picture_module");
    assert_non_null(get);
    const struct pq_picture_io *table = get();
    assert_non_null(table);
    assert_ptr_equal(table, get());
    assert_int_equal(table->version, PQ_PICTURE_IO_VERSION);
    assert_int_equal(table->formats[0].format, PIQUE_FORMAT_PNG);
    static const char *const hidden[] = {"pq_file_open", "pq_vips_start", "pq_formats", "pq_fail"};
    /* Looked up in this handle first; the test program does not export its own. */
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        assert_null(dlsym(module, hidden[i]));
    pique_picture_info info;
    pique_error err;
    struct picture p = draw(12, 8, 3, false, 8);
    const struct pq_save save = save_as(PIQUE_FORMAT_PNG);
    assert_ok(write_picture(in_folder("m.png"), &p, &save, NULL, &err), err);
    assert_ok(table->probe(in_folder("m.png"), false, &info, &err), err);
    assert_int_equal(info.width, 12);
    free_picture(&p);
    dlclose(module);
    /* The types of GLib stay, so a second look must find them in order. */
    module = dlopen(module_path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(module);
    assert_ok(table->probe(in_folder("m.png"), false, &info, &err), err);
    dlclose(module);
}

/* Other formats end earlier by themselves. */
static void png_and_tiff_may_be_as_large_as_libvips_takes(void **state)
{
    const struct pq_format_caps *png = pq_format_find(PIQUE_FORMAT_PNG);
    const struct pq_format_caps *tiff = pq_format_find(PIQUE_FORMAT_TIFF);
    assert_non_null(png);
    assert_non_null(tiff);
    assert_int_equal(png->max_extent, VIPS_MAX_COORD);
    assert_int_equal(tiff->max_extent, VIPS_MAX_COORD);
}

struct worker {
    int number;
    char failure[600];
};

/* cmocka's own checks are for one thread, so a worker only takes notes. */
static void *work(void *user)
{
    static const enum pique_format formats[] = {PIQUE_FORMAT_PNG, PIQUE_FORMAT_TIFF,
                                                PIQUE_FORMAT_PPM, PIQUE_FORMAT_PNG};
    struct worker *w = user;
    struct picture p = draw(50 + w->number, 40, 3, w->number == 0, 8), back;
    const struct pq_save save = save_as(formats[w->number]);
    for (int i = 0; i < 12 && !w->failure[0]; i++) {
        char path[600];
        pique_error err = {0};
        snprintf(path, sizeof path, "%s/t%d", folder(), w->number);
        if (write_picture(path, &p, &save, NULL, &err) ||
            read_picture(path, false, 9, &back, &err)) {
            snprintf(w->failure, sizeof w->failure, "%s", err.message);
            break;
        }
        if (memcmp(p.data, back.data, p.bytes) != 0)
            snprintf(w->failure, sizeof w->failure, "%.500s: differs", path);
        free_picture(&back);
    }
    free_picture(&p);
    return NULL;
}

static void four_threads_read_and_write_at_once(void **state)
{
    pthread_t threads[4];
    struct worker workers[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    folder();
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        if (workers[i].failure[0])
            fail_msg("%s", workers[i].failure);
    }
}

/* A source may be handed from one thread to another between calls. */
static void *read_rest(void *user)
{
    struct pq_row_source *source = user;
    unsigned char *rows = calloc(40, pq_picture_row_bytes(&source->format));
    static pique_error err;
    if (source->read(source, 40, rows, (ptrdiff_t)pq_picture_row_bytes(&source->format), &err)) {
        free(rows);
        return NULL;
    }
    return rows;
}

static void a_source_may_change_its_thread(void **state)
{
    struct picture p = draw(33, 80, 3, false, 8);
    const struct pq_save save = save_as(PIQUE_FORMAT_PNG);
    pique_error err;
    struct pq_row_source *source;
    assert_ok(write_picture(in_folder("moved.png"), &p, &save, NULL, &err), err);
    assert_ok(io()->open_source(in_folder("moved.png"), false, &source, &err), err);
    unsigned char *first = read_rest(source);
    pthread_t thread;
    void *second;
    assert_non_null(first);
    assert_int_equal(pthread_create(&thread, NULL, read_rest, source), 0);
    pthread_join(thread, &second);
    assert_non_null(second);
    assert_memory_equal(first, p.data, p.bytes / 2);
    assert_memory_equal(second, p.data + p.bytes / 2, p.bytes / 2);
    source->close(source);
    free(first);
    free(second);
    free_picture(&p);
}

static size_t covered(const unsigned char *mask, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += mask[i] > 127;
    return count;
}

static void text_is_drawn_as_it_is_and_cut_where_it_does_not_fit(void **state)
{
    enum { W = 200, H = 60 };
    static unsigned char mask[W * H], again[W * H];
    pique_error err = {0};
    if (!pq_vips_has("text"))
        skip();
    assert_ok(io()->draw_text("name\nlarger", 16, mask, W, H, &err), err);
    const size_t plain = covered(mask, W * H);
    assert_in_range(plain, 60, 2000);
    assert_true(covered(mask + (size_t)W * 45, W * 15) == 0);
    /* No markup, no bytes that are not UTF-8, no lines or letters outside. */
    assert_ok(io()->draw_text("<b>name</b>&amp;", 16, again, W, H, &err), err);
    assert_true(covered(again, W * H) > plain);
    assert_ok(io()->draw_text("a\377\300b <", 16, again, W, H, &err), err);
    assert_true(covered(again, W * H) > 0);
    assert_ok(io()->draw_text("", 16, again, W, H, &err), err);
    assert_true(covered(again, W * H) == 0);
    assert_ok(io()->draw_text("\n \n", 16, again, W, H, &err), err);
    char *long_text = malloc(5000);
    for (int i = 0; i < 4999; i++)
        long_text[i] = i % 60 ? 'W' : '\n';
    long_text[4999] = '\0';
    unsigned char *small = malloc(7 * 5);
    assert_ok(io()->draw_text(long_text, 28, small, 7, 5, &err), err);
    free(small);
    free(long_text);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s MODULE\n", argv[0]);
        return 2;
    }
    module_path = argv[1];
    io();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_module_exports_one_symbol),
        cmocka_unit_test(png_and_tiff_may_be_as_large_as_libvips_takes),
        cmocka_unit_test(text_is_drawn_as_it_is_and_cut_where_it_does_not_fit),
        cmocka_unit_test(four_threads_read_and_write_at_once),
        cmocka_unit_test(a_source_may_change_its_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
