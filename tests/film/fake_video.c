/* SPDX-License-Identifier: MIT */
#include "fake_video.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "base/alloc.h"

struct fake_video fake;
static atomic_int alive;

void fake_reset(void)
{
    fake = (struct fake_video){
        .width = 16, .height = 12, .frames = 20, .seeks = true, .delay = 2, .stop_at = -1};
}

int fake_alive(void)
{
    return atomic_load(&alive);
}

/* Times of a film whose frames stand for 2, 3, 2, 3 ... ticks. */
int64_t fake_pts(int64_t index)
{
    return 7 + index * 2 + index / 2;
}

/* ---- frames ---- */

struct fake_frame {
    struct pq_frame frame;
    atomic_int count;
    unsigned char data[];
};

static struct pq_frame *frame_new(int width, int height)
{
    const size_t plane = (size_t)width * (size_t)height;
    struct fake_frame *f = pq_calloc(1, sizeof *f + 3 * plane);
    if (!f)
        return NULL;
    atomic_init(&f->count, 1);
    atomic_fetch_add(&alive, 1);
    f->frame = (struct pq_frame){.width = width, .height = height, .depth = 8, .planes = 3};
    for (int p = 0; p < 3; p++)
        f->frame.plane[p] =
            (struct pq_frame_plane){f->data + (size_t)p * plane, width, width, height};
    return &f->frame;
}

static struct pq_frame *frame_ref(struct pq_frame *frame)
{
    atomic_fetch_add(&((struct fake_frame *)frame)->count, 1);
    return frame;
}

static void frame_unref(struct pq_frame **frame)
{
    struct fake_frame *f = (struct fake_frame *)*frame;
    *frame = NULL;
    if (f && atomic_fetch_sub(&f->count, 1) == 1) {
        atomic_fetch_sub(&alive, 1);
        pq_free(f);
    }
}

/* What planes are told to be; what to_rgb() and from_rgb() make of them is their samples. */
static const struct pq_yuv planes_alone = {.depth = 8, .kr = 0.299, .kb = 0.114};

/* ---- source ---- */

struct fake_source {
    struct pq_film_source base;
    int64_t next;
};

static int source_read(struct pq_film_source *source, struct pq_frame **out, pique_error *err)
{
    struct fake_source *s = (struct fake_source *)source;
    const int64_t i = s->next;
    *out = NULL;
    if (i == fake.stop_at)
        return pq_fail(err, PIQUE_EFORMAT, "film: damaged at frame %lld", (long long)i);
    if (i >= fake.frames)
        return 0;
    struct pq_frame *f = frame_new(fake.width, fake.height);
    if (!f)
        return pq_fail_nomem(err, 1);
    int64_t drawing = fake.hold ? i / fake.hold : i;
    if (fake.cycle)
        drawing %= fake.cycle;
    unsigned char *data = ((struct fake_frame *)f)->data;
    const size_t n = 3 * (size_t)fake.width * (size_t)fake.height;
    for (size_t k = 0; k < n; k++) {
        const uint64_t key[2] = {(uint64_t)drawing, k / 5};
        const uint64_t shake[2] = {(uint64_t)i, k};
        data[k] = (unsigned char)(XXH3_64bits(key, sizeof key) % 200 +
                                  (fake.noise ? XXH3_64bits(shake, sizeof shake) %
                                                    (unsigned)(fake.noise + 1)
                                              : 0));
    }
    f->pts = fake_pts(i);
    f->duration = fake_pts(i + 1) - f->pts;
    s->next++;
    fake.read++;
    *out = f;
    return 0;
}

static int source_seek(struct pq_film_source *source, int64_t pts, pique_error *err)
{
    struct fake_source *s = (struct fake_source *)source;
    if (!fake.seeks)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "film: cannot be entered");
    while (s->next < fake.frames && fake_pts(s->next) < pts)
        s->next++;
    fake.seeks_done++;
    return 0;
}

static int to_rgb(struct pq_film_source *source, const struct pq_frame *frame, struct pq_image *out,
                  pique_error *err)
{
    const struct pq_film_facts *f = &source->facts;
    (void)err;
    for (int p = 0; p < 3; p++) {
        const struct pq_frame_plane *plane = &frame->plane[p];
        for (int y = 0; y < out->height; y++)
            memcpy((char *)out->data[p] + y * out->stride[p],
                   plane->data + (f->crop_y + y) * plane->stride + f->crop_x, (size_t)out->width);
    }
    fake.to_rgb++;
    return 0;
}

