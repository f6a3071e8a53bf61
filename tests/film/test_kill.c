/* SPDX-License-Identifier: MIT */
/* Killed before each change of a file, and with each of them failing: what is sealed stays, and the
 * film that comes out in the end is that of an undisturbed run. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "../sanitized.h"
#include "base/fault.h"
#include "helper.h"

/* From a point to the next: primes, so that no kind of change is always passed over. */
static int stride(void)
{
    return test_some(3, 5, 11);
}

static uint64_t undisturbed(struct run *r, long *changes)
{
    uint64_t hash;
    bool in_time;
    film_sweep();
    pq_fault_kill(0);
    if (run_film(r))
        fail_msg("%s", r->err.message);
    *changes = pq_fault_changes();
    assert_int_equal(fake_film_read(film_path("film.mkv"), &hash, &in_time), fake.frames);
    return hash;
}

static void assert_resumes(struct run *r, uint64_t hash, long n)
{
    uint64_t now;
    bool in_time;
    const int rc = run_film(r);
    /* Where all was done but for an empty folder, it is a film that exists already. */
    if (rc && rc != PIQUE_EEXIST)
        fail_msg("after %ld: %s", n, r->err.message);
    assert_int_equal(fake_film_read(film_path("film.mkv"), &now, &in_time), fake.frames);
    assert_true(in_time);
    assert_true(now == hash);
    assert_false(film_exists("film.mkv.job"));
}

static void kill_everywhere(double journal_seconds)
{
    long changes;
    fake_reset();
    fake.hold = 2;
    fake.frames = 18; /* three segments */
    struct run r = run_new();
    r.options.journal_seconds = journal_seconds;
    const uint64_t hash = undisturbed(&r, &changes);
    print_message("%ld changes of files\n", changes);
    for (long n = 1; n <= changes; n += stride()) {
        film_sweep();
        const int how = run_killed(&r, n);
        if (!WIFSIGNALED(how)) /* threads: a run may take some fewer */
            continue;
        assert_int_equal(WTERMSIG(how), SIGKILL);
        assert_resumes(&r, hash, n);
    }
}

static void killed_anywhere_it_goes_on(void **state)
{
    (void)state;
    kill_everywhere(0);
}

static void killed_anywhere_with_a_journal_it_goes_on(void **state)
{
    (void)state;
    kill_everywhere(1e-9);
}

/* Several devices, and a device that is lost for a fallback of another key. Killed anywhere and
 * resumed on a device that works, each frame is that of the key which the report names for it. */
enum { DEVICE_FRAMES = 18 };

static void hashes_on(const char *device, uint64_t *each)
{
    uint64_t hash;
    bool in_time;
    struct run r = run_new();
    film_sweep();
    r.device = device;
    if (run_film(&r))
        fail_msg("%s", r.err.message);
    assert_int_equal(fake_film_frames(film_path("film.mkv"), &hash, &in_time, each, DEVICE_FRAMES),
                     DEVICE_FRAMES);
}

static bool is_listed(const struct run *r, int64_t frame)
{
    for (int i = 0; i < r->fallback_count; i++) {
        if (frame >= r->fallback_list[2 * i] && frame <= r->fallback_list[2 * i + 1])
            return true;
    }
    return false;
}

static void kill_devices(const char *device, const char *fallback, double journal_seconds)
{
    uint64_t own[DEVICE_FRAMES], other[DEVICE_FRAMES], now[DEVICE_FRAMES], hash;
    long changes;
    bool in_time;
    int listed = 0;
    fake_reset();
    fake.frames = DEVICE_FRAMES;
    hashes_on("cpu", own);
    hashes_on("cpu:fp16", other);
    struct run r = run_new();
    r.device = device;
    r.fallback = fallback;
    r.options.journal_seconds = journal_seconds;
    (void)undisturbed(&r, &changes);
    for (long n = 1; n <= changes; n += 3 * stride()) {
        film_sweep();
        r.device = device;
        r.fallback = fallback;
        if (!WIFSIGNALED(run_killed(&r, n)))
            continue;
        r.device = r.fallback = NULL;
        const int rc = run_film(&r);
        if (rc && rc != PIQUE_EEXIST)
            fail_msg("after %ld: %s", n, r.err.message);
        assert_int_equal(
            fake_film_frames(film_path("film.mkv"), &hash, &in_time, now, DEVICE_FRAMES),
            DEVICE_FRAMES);
        /* Where all was done but for removing the folder, nothing is reported any more. */
        for (int64_t i = 0; !rc && r.report.frames && i < DEVICE_FRAMES; i++) {
            listed += is_listed(&r, i);
            assert_true(now[i] == (is_listed(&r, i) ? other[i] : own[i]));
        }
    }
    print_message("%ld changes of files, %d frames by the fallback\n", changes, listed);
    assert_true(fallback ? listed > 0 : listed == 0);
}

