/* SPDX-License-Identifier: MIT */
/* Films of which the device takes and gives the planes: each side for itself, the same film, and
 * nothing is converted; and where pictures are needed instead. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "fake_frames.h"
#include "film/job.h"
#include "helper.h"
#include "upscale/module.h"

static void reset(bool in, bool out)
{
    fake_reset();
    fake_frames_reset();
    fake.yuv_in = in;
    fake.yuv_out = out;
}

/* The film that comes of it, and its hash. */
static uint64_t film_of(struct run *r)
{
    uint64_t hash;
    bool in_time;
    film_sweep();
    if (run_film(r))
        fail_msg("%s", r->err.message);
    assert_int_equal(fake_alive(), 0);
    assert_int_equal(fake_film_read(film_path("film.mkv"), &hash, &in_time), fake.frames);
    assert_true(in_time);
    return hash;
}

static void each_side_goes_as_planes_to_the_same_film(void **state)
{
    (void)state;
    for (int hold = 0; hold < 4; hold += 3) {
        struct run r = run_new();
        reset(false, false);
        fake.hold = hold;
        const uint64_t hash = film_of(&r);
        const uint64_t bytes = r.report.plan.output_bytes;
        const int64_t to_rgb = fake.to_rgb, from_rgb = fake.from_rgb, unique = r.report.unique;
        assert_int_equal(fake_frames.in + fake_frames.out, 0);
        for (int sides = 1; sides < 4; sides++)
            for (int parallel = 0; parallel < 2; parallel++) {
                const bool in = sides & 1, out = sides & 2;
                reset(in, out);
                fake.hold = hold;
                r = run_new();
                r.options.no_parallel = !parallel;
                assert_true(film_of(&r) == hash);
                /* Beside the film, what its estimate computed. */
                assert_true(in ? fake_frames.in >= unique : !fake_frames.in);
                assert_true(out ? fake_frames.out >= unique : !fake_frames.out);
                assert_true(fake.to_rgb <= to_rgb - in * unique);
                assert_true(fake.from_rgb <= from_rgb - out * unique);
                assert_int_equal(r.report.plan.output_bytes, bytes);
            }
    }
}

static void a_device_that_cannot_is_given_pictures(void **state)
{
    (void)state;
    struct run r = run_new();
    reset(true, true);
    fake_frames.can = false;
    film_of(&r);
    assert_int_equal(fake_frames.in + fake_frames.out, 0);
}

static void a_piece_is_cut_by_the_device(void **state)
{
    (void)state;
    struct run r = run_new();
    reset(false, false);
    r.options.crop_width = 9;
    r.options.crop_height = 7;
    r.options.crop_x = 5;
    r.options.crop_y = 3;
    const uint64_t hash = film_of(&r);
    assert_int_equal(fake_frames.crops, 0);
    reset(true, true);
    assert_true(film_of(&r) == hash);
    assert_int_equal(fake_frames.crops, 1);
    assert_int_equal(r.report.plan.in_width, 9);
    assert_int_equal(r.report.plan.out_width, 18);
}

/* Contrast turns about the mean of R, G and B. */
static void contrast_needs_the_picture_that_comes(void **state)
{
    (void)state;
    struct run r = run_new();
    r.picture.contrast = 1.25;
    reset(false, false);
    const uint64_t hash = film_of(&r);
    reset(true, true);
    assert_true(film_of(&r) == hash);
    assert_int_equal(fake_frames.in, 0);
    assert_true(fake_frames.out > 0);
    r.picture.contrast = 1;
    reset(true, true);
    film_of(&r);
    assert_true(fake_frames.in > 0);
}

static void stop_after_second_seal(struct run *r, const pique_event *event)
{
    if (event->kind == PIQUE_EVENT_SEALED && r->sealed == 2)
        pique_cancel_set(r->cancel);
}

static void a_job_never_mixes_both_ways(void **state)
{
    static const char *const ways[] = {"", "in by the device", "out by the device",
                                       "in and out by the device"};
    (void)state;
    for (int then = 0; then < 4; then++) {
        struct run r = run_new();
        reset(then & 1, then & 2);
        fake.frames = 40;
        const uint64_t hash = film_of(&r);
        film_sweep();
        r.cancel = pique_cancel_new();
        r.on_event = stop_after_second_seal;
        assert_int_equal(run_film(&r), PIQUE_ECANCELED);
        pique_cancel_free(&r.cancel);
        r.cancel = NULL;
        r.on_event = NULL;
        for (int now = 0; now < 4; now++) {
            char said[128];
            fake.yuv_in = now & 1;
            fake.yuv_out = now & 2;
            if (now == then)
                continue;
            assert_int_equal(run_film(&r), PIQUE_EEXIST);
            snprintf(said, sizeof said, "another colour conversion (%s, now %s)",
                     then ? ways[then] : "nothing", now ? ways[now] : "nothing");
            if (!strstr(r.err.message, said))
                fail_msg("'%s' is not in: %s", said, r.err.message);
        }
        fake.yuv_in = then & 1;
        fake.yuv_out = then & 2;
        uint64_t again;
        bool in_time;
        if (run_film(&r))
            fail_msg("%s", r.err.message);
        assert_true(r.report.segments_kept >= 2);
        assert_int_equal(fake_film_read(film_path("film.mkv"), &again, &in_time), 40);
        assert_true(again == hash && in_time);
    }
}

