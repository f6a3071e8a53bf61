/* SPDX-License-Identifier: MIT */
/* The network stage and its sanity check over an engine of a few lines (fake.c). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "fake.h"
#include "upscale/check.h"
#include "kernels/colour.h"
#include "upscale/stages.h"

static struct pq_pool *pool; /* of three threads */

static pique_engine engine_of(enum fake_network network, int scale, int channels)
{
    return (pique_engine){.network = network,
                          .scale = scale,
                          .channels = channels,
                          .band = 8,
                          .lag = 3,
                          .budget = 1 << 30,
                          .pool = pool};
}

/* One pass; asserts that it succeeds and leaves nothing open. */
static struct image pass(const struct image *in, pique_engine *engine, int rows)
{
    struct pq_stage *chain = image_stage(in);
    pique_error err = {0};
    int rc = pq_network_stage(&chain, engine, 1000, 1, &err);
    assert_int_equal(rc, 0);
    struct image out = drain(chain, rows);
    assert_int_equal(image_stages_open + engine->streams_open, 0);
    return out;
}

/* One pass that may fail in any way. */
static int try_pass(const struct image *in, pique_engine *engine, pique_error *err)
{
    struct pq_stage *chain = image_stage(in);
    struct image out = {0};
    int rc = pq_network_stage(&chain, engine, 1000, 2, err);
    if (!rc) {
        out = image_new(chain->width, chain->height, chain->planes);
        rc = read_all(chain, 5, out.data, err);
    }
    chain->close(chain);
    image_free(&out);
    assert_int_equal(image_stages_open + engine->streams_open, 0);
    return rc;
}

static float repeat_at(const struct image *in, int x, int y, int c)
{
    x = x < 0 ? 0 : PQ_MIN(x, in->width - 1);
    y = y < 0 ? 0 : PQ_MIN(y, in->height - 1);
    return image_at(in, x, y)[c];
}

/* What FAKE_NEAREST and FAKE_BLUR make of plane c. */
static double network_at(const struct image *in, const pique_engine *engine, int x, int y, int c)
{
    x /= engine->scale;
    y /= engine->scale;
    if (engine->network == FAKE_NEAREST)
        return repeat_at(in, x, y, c);
    double sum = 0;
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++)
            sum += repeat_at(in, x + dx, y + dy, c);
    return sum / 9;
}

/* Alpha where the 5 x 5 pixels around have one value, else -1. */
static float kept_alpha(const struct image *in, int x, int y)
{
    const float a = image_at(in, x, y)[3];
    for (int v = y - 2; v <= y + 2; v++)
        for (int u = x - 2; u <= x + 2; u++)
            if (repeat_at(in, u, v, 3) != a)
                return -1;
    return a;
}

static void assert_pass(const struct image *in, const struct image *out, const pique_engine *e)
{
    assert_int_equal(out->width, in->width * e->scale);
    assert_int_equal(out->height, in->height * e->scale);
    assert_int_equal(out->planes, in->planes);
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++) {
            const float *p = image_at(out, x, y);
            for (int c = 0; c < 3; c++)
                assert_true(fabs(p[c] - network_at(in, e, x, y, c)) < 1e-6);
            if (in->planes < 4)
                continue;
            const float kept = kept_alpha(in, x / e->scale, y / e->scale);
            if (kept >= 0)
                assert_true(p[3] == kept);
            else
                assert_true(fabs(p[3] - network_at(in, e, x, y, 3)) < 1e-6);
        }
}

static void a_pass_is_the_network_over_the_whole_picture_with_alpha_as_its_own_plane(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 23}, {31, 1}, {3, 5}, {40, 37}};
    static const int channels[] = {3, 1, 4};
    static const int frames[2][3] = {{1, 3, 1}, {2, 4, 1}};
    for (int i = 0; i < 5 * 3 * 2 * 2; i++) {
        const int planes = 3 + i / 15 % 2, k = i / 5 % 3;
        struct image in = image_random(sizes[i % 5][0], sizes[i % 5][1], planes, (unsigned)i);
        pique_engine e = engine_of(i < 30 ? FAKE_NEAREST : FAKE_BLUR, 1 + i % 4, channels[k]);
        struct image out = pass(&in, &e, 0);
        assert_int_equal(e.frames, frames[planes - 3][k]);
        assert_pass(&in, &out, &e);
        image_free(&in);
        image_free(&out);
    }
}

