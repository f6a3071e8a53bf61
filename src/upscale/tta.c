/* SPDX-License-Identifier: MIT */
/* One pass, eight times: the mean of what the network makes of the picture turned and mirrored in
 * each of the eight ways that take a square to itself, each result turned back ("test-time
 * augmentation", "self-ensemble": Timofte et al., Seven Ways to Improve Example-Based Single Image
 * Super Resolution, 2016).
 *
 *     in -> whole --turned--> network stage --turned back--> sum (x 8) -> / 8, clip -> data
 *
 * Several pictures of one size go through each of the eight runs together, as they do without it. A
 * picture turned on its side is read by columns, so both ends are kept as a whole: all of the
 * input while it is turned, all of the output until it is read. A value is the sum of eight in the
 * order of the turns, so it depends on nothing else; values are clipped after the mean and not
 * before, which would pull it away from black and white. */
#include "base/alloc.h"
#include "kernels/colour.h"
#include "upscale/stages.h"
#include "upscale/whole.h"

enum {
    ROWS = 16,  /* of a turned result at a time */
    STRIPE = 64 /* columns of it that one task adds */
};

struct tta;

/* One picture: its whole input, then its whole sum, and the stage that it goes on from. */
struct lane {
    struct pq_stage stage; /* first */
    struct tta *tta;
    struct pq_stage *in; /* NULL once all of it is read */
    float *whole, *sum;
    int y; /* next row to yield */
};

struct tta {
    pique_engine *engine;
    struct pq_pass pass; /* of each turn */
    struct pq_tally *tally;
    bool done;
    int open, count;
    struct lane lanes[PQ_MAX_BATCH];
    /* During a run. */
    int turn, first, rows; /* rows [first, first + rows) of a turned result are in data */
    int turned_width;
    float *data;
    struct lane *lane;
};

static void add_pixel(const struct tta *t, int x, int y)
{
    const struct pq_stage *stage = &t->lane->stage;
    const size_t planes = (size_t)stage->planes;
    const float *p = t->data + ((size_t)y * (size_t)t->turned_width + (size_t)x) * planes;
    float *sum = t->lane->sum +
                 pq_turned_place(t->turn, stage->width, stage->height, x, t->first + y) * planes;
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
            for (int y = 0; y < t->rows; y++)
                add_pixel(t, x, y);
    } else {
        for (int y = 0; y < t->rows; y++)
            for (int x = x0; x < x1; x++)
                add_pixel(t, x, y);
    }
}

/* All rows of all turned results into the sums. */
static int add_all(struct tta *t, struct pq_stage *const *chains, pique_error *err)
{
    struct pq_pool *pool = pq_engine_pool(t->engine);
    const int height = chains[0]->height;
    t->turned_width = chains[0]->width;
    for (t->first = 0; t->first < height; t->first += t->rows) {
        t->rows = PQ_MIN(ROWS, height - t->first);
        for (int i = 0; i < t->count; i++) {
            int rc = chains[i]->read(chains[i], t->rows, t->data, err);
            if (rc)
                return rc;
            t->lane = &t->lanes[i];
            pq_share_out(pool, (t->turned_width + STRIPE - 1) / STRIPE, add_task, t);
        }
        pq_tally_add(t->tally, t->rows);
    }
    return 0;
}

static int run_turn(struct tta *t, const struct pq_planes *pictures, int turn, pique_error *err)
{
    struct pq_stage *chains[PQ_MAX_BATCH] = {0};
    const struct pq_stage *out = &t->lanes[0].stage;
    int rc = 0;
    for (int i = 0; !rc && i < t->count; i++)
        rc = pq_turned_stage(&pictures[i], turn, &chains[i], err);
    t->turn = turn;
    if (!rc)
        rc = pq_network_stages(chains, t->count, &t->pass, err);
    const bool side = turn & PQ_TRANSPOSE;
    if (!rc && (chains[0]->width != (side ? out->height : out->width) ||
                chains[0]->height != (side ? out->width : out->height)))
        rc = pq_fail(err, PIQUE_EINTERNAL, "pass %d: turned, the picture becomes %d x %d",
                     t->pass.number, chains[0]->width, chains[0]->height);
    if (!rc)
        rc = add_all(t, chains, err);
    for (int i = 0; i < t->count; i++)
        if (chains[i])
            chains[i]->close(chains[i]);
    return rc;
}

