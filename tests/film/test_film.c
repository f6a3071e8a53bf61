/* SPDX-License-Identifier: MIT */
/* Films through the whole pipeline: whatever the batch, the threads and the interruptions, one
 * result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/folder.h"
#include "helper.h"

static void assert_ok(struct run *r, int rc)
{
    if (rc)
        fail_msg("%s", r->err.message);
    assert_int_equal(fake_alive(), 0);
}

/* The film that a plain run makes, and its hash. */
static uint64_t plain_hash(void)
{
    uint64_t hash;
    bool in_time;
    struct run r = run_new();
    film_sweep();
    assert_ok(&r, run_film(&r));
    assert_int_equal(fake_film_read(film_path("film.mkv"), &hash, &in_time), fake.frames);
    assert_true(in_time);
    return hash;
}

static void assert_same(struct run *r, uint64_t hash)
{
    uint64_t now;
    bool in_time;
    assert_ok(r, run_film(r));
    assert_int_equal(fake_film_read(film_path("film.mkv"), &now, &in_time), fake.frames);
    assert_true(in_time);
    assert_true(now == hash);
    assert_false(film_exists("film.mkv.job"));
    assert_int_equal(r->report.frames, fake.frames);
}

static void a_film_is_made_and_its_job_is_gone(void **state)
{
    (void)state;
    fake_reset();
    struct run r = run_new();
    film_sweep();
    assert_ok(&r, run_film(&r));
    assert_true(film_exists("film.mkv"));
    assert_false(film_exists("film.mkv.job"));
    assert_int_equal(r.report.frames, 20);
    assert_int_equal(r.report.unique, 20);
    assert_int_equal(r.report.reused, 0);
    assert_int_equal(r.report.segments, 4);
    assert_int_equal(r.report.plan.out_width, 32);
    assert_true(r.planned);
    assert_int_equal(r.sealed, 4);
    assert_int_equal(r.notes, 1); /* of what is lost */
    /* A second time it is refused, and the first result stays. */
    assert_int_equal(run_film(&r), PIQUE_EEXIST);
    r.options.overwrite = true;
    assert_ok(&r, run_film(&r));
}

static void a_batch_is_one_inference(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 181;
    for (int batch = 1; batch <= 8; batch++) {
        struct run r = run_new();
        film_sweep();
        r.dst = "null:";
        r.options.batch = batch;
        r.options.no_reuse = true;
        assert_ok(&r, run_film(&r));
        assert_int_equal(r.report.inferences, (181 + batch - 1) / batch);
        assert_int_equal(r.report.frames, 181);
    }
}

static void one_film_at_every_batch_and_number_of_threads(void **state)
{
    (void)state;
    for (int hold = 0; hold < 4; hold += 3) {
        fake_reset();
        fake.hold = hold;
        const uint64_t hash = plain_hash();
        for (int batch = 0; batch <= 9; batch++) {
            for (int threads = 1; threads <= 2; threads++) {
                struct run r = run_new();
                film_sweep();
                r.options.batch = batch == 9 ? 5 : batch;
                r.options.no_parallel = batch == 9;
                r.threads = threads;
                assert_same(&r, hash);
            }
        }
        struct run r = run_new();
        film_sweep();
        r.options.no_reuse = true;
        assert_same(&r, hash);
        assert_int_equal(r.report.reused, 0);
    }
}

