/* SPDX-License-Identifier: MIT */
/* One film on several devices, some of which fail. "fault:..." devices compute as the processor
 * does, and so are devices of one numeric key; cpu:fp16 has another and stands in for what a
 * fallback is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/folder.h"
#include "film/made.h"
#include "helper.h"

/* Devices of one key, none of which fails. */
#define TWO   "cpu,fault:nan@0"
#define THREE "cpu,fault:nan@0,fault:flat@0"

static void assert_ok(struct run *r, int rc)
{
    if (rc)
        fail_msg("%s", r->err.message);
    assert_int_equal(fake_alive(), 0);
}

static uint64_t hash_of(struct run *r)
{
    uint64_t hash;
    bool in_time;
    assert_int_equal(fake_film_read(film_path("film.mkv"), &hash, &in_time), fake.frames);
    assert_true(in_time);
    assert_int_equal(r->report.frames, fake.frames);
    return hash;
}

/* On these devices; nothing is there from before. */
static struct run run_on(const char *device)
{
    struct run r = run_new();
    film_sweep();
    r.device = device;
    return r;
}

static uint64_t hash_on(const char *device)
{
    struct run r = run_on(device);
    assert_ok(&r, run_film(&r));
    return hash_of(&r);
}

static void assert_same(struct run *r, uint64_t hash)
{
    assert_ok(r, run_film(r));
    assert_true(hash_of(r) == hash);
    assert_false(film_exists("film.mkv.job"));
}

static void any_number_of_devices_makes_one_film(void **state)
{
    (void)state;
    static const char *const devices[] = {"cpu", TWO, THREE};
    for (int hold = 0; hold < 4; hold += 3) {
        fake_reset();
        fake.frames = 50;
        fake.hold = hold;
        struct run like = run_new();
        film_sweep();
        assert_ok(&like, run_film(&like));
        const uint64_t hash = hash_of(&like);
        for (int batch = 1; batch <= 9; batch += 2) {
            uint64_t batches = 0, inferences = 0;
            for (int i = 0; i < 3; i++) {
                struct run r = run_on(devices[i]);
                r.options.batch = batch == 9 ? 4 : batch;
                r.options.no_parallel = batch == 9;
                r.options.journal_seconds = batch == 3 ? 1e-9 : 0;
                assert_same(&r, hash);
                assert_true(r.report.hash == like.report.hash);
                assert_int_equal(r.report.unique, like.report.unique);
                assert_int_equal(r.report.moved, 0);
                assert_string_equal(r.told, "");
                /* What is told does not depend on the devices either. */
                assert_true(i == 0 || (r.batches == batches && r.report.inferences == inferences));
                batches = r.batches;
                inferences = r.report.inferences;
                for (int s = 1; s < r.saved_count; s++)
                    assert_true(r.saved[s] > r.saved[s - 1]);
            }
        }
    }
}

static void numbered_pictures_and_streams_too(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 30;
    uint64_t hash[2] = {0};
    for (int i = 0; i < 2; i++) {
        struct run r = run_on(i ? THREE : NULL);
        r.dst = "null:";
        assert_ok(&r, run_film(&r));
        hash[i] = r.report.hash;
    }
    assert_true(hash[0] == hash[1]);
}

/* ---- a device that fails ---- */

static void a_lost_device_leaves_its_work_to_the_others(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 50;
    const uint64_t hash = hash_on(NULL);
    for (int at = 1; at < 40; at += 3) {
        char device[64];
        snprintf(device, sizeof device, "fault:error@%d,cpu,fault:nan@0", at);
        struct run r = run_on(device);
        assert_same(&r, hash);
        assert_true(r.report.moved <= 1);
        /* It is asked no more, and not twice. */
        assert_int_equal(r.retries, r.report.moved);
        if (r.report.moved)
            assert_non_null(strstr(r.told, "and is left out from here on"));
        assert_int_equal(r.report.retries, 0);
        assert_int_equal(r.report.fallback_frames, 0);
    }
}

static void all_but_one_may_be_lost(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 50;
    const uint64_t hash = hash_on(NULL);
    for (int batch = 1; batch <= 8; batch++) {
        struct run r = run_on("fault:error@3+,fault:error@5+,cpu");
        r.options.batch = batch;
        assert_same(&r, hash);
        assert_true(r.report.moved >= 1);
    }
}