static void killed_anywhere_on_several_devices_it_goes_on(void **state)
{
    (void)state;
    kill_devices("cpu,fault:nan@0", NULL, 0);
    kill_devices("fault:error@5+,cpu,fault:nan@0", NULL, 1e-9);
}

static void killed_anywhere_after_a_fallback_what_that_made_is_known(void **state)
{
    (void)state;
    kill_devices("fault:error@4+", "cpu:fp16", 0);
    kill_devices("fault:error@4+", "cpu:fp16", 1e-9);
}

static void killed_again_and_again_it_comes_to_an_end(void **state)
{
    (void)state;
    long changes;
    fake_reset();
    fake.frames = 30;
    struct run r = run_new();
    r.options.journal_seconds = 1e-9;
    const uint64_t hash = undisturbed(&r, &changes);
    film_sweep();
    int times = 0;
    while (WIFSIGNALED(run_killed(&r, 120)))
        assert_true(++times < 1000);
    print_message("killed %d times\n", times);
    uint64_t now;
    bool in_time;
    assert_int_equal(fake_film_read(film_path("film.mkv"), &now, &in_time), fake.frames);
    assert_true(now == hash && in_time);
}

/* With an error at the n-th call the run fails with a status of a file, or does without; without
 * the error it goes on. */
static void fail_everywhere(enum pq_fault_kind kind, int errnum, bool forever)
{
    long changes;
    fake_reset();
    fake.frames = 18;
    struct run r = run_new();
    r.options.journal_seconds = 1e-9;
    const uint64_t hash = undisturbed(&r, &changes);
    int points = 0;
    for (long n = 1;; n += stride()) {
        film_sweep();
        pq_fault_arm(kind, n, errnum, forever);
        const int rc = run_film(&r);
        const bool reached = pq_fault_count(kind) >= n;
        pq_fault_arm(kind, 0, 0, false);
        assert_int_equal(fake_alive(), 0);
        if (!reached)
            break;
        points++;
        if (rc) {
            assert_true(rc == PIQUE_EIO || rc == PIQUE_ENOSPC || rc == PIQUE_ECREATE);
            assert_resumes(&r, hash, n);
        }
    }
    print_message("%d points\n", points);
}

static void a_full_disk_ends_it_resumably(void **state)
{
    (void)state;
    fail_everywhere(PQ_FAULT_WRITE, ENOSPC, true);
}

static void an_error_of_writing_ends_it_resumably(void **state)
{
    (void)state;
    fail_everywhere(PQ_FAULT_WRITE, EIO, false);
}

static void an_error_of_syncing_ends_it_resumably(void **state)
{
    (void)state;
    fail_everywhere(PQ_FAULT_SYNC, EIO, false);
}

static void an_error_of_renaming_ends_it_resumably(void **state)
{
    (void)state;
    fail_everywhere(PQ_FAULT_RENAME, EIO, false);
}

static void an_error_of_removing_ends_it_resumably(void **state)
{
    (void)state;
    fail_everywhere(PQ_FAULT_REMOVE, EIO, false);
}

static void bytes_that_are_taken_in_pieces_are_all_written(void **state)
{
    (void)state;
    fail_everywhere(PQ_FAULT_WRITE, 0, true); /* 0: a short write */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_anywhere_it_goes_on),
        cmocka_unit_test(killed_anywhere_with_a_journal_it_goes_on),
        cmocka_unit_test(killed_anywhere_on_several_devices_it_goes_on),
        cmocka_unit_test(killed_anywhere_after_a_fallback_what_that_made_is_known),
        cmocka_unit_test(killed_again_and_again_it_comes_to_an_end),
        cmocka_unit_test(a_full_disk_ends_it_resumably),
        cmocka_unit_test(an_error_of_writing_ends_it_resumably),
        cmocka_unit_test(an_error_of_syncing_ends_it_resumably),
        cmocka_unit_test(an_error_of_renaming_ends_it_resumably),
        cmocka_unit_test(an_error_of_removing_ends_it_resumably),
        cmocka_unit_test(bytes_that_are_taken_in_pieces_are_all_written),
    };
    return cmocka_run_group_tests(tests, film_set_up, film_tear_down);
}
