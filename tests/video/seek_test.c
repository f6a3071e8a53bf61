/* SPDX-License-Identifier: MIT */
/* A film that is entered in the middle yields what a run from its beginning yields. */
#include "films.h"

#include <stdlib.h>
#include <string.h>

static struct frame_list all, rest;

/* From every frame on, or every n-th: the same times, durations and samples. */
static void enter_everywhere(const struct pq_film_read *read, int apart)
{
    pique_error err;
    struct pq_film_source *s = open_film(read);
    read_all(s, &all);
    s->close(s);
    assert_true(all.count > 0);
    for (int i = 0; i < all.count; i += apart) {
        s = open_film(read);
        assert_ok(s->seek(s, all.pts[i], &err), err);
        read_all(s, &rest);
        s->close(s);
        if (rest.count != all.count - i)
            fail_msg("%s: %d frames from %d on, of %d", read->path, rest.count, i, all.count);
        for (int k = 0; k < rest.count; k++) {
            if (rest.pts[k] != all.pts[i + k] || rest.hash[k] != all.hash[i + k])
                fail_msg("%s: frame %d is another after entering at %d", read->path, i + k, i);
            assert_int_equal(rest.duration[k], all.duration[i + k]);
        }
    }
}

#define SCENE "-f lavfi -i testsrc2=s=160x120:r=25:d=4"

static void films_are_entered_exactly(void **state)
{
    static const struct {
        const char *name, *arguments;
    } films[] = {
        {"closed.mp4", SCENE " -c:v libx264 -g 12 -bf 3 -preset veryfast -threads 1"},
        {"open.mkv", SCENE " -c:v libx264 -x264-params open-gop=1:keyint=12 -bf 3 -threads 1"},
        {"open.ts", SCENE " -c:v libx264 -x264-params open-gop=1:keyint=12 -bf 3 -threads 1"},
        {"refresh.mkv", SCENE " -c:v libx264 -x264-params intra-refresh=1:keyint=12 -threads 1"},
        {"hevc.mkv", SCENE " -c:v libx265 -x265-params keyint=12:log-level=none:open-gop=1"},
        {"mpeg2.mpg", SCENE " -c:v mpeg2video -g 9 -bf 2 -flags +ildct+ilme"},
        {"vp9.webm", SCENE " -c:v libvpx-vp9 -g 15 -deadline realtime -cpu-used 8"},
        {"mpeg4.avi", SCENE " -c:v mpeg4 -g 9 -bf 2"},
        {"raw.h264", SCENE " -c:v libx264 -g 12 -threads 1"},
        {"plain.y4m", SCENE " -pix_fmt yuv420p"},
        {"ffv1.mkv", SCENE " -c:v ffv1"},
        {"prores.mov", SCENE " -c:v prores_ks"},
        {"small.gif", "-f lavfi -i testsrc2=s=64x48:r=10:d=2"},
        {"small.apng", "-f lavfi -i testsrc2=s=64x48:r=10:d=2 -plays 0"},
        {"small.webp", "-f lavfi -i testsrc2=s=64x48:r=10:d=2 -c:v libwebp_anim"},
        {"vfr.mkv", SCENE " -vf \"select='not(mod(n,3))+not(mod(n,7))'\" -vsync vfr -c:v libx264 "
                          "-g 10"},
    };
    for (size_t i = 0; i < sizeof films / sizeof *films; i++) {
        if (!can_make_film(films[i].name, "%s", films[i].arguments)) {
            printf("skipped: this ffmpeg cannot make %s\n", films[i].name);
            continue;
        }
        enter_everywhere(&(struct pq_film_read){.path = in_folder(films[i].name)}, 7);
    }
}

static void a_deinterlaced_film_is_entered_exactly(void **state)
{
    const char *path =
        make_film("fields.mpg", SCENE " -vf tinterlace=interleave_top,fieldorder=tff"
                                      " -c:v mpeg2video -g 9 -bf 2 -flags +ildct+ilme");
    enter_everywhere(&(struct pq_film_read){.path = path, .deinterlace = true}, 5);
    path = make_film("fields.mov", SCENE " -c:v prores_ks");
    enter_everywhere(&(struct pq_film_read){.path = path, .deinterlace = true}, 9);
}

static void a_film_of_another_rate_is_entered_exactly(void **state)
{
    const char *path = make_film("rate.mkv", SCENE " -c:v libx264 -g 12 -bf 3");
    enter_everywhere(&(struct pq_film_read){.path = path, .fps = {10, 1}}, 3);
    enter_everywhere(&(struct pq_film_read){.path = path, .fps = {60000, 1001}}, 13);
    enter_everywhere(&(struct pq_film_read){.path = path, .fps = {30, 1}, .from = 1.01, .to = 3},
                     9);
}

static void a_piece_of_time_is_entered_exactly(void **state)
{
    const char *path = make_film("piece.mkv", SCENE " -c:v libx264 -g 12 -bf 3");
    enter_everywhere(&(struct pq_film_read){.path = path, .from = 1.3, .to = 3.1}, 5);
}

int main(void)
{
    need_ffmpeg();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(films_are_entered_exactly),
        cmocka_unit_test(a_deinterlaced_film_is_entered_exactly),
        cmocka_unit_test(a_film_of_another_rate_is_entered_exactly),
        cmocka_unit_test(a_piece_of_time_is_entered_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