static void neither_band_nor_lag_nor_rows_at_a_time_change_a_bit(void **state)
{
    (void)state;
    static const int bands[] = {1, 2, 3, 8, 64}, lags[] = {0, 1, 5, 30}, rows[] = {1, 2, 3, 7, 0};
    for (int planes = 3; planes <= 4; planes++) {
        struct image in = image_random(70, 45, planes, 8);
        pique_engine e = engine_of(FAKE_BLUR, 2, 3);
        struct image first = pass(&in, &e, 0);
        for (int i = 0; i < 5 * 4 * 5; i++) {
            e.band = bands[i % 5];
            e.lag = lags[i / 5 % 4];
            e.pool = i % 2 ? pool : NULL;
            struct image out = pass(&in, &e, rows[i / 20]);
            assert_memory_equal(first.data, out.data, (size_t)(140 * 90 * planes) * sizeof(float));
            image_free(&out);
        }
        image_free(&in);
        image_free(&first);
    }
}

static void what_leaves_0_to_1_is_clipped_between_passes(void **state)
{
    (void)state;
    struct image in = image_random(20, 20, 4, 3);
    pique_engine e = engine_of(FAKE_LOUD, 2, 3);
    struct image out = pass(&in, &e, 3);
    for (int y = 0; y < 40; y++)
        for (int x = 0; x < 40; x++)
            for (int c = 0; c < 3; c++)
                assert_true(image_at(&out, x, y)[c] ==
                            pq_clip01(3 * image_at(&in, x / 2, y / 2)[c] - 1));
    for (int i = 0; i < 40 * 40; i++)
        assert_true(out.data[i * 4 + 3] >= 0 && out.data[i * 4 + 3] <= 1);
    image_free(&in);
    image_free(&out);
}

static void opaque_stays_opaque_and_empty_stays_empty(void **state)
{
    (void)state;
    struct image in = image_random(30, 30, 4, 3);
    for (int i = 0; i < 30 * 30; i++)
        in.data[i * 4 + 3] = i / 30 < 15 ? 1 : 0;
    pique_engine e = engine_of(FAKE_LOUD, 3, 3); /* would take any alpha elsewhere */
    struct image out = pass(&in, &e, 1);
    for (int y = 0; y < 90; y++)
        for (int x = 0; x < 90 && (y < 39 || y >= 51); x++)
            assert_true(image_at(&out, x, y)[3] == (y < 45 ? 1 : 0));
    image_free(&in);
    image_free(&out);
}

static void alpha_is_kept_where_it_is_even_two_pixels_around(void **state)
{
    (void)state;
    struct image in = image_random(15, 15, 4, 3);
    for (int i = 0; i < 15 * 15; i++)
        in.data[i * 4 + 3] = 0.625f; /* which the network would turn into 0.875 */
    image_at(&in, 7, 7)[3] = 0.75f;
    for (int band = 1; band <= 20; band++) {
        pique_engine e = engine_of(FAKE_LOUD, 2, 3);
        e.band = band;
        e.lag = 0; /* rows come out before those below have to go in */
        struct image out = pass(&in, &e, 2);
        for (int y = 0; y < 30; y++)
            for (int x = 0; x < 30; x++) {
                const int dx = x / 2 - 7, dy = y / 2 - 7;
                const bool near = dx >= -2 && dx <= 2 && dy >= -2 && dy <= 2;
                const float want = !near ? 0.625f : dx || dy ? 0.875f : 1;
                assert_true(fabs(image_at(&out, x, y)[3] - want) < 1e-6);
            }
        image_free(&out);
    }
    image_free(&in);
}