static void source_close(struct pq_film_source *source)
{
    pq_free(source);
}

static int open_source(const struct pq_film_read *read, struct pq_film_source **out,
                       pique_error *err)
{
    struct fake_source *s = pq_calloc(1, sizeof *s);
    *out = s ? &s->base : NULL;
    if (!s)
        return pq_fail_nomem(err, sizeof *s);
    s->base = (struct pq_film_source){
        .facts = {.info = {.size = sizeof s->base.facts.info,
                           .width = read->crop_width ? read->crop_width : fake.width,
                           .height = read->crop_width ? read->crop_height : fake.height,
                           .sar_num = 1,
                           .sar_den = 1,
                           .fps_num = 24,
                           .fps_den = 1,
                           .frames = fake.frames,
                           .seconds = (double)fake.frames / 24,
                           .depth = 8},
                  .time_base = {1, 60},
                  .first_pts = fake_pts(0),
                  .rgb_depth = 8,
                  .crop_width = read->crop_width,
                  .crop_height = read->crop_height,
                  .crop_x = read->crop_x,
                  .crop_y = read->crop_y,
                  .frame_width = fake.width,
                  .frame_height = fake.height,
                  .frame_bytes = 3 * (uint64_t)fake.width * (uint64_t)fake.height},
        .read = source_read,
        .seek = source_seek,
        .to_rgb = to_rgb,
        .close = source_close};
    if (fake.yuv_in)
        s->base.facts.yuv = planes_alone;
    while (s->next < fake.frames && (double)s->next / 24 < read->from)
        s->next++;
    fake.opened++;
    return 0;
}

/* ---- writer: records of index, size and samples ---- */

struct record {
    uint32_t magic, bytes;
    int64_t index;
    uint64_t hash;
};
enum { MAGIC = 0x46414b45 };

static int put_record(struct pq_file *file, const struct pq_frame *f, int64_t index,
                      pique_error *err)
{
    const uint32_t bytes = 3 * (uint32_t)f->width * (uint32_t)f->height;
    const unsigned char *data = f->plane[0].data;
    const struct record r = {MAGIC, bytes, index, XXH3_64bits(data, bytes)};
    int rc = pq_file_write(file, &r, sizeof r, err);
    return rc ? rc : pq_file_write(file, data, bytes, err);
}

struct fake_writer {
    struct pq_film_writer base;
    int width, height;
    struct pq_file *file;
    struct pq_frame *held[64];
    int64_t held_index[64];
    int held_count;
    int64_t written;
};

static int from_rgb(struct pq_film_writer *writer, const struct pq_image *in, struct pq_frame **out,
                    pique_error *err)
{
    struct pq_frame *f = frame_new(in->width, in->height);
    (void)writer;
    *out = f;
    fake.from_rgb++;
    if (!f)
        return pq_fail_nomem(err, 1);
    unsigned char *data = ((struct fake_frame *)f)->data;
    for (int p = 0; p < 3; p++) {
        for (int y = 0; y < in->height; y++) {
            const uint16_t *row =
                (const uint16_t *)(const void *)((const char *)in->data[p] + y * in->stride[p]);
            for (int x = 0; x < in->width; x++)
                *data++ = (unsigned char)(row[x] >> 8);
        }
    }
    return 0;
}

static int blank(struct pq_film_writer *writer, struct pq_frame **out, pique_error *err)
{
    const struct fake_writer *w = (const struct fake_writer *)writer;
    *out = frame_new(w->width, w->height);
    return *out ? 0 : pq_fail_nomem(err, 1);
}

static int writer_begin(struct pq_film_writer *writer, struct pq_file *file, pique_error *err)
{
    struct fake_writer *w = (struct fake_writer *)writer;
    (void)err;
    w->file = file;
    w->written = 0;
    return 0;
}

static int let_go(struct fake_writer *w, int keep, pique_error *err)
{
    int rc = 0;
    while (!rc && w->held_count > keep) {
        if (w->file && w->file->fd >= 0)
            rc = put_record(w->file, w->held[0], w->held_index[0], err);
        frame_unref(&w->held[0]);
        w->held_count--;
        memmove(w->held, w->held + 1, sizeof *w->held * (size_t)w->held_count);
        memmove(w->held_index, w->held_index + 1, sizeof *w->held_index * (size_t)w->held_count);
        w->written += !rc;
    }
    return rc;
}