static void frames_that_were_there_before_are_not_computed(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 36;
    fake.hold = 3;
    struct run r = run_new();
    film_sweep();
    r.options.segment_frames = 36;
    assert_ok(&r, run_film(&r));
    assert_int_equal(r.report.unique, 12);
    assert_int_equal(r.report.reused, 24);
    assert_int_equal(r.report.inferences, 4);
    /* A mouth that goes through five shapes. */
    fake.hold = 1;
    fake.cycle = 5;
    film_sweep();
    assert_ok(&r, run_film(&r));
    assert_int_equal(r.report.unique, 5);
    /* Sixteen are looked back at, and not seventeen. */
    fake.cycle = 16;
    film_sweep();
    assert_ok(&r, run_film(&r));
    assert_int_equal(r.report.unique, 16);
    fake.cycle = 17;
    film_sweep();
    assert_ok(&r, run_film(&r));
    assert_int_equal(r.report.unique, 36);
    /* A segment knows nothing of the one before it. */
    fake.cycle = 5;
    r.options.segment_frames = 9;
    film_sweep();
    assert_ok(&r, run_film(&r));
    assert_int_equal(r.report.unique, 20);
}

static void noise_is_reused_within_the_tolerance_alone(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 12;
    fake.hold = 4;
    fake.noise = 2;
    for (int tolerance = 0; tolerance <= 4; tolerance++) {
        struct run r = run_new();
        film_sweep();
        r.options.segment_frames = 12;
        r.options.tolerance = tolerance;
        assert_ok(&r, run_film(&r));
        assert_int_equal(r.report.unique, tolerance < 2 ? 12 : 3);
    }
}

/* ---- saved ---- */

static int64_t frames_in(const char *path)
{
    struct pq_identity id;
    const int64_t record = 24 + 3 * 32 * 24;
    return pq_identify(path, &id, NULL) == 0 ? id.bytes / record : 0;
}

/* Everything that was told to be saved lies in the files of the job. */
static void check_saved(struct run *r, const pique_event *event)
{
    if (event->kind != PIQUE_EVENT_SAVED)
        return;
    int64_t have = 0;
    char name[64];
    for (int s = 0; s < 4; s++) {
        snprintf(name, sizeof name, "film.mkv.job/seg/%06d.mkv", s);
        int64_t n = frames_in(film_path(name));
        if (!n) {
            snprintf(name, sizeof name, "film.mkv.job/seg/%06d.mkv.part", s);
            n = frames_in(film_path(name));
            snprintf(name, sizeof name, "film.mkv.job/seg/%06d.j0.mkv", s);
            const int64_t journaled = frames_in(film_path(name));
            n = n > journaled ? n : journaled;
        }
        have += n;
    }
    assert_true(have >= event->first_frame + event->frames);
    (void)r;
}

static void saved_means_that_the_frames_are_there(void **state)
{
    (void)state;
    for (int journal = 0; journal < 2; journal++) {
        fake_reset();
        fake.delay = 4;
        struct run r = run_new();
        film_sweep();
        r.on_event = check_saved;
        r.options.journal_seconds = journal ? 1e-9 : 0;
        assert_ok(&r, run_film(&r));
        assert_int_equal(r.report.plan.journal, journal);
        assert_int_equal(r.saved_count, 7); /* 20 frames at three a batch */
        assert_int_equal(r.saved[6], 20);
        assert_int_equal(r.batches, 7);
    }
}

/* ---- interruptions ---- */

static void stop_after_second_seal(struct run *r, const pique_event *event)
{
    if (event->kind == PIQUE_EVENT_SEALED && event->segment == 1)
        pique_cancel_set(r->cancel);
}

static void stopped_film_goes_on(bool seeks)
{
    fake_reset();
    fake.frames = 60;
    const uint64_t hash = plain_hash();
    struct run r = run_new();
    film_sweep();
    fake.seeks = seeks;
    r.cancel = pique_cancel_new();
    r.on_event = stop_after_second_seal;
    assert_int_equal(run_film(&r), PIQUE_ECANCELED);
    assert_int_equal(fake_alive(), 0);
    assert_false(film_exists("film.mkv"));
    assert_true(film_exists("film.mkv.job/seg/000001.ok"));
    pique_cancel_free(&r.cancel);
    r.cancel = NULL;
    r.on_event = NULL;
    assert_same(&r, hash);
    assert_true(r.report.segments_kept >= 2);
    assert_int_equal(r.report.segments, 10);
}

