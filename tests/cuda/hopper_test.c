/* SPDX-License-Identifier: MIT */
/* Convolutions in strips, which GPUs of compute capability 9.0 compute: the C of their kernels,
 * which reads what descriptors say that the matrix unit reads; and that a GPU on which they are
 * not right computes without them. */
#include "../net.h"
#include "../sanitized.h"
#include "backend/cuda/hopper.h"
#include "backend/cuda/kernels/warpgroup.h"
#include "base/alloc.h"
#include "nothing.h"

#include <stdio.h>

static void all_is_well(void)
{
    nothing_is_wrong();
    nothing_is_left();
}

static void start(uint64_t seed)
{
    assert_int_equal(standin_reset(), 0);
    cuda_hopper_forget();
    standin_mode(seed % 2 ? STANDIN_LAZY : STANDIN_THREADS, seed, 20);
    standin_device(0)->major = 9;
}

/* ---- what descriptors say ---- */

/* Halves that tell pixel and channel, where both layouts put them. */
static uint32_t fill_row(enum wg_layout layout, uint32_t row)
{
    for (int pixel = 0; pixel < CUDA_STRIP_SLOTS; pixel++) {
        for (int u = 0; u < 8; u++) {
            uint16_t halves[8];
            for (int c = 0; c < 8; c++)
                halves[c] = cuda_f16_bits((float)(pixel * 16 + u) + (float)c * 0.125f);
            memcpy(wg_at(wg_unit(layout, row, pixel, u), 16), halves, 16);
        }
    }
    return row;
}

/* From each row of the ring, and each pixel that a tap begins with. */
static void a_descriptor_finds_every_value(void **state)
{
    (void)state;
    for (int layout = WG_PLANES; layout <= WG_SWIZZLED; layout++) {
        const uint32_t shared = wg_block_begin();
        for (uint32_t r = 0; r < CUDA_STRIP_RING; r++) {
            const uint32_t row =
                fill_row((enum wg_layout)layout, shared + r * (uint32_t)CUDA_STRIP_ROW);
            for (int at = 0; at < 3 * 4 * CUDA_STRIP_W * 16; at++) {
                const int first = at % 3, u = at / 3 % 4 * 2;
                const int n = at / 12 % CUDA_STRIP_W, k = at / 12 / CUDA_STRIP_W;
                const uint64_t d = wg_descriptor((enum wg_layout)layout,
                                                 wg_row((enum wg_layout)layout, row), first, u);
                const float want = (float)((first + n) * 16 + u + k / 8) + (float)(k % 8) * 0.125f;
                if (wg_operand(d, n, k) != cuda_f16_value(cuda_f16_bits(want)))
                    fail_msg("layout %d, row %u: pixel %d + %d, unit %d, channel %d", layout, r,
                             first, n, u, k);
            }
        }
    }
}

/* Another address, distance, pattern or mode finds other values. */
static void each_bit_of_a_descriptor_counts(void **state)
{
    (void)state;
    static const int bits[2][3] = {{0, 16, 32}, {0, 32, 49}};
    for (int layout = WG_PLANES; layout <= WG_SWIZZLED; layout++) {
        const uint32_t row = fill_row((enum wg_layout)layout, wg_block_begin());
        const uint64_t right =
            wg_descriptor((enum wg_layout)layout, wg_row((enum wg_layout)layout, row), 1, 2);
        for (int i = 0; i < 3; i++) {
            const uint64_t wrong = right ^ UINT64_C(1) << bits[layout][i];
            int other = 0;
            for (int k = 0; k < 16; k++)
                other += wg_operand(wrong, 9, k) != wg_operand(right, 9, k);
            assert_true(other > 0);
        }
    }
}

/* ---- what they compute ---- */

