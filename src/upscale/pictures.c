/* SPDX-License-Identifier: MIT */
/* Pictures of files in one inference. Those of one size and as many planes go together; where
 * something fails while they do, each of them is done alone, so that one cannot take the others
 * with it, and each has its own sentence. What a device cannot do waits for another one; sets of
 * pictures are pieces of work for a crew. */
#include <fenv.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "upscale/budget.h"
#include "upscale/call.h"
#include "upscale/crew.h"
#include "upscale/engine.h"
#include "upscale/framed.h"
#include "upscale/picture.h"
#include "upscale/picture_framed.h"
#include "upscale/stages.h"

struct set {
    struct pq_crew *crew;
    pique_picture_item *items;
    size_t count;
    struct pq_picture_job jobs[PQ_MAX_BATCH];
    bool settled[PQ_MAX_BATCH]; /* done, or failed */
    bool waits[PQ_MAX_BATCH];   /* for another device, and err of the item says why */
    bool lowered;               /* a batch, and it was said */
    int device;
    double start;
};

static void settle(struct set *s, size_t i, int rc)
{
    pique_picture_item *item = &s->items[i];
    s->settled[i] = true;
    item->status = rc;
    if (!rc)
        pq_picture_report(&s->jobs[i], &item->report, pq_seconds() - s->start);
}

/* Another device may do better with it, if there is one. */
static void settle_or_wait(struct set *s, size_t i, int rc)
{
    if (rc == PIQUE_EDEVICE || rc == PIQUE_ENOMEM)
        s->waits[i] = true;
    else
        settle(s, i, rc);
}

/* Whether it is to be done on this device. */
static bool is_open(const struct set *s, size_t i)
{
    return !s->settled[i] && !s->waits[i];
}

static bool go_together(const struct pq_picture_job *a, const struct pq_picture_job *b)
{
    const struct pq_size *x = &a->plan.size, *y = &b->plan.size;
    return x->in_width == y->in_width && x->in_height == y->in_height && x->width == y->width &&
           x->height == y->height &&
           (a->plan.alpha == PIQUE_ALPHA_KEEP) == (b->plan.alpha == PIQUE_ALPHA_KEEP) &&
           (pq_pictures_are_alike(a, b) || !pq_framed_possible(a->engines, &a->plan.options));
}

/* The memory of a pass, for so many pictures. False where that is not there. */
static bool share_memory(const struct pq_picture_job *j, int count, uint64_t share[PQ_MAX_PASSES])
{
    const struct pq_plan *p = &j->plan;
    const struct pq_demand demand = {.frames = count,
                                     .alpha = p->alpha == PIQUE_ALPHA_KEEP,
                                     .tta = p->options.tta,
                                     .other = pq_plan_other_bytes(p, &j->source->format),
                                     .whole = p->whole_bytes};
    return pq_budget_share(j->engines, &p->size, &demand, j->name, share, NULL) == 0;
}

static void do_alone(struct set *s, size_t i, int retries)
{
    const int rc = pq_picture_run(&s->jobs[i], &s->items[i].err);
    s->jobs[i].report.retries += retries;
    settle_or_wait(s, i, rc);
}

/* The device itself has failed since, and another one will go on with what is left. */
static bool is_over(const struct set *s, int failures)
{
    const struct pq_station *station = pq_crew_station(s->crew, s->device);
    return pq_crew_has_other(s->crew, s->device) &&
           pq_engines_failures(&station->engines) > failures;
}

