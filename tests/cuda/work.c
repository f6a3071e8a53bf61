/* SPDX-License-Identifier: MIT */
/* How operations are executed. Their accesses happen without the lock; an operation begins when
 * what it waits for is marked as done, under the lock, so a thread sanitizer that sees two of them
 * race is right. It sees fewer races than there are, as the lock orders more than streams do; the
 * clocks see all. */
#include <time.h>

#include "inner.h"

static int threads;

/* ---- one operation ---- */

enum { PIECES = 8 };

/* In pieces of random sizes, in random order. */
static void copy(struct rng *rng, char *to, const char *from, size_t bytes)
{
    size_t cut[PIECES + 1] = {0};
    int order[PIECES];
    for (int i = 1; i <= PIECES; i++) {
        const size_t left = bytes - cut[i - 1];
        cut[i] = i == PIECES ? bytes : cut[i - 1] + (size_t)(rng_next(rng) % (left / 2 + 1));
    }
    for (int i = 0; i < PIECES; i++) {
        const int other = rng_below(rng, i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    for (int i = 0; i < PIECES; i++)
        memcpy(to + cut[order[i]], from + cut[order[i]], cut[order[i] + 1] - cut[order[i]]);
}

static void perform(struct si_stream *s, const struct si_work *w)
{
    if (w->kind == SI_LAUNCH)
        w->run(&w->args);
    else if (w->kind == SI_COPY_IN || w->kind == SI_COPY_OUT)
        copy(&s->rng, w->to, w->from, w->bytes);
}

static void delay(struct si_stream *s, int most_us)
{
    const int us = rng_below(&s->rng, 2) ? rng_below(&s->rng, most_us + 1) : 0;
    if (us)
        nanosleep(&(struct timespec){.tv_nsec = us * 1000L}, NULL);
}

/* A lost device executes nothing. */
static bool is_lost(const struct si_stream *s, const struct si_op *op)
{
    const int device = s->thing.device;
    if (op->outside)
        si_die(device, CUDA_ERROR_ILLEGAL_ADDRESS);
    const cuda_result planted = op->work.kind == SI_LAUNCH && !si_is_dead(device)
                                    ? si_planted_launch(device)
                                    : CUDA_SUCCESS;
    if (planted)
        si_die(device, planted);
    return si_is_dead(device);
}

static void execute_first(struct si_stream *s)
{
    struct si_op *op = s->first;
    const bool lost = is_lost(s, op);
    const int most_us = si_delay_us;
    s->busy = true;
    pthread_mutex_unlock(&si_lock);
    if (s->threaded && !lost)
        delay(s, most_us);
    if (!lost)
        perform(s, &op->work);
    pthread_mutex_lock(&si_lock);
    s->busy = false;
    s->first = op->next;
    if (!s->first)
        s->last = NULL;
    s->done = op->time;
    free(op);
    pthread_cond_broadcast(&si_changed);
}

static bool can_begin(const struct si_stream *s)
{
    const struct si_op *op = s->first;
    return op && !s->busy && (op->work.kind != SI_WAIT || op->work.on->done >= op->work.until);
}

/* ---- when the host waits ---- */

/* All that a lazy stream must execute until it gets there, on whatever stream it is. */
static void want(struct si_stream *s, uint64_t time)
{
    const uint64_t before = s->need;
    if (time <= before)
        return;
    s->need = time;
    for (const struct si_op *op = s->first; op && op->time <= time; op = op->next)
        if (op->time > before && op->work.kind == SI_WAIT)
            want(op->work.on, op->work.until);
}

/* A random one of the lazy streams that can go on and must. */
static struct si_stream *pick(void)
{
    static struct rng rng;
    struct si_stream *picked = NULL;
    int seen = 0;
    rng.state += si_seed;
    for (struct si_thing *t = si_things(); t; t = t->next) {
        if (t->what != STANDIN_STREAMS)
            continue;
        struct si_stream *s = (struct si_stream *)t;
        if (!s->threaded && can_begin(s) && s->first->time <= s->need && !rng_below(&rng, ++seen))
            picked = s;
    }
    return picked;
}

void si_complete(struct si_stream *stream, uint64_t time)
{
    want(stream, time);
    while (stream->done < time) {
        struct si_stream *next = pick();
        if (next)
            execute_first(next);
        else
            pthread_cond_wait(&si_changed, &si_lock);
    }
}

void si_complete_all(void)
{
    for (struct si_thing *t = si_things(); t; t = t->next)
        if (t->what == STANDIN_STREAMS)
            si_complete((struct si_stream *)t, ((struct si_stream *)t)->time);
}

/* ---- a thread a stream ---- */

static void *thread(void *of)
{
    struct si_stream *s = of;
    pthread_mutex_lock(&si_lock);
    while (!s->thing.dead || s->first) {
        if (can_begin(s))
            execute_first(s);
        else
            pthread_cond_wait(&si_changed, &si_lock);
    }
    threads--;
    pthread_cond_broadcast(&si_changed);
    pthread_mutex_unlock(&si_lock);
    return NULL;
}

/* Detached: nobody waits for a stream that is destroyed. */
void si_thread_start(struct si_stream *stream)
{
    pthread_t id;
    if (pthread_create(&id, NULL, thread, stream) != 0)
        abort();
    pthread_detach(id);
    threads++;
}

void si_threads_end(void)
{
    for (struct si_thing *t = si_things(); t; t = t->next)
        if (t->what == STANDIN_STREAMS && !t->dead)
            si_thing_end(t);
    pthread_cond_broadcast(&si_changed);
    while (threads)
        pthread_cond_wait(&si_changed, &si_lock);
}
