/* SPDX-License-Identifier: MIT */
/* The backend for NVIDIA's GPUs above its kernels, on a driver that stands in for theirs: orders,
 * memory, failures and what is left behind. */
#include "../net.h"
#include "base/alloc.h"
#include "nothing.h"

#include <limits.h>

/* One random network, what a processor makes of some pictures, and how they are run. */
struct trial {
    struct net net;
    struct pq_geometry geometry;
    float *in, *want;
    size_t floats;
};

static void trial_begin(struct trial *t, uint64_t seed, const struct pq_geometry *geometry)
{
    struct rng r = {seed};
    int width, height, rc;
    if (seed % 2)
        net_compact(&t->net, seed, 5, 3, 2, 3, 0);
    else
        net_rrdb(&t->net, seed, 6, 4, 1, true);
    t->geometry = *geometry;
    t->in = net_picture(&r, geometry, 3);
    t->want = net_run(t->net.graph, "cpu:direct", 1, geometry, t->in, &width, &height, &rc);
    assert_int_equal(rc, 0);
    t->floats = (size_t)geometry->frames * (size_t)width * (size_t)height * 3;
}

static void trial_end(struct trial *t)
{
    free(t->in);
    free(t->want);
    net_free(&t->net);
}

/* Whether the GPU gives the same bits; *rc is the status. */
static bool runs_alike(const struct trial *t, int *rc)
{
    int width, height;
    float *have = net_run(t->net.graph, "cuda", 1, &t->geometry, t->in, &width, &height, rc);
    const bool alike = !*rc && memcmp(have, t->want, t->floats * sizeof *have) == 0;
    free(have);
    return alike;
}

static const enum standin_mode modes[] = {STANDIN_LAZY, STANDIN_THREADS};

static void start(enum standin_mode mode, uint64_t seed)
{
    assert_int_equal(standin_reset(), 0);
    standin_mode(mode, seed, 50);
}

/* Batches, bands, and both ways in which streams may run. */
static void bits_are_those_of_the_processor(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rng r = {seed};
        const struct pq_geometry g = {1 + rng_below(&r, 4), 3 + rng_below(&r, 20),
                                      3 + rng_below(&r, 40), 1 + rng_below(&r, 12)};
        struct trial t;
        int rc;
        trial_begin(&t, seed, &g);
        for (size_t m = 0; m < PQ_COUNT(modes); m++) {
            start(modes[m], seed);
            if (!runs_alike(&t, &rc))
                fail_msg("seed %d, mode %d: status %d, or other bits", (int)seed, (int)m, rc);
            nothing_is_wrong();
            nothing_is_left();
        }
        trial_end(&t);
    }
}

/* Without any one of them something is read too early: the clocks say so, or the picture does. */
static void every_wait_is_needed(void **state)
{
    (void)state;
    static const char *const waits[] = {"cuStreamWaitEvent", "cuEventSynchronize"};
    const struct pq_geometry g = {2, 13, 40, 4};
    struct trial t;
    int rc;
    trial_begin(&t, 1, &g);
    for (size_t w = 0; w < PQ_COUNT(waits); w++) {
        start(STANDIN_LAZY, 1);
        assert_true(runs_alike(&t, &rc));
        const int calls = standin_calls(waits[w]);
        assert_true(calls > 10);
        for (int nth = 1; nth <= calls; nth++) {
            start(STANDIN_LAZY, 1);
            standin_ignore(waits[w], nth);
            const bool alike = runs_alike(&t, &rc);
            if (alike && standin_faults() == 0)
                fail_msg("%s %d of %d is not missed", waits[w], nth, calls);
        }
    }
    start(STANDIN_LAZY, 1);
    trial_end(&t);
}

/* ---- one program, several batches ---- */

struct opened {
    struct pq_pool *pool;
    struct pq_program *program;
};

static struct opened open_program(const struct trial *t)
{
    struct opened o;
    assert_int_equal(pq_pool_create(1, &o.pool, NULL), 0);
    const struct pq_device_options options = {.id = "cuda", .pool = o.pool};
    assert_int_equal(pq_program_compile(t->net.graph, &options, &o.program, NULL), 0);
    return o;
}