/* The whole inputs; what lies before them is then closed. */
static int read_inputs(struct tta *t, struct pq_planes *pictures, pique_error *err)
{
    struct pq_stage *in[PQ_MAX_BATCH];
    float *whole[PQ_MAX_BATCH] = {0};
    for (int i = 0; i < t->count; i++)
        in[i] = t->lanes[i].in;
    int rc = pq_whole_read(in, t->count, t->engine, whole, err);
    for (int i = 0; i < t->count; i++) {
        t->lanes[i].whole = whole[i];
        if (rc)
            continue;
        pictures[i] = pq_whole_planes(in[i], whole[i]);
        in[i]->close(in[i]);
        t->lanes[i].in = NULL;
    }
    return rc;
}

static int compute(struct tta *t, pique_error *err)
{
    const struct pq_stage *out = &t->lanes[0].stage;
    struct pq_planes pictures[PQ_MAX_BATCH];
    int rc = read_inputs(t, pictures, err);
    for (int i = 0; !rc && i < t->count; i++)
        rc = pq_whole_alloc(out->allocator, out->width, out->height, out->planes, &t->lanes[i].sum,
                            err);
    if (!rc)
        rc = pq_whole_alloc(out->allocator, PQ_MAX(out->width, out->height), ROWS, out->planes,
                            &t->data, err);
    for (int turn = 0; !rc && turn < PQ_TURNS; turn++)
        rc = run_turn(t, pictures, turn, err);
    pq_whole_free(out->allocator, &t->data);
    for (int i = 0; i < t->count; i++)
        pq_whole_free(out->allocator, &t->lanes[i].whole);
    t->done = true;
    return rc;
}

static int lane_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    struct lane *lane = (struct lane *)stage;
    if (!lane->tta->done) {
        int rc = compute(lane->tta, err);
        if (rc)
            return rc;
    }
    const size_t row = (size_t)stage->width * (size_t)stage->planes;
    const float *sum = lane->sum + (size_t)lane->y * row;
    for (size_t i = 0; i < (size_t)rows * row; i++)
        data[i] = pq_clip01(sum[i] * (1.0f / PQ_TURNS));
    lane->y += rows;
    return 0;
}

static void lane_close(struct pq_stage *stage)
{
    struct lane *lane = (struct lane *)stage;
    struct tta *t = lane->tta;
    if (lane->in)
        lane->in->close(lane->in);
    pq_whole_free(stage->allocator, &lane->whole);
    pq_whole_free(stage->allocator, &lane->sum);
    if (--t->open > 0)
        return;
    pq_whole_free(stage->allocator, &t->data);
    pq_free(t);
}

/* Stages of their own say how large the result becomes, and whether the model will do at all,
 * before everything before them is computed. */
static int probe_size(struct tta *t, int *width, int *height, pique_error *err)
{
    struct pq_stage *probes[PQ_MAX_BATCH] = {0};
    const struct pq_planes picture = pq_whole_planes(t->lanes[0].in, NULL);
    int rc = 0;
    for (int i = 0; !rc && i < t->count; i++)
        rc = pq_turned_stage(&picture, 0, &probes[i], err);
    if (!rc)
        rc = pq_network_stages(probes, t->count, &t->pass, err);
    if (!rc) {
        *width = probes[0]->width;
        *height = probes[0]->height;
    }
    for (int i = 0; i < t->count; i++)
        if (probes[i])
            probes[i]->close(probes[i]);
    return rc;
}

int pq_tta_stages(struct pq_stage **chains, int count, const struct pq_pass *pass, pique_error *err)
{
    struct tta *t = pq_calloc(1, sizeof *t);
    int width = 0, height = 0;
    if (!t)
        return pq_fail_nomem(err, sizeof *t);
    t->engine = pass->engine;
    t->pass = *pass;
    t->pass.unclipped = true;
    t->pass.tally = NULL; /* its rows are told here */
    t->tally = pass->tally;
    t->count = t->open = count;
    for (int i = 0; i < count; i++) {
        t->lanes[i] = (struct lane){.tta = t,
                                    .in = chains[i],
                                    .stage = {.planes = chains[i]->planes,
                                              .allocator = chains[i]->allocator,
                                              .read = lane_read,
                                              .close = lane_close}};
    }
    int rc = probe_size(t, &width, &height, err);
    if (rc) {
        pq_free(t);
        return rc;
    }
    pass->tally->total += (uint64_t)(PQ_TURNS / 2) * ((uint64_t)width + (uint64_t)height);
    for (int i = 0; i < count; i++) {
        t->lanes[i].stage.width = width;
        t->lanes[i].stage.height = height;
        chains[i] = &t->lanes[i].stage;
    }
    return 0;
}

int pq_tta_stage(struct pq_stage **chain, const struct pq_pass *pass, pique_error *err)
{
    return pq_tta_stages(chain, 1, pass, err);
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
