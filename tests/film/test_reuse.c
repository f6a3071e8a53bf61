/* SPDX-License-Identifier: MIT */
/* Which frames count as the same. */
#include <string.h>

#include "film/reuse.h"
#include "helper.h"

enum { W = 24, H = 10 };

struct planes {
    struct pq_frame frame;
    unsigned char bytes[3][H][W + 8]; /* rows are longer than they say */
};

/* Frames of this test are plain structs: nobody counts them. */
static struct pq_frame *plain_ref(struct pq_frame *frame)
{
    return frame;
}

static void plain_unref(struct pq_frame **frame)
{
    *frame = NULL;
}

static const struct pq_video_io plain = {.frame_ref = plain_ref, .frame_unref = plain_unref};

static void fill(struct planes *p, int value, int depth)
{
    memset(p, 0, sizeof *p);
    p->frame = (struct pq_frame){.width = W, .height = H, .depth = depth, .planes = 3};
    for (int i = 0; i < 3; i++) {
        memset(p->bytes[i], value, sizeof p->bytes[i]);
        p->frame.plane[i] = (struct pq_frame_plane){p->bytes[i][0], W + 8, W, H};
    }
}

static struct pq_reuse *make(uint64_t bytes, int tolerance)
{
    struct pq_reuse *r;
    pique_error err;
    assert_int_equal(pq_reuse_new(&plain, bytes, tolerance, &r, &err), 0);
    return r;
}

static void add(struct pq_reuse *r, struct planes *p, int64_t number, int64_t forgets)
{
    int64_t forgotten;
    pique_error err;
    assert_int_equal(pq_reuse_add(r, &p->frame, number, &forgotten, &err), 0);
    assert_int_equal(forgotten, forgets);
}

static void one_sample_makes_another_frame(void **state)
{
    (void)state;
    struct planes a, b;
    struct pq_reuse *r = make(1, 0);
    fill(&a, 100, 8);
    add(r, &a, 7, -1);
    for (int p = 0; p < 3; p++) {
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W + 8; x++) {
                fill(&b, 100, 8);
                b.bytes[p][y][x]++;
                /* What lies between two rows is none of the picture. */
                assert_int_equal(pq_reuse_find(r, &b.frame), x < W ? -1 : 7);
            }
        }
    }
    pq_reuse_free(&r);
}

static void a_tolerance_counts_in_steps_of_8_bits_at_any_depth(void **state)
{
    (void)state;
    struct planes a, b;
    for (int depth = 8; depth <= 12; depth += 2) {
        for (int tolerance = 1; tolerance <= 4; tolerance++) {
            struct pq_reuse *r = make(1, tolerance);
            const int most = tolerance << (depth - 8);
            fill(&a, 1, depth);
            add(r, &a, 0, -1);
            for (int d = most - 1; d <= most + 1; d++) {
                fill(&b, 1, depth);
                if (depth == 8) {
                    b.bytes[1][3][4] = (unsigned char)(1 + d);
                } else {
                    uint16_t v = (uint16_t)(0x101 + d);
                    memcpy(&b.bytes[1][3][4], &v, 2);
                }
                assert_int_equal(pq_reuse_find(r, &b.frame), d <= most ? 0 : -1);
            }
            pq_reuse_free(&r);
        }
    }
}

/* A slow fade: each frame is within the tolerance of the one before it, but only an anchor counts.
 */
static void errors_do_not_add_up(void **state)
{
    (void)state;
    struct planes frames[20];
    struct pq_reuse *r = make(1, 2);
    int64_t anchor = -1;
    for (int i = 0; i < 20; i++) {
        fill(&frames[i], 50 + i, 8);
        const int64_t found = pq_reuse_find(r, &frames[i].frame);
        assert_int_equal(found, i % 3 == 0 ? -1 : anchor);
        if (found < 0) {
            add(r, &frames[i], i, -1);
            anchor = i;
        }
    }
    pq_reuse_free(&r);
}

static void the_newest_is_found_and_the_oldest_forgotten(void **state)
{
    (void)state;
    struct planes frames[18];
    struct pq_reuse *r = make(1, 0);
    for (int i = 0; i < 18; i++) {
        fill(&frames[i], i, 8);
        add(r, &frames[i], i, i < PQ_REUSE_BACK ? -1 : i - PQ_REUSE_BACK);
    }
    assert_int_equal(pq_reuse_find(r, &frames[1].frame), -1);
    assert_int_equal(pq_reuse_find(r, &frames[2].frame), 2);
    assert_int_equal(pq_reuse_find(r, &frames[17].frame), 17);
    pq_reuse_restart(r);
    assert_int_equal(pq_reuse_find(r, &frames[17].frame), -1);
    pq_reuse_free(&r);
}

static void large_frames_are_kept_in_smaller_numbers(void **state)
{
    (void)state;
    struct planes a;
    struct pq_reuse *r = make((uint64_t)100 << 20, 0); /* two of these */
    fill(&a, 1, 8);
    add(r, &a, 0, -1);
    add(r, &a, 1, -1);
    add(r, &a, 2, 0);
    pq_reuse_free(&r);
    r = make((uint64_t)1 << 40, 0);
    add(r, &a, 0, -1);
    add(r, &a, 1, 0);
    pq_reuse_free(&r);
}

static void another_size_or_depth_is_another_frame(void **state)
{
    (void)state;
    struct planes a, b;
    fill(&a, 1, 8);
    fill(&b, 1, 8);
    assert_true(pq_frames_alike(&a.frame, &b.frame, 0));
    b.frame.depth = 10;
    assert_false(pq_frames_alike(&a.frame, &b.frame, 0));
    fill(&b, 1, 8);
    b.frame.plane[2].rows--;
    assert_false(pq_frames_alike(&a.frame, &b.frame, 0));
    fill(&b, 1, 8);
    b.frame.planes = 1;
    assert_false(pq_frames_alike(&a.frame, &b.frame, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_sample_makes_another_frame),
        cmocka_unit_test(a_tolerance_counts_in_steps_of_8_bits_at_any_depth),
        cmocka_unit_test(errors_do_not_add_up),
        cmocka_unit_test(the_newest_is_found_and_the_oldest_forgotten),
        cmocka_unit_test(large_frames_are_kept_in_smaller_numbers),
        cmocka_unit_test(another_size_or_depth_is_another_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