static void a_stopped_film_goes_on(void **state)
{
    (void)state;
    stopped_film_goes_on(true);
    assert_true(fake.seeks_done > 0);
    stopped_film_goes_on(false);
}

static enum pique_film_control hold_then_stop(void *user)
{
    int *calls = user;
    ++*calls;
    return *calls < 3 ? PIQUE_FILM_RUN : *calls < 6 ? PIQUE_FILM_PAUSE : PIQUE_FILM_STOP;
}

static void a_film_is_held_and_stopped_by_its_caller(void **state)
{
    (void)state;
    fake_reset();
    int calls = 0;
    struct run r = run_new();
    film_sweep();
    r.options.control = hold_then_stop;
    r.options.control_user = &calls;
    assert_int_equal(run_film(&r), PIQUE_ECANCELED);
    assert_int_equal(calls, 6);
    assert_true(film_exists("film.mkv.job/job.json"));
}

static void write_stop(struct run *r, const pique_event *event)
{
    if (event->kind == PIQUE_EVENT_SEALED && event->segment == 0)
        assert_int_equal(pq_write_text(film_path("film.mkv.job/control"), "stop\n", &r->err), 0);
}

static void a_word_in_the_job_folder_stops_it_and_what_is_sealed_can_be_kept(void **state)
{
    (void)state;
    uint64_t hash;
    bool in_time;
    fake_reset();
    fake.frames = 200;
    struct run r = run_new();
    film_sweep();
    r.on_event = write_stop;
    assert_int_equal(run_film(&r), PIQUE_ECANCELED);
    int64_t frames = 0;
    pique_error err;
    if (pique_film_keep(film_path("film.mkv.job"), film_path("kept.mkv"), false, &frames, &err))
        fail_msg("%s", err.message);
    assert_true(frames >= 6 && frames < 200 && frames % 6 == 0);
    assert_int_equal(fake_film_read(film_path("kept.mkv"), &hash, &in_time), frames);
    assert_true(in_time);
    /* And the job goes on as if nothing had been. */
    r.on_event = NULL;
    assert_ok(&r, run_film(&r));
    assert_int_equal(fake_film_read(film_path("film.mkv"), &hash, &in_time), 200);
}

static void a_job_of_another_option_is_refused_with_what_changed(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 60;
    struct run r = run_new();
    film_sweep();
    r.cancel = pique_cancel_new();
    r.on_event = stop_after_second_seal;
    assert_int_equal(run_film(&r), PIQUE_ECANCELED);
    pique_cancel_free(&r.cancel);
    r.cancel = NULL;
    r.on_event = NULL;
    r.picture.sharpen = 0.5;
    assert_int_equal(run_film(&r), PIQUE_EEXIST);
    assert_non_null(strstr(r.err.message, "another sharpen (0, now 0.5)"));
    /* Batch and threads are no such options. */
    r.picture.sharpen = 0;
    FILE *f = fopen(film_path("film"), "w");
    fputs("other", f);
    fclose(f);
    assert_int_equal(run_film(&r), PIQUE_EEXIST);
    assert_non_null(strstr(r.err.message, "another input"));
    r.options.anew = true;
    assert_ok(&r, run_film(&r));
    assert_int_equal(r.report.segments_kept, 0);
}

static void a_job_of_another_encoder_is_refused(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 60;
    struct run r = run_new();
    film_sweep();
    r.cancel = pique_cancel_new();
    r.on_event = stop_after_second_seal;
    assert_int_equal(run_film(&r), PIQUE_ECANCELED);
    pique_cancel_free(&r.cancel);
    r.cancel = NULL;
    r.on_event = NULL;
    fake.version = 2;
    assert_int_equal(run_film(&r), PIQUE_EEXIST);
    assert_non_null(strstr(r.err.message, "another encoder (records of records 0, now"));
    fake.version = 0;
    assert_ok(&r, run_film(&r));
    assert_true(r.report.segments_kept >= 2);
}

