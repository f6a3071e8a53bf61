/* SPDX-License-Identifier: MIT */
#include "helper.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/module.h"

const struct pq_picture_io *io(void)
{
    const struct pq_picture_io *table = pique_picture_module();
    assert_non_null(table);
    assert_int_equal(table->version, PQ_PICTURE_IO_VERSION);
    return table;
}

static char folder_path[256];

static void each_entry(void (*fn)(const char *path, void *user), void *user)
{
    DIR *d = opendir(folder_path);
    struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        char path[768];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder_path, e->d_name);
        fn(path, user);
    }
    if (d)
        closedir(d);
}

static void remove_entry(const char *path, void *user)
{
    remove(path);
}

static void count_entry(const char *path, void *user)
{
    (*(int *)user)++;
}

void empty_folder(void)
{
    each_entry(remove_entry, NULL);
}

static void remove_folder(void)
{
    empty_folder();
    rmdir(folder_path);
}

const char *folder(void)
{
    if (!folder_path[0]) {
        const char *tmp = getenv("TMPDIR");
        snprintf(folder_path, sizeof folder_path, "%s/pique-image.XXXXXX", tmp ? tmp : "/tmp");
        if (!mkdtemp(folder_path))
            abort();
        atexit(remove_folder);
    }
    return folder_path;
}

const char *in_folder(const char *name)
{
    static char ring[8][512];
    static int next;
    char *path = ring[next++ % 8];
    snprintf(path, sizeof ring[0], "%s/%s", folder(), name);
    return path;
}

int entries_in_folder(void)
{
    int n = 0;
    each_entry(count_entry, &n);
    return n;
}

void put_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

unsigned char *get_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    unsigned char *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

static struct picture blank(const struct pq_picture_format *format)
{
    struct picture p = {.format = *format};
    p.bytes = pq_picture_row_bytes(format) * (size_t)format->height;
    p.data = malloc(p.bytes);
    assert_non_null(p.data);
    return p;
}

struct picture draw(int width, int height, int colours, bool alpha, int depth)
{
    const struct pq_picture_format format = {width, height, colours, alpha, depth};
    struct picture p = blank(&format);
    int planes = colours + alpha;
    uint32_t noise = 12345;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            for (int c = 0; c < planes; c++) {
                noise = noise * 1664525u + 1013904223u;
                double v = c == 0   ? (x + 0.5) / width
                           : c == 1 ? (y + 0.5) / height
                                    : 0.5 + 0.4 * sin(x * 0.2 + y * 0.1);
                uint32_t wide = (uint32_t)(v * 64000) + (noise >> 22);
                if (c == colours && x < 2)
                    wide = 0; /* full transparency, colours kept */
                size_t i = ((size_t)y * (size_t)width + (size_t)x) * (size_t)planes + (size_t)c;
                if (depth == 16)
                    ((uint16_t *)(void *)p.data)[i] = (uint16_t)wide;
                else
                    p.data[i] = (unsigned char)(wide >> 8);
            }
        }
    }
    return p;
}

void free_picture(struct picture *p)
{
    free(p->data);
    *p = (struct picture){0};
}

int read_picture(const char *path, bool allow_untrusted, int rows, struct picture *p,
                 pique_error *err)
{
    *p = (struct picture){0};
    struct pq_row_source *source;
    int rc = io()->open_source(path, allow_untrusted, &source, err);
    if (rc) {
        assert_null(source);
        return rc;
    }
    *p = blank(&source->format);
    p->info = source->info;
    size_t stride = pq_picture_row_bytes(&source->format);
    for (int y = 0; !rc && y < p->format.height; y += rows) {
        int n = p->format.height - y < rows ? p->format.height - y : rows;
        rc = source->read(source, n, p->data + (size_t)y * stride, (ptrdiff_t)stride, err);
    }
    source->close(source);
    if (rc)
        free_picture(p);
    return rc;
}

int write_picture(const char *path, const struct picture *p, const struct pq_save *save,
                  const struct pq_row_source *like, pique_error *err)
{
    struct pq_row_sink *sink;
    int rc = io()->open_sink(path, &p->format, save, like, &sink, err);
    if (rc) {
        assert_null(sink);
        return rc;
    }
    size_t stride = pq_picture_row_bytes(&p->format);
    for (int y = 0; !rc && y < p->format.height; y += 3) {
        int n = p->format.height - y < 3 ? p->format.height - y : 3;
        rc = sink->write(sink, n, p->data + (size_t)y * stride, (ptrdiff_t)stride, err);
    }
    uint64_t bytes = 0;
    if (!rc)
        rc = sink->finish(sink, &bytes, err);
    sink->close(sink);
    if (!rc && path[0] != '-') {
        size_t size;
        free(get_file(path, &size));
        assert_int_equal(bytes, size);
    }
    return rc;
}

struct pq_save save_as(enum pique_format format)
{
    return (struct pq_save){.format = format, .quality = 95, .compression = 6, .overwrite = true};
}

const struct pq_format_caps *caps_of(enum pique_format format)
{
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        if (caps->format == format)
            return caps;
    }
    return NULL;
}

double sample_at(const struct picture *p, int x, int y, int c)
{
    int planes = p->format.colours + p->format.alpha;
    size_t i = ((size_t)y * (size_t)p->format.width + (size_t)x) * (size_t)planes + (size_t)c;
    return p->format.depth == 16 ? ((const uint16_t *)(const void *)p->data)[i] / 65535.0
                                 : p->data[i] / 255.0;
}

double mean_difference(const struct picture *a, const struct picture *b)
{
    assert_int_equal(a->format.width, b->format.width);
    assert_int_equal(a->format.height, b->format.height);
    assert_int_equal(a->format.colours, b->format.colours);
    assert_int_equal(a->format.alpha, b->format.alpha);
    int planes = a->format.colours + a->format.alpha;
    double sum = 0;
    for (int y = 0; y < a->format.height; y++) {
        for (int x = 0; x < a->format.width; x++) {
            for (int c = 0; c < planes; c++)
                sum += fabs(sample_at(a, x, y, c) - sample_at(b, x, y, c)) * 255;
        }
    }
    return sum / a->format.width / a->format.height / planes;
}
