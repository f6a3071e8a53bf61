/* SPDX-License-Identifier: MIT */
/* Every file call fails once: an error with the right code, and nothing left behind. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "helper.h"

/* Write with the N-th call of a kind failing, for N = 1, 2, ... until it is not reached. */
static void fail_each(const struct pq_format_caps *caps, enum pq_fault_kind kind, int errnum,
                      int code, const struct picture *p)
{
    const struct pq_save save = save_as(caps->format);
    for (long n = 1; n < 10000; n++) {
        pique_error err = {0};
        empty_folder();
        pq_fault_arm(kind, n, errnum, n & 1);
        int rc = write_picture(in_folder("out"), p, &save, NULL, &err);
        bool reached = pq_fault_count(kind) >= n;
        pq_fault_arm(kind, 0, 0, false);
        if (!reached) {
            assert_int_equal(rc, 0);
            assert_true(n > 1);
            return;
        }
        if (rc != code || err.code != code)
            fail_msg("%s, call %ld: %d instead of %d: %s", caps->name, n, rc, code, err.message);
        if (!strstr(err.message, in_folder("out")))
            fail_msg("%s, call %ld: '%s' names no file", caps->name, n, err.message);
        assert_int_equal(entries_in_folder(), 0);
    }
    fail_msg("%s never comes to an end", caps->name);
}

static void a_failing_write_leaves_no_file(void **state)
{
    struct picture p = draw(90, 70, 3, false, 8);
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        fail_each(caps, PQ_FAULT_WRITE, ENOSPC, PIQUE_ENOSPC, &p);
        fail_each(caps, PQ_FAULT_WRITE, EIO, PIQUE_EIO, &p);
    }
    free_picture(&p);
}

static void a_failing_open_sync_or_rename_leaves_no_file(void **state)
{
    struct picture p = draw(9, 7, 3, false, 8);
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        fail_each(caps, PQ_FAULT_OPEN, EACCES, PIQUE_ECREATE, &p);
        fail_each(caps, PQ_FAULT_SYNC, EIO, PIQUE_EIO, &p);
        fail_each(caps, PQ_FAULT_RENAME, ENOSPC, PIQUE_ENOSPC, &p);
    }
    free_picture(&p);
}

static void a_failing_read_is_told_as_such(void **state)
{
    struct picture p = draw(90, 70, 3, false, 8), back;
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        const struct pq_save save = save_as(caps->format);
        pique_error err = {0};
        assert_ok(write_picture(in_folder("in"), &p, &save, NULL, &err), err);
        long n = 1;
        for (; n < 10000; n++) {
            pq_fault_arm(PQ_FAULT_READ, n, EIO, true);
            int rc = read_picture(in_folder("in"), true, 5, &back, &err);
            bool reached = pq_fault_count(PQ_FAULT_READ) >= n;
            pq_fault_arm(PQ_FAULT_READ, 0, 0, false);
            if (rc == 0)
                free_picture(&back);
            /* A reader that looks for more behind the picture may do without. */
            if (rc != 0 && rc != PIQUE_EIO)
                fail_msg("%s, read %ld: %d: %s", caps->name, n, rc, err.message);
            if (!reached)
                break;
        }
        assert_true(n > 1 && n < 10000);
    }
    free_picture(&p);
}

static void a_failing_allocation_is_an_error(void **state)
{
    struct picture p = draw(30, 20, 3, false, 8), back;
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        const struct pq_save save = save_as(caps->format);
        bool reached = true;
        for (long n = 1; reached; n++) {
            pique_error err = {0};
            empty_folder();
            pq_fault_arm(PQ_FAULT_ALLOC, n, ENOMEM, false);
            int rc = write_picture(in_folder("out"), &p, &save, NULL, &err);
            reached = pq_fault_count(PQ_FAULT_ALLOC) >= n;
            pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
            /* What is only a nicety, such as syncing the folder, may do without. */
            if (rc != 0 && rc != PIQUE_ENOMEM)
                fail_msg("%s, allocation %ld: %d: %s", caps->name, n, rc, err.message);
            assert_int_equal(entries_in_folder(), rc == 0);
        }
        reached = true;
        for (long n = 1; reached; n++) {
            pique_error err = {0};
            pq_fault_arm(PQ_FAULT_ALLOC, n, ENOMEM, false);
            int rc = read_picture(in_folder("out"), true, 5, &back, &err);
            reached = pq_fault_count(PQ_FAULT_ALLOC) >= n;
            pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
            if (rc != (reached ? PIQUE_ENOMEM : 0))
                fail_msg("%s, allocation %ld: %d: %s", caps->name, n, rc, err.message);
            if (!rc)
                free_picture(&back);
        }
    }
    free_picture(&p);
}