static float *run(const struct pq_graph *graph, const char *device, const struct pq_geometry *g,
                  const float *in, size_t *floats)
{
    int width, height, rc;
    float *out = net_run_tier(graph, device, PIQUE_PRECISION_FP16, 1, g, in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    *floats = (size_t)g->frames * (size_t)width * (size_t)height *
              (size_t)graph->ops[graph->output].channels;
    return out;
}

/* As C the kernels of strips and of tiles take their sums in one order. */
static void compare(const struct pq_graph *graph, const struct pq_geometry *g, const float *in,
                    const char *what)
{
    size_t floats;
    float *want = run(graph, "cuda:tiles", g, in, &floats);
    float *have = run(graph, "cuda", g, in, &floats);
    for (size_t i = 0; i < floats; i++) {
        if (memcmp(&have[i], &want[i], sizeof *have) != 0)
            fail_msg("%s, %d x %d x %d in bands of %d: float %zu is %g, not %g", what, g->frames,
                     g->width, g->height, g->band, i, (double)have[i], (double)want[i]);
    }
    free(want);
    free(have);
    all_is_well();
}

/* Another answer for the first layout, so that the second one is taken. */
static void writes_nothing(const struct cuda_args *args)
{
    (void)args;
}

/* 64 channels in, out of a convolution of its own, and what may be behind the sum. */
static void random_net(struct net *net, struct rng *r)
{
    static const int outs[] = {48, 50, 64, 64, 64, 112, 128};
    *net = (struct net){0};
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    const int x = net_conv(net, r, pq_graph_input(net->graph, 3, NULL), CUDA_STRIP_C, 1);
    const bool residual = rng_below(r, 2);
    const int out = residual ? CUDA_STRIP_C : outs[rng_below(r, 7)];
    int y;
    if (rng_below(r, 3)) {
        y = net_conv(net, r, x, out, CUDA_STRIP_K);
    } else { /* without zeros around */
        struct pq_tensor w = net_tensor(
            net, r, 4, (const int64_t[]){out, CUDA_STRIP_C, CUDA_STRIP_K, CUDA_STRIP_K}, 0.02f);
        const struct pq_conv_shape shape = {
            .top = residual, .left = residual, .bottom = residual, .right = residual};
        y = pq_graph_conv(net->graph, x, &w, NULL, &shape, NULL);
    }
    assert_true(y > 0);
    if (rng_below(r, 2)) {
        struct pq_tensor slopes = net_tensor(net, r, 1, (const int64_t[]){out}, 1.0f);
        y = pq_graph_act(net->graph, y, 0, &slopes, NULL);
    }
    if (residual)
        y = pq_graph_add(net->graph, x, y, 0.3f, NULL);
    y = net_conv(net, r, y, 3, 1);
    assert_int_equal(pq_graph_finish(net->graph, y, NULL), 0);
}

/* Pictures narrower and wider than a strip, of odd heights, in batches and bands. Where all takes
 * long, one of the second layout and one that is wide. */
static void strips_have_the_bits_of_tiles(void **state)
{
    (void)state;
    const uint64_t first = (uint64_t)test_much(1, 3, 3), last = (uint64_t)test_much(6, 4, 4);
    for (uint64_t seed = first; seed <= last; seed++) {
        struct rng r = {seed};
        struct net net;
        random_net(&net, &r);
        const int width = seed % 4 == 0 ? 97 + rng_below(&r, 60) : 3 + rng_below(&r, 100);
        const struct pq_geometry g = {1 + rng_below(&r, 2), width, 3 + rng_below(&r, 11),
                                      1 + rng_below(&r, 9)};
        float *in = net_picture(&r, &g, 3);
        start(seed);
        standin_device(0)->multiprocessors = 1 + rng_below(&r, 6);
        if (seed % 3 == 0)
            standin_add_kernel("cuda_conv_strip_swizzled", writes_nothing);
        compare(net.graph, &g, in, "a convolution");
        free(in);
        net_free(&net);
    }
}

static void a_network_has_them_too(void **state)
{
    (void)state;
    struct rng r = {3};
    struct net net;
    net_compact(&net, 3, CUDA_STRIP_C, 2, 4, 3, 0);
    for (int band = 5; band <= test_much(17, 5, 5); band += 12) {
        const struct pq_geometry g = {2, 21, 17, band};
        float *in = net_picture(&r, &g, 3);
        start((uint64_t)band);
        compare(net.graph, &g, in, "a network");
        free(in);
    }
    net_free(&net);
}

static standin_run *kernel_named(const char *name)
{
    const struct standin_kernel *k = standin_kernels;
    while (strcmp(k->name, name) != 0)
        k++;
    return k->run;
}

/* The end of a network: 64 channels become 4 x 4 pixels of 3, to which the picture may be added. */
static void end_net(struct net *net, struct rng *r, bool added)
{
    *net = (struct net){0};
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    struct pq_graph *g = net->graph;
    const int x = pq_graph_input(g, 3, NULL);
    int y = net_conv(net, r, x, CUDA_STRIP_C, 1);
    y = net_conv(net, r, y, 48, CUDA_STRIP_K);
    if (rng_below(r, 2))
        y = pq_graph_act(g, y, 0.2f, NULL, NULL);
    y = pq_graph_pixel_shuffle(g, y, 4, NULL);
    if (added)
        y = pq_graph_add(g, y, pq_graph_nearest(g, x, 4, NULL), 1, NULL);
    assert_true(y > 0);
    assert_int_equal(pq_graph_finish(g, y, NULL), 0);
}

static int shuffled_launches;

static void counts_shuffled(const struct cuda_args *args)
{
    shuffled_launches++;
    kernel_named("cuda_conv_shuffled_swizzled")(args);
}

static void what_is_written_shuffled_has_them_too(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= (uint64_t)test_much(6, 4, 3); seed++) {
        struct rng r = {seed};
        struct net net;
        end_net(&net, &r, seed % 2);
        const int width = seed % 3 == 0 ? 97 + rng_below(&r, 20) : 1 + rng_below(&r, 60);
        const struct pq_geometry g = {1 + rng_below(&r, 2), width, 2 + rng_below(&r, 9),
                                      1 + rng_below(&r, 7)};
        float *in = net_picture(&r, &g, 3);
        start(seed);
        standin_device(0)->multiprocessors = 1 + rng_below(&r, 6);
        standin_add_kernel("cuda_conv_shuffled_swizzled", counts_shuffled);
        shuffled_launches = 0;
        compare(net.graph, &g, in, "the end of a network");
        assert_true(shuffled_launches > 0);
        free(in);
        net_free(&net);
    }
}

