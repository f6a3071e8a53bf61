/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "fake.h"
#include "upscale/size.h"

struct row {
    pique_picture_options o;
    int w, h, num, den;
    int in_w, in_h, out_w, out_h, passes; /* passes 0: refused with code in_w */
};

static const struct pq_scale TWICE = {2, 1};

static const struct row TABLE[] = {
    /* The model's own scale. */
    {{0}, 100, 50, 4, 1, 100, 50, 400, 200, 1},
    {{0}, 1, 1, 4, 1, 1, 1, 4, 4, 1},
    {{0}, 100, 50, 1, 1, 100, 50, 100, 50, 1},
    {{0}, 7, 5, 3, 2, 7, 5, 10, 7, 1},
    /* Factors: as many passes as needed, and never two where one does. */
    {{.scale = 4}, 100, 50, 4, 1, 100, 50, 400, 200, 1},
    {{.scale = 2}, 100, 50, 4, 1, 100, 50, 200, 100, 1},
    {{.scale = 1}, 100, 50, 4, 1, 100, 50, 100, 50, 1},
    {{.scale = 0.5}, 101, 51, 4, 1, 101, 51, 51, 26, 1},
    {{.scale = 8}, 100, 50, 4, 1, 100, 50, 800, 400, 2},
    {{.scale = 16}, 100, 50, 4, 1, 100, 50, 1600, 800, 2},
    {{.scale = 64}, 100, 50, 4, 1, 100, 50, 6400, 3200, 3},
    {{.scale = 64}, 100, 50, 2, 1, 100, 50, 6400, 3200, 6},
    {{.scale = 4.01}, 100, 50, 4, 1, 100, 50, 401, 201, 2},
    {{.scale = 3}, 100, 50, 3, 1, 100, 50, 300, 150, 1},
    {{.scale = 9}, 100, 50, 3, 1, 100, 50, 900, 450, 2},
    {{.scale = 1e-9}, 100, 50, 4, 1, 100, 50, 1, 1, 1},
    {{.scale = 3}, 100, 50, 1, 1, 100, 50, 300, 150, 1},
    /* Sides. */
    {{.width = 300}, 100, 50, 4, 1, 100, 50, 300, 150, 1},
    {{.height = 201}, 100, 50, 4, 1, 100, 50, 402, 201, 2},
    {{.width = 5}, 1000, 1, 4, 1, 1000, 1, 5, 1, 1},
    {{.width = 30, .height = 3200}, 100, 50, 4, 1, 100, 50, 30, 3200, 3},
    {{.width = 3}, 2, 1, 4, 1, 2, 1, 3, 2, 1},
    /* Fit: one side exact, the other inside. */
    {{.fit_width = 300, .fit_height = 300}, 100, 50, 4, 1, 100, 50, 300, 150, 1},
    {{.fit_width = 300, .fit_height = 90}, 100, 50, 4, 1, 100, 50, 180, 90, 1},
    {{.fit_width = 7, .fit_height = 7}, 1000, 999, 2, 1, 1000, 999, 7, 7, 1},
    {{.fit_width = 1, .fit_height = 9}, 999, 2, 2, 1, 999, 2, 1, 1, 1},
    /* Reduced first; a factor counts from there, a side keeps the true aspect. */
    {{.pre_downscale = 720}, 1920, 1080, 4, 1, 1280, 720, 5120, 2880, 1},
    {{.pre_downscale = 480, .scale = 2}, 1920, 1080, 4, 1, 853, 480, 1706, 960, 1},
    {{.pre_downscale = 480, .width = 1920}, 1920, 1080, 4, 1, 853, 480, 1920, 1080, 1},
    {{.pre_downscale = 1080}, 1920, 1080, 2, 1, 1920, 1080, 3840, 2160, 1},
    {{.pre_downscale = 1}, 3, 5000, 2, 1, 1, 1, 2, 2, 1},
    /* Refused. */
    {{.scale = -1}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.scale = 64.01}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.scale = 1e9}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.scale = (double)NAN}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.scale = (double)INFINITY}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.width = -1}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.height = INT_MIN}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.fit_width = 10}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.fit_width = 10, .fit_height = -10}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.pre_downscale = -5}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.scale = 2, .width = 10}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.width = 2, .fit_width = 10, .fit_height = 2}, 10, 10, 4, 1, PIQUE_EINVAL, 0, 0, 0, 0},
    {{.scale = 64}, 40000000, 10, 4, 1, PIQUE_EUNSUPPORTED, 0, 0, 0, 0},
    {{.width = 6400}, 100, 50, 4, 1, 100, 50, 6400, 3200, 3},
    {{.width = 6500}, 100, 50, 4, 1, PIQUE_EUNSUPPORTED, 0, 0, 0, 0},
    {{.fit_width = 9000, .fit_height = 3300}, 100, 50, 4, 1, PIQUE_EUNSUPPORTED, 0, 0, 0, 0},
    {{.width = INT_MAX}, 1, 100, 4, 1, PIQUE_EUNSUPPORTED, 0, 0, 0, 0},
    {{.width = INT_MAX, .height = 1}, 1, 1, 4, 1, PIQUE_EUNSUPPORTED, 0, 0, 0, 0},
    {{0}, INT_MAX, INT_MAX, 4, 1, PIQUE_EUNSUPPORTED, 0, 0, 0, 0},
};

