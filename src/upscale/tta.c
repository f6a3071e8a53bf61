/* SPDX-License-Identifier: MIT */
/* One pass, eight times: the mean of what the network makes of the picture turned and mirrored in
 * each of the eight ways that take a square to itself, each result turned back ("test-time
 * augmentation", "self-ensemble": Timofte et al., Seven Ways to Improve Example-Based Single Image
 * Super Resolution, 2016).
 *
 *     in -> whole --turned--> network stage --turned back--> sum (x 8) -> / 8, clip -> data
 *
 * A picture turned on its side is read by columns, so both ends are kept as a whole: all of the
 * input while it is turned, all of the output until it is read. A value is the sum of eight in the
 * order of the turns, so it depends on nothing else; values are clipped after the mean and not
 * before, which would pull it away from black and white. */
#include "base/alloc.h"
#include "upscale/luma.h"
#include "upscale/stages.h"
#include "upscale/whole.h"

enum {
    ROWS = 16,  /* of a turned result at a time */
    STRIPE = 64 /* columns of it that one task adds */
};

struct tta {
    struct pq_stage stage;
    struct pq_stage *in; /* NULL once all of it is read */
    pique_engine *engine;
    struct pq_pass pass; /* of each turn */
    struct pq_tally *tally;
    float *whole, *sum;
    int y; /* next row to yield */
    /* During a run. */
    int turn, first, count; /* rows [first, first + count) of the turned result are in rows */
    int turned_width;
    float *rows;
};

static void add_pixel(const struct tta *t, int x, int y)
{
    const size_t planes = (size_t)t->stage.planes;
    const float *p = t->rows + ((size_t)y * (size_t)t->turned_width + (size_t)x) * planes;
    float *sum =
        t->sum +
        pq_turned_place(t->turn, t->stage.width, t->stage.height, x, t->first + y) * planes;
    for (size_t c = 0; c < planes; c++)
        sum[c] = t->turn ? sum[c] + p[c] : p[c];
}

/* A stripe of the rows; along the rows of the sum, whichever way those run. */
static void add_task(void *context, int stripe, int worker)
{
    (void)worker;
    const struct tta *t = context;
    const int x0 = stripe * STRIPE, x1 = PQ_MIN(t->turned_width, x0 + STRIPE);
    if (t->turn & PQ_TRANSPOSE) {
        for (int x = x0; x < x1; x++)
            for (int y = 0; y < t->count; y++)
                add_pixel(t, x, y);
    } else {
        for (int y = 0; y < t->count; y++)
            for (int x = x0; x < x1; x++)
                add_pixel(t, x, y);
    }
}

/* All rows of a turned result into the sum. */
static int add_all(struct tta *t, struct pq_stage *chain, pique_error *err)
{
    struct pq_pool *pool = pq_engine_pool(t->engine);
    t->turned_width = chain->width;
    for (t->first = 0; t->first < chain->height; t->first += t->count) {
        t->count = PQ_MIN(ROWS, chain->height - t->first);
        int rc = chain->read(chain, t->count, t->rows, err);
        if (rc)
            return rc;
        pq_share_out(pool, (chain->width + STRIPE - 1) / STRIPE, add_task, t);
        pq_tally_add(t->tally, t->count);
    }
    return 0;
}

static int run_turn(struct tta *t, const struct pq_planes *picture, int turn, pique_error *err)
{
    struct pq_stage *chain;
    int rc = pq_turned_stage(picture, turn, &chain, err);
    if (rc)
        return rc;
    t->turn = turn;
    rc = pq_network_stage_of(&chain, &t->pass, err);
    const bool side = turn & PQ_TRANSPOSE;
    if (!rc && (chain->width != (side ? t->stage.height : t->stage.width) ||
                chain->height != (side ? t->stage.width : t->stage.height)))
        rc = pq_fail(err, PIQUE_EINTERNAL, "pass %d: turned, the picture becomes %d x %d",
                     t->pass.number, chain->width, chain->height);
    if (!rc)
        rc = add_all(t, chain, err);
    chain->close(chain);
    return rc;
}