static void a_folder_that_is_no_job_is_left_alone(void **state)
{
    (void)state;
    fake_reset();
    struct run r = run_new();
    film_sweep();
    pique_error err;
    assert_int_equal(pq_make_folders(film_path("film.mkv.job"), &err), 0);
    assert_int_equal(pq_write_text(film_path("film.mkv.job/mine.txt"), "mine", &err), 0);
    r.options.anew = true;
    assert_int_equal(run_film(&r), PIQUE_EEXIST);
    assert_true(film_exists("film.mkv.job/mine.txt"));
}

static void a_segment_that_was_changed_is_made_again(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 60;
    const uint64_t hash = plain_hash();
    struct run r = run_new();
    film_sweep();
    r.cancel = pique_cancel_new();
    r.on_event = stop_after_second_seal;
    assert_int_equal(run_film(&r), PIQUE_ECANCELED);
    pique_cancel_free(&r.cancel);
    r.cancel = NULL;
    r.on_event = NULL;
    FILE *f = fopen(film_path("film.mkv.job/seg/000001.mkv"), "r+");
    fputs("x", f);
    fclose(f);
    assert_same(&r, hash);
    assert_int_equal(r.report.segments_kept, 1);
}

static void a_film_that_breaks_off_keeps_what_is_sealed(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 60;
    const uint64_t hash = plain_hash();
    struct run r = run_new();
    film_sweep();
    fake.stop_at = 20;
    assert_int_equal(run_film(&r), PIQUE_EFORMAT);
    assert_int_equal(fake_alive(), 0);
    fake.stop_at = -1;
    assert_same(&r, hash);
}

static void a_device_that_fails_ends_the_job_resumably(void **state)
{
    (void)state;
    fake_reset();
    const uint64_t hash = plain_hash();
    struct run r = run_new();
    film_sweep();
    r.device = "fault:error@8+";
    assert_int_equal(run_film(&r), PIQUE_EDEVICE);
    assert_int_equal(fake_alive(), 0);
    assert_true(film_exists("film.mkv.job/job.json"));
    assert_false(film_exists("film.mkv"));
    r.device = NULL;
    assert_same(&r, hash);
}

static void a_film_without_frames_says_so(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 0;
    struct run r = run_new();
    film_sweep();
    assert_int_equal(run_film(&r), PIQUE_EFORMAT);
    assert_non_null(strstr(r.err.message, "has no frames"));
    assert_false(film_exists("film.mkv"));
}

static void one_frame_is_a_film(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 1;
    (void)plain_hash();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_film_is_made_and_its_job_is_gone),
        cmocka_unit_test(a_batch_is_one_inference),
        cmocka_unit_test(one_film_at_every_batch_and_number_of_threads),
        cmocka_unit_test(frames_that_were_there_before_are_not_computed),
        cmocka_unit_test(noise_is_reused_within_the_tolerance_alone),
        cmocka_unit_test(saved_means_that_the_frames_are_there),
        cmocka_unit_test(a_stopped_film_goes_on),
        cmocka_unit_test(a_film_is_held_and_stopped_by_its_caller),
        cmocka_unit_test(a_word_in_the_job_folder_stops_it_and_what_is_sealed_can_be_kept),
        cmocka_unit_test(a_job_of_another_option_is_refused_with_what_changed),
        cmocka_unit_test(a_job_of_another_encoder_is_refused),
        cmocka_unit_test(a_folder_that_is_no_job_is_left_alone),
        cmocka_unit_test(a_segment_that_was_changed_is_made_again),
        cmocka_unit_test(a_film_that_breaks_off_keeps_what_is_sealed),
        cmocka_unit_test(a_device_that_fails_ends_the_job_resumably),
        cmocka_unit_test(a_film_without_frames_says_so),
        cmocka_unit_test(one_frame_is_a_film),
    };
    return cmocka_run_group_tests(tests, film_set_up, film_tear_down);
}
