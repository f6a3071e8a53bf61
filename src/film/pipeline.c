/* SPDX-License-Identifier: MIT */
#include "film/pipeline.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/queue.h"
#include "film/devices.h"
#include "film/infer.h"
#include "film/picture.h"
#include "film/replay.h"
#include "film/reuse.h"
#include "film/sink.h"
#include "upscale/call.h"

enum stage { READ, CONVERT, INFER, FINISH, HASH, WRITE, STAGES };

/* A frame of 8K is 50 MB, of which a thread takes the hash in 10 ms: longer than a GPU computes
 * it. */
enum { MOST_HASHERS = 4 };

/* A result that frames like it may still get. */
struct kept {
    int64_t number;
    struct pq_result *result;
};

struct pipeline {
    struct pq_film *film;
    struct pq_queue *queue[STAGES]; /* before each stage but the first; NULL: called directly */
    pthread_mutex_t lock;           /* guards failure, draining */
    pique_error failure;
    bool draining;          /* devices failed; what they had computed is saved yet */
    double seconds[STAGES]; /* in which each worked; waiting is no work */
    /* read */
    int64_t index;
    /* convert */
    struct pq_reuse *reuse;
    struct pq_replay *replay;
    struct kept kept[PQ_REUSE_BACK + 1];
    int kept_count;
    int64_t segment;
    /* infer */
    struct pq_infer *infer;
    uint64_t before; /* inferences before, which were estimates */
    /* hash: several at a time, handed on in the order in which they came */
    pthread_mutex_t taking, turn; /* guard tickets; handed, hashers */
    pthread_cond_t next;
    int64_t tickets, handed;
    int hashers; /* that work yet */
    /* write */
    struct pq_sink *sink;
};

/* ---- the ways between stages ---- */

static int step(struct pipeline *p, enum stage stage, struct pq_item *item, pique_error *err);

/* An item to the next stage, or NULL: there are no more. */
static int hand_on(struct pipeline *p, enum stage to, struct pq_item *item, pique_error *err)
{
    if (!p->queue[to])
        return step(p, to, item, err);
    if (!item) {
        pq_queue_end(p->queue[to]);
        return 0;
    }
    return pq_queue_push(p->queue[to], item, pq_item_bytes(item)) == PQ_QUEUE_ITEM
               ? 0
               : pq_fail(err, PIQUE_ECANCELED, "stopped on request");
}

/* A stage failed. Nothing is wrong behind devices that fail: what they had computed goes on to its
 * end, or a film that loses its device again and again would get on by luck. */
static void fail(struct pipeline *p, enum stage stage, const pique_error *why)
{
    pthread_mutex_lock(&p->lock);
    const bool told = p->draining && stage < INFER; /* to stop, and so it failed */
    const bool drain = stage == INFER && why->code != PIQUE_ECANCELED;
    if (!p->failure.code)
        p->failure = *why;
    p->draining |= drain;
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < STAGES && !told; i++) {
        if (p->queue[i] && !(drain && i > INFER))
            pq_queue_cancel(p->queue[i]);
    }
}

static bool has_failed(struct pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    const bool failed = p->failure.code != 0;
    pthread_mutex_unlock(&p->lock);
    return failed;
}

/* ---- read ---- */

static int read_all(struct pipeline *p, pique_error *err)
{
    struct pq_film *film = p->film;
    for (;;) {
        struct pq_item *item = NULL;
        int rc = pq_engine_check_cancel(film->engine, err);
        if (!rc)
            rc = pq_item_new(&item, err);
        const double start = pq_seconds();
        if (!rc)
            rc = film->source->read(film->source, &item->frame, err);
        p->seconds[READ] += pq_seconds() - start;
        if (rc || !item->frame) {
            pq_item_free(film->io, item);
            return rc ? rc : hand_on(p, CONVERT, NULL, err);
        }
        item->index = p->index++;
        item->pts = item->frame->pts;
        item->duration = item->frame->duration;
        if ((rc = hand_on(p, CONVERT, item, err)))
            return rc;
    }
}

/* ---- convert ---- */

static void forget(struct pipeline *p, int64_t number)
{
    for (int i = 0; i < p->kept_count; i++) {
        if (p->kept[i].number != number)
            continue;
        pq_result_unref(&p->kept[i].result);
        p->kept[i] = p->kept[--p->kept_count];
        return;
    }
}

static void forget_all(struct pipeline *p)
{
    pq_reuse_restart(p->reuse);
    while (p->kept_count)
        pq_result_unref(&p->kept[--p->kept_count].result);
}