/* From a journal come frames that were computed, and no room was made for. */
static void killed_with_a_journal_it_goes_on(void **state)
{
    (void)state;
    struct run r = run_new();
    reset(true, true);
    fake.frames = 18;
    fake.hold = 2;
    r.options.journal_seconds = 1e-9;
    pq_fault_kill(0);
    const uint64_t hash = film_of(&r);
    const long changes = pq_fault_changes();
    int64_t taken = 0;
    for (long n = 1; n <= changes; n += 1 + changes / 12) {
        uint64_t now;
        bool in_time;
        film_sweep();
        if (!WIFSIGNALED(run_killed(&r, n)))
            continue;
        const int rc = run_film(&r);
        if (rc && rc != PIQUE_EEXIST) /* all was done but for an empty folder */
            fail_msg("after %ld: %s", n, r.err.message);
        taken += r.report.journal_frames;
        assert_int_equal(fake_film_read(film_path("film.mkv"), &now, &in_time), 18);
        assert_true(now == hash && in_time);
        assert_int_equal(fake_alive(), 0);
    }
    assert_true(taken > 0);
}

static uint64_t file_hash(const char *name)
{
    pique_error err;
    uint64_t hash, bytes;
    if (pq_job_hash_file(film_path(name), &hash, &bytes, &err))
        fail_msg("%s", err.message);
    return hash;
}

/* The library of pictures starts threads, so nothing may be forked behind these. */
static bool pictures_are_there(void)
{
    const struct pq_picture_io *io;
    return pq_picture_module(&io, NULL) == 0;
}

static void numbered_pictures_are_made_of_planes(void **state)
{
    (void)state;
    uint64_t hash[2];
    if (!pictures_are_there())
        skip();
    for (int by_planes = 0; by_planes < 2; by_planes++) {
        struct run r = run_new();
        film_sweep();
        reset(by_planes, by_planes);
        r.dst = "%03d.png";
        if (run_film(&r))
            fail_msg("%s", r.err.message);
        assert_int_equal(fake_alive(), 0);
        hash[by_planes] = file_hash("020.png");
        assert_int_equal(fake_frames.in > 0, by_planes);
        assert_int_equal(fake_frames.out, 0);
    }
    assert_true(hash[0] == hash[1]);
}

static void pictures_that_are_kept_are_those_of_the_film(void **state)
{
    (void)state;
    uint64_t source[2], result[2], film[2];
    if (!pictures_are_there())
        skip();
    for (int by_planes = 0; by_planes < 2; by_planes++) {
        struct run r = run_new();
        reset(by_planes, by_planes);
        r.options.keep = PIQUE_KEEP_SOURCE;
        film[by_planes] = film_of(&r);
        source[by_planes] = file_hash("film_frames/source/000020.png");
        assert_int_equal(fake_frames.in > 0 && fake_frames.out > 0, by_planes);
        fake_frames_reset();
        r.options.keep = PIQUE_KEEP_RESULT;
        assert_true(film_of(&r) == film[by_planes]);
        result[by_planes] = file_hash("film_frames/result/000020.png");
        assert_int_equal(fake_frames.in > 0, by_planes);
        assert_int_equal(fake_frames.out, 0);
    }
    assert_true(film[0] == film[1] && source[0] == source[1] && result[0] == result[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_side_goes_as_planes_to_the_same_film),
        cmocka_unit_test(a_device_that_cannot_is_given_pictures),
        cmocka_unit_test(a_piece_is_cut_by_the_device),
        cmocka_unit_test(contrast_needs_the_picture_that_comes),
        cmocka_unit_test(a_job_never_mixes_both_ways),
        cmocka_unit_test(killed_with_a_journal_it_goes_on),
        cmocka_unit_test(numbered_pictures_are_made_of_planes),
        cmocka_unit_test(pictures_that_are_kept_are_those_of_the_film),
    };
    return cmocka_run_group_tests(tests, film_set_up, film_tear_down);
}
