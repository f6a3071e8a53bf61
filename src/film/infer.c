/* SPDX-License-Identifier: MIT */
#include "film/infer.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "film/devices.h"
#include "film/picture.h"

/* A batch is full when it has as many frames that must be computed as go into one inference; frames
 * that were there before come with the batch before which they stand, but not without end. */
enum { MOST_ITEMS = 1024 };

struct batch {
    struct pq_item **items; /* in order */
    size_t count, capacity;
    int fresh;      /* of them, that must be computed */
    double seconds; /* that this took */
};

struct pq_infer {
    struct pq_infer_setup setup;
    struct pq_queue *queue;
    struct batch *open;  /* that is formed now, or was before its turn */
    pique_error failure; /* of forming it early; code 0: none */
    uint64_t batches;    /* delivered */
    double seconds;
};

int pq_infer_new(const struct pq_infer_setup *setup, struct pq_infer **out, pique_error *err)
{
    *out = pq_calloc(1, sizeof **out);
    if (!*out)
        return pq_fail_nomem(err, sizeof **out);
    (*out)->setup = *setup;
    return 0;
}

static void drop(void *user, void *piece)
{
    const struct pq_infer *infer = user;
    struct batch *b = piece;
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++)
        pq_item_free(infer->setup.film->io, b->items[i]);
    pq_free(b->items);
    pq_free(b);
}

void pq_infer_free(struct pq_infer **infer)
{
    if (*infer)
        drop(*infer, (*infer)->open);
    pq_free(*infer);
    *infer = NULL;
}

double pq_infer_seconds(const struct pq_infer *infer)
{
    return infer->seconds;
}

/* ---- a batch ---- */

static bool is_full(const struct pq_infer *infer, const struct batch *b)
{
    return b->fresh == pq_frames_batch(infer->setup.film->frames) || b->count >= MOST_ITEMS;
}

/* Takes the item. */
static int gather(const struct pq_infer *infer, struct batch **batch, struct pq_item *item,
                  pique_error *err)
{
    struct batch *b = *batch ? *batch : pq_calloc(1, sizeof *b);
    struct pq_item **grown = b ? pq_grown(b->items, b->count, &b->capacity, sizeof *grown) : NULL;
    *batch = b;
    if (!grown) {
        pq_item_free(infer->setup.film->io, item);
        return pq_fail_nomem(err, sizeof *b);
    }
    b->items = grown;
    b->items[b->count++] = item;
    b->fresh += item->fresh && !item->result->journaled;
    return 0;
}

/* Items of the queue into the open batch until that is full; those alone that are there already,
 * or all of them. */
static int fill(struct pq_infer *infer, bool wait, pique_error *err)
{
    enum pq_queue_state state = PQ_QUEUE_ITEM;
    int rc = 0;
    while (!rc && state == PQ_QUEUE_ITEM && !(infer->open && is_full(infer, infer->open))) {
        void *item = NULL;
        state = (wait ? pq_queue_pop : pq_queue_try_pop)(infer->queue, &item);
        if (state == PQ_QUEUE_CANCELLED)
            rc = pq_fail(err, PIQUE_ECANCELED, "stopped on request");
        else if (state == PQ_QUEUE_ITEM)
            rc = gather(infer, &infer->open, item, err);
    }
    return rc;
}

/* Whoever wants the film to hold gets no new batch; those that are under way end. */
static int form(void *user, void **piece, pique_error *err)
{
    struct pq_infer *infer = user;
    int rc = infer->failure.code ? pq_fail(err, infer->failure.code, "%s", infer->failure.message)
                                 : fill(infer, true, err);
    struct batch *b = infer->open;
    infer->open = NULL;
    if (!rc && b)
        rc = pq_film_check(infer->setup.film, err);
    if (rc) {
        drop(infer, b);
        return rc;
    }
    *piece = b;
    return 0;
}