static void where_all_are_lost_the_job_ends_resumably(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 50;
    const uint64_t hash = hash_on(NULL);
    struct run r = run_on("fault:error@4+,fault:error@5+");
    r.options.journal_seconds = 1e-9;
    assert_int_equal(run_film(&r), PIQUE_EDEVICE);
    assert_int_equal(fake_alive(), 0);
    assert_true(film_exists("film.mkv.job/job.json"));
    assert_false(film_exists("film.mkv.job/fallback.json"));
    r.device = TWO;
    assert_same(&r, hash);
}

/* However far the encoder is behind: else a film that loses its device again and again would go on
 * only where it happened to be quick. */
static void what_was_computed_is_saved_before_it_ends(void **state)
{
    (void)state;
    for (int at = 2; at <= 17; at += 5) {
        char device[64];
        fake_reset();
        fake.frames = 20;
        fake.write_us = 2000;
        snprintf(device, sizeof device, "fault:error@%d+", at);
        struct run r = run_on(device);
        r.options.batch = 1;
        r.options.journal_seconds = 1e-9;
        assert_int_equal(run_film(&r), PIQUE_EDEVICE);
        assert_int_equal(fake_alive(), 0);
        struct run rest = run_new();
        rest.device = TWO;
        rest.options.batch = 1;
        assert_ok(&rest, run_film(&rest));
        /* A frame is a step, and one step comes before the first. */
        assert_int_equal(rest.report.inferences, fake.frames - (at - 2));
    }
}

static void a_device_without_memory_leaves_its_work_to_the_others(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 50;
    const uint64_t hash = hash_on(NULL);
    for (int at = 1; at < 12; at += 2) {
        char device[64];
        snprintf(device, sizeof device, "fault:memory@%d+,cpu", at);
        struct run r = run_on(device);
        assert_same(&r, hash);
        if (r.report.moved) /* after the batch was lowered to one frame */
            assert_non_null(strstr(r.told, "has no memory for this"));
    }
}

static void a_result_that_is_refused_is_computed_elsewhere(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 50;
    const uint64_t hash = hash_on(NULL);
    struct run r = run_on("fault:nan@7+,cpu");
    assert_same(&r, hash);
    /* The device itself did not fail, and is asked again: each time twice. */
    assert_int_equal(r.report.retries, r.report.moved);
    assert_null(strstr(r.told, "left out"));
}

/* ---- a fallback ---- */

static void a_fallback_goes_on_and_what_it_made_is_listed(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 50;
    const uint64_t own = hash_on(NULL), other = hash_on("cpu:fp16");
    assert_true(own != other);
    for (int journal = 0; journal < 2; journal++) {
        for (int at = 2; at < 60; at += 12) {
            char device[64];
            snprintf(device, sizeof device, "fault:error@%d+", at);
            struct run r = run_on(device);
            r.fallback = "cpu:fp16";
            r.options.journal_seconds = journal ? 1e-9 : 0;
            assert_ok(&r, run_film(&r));
            const uint64_t hash = hash_of(&r);
            const int64_t made = r.report.fallback_frames;
            assert_false(film_exists("film.mkv.job"));
            assert_int_equal(r.fallback_count, made > 0);
            assert_true(made ? r.fallback_list[1] == 49 && r.fallback_list[0] == 50 - made
                             : hash == own);
            assert_true(made < 50 ? hash != other : hash == other);
            if (made)
                assert_non_null(strstr(r.told, "what is missing is computed on cpu:fp16"));
        }
    }
}

static void a_fallback_that_computes_alike_changes_nothing(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 50;
    const uint64_t hash = hash_on(NULL);
    struct run r = run_on("fault:error@9+,fault:error@11+");
    r.fallback = "cpu";
    assert_same(&r, hash);
    assert_int_equal(r.report.fallback_frames, 0);
    assert_int_equal(r.fallback_count, 0);
    assert_non_null(strstr(r.told, "cpu goes on, which computes alike"));
}