static int compute(struct tta *t, pique_error *err)
{
    const pique_allocator *allocator = t->stage.allocator;
    const int width = t->stage.width, height = t->stage.height, planes = t->stage.planes;
    int rc = pq_whole_read(t->in, t->engine, &t->whole, err);
    if (rc)
        return rc;
    const struct pq_planes picture = pq_whole_planes(t->in, t->whole);
    t->in->close(t->in); /* with whatever lies before it */
    t->in = NULL;
    if ((rc = pq_whole_alloc(allocator, width, height, planes, &t->sum, err)) ||
        (rc = pq_whole_alloc(allocator, PQ_MAX(width, height), ROWS, planes, &t->rows, err)))
        return rc;
    for (int turn = 0; !rc && turn < PQ_TURNS; turn++)
        rc = run_turn(t, &picture, turn, err);
    pq_whole_free(t->stage.allocator, &t->rows);
    pq_whole_free(t->stage.allocator, &t->whole);
    return rc;
}

static int tta_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    struct tta *t = (struct tta *)stage;
    if (t->in) {
        int rc = compute(t, err);
        if (rc)
            return rc;
    }
    const size_t row = (size_t)stage->width * (size_t)stage->planes;
    const float *sum = t->sum + (size_t)t->y * row;
    for (size_t i = 0; i < (size_t)rows * row; i++)
        data[i] = pq_clip01(sum[i] * (1.0f / PQ_TURNS));
    t->y += rows;
    return 0;
}

static void tta_close(struct pq_stage *stage)
{
    struct tta *t = (struct tta *)stage;
    if (t->in)
        t->in->close(t->in);
    pq_whole_free(t->stage.allocator, &t->rows);
    pq_whole_free(t->stage.allocator, &t->whole);
    pq_whole_free(t->stage.allocator, &t->sum);
    pq_free(t);
}

int pq_tta_stage(struct pq_stage **chain, const struct pq_pass *pass, pique_error *err)
{
    struct tta *t = pq_calloc(1, sizeof *t);
    if (!t)
        return pq_fail_nomem(err, sizeof *t);
    struct pq_stage *in = *chain, *probe = NULL;
    *t = (struct tta){.in = in,
                      .engine = pass->engine,
                      .pass = *pass,
                      .tally = pass->tally,
                      .stage = {.planes = in->planes,
                                .allocator = in->allocator,
                                .read = tta_read,
                                .close = tta_close}};
    t->pass.unclipped = true;
    t->pass.tally = NULL; /* its rows are told here */
    /* A stage of its own says how large the result becomes, and whether the model will do at all,
     * before everything before it is computed. */
    const struct pq_planes picture = pq_whole_planes(in, NULL);
    int rc = pq_turned_stage(&picture, 0, &probe, err);
    if (!rc)
        rc = pq_network_stage_of(&probe, &t->pass, err);
    if (!rc) {
        t->stage.width = probe->width;
        t->stage.height = probe->height;
        pass->tally->total +=
            (uint64_t)(PQ_TURNS / 2) * ((uint64_t)probe->width + (uint64_t)probe->height);
    }
    if (probe)
        probe->close(probe);
    if (rc) {
        pq_free(t);
        return rc;
    }
    *chain = &t->stage;
    return 0;
}

/* a x b x planes floats, or UINT64_MAX. */
static uint64_t whole_bytes(int a, int b, int planes)
{
    size_t bytes;
    return pq_mul_size((size_t)a * sizeof(float) * (size_t)planes, (size_t)b, &bytes) ? bytes
                                                                                      : UINT64_MAX;
}

uint64_t pq_tta_bytes(const struct pq_size *size, int planes)
{
    uint64_t most = 0;
    for (int i = 0; i < size->passes; i++) {
        const uint64_t in = whole_bytes(size->pass_width[i], size->pass_height[i], planes);
        const uint64_t out = whole_bytes(size->pass_width[i + 1], size->pass_height[i + 1], planes);
        /* A pass has both while it computes; the next one copies what this one made. */
        const uint64_t both = in > UINT64_MAX - out ? UINT64_MAX : in + out;
        const uint64_t copies = i + 1 == size->passes || out > UINT64_MAX / 2 ? out : 2 * out;
        most = PQ_MAX(most, PQ_MAX(both, copies));
    }
    return most;
}
