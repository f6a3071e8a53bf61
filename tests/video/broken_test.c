/* SPDX-License-Identifier: MIT */
/* Files that are damaged, cut off, or something else than they seem: a sentence, never a crash. */
#include "films.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

#define SCENE "-f lavfi -i testsrc2=s=96x64:r=25:d=1"

/* Open and read to the end; whatever goes wrong has a sentence that names the file. */
static int try_film(const char *path, int *frames)
{
    const struct pq_film_read read = {.path = path};
    struct pq_film_source *s;
    struct pq_frame *frame;
    pique_error err = {0};
    *frames = 0;
    int rc = pq_av_open_source(&read, &s, &err);
    if (!rc) {
        while (!(rc = s->read(s, &frame, &err)) && frame) {
            (*frames)++;
            pq_av_frame_unref(&frame);
        }
        s->close(s);
    }
    if (rc && rc != PIQUE_ENOMEM && !strstr(err.message, path))
        fail_msg("%d: \"%s\" does not name %s", rc, err.message, path);
    return rc;
}

static int refuse(const char *path, const char *because)
{
    const struct pq_film_read read = {.path = path};
    struct pq_film_source *s = NULL;
    pique_error err = {0};
    const int rc = pq_av_open_source(&read, &s, &err);
    if (!rc || !strstr(err.message, because))
        fail_msg("%s: %d, \"%s\", not \"%s\"", path, rc, err.message, because);
    return rc;
}

static const char *put_text(const char *name, const char *text)
{
    const char *path = in_folder(name);
    put_file(path, text, strlen(text));
    return path;
}

static void what_points_elsewhere_is_refused(void **state)
{
    make_film("part.ts", SCENE " -c:v mpeg2video");
    char text[512];
    const char *path =
        put_text("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\npart.ts\n"
                              "#EXT-X-ENDLIST\n");
    assert_int_equal(refuse(path, "points elsewhere"), PIQUE_EUNSUPPORTED);
    path = put_text("list.mp4", "ffconcat version 1.0\nfile part.ts\n");
    assert_int_equal(refuse(path, "points elsewhere"), PIQUE_EUNSUPPORTED);
    snprintf(text, sizeof text,
             "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
             "m=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n");
    assert_int_equal(refuse(put_text("list.sdp", text), "list.sdp"), PIQUE_EUNSUPPORTED);
}

static void other_files_are_refused(void **state)
{
    assert_int_equal(refuse(put_text("text.mp4", "This is no film at all.\n"), "text.mp4"),
                     PIQUE_EFORMAT);
    assert_int_equal(refuse(put_text("empty.mkv", ""), "empty.mkv"), PIQUE_EFORMAT);
    assert_int_equal(refuse(in_folder("missing.mkv"), "missing.mkv"), PIQUE_ENOENT);
    const char *sound = make_film("sound.mkv", "-f lavfi -i sine=d=1");
    assert_int_equal(refuse(sound, "has no video, only sound"), PIQUE_EUNSUPPORTED);
    const char *none = put_text("none.y4m", "YUV4MPEG2 W16 H16 F25:1 Ip A1:1 C420jpeg\n");
    assert_int_equal(refuse(none, "none.y4m"), PIQUE_EFORMAT);
    const char *huge =
        put_text("huge.y4m", "YUV4MPEG2 W99999 H99999 F25:1 Ip A1:1 C420jpeg\nFRAME\n");
    refuse(huge, "huge.y4m");
    int frames;
    const char *one = make_film("one.mkv", SCENE " -frames:v 1 -c:v ffv1");
    assert_int_equal(try_film(one, &frames), 0);
    assert_int_equal(frames, 1);
}

static const char *const films[] = {"a.mp4",  "-c:v libx264 -bf 2",
                                    "a.mkv",  "-c:v libx264",
                                    "a.ts",   "-c:v mpeg2video",
                                    "a.avi",  "-c:v mjpeg",
                                    "a.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8",
                                    "a.gif",  "",
                                    "a.apng", "",
                                    "a.webp", "-c:v libwebp_anim",
                                    "a.y4m",  ""};

static void films_that_are_cut_off_end(void **state)
{
    for (size_t i = 0; i < sizeof films / sizeof *films; i += 2) {
        if (!can_make_film(films[i], SCENE " %s", films[i + 1]))
            continue;
        size_t size;
        unsigned char *data = get_file(in_folder(films[i]), &size);
        const char *path = in_folder("cut");
        for (int part = 0; part < 24; part++) {
            int frames;
            put_file(path, data, part < 8 ? (size_t)part * 13 : size * (size_t)part / 24);
            try_film(path, &frames);
        }
        free(data);
    }
}

static void damaged_films_end(void **state)
{
    srand(11);
    for (size_t i = 0; i < sizeof films / sizeof *films; i += 2) {
        if (!can_make_film(films[i], SCENE " %s", films[i + 1]))
            continue;
        size_t size;
        unsigned char *data = get_file(in_folder(films[i]), &size), *bad = malloc(size + 1);
        assert_non_null(bad);
        const char *path = in_folder("bad");
        for (int round = 0; round < 12; round++) {
            memcpy(bad, data, size);
            const int changes = 1 << round % 6;
            for (int k = 0; k < changes; k++) {
                const size_t within = round < 6 && size > 2048 ? 2048 : size;
                bad[(size_t)rand() % within] = (unsigned char)rand();
            }
            int frames;
            put_file(path, bad, size);
            try_film(path, &frames);
        }
        free(data);
        free(bad);
    }
}

static void an_early_end_is_noted(void **state)
{
    const char *path =
        make_film("early.mkv", "-f lavfi -i testsrc2=s=160x120:r=25:d=8 -c:v libx264");
    size_t size;
    unsigned char *data = get_file(path, &size);
    put_file(path, data, size / 2);
    free(data);
    struct notes notes = {0};
    static struct frame_list list;
    struct pq_film_source *s =
        open_film(&(struct pq_film_read){.path = path, .note = take_note, .note_user = &notes});
    read_all(s, &list);
    s->close(s);
    assert_true(list.count > 20 && list.count < 180);
    assert_non_null(strstr(notes.text, "cut off"));
}

/* Every read and many allocations fail once; what is left says so or has all frames. */
static void failures_are_said(void **state)
{
    int frames;
    const char *path = make_film("fault.mkv", SCENE " -c:v libx264");
    assert_int_equal(try_film(path, &frames), 0);
    for (long n = 1; n < 12; n++) {
        pq_fault_arm(PQ_FAULT_READ, n, EIO, false);
        const int rc = try_film(path, &frames);
        const long reads = pq_fault_count(PQ_FAULT_READ);
        pq_fault_arm(PQ_FAULT_READ, 0, 0, false);
        if (reads < n)
            break;
        if (rc != PIQUE_EIO && n > 1) /* the first asks whether it is WebP */
            fail_msg("read %ld failed and %d was said", n, rc);
    }
    for (long n = 1; n < 64; n++) {
        pq_fault_arm(PQ_FAULT_ALLOC, n, ENOMEM, false);
        const int rc = try_film(path, &frames);
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        if (!rc)
            assert_int_equal(frames, 25);
    }
}

int main(void)
{
    need_ffmpeg();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_points_elsewhere_is_refused),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(films_that_are_cut_off_end),
        cmocka_unit_test(damaged_films_end),
        cmocka_unit_test(an_early_end_is_noted),
        cmocka_unit_test(failures_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