/* The first picture that is open, with all that can go with it. */
static void do_some(struct set *s, size_t first, int failures)
{
    struct pq_picture_job *jobs[PQ_MAX_BATCH];
    size_t which[PQ_MAX_BATCH];
    uint64_t share[PQ_MAX_PASSES];
    int count = 0;
    for (size_t i = first; i < s->count; i++) {
        if (is_open(s, i) && go_together(&s->jobs[first], &s->jobs[i])) {
            which[count] = i;
            jobs[count++] = &s->jobs[i];
        }
    }
    const int wanted = count;
    while (count > 1 && !share_memory(jobs[0], count, share))
        count--;
    if (count < wanted && !s->lowered) {
        s->lowered = true;
        pq_engine_note(jobs[0]->engine, PIQUE_EVENT_NOTE,
                       "%s: a batch of %d is lowered to %d to stay within the memory budget; "
                       "--memory can raise it",
                       jobs[0]->name, wanted, count);
    }
    pique_error why = {0};
    const int rc = count > 1 ? pq_picture_attempt(jobs, count, share, &why) : 0;
    if (rc && rc != PIQUE_ECANCELED && !is_over(s, failures))
        pq_engine_note(jobs[0]->engine, PIQUE_EVENT_RETRY,
                       "a batch of %d pictures failed (%s); each is done alone", count,
                       why.message);
    for (int i = 0; i < count; i++) {
        if (jobs[i]->written)
            settle(s, which[i], 0);
        else if (rc == PIQUE_ECANCELED)
            settle(s, which[i], pq_fail(&s->items[which[i]].err, rc, "%s", why.message));
        else if (is_over(s, failures))
            settle_or_wait(s, which[i],
                           pq_fail(&s->items[which[i]].err, PIQUE_EDEVICE, "%s", why.message));
        else
            do_alone(s, which[i], rc == PIQUE_EDEVICE);
    }
}

/* What cannot be an item of a batch. */
static int check_item(const struct set *s, size_t i, pique_error *err)
{
    const pique_picture_item *item = &s->items[i];
    if (!item->src || !item->dst)
        return pq_fail(err, PIQUE_EINVAL, "a source and a destination are needed");
    if (strcmp(item->src, "-") == 0 || strcmp(item->dst, "-") == 0)
        return pq_fail(err, PIQUE_EINVAL, "-: a pipe cannot be one of several pictures");
    for (size_t k = 0; k < i; k++) {
        if (s->items[k].dst && strcmp(s->items[k].dst, item->dst) == 0)
            return pq_fail(err, PIQUE_EEXIST, "%s: two pictures of a batch would have that name",
                           item->dst);
    }
    return 0;
}

/* ---- a set ---- */

static void open_set(struct set *s, const pique_picture_options *options)
{
    const struct pq_station *first = pq_crew_station(s->crew, pq_crew_first(s->crew));
    for (size_t i = 0; i < s->count; i++) {
        pique_picture_item *item = &s->items[i];
        struct pq_picture_job *j = &s->jobs[i];
        *j = (struct pq_picture_job){.engines = &first->engines,
                                     .engine = first->list[0],
                                     .src = item->src,
                                     .dst = item->dst,
                                     .silent = pq_crew_working(s->crew) > 1};
        item->report.size = sizeof item->report;
        int rc = check_item(s, i, &item->err);
        if (!rc)
            rc = pq_picture_open(j, options, &item->err);
        if (rc && (rc != PIQUE_ENOMEM || pq_crew_count(s->crew) == 1))
            settle(s, i, rc);
    }
}

static void close_set(struct set *s)
{
    for (size_t i = 0; i < s->count; i++)
        pq_picture_close(&s->jobs[i]);
}

/* All that is not settled, on one device. The first failure after which another may do better. */
static int run_set(void *user, void *piece, int device, pique_error *err)
{
    (void)user;
    struct set *s = piece;
    const int failures = pq_engines_failures(&pq_crew_station(s->crew, device)->engines);
    s->device = device;
    memset(s->waits, 0, sizeof s->waits);
    for (size_t i = 0; i < s->count; i++) {
        if (!s->settled[i])
            s->waits[i] = pq_picture_place(&s->jobs[i], s->crew, device, &s->items[i].err) != 0;
    }
    for (size_t i = 0; i < s->count && !is_over(s, failures); i++) {
        if (is_open(s, i))
            do_some(s, i, failures);
    }
    for (size_t i = 0; i < s->count; i++) {
        if (s->waits[i])
            return pq_fail(err, s->items[i].err.code, "%s", s->items[i].err.message);
    }
    return 0;
}

/* No device could do what waits. */
static void give_up_set(struct set *s, const pique_error *why)
{
    for (size_t i = 0; i < s->count; i++) {
        pique_error *err = &s->items[i].err;
        if (s->settled[i])
            continue;
        if (!s->waits[i])
            pq_fail(err, why->code, "%s", why->message);
        settle(s, i, err->code);
    }
}

static int check_call(const pique_picture_item *items, size_t count, pique_error *err)
{
    if (items && count >= 1 && count <= PQ_MAX_BATCH)
        return 0;
    return pq_fail(err, PIQUE_EINVAL, "%zu pictures in a batch: 1 to %d are possible", count,
                   PQ_MAX_BATCH);
}