static void close_program(struct opened *o)
{
    pq_program_release(&o->program);
    pq_pool_destroy(&o->pool);
}

/* Some steps of a batch; its status. Rows are put where they belong. */
static int run_steps(const struct trial *t, struct pq_run *run, int steps, float *out)
{
    const struct pq_graph *g = t->net.graph;
    const struct pq_line *line = &run->lines[g->output];
    const size_t row = (size_t)line->width * 3, in_row = (size_t)t->geometry.width * 3;
    const size_t most = (size_t)pq_run_max_out(run);
    float *band = malloc((size_t)t->geometry.frames * most * row * sizeof *band);
    int64_t done = 0;
    int rc = 0;
    for (; !rc && steps-- && !pq_run_finished(run);) {
        const int64_t missing = pq_run_missing(run);
        struct pq_band from = {t->in + (size_t)(t->geometry.height - missing) * in_row,
                               (ptrdiff_t)in_row, (ptrdiff_t)in_row * t->geometry.height};
        struct pq_band to = {band, (ptrdiff_t)row, (ptrdiff_t)(row * most)};
        int got;
        rc = pq_run_step(run, &from, (int)PQ_MIN(missing, t->geometry.band), &to, &got, NULL);
        for (int f = 0; f < t->geometry.frames && !rc; f++)
            memcpy(out + ((size_t)f * (size_t)line->height + (size_t)done) * row,
                   band + (size_t)f * most * row, (size_t)got * row * sizeof *out);
        done += got;
    }
    free(band);
    return rc;
}

static bool run_batch(const struct trial *t, struct opened *o, int steps)
{
    struct pq_run *run;
    float *out = calloc(t->floats, sizeof *out);
    assert_int_equal(pq_run_begin(o->program, &t->geometry, false, &run, NULL), 0);
    assert_int_equal(run_steps(t, run, steps, out), 0);
    const bool alike = memcmp(out, t->want, t->floats * sizeof *out) == 0;
    pq_run_end(&run);
    free(out);
    return alike;
}

static void a_second_batch_allocates_nothing(void **state)
{
    (void)state;
    static const char *const makers[] = {"cuMemAlloc_v2", "cuMemHostAlloc", "cuStreamCreate",
                                         "cuEventCreate", "cuGraphInstantiateWithFlags"};
    const struct pq_geometry g = {2, 11, 33, 5};
    struct trial t;
    int calls[PQ_COUNT(makers)];
    trial_begin(&t, 2, &g);
    start(STANDIN_THREADS, 3);
    struct opened o = open_program(&t);
    assert_true(run_batch(&t, &o, INT_MAX));
    for (size_t i = 0; i < PQ_COUNT(makers); i++)
        calls[i] = standin_calls(makers[i]);
    for (int batch = 0; batch < 5; batch++)
        assert_true(run_batch(&t, &o, INT_MAX));
    for (size_t i = 0; i < PQ_COUNT(makers); i++)
        assert_int_equal(standin_calls(makers[i]), calls[i]);
    close_program(&o);
    nothing_is_wrong();
    nothing_is_left();
    trial_end(&t);
}

/* A batch that was stopped leaves steps under way; the next one of its size has its memory. */
static void a_batch_that_is_given_up_disturbs_none(void **state)
{
    (void)state;
    const struct pq_geometry g = {1, 9, 50, 4};
    struct trial t;
    trial_begin(&t, 1, &g);
    for (size_t m = 0; m < PQ_COUNT(modes); m++) {
        for (int steps = 0; steps < 12; steps++) {
            start(modes[m], (uint64_t)steps);
            struct opened o = open_program(&t);
            run_batch(&t, &o, steps);
            assert_true(run_batch(&t, &o, INT_MAX));
            close_program(&o);
            nothing_is_wrong();
            nothing_is_left();
        }
    }
    trial_end(&t);
}

