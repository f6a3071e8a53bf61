/* SPDX-License-Identifier: MIT */
/* A frame that is looked for by its number or its time is the one that reading from the beginning
 * comes to. */
#include "films.h"

#include <stdlib.h>
#include <string.h>

static struct frame_list all;

static uint64_t show(struct pq_film_source *s, int64_t pts, bool exact, int64_t *at)
{
    pique_error err;
    struct pq_frame *frame;
    assert_ok(s->show(s, pts, exact, &frame, &err), err);
    assert_non_null(frame);
    const uint64_t hash = hash_frame(frame);
    *at = frame->pts;
    pq_av_frame_unref(&frame);
    return hash;
}

/* By number, each n-th. A film whose frames are counted by reading says so. */
static bool look_by_number(const char *path, int apart)
{
    pique_error err;
    for (int i = 0; i < all.count; i += apart) {
        int64_t pts = -1, at;
        struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path});
        const int rc = s->find(s, i, &pts, &err);
        if (rc == PIQUE_EUNSUPPORTED) {
            s->close(s);
            return false;
        }
        assert_ok(rc, err);
        if (pts != all.pts[i])
            fail_msg("%s: frame %d is at %lld, and %lld was found", path, i, (long long)all.pts[i],
                     (long long)pts);
        uint64_t hash = show(s, pts, true, &at);
        if (at != pts) /* missed */
            hash = show(s, pts, false, &at);
        if (hash != all.hash[i] || at != pts)
            fail_msg("%s: frame %d is another, at %lld instead of %lld", path, i, (long long)at,
                     (long long)pts);
        s->close(s);
    }
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path});
    int64_t pts;
    assert_int_equal(s->find(s, all.count, &pts, &err), PIQUE_ENOENT);
    s->close(s);
    return true;
}

/* By time, also between two frames: the one before is seen. */
static void look_by_time(const char *path, int apart)
{
    for (int i = 0; i < all.count; i += apart) {
        const int64_t next = i + 1 < all.count ? all.pts[i + 1] : all.pts[i] + 2;
        const int64_t times[] = {all.pts[i], all.pts[i] + (next - all.pts[i]) / 2, next - 1};
        for (int k = 0; k < 3; k++) {
            int64_t at;
            struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path});
            const uint64_t hash = show(s, times[k], false, &at);
            if (at != all.pts[i] || hash != all.hash[i])
                fail_msg("%s: at %lld frame %d is seen, and that of %lld came", path,
                         (long long)times[k], i, (long long)at);
            s->close(s);
        }
    }
    int64_t at;
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path});
    assert_true(show(s, all.pts[0] - 1000, false, &at) == all.hash[0]);
    s->close(s);
    s = open_film(&(struct pq_film_read){.path = path});
    assert_true(show(s, INT64_C(1) << 50, false, &at) == all.hash[all.count - 1]);
    s->close(s);
}

/* Whether its frames were found without reading. */
static bool look_everywhere(const char *path, int apart)
{
    struct pq_film_source *s = open_film(&(struct pq_film_read){.path = path});
    read_all(s, &all);
    s->close(s);
    assert_true(all.count > 0);
    const bool found = look_by_number(path, apart);
    look_by_time(path, apart + 4);
    return found;
}

#define SCENE "-f lavfi -i testsrc2=s=160x120:r=25:d=4"
#define X264  " -c:v libx264 -preset veryfast -threads 1"
#define VFR                                                                                        \
    " -vf \"select='not(mod(n,3))+not(mod(n,7))',setpts='PTS+25000/25*floor(T/2)/TB/1000'\" "      \
    "-vsync vfr"