static void a_fallback_computes_what_all_refuse_and_the_rest_is_as_it_was(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 50;
    fake.hold = 2; /* frames that show the same have the same key */
    struct run r = run_on("fault:nan@9");
    r.options.batch = 1;
    assert_ok(&r, run_film(&r));
    assert_int_equal(r.report.retries, 1);
    assert_int_equal(r.report.fallback_frames, 0);
    const uint64_t own = hash_of(&r);
    /* Nothing is right any more from some step on; the device is asked each time all the same. */
    film_sweep();
    r.device = "fault:nan@15+";
    r.fallback = "cpu:fp16";
    assert_ok(&r, run_film(&r));
    assert_true(hash_of(&r) != own);
    assert_true(r.report.fallback_frames > 0 && r.report.fallback_frames % 2 == 0);
    assert_null(strstr(r.told, "left out"));
}

static void stop_after_third_seal(struct run *run, const pique_event *event)
{
    if (event->kind == PIQUE_EVENT_SEALED && event->segment == 2)
        pique_cancel_set(run->cancel);
}

/* Stopped after the fallback took over, and resumed on a device that works again. */
static void a_job_remembers_what_its_fallback_made(void **state)
{
    (void)state;
    for (int journal = 0; journal < 2; journal++) {
        fake_reset();
        fake.frames = 50;
        fake.hold = 2;
        const uint64_t own = hash_on(NULL), other = hash_on("cpu:fp16");
        struct run r = run_on("fault:error@4+");
        r.fallback = "cpu:fp16";
        r.options.journal_seconds = journal ? 1e-9 : 0;
        r.cancel = pique_cancel_new();
        r.on_event = stop_after_third_seal;
        assert_int_equal(run_film(&r), PIQUE_ECANCELED);
        pique_cancel_free(&r.cancel);
        r.on_event = NULL;
        r.cancel = NULL;
        assert_true(film_exists("film.mkv.job/fallback.json"));
        r.device = NULL;
        r.fallback = NULL;
        assert_ok(&r, run_film(&r));
        const uint64_t hash = hash_of(&r);
        assert_true(hash != own && hash != other);
        assert_int_equal(r.fallback_count, 1);
        const int64_t first = r.fallback_list[0], last = r.fallback_list[1];
        /* What was sealed, or in the journal, is as it was; the rest is the device's. */
        assert_true(last >= 17 && last < 49);
        assert_true(journal || last == 17);
        assert_int_equal(r.report.fallback_frames, last - first + 1);
        assert_false(film_exists("film.mkv.job"));
    }
}

static void a_list_that_is_damaged_ends_it(void **state)
{
    (void)state;
    fake_reset();
    fake.frames = 50;
    struct run r = run_new();
    film_sweep();
    r.cancel = pique_cancel_new();
    r.on_event = stop_after_third_seal;
    assert_int_equal(run_film(&r), PIQUE_ECANCELED);
    pique_cancel_free(&r.cancel);
    r.on_event = NULL;
    r.cancel = NULL;
    static const char *const bad[] = {
        "{}", "{\"format\":1}", "{\"format\":1,\"stretches\":[{\"first\":5,\"last\":3}]}",
        "{\"format\":1,\"stretches\":[{\"first\":1,\"last\":3}]}",
        "{\"format\":1,\"stretches\":[{\"first\":1,\"last\":3,\"numeric_key\":\"a\"},"
        "{\"first\":3,\"last\":4,\"numeric_key\":\"a\"}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pique_error err;
        assert_int_equal(pq_write_text(film_path("film.mkv.job/fallback.json"), bad[i], &err), 0);
        assert_int_equal(run_film(&r), i == 1 ? 0 : PIQUE_EFORMAT);
        if (i == 1) { /* nothing is listed: the film is made, and the job has to be begun anew */
            film_sweep();
            r.cancel = pique_cancel_new();
            r.on_event = stop_after_third_seal;
            assert_int_equal(run_film(&r), PIQUE_ECANCELED);
            pique_cancel_free(&r.cancel);
            r.on_event = NULL;
            r.cancel = NULL;
        } else {
            assert_non_null(strstr(r.err.message, "fallback.json: damaged"));
        }
    }
}

/* ---- which devices ---- */

