/* SPDX-License-Identifier: MIT */
/* Segments, journals and joined films, made of synthetic frames and checked with ffmpeg. */
#include <libavutil/pixdesc.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/file.h"
#include "films.h"
#include "video/pool.h"

enum { W = 320, H = 240 };

static struct pq_film_source *like(const char *path)
{
    const struct pq_film_read read = {.path = path, .alpha = true};
    return open_film(&read);
}

/* A picture that moves. */
static struct pq_image draw(int width, int height, int planes, int index)
{
    struct pq_image image = {.width = width, .height = height, .planes = planes, .depth = 16};
    for (int p = 0; p < planes; p++) {
        image.stride[p] = (width * 2 + 63) / 64 * 64;
        image.data[p] = pq_big_alloc(NULL, (size_t)image.stride[p] * (size_t)height);
        assert_non_null(image.data[p]);
    }
    for (int p = 0; p < planes; p++)
        for (int y = 0; y < height; y++) {
            uint16_t *row = (uint16_t *)((char *)image.data[p] + y * image.stride[p]);
            for (int x = 0; x < width; x++)
                row[x] = (uint16_t)(x * 150 + y * (p + 1) * 90 + index * 700);
        }
    return image;
}

static void free_drawn(struct pq_image *image)
{
    for (int p = 0; p < image->planes; p++)
        pq_big_free(NULL, image->data[p]);
}

static struct pq_file create(const char *path)
{
    struct pq_file file;
    pique_error err;
    assert_ok(pq_file_create(path, true, &file, &err), err);
    return file;
}

/* Frames first .. first + count - 1 as a segment; their hashes where wanted. */
static int write_segment(struct pq_film_writer *w, const char *path, int first, int count,
                         uint64_t *hashes, int width, int height, pique_error *err)
{
    struct pq_file file = create(path);
    int rc = w->begin(w, &file, err);
    for (int i = first; !rc && i < first + count; i++) {
        struct pq_image image = draw(width, height, w->encoder.alpha ? 4 : 3, i);
        struct pq_frame *frame = NULL;
        int64_t readable;
        rc = w->from_rgb(w, &image, &frame, err);
        if (!rc)
            rc = w->write(w, frame, i, &readable, err);
        if (!rc && hashes)
            hashes[i - first] = hash_frame(frame);
        pq_av_frame_unref(&frame);
        free_drawn(&image);
    }
    if (!rc)
        rc = w->end(w, err);
    else
        w->abandon(w);
    if (rc)
        pq_file_close(&file);
    else
        rc = pq_file_commit(&file, true, err);
    return rc;
}

