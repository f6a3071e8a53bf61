/* SPDX-License-Identifier: MIT */
/* Pictures of files in one inference. Those of one size and as many planes go together; where
 * something fails while they do, each of them is done alone, so that one cannot take the others
 * with it, and each has its own sentence. */
#include <fenv.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "upscale/budget.h"
#include "upscale/call.h"
#include "upscale/engine.h"
#include "upscale/picture.h"
#include "upscale/stages.h"

struct set {
    struct pq_engines engines;
    pique_picture_item *items;
    size_t count;
    struct pq_picture_job jobs[PQ_MAX_BATCH];
    bool settled[PQ_MAX_BATCH]; /* done, or failed */
    bool lowered;               /* a batch, and it was said */
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

static bool go_together(const struct pq_picture_job *a, const struct pq_picture_job *b)
{
    const struct pq_size *x = &a->plan.size, *y = &b->plan.size;
    return x->in_width == y->in_width && x->in_height == y->in_height && x->width == y->width &&
           x->height == y->height &&
           (a->plan.alpha == PIQUE_ALPHA_KEEP) == (b->plan.alpha == PIQUE_ALPHA_KEEP);
}

/* The memory of a pass, for so many pictures. False where that is not there. */
static bool share_memory(const struct set *s, const struct pq_picture_job *j, int count,
                         uint64_t share[PQ_MAX_PASSES])
{
    const struct pq_plan *p = &j->plan;
    const struct pq_demand demand = {.frames = count,
                                     .alpha = p->alpha == PIQUE_ALPHA_KEEP,
                                     .tta = p->options.tta,
                                     .other = pq_plan_other_bytes(p, &j->source->format),
                                     .whole = p->whole_bytes};
    return pq_budget_share(&s->engines, &p->size, &demand, j->name, share, NULL) == 0;
}

static void do_alone(struct set *s, size_t i, int retries)
{
    const int rc = pq_picture_run(&s->jobs[i], &s->items[i].err);
    s->jobs[i].report.retries += retries;
    settle(s, i, rc);
}

/* The first picture that is not settled, with all that can go with it. */
static void do_some(struct set *s, size_t first)
{
    struct pq_picture_job *jobs[PQ_MAX_BATCH];
    size_t which[PQ_MAX_BATCH];
    uint64_t share[PQ_MAX_PASSES];
    int count = 0;
    for (size_t i = first; i < s->count; i++) {
        if (!s->settled[i] && go_together(&s->jobs[first], &s->jobs[i])) {
            which[count] = i;
            jobs[count++] = &s->jobs[i];
        }
    }
    const int wanted = count;
    while (count > 1 && !share_memory(s, jobs[0], count, share))
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
    if (rc && rc != PIQUE_ECANCELED)
        pq_engine_note(jobs[0]->engine, PIQUE_EVENT_RETRY,
                       "a batch of %d pictures failed (%s); each is done alone", count,
                       why.message);
    for (int i = 0; i < count; i++) {
        if (jobs[i]->written)
            settle(s, which[i], 0);
        else if (rc == PIQUE_ECANCELED)
            settle(s, which[i], pq_fail(&s->items[which[i]].err, rc, "%s", why.message));
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

int pique_pictures_upscale(pique_engine *const *engines, size_t count, pique_picture_item *items,
                           size_t item_count, const pique_picture_options *options,
                           pique_error *err)
{
    struct set s = {.items = items, .count = item_count, .start = pq_seconds()};
    int rc = pq_engines_take(engines, count, &s.engines, err);
    if (rc)
        return rc;
    if (!items || item_count < 1 || item_count > PQ_MAX_BATCH)
        return pq_fail(err, PIQUE_EINVAL, "%zu pictures in a batch: 1 to %d are possible",
                       item_count, PQ_MAX_BATCH);
    fenv_t theirs; /* the same pictures whatever rounding the program around us has set */
    fegetenv(&theirs);
    fesetenv(FE_DFL_ENV);
    for (size_t i = 0; i < item_count; i++) {
        s.jobs[i] = (struct pq_picture_job){
            .engines = &s.engines, .engine = engines[0], .src = items[i].src, .dst = items[i].dst};
        items[i].report.size = sizeof items[i].report;
        rc = check_item(&s, i, &items[i].err);
        if (!rc)
            rc = pq_picture_open(&s.jobs[i], options, &items[i].err);
        if (rc)
            settle(&s, i, rc);
    }
    for (size_t i = 0; i < item_count; i++)
        if (!s.settled[i])
            do_some(&s, i);
    for (size_t i = 0; i < item_count; i++)
        pq_picture_close(&s.jobs[i]);
    fesetenv(&theirs);
    return 0;
}