/* ---- where they are not right ---- */

static char heard[512];

static void hear(void *user, enum pique_log_level level, const char *line)
{
    (void)user;
    if (level == PIQUE_LOG_WARN)
        snprintf(heard, sizeof heard, "%s", line);
}

static const char *key_of(const struct pq_graph *graph, const char *device,
                          enum pique_precision tier)
{
    static char key[64];
    struct pq_log log;
    struct pq_pool *pool;
    struct pq_program *program;
    heard[0] = '\0';
    pq_log_init(&log, hear, NULL);
    assert_int_equal(pq_pool_create(1, &pool, NULL), 0);
    const struct pq_device_options options = {
        .id = device, .pool = pool, .log = &log, .precision = tier};
    pique_error err;
    if (pq_program_compile(graph, &options, &program, &err))
        fail_msg("%s: %s", device, err.message);
    snprintf(key, sizeof key, "%s", pq_program_numeric_key(program));
    pq_program_release(&program);
    pq_pool_destroy(&pool);
    pq_log_destroy(&log);
    return key;
}

static const char strips[] = "cuda/fp16/wgmma-4", tiles[] = "cuda/fp16/tiles-3";

static void check_key(const struct pq_graph *graph, const char *want, const char *warning)
{
    assert_string_equal(key_of(graph, "cuda", PIQUE_PRECISION_FP16), want);
    if (warning ? !strstr(heard, warning) : heard[0])
        fail_msg("the log says: %s", heard);
}

static void those_alone_that_have_them_are_asked(void **state)
{
    (void)state;
    static const struct {
        int major, minor, channels;
        const char *device, *key;
        enum pique_precision tier;
        int asked;
    } cases[] = {{9, 0, 64, "cuda", strips, PIQUE_PRECISION_FP16, 1},
                 {9, 0, 64, "cuda:0", strips, PIQUE_PRECISION_FP16, 1},
                 {9, 0, 64, "cuda:tiles", tiles, PIQUE_PRECISION_FP16, 0},
                 {9, 0, 64, "cuda:0:tiles", tiles, PIQUE_PRECISION_FP16, 0},
                 {9, 0, 64, "cuda", "cuda/fp32/direct-2", PIQUE_PRECISION_FP32, 0},
                 {9, 0, 48, "cuda", tiles, PIQUE_PRECISION_FP16, 0},
                 {8, 9, 64, "cuda", tiles, PIQUE_PRECISION_FP16, 0},
                 {10, 0, 64, "cuda", tiles, PIQUE_PRECISION_FP16, 0}};
    for (size_t i = 0; i < PQ_COUNT(cases); i++) {
        struct net net;
        net_compact(&net, 1, cases[i].channels, 1, 2, 3, 0);
        start(1);
        standin_device(0)->major = cases[i].major;
        standin_device(0)->minor = cases[i].minor;
        assert_string_equal(key_of(net.graph, cases[i].device, cases[i].tier), cases[i].key);
        assert_int_equal(standin_calls("cuCtxCreate_v2"), cases[i].asked);
        all_is_well();
        net_free(&net);
    }
    assert_null(pq_backend_find("cuda:tiles:0"));
    assert_null(pq_backend_find("cuda:0tiles"));
    assert_null(pq_backend_find("cuda0:tiles"));
}

static void one_that_was_right_is_not_asked_again(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 1, CUDA_STRIP_C, 1, 2, 3, 0);
    start(1);
    for (int i = 0; i < 3; i++)
        check_key(net.graph, strips, NULL);
    assert_int_equal(standin_calls("cuCtxCreate_v2"), 1);
    all_is_well();
    net_free(&net);
}

/* One value of the last row is one place off. */
static void is_nearly_right(const struct cuda_args *a)
{
    kernel_named("cuda_conv_strip_planes")(a);
    uint16_t *data = (uint16_t *)(void *)a->out.data;
    const int64_t y = a->y0 + a->rows - 1;
    data[cuda_offset(&a->out, a->frames - 1, y, a->out.width - 1) + a->out.channels - 1] ^= 1;
}

