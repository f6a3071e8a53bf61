/* SPDX-License-Identifier: MIT */
/* A film of a real codec through the whole of it, killed before changes of files and with writes
 * that fail: what comes out in the end is what an undisturbed run makes.
 *
 * PIQUE_TEST_FULL=1 takes every change; else some of them, spread over all. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../film/helper.h"
#include "base/fault.h"
#include "video/module.h"

#if defined(__SANITIZE_ADDRESS__)
enum { FEW = 8 }; /* points of each kind */
#else
enum { FEW = 12 };
#endif

static char source[64] = "/tmp/pique-source-XXXXXX";

static int set_up(void **state)
{
    char command[512];
    if (film_set_up(state))
        return -1;
    pq_video_module_replace(pique_video_module());
    close(mkstemp(source));
    unlink(source);
    strcat(source, ".mkv");
    snprintf(command, sizeof command,
             "ffmpeg -loglevel error -y -f lavfi -i testsrc=size=32x24:rate=24:duration=1.25 -f "
             "lavfi -i sine=duration=1.25 -c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p "
             "-c:a aac %s",
             source);
    if (system(command) != 0) {
        printf("skipped: there is no ffmpeg with libx264 to make a film\n");
        exit(77);
    }
    return 0;
}

static int tear_down(void **state)
{
    unlink(source);
    return film_tear_down(state);
}

static struct run run_of(double journal_seconds)
{
    struct run r = run_new();
    r.src = source;
    r.options.segment_frames = 10; /* three segments */
    r.options.hardware = PIQUE_HARDWARE_OFF;
    r.options.preset = "ultrafast";
    r.options.journal_seconds = journal_seconds;
    return r;
}

/* The picture library has threads of its own, which a process that is forked would not have: where
 * pictures are written, each run gets a new process. */
static bool apart;

static int run(struct run *r)
{
    if (!apart)
        return run_film(r);
    const int how = run_killed(r, 0);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how) ? r->err.code : 0;
}

/* An undisturbed run: its hash, and how many changes of files it takes. */
static uint64_t undisturbed(struct run *r, long *changes)
{
    film_sweep();
    pq_fault_kill(0);
    if (run(r))
        fail_msg("%s", r->err.message);
    *changes = r->changes;
    assert_int_equal(r->report.frames, 30);
    return r->report.hash;
}

static void assert_resumes(struct run *r, uint64_t hash, long n)
{
    pique_film_info info = {.size = sizeof info};
    const int rc = run(r);
    if (rc && rc != PIQUE_EEXIST) /* all was done but for an empty folder */
        fail_msg("after %ld: %s", n, r->err.message);
    if (!rc && r->report.frames) { /* none: only the folder was left to be removed */
        assert_int_equal(r->report.frames, 30);
        assert_true(r->report.hash == hash);
    }
    assert_false(film_exists("film.mkv.job"));
    if (pique_film_probe(film_path("film.mkv"), &info, &r->err))
        fail_msg("after %ld: %s", n, r->err.message);
    assert_int_equal(info.width, 64);
    assert_int_equal(info.audio, 1);
}

static long stride(long changes)
{
    return getenv("PIQUE_TEST_FULL") || changes < FEW ? 1 : changes / FEW;
}

static void kill_here_and_there(double journal_seconds)
{
    long changes;
    struct run r = run_of(journal_seconds);
    const uint64_t hash = undisturbed(&r, &changes);
    int killed = 0;
    for (long n = 1; n <= changes; n += stride(changes)) {
        film_sweep();
        const int how = run_killed(&r, n);
        if (!WIFSIGNALED(how))
            continue; /* threads: a run may take some fewer */
        killed++;
        assert_resumes(&r, hash, n);
    }
    print_message("killed at %d of %ld changes\n", killed, changes);
}

static void killed_it_goes_on(void **state)
{
    (void)state;
    kill_here_and_there(0);
}

static void killed_with_a_journal_it_goes_on(void **state)
{
    (void)state;
    kill_here_and_there(1e-9);
}

/* ---- frames that are kept as pictures ---- */

/* A number that two folders of pictures share only where they hold the same. */
static unsigned long sum_of_frames(void)
{
    char command[400];
    unsigned long sum = 0;
    int count = 0;
    snprintf(command, sizeof command,
             "cd %s && ls */*.png | wc -l && cat */*.png | cksum | cut -d' ' -f1",
             film_path("film_frames"));
    FILE *f = popen(command, "r");
    assert_non_null(f);
    const int got = fscanf(f, "%d %lu", &count, &sum);
    assert_int_equal(pclose(f), 0);
    assert_int_equal(got, 2);
    assert_int_equal(count, 60);
    return sum;
}

static void killed_with_a_journal_it_still_keeps_every_frame(void **state)
{
    (void)state;
    if (!getenv("PIQUE_MODULE_DIR")) {
        printf("skipped: built without pictures\n");
        skip();
    }
    apart = true;
    long changes;
    struct run r = run_of(1e-9);
    r.options.keep = PIQUE_KEEP_SOURCE | PIQUE_KEEP_RESULT;
    const uint64_t hash = undisturbed(&r, &changes);
    const unsigned long sum = sum_of_frames();
    for (long n = 1; n <= changes; n += stride(changes)) {
        film_sweep();
        if (!WIFSIGNALED(run_killed(&r, n)))
            continue;
        assert_resumes(&r, hash, n);
        assert_true(sum_of_frames() == sum);
    }
    apart = false;
}

static void fail_here_and_there(int errnum, bool forever)
{
    long changes;
    struct run r = run_of(1e-9);
    const uint64_t hash = undisturbed(&r, &changes);
    pq_fault_arm(PQ_FAULT_WRITE, 0, 0, false);
    film_sweep();
    (void)run_film(&r);
    const long writes = pq_fault_count(PQ_FAULT_WRITE);
    int failed = 0;
    for (long n = 1; n <= writes; n += stride(writes)) {
        film_sweep();
        pq_fault_arm(PQ_FAULT_WRITE, n, errnum, forever);
        const int rc = run_film(&r);
        pq_fault_arm(PQ_FAULT_WRITE, 0, 0, false);
        if (!rc) {
            assert_true(r.report.hash == hash);
            continue;
        }
        failed++;
        if (rc != PIQUE_EIO && rc != PIQUE_ENOSPC)
            fail_msg("write %ld: %d %s", n, rc, r.err.message);
        assert_resumes(&r, hash, n);
    }
    print_message("%d failures among %ld writes\n", failed, writes);
}

static void a_full_disk_ends_it_resumably(void **state)
{
    (void)state;
    fail_here_and_there(ENOSPC, true);
}

static void an_error_of_writing_ends_it_resumably(void **state)
{
    (void)state;
    fail_here_and_there(EIO, false);
}

static void short_writes_are_gone_on_with(void **state)
{
    (void)state;
    fail_here_and_there(0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_it_goes_on),
        cmocka_unit_test(killed_with_a_journal_it_goes_on),
        cmocka_unit_test(killed_with_a_journal_it_still_keeps_every_frame),
        cmocka_unit_test(a_full_disk_ends_it_resumably),
        cmocka_unit_test(an_error_of_writing_ends_it_resumably),
        cmocka_unit_test(short_writes_are_gone_on_with),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