static char *tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *tell(const char *fmt, ...)
{
    static char text[16384];
    char command[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    pclose(f);
    return text;
}

static void expect(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

static struct pq_film_writer *open_writer(struct pq_film_write *write,
                                          struct pq_film_encoder *chosen)
{
    struct pq_film_writer *w;
    pique_error err;
    assert_ok(pq_av_choose(write, chosen, &err), err);
    assert_ok(pq_av_open_writer(write, chosen, &w, &err), err);
    return w;
}

/* ---- every profile ---- */

static void every_profile_makes_segments_that_decode(void **state)
{
    make_film("yuv.mkv", "-f lavfi -i testsrc2=s=160x120:d=0.2 -c:v ffv1 -pix_fmt yuv420p");
    make_film("alpha.mkv", "-f lavfi -i testsrc2=s=160x120:d=0.2,format=yuva444p10 -c:v ffv1");
    const char *line = pq_av_profiles();
    while (*line) {
        char codec[16], profile[64];
        assert_int_equal(sscanf(line, "%15[^\t]\t%63[^\t]", codec, profile), 2);
        line = strchr(line, '\n') + 1;
        const bool fixed = !strncmp(profile, "DNxHD ", 6);
        const bool alpha = !strncmp(profile, "4444", 4);
        struct pq_film_source *source = like(in_folder(alpha ? "alpha.mkv" : "yuv.mkv"));
        struct pq_film_write write = {.like = source,
                                      .container = "mkv",
                                      .codec = codec,
                                      .profile = profile,
                                      .hardware = PIQUE_HARDWARE_OFF,
                                      .alpha = alpha,
                                      .width = fixed ? 1920 : W,
                                      .height = fixed ? 1080 : H,
                                      .in_width = 160,
                                      .in_height = 120};
        if (!strcmp(profile, "DNxHD 220")) {
            write.width = 1280;
            write.height = 720;
        }
        struct pq_film_encoder chosen;
        struct pq_film_writer *w = open_writer(&write, &chosen);
        pique_error err;
        uint64_t hashes[10];
        const int count = fixed ? 2 : 10;
        assert_int_equal(chosen.alpha, alpha);
        assert_ok(
            write_segment(w, in_folder("0.mkv"), 0, count, hashes, write.width, write.height, &err),
            err);
        assert_ok(write_segment(w, in_folder("1.mkv"), count, count, NULL, write.width,
                                write.height, &err),
                  err);
        char *facts = tell("ffprobe -v error -count_frames -select_streams v -show_entries "
                           "stream=pix_fmt,nb_read_frames,profile,width %s",
                           in_folder("0.mkv"));
        char number[64];
        snprintf(number, sizeof number, "nb_read_frames=%d\n", count);
        expect(facts, number);
        snprintf(number, sizeof number, "width=%d\n", write.width);
        expect(facts, number);
        if (strncmp(codec, "prores", 6))
            expect(facts, chosen.pixel_format);
        if (strstr(profile, "Lossless")) {
            struct pq_film_source *back = like(in_folder("0.mkv"));
            struct frame_list *list = calloc(1, sizeof *list);
            read_all(back, list);
            assert_int_equal(list->count, count);
            for (int i = 0; i < count; i++)
                assert_true(list->hash[i] == hashes[i]);
            free(list);
            back->close(back);
        }
        w->close(w);
        source->close(source);
    }
}

/* ---- joining ---- */

static void make_rich_film(void)
{
    static const char srt[] = "1\n00:00:00,100 --> 00:00:00,600\nhello\n";
    static const char meta[] =
        ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\n"
        "title=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=400\nEND=1000\ntitle=Two\n";
    put_file(in_folder("a.srt"), srt, strlen(srt));
    put_file(in_folder("meta"), meta, strlen(meta));
    put_file(in_folder("f.ttf"), "font", 4);
    make_film("rich.mkv",
              "-f lavfi -i testsrc2=s=160x120:d=1:r=25 -f lavfi -i sine=d=1 -i %s -i %s "
              "-map 0 -map 1 -map 1 -map 2 -map 2 -map_metadata 3 -map_chapters 3 -attach %s "
              "-metadata:s:t mimetype=font/ttf -c:v libx264 -c:a:0 ac3 -c:a:1 flac "
              "-c:s:0 srt -c:s:1 ass -metadata:s:a:0 language=jpn -metadata:s:a:1 title=Second "
              "-vf \"setpts='if(gt(N,10),N+7,N)/25/TB',setsar=4/3\" -vsync vfr "
              "-disposition:a:1 default",
              in_folder("a.srt"), in_folder("meta"), in_folder("f.ttf"));
}

struct film {
    struct pq_film_read read;
    struct frame_list list;
    struct pq_film_source *source;
    struct pq_film_join join;
    char *segments[2];
    struct notes notes;
};

/* Two segments for all frames of the film. */
static struct film *segments_of(const char *path, const char *codec)
{
    struct film *f = calloc(1, sizeof *f);
    pique_error err;
    f->read = (struct pq_film_read){.path = path};
    f->source = open_film(&f->read);
    read_all(f->source, &f->list);
    struct pq_film_write write = {.like = f->source,
                                  .container = "mkv",
                                  .codec = codec,
                                  .hardware = PIQUE_HARDWARE_OFF,
                                  .width = W,
                                  .height = H,
                                  .in_width = 160,
                                  .in_height = 120};
    struct pq_film_encoder chosen;
    struct pq_film_writer *w = open_writer(&write, &chosen);
    const int half = f->list.count / 2;
    f->segments[0] = strdup(in_folder("s0.mkv"));
    f->segments[1] = strdup(in_folder("s1.mkv"));
    assert_ok(write_segment(w, f->segments[0], 0, half, NULL, W, H, &err), err);
    assert_ok(write_segment(w, f->segments[1], half, f->list.count - half, NULL, W, H, &err), err);
    w->close(w);
    const struct pq_film_facts *facts = &f->source->facts;
    f->join = (struct pq_film_join){.read = &f->read,
                                    .segments = f->segments,
                                    .count = 2,
                                    .pts = f->list.pts,
                                    .frames = f->list.count,
                                    .time_base = facts->time_base,
                                    .origin = facts->origin,
                                    .last_duration = f->list.duration[f->list.count - 1],
                                    .note = take_note,
                                    .note_user = &f->notes};
    return f;
}

static void free_film(struct film *f)
{
    f->source->close(f->source);
    free(f->segments[0]);
    free(f->segments[1]);
    free(f);
}

static int join_film(struct film *f, const char *container, const char *path,
                     struct pq_film_joined *joined, pique_error *err)
{
    struct pq_file file = create(path);
    f->join.container = container;
    f->join.name = path;
    f->join.out = &file;
    int rc = pq_av_join(&f->join, joined, err);
    if (rc)
        pq_file_close(&file);
    else
        rc = pq_file_commit(&file, true, err);
    f->join.out = NULL;
    return rc;
}

static void all_that_a_film_has_is_in_the_matroska_that_becomes_of_it(void **state)
{
    make_rich_film();
    struct film *f = segments_of(in_folder("rich.mkv"), NULL);
    struct pq_film_joined joined;
    pique_error err;
    assert_ok(join_film(f, "mkv", in_folder("out.mkv"), &joined, &err), err);
    if (f->notes.count)
        fail_msg("%s", f->notes.text);
    assert_int_equal(joined.streams, 6);
    static const char show[] = "ffprobe -v error -show_chapters -show_entries "
                               "stream=index,codec_name,codec_type:stream_disposition=default:"
                               "stream_tags=language,title:format_tags=title -select_streams %s "
                               "%s | grep -v '^id='";
    for (const char *kind = "ast"; *kind; kind++) {
        char k[2] = {*kind, 0};
        char *before = strdup(tell(show, k, in_folder("rich.mkv")));
        assert_string_equal(tell(show, k, in_folder("out.mkv")), before);
        free(before);
    }
    static const char times[] = "ffprobe -v error -of csv -select_streams v -show_entries "
                                "frame=best_effort_timestamp_time:stream=display_aspect_ratio %s | "
                                "grep '^[fs][rt]' | cut -d, -f1,2";
    char *before = strdup(tell(times, in_folder("rich.mkv")));
    assert_string_equal(tell(times, in_folder("out.mkv")), before);
    free(before);
    free_film(f);
}

static void what_mp4_cannot_hold_is_said_and_the_rest_is_there(void **state)
{
    make_rich_film();
    struct film *f = segments_of(in_folder("rich.mkv"), NULL);
    struct pq_film_joined joined;
    pique_error err;
    int lost;
    f->join.container = "mp4";
    assert_ok(pq_av_lost(&f->join, &lost, &err), err);
    expect(f->notes.text, "attachment 1");
    assert_int_equal(lost, 1);
    static const char *const containers[] = {"mp4", "mov"};
    for (int i = 0; i < 2; i++) {
        char name[16];
        snprintf(name, sizeof name, "out.%s", containers[i]);
        assert_ok(join_film(f, containers[i], in_folder(name), &joined, &err), err);
        assert_int_equal(joined.lost, 1);
        char *facts = tell("ffprobe -v error -show_chapters -show_entries stream=codec_name,"
                           "sample_aspect_ratio %s",
                           in_folder(name));
        expect(facts, "mov_text");
        expect(facts, "ac3");
        expect(facts, "TAG:title=Two");
        expect(facts, "sample_aspect_ratio=4:3");
    }
    free_film(f);
    f = segments_of(in_folder("rich.mkv"), "vp9");
    assert_ok(join_film(f, "webm", in_folder("out.webm"), &joined, &err), err);
    char *facts =
        tell("ffprobe -v error -show_entries stream=codec_name %s", in_folder("out.webm"));
    expect(facts, "opus");
    expect(facts, "webvtt");
    expect(facts, "vp9");
    free_film(f);
}

static void a_disk_that_is_full_fails_the_join_cleanly(void **state)
{
    make_rich_film();
    struct film *f = segments_of(in_folder("rich.mkv"), NULL);
    struct pq_film_joined joined;
    pique_error err;
    for (long n = 1; n < 1000; n++) {
        pq_fault_arm(PQ_FAULT_WRITE, n, n & 1 ? 28 : 5, true);
        const int rc = join_film(f, n & 2 ? "mp4" : "mkv", in_folder("full"), &joined, &err);
        const bool reached = pq_fault_count(PQ_FAULT_WRITE) >= n;
        pq_fault_arm(PQ_FAULT_WRITE, 0, 0, false);
        if (!reached)
            break;
        assert_int_equal(rc, n & 1 ? PIQUE_ENOSPC : PIQUE_EIO);
        assert_int_not_equal(access(in_folder("full"), F_OK), 0);
    }
    free_film(f);
}

/* ---- the journal ---- */

static void a_journal_gives_back_every_frame_before_the_cut(void **state)
{
    make_film("rgb.mkv", "-f lavfi -i testsrc2=s=64x48:d=0.2 -c:v ffv1 -pix_fmt bgr0");
    struct pq_film_source *source = like(in_folder("rgb.mkv"));
    struct pq_film_write write = {.like = source,
                                  .container = "mkv",
                                  .codec = "ffv1",
                                  .hardware = PIQUE_HARDWARE_OFF,
                                  .width = 64,
                                  .height = 48,
                                  .in_width = 64,
                                  .in_height = 48};
    struct pq_film_encoder chosen;
    struct pq_film_writer *w = open_writer(&write, &chosen);
    struct pq_file file = create(in_folder("journal"));
    struct pq_film_journal *j;
    pique_error err;
    uint64_t hash[4];
    size_t ends[4];
    assert_string_equal(chosen.pixel_format, "gbrp");
    assert_ok(pq_av_write_journal(w, &file, &j, &err), err);
    for (int i = 0; i < 4; i++) {
        struct pq_image image = draw(64, 48, 3, i);
        struct pq_frame *frame;
        assert_ok(w->from_rgb(w, &image, &frame, &err), err);
        assert_ok(j->append(j, frame, 480 + i, &err), err);
        hash[i] = hash_frame(frame);
        ends[i] = (size_t)pq_file_size(&file);
        pq_av_frame_unref(&frame);
        free_drawn(&image);
    }
    j->close(j);
    assert_ok(pq_file_commit(&file, true, &err), err);
    size_t size;
    unsigned char *data = get_file(in_folder("journal"), &size);
    for (size_t cut = 0; cut <= size; cut += cut == size ? 1 : PQ_MIN(97, size - cut)) {
        put_file(in_folder("cut"), data, cut);
        assert_ok(pq_av_read_journal(w, in_folder("cut"), &j, &err), err);
        int got = 0;
        for (;;) {
            struct pq_frame *frame;
            int64_t index;
            assert_ok(j->next(j, &frame, &index, &err), err);
            if (!frame)
                break;
            assert_int_equal(index, 480 + got);
            assert_true(hash_frame(frame) == hash[got]);
            pq_av_frame_unref(&frame);
            got++;
        }
        for (int i = 0; i < 4; i++)
            if (ends[i] <= cut && got <= i)
                fail_msg("cut at %zu, behind frame %d (%zu), %d frames", cut, i, ends[i], got);
        j->close(j);
    }
    free(data);
    w->close(w);
    source->close(source);
}

/* ---- options ---- */

static void an_option_that_names_files_or_is_unknown_is_refused(void **state)
{
    make_film("yuv.mkv", "-f lavfi -i testsrc2=s=160x120:d=0.2 -c:v ffv1 -pix_fmt yuv420p");
    struct pq_film_source *source = like(in_folder("yuv.mkv"));
    static const char *const bad[] = {"stats=x",       "x264-params=stats=x", "nothing=1",
                                      "passlogfile=x", "aq-mode=17x",         "bf"};
    for (size_t i = 0; i < PQ_COUNT(bad); i++) {
        struct pq_film_write write = {.like = source,
                                      .container = "mkv",
                                      .hardware = PIQUE_HARDWARE_OFF,
                                      .options = &bad[i],
                                      .option_count = 1};
        struct pq_film_encoder chosen;
        pique_error err;
        if (pq_av_choose(&write, &chosen, &err) != PIQUE_EINVAL)
            fail_msg("%s is taken", bad[i]);
    }
    source->close(source);
}

/* ---- memory ---- */

static void memory_of_a_frame_is_used_again_when_nobody_has_it(void **state)
{
    static const enum AVPixelFormat formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P10,
                                                 AV_PIX_FMT_GBRAP12, AV_PIX_FMT_GRAY8};
    enum { WIDTH = 101, HEIGHT = 37 };
    (void)state;
    for (size_t f = 0; f < PQ_COUNT(formats); f++) {
        pique_error err;
        struct pq_frame_pool *pool;
        AVFrame *a, *b;
        assert_ok(pq_frame_pool_new(formats[f], WIDTH, HEIGHT, &pool, &err), err);
        assert_ok(pq_frame_pool_get(pool, &a, &err), err);
        assert_ok(pq_frame_pool_get(pool, &b, &err), err);
        for (int p = 0; p < av_pix_fmt_count_planes(formats[f]); p++) {
            assert_true(a->data[p] && a->data[p] != b->data[p]);
            assert_int_equal((uintptr_t)a->data[p] % 64, 0);
            assert_int_equal(a->linesize[p] % 64, 0);
            memset(a->data[p], 7, (size_t)a->linesize[p]); /* the sanitizer looks */
        }
        const uint8_t *was = a->data[0];
        av_frame_free(&a);
        assert_ok(pq_frame_pool_get(pool, &a, &err), err);
        assert_ptr_equal(a->data[0], was);
        pq_frame_pool_free(&pool);
        memset(b->data[0], 7, (size_t)b->linesize[0] * HEIGHT); /* which it outlives */
        av_frame_free(&a);
        av_frame_free(&b);
    }
    pique_error err;
    struct pq_frame_pool *pool;
    assert_int_equal(pq_frame_pool_new(AV_PIX_FMT_YUV444P, INT_MAX, INT_MAX, &pool, &err),
                     PIQUE_ENOMEM);
    assert_null(pool);
}

/* As nobody has written it yet, in memory that somebody had before. */
static void a_frame_is_zero_around_its_samples(void **state)
{
    static const struct {
        enum AVPixelFormat format;
        int row_bytes[4], rows[4];
    } kinds[] = {{AV_PIX_FMT_YUV420P, {101, 51, 51}, {37, 19, 19}},
                 {AV_PIX_FMT_YUV422P10, {202, 102, 102}, {37, 37, 37}},
                 {AV_PIX_FMT_GBRAP12, {202, 202, 202, 202}, {37, 37, 37, 37}},
                 {AV_PIX_FMT_NV12, {101, 102}, {37, 19}}};
    enum { WIDTH = 101, HEIGHT = 37, PADDED_ROWS = 64, BEYOND = 64, DIRTY = 1 << 18 };
    (void)state;
    for (size_t k = 0; k < PQ_COUNT(kinds); k++) {
        pique_error err;
        struct pq_frame_pool *pool;
        AVFrame *frame;
        void *dirty[4];
        for (int i = 0; i < 4; i++) {
            assert_non_null(dirty[i] = malloc(DIRTY >> 2 * i));
            memset(dirty[i], 7, DIRTY >> 2 * i);
        }
        for (int i = 0; i < 4; i++)
            free(dirty[i]);
        assert_ok(pq_frame_pool_new(kinds[k].format, WIDTH, HEIGHT, &pool, &err), err);
        assert_ok(pq_frame_pool_get(pool, &frame, &err), err);
        for (int p = 0; p < av_pix_fmt_count_planes(kinds[k].format); p++) {
            const int line = frame->linesize[p], rows = kinds[k].rows[p];
            const int padded = rows < HEIGHT ? PADDED_ROWS / 2 : PADDED_ROWS;
            for (int at = 0; at < padded * line + BEYOND; at++) {
                if (at / line >= rows || at % line >= kinds[k].row_bytes[p])
                    assert_int_equal(frame->data[p][at], 0);
            }
        }
        av_frame_free(&frame);
        pq_frame_pool_free(&pool);
    }
}

int main(void)
{
    need_ffmpeg();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_a_film_has_is_in_the_matroska_that_becomes_of_it),
        cmocka_unit_test(what_mp4_cannot_hold_is_said_and_the_rest_is_there),
        cmocka_unit_test(a_journal_gives_back_every_frame_before_the_cut),
        cmocka_unit_test(an_option_that_names_files_or_is_unknown_is_refused),
        cmocka_unit_test(memory_of_a_frame_is_used_again_when_nobody_has_it),
        cmocka_unit_test(a_frame_is_zero_around_its_samples),
        cmocka_unit_test(a_disk_that_is_full_fails_the_join_cleanly),
        cmocka_unit_test(every_profile_makes_segments_that_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
