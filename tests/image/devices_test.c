/* SPDX-License-Identifier: MIT */
/* Pictures of a folder on several devices: each as it would be on one, told in order, whatever
 * device fails. "fault:..." devices compute as the processor does. */
#include <stdlib.h>
#include <string.h>

#include "../model/small_model.h"
#include "helper.h"
#include "pique/pique.h"
#include "upscale/module.h"

enum { PICTURES = 20, BATCH = 3 };

static pique_model *model;
static char told[4096];

static int set_up(void **state)
{
    (void)state;
    const struct maker maker = {.features = 8, .convs = 1, .scale = 2, .channels = 3, .seed = 5};
    pq_picture_module_replace(io());
    return small_model_open(&maker, &model);
}

static int tear_down(void **state)
{
    (void)state;
    pique_model_close(&model);
    pq_picture_module_replace(NULL);
    empty_folder();
    return 0;
}

static void on_event(void *user, const pique_event *event)
{
    (void)user;
    if (event->text && strlen(told) + strlen(event->text) + 2 < sizeof told) {
        strcat(told, event->text);
        strcat(told, "\n");
    }
}

static pique_engine *open_engine(const char *device, const char *fallback)
{
    pique_engine *engine;
    pique_error err;
    told[0] = '\0';
    const pique_engine_options o = {
        .size = sizeof o, .threads = 2, .device = device, .fallback = fallback, .event = on_event};
    assert_ok(pique_engine_open(model, &o, &engine, &err), err);
    return engine;
}

/* All pictures, and what became of them. */
struct all {
    char src[PICTURES][600], dst[PICTURES][600];
    pique_picture_item items[PICTURES];
    size_t next, done;
};

static size_t next_batch(void *user, pique_picture_item **items)
{
    struct all *a = user;
    const size_t n = a->next + BATCH < PICTURES ? BATCH : PICTURES - a->next;
    *items = &a->items[a->next];
    a->next += n;
    return n;
}

static void batch_done(void *user, pique_picture_item *items, size_t count)
{
    struct all *a = user;
    assert_ptr_equal(items, &a->items[a->done]);
    a->done += count;
}

static void make_pictures(struct all *a)
{
    const struct pq_save save = save_as(PIQUE_FORMAT_PNG);
    pique_error err;
    empty_folder();
    memset(a, 0, sizeof *a);
    for (int i = 0; i < PICTURES; i++) {
        snprintf(a->src[i], sizeof a->src[i], "%s/in-%02d.png", folder(), i);
        snprintf(a->dst[i], sizeof a->dst[i], "%s/out-%02d.png", folder(), i);
        a->items[i] = (pique_picture_item){.src = a->src[i], .dst = a->dst[i]};
        struct picture p = draw(31 + i % 7 / 4, 23, 3, i % 5 == 4, 8);
        for (size_t k = 0; k < p.bytes / 3; k++)
            p.data[k] = (unsigned char)(p.data[k] + 29 * i);
        assert_ok(write_picture(a->src[i], &p, &save, NULL, &err), err);
        free_picture(&p);
    }
}

static void run(struct all *a, const char *device, const char *fallback)
{
    pique_error err;
    pique_engine *engine = open_engine(device, fallback);
    const pique_picture_feed feed = {
        .size = sizeof feed, .user = a, .next = next_batch, .done = batch_done};
    make_pictures(a);
    assert_ok(pique_pictures_upscale_all(&engine, 1, &feed, NULL, &err), err);
    assert_int_equal(a->done, PICTURES);
    pique_engine_close(&engine);
}

static void assert_like(const struct all *a, const struct all *want, int changed)
{
    int other = 0;
    for (int i = 0; i < PICTURES; i++) {
        assert_ok(a->items[i].status, a->items[i].err);
        assert_int_equal(want->items[i].status, 0);
        const bool by_fallback = *a->items[i].report.fallback_key;
        other += by_fallback;
        if (!by_fallback)
            assert_true(a->items[i].report.hash == want->items[i].report.hash);
    }
    assert_true(changed ? other > 0 : other == 0);
}

static struct all want, got;