static int writer_write(struct pq_film_writer *writer, const struct pq_frame *frame, int64_t index,
                        int64_t *readable, pique_error *err)
{
    nanosleep(&(struct timespec){.tv_nsec = fake.write_us * 1000L}, NULL);
    struct fake_writer *w = (struct fake_writer *)writer;
    w->held[w->held_count] = frame_ref((struct pq_frame *)frame);
    w->held_index[w->held_count++] = index;
    int rc = let_go(w, fake.delay, err);
    *readable = w->written;
    return rc;
}

static void writer_abandon(struct pq_film_writer *writer)
{
    struct fake_writer *w = (struct fake_writer *)writer;
    while (w->held_count)
        frame_unref(&w->held[--w->held_count]);
    w->file = NULL;
}

static int writer_end(struct pq_film_writer *writer, pique_error *err)
{
    const int rc = let_go((struct fake_writer *)writer, 0, err);
    writer_abandon(writer);
    return rc;
}

static void writer_close(struct pq_film_writer *writer)
{
    writer_abandon(writer);
    pq_free(writer);
}

static int choose(const struct pq_film_write *write, struct pq_film_encoder *out, pique_error *err)
{
    (void)write;
    (void)err;
    *out = (struct pq_film_encoder){.encoder = "records",
                                    .pixel_format = "rgb",
                                    .depth = 8,
                                    .multiple_x = 1,
                                    .multiple_y = 1,
                                    .threads = 1,
                                    .yuv = fake.yuv_out};
    snprintf(out->version, sizeof out->version, "records %d", fake.version);
    return 0;
}

static int open_writer(const struct pq_film_write *write, const struct pq_film_encoder *chosen,
                       struct pq_film_writer **out, pique_error *err)
{
    struct fake_writer *w = pq_calloc(1, sizeof *w);
    *out = w ? &w->base : NULL;
    if (!w)
        return pq_fail_nomem(err, sizeof *w);
    w->base = (struct pq_film_writer){.encoder = *chosen,
                                      .from_rgb = from_rgb,
                                      .blank = blank,
                                      .begin = writer_begin,
                                      .write = writer_write,
                                      .end = writer_end,
                                      .abandon = writer_abandon,
                                      .close = writer_close};
    if (fake.yuv_out)
        w->base.yuv = planes_alone;
    w->width = write->width;
    w->height = write->height;
    return 0;
}

/* ---- journal ---- */

struct fake_journal {
    struct pq_film_journal base;
    struct pq_file *out, in;
    int width, height;
};

static int read_whole(struct pq_file *f, void *data, size_t size, bool *whole)
{
    size_t have = 0, got = 1;
    pique_error err;
    while (have < size && got) {
        int rc = pq_file_read(f, (char *)data + have, size - have, &got, &err);
        if (rc)
            return rc;
        have += got;
    }
    *whole = have == size;
    return 0;
}

/* The next record as a frame of that size; *out NULL at the end, or where it is cut or damaged. */
static int get_record(struct pq_file *f, int width, int height, struct pq_frame **out,
                      int64_t *index)
{
    struct record r;
    bool whole;
    *out = NULL;
    int rc = read_whole(f, &r, sizeof r, &whole);
    if (rc || !whole || r.magic != MAGIC || r.bytes != 3 * (uint32_t)width * (uint32_t)height)
        return rc;
    struct pq_frame *frame = frame_new(width, height);
    unsigned char *data = ((struct fake_frame *)frame)->data;
    rc = read_whole(f, data, r.bytes, &whole);
    if (!rc && whole && XXH3_64bits(data, r.bytes) == r.hash) {
        *index = r.index;
        *out = frame;
        return 0;
    }
    frame_unref(&frame);
    return rc;
}

static int journal_append(struct pq_film_journal *journal, const struct pq_frame *frame,
                          int64_t index, pique_error *err)
{
    return put_record(((struct fake_journal *)journal)->out, frame, index, err);
}

static int journal_next(struct pq_film_journal *journal, struct pq_frame **out, int64_t *index,
                        pique_error *err)
{
    struct fake_journal *j = (struct fake_journal *)journal;
    (void)err;
    return get_record(&j->in, j->width, j->height, out, index);
}

static void journal_close(struct pq_film_journal *journal)
{
    pq_file_close(&((struct fake_journal *)journal)->in);
    pq_free(journal);
}

static int journal_new(const struct pq_film_writer *like, struct fake_journal **out,
                       pique_error *err)
{
    const struct fake_writer *w = (const struct fake_writer *)like;
    struct fake_journal *j = pq_calloc(1, sizeof *j);
    *out = j;
    if (!j)
        return pq_fail_nomem(err, sizeof *j);
    j->base = (struct pq_film_journal){journal_append, journal_next, journal_close};
    j->in.fd = -1;
    j->width = w->width;
    j->height = w->height;
    return 0;
}