static void devices_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *device, *fallback, *says;
        int rc;
    } cases[] = {
        {"cpu,cpu", NULL, "cpu is named twice", PIQUE_EINVAL},
        {"cpu,", NULL, "a name is missing", PIQUE_EINVAL},
        {",cpu", NULL, "a name is missing", PIQUE_EINVAL},
        {"cpu,abacus", NULL, "no device 'abacus'", PIQUE_EDEVICE},
        {"abacus:all", NULL, "no device 'abacus'", PIQUE_EDEVICE},
        {"cpu,cpu:fp16", NULL, "cpu:fp16 as cpu/fp16-emulated/direct-1", PIQUE_EINVAL},
        {"cpu", "cpu", "cpu computes already", PIQUE_EINVAL},
        {NULL, "cpu", "cpu computes already", PIQUE_EINVAL},
        {NULL, "abacus", "no device 'abacus'", PIQUE_EDEVICE},
        {NULL, "cpu:fp16,cpu", "one device is expected", PIQUE_EINVAL},
    };
    fake_reset();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r = run_on(cases[i].device);
        r.fallback = cases[i].fallback;
        assert_int_equal(run_film(&r), cases[i].rc);
        if (!strstr(r.err.message, cases[i].says))
            fail_msg("%zu: %s", i, r.err.message);
    }
}

/* ---- the list ---- */

/* Against an array, by chance. */
static void stretches_are_what_was_set(void **state)
{
    (void)state;
    enum { FRAMES = 40 };
    struct pq_made made, again;
    int want[FRAMES] = {0}, key;
    pique_error err;
    bool changed;
    srand(7);
    pq_made_init(&made);
    assert_int_equal(pq_made_key(&made, "a", &key, &err), 0);
    assert_int_equal(key, 1);
    assert_int_equal(pq_made_key(&made, "b", &key, &err), 0);
    assert_int_equal(key, 2);
    for (int n = 0; n < 4000; n++) {
        const int at = rand() % FRAMES, to = rand() % 3;
        assert_int_equal(pq_made_set(&made, at, to, &changed, &err), 0);
        assert_int_equal(changed, want[at] != to);
        want[at] = to;
        int stretches = 0, frames = 0;
        for (int i = 0; i < FRAMES; i++) {
            assert_int_equal(pq_made_find(&made, i), want[i]);
            stretches += want[i] && (i == 0 || want[i - 1] != want[i]);
            frames += want[i] != 0;
        }
        assert_int_equal(made.count, stretches);
        assert_int_equal(pq_made_frames(&made), frames);
    }
    json_t *list = pq_made_to_json(&made);
    pq_made_init(&again);
    assert_int_equal(pq_made_from_json(&again, list, &err), 0);
    for (int i = 0; i < FRAMES; i++) {
        const int k = pq_made_find(&again, i);
        assert_int_equal(k != 0, want[i] != 0);
        assert_true(!k || strcmp(again.keys[k - 1], made.keys[want[i] - 1]) == 0);
    }
    json_decref(list);
    for (int i = 0; i < PQ_MADE_KEYS; i++) {
        char name[8];
        snprintf(name, sizeof name, "k%d", i);
        assert_int_equal(pq_made_key(&made, name, &key, &err),
                         i < PQ_MADE_KEYS - 2 ? 0 : PIQUE_EINVAL);
    }
    pq_made_free(&made);
    pq_made_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_devices_makes_one_film),
        cmocka_unit_test(numbered_pictures_and_streams_too),
        cmocka_unit_test(a_lost_device_leaves_its_work_to_the_others),
        cmocka_unit_test(all_but_one_may_be_lost),
        cmocka_unit_test(where_all_are_lost_the_job_ends_resumably),
        cmocka_unit_test(what_was_computed_is_saved_before_it_ends),
        cmocka_unit_test(a_device_without_memory_leaves_its_work_to_the_others),
        cmocka_unit_test(a_result_that_is_refused_is_computed_elsewhere),
        cmocka_unit_test(a_fallback_goes_on_and_what_it_made_is_listed),
        cmocka_unit_test(a_fallback_that_computes_alike_changes_nothing),
        cmocka_unit_test(a_fallback_computes_what_all_refuse_and_the_rest_is_as_it_was),
        cmocka_unit_test(a_job_remembers_what_its_fallback_made),
        cmocka_unit_test(a_list_that_is_damaged_ends_it),
        cmocka_unit_test(devices_that_make_no_sense_are_refused),
        cmocka_unit_test(stretches_are_what_was_set),
    };
    return cmocka_run_group_tests(tests, film_set_up, film_tear_down);
}