static void any_number_of_devices_makes_the_same_pictures(void **state)
{
    (void)state;
    static const char *const devices[] = {"cpu,fault:nan@0", "cpu,fault:nan@0,fault:flat@0",
                                          "fault:nan@0,fault:flat@0,fault:error@0,cpu"};
    run(&want, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        run(&got, devices[i], NULL);
        assert_like(&got, &want, 0);
        assert_string_equal(told, "");
    }
}

static void a_device_that_fails_leaves_its_pictures_to_the_others(void **state)
{
    (void)state;
    static const char *const kinds[] = {"error", "nan", "memory"};
    run(&want, NULL, NULL);
    for (int k = 0; k < 3; k++) {
        for (int at = 1; at < 8; at += 3) {
            char device[64];
            snprintf(device, sizeof device, "fault:%s@%d+,cpu", kinds[k], at);
            run(&got, device, NULL);
            assert_like(&got, &want, 0);
        }
    }
}

static void without_another_device_each_picture_says_why(void **state)
{
    (void)state;
    run(&got, "fault:error@1+,fault:error@01+", NULL); /* two of a kind have two names */
    for (int i = 0; i < PICTURES; i++) {
        assert_int_equal(got.items[i].status, PIQUE_EDEVICE);
        assert_true(strstr(got.items[i].err.message, "the device was lost") ||
                    strstr(got.items[i].err.message, "no device is left"));
    }
}

static void a_fallback_makes_what_is_missing(void **state)
{
    (void)state;
    run(&want, NULL, NULL);
    run(&got, "fault:error@5+", "cpu:fp16");
    assert_like(&got, &want, 1);
    assert_non_null(strstr(told, "what is missing is computed on cpu:fp16"));
    run(&got, "fault:error@3+,fault:nan@4+", "cpu:fp16");
    assert_like(&got, &want, 1);
    /* A picture that all refuse is its alone; the device is asked for the next one. */
    run(&got, "fault:nan@2", NULL);
    assert_like(&got, &want, 0);
    run(&got, "fault:memory@4+", "cpu");
    assert_like(&got, &want, 0);
}

static void one_picture_alone_too(void **state)
{
    (void)state;
    static const struct {
        const char *device, *fallback, *key;
        int moved;
    } cases[] = {{"fault:error@1+,cpu", NULL, "", 1},
                 {"fault:error@1+,fault:nan@1+,cpu", NULL, "", 2},
                 {"fault:memory@1+,cpu", NULL, "", 1},
                 {"fault:flat@1+", "cpu", "", 1},
                 {"fault:error@1+", "cpu:fp16", "cpu/fp16-emulated/direct-1", 1}};
    make_pictures(&want);
    pique_error err;
    pique_engine *sound = open_engine(NULL, NULL);
    pique_picture_report like = {.size = sizeof like}, r = like;
    const pique_picture_options o = {.size = sizeof o, .overwrite = true};
    assert_ok(pique_picture_upscale(sound, want.src[0], want.dst[0], &o, &like, &err), err);
    pique_engine_close(&sound);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pique_engine *engine = open_engine(cases[i].device, cases[i].fallback);
        for (int again = 0; again < 2; again++) {
            const bool lost = strstr(cases[i].device, "error") && !strstr(cases[i].device, "nan");
            assert_ok(pique_picture_upscale(engine, want.src[0], want.dst[0], &o, &r, &err), err);
            assert_string_equal(r.fallback_key, cases[i].key);
            assert_true(*cases[i].key || r.hash == like.hash);
            if (!again || lost)
                assert_int_equal(r.moved, again ? 0 : cases[i].moved);
        }
        pique_engine_close(&engine);
    }
}

static void a_feed_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    pique_error err;
    pique_engine *engine = open_engine(NULL, NULL);
    const pique_picture_feed none = {.size = sizeof none};
    assert_int_equal(pique_pictures_upscale_all(&engine, 1, NULL, NULL, &err), PIQUE_EINVAL);
    assert_int_equal(pique_pictures_upscale_all(&engine, 1, &none, NULL, &err), PIQUE_EINVAL);
    pique_engine_close(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_devices_makes_the_same_pictures),
        cmocka_unit_test(a_device_that_fails_leaves_its_pictures_to_the_others),
        cmocka_unit_test(without_another_device_each_picture_says_why),
        cmocka_unit_test(a_fallback_makes_what_is_missing),
        cmocka_unit_test(one_picture_alone_too),
        cmocka_unit_test(a_feed_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