static int write_journal(const struct pq_film_writer *like, struct pq_file *file,
                         struct pq_film_journal **out, pique_error *err)
{
    struct fake_journal *j;
    int rc = journal_new(like, &j, err);
    *out = rc ? NULL : &j->base;
    if (!rc)
        j->out = file;
    return rc;
}

static int read_journal(const struct pq_film_writer *like, const char *path,
                        struct pq_film_journal **out, pique_error *err)
{
    struct fake_journal *j;
    *out = NULL;
    int rc = journal_new(like, &j, err);
    if (rc)
        return rc;
    rc = pq_file_open(path, &j->in, err);
    if (rc)
        journal_close(&j->base);
    else
        *out = &j->base;
    return rc;
}

/* ---- join: the records of all segments, each with its time before it ---- */

static int copy_segment(const struct pq_film_join *join, const char *path, int64_t *at,
                        pique_error *err)
{
    struct pq_file in;
    int rc = pq_file_open(path, &in, err);
    if (rc)
        return rc;
    for (;;) {
        struct record r;
        bool whole;
        rc = read_whole(&in, &r, sizeof r, &whole);
        if (rc || !whole)
            break;
        unsigned char *data = malloc(r.bytes);
        rc = read_whole(&in, data, r.bytes, &whole);
        if (!rc && (!whole || r.index != *at))
            rc = pq_fail(err, PIQUE_EFORMAT, "%s: frame %lld stands where %lld should", path,
                         (long long)r.index, (long long)*at);
        if (!rc)
            rc = pq_file_write(join->out, &join->pts[*at], sizeof *join->pts, err);
        if (!rc)
            rc = pq_file_write(join->out, &r, sizeof r, err);
        if (!rc)
            rc = pq_file_write(join->out, data, r.bytes, err);
        free(data);
        if (rc)
            break;
        ++*at;
    }
    pq_file_close(&in);
    return rc;
}

static int join(const struct pq_film_join *how, struct pq_film_joined *out, pique_error *err)
{
    int rc = 0;
    *out = (struct pq_film_joined){0};
    for (size_t i = 0; !rc && i < how->count; i++)
        rc = copy_segment(how, how->segments[i], &out->frames, err);
    return rc;
}

static int lost(const struct pq_film_join *how, int *count, pique_error *err)
{
    (void)err;
    *count = 1;
    if (how->note)
        how->note(how->note_user, "film: smells are not kept");
    return 0;
}

int64_t fake_film_read(const char *path, uint64_t *hash, bool *in_time)
{
    return fake_film_frames(path, hash, in_time, NULL, 0);
}

int64_t fake_film_frames(const char *path, uint64_t *hash, bool *in_time, uint64_t *each,
                         int64_t most)
{
    struct pq_file f;
    int64_t count = 0;
    *hash = 0;
    *in_time = true;
    if (pq_file_open(path, &f, NULL))
        return -1;
    for (;;) {
        struct record r;
        int64_t pts;
        bool whole;
        if (read_whole(&f, &pts, sizeof pts, &whole) || !whole ||
            read_whole(&f, &r, sizeof r, &whole) || !whole)
            break;
        unsigned char *data = malloc(r.bytes);
        if (read_whole(&f, data, r.bytes, &whole) || !whole || XXH3_64bits(data, r.bytes) != r.hash)
            count = -1000;
        free(data);
        if (count >= 0 && count < most)
            each[count] = r.hash;
        *in_time &= pts == fake_pts(count);
        *hash = XXH3_64bits_withSeed(&r.hash, sizeof r.hash, *hash);
        count++;
    }
    pq_file_close(&f);
    return count;
}

/* ---- the table ---- */

static int describe(const char *path, char **json, pique_error *err)
{
    (void)path;
    *json = pq_strdup("{}");
    return *json ? 0 : pq_fail_nomem(err, 3);
}

static const char *profiles(void)
{
    return "";
}

const struct pq_video_io *fake_video(void)
{
    static const struct pq_video_io io = {.version = PQ_VIDEO_IO_VERSION,
                                          .describe = describe,
                                          .open_source = open_source,
                                          .frame_ref = frame_ref,
                                          .frame_unref = frame_unref,
                                          .choose = choose,
                                          .open_writer = open_writer,
                                          .write_journal = write_journal,
                                          .read_journal = read_journal,
                                          .lost = lost,
                                          .join = join,
                                          .profiles = profiles};
    return &io;
}
