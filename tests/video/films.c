/* SPDX-License-Identifier: MIT */
#include "films.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

static char folder_path[64];

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder_path);
    if (system(command))
        fprintf(stderr, "%s is left\n", folder_path);
}

void need_ffmpeg(void)
{
    if (system("ffmpeg -version >/dev/null 2>&1")) {
        puts("skipped: the ffmpeg program is needed to make films");
        exit(77);
    }
    pq_av_start();
}

const char *in_folder(const char *name)
{
    static char ring[16][256];
    static unsigned next;
    if (!folder_path[0]) {
        strcpy(folder_path, "/tmp/pique-film-XXXXXX");
        if (!mkdtemp(folder_path))
            exit(1);
        atexit(remove_folder);
    }
    char *path = ring[next++ % 16];
    snprintf(path, sizeof ring[0], "%s/%s", folder_path, name);
    return path;
}

static bool run_ffmpeg(const char *path, const char *fmt, va_list args)
{
    char arguments[2048], command[4096];
    vsnprintf(arguments, sizeof arguments, fmt, args);
    snprintf(command, sizeof command, "ffmpeg -nostdin -v error -y -threads 2 %s '%s' 2>'%s'",
             arguments, path, in_folder("log"));
    return system(command) == 0;
}

const char *make_film(const char *name, const char *fmt, ...)
{
    const char *path = in_folder(name);
    va_list args;
    va_start(args, fmt);
    const bool made = run_ffmpeg(path, fmt, args);
    va_end(args);
    if (!made) {
        size_t size;
        unsigned char *log = get_file(in_folder("log"), &size);
        fprintf(stderr, "%.*s\n", (int)size, (const char *)log);
        free(log);
        fail_msg("ffmpeg could not make %s", name);
    }
    return path;
}

bool can_make_film(const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const bool made = run_ffmpeg(in_folder(name), fmt, args);
    va_end(args);
    return made;
}

void put_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
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

uint64_t hash_frame(const struct pq_frame *frame)
{
    uint64_t h = 1469598103934665603U;
    for (int p = 0; p < frame->planes; p++)
        for (int y = 0; y < frame->plane[p].rows; y++)
            for (int x = 0; x < frame->plane[p].row_bytes; x++)
                h = (h ^ frame->plane[p].data[y * frame->plane[p].stride + x]) * 1099511628211U;
    return h;
}

void read_all(struct pq_film_source *source, struct frame_list *list)
{
    pique_error err;
    struct pq_frame *frame;
    list->count = 0;
    for (;;) {
        assert_ok(source->read(source, &frame, &err), err);
        if (!frame)
            return;
        assert_true(list->count < 4096);
        list->pts[list->count] = frame->pts;
        list->duration[list->count] = frame->duration;
        list->hash[list->count++] = hash_frame(frame);
        pq_av_frame_unref(&frame);
    }
}

struct pq_film_source *open_film(const struct pq_film_read *read)
{
    pique_error err;
    struct pq_film_source *source;
    assert_ok(pq_av_open_source(read, &source, &err), err);
    return source;
}

void take_note(void *user, const char *text)
{
    struct notes *n = user;
    const size_t used = strlen(n->text);
    n->count++;
    snprintf(n->text + used, sizeof n->text - used, "%s\n", text);
}

struct pq_image next_picture(struct pq_film_source *source, bool alpha)
{
    pique_error err;
    struct pq_frame *frame;
    const struct pq_film_facts *f = &source->facts;
    struct pq_image im = {.width = f->info.width,
                          .height = f->info.height,
                          .planes = alpha ? 4 : 3,
                          .depth = f->rgb_depth};
    const size_t stride = (size_t)im.width * (im.depth > 8 ? 2 : 1);
    im.memory = calloc((size_t)im.planes * (size_t)im.height, stride);
    assert_non_null(im.memory);
    for (int p = 0; p < im.planes; p++) {
        im.data[p] = (char *)im.memory + (size_t)p * (size_t)im.height * stride;
        im.stride[p] = (ptrdiff_t)stride;
    }
    assert_ok(source->read(source, &frame, &err), err);
    assert_non_null(frame);
    assert_ok(source->to_rgb(source, frame, &im, &err), err);
    pq_av_frame_unref(&frame);
    return im;
}

void free_picture(struct pq_image *image)
{
    free(image->memory);
    image->memory = NULL;
}

unsigned sample(const struct pq_image *im, int plane, int x, int y)
{
    const unsigned char *row = (const unsigned char *)im->data[plane] + y * im->stride[plane];
    return im->depth == 8 ? row[x] : ((const uint16_t *)(const void *)row)[x];
}