static struct pq_result *result_of(struct pipeline *p, int64_t number)
{
    for (int i = 0; i < p->kept_count; i++) {
        if (p->kept[i].number == number)
            return p->kept[i].result;
    }
    return NULL;
}

/* A result from the journal of an earlier run, where it has one. The journal has what the encoder
 * gets; where results are kept as pictures too, that picture is on the disk before the frame is in
 * the journal, and without it the frame is computed once more. */
static int take_journaled(struct pipeline *p, struct pq_item *item, pique_error *err)
{
    struct pq_film *film = p->film;
    struct pq_result *r = item->result;
    if (!p->replay)
        return 0;
    if (film->kept_result.pattern) {
        r->picture = pq_frame_path(&film->kept_result, item->index);
        if (!r->picture)
            return pq_fail_nomem(err, 64);
        if (!pq_exists(r->picture)) {
            pq_free(r->picture);
            r->picture = NULL;
            return 0;
        }
    }
    int rc = pq_replay_find(p->replay, item->index, &r->frame, err);
    r->journaled = r->frame != NULL;
    if (r->journaled)
        r->key = pq_made_find(&film->made, item->index);
    if (!r->journaled) {
        pq_free(r->picture);
        r->picture = NULL;
    }
    return rc;
}

/* A result of its own: from the journal of an earlier run, or to be computed from the picture. */
static int make_fresh(struct pipeline *p, struct pq_item *item, pique_error *err)
{
    struct pq_film *film = p->film;
    int64_t forgotten = -1;
    item->fresh = true;
    int rc = pq_result_new(film->io, &item->result, err);
    if (!rc)
        rc = take_journaled(p, item, err);
    if (rc)
        return rc;
    if (!item->result->journaled)
        rc = pq_film_take(film, film->source, item->frame, item->result, err);
    if (rc || !p->reuse)
        return rc;
    rc = pq_reuse_add(p->reuse, item->frame, item->index, &forgotten, err);
    if (rc)
        return rc;
    forget(p, forgotten);
    p->kept[p->kept_count++] = (struct kept){item->index, pq_result_ref(item->result)};
    return 0;
}

static int convert(struct pipeline *p, struct pq_item *item, pique_error *err)
{
    struct pq_film *film = p->film;
    const int64_t segment = item->index / film->segment_frames;
    if (p->reuse && segment != p->segment)
        forget_all(p);
    p->segment = segment;
    const int64_t number = p->reuse ? pq_reuse_find(p->reuse, item->frame) : -1;
    struct pq_result *known = number < 0 ? NULL : result_of(p, number);
    int rc = 0;
    if (known)
        item->result = pq_result_ref(known);
    else
        rc = make_fresh(p, item, err);
    if (!rc && film->kept_source.pattern)
        rc = pq_film_rgb(film, film->source, item->frame, &item->source, err);
    film->io->frame_unref(&item->frame);
    return rc;
}

static int convert_step(struct pipeline *p, struct pq_item *item, pique_error *err)
{
    const double start = pq_seconds();
    int rc = item ? convert(p, item, err) : 0;
    p->seconds[CONVERT] += pq_seconds() - start;
    if (!rc)
        return hand_on(p, INFER, item, err);
    pq_item_free(p->film->io, item);
    return rc;
}

/* ---- infer ---- */

/* Where no queue stands before it: on the thread of the one before. */
static int infer_step(struct pipeline *p, struct pq_item *item, pique_error *err)
{
    int rc = pq_infer_put(p->infer, item, err);
    return rc || item ? rc : hand_on(p, FINISH, NULL, err);
}

static int computed(void *context, struct pq_item *item, pique_error *err)
{
    return hand_on(context, FINISH, item, err);
}

static void stopped(void *context, const pique_error *why)
{
    fail(context, INFER, why);
}

/* On this thread, whose engines they are, and one more for each further device. */
static void infer_all(struct pipeline *p)
{
    pique_error err;
    int rc = pq_infer_serve(p->infer, p->queue[INFER], &err);
    if (rc)
        fail(p, INFER, &err);
    pq_queue_end(p->queue[FINISH]);
}

/* ---- finish ---- */

static int finish(struct pipeline *p, struct pq_item *item, pique_error *err)
{
    struct pq_film *film = p->film;
    struct pq_result *r = item->result;
    if (!item->fresh)
        return 0;
    return pq_film_finish(film, r, err);
}

static int finish_step(struct pipeline *p, struct pq_item *item, pique_error *err)
{
    const double start = pq_seconds();
    int rc = item ? finish(p, item, err) : 0;
    p->seconds[FINISH] += pq_seconds() - start;
    if (!rc)
        return hand_on(p, HASH, item, err);
    pq_item_free(p->film->io, item);
    return rc;
}