/* Copies and kernels of several steps are under way before the host waits for the first. */
static void steps_overlap(void **state)
{
    (void)state;
    const struct pq_geometry g = {1, 9, 60, 4};
    struct trial t;
    trial_begin(&t, 1, &g);
    start(STANDIN_LAZY, 1);
    struct opened o = open_program(&t);
    struct pq_run *run;
    float *out = calloc(t.floats, sizeof *out);
    assert_int_equal(pq_run_begin(o.program, &t.geometry, false, &run, NULL), 0);
    assert_int_equal(run_steps(&t, run, 3, out), 0);
    assert_int_equal(standin_calls("cuEventSynchronize"), 0);
    assert_true(standin_pending() > 3);
    pq_run_end(&run);
    close_program(&o);
    free(out);
    nothing_is_wrong();
    trial_end(&t);
}

/* ---- what fails ---- */

static bool may_be_ignored(const char *symbol)
{
    /* What frees or leaves is not tried again; nobody needs the text of an error. */
    static const char *const names[] = {"cuGetErrorString",
                                        "cuDevicePrimaryCtxRelease_v2",
                                        "cuCtxPopCurrent_v2",
                                        "cuMemFree_v2",
                                        "cuMemFreeHost",
                                        "cuStreamDestroy_v2",
                                        "cuEventDestroy_v2",
                                        "cuModuleUnload",
                                        "cuGraphDestroy",
                                        "cuGraphExecDestroy",
                                        "cuInit",
                                        "cuDriverGetVersion"};
    for (size_t i = 0; i < PQ_COUNT(names); i++) {
        if (strcmp(names[i], symbol) == 0)
            return true;
    }
    return false;
}

/* Each call of each function once: no picture is called done, and nothing stays behind. */
static void each_call_that_fails_is_told(void **state)
{
    (void)state;
    static const char *const symbols[] = {
#define SYMBOL(member, symbol, parameters) #symbol,
        CUDA_FUNCTIONS(SYMBOL)
#undef SYMBOL
    };
    const struct pq_geometry g = {1, 7, 24, 6};
    struct trial t;
    int rc, tried = 0;
    trial_begin(&t, 1, &g);
    for (size_t s = 0; s < PQ_COUNT(symbols); s++) {
        start(STANDIN_LAZY, 1);
        assert_true(runs_alike(&t, &rc));
        const int calls = standin_calls(symbols[s]);
        for (int nth = 1; nth <= calls && !may_be_ignored(symbols[s]); nth++) {
            for (int sticky = 0; sticky < 2; sticky++, tried++) {
                start(STANDIN_LAZY, 1);
                standin_fail(symbols[s], nth, CUDA_ERROR_LAUNCH_FAILED, sticky);
                const bool alike = runs_alike(&t, &rc);
                const bool enters = strcmp(symbols[s], "cuCtxPushCurrent_v2") == 0;
                const bool waits = strcmp(symbols[s], "cuStreamSynchronize") == 0;
                /* When all rows are out, only memory is freed. */
                const bool frees = (enters && nth > calls - 2) || (waits && nth > 1);
                if (alike && !frees)
                    fail_msg("%s %d of %d failed, and nobody said so", symbols[s], nth, calls);
                if (rc != 0 && rc != PIQUE_EDEVICE && rc != PIQUE_ENOMEM)
                    fail_msg("%s %d of %d: status %d", symbols[s], nth, calls, rc);
                /* Who is not let in cannot free anything. */
                if (enters) {
                    standin_reset();
                    continue;
                }
                if (!strstr(symbols[s], "Synchronize")) /* nothing else waits in its place */
                    nothing_is_wrong();
                nothing_is_left();
            }
        }
    }
    assert_true(tried > 200);
    start(STANDIN_LAZY, 1);
    trial_end(&t);
}

static void a_kernel_that_fails_is_told(void **state)
{
    (void)state;
    const struct pq_geometry g = {1, 7, 24, 6};
    struct trial t;
    int rc;
    trial_begin(&t, 1, &g);
    for (size_t m = 0; m < PQ_COUNT(modes); m++) {
        for (int nth = 1; nth <= 20; nth++) {
            start(modes[m], 1);
            standin_fail_kernel(nth, CUDA_ERROR_ILLEGAL_ADDRESS);
            assert_false(runs_alike(&t, &rc));
            assert_int_equal(rc, PIQUE_EDEVICE);
            nothing_is_left();
        }
    }
    start(STANDIN_LAZY, 1);
    trial_end(&t);
}