/* Red where it can be seen, black where not. */
static struct image red_disc(int size)
{
    struct image in = image_new(size, size, 4);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            const double d = hypot(x - size / 2.0, y - size / 2.0) - size * 0.3;
            float *p = image_at(&in, x, y);
            p[3] = d <= 0 ? 1 : d < 1 ? (float)(1 - d) : 0;
            p[0] = p[3] > 0;
        }
    return in;
}

static void no_fringe_grows_around_a_disc_on_nothing(void **state)
{
    (void)state;
    struct image in = red_disc(90);
    for (int network = FAKE_NEAREST; network <= FAKE_BLUR; network++) {
        pique_engine e = engine_of((enum fake_network)network, 2, 3);
        struct pq_stage *chain = image_stage(&in);
        assert_int_equal(pq_resize_stage(&chain, 80, 80, NULL, NULL), 0);
        assert_int_equal(pq_bleed_stage(&chain, NULL), 0);
        assert_int_equal(pq_network_stage(&chain, &e, 1000, 1, NULL), 0);
        assert_int_equal(pq_network_stage(&chain, &e, 1000, 2, NULL), 0);
        assert_int_equal(pq_resize_stage(&chain, 237, 237, NULL, NULL), 0);
        struct image out = drain(chain, 3);
        int seen = 0, half = 0;
        for (int i = 0; i < out.width * out.height; i++) {
            const float *p = out.data + i * 4;
            seen += p[3] > 0;
            half += p[3] > 0 && p[3] < 1;
            if (p[3] > 0) {
                assert_true(p[0] > 0.999f);
                assert_true(p[1] == 0 && p[2] == 0);
            }
        }
        assert_true(seen > 10000 && half > 200);
        image_free(&out);
    }
    image_free(&in);
}

static void without_the_bleed_the_same_disc_has_a_fringe(void **state)
{
    (void)state; /* or the test above could not fail */
    struct image in = red_disc(90);
    pique_engine e = engine_of(FAKE_BLUR, 2, 3);
    struct image out = pass(&in, &e, 0);
    float darkest = 1;
    for (int i = 0; i < out.width * out.height; i++)
        if (out.data[i * 4 + 3] > 0.1f)
            darkest = PQ_MIN(darkest, out.data[i * 4]);
    assert_true(darkest < 0.5f);
    image_free(&in);
    image_free(&out);
}

/* ---- the sanity check ---- */

static void a_value_that_is_no_number_is_refused_and_its_rows_named(void **state)
{
    (void)state;
    for (int planes = 3; planes <= 4; planes++) {
        struct image in = image_random(40, 120, planes, 8);
        pique_engine e = engine_of(FAKE_NAN, 2, 3);
        pique_error err = {0};
        assert_int_equal(try_pass(&in, &e, &err), PIQUE_EDEVICE);
        print_message("%s\n", err.message);
        assert_non_null(strstr(err.message, "pass 2: output rows "));
        image_free(&in);
    }
}

static void infinities_are_refused(void **state)
{
    (void)state;
    const struct pq_check_shape shape = {1, 1, 1, 4, 4, 4, 4, 1};
    float data[16] = {0};
    const pique_rows rows = {data, 16, 64, PIQUE_SAMPLE_F32};
    for (int i = 0; i < 3; i++) {
        struct pq_check *check;
        assert_int_equal(pq_check_new(&shape, NULL, &check, NULL), 0);
        data[5] = i == 0 ? INFINITY : i == 1 ? -INFINITY : 3e38f;
        assert_int_equal(pq_check_output(check, &rows, 4, 1, NULL), i < 2 ? PIQUE_EDEVICE : 0);
        pq_check_free(&check);
    }
}

