/* SPDX-License-Identifier: MIT */
/* Pieces of work on several devices: each is done once, delivered in order, and goes on to another
 * device where one cannot. What runs is scripted; the engines are real. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../model/small_model.h"
#include "upscale/crew.h"

enum { PIECES = 200 };

static pique_model *model;

static int set_up(void **state)
{
    (void)state;
    const struct maker maker = {.features = 4, .convs = 1, .scale = 2, .channels = 3, .seed = 5};
    return small_model_open(&maker, &model);
}

static int tear_down(void **state)
{
    (void)state;
    pique_model_close(&model);
    return 0;
}

/* One job. */
struct job {
    pthread_mutex_t lock; /* guards what devices count */
    int formed, delivered, dropped, given_up, stopped;
    int runs[PIECES], on[PQ_DEVICES], at_once, most_at_once;
    int form_fails, deliver_fails; /* at this piece; -1: never */
    /* What a device returns for a piece. */
    int (*script)(int piece, int device);
    bool keeps_on; /* what nobody can do is given up, and the rest is done */
};

static int numbers[PIECES];

static int form(void *user, void **piece, pique_error *err)
{
    struct job *j = user;
    if (j->formed == j->form_fails)
        return pq_fail(err, PIQUE_EIO, "form");
    if (j->formed < PIECES)
        *piece = &numbers[j->formed++];
    return 0;
}

static int run(void *user, void *piece, int device, pique_error *err)
{
    struct job *j = user;
    const int number = *(int *)piece;
    pthread_mutex_lock(&j->lock);
    j->runs[number]++;
    j->on[device]++;
    j->at_once++;
    j->most_at_once = j->at_once > j->most_at_once ? j->at_once : j->most_at_once;
    pthread_mutex_unlock(&j->lock);
    nanosleep(&(struct timespec){.tv_nsec = (number * 7 + device * 13) % 11 * 20000L}, NULL);
    pthread_mutex_lock(&j->lock);
    j->at_once--;
    pthread_mutex_unlock(&j->lock);
    const int rc = j->script ? j->script(number, device) : 0;
    return rc ? pq_fail(err, rc, "piece %d on device %d", number, device) : 0;
}

static int deliver(void *user, void *piece, pique_error *err)
{
    struct job *j = user;
    assert_int_equal(*(int *)piece, j->delivered);
    if (j->delivered == j->deliver_fails)
        return pq_fail(err, PIQUE_EIO, "deliver");
    j->delivered++;
    return 0;
}

static int give_up(void *user, void *piece, const pique_error *why, pique_error *err)
{
    struct job *j = user;
    (void)piece;
    pthread_mutex_lock(&j->lock);
    j->given_up++;
    pthread_mutex_unlock(&j->lock);
    return j->keeps_on ? 0 : pq_fail(err, why->code, "%s", why->message);
}

static void drop(void *user, void *piece)
{
    (void)piece;
    ((struct job *)user)->dropped++;
}

static void stop(void *user, const pique_error *why)
{
    assert_true(why->code != 0);
    ((struct job *)user)->stopped++;
}

static int do_job(struct job *j, const char *device, const char *fallback, bool one_size,
                  pique_error *err)
{
    struct pq_crew *crew;
    pique_engine *engine;
    const pique_engine_options o = {
        .size = sizeof o, .threads = 1, .device = device, .fallback = fallback};
    if (pique_engine_open(model, &o, &engine, err))
        fail_msg("%s", err->message);
    const struct pq_engines engines = {&engine, 1};
    const struct pq_crew_setup setup = {.engines = &engines, .one_size = one_size};
    const struct pq_crew_work work = {j, form, run, deliver, give_up, drop, stop};
    for (int i = 0; i < PIECES; i++)
        numbers[i] = i;
    pthread_mutex_init(&j->lock, NULL);
    assert_int_equal(pq_crew_open(&setup, &crew, err), 0);
    const int rc = pq_crew_run(crew, &work, err);
    pq_crew_close(&crew);
    pique_engine_close(&engine);
    pthread_mutex_destroy(&j->lock);
    return rc;
}

static struct job job_new(int (*script)(int piece, int device))
{
    return (struct job){.form_fails = -1, .deliver_fails = -1, .script = script};
}

static const char *const devices[] = {"cpu", "cpu,fault:nan@0", "cpu,fault:nan@0,fault:flat@0",
                                      "cpu,fault:nan@0,fault:flat@0,fault:error@0"};