static void a_gpu_that_computes_wrongly_uses_tiles(void **state)
{
    (void)state;
    struct net net;
    net_compact(&net, 1, CUDA_STRIP_C, 1, 2, 3, 0);
    start(1);
    standin_add_kernel("cuda_conv_strip_swizzled", is_nearly_right);
    check_key(net.graph, strips, NULL); /* the other layout is right */
    cuda_hopper_forget();
    standin_add_kernel("cuda_conv_strip_planes", is_nearly_right);
    check_key(net.graph, tiles, "they gave other numbers");
    all_is_well();
    net_free(&net);
}

/* No time is spent where no numbers are wanted; nothing that is not written is the same. */
static void start_idle(uint64_t seed)
{
    static const char *const kernels[] = {"cuda_conv_half48", "cuda_conv_half64",
                                          "cuda_conv_strip_swizzled", "cuda_conv_strip_planes"};
    start(seed);
    for (size_t i = 0; i < PQ_COUNT(kernels); i++)
        standin_add_kernel(kernels[i], writes_nothing);
}

/* Whatever goes wrong while a GPU is asked ends with the context in which it is, even what a GPU
 * does not survive. */
static void a_gpu_that_fails_when_asked_uses_tiles(void **state)
{
    (void)state;
    static const char *const calls[] = {
        "cuCtxCreate_v2",     "cuStreamCreate",       "cuModuleLoadData",     "cuModuleGetFunction",
        "cuFuncSetAttribute", "cuMemAlloc_v2",        "cuMemcpyHtoDAsync_v2", "cuStreamSynchronize",
        "cuLaunchKernel",     "cuMemcpyDtoHAsync_v2", "cuCtxDestroy_v2"};
    struct rng r = {1};
    struct net net;
    net_compact(&net, 1, CUDA_STRIP_C, 1, 2, 3, 0);
    for (size_t i = 0; i < 2 * PQ_COUNT(calls); i++) {
        start_idle(i);
        /* Sticky, but for the first, in which there is no context yet that it could end with. */
        standin_fail(calls[i / 2], 1, CUDA_ERROR_LAUNCH_FAILED, i > 1 && i % 2);
        check_key(net.graph, tiles, "not used");
    }
    for (int nth = 1; nth <= 8; nth++) { /* all launches of the first layout */
        start_idle((uint64_t)nth);
        standin_fail_kernel(nth, CUDA_ERROR_ILLEGAL_ADDRESS);
        check_key(net.graph, tiles, "they gave other numbers");
        all_is_well();
    }
    const struct pq_geometry g = {1, 20, 5, 5};
    float *in = net_picture(&r, &g, 3);
    size_t floats;
    start(1);
    standin_fail_kernel(3, CUDA_ERROR_ILLEGAL_ADDRESS);
    free(run(net.graph, "cuda", &g, in, &floats));
    all_is_well();
    free(in);
    net_free(&net);
}

static void a_gpu_that_does_not_survive_it_says_what_helps(void **state)
{
    (void)state;
    struct net net;
    struct pq_pool *pool;
    struct pq_program *program;
    pique_error err;
    net_compact(&net, 1, CUDA_STRIP_C, 1, 2, 3, 0);
    assert_int_equal(pq_pool_create(1, &pool, NULL), 0);
    const struct pq_device_options options = {
        .id = "cuda", .pool = pool, .precision = PIQUE_PRECISION_FP16};
    start_idle(1);
    /* There is no context yet that it could end with. */
    standin_fail("cuCtxCreate_v2", 1, CUDA_ERROR_LAUNCH_FAILED, true);
    assert_int_equal(pq_program_compile(net.graph, &options, &program, &err), PIQUE_EDEVICE);
    assert_non_null(strstr(err.message, "--device cuda:tiles asks less"));
    pq_pool_destroy(&pool);
    net_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_finds_every_value),
        cmocka_unit_test(each_bit_of_a_descriptor_counts),
        cmocka_unit_test(strips_have_the_bits_of_tiles),
        cmocka_unit_test(a_network_has_them_too),
        cmocka_unit_test(what_is_written_shuffled_has_them_too),
        cmocka_unit_test(those_alone_that_have_them_are_asked),
        cmocka_unit_test(one_that_was_right_is_not_asked_again),
        cmocka_unit_test(a_gpu_that_computes_wrongly_uses_tiles),
        cmocka_unit_test(a_gpu_that_fails_when_asked_uses_tiles),
        cmocka_unit_test(a_gpu_that_does_not_survive_it_says_what_helps),
    };
    return cmocka_run_group_tests_name("cuda hopper", tests, NULL, NULL);
}