static void of_several_pictures_the_wrong_one_is_named(void **state)
{
    (void)state; /* each: 2 where colours and alpha are frames of their own */
    enum { SIDE = 16, AREA = SIDE * SIDE, FRAMES = 8 };
    static float in[FRAMES * AREA], out[FRAMES * AREA];
    const pique_rows rows[] = {{in, SIDE * 4, AREA * 4, PIQUE_SAMPLE_F32},
                               {out, SIDE * 4, AREA * 4, PIQUE_SAMPLE_F32}};
    for (int wrong = 0; wrong < 2 * FRAMES; wrong++) {
        const int frame = wrong / 2, each = 1 + wrong % 2, pictures = FRAMES / each;
        const struct pq_check_shape shape = {FRAMES, 1, 1, SIDE, SIDE, SIDE, SIDE, each};
        for (int flat = 0; flat < 2; flat++) {
            struct pq_check *check;
            pique_error err = {0};
            char sentence[64];
            for (int i = 0; i < FRAMES * AREA; i++)
                in[i] = out[i] = (float)(i % 7) / 7;
            for (int i = 0; flat && i < AREA; i++)
                out[frame * AREA + i] = 0.5f;
            if (!flat)
                out[frame * AREA + 99] = NAN;
            assert_int_equal(pq_check_new(&shape, NULL, &check, NULL), 0);
            assert_int_equal(pq_check_input(check, &rows[0], SIDE, NULL), 0);
            assert_int_equal(pq_check_output(check, &rows[1], SIDE, 1, &err), PIQUE_EDEVICE);
            snprintf(sentence, sizeof sentence, "pass 1, picture %d of %d: output rows 0 to 15",
                     frame / each + 1, pictures);
            if (!strstr(err.message, sentence))
                fail_msg("'%s' does not say '%s'", err.message, sentence);
            pq_check_free(&check);
        }
    }
}

static void a_flat_result_of_a_picture_that_is_not_flat_is_refused(void **state)
{
    (void)state;
    struct image in = image_random(75, 75, 3, 8);
    for (int scale = 1; scale <= 4; scale++) {
        pique_engine e = engine_of(FAKE_CONSTANT, scale, 3);
        pique_error err = {0};
        assert_int_equal(try_pass(&in, &e, &err), PIQUE_EDEVICE);
        print_message("%s\n", err.message);
        assert_non_null(strstr(err.message, "rows 0 to 63, columns 0 to 63"));
    }
    /* Only one spot far from the corner tells: that tile is named. */
    for (int i = 0; i < 75 * 75 * 3; i++)
        in.data[i] = 0.25f;
    image_at(&in, 40, 66)[1] = 0.5f;
    pique_engine e = engine_of(FAKE_CONSTANT, 2, 3);
    pique_error err = {0};
    assert_int_equal(try_pass(&in, &e, &err), PIQUE_EDEVICE);
    assert_non_null(strstr(err.message, "rows 128 to 149, columns 64 to 127"));
    image_free(&in);
}

static void a_flat_result_of_an_almost_flat_picture_is_fine(void **state)
{
    (void)state;
    struct image in = image_random(70, 70, 3, 8);
    for (int i = 0; i < 70 * 70 * 3; i++)
        in.data[i] = 0.5f + in.data[i] * (15 / 255.0f);
    pique_engine e = engine_of(FAKE_CONSTANT, 2, 3);
    assert_int_equal(try_pass(&in, &e, NULL), 0);
    image_free(&in);
}

static void a_piece_that_is_too_small_is_not_judged_flat(void **state)
{
    (void)state; /* a network that halves may well make one colour of a few pixels */
    for (int side = 8; side <= 16; side += 8) {
        const struct pq_check_shape shape = {1, 1, 1, 2 * side, 2 * side, side, side, 1};
        float in[32 * 32] = {1}, out[16 * 16] = {0};
        const pique_rows in_rows = {in, 2 * side * 4, 0, PIQUE_SAMPLE_F32};
        const pique_rows out_rows = {out, side * 4, 0, PIQUE_SAMPLE_F32};
        struct pq_check *check;
        assert_int_equal(pq_check_new(&shape, NULL, &check, NULL), 0);
        assert_int_equal(pq_check_input(check, &in_rows, 2 * side, NULL), 0);
        assert_int_equal(pq_check_output(check, &out_rows, side, 1, NULL),
                         side < 16 ? 0 : PIQUE_EDEVICE);
        pq_check_free(&check);
    }
}