/* ---- hash ---- */

static void hash(const struct pq_film *film, const struct pq_item *item)
{
    struct pq_result *r = item->result;
    if (!item->fresh)
        return;
    r->hash = r->frame ? pq_frame_hash(r->frame) : pq_image_hash(&r->out);
    if (r->frame && !film->kept_result.pattern)
        pq_image_free(&r->out);
}

static int hash_step(struct pipeline *p, struct pq_item *item, pique_error *err)
{
    const double start = pq_seconds();
    if (item)
        hash(p->film, item);
    p->seconds[HASH] += pq_seconds() - start;
    return hand_on(p, WRITE, item, err);
}

/* The next item and its number. */
static enum pq_queue_state take_ticket(struct pipeline *p, struct pq_item **item, int64_t *ticket)
{
    void *taken = NULL;
    pthread_mutex_lock(&p->taking);
    const enum pq_queue_state state = pq_queue_pop(p->queue[HASH], &taken);
    *ticket = p->tickets;
    p->tickets += state == PQ_QUEUE_ITEM;
    pthread_mutex_unlock(&p->taking);
    *item = taken;
    return state;
}

/* Whoever comes before hands on too, or fails to, and then it is this one's turn. */
static int hand_on_in_turn(struct pipeline *p, struct pq_item *item, int64_t ticket, double seconds,
                           pique_error *err)
{
    pthread_mutex_lock(&p->turn);
    while (p->handed != ticket)
        pthread_cond_wait(&p->next, &p->turn);
    p->seconds[HASH] += seconds;
    const int rc = hand_on(p, WRITE, item, err);
    p->handed++;
    pthread_cond_broadcast(&p->next);
    pthread_mutex_unlock(&p->turn);
    return rc;
}

/* ---- write ---- */

static int write_step(struct pipeline *p, struct pq_item *item, pique_error *err)
{
    const double start = pq_seconds();
    int rc = pq_engine_check_cancel(p->film->engine, err);
    if (!rc)
        rc = item ? pq_sink_put(p->sink, item, err) : pq_sink_end(p->sink, err);
    p->seconds[WRITE] += pq_seconds() - start;
    pq_item_free(p->film->io, item);
    return rc;
}

/* ---- all of them ---- */

static int step(struct pipeline *p, enum stage stage, struct pq_item *item, pique_error *err)
{
    static int (*const steps[STAGES])(struct pipeline *, struct pq_item *,
                                      pique_error *) = {[CONVERT] = convert_step,
                                                        [INFER] = infer_step,
                                                        [FINISH] = finish_step,
                                                        [HASH] = hash_step,
                                                        [WRITE] = write_step};
    return steps[stage](p, item, err);
}

/* No more items come to a stage; where that is because something failed, it is not the film's end.
 */
static int end_stage(struct pipeline *p, enum stage stage, pique_error *err)
{
    if (!has_failed(p))
        return step(p, stage, NULL, err);
    if (stage + 1 < STAGES)
        pq_queue_end(p->queue[stage + 1]);
    return 0;
}

/* Items of the queue before a stage through it, until the end or a failure. */
static void serve(struct pipeline *p, enum stage stage)
{
    pique_error err;
    enum pq_queue_state state;
    do {
        void *item = NULL;
        state = pq_queue_pop(p->queue[stage], &item);
        if (state == PQ_QUEUE_CANCELLED)
            return;
        if (item ? step(p, stage, item, &err) : end_stage(p, stage, &err)) {
            fail(p, stage, &err);
            return;
        }
    } while (state == PQ_QUEUE_ITEM);
}

static void *read_thread(void *context)
{
    struct pipeline *p = context;
    pique_error err;
    if (read_all(p, &err))
        fail(p, READ, &err);
    return NULL;
}

static void *convert_thread(void *context)
{
    serve(context, CONVERT);
    return NULL;
}

static void *finish_thread(void *context)
{
    serve(context, FINISH);
    return NULL;
}

/* The last one to end says that there are no more. */
static void *hash_thread(void *context)
{
    struct pipeline *p = context;
    struct pq_item *item;
    int64_t ticket;
    int rc = 0;
    pique_error err;
    enum pq_queue_state state = PQ_QUEUE_ITEM;
    while (!rc && (state = take_ticket(p, &item, &ticket)) == PQ_QUEUE_ITEM) {
        const double start = pq_seconds();
        hash(p->film, item);
        rc = hand_on_in_turn(p, item, ticket, pq_seconds() - start, &err);
    }
    pthread_mutex_lock(&p->turn);
    const bool last = --p->hashers == 0;
    pthread_mutex_unlock(&p->turn);
    if (!rc && last && state == PQ_QUEUE_END)
        rc = end_stage(p, HASH, &err);
    if (rc)
        fail(p, HASH, &err);
    return NULL;
}