static void all_pieces_are_done_once_and_delivered_in_order(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        pique_error err;
        struct job j = job_new(NULL);
        assert_int_equal(do_job(&j, devices[i], NULL, true, &err), 0);
        assert_int_equal(j.delivered, PIECES);
        assert_int_equal(j.dropped + j.stopped + j.given_up, 0);
        for (int k = 0; k < PIECES; k++)
            assert_int_equal(j.runs[k], 1);
        assert_true(j.most_at_once <= i + 1);
        assert_true(i == 0 || j.most_at_once > 1);
    }
}

/* Device d cannot do pieces that d + 2 divides; the fallback of the tests can do all. */
static int fallback_number = -1;

static int refuses(int piece, int device)
{
    return device != fallback_number && piece % (device + 2) == 0 ? PIQUE_EDEVICE : 0;
}

static int lacks_memory(int piece, int device)
{
    return device != fallback_number && piece % (device + 2) == 0 ? PIQUE_ENOMEM : 0;
}

static int always_lacks(int piece, int device)
{
    return piece > 10 * device && device < 2 ? PIQUE_ENOMEM : 0;
}

static void what_one_cannot_another_does(void **state)
{
    (void)state;
    for (int i = 1; i < 4; i++) {
        for (int k = 0; k < 2; k++) {
            pique_error err;
            struct job j = job_new(k ? lacks_memory : refuses);
            fallback_number = i + 1;
            assert_int_equal(do_job(&j, devices[i], "cpu:fp16", false, &err), 0);
            assert_int_equal(j.delivered, PIECES);
            assert_int_equal(j.given_up + j.dropped, 0);
            assert_true(j.on[fallback_number] > 0);
        }
    }
    fallback_number = -1;
}

static void without_a_fallback_that_ends_it_or_is_given_up(void **state)
{
    (void)state;
    static const int nobody[] = {2, 6, 12, 60}; /* what all divide: 2; 2, 3; 2, 3, 4; and 5 */
    for (int i = 0; i < 4; i++) {
        pique_error err;
        struct job j = job_new(refuses);
        assert_int_equal(do_job(&j, devices[i], NULL, false, &err), PIQUE_EDEVICE);
        assert_int_equal(j.delivered, 0); /* the first is one of them */
        assert_int_equal(j.dropped, j.formed);
        j = job_new(refuses);
        j.keeps_on = true;
        assert_int_equal(do_job(&j, devices[i], NULL, false, &err), 0);
        assert_int_equal(j.delivered, PIECES);
        assert_int_equal(j.given_up, (PIECES + nobody[i] - 1) / nobody[i]);
    }
}

static void a_device_without_room_is_asked_no_more(void **state)
{
    (void)state;
    pique_error err;
    struct job j = job_new(always_lacks);
    assert_int_equal(do_job(&j, devices[2], NULL, true, &err), 0);
    assert_int_equal(j.delivered, PIECES);
    int twice = 0;
    for (int i = 0; i < PIECES; i++)
        twice += j.runs[i] - 1;
    assert_true(twice <= 2);
    j = job_new(always_lacks);
    assert_int_equal(do_job(&j, devices[1], NULL, true, &err), PIQUE_ENOMEM);
    j = job_new(always_lacks);
    assert_int_equal(do_job(&j, devices[1], "cpu:fp16", true, &err), 0);
    assert_int_equal(j.delivered, PIECES);
    assert_true(j.on[2] > PIECES / 2);
}

static int ends_it(int piece, int device)
{
    (void)device;
    return piece == 50 ? PIQUE_ECANCELED : 0;
}

static void the_first_failure_ends_it_and_nothing_is_lost(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        for (int how = 0; how < 3; how++) {
            pique_error err;
            struct job j = job_new(how == 0 ? ends_it : NULL);
            j.form_fails = how == 1 ? 50 : -1;
            j.deliver_fails = how == 2 ? 50 : -1;
            assert_int_equal(do_job(&j, devices[i], NULL, true, &err),
                             how == 0 ? PIQUE_ECANCELED : PIQUE_EIO);
            assert_true(j.delivered <= 50);
            /* The one that was being delivered belongs to deliver. */
            assert_int_equal(j.delivered + j.dropped + (how == 2), j.formed);
            assert_int_equal(j.stopped, i > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pieces_are_done_once_and_delivered_in_order),
        cmocka_unit_test(what_one_cannot_another_does),
        cmocka_unit_test(without_a_fallback_that_ends_it_or_is_given_up),
        cmocka_unit_test(a_device_without_room_is_asked_no_more),
        cmocka_unit_test(the_first_failure_ends_it_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