static void sizes_and_passes_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < PQ_COUNT(TABLE); i++) {
        const struct row *r = &TABLE[i];
        struct pq_size s;
        pique_error err = {0};
        int rc = pq_size_resolve(&r->o, r->w, r->h, &(struct pq_scale){r->num, r->den}, 1, "a.png",
                                 &s, &err);
        print_message("row %zu: %d %s\n", i, rc, err.message);
        if (!r->passes) {
            assert_int_equal(rc, r->in_w);
            assert_true(strlen(err.message) > 10);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(s.in_width, r->in_w);
        assert_int_equal(s.in_height, r->in_h);
        assert_int_equal(s.width, r->out_w);
        assert_int_equal(s.height, r->out_h);
        assert_int_equal(s.passes, r->passes);
    }
}

/* Chains of models: which runs in each pass, as a string of digits. */
static const struct {
    int scales[3], models; /* numerators; the denominator of a negative one is 2 */
    double scale;          /* asked for; 0: the models' own */
    const char *order;
    int width, height; /* of the output of 100 x 50 */
} CHAINS[] = {
    {{1, 4}, 2, 0, "01", 400, 200},
    {{1, 4}, 2, 2, "01", 200, 100},
    {{1, 4}, 2, 16, "011", 1600, 800},
    {{1, 1, 1}, 3, 0, "012", 100, 50},
    {{1, 1}, 2, 3, "01", 300, 150},
    {{2, 3}, 2, 0, "01", 600, 300},
    {{2, 3}, 2, 7, "011", 700, 350},
    /* In its place, so that what follows sees the last of it. */
    {{1, 2, 1}, 3, 8, "01112", 800, 400},
    {{4, 1}, 2, 8, "001", 800, 400},
    /* Half of the size after the fourfold one. */
    {{4, -1}, 2, 0, "01", 200, 100},
    {{4, -1}, 2, 8, "001", 800, 400},
    {{2, 2}, 2, 64, "011111", 6400, 3200},
    {{1, 1, -3}, 3, 64, "0122222222222", 6400, 3200}, /* 1.5 to the 11th is 86 */
};

static void the_last_upscaler_of_a_chain_is_repeated_in_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < PQ_COUNT(CHAINS); i++) {
        struct pq_scale scales[3];
        for (int m = 0; m < 3; m++) {
            const int n = CHAINS[i].scales[m];
            scales[m] = n < 0 ? (struct pq_scale){-n, 2} : (struct pq_scale){n, 1};
        }
        const pique_picture_options o = {.scale = CHAINS[i].scale};
        struct pq_size s;
        pique_error err = {0};
        int rc = pq_size_resolve(&o, 100, 50, scales, CHAINS[i].models, "a.png", &s, &err);
        print_message("chain %zu: %d %s\n", i, rc, err.message);
        assert_int_equal(rc, 0);
        char order[PQ_MAX_PASSES + 1] = "";
        for (int p = 0; p < s.passes; p++)
            order[p] = (char)('0' + s.model[p]);
        assert_string_equal(order, CHAINS[i].order);
        assert_int_equal(s.width, CHAINS[i].width);
        assert_int_equal(s.height, CHAINS[i].height);
    }
}

static void a_refused_scale_is_named(void **state)
{
    (void)state;
    pique_error err;
    struct pq_size s;
    const pique_picture_options o = {.scale = (double)NAN};
    assert_int_equal(pq_size_resolve(&o, 1, 1, &TWICE, 1, "a.png", &s, &err), PIQUE_EINVAL);
    assert_non_null(strstr(err.message, "nan"));
    assert_int_equal(pq_size_resolve(&o, 1, 1, &TWICE, 1, "a.png", &s, NULL), PIQUE_EINVAL);
}

static void only_no_option_is_the_models_own_scale(void **state)
{
    (void)state;
    struct pq_size s;
    assert_int_equal(pq_size_resolve(&(pique_picture_options){0}, 9, 9, &TWICE, 1, "a", &s, NULL),
                     0);
    assert_true(s.own);
    assert_int_equal(
        pq_size_resolve(&(pique_picture_options){.scale = 2}, 9, 9, &TWICE, 1, "a", &s, NULL), 0);
    assert_false(s.own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_passes_follow_the_table),
        cmocka_unit_test(the_last_upscaler_of_a_chain_is_repeated_in_its_place),
        cmocka_unit_test(a_refused_scale_is_named),
        cmocka_unit_test(only_no_option_is_the_models_own_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