static void a_drawing_with_flat_parts_is_never_refused(void **state)
{
    (void)state; /* black boxes on white, of which whole tiles see nothing but one colour */
    struct image in = image_new(150, 131, 4);
    for (int shift = 0; shift < 40; shift += 9)
        for (int scale = 1; scale <= 5; scale++) {
            for (int i = 0; i < 150 * 131; i++) {
                const int x = i % 150 + shift, y = i / 150 + shift;
                const float v = x / 23 % 2 == y / 31 % 2;
                memcpy(in.data + i * 4, (float[4]){v, 1, v, v}, 4 * sizeof(float));
            }
            pique_engine e = engine_of(FAKE_NEAREST, scale, 3);
            e.band = 1 + shift;
            assert_int_equal(try_pass(&in, &e, NULL), 0);
        }
    image_free(&in);
}

/* ---- failures ---- */

static void failures_of_the_engine_come_through(void **state)
{
    (void)state;
    struct image in = image_random(20, 50, 4, 8);
    pique_engine e = engine_of(FAKE_NEAREST, 2, 3);
    e.fail_step = 3;
    assert_int_equal(try_pass(&in, &e, NULL), PIQUE_EDEVICE);
    e = engine_of(FAKE_NEAREST, 2, 3);
    e.cancel_after = 4;
    assert_int_equal(try_pass(&in, &e, NULL), PIQUE_ECANCELED);
    assert_int_equal(e.steps, 3);
    e = engine_of(FAKE_NEAREST, 2, 3);
    e.stuck = true;
    assert_int_equal(try_pass(&in, &e, NULL), PIQUE_EINTERNAL);
    e = engine_of(FAKE_NEAREST, 2, 2);
    pique_error err = {0};
    assert_int_equal(try_pass(&in, &e, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "fake.model"));
    image_free(&in);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    struct image in = image_random(70, 90, 4, 8);
    bool whole = false;
    long n = 1;
    for (; !whole; n++) {
        pique_engine e = engine_of(FAKE_BLUR, 2, 3);
        e.lag = 40; /* so that rings grow */
        pq_fault_arm(PQ_FAULT_ALLOC, n, 12, false);
        int rc = try_pass(&in, &e, NULL);
        whole = pq_fault_count(PQ_FAULT_ALLOC) < n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_int_equal(rc, whole ? 0 : PIQUE_ENOMEM);
    }
    assert_true(n > 10);
    image_free(&in);
}

static int start_pool(void **state)
{
    (void)state;
    return pq_pool_create(3, &pool, NULL);
}

static int stop_pool(void **state)
{
    (void)state;
    pq_pool_destroy(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pass_is_the_network_over_the_whole_picture_with_alpha_as_its_own_plane),
        cmocka_unit_test(neither_band_nor_lag_nor_rows_at_a_time_change_a_bit),
        cmocka_unit_test(what_leaves_0_to_1_is_clipped_between_passes),
        cmocka_unit_test(opaque_stays_opaque_and_empty_stays_empty),
        cmocka_unit_test(alpha_is_kept_where_it_is_even_two_pixels_around),
        cmocka_unit_test(no_fringe_grows_around_a_disc_on_nothing),
        cmocka_unit_test(without_the_bleed_the_same_disc_has_a_fringe),
        cmocka_unit_test(a_value_that_is_no_number_is_refused_and_its_rows_named),
        cmocka_unit_test(infinities_are_refused),
        cmocka_unit_test(of_several_pictures_the_wrong_one_is_named),
        cmocka_unit_test(a_flat_result_of_a_picture_that_is_not_flat_is_refused),
        cmocka_unit_test(a_flat_result_of_an_almost_flat_picture_is_fine),
        cmocka_unit_test(a_piece_that_is_too_small_is_not_judged_flat),
        cmocka_unit_test(a_drawing_with_flat_parts_is_never_refused),
        cmocka_unit_test(failures_of_the_engine_come_through),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, start_pool, stop_pool);
}
