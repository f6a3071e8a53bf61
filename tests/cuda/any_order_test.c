/* SPDX-License-Identifier: MIT */
/* Random programs on the stand-in driver. What came before a step is kept here as a set of steps,
 * without clocks, and so is known whether it races with one of them: the driver must tell exactly
 * then. A program without a race has one result, in whatever order the driver executes it. */
#include "rig.h"

#include "base/rng.h"

enum { STEPS = 60, STREAMS = 3, EVENTS = 3, BUFFERS = 2, CELL = 16 /* floats */ };

struct step {
    uint64_t before;          /* bit i: step i; its own, too */
    int buffer, first, count; /* floats that it touches; buffer -1: none */
    bool writes;
};

struct program {
    struct rng rng;
    struct step steps[STEPS];
    int count;
    uint64_t host, streams[STREAMS], events[EVENTS]; /* steps before what comes next there */
    cuda_stream on[STREAMS];
    cuda_event event[EVENTS];
    cuda_ptr buffers[BUFFERS];
    float model[BUFFERS][FLOATS]; /* what they hold, were all in order */
    /* Of each step: what it copies in, or what it copied out and should have. */
    float in[STEPS][FLOATS], out[STEPS][FLOATS], want[STEPS][FLOATS];
};

static bool races(const struct program *p, const struct step *s)
{
    for (int i = 0; i < p->count && s->buffer >= 0; i++) {
        const struct step *t = &p->steps[i];
        if (t->buffer == s->buffer && (t->writes || s->writes) && !(s->before >> i & 1) &&
            t->first < s->first + s->count && s->first < t->first + t->count)
            return true;
    }
    return false;
}

static void keep(struct program *p, int stream, struct step *s)
{
    s->before |= (uint64_t)1 << p->count;
    p->streams[stream] = s->before;
    p->steps[p->count++] = *s;
}

static void copy(struct program *p, int stream, const struct step *s)
{
    const size_t bytes = (size_t)s->count * 4;
    const cuda_ptr device = p->buffers[s->buffer] + (cuda_ptr)s->first * 4;
    float *model = &p->model[s->buffer][s->first];
    if (s->writes) {
        for (int i = 0; i < s->count; i++)
            p->in[p->count][i] = (float)(p->count * FLOATS + i);
        memcpy(model, p->in[p->count], bytes);
        OK(cuMemcpyHtoDAsync_v2(device, p->in[p->count], bytes, p->on[stream]));
    } else {
        memcpy(p->want[p->count], model, bytes);
        OK(cuMemcpyDtoHAsync_v2(p->out[p->count], device, bytes, p->on[stream]));
    }
}

static void synchronize(struct program *p)
{
    const int s = rng_below(&p->rng, STREAMS), e = rng_below(&p->rng, EVENTS);
    if (rng_below(&p->rng, 2)) {
        OK(cuStreamSynchronize(p->on[s]));
        p->host |= p->streams[s];
    } else {
        OK(cuEventSynchronize(p->event[e]));
        p->host |= p->events[e];
    }
}

/* One step more; true: it races. may_race false: then it is left out. */
static bool go_on(struct program *p, bool may_race)
{
    const int stream = rng_below(&p->rng, STREAMS), e = rng_below(&p->rng, EVENTS),
              kind = rng_below(&p->rng, 20);
    struct step s = {.before = p->streams[stream] | p->host, .buffer = -1};
    bool race = false;
    if (kind == 0) {
        synchronize(p);
    } else if (kind < 6) {
        OK(cuEventRecord(p->event[e], p->on[stream]));
        keep(p, stream, &s);
        p->events[e] = s.before;
    } else if (kind < 12) {
        OK(cuStreamWaitEvent(p->on[stream], p->event[e], 0));
        s.before |= p->events[e];
        keep(p, stream, &s);
    } else {
        s.buffer = rng_below(&p->rng, BUFFERS);
        s.first = rng_below(&p->rng, FLOATS / CELL) * CELL;
        s.count = (1 + rng_below(&p->rng, (FLOATS - s.first) / CELL)) * CELL;
        s.writes = kind % 2;
        race = races(p, &s);
        if (race && !may_race)
            return false;
        copy(p, stream, &s);
        keep(p, stream, &s);
    }
    return race;
}

static void start(struct program *p, struct rig *r, uint64_t seed)
{
    *p = (struct program){
        .rng = {seed}, .on = {r->a, r->b}, .event = {r->event, r->other}, .buffers = {r->x, r->y}};
    OK(cuStreamCreate(&p->on[2], 1));
    OK(cuEventCreate(&p->event[2], 2));
    memset(p->model, 0xff, sizeof p->model);
}

static void finish(struct program *p)
{
    for (int i = 0; i < STREAMS; i++)
        OK(cuStreamSynchronize(p->on[i]));
    OK(cuStreamDestroy_v2(p->on[2]));
    OK(cuEventDestroy_v2(p->event[2]));
}

static void a_race_is_told_at_once_and_nothing_else(void **state)
{
    (void)state;
    struct program *p = malloc(sizeof *p);
    assert_non_null(p);
    int found = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct rig r;
        bool race = false;
        begin(&r);
        start(p, &r, seed);
        while (p->count < STEPS && !race) {
            race = go_on(p, true);
            if ((standin_faults() != 0) != race)
                fail_msg("seed %d, step %d: race %d: %s", (int)seed, p->count, race,
                         standin_fault(0));
        }
        found += race;
        finish(p);
        end_all(&r);
        assert_int_equal(standin_reset(), 0);
    }
    assert_in_range(found, 100, 400);
    free(p);
}

static void a_program_without_races_has_one_result(void **state)
{
    (void)state;
    struct program *p = malloc(sizeof *p);
    assert_non_null(p);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig r;
        begin(&r);
        start(p, &r, seed);
        while (p->count < STEPS)
            go_on(p, false);
        finish(p);
        for (int i = 0; i < p->count; i++)
            if (memcmp(p->out[i], p->want[i], sizeof p->out[i]) != 0)
                fail_msg("seed %d, step %d", (int)seed, i);
        end_all(&r);
        if (standin_faults())
            fail_msg("seed %d: %s", (int)seed, standin_fault(0));
        const enum standin_mode mode = seed % 2 ? STANDIN_THREADS : STANDIN_LAZY;
        assert_int_equal(standin_reset(), 0);
        standin_mode(mode, seed, 100);
    }
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAZY(a_race_is_told_at_once_and_nothing_else),
        BOTH(a_program_without_races_has_one_result),
    };
    return cmocka_run_group_tests_name("stand-in driver: any order", tests, NULL, NULL);
}