int pique_pictures_upscale(pique_engine *const *engines, size_t count, pique_picture_item *items,
                           size_t item_count, const pique_picture_options *options,
                           pique_error *err)
{
    struct set s = {.items = items, .count = item_count, .start = pq_seconds()};
    struct pq_engines list;
    pique_error why = {0};
    int rc = pq_engines_take(engines, count, &list, err);
    if (!rc)
        rc = check_call(items, item_count, err);
    if (!rc)
        rc = pq_crew_open(&(struct pq_crew_setup){.engines = &list}, &s.crew, err);
    if (rc)
        return rc;
    fenv_t theirs; /* the same pictures whatever rounding the program around us has set */
    fegetenv(&theirs);
    fesetenv(FE_DFL_ENV);
    open_set(&s, options);
    if (pq_crew_do(s.crew, run_set, NULL, &s, &why))
        give_up_set(&s, &why);
    close_set(&s);
    fesetenv(&theirs);
    pq_crew_close(&s.crew);
    return 0;
}

/* ---- sets from a feed ---- */

struct feeding {
    const pique_picture_feed *feed;
    const pique_picture_options *options;
    struct pq_crew *crew;
    pthread_mutex_t lock; /* one call of the feed at a time */
};

static int form(void *user, void **piece, pique_error *err)
{
    struct feeding *f = user;
    pique_picture_item *items = NULL;
    pthread_mutex_lock(&f->lock);
    const size_t count = f->feed->next(f->feed->user, &items);
    pthread_mutex_unlock(&f->lock);
    int rc = count ? check_call(items, count, err) : 0;
    struct set *s = count && !rc ? pq_calloc(1, sizeof *s) : NULL;
    if (count && !rc && !s)
        rc = pq_fail_nomem(err, sizeof *s);
    if (s) {
        *s = (struct set){.crew = f->crew, .items = items, .count = count};
        *piece = s;
    }
    return rc;
}

/* Opening takes part of the time, and so belongs to the device's thread. */
static int run_piece(void *user, void *piece, int device, pique_error *err)
{
    const struct feeding *f = user;
    struct set *s = piece;
    if (s->start <= 0) {
        s->start = pq_seconds();
        open_set(s, f->options);
    }
    return run_set(NULL, s, device, err);
}

static void drop(void *user, void *piece)
{
    (void)user;
    close_set(piece);
    pq_free(piece);
}

static int deliver(void *user, void *piece, pique_error *err)
{
    (void)err;
    struct feeding *f = user;
    struct set *s = piece;
    pthread_mutex_lock(&f->lock);
    f->feed->done(f->feed->user, s->items, s->count);
    pthread_mutex_unlock(&f->lock);
    drop(f, s);
    return 0;
}

static int give_up(void *user, void *piece, const pique_error *why, pique_error *err)
{
    (void)user, (void)err;
    give_up_set(piece, why);
    return 0;
}

int pique_pictures_upscale_all(pique_engine *const *engines, size_t count,
                               const pique_picture_feed *feed, const pique_picture_options *options,
                               pique_error *err)
{
    struct feeding f = {.feed = feed, .options = options};
    struct pq_engines list;
    if (!feed || feed->size < sizeof *feed || !feed->next || !feed->done)
        return pq_fail(err, PIQUE_EINVAL, "a feed of pictures with its size is needed");
    int rc = pq_engines_take(engines, count, &list, err);
    if (!rc)
        rc = pq_crew_open(&(struct pq_crew_setup){.engines = &list}, &f.crew, err);
    if (rc)
        return rc;
    const struct pq_crew_work work = {.user = &f,
                                      .form = form,
                                      .run = run_piece,
                                      .deliver = deliver,
                                      .give_up = give_up,
                                      .drop = drop};
    fenv_t theirs; /* which the threads of other devices take over */
    fegetenv(&theirs);
    fesetenv(FE_DFL_ENV);
    pthread_mutex_init(&f.lock, NULL);
    rc = pq_crew_run(f.crew, &work, err);
    pthread_mutex_destroy(&f.lock);
    fesetenv(&theirs);
    pq_crew_close(&f.crew);
    return rc;
}