static void an_output_that_cannot_be_created_is_named(void **state)
{
    struct picture p = draw(4, 4, 3, false, 8);
    const struct pq_save save = save_as(PIQUE_FORMAT_PNG);
    pique_error err;
    assert_int_equal(write_picture(in_folder("no/such/x.png"), &p, &save, NULL, &err),
                     PIQUE_ECREATE);
    assert_non_null(strstr(err.message, "no/such/x.png"));
    free_picture(&p);
}

/* ---- pipes ---- */

struct feed {
    int fd;
    const unsigned char *data;
    size_t size;
};

static void *feed_pipe(void *user)
{
    struct feed *f = user;
    for (size_t at = 0; at < f->size;) {
        ssize_t n = write(f->fd, f->data + at, f->size - at < 777 ? f->size - at : 777);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    close(f->fd);
    return NULL;
}

static void a_pipe_is_read_and_rewound(void **state)
{
    struct picture p = draw(60, 50, 3, false, 8);
    pique_error err;
    static const enum pique_format formats[] = {PIQUE_FORMAT_PNG, PIQUE_FORMAT_TIFF,
                                                PIQUE_FORMAT_PPM};
    for (int i = 0; i < 3; i++) {
        const struct pq_save save = save_as(formats[i]);
        assert_ok(write_picture(in_folder("piped"), &p, &save, NULL, &err), err);
        struct feed f;
        int ends[2], kept = dup(STDIN_FILENO);
        unsigned char *data = get_file(in_folder("piped"), &f.size), *rows = malloc(p.bytes);
        assert_int_equal(pipe(ends), 0);
        f.fd = ends[1];
        f.data = data;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, feed_pipe, &f), 0);
        dup2(ends[0], STDIN_FILENO);
        close(ends[0]);
        struct pq_row_source *source;
        assert_ok(io()->open_source("-", false, &source, &err), err);
        pthread_join(thread, NULL);
        for (int pass = 0; pass < 2; pass++) {
            memset(rows, 0, p.bytes);
            assert_ok(source->read(source, 50, rows, 180, &err), err);
            assert_memory_equal(rows, p.data, p.bytes);
            assert_ok(source->rewind(source, &err), err);
        }
        source->close(source);
        if (kept >= 0) {
            dup2(kept, STDIN_FILENO);
            close(kept);
        }
        free(data);
        free(rows);
    }
    free_picture(&p);
}

static void standard_output_gets_the_whole_picture(void **state)
{
    struct picture p = draw(60, 50, 3, false, 8), back;
    pique_error err;
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        const struct pq_save save = save_as(caps->format);
        int kept, fd = open(in_folder("stdout"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(fd >= 0);
        fflush(stdout);
        kept = dup(STDOUT_FILENO);
        dup2(fd, STDOUT_FILENO);
        int rc = write_picture("-", &p, &save, NULL, &err);
        dup2(kept, STDOUT_FILENO);
        close(kept);
        close(fd);
        assert_ok(rc, err);
        assert_ok(read_picture(in_folder("stdout"), true, 50, &back, &err), err);
        assert_true(mean_difference(&p, &back) < 2.5);
        free_picture(&back);
    }
    free_picture(&p);
}

static void a_full_device_is_an_error(void **state)
{
    struct picture p = draw(60, 50, 3, false, 8);
    pique_error err;
    int full = open("/dev/full", O_WRONLY);
    if (full < 0) {
        print_message("skipped: no /dev/full\n");
        skip();
    }
    for (const struct pq_format_caps *caps = io()->formats; caps->format; caps++) {
        const struct pq_save save = save_as(caps->format);
        fflush(stdout);
        int kept = dup(STDOUT_FILENO);
        dup2(full, STDOUT_FILENO);
        int rc = write_picture("-", &p, &save, NULL, &err);
        dup2(kept, STDOUT_FILENO);
        close(kept);
        assert_int_equal(rc, PIQUE_ENOSPC);
    }
    close(full);
    free_picture(&p);
}

int main(void)
{
    io();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failing_write_leaves_no_file),
        cmocka_unit_test(a_failing_open_sync_or_rename_leaves_no_file),
        cmocka_unit_test(a_failing_read_is_told_as_such),
        cmocka_unit_test(a_failing_allocation_is_an_error),
        cmocka_unit_test(an_output_that_cannot_be_created_is_named),
        cmocka_unit_test(a_pipe_is_read_and_rewound),
        cmocka_unit_test(standard_output_gets_the_whole_picture),
        cmocka_unit_test(a_full_device_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