/* The plan knows to the byte what it takes; what does not fit is refused before anything runs. */
static void memory_is_what_was_planned(void **state)
{
    (void)state;
    const struct pq_geometry g = {2, 40, 60, 8};
    struct trial t;
    trial_begin(&t, 2, &g);
    start(STANDIN_LAZY, 1);
    struct opened o = open_program(&t);
    const size_t weights = standin_live(STANDIN_BYTES);
    struct pq_run *run;
    size_t bytes;
    assert_int_equal(pq_run_begin(o.program, &g, false, &run, NULL), 0);
    const size_t taken = standin_live(STANDIN_BYTES) - weights;
    assert_int_equal(o.program->backend->memory(o.program, &g, run->lines, &bytes, NULL), 0);
    assert_int_equal(taken, bytes);
    assert_int_equal(pq_program_memory(o.program, &g, &bytes, NULL), 0);
    assert_true(taken < bytes); /* with the rows of a step on the host */
    pq_run_end(&run);
    standin_device(0)->bytes = weights + taken - 1;
    const struct pq_geometry other = {2, 40, 61, 8};
    pique_error err;
    assert_int_equal(pq_run_begin(o.program, &other, false, &run, &err), PIQUE_ENOMEM);
    assert_non_null(strstr(err.message, "memory"));
    close_program(&o);
    nothing_is_wrong();
    nothing_is_left();
    trial_end(&t);
}

/* Spaces of other sizes that wait for a batch are given up before anything is refused. */
static void waiting_memory_is_given_up_first(void **state)
{
    (void)state;
    struct trial t;
    trial_begin(&t, 2, &(struct pq_geometry){1, 40, 60, 8});
    start(STANDIN_LAZY, 1);
    struct opened o = open_program(&t);
    assert_true(run_batch(&t, &o, INT_MAX));
    standin_device(0)->bytes = standin_live(STANDIN_BYTES) + 100;
    const struct pq_geometry smaller = {1, 39, 60, 8};
    struct pq_run *run;
    assert_int_equal(pq_run_begin(o.program, &smaller, false, &run, NULL), 0);
    pq_run_end(&run);
    close_program(&o);
    nothing_is_wrong();
    nothing_is_left();
    trial_end(&t);
}

/* ---- devices ---- */

static void devices_are_told(void **state)
{
    (void)state;
    start(STANDIN_LAZY, 1);
    standin_devices(2);
    const struct pq_backend *cuda = pq_backend_find("cuda");
    assert_non_null(cuda);
    assert_non_null(pq_backend_find("cuda:1"));
    assert_null(pq_backend_find("cuda:2"));
    assert_null(pq_backend_find("cuda:"));
    assert_null(pq_backend_find("cuda:1x"));
    pique_device_info info = {.size = sizeof info};
    assert_true(cuda->describe(1, &info));
    assert_string_equal(info.id, "cuda:1");
    assert_non_null(strstr(info.name, "Stand-in"));
    assert_true(info.usable);
    assert_true(info.memory_total > 0);
    assert_true(cuda->free_memory("cuda:1") < info.memory_total);
    assert_false(cuda->describe(2, &info));
    standin_device(0)->major = 6;
    assert_true(cuda->describe(0, &info));
    assert_false(info.usable);
    assert_non_null(strstr(info.reason, "7.5"));
    start(STANDIN_LAZY, 1);
    standin_devices(0);
    assert_null(pq_backend_find("cuda"));
    assert_true(cuda->describe(0, &info));
    assert_false(info.usable);
    assert_non_null(strstr(info.reason, "no GPU"));
    assert_false(cuda->describe(1, &info));
    start(STANDIN_LAZY, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_those_of_the_processor),
        cmocka_unit_test(every_wait_is_needed),
        cmocka_unit_test(a_second_batch_allocates_nothing),
        cmocka_unit_test(a_batch_that_is_given_up_disturbs_none),
        cmocka_unit_test(steps_overlap),
        cmocka_unit_test(each_call_that_fails_is_told),
        cmocka_unit_test(a_kernel_that_fails_is_told),
        cmocka_unit_test(memory_is_what_was_planned),
        cmocka_unit_test(waiting_memory_is_given_up_first),
        cmocka_unit_test(devices_are_told),
    };
    return cmocka_run_group_tests_name("cuda", tests, NULL, NULL);
}