static void *write_thread(void *context)
{
    serve(context, WRITE);
    return NULL;
}

static void drop_item(void *item, void *io)
{
    pq_item_free(io, item);
}

int pq_film_hashers(void)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors >= 4 * MOST_HASHERS ? MOST_HASHERS : 2;
}

/* Bounds of the queues: enough that no stage waits for a single frame, and no more than that. */
static int make_queues(struct pipeline *p, pique_error *err)
{
    const struct pq_film *film = p->film;
    const uint64_t limits[STAGES] = {
        [CONVERT] = film->source->facts.frame_bytes * 4,
        [INFER] = pq_film_in_bytes(film) * (uint64_t)pq_frames_batch(film->frames),
        [FINISH] = pq_film_out_bytes(film) * 2,
        [HASH] = pq_film_result_bytes(film),
        [WRITE] = pq_film_result_bytes(film) * 2,
    };
    int rc = 0;
    for (enum stage s = CONVERT; !rc && s < STAGES; s++)
        rc = pq_queue_new(limits[s], drop_item, (void *)film->io, &p->queue[s], err);
    return rc;
}

static int run_parallel(struct pipeline *p, pique_error *err)
{
    void *(*const bodies[])(void *) = {read_thread, convert_thread, finish_thread, write_thread};
    pthread_t threads[PQ_COUNT(bodies) + MOST_HASHERS];
    size_t started = 0;
    int rc = make_queues(p, err);
    if (rc)
        return rc;
    p->hashers = pq_film_hashers();
    const size_t wanted = PQ_COUNT(bodies) + (size_t)p->hashers;
    while (started < wanted &&
           pthread_create(&threads[started], NULL,
                          started < PQ_COUNT(bodies) ? bodies[started] : hash_thread, p) == 0)
        started++;
    if (started == wanted) {
        infer_all(p);
    } else {
        pique_error why;
        pq_fail(&why, PIQUE_ENOMEM, "no thread could be started");
        fail(p, READ, &why);
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return p->failure.code ? pq_fail(err, p->failure.code, "%s", p->failure.message) : 0;
}

static void add_seconds(struct pipeline *p)
{
    pique_film_report *r = &p->film->report;
    r->decode_seconds += p->seconds[READ];
    r->convert_seconds += p->seconds[CONVERT];
    r->infer_seconds += p->infer ? pq_infer_seconds(p->infer) : 0;
    r->finish_seconds += p->seconds[FINISH] + p->seconds[HASH];
    r->encode_seconds += p->seconds[WRITE];
}

static void release(struct pipeline *p)
{
    pq_infer_free(&p->infer);
    while (p->kept_count)
        pq_result_unref(&p->kept[--p->kept_count].result);
    pq_reuse_free(&p->reuse);
    pq_replay_close(&p->replay);
    for (int i = 0; i < STAGES; i++)
        pq_queue_free(&p->queue[i]);
    pq_sink_close(&p->sink);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->taking);
    pthread_mutex_destroy(&p->turn);
    pthread_cond_destroy(&p->next);
}

int pq_pipeline_run(struct pq_film *film, int64_t first, pique_error *err)
{
    struct pipeline p = {.film = film,
                         .index = first,
                         .segment = first / film->segment_frames,
                         .before = pq_film_inferences(film)};
    const struct pq_infer_setup infer = {
        .film = film, .user = &p, .hand_on = computed, .stop = stopped};
    pthread_mutex_init(&p.lock, NULL);
    pthread_mutex_init(&p.taking, NULL);
    pthread_mutex_init(&p.turn, NULL);
    pthread_cond_init(&p.next, NULL);
    int rc = pq_infer_new(&infer, &p.infer, err);
    if (!rc && !film->options.no_reuse)
        rc = pq_reuse_new(film->io, film->source->facts.frame_bytes + pq_film_result_bytes(film),
                          film->options.tolerance, &p.reuse, err);
    if (!rc && film->kind == PQ_FILM_FILM)
        rc = pq_replay_open(film, (int)p.segment, &p.replay, err);
    if (!rc)
        rc = pq_sink_new(film, first, &p.sink, err);
    if (!rc)
        rc = film->options.no_parallel ? read_all(&p, err) : run_parallel(&p, err);
    add_seconds(&p);
    film->report.inferences = pq_film_inferences(film) - p.before;
    if (p.replay)
        film->report.journal_frames += pq_replay_taken(p.replay);
    release(&p);
    return rc;
}