/* Room for what is computed; that of an attempt before serves again. */
static int make_room(const struct pq_film *film, struct pq_result *const *results, int n,
                     pique_error *err)
{
    int rc = 0;
    for (int i = 0; !rc && i < n; i++) {
        if (!results[i]->out.data[0])
            rc = pq_film_room(film, results[i], err);
    }
    return rc;
}

static int computed_of(const struct batch *b, struct pq_result **results)
{
    int n = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct pq_item *item = b->items[i];
        if (item->fresh && !item->result->journaled)
            results[n++] = item->result;
    }
    return n;
}

/* The batch that will be formed next, where its frames are there already. */
static bool look_ahead(void *user, int count, struct pq_result **results)
{
    struct pq_infer *infer = user;
    if (infer->failure.code || fill(infer, false, &infer->failure))
        return false;
    const struct batch *b = infer->open;
    return b && is_full(infer, b) && b->fresh == count && computed_of(b, results) == count &&
           make_room(infer->setup.film, results, count, NULL) == 0;
}

/* What is computed from stays until it is: another device may have to begin anew. */
static int compute(void *user, void *piece, int device, pique_error *err)
{
    struct pq_infer *infer = user;
    struct batch *b = piece;
    struct pq_film *film = infer->setup.film;
    struct pq_result *results[PQ_MAX_BATCH];
    const struct pq_film_next next = {infer, look_ahead};
    const bool in_turn = infer->queue && pq_crew_is_alone(film->crew);
    const int n = computed_of(b, results);
    int key, rc = make_room(film, results, n, err);
    const double start = pq_seconds();
    if (!rc)
        rc = pq_film_key_of(film, device, &key, err);
    if (!rc && n)
        rc = pq_film_compute_on(film, device, n, results, in_turn ? &next : NULL, err);
    b->seconds += pq_seconds() - start;
    for (int i = 0; !rc && i < n; i++) {
        pq_image_free(&results[i]->in);
        results[i]->key = key;
    }
    return rc;
}

static int deliver(void *user, void *piece, pique_error *err)
{
    struct pq_infer *infer = user;
    struct batch *b = piece;
    infer->batches++;
    infer->seconds += b->seconds;
    int rc = pq_film_note_made(infer->setup.film, b->items, b->count, err);
    size_t i = 0;
    for (; !rc && i < b->count; i++) {
        struct pq_item *item = b->items[i];
        b->items[i] = NULL; /* whatever becomes of it */
        item->batch = infer->batches;
        item->batch_ends = i + 1 == b->count;
        rc = infer->setup.hand_on(infer->setup.user, item, err);
    }
    drop(infer, b);
    return rc;
}

static void stop(void *user, const pique_error *why)
{
    const struct pq_infer *infer = user;
    infer->setup.stop(infer->setup.user, why);
}

/* ---- all of them ---- */

int pq_infer_serve(struct pq_infer *infer, struct pq_queue *queue, pique_error *err)
{
    const struct pq_crew_work work = {.user = infer,
                                      .form = form,
                                      .run = compute,
                                      .deliver = deliver,
                                      .drop = drop,
                                      .stop = stop};
    infer->queue = queue;
    return pq_crew_run(infer->setup.film->crew, &work, err);
}

static int flush(struct pq_infer *infer, pique_error *err)
{
    struct batch *b = infer->open;
    if (!b)
        return 0;
    infer->open = NULL;
    int rc = pq_film_check(infer->setup.film, err);
    if (!rc)
        rc = pq_crew_do(infer->setup.film->crew, compute, infer, b, err);
    if (!rc)
        return deliver(infer, b, err);
    drop(infer, b);
    return rc;
}

int pq_infer_put(struct pq_infer *infer, struct pq_item *item, pique_error *err)
{
    if (!item)
        return flush(infer, err);
    int rc = gather(infer, &infer->open, item, err);
    return rc || !is_full(infer, infer->open) ? rc : flush(infer, err);
}