static void the_frame_of_a_number_and_of_a_time_is_found_in_every_kind_of_film(void **state)
{
    static const struct {
        const char *name;
        bool counts; /* by packets */
        const char *arguments;
    } films[] = {
        {"closed.mp4", true, SCENE X264 " -g 12 -bf 3"},
        {"pyramid.mp4", true, SCENE X264 " -g 40 -bf 8 -b_strategy 2"},
        {"one.mkv", true, SCENE X264 " -g 1000 -bf 3"},
        {"pieces.mp4", true,
         SCENE X264 " -g 12 -bf 3 -movflags +frag_keyframe+empty_moov+default_base_moof"},
        {"late.mp4", true, SCENE X264 " -g 12 -bf 3 -output_ts_offset 5"},
        {"open.mkv", true, SCENE " -c:v libx264 -x264-params open-gop=1:keyint=12 -bf 3"},
        {"open.mp4", true, SCENE " -c:v libx264 -x264-params open-gop=1:keyint=12 -bf 3"},
        {"open.ts", true, SCENE " -c:v libx264 -x264-params open-gop=1:keyint=12 -bf 3"},
        {"vfr.mkv", true, SCENE VFR X264 " -g 10"},
        {"vfr.mp4", true, SCENE VFR X264 " -g 10 -bf 3"},
        {"hevc.mkv", true, SCENE " -c:v libx265 -x265-params keyint=12:log-level=none:open-gop=1"},
        {"hevc.mp4", true, SCENE " -c:v libx265 -x265-params keyint=12:log-level=none:open-gop=1"},
        {"mpeg2.mpg", false, SCENE " -c:v mpeg2video -g 9 -bf 2"},
        {"vp8.webm", true, SCENE " -c:v libvpx -auto-alt-ref 1 -lag-in-frames 16 -g 30 -b:v 200k"},
        {"vp9.webm", true, SCENE " -c:v libvpx-vp9 -g 15 -lag-in-frames 16 -cpu-used 8"},
        {"ffv1.mkv", true, SCENE " -c:v ffv1"},
        {"prores.mov", true, SCENE " -c:v prores_ks"},
        {"sound.mkv", true, SCENE " -f lavfi -i sine=d=4" X264 " -g 12 -bf 3 -c:a pcm_s16le"},
        {"mpeg4.avi", false, SCENE " -c:v mpeg4 -g 9 -bf 2"},
        {"small.webp", false, "-f lavfi -i testsrc2=s=64x48:r=10:d=2 -c:v libwebp_anim"},
        {"small.gif", true, "-f lavfi -i testsrc2=s=64x48:r=10:d=2"},
    };
    for (size_t i = 0; i < sizeof films / sizeof *films; i++) {
        if (!can_make_film(films[i].name, "%s", films[i].arguments)) {
            printf("skipped: this ffmpeg cannot make %s\n", films[i].name);
            continue;
        }
        const bool found = look_everywhere(in_folder(films[i].name), 5);
        if (found != films[i].counts)
            fail_msg("%s: frames are%s found by packets", films[i].name, found ? "" : " not");
    }
}

/* The first group of a piece that was cut out leans on frames that are not there. */
static void a_film_that_was_cut_is_counted_from_its_first_frame_that_is_seen(void **state)
{
    make_film("long.ts", SCENE " -c:v libx264 -x264-params open-gop=1:keyint=12 -bf 3 -threads 1");
    make_film("cut.ts", "-ss 1.7 -i '%s' -c copy", in_folder("long.ts"));
    look_everywhere(in_folder("cut.ts"), 3);
    make_film("long.mp4", SCENE X264 " -g 25 -bf 3");
    make_film("cut.mp4", "-ss 1.7 -i '%s' -c copy", in_folder("long.mp4"));
    look_everywhere(in_folder("cut.mp4"), 3);
}

/* A frame on which no other leans, and which is seen for long. */
static void a_frame_that_stands_for_long_is_found_by_time(void **state)
{
    const char *path =
        make_film("still.mkv", SCENE " -vf \"setpts='if(lt(N,30),PTS,PTS+7/TB)'\" -vsync vfr" X264
                                     " -g 100 -bf 3 -b_strategy 0");
    look_everywhere(path, 1);
}

/* Whatever comes of it, a frame or a sentence. */
static void look_at_damaged(const char *path)
{
    static const int64_t numbers[] = {0, 13, 60, 99, 100000};
    pique_error err = {0};
    struct pq_film_source *s;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const struct pq_film_read read = {.path = path};
        struct pq_frame *frame = NULL;
        int64_t pts = numbers[i] * 40;
        if (pq_av_open_source(&read, &s, &err) != 0) {
            assert_true(strlen(err.message) > 0);
            return;
        }
        int rc = s->find(s, numbers[i], &pts, &err);
        if (!rc || i % 2)
            rc = s->show(s, pts, i % 2, &frame, &err);
        assert_true(rc == 0 || strlen(err.message) > 0);
        assert_true(rc == 0 || !frame);
        pq_av_frame_unref(&frame);
        s->close(s);
    }
}

static void a_damaged_film_yields_a_frame_or_a_sentence(void **state)
{
    static const char *const names[] = {"sound.mkv", "sound.mp4", "sound.ts"};
    make_film(names[0], SCENE " -f lavfi -i sine=d=4" X264 " -g 12 -bf 3 -c:a mp2");
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        size_t size;
        if (n)
            make_film(names[n], "-i '%s' -c copy", in_folder(names[0]));
        unsigned char *sound = get_file(in_folder(names[n]), &size), *bad = malloc(size);
        assert_non_null(bad);
        uint32_t random = 12345;
        for (int k = 0; k < 30; k++) {
            memcpy(bad, sound, size);
            for (int i = 0; i < 1 + k; i++) {
                random = random * 1664525 + 1013904223;
                const size_t at = random % (k % 3 ? size : size < 2000 ? size : 2000);
                random = random * 1664525 + 1013904223;
                bad[at] ^= (unsigned char)(1U << (random >> 29));
            }
            put_file(in_folder("bad"), bad, k % 5 ? size : size * (size_t)(k + 1) / 32);
            look_at_damaged(in_folder("bad"));
        }
        free(sound);
        free(bad);
    }
}

int main(void)
{
    need_ffmpeg();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_frame_of_a_number_and_of_a_time_is_found_in_every_kind_of_film),
        cmocka_unit_test(a_film_that_was_cut_is_counted_from_its_first_frame_that_is_seen),
        cmocka_unit_test(a_frame_that_stands_for_long_is_found_by_time),
        cmocka_unit_test(a_damaged_film_yields_a_frame_or_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
