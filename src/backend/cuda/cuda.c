/* SPDX-License-Identifier: MIT */
/* Steps of a run. One that comes in is enqueued at once; the rows that it finishes are handed out
 * when they are there, which is some steps later: so the copy in of one step, the kernels of the
 * one before it and the copy out of the one before that are under way at the same time. */
#include "backend/cuda/cuda.h"

#include <string.h>

#include "backend/cuda/device.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/planes.h"
#include "backend/cuda/program.h"
#include "backend/cuda/space.h"
#include "backend/cuda/watch.h"
#include "base/alloc.h"
#include "base/lang.h"

struct cuda_run {
    struct pq_run base;
    struct cuda_space *space; /* perhaps with the run before, or behind */
    struct cuda_side *side;   /* of it */
    int64_t first;            /* its first step, of those of the space */
    int64_t issued, finished; /* steps enqueued, and handed out */
    int rows[CUDA_SLOTS];     /* of the result that the step in a slot yields */
    int64_t given_out;        /* rows of the result */
};

/* Where the rows of a step come from and go to: bands of floats, or whole pictures. */
struct ends {
    const struct pq_band *in, *out;
    const struct pq_picture *from, *to;
};

static struct cuda_program *program_of(const struct cuda_run *run)
{
    return (struct cuda_program *)run->base.program;
}

static int slot_of(const struct cuda_run *run, int64_t step)
{
    return (int)((run->first + step) % run->space->slots);
}

/* ---- in ---- */

/* Rows between the caller's memory and a slot, shared out to the threads: of a large picture they
 * are hundreds of megabytes. */
struct copying {
    const struct pq_band *band; /* the caller's */
    float *slot;
    size_t row; /* floats */
    int rows;   /* of each frame */
    bool out;   /* to the caller */
};

static void copy_row(void *context, int index, int worker)
{
    (void)worker;
    const struct copying *c = context;
    const int frame = index / c->rows, y = index % c->rows;
    float *theirs = c->band->data + frame * c->band->frame_stride + y * c->band->row_stride;
    float *ours = c->slot + (size_t)index * c->row;
    memcpy(c->out ? theirs : ours, c->out ? ours : theirs, c->row * sizeof *ours);
}

static void copy_rows(const struct cuda_run *run, int op, struct copying *c)
{
    c->row = (size_t)run->base.lines[op].width * (size_t)run->base.program->graph->ops[op].channels;
    pq_pool_run(program_of(run)->pool, run->base.geometry.frames * c->rows, copy_row, c);
}

/* The same of whole pictures. */
static void carry_rows(const struct cuda_run *run, int op, const struct pq_picture *pictures,
                       float *slot, int64_t y0, int64_t y1)
{
    const struct pq_graph *g = run->base.program->graph;
    const bool out = op == g->output;
    cuda_carry(program_of(run)->pool,
               &(struct cuda_carrying){.layout = out ? &g->out : &g->in,
                                       .pictures = pictures,
                                       .slot = (unsigned char *)slot,
                                       .width = run->base.lines[op].width,
                                       .slot_rows =
                                           out ? run->base.lines[op].rows : run->base.geometry.band,
                                       .frames = run->base.geometry.frames,
                                       .y0 = y0,
                                       .y1 = y1,
                                       .out = out});
}

/* Of planes all that a slot has room for: they do not lie one behind another for fewer rows. */
static size_t band_bytes(const struct cuda_run *run, int op, int rows)
{
    const struct pq_graph *g = run->base.program->graph;
    const bool out = op == g->output;
    const struct pq_sample_layout *layout = out ? &g->out : &g->in;
    const int64_t room = out ? run->base.lines[op].rows : run->base.geometry.band;
    size_t floats;
    if (layout->planes) {
        cuda_planes_of(layout, run->base.lines[op].width, room, run->base.geometry.frames, NULL,
                       &floats);
        return floats * sizeof(float);
    }
    return (size_t)run->base.geometry.frames * (size_t)rows * (size_t)run->base.lines[op].width *
           (size_t)run->base.program->graph->ops[op].channels * sizeof(float);
}

static cuda_result copy_in(const struct cuda_run *run, int count, struct cuda_slot *slot)
{
    const struct cuda_driver *d = program_of(run)->driver;
    const struct cuda_space *s = run->space;
    cuda_result r = d->copy_in(slot->device_in, slot->in, band_bytes(run, 0, count), s->in);
    if (!r)
        r = d->event_record(slot->arrived, s->in);
    return r ? r : d->stream_wait(s->compute, slot->arrived, 0);
}

/* ---- compute ---- */

/* What a step computes, given where each operation stands. */
static cuda_result launch_ops(const struct cuda_run *run, const int64_t *before,
                              const int64_t *after)
{
    const struct cuda_program *p = program_of(run);
    cuda_result r = CUDA_SUCCESS;
    for (int i = 0; !r && i < p->base.graph->count; i++) {
        if (after[i] == before[i])
            continue;
        if (i)
            r = cuda_launch_op(p, run->space, i, before[i], after[i]);
        if (!r)
            r = cuda_watch(p, run->space, run->side->seen, i, before[i], after[i]);
    }
    return r;
}

/* These launches are the same in every batch of this size: they are recorded once. */
static cuda_result record_step(const struct cuda_run *run, const int64_t *before,
                               const int64_t *after, cuda_graph_exec *exec)
{
    const struct cuda_driver *d = program_of(run)->driver;
    cuda_graph graph = NULL;
    cuda_result r = d->capture_begin(run->space->compute, CUDA_CAPTURE_THREAD_LOCAL);
    if (r)
        return r;
    r = launch_ops(run, before, after);
    const cuda_result ended = d->capture_end(run->space->compute, &graph);
    r = r ? r : ended;
    if (!r)
        r = d->graph_instantiate(exec, graph, 0);
    if (graph)
        d->graph_destroy(graph);
    return r;
}

/* Of a few rows nothing may come yet but that they lie there. */
static bool computes(const struct cuda_run *run, const int64_t *before, const int64_t *after)
{
    const struct pq_op *input = program_of(run)->base.graph->ops;
    bool any = input->watch_in || input->watch_out;
    for (int i = 1; i < program_of(run)->base.graph->count; i++)
        any |= after[i] > before[i];
    return any;
}

static cuda_result replay_step(const struct cuda_run *run, const int64_t *before,
                               const int64_t *after)
{
    if (!computes(run, before, after))
        return CUDA_SUCCESS;
    if (run->issued >= CUDA_GRAPHS)
        return launch_ops(run, before, after);
    cuda_graph_exec *exec = &run->side->graphs[run->issued];
    cuda_result r = *exec ? CUDA_SUCCESS : record_step(run, before, after, exec);
    return r ? r : program_of(run)->driver->graph_launch(*exec, run->space->compute);
}

/* What a step does on the compute stream. Its slot is another one in every batch. */
static cuda_result compute(const struct cuda_run *run, const struct cuda_slot *slot, int count,
                           const int64_t *before, const int64_t *after)
{
    const struct cuda_program *p = program_of(run);
    const int output = p->base.graph->output;
    cuda_result r = CUDA_SUCCESS;
    if (count)
        r = cuda_launch_load(p, run->space, slot, before[0], after[0]);
    if (!r)
        r = replay_step(run, before, after);
    if (!r && after[output] > before[output])
        r = cuda_launch_store(p, run->space, slot, before[output], after[output]);
    return r;
}

/* ---- out ---- */

/* What was seen goes out with the last rows. */
static cuda_result copy_seen(const struct cuda_run *run, int64_t y1)
{
    const struct cuda_space *s = run->space;
    if (!s->seen_floats || y1 < run->base.lines[run->base.program->graph->output].height)
        return CUDA_SUCCESS;
    return program_of(run)->driver->copy_out(run->side->pinned_seen, run->side->seen,
                                             s->seen_floats * sizeof(float), s->out);
}

/* `done` is behind everything that the step does in its slot. */
static cuda_result copy_out(const struct cuda_run *run, int rows, int64_t y1,
                            struct cuda_slot *slot)
{
    const struct cuda_driver *d = program_of(run)->driver;
    const struct cuda_space *s = run->space;
    if (!rows)
        return d->event_record(slot->done, s->compute);
    cuda_result r = d->event_record(slot->computed, s->compute);
    if (!r)
        r = d->stream_wait(s->out, slot->computed, 0);
    if (!r)
        r = d->copy_out(slot->out, slot->device_out,
                        band_bytes(run, run->base.program->graph->output, rows), s->out);
    if (!r)
        r = copy_seen(run, y1);
    return r ? r : d->event_record(slot->done, s->out);
}

/* ---- a step ---- */

/* Where every operation stands after the next step. */
static void plan_step(const struct cuda_run *run, int count, int64_t *after)
{
    const struct pq_graph *g = run->base.program->graph;
    struct pq_progress progress = {after};
    after[0] += count;
    for (int i = 1; i < g->count; i++) {
        int64_t y0, y1;
        pq_plan_step(g, run->base.lines, run->base.geometry.band, &progress, i, &y0, &y1);
        after[i] = y1;
    }
}

/* Statistics from elsewhere, before the first step. */
static cuda_result upload_given(const struct cuda_run *run)
{
    const struct cuda_driver *d = program_of(run)->driver;
    const struct pq_graph *g = run->base.program->graph;
    const int frames = run->base.geometry.frames;
    float *to = run->side->pinned_given;
    for (int i = 0; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        if (op->kind != PQ_OP_GIVEN)
            continue;
        memcpy(to, run->base.given->values[op->first],
               (size_t)op->channels * (size_t)frames * sizeof *to);
        to += cuda_given_floats(op, frames);
    }
    const size_t bytes = (size_t)(to - run->side->pinned_given) * sizeof *to;
    if (!bytes)
        return CUDA_SUCCESS;
    return d->copy_in(run->space->given, run->side->pinned_given, bytes, run->space->compute);
}

static int issue(struct cuda_run *run, const struct ends *ends, int count, pique_error *err)
{
    const struct pq_graph *g = run->base.program->graph;
    const size_t bytes = (size_t)g->count * sizeof(int64_t);
    const int at = slot_of(run, run->issued);
    struct cuda_slot *slot = &run->space->slot[at];
    int64_t *after = run->space->after;
    memcpy(after, run->base.done, bytes);
    plan_step(run, count, after);
    const int rows = (int)(after[g->output] - run->base.done[g->output]);
    cuda_result r = run->issued == 0 ? upload_given(run) : CUDA_SUCCESS;
    if (!r && count) {
        if (ends->from)
            carry_rows(run, 0, ends->from, slot->in, run->base.done[0], after[0]);
        else
            copy_rows(run, 0, &(struct copying){.band = ends->in, .slot = slot->in, .rows = count});
        r = copy_in(run, count, slot);
    }
    if (!r)
        r = compute(run, slot, count, run->base.done, after);
    if (!r)
        r = copy_out(run, rows, after[g->output], slot);
    memcpy(run->base.done, after, bytes);
    run->rows[at] = rows;
    run->issued++;
    run->space->issued++;
    return cuda_check(program_of(run)->driver, r, PQ_SAID("was given work"), err);
}

/* Wait for the oldest step, and hand its rows out. */
static int hand_out(struct cuda_run *run, const struct ends *ends, int *got, pique_error *err)
{
    const struct cuda_driver *d = program_of(run)->driver;
    const int output = run->base.program->graph->output;
    const int at = slot_of(run, run->finished);
    const struct cuda_slot *slot = &run->space->slot[at];
    int rc = cuda_check(d, d->event_synchronize(slot->done), PQ_SAID("computed"), err);
    if (rc)
        return rc;
    if (ends->to)
        carry_rows(run, output, ends->to, slot->out, run->given_out,
                   run->given_out + run->rows[at]);
    else
        copy_rows(run, output,
                  &(struct copying){
                      .band = ends->out, .slot = slot->out, .rows = run->rows[at], .out = true});
    *got = run->rows[at];
    run->given_out += *got;
    run->finished++;
    run->space->finished++;
    return 0;
}

/* Whether some operation has rows to compute yet. */
static bool is_left(const struct cuda_run *run)
{
    for (int i = 0; i < run->base.program->graph->count; i++) {
        if (run->base.done[i] < run->base.lines[i].height)
            return true;
    }
    return false;
}

static bool has_room(const struct cuda_space *s)
{
    return s->issued - s->finished < s->slots;
}

/* Whether what is handed out next is this run's. */
static bool is_next(const struct cuda_run *run)
{
    return run->finished < run->issued && run->first + run->finished == run->space->finished;
}

/* A run behind another one finds slots taken, and has no rows before that has ended. */
static int step_inside(struct cuda_run *run, const struct ends *ends, int count, int *got,
                       pique_error *err)
{
    int rc = has_room(run->space) && is_left(run) ? issue(run, ends, count, err) : 0;
    /* All slots are taken, or nothing more will come in: somebody waits for rows. */
    while (!rc && *got == 0 && is_next(run) &&
           (!has_room(run->space) || pq_run_missing(&run->base) == 0))
        rc = hand_out(run, ends, got, err);
    return rc;
}

static int step_with(struct cuda_run *run, const struct ends *ends, int count, int *got,
                     pique_error *err)
{
    int rc = cuda_enter(program_of(run), err);
    if (rc)
        return rc;
    rc = step_inside(run, ends, count, got, err);
    run->space->failed |= rc != 0;
    cuda_leave(program_of(run));
    return rc;
}

static int step(struct pq_run *base, const struct pq_band *in, int count, const struct pq_band *out,
                int *got, pique_error *err)
{
    const struct ends ends = {.in = in, .out = out};
    return step_with((struct cuda_run *)base, &ends, count, got, err);
}

static int advance(struct pq_run *base, const struct pq_picture *in, const struct pq_picture *out,
                   int *got, pique_error *err)
{
    const struct ends ends = {.from = in, .to = out};
    const int count = (int)PQ_MIN(pq_run_missing(base), base->geometry.band);
    return step_with((struct cuda_run *)base, &ends, count, got, err);
}

static const struct pq_range *seen(const struct pq_run *base, int pass, bool out)
{
    const struct cuda_run *run = (const struct cuda_run *)base;
    return (const struct pq_range *)(const void *)(run->side->pinned_seen +
                                                   cuda_watch_at(program_of(run), run->space, pass,
                                                                 out));
}

/* ---- runs ---- */

static int memory(const struct pq_program *program, const struct pq_geometry *geometry,
                  const struct pq_line *lines, size_t *bytes, pique_error *err)
{
    return cuda_space_bytes((const struct cuda_program *)program, geometry, lines, bytes, err);
}

/* A scratch file is no help: what does not fit into the device's memory goes to another device. */
static int begin(struct pq_program *base, const struct pq_geometry *geometry,
                 const struct pq_line *lines, bool on_disk, struct pq_run **out, pique_error *err)
{
    (void)on_disk;
    struct cuda_program *program = (struct cuda_program *)base;
    struct cuda_run *run = pq_calloc(1, sizeof *run);
    int rc = run ? cuda_enter(program, err) : pq_fail_nomem(err, sizeof *run);
    if (!rc) {
        rc = cuda_space_take(program, geometry, lines, &run->space, err);
        cuda_leave(program);
    }
    if (rc) {
        pq_free(run);
        return rc;
    }
    run->side = &run->space->side[0];
    run->side->taken = true;
    *out = &run->base;
    return 0;
}

/* In the space of a run whose steps are all enqueued. */
static int follow(struct pq_run *base, struct pq_run **out, pique_error *err)
{
    struct cuda_run *before = (struct cuda_run *)base;
    struct cuda_space *s = before->space;
    struct cuda_side *side = &s->side[before->side == s->side];
    if (is_left(before) || side->taken || s->failed)
        return 0;
    struct cuda_run *run = pq_calloc(1, sizeof *run);
    if (!run)
        return pq_fail_nomem(err, sizeof *run);
    run->space = s;
    run->side = side;
    run->first = s->issued;
    side->taken = true;
    *out = &run->base;
    return 0;
}

/* What it enqueued is done, or never will be. */
static void leave_space(struct cuda_run *run)
{
    struct cuda_space *s = run->space;
    run->side->taken = false;
    if (is_next(run))
        s->finished = run->first + run->issued;
    else if (run->finished < run->issued) /* some are before it, and none is behind it */
        s->issued = run->first;
    if (s->side[0].taken || s->side[1].taken)
        return;
    s->issued = s->finished = 0;
    cuda_space_give_back(program_of(run), s);
}

/* Steps that nobody waited for are still under way. */
static void end(struct pq_run *base)
{
    struct cuda_run *run = (struct cuda_run *)base;
    struct cuda_program *program = program_of(run);
    const struct cuda_driver *d = program->driver;
    const cuda_stream streams[] = {run->space->in, run->space->compute, run->space->out};
    const bool entered = cuda_enter(program, NULL) == 0;
    run->space->failed |= !entered;
    for (size_t i = 0; i < PQ_COUNT(streams) && run->finished < run->issued; i++)
        run->space->failed |= d->stream_synchronize(streams[i]) != CUDA_SUCCESS;
    leave_space(run);
    if (entered)
        cuda_leave(program);
    pq_free(run);
}

static int statistic(const struct pq_run *base, int op, int frame, float *out, pique_error *err)
{
    const struct cuda_run *run = (const struct cuda_run *)base;
    const struct cuda_program *program = program_of(run);
    const struct cuda_driver *d = program->driver;
    const struct cuda_map *map = &run->space->maps[op];
    int rc = cuda_enter(program, err);
    if (rc)
        return rc;
    const cuda_stream stream = run->space->compute;
    cuda_result r = d->copy_out(out, (cuda_ptr)(uintptr_t)(map->data + frame * map->frame),
                                (size_t)map->channels * sizeof *out, stream);
    const cuda_result waited = d->stream_synchronize(stream);
    cuda_leave(program);
    return cuda_check(d, r ? r : waited, PQ_SAID("gave a result back"), err);
}

/* ---- the table ---- */

static bool supports(const struct pq_op *op, const char **reason)
{
    if (op->kind < PQ_OP_KINDS)
        return true;
    *reason = PQ_SAID("it is unknown to this backend");
    return false;
}

/* One key for all GPUs: the kernels leave no rounding open. */
static const char *numeric_key(const struct pq_program *program)
{
    return ((const struct cuda_program *)program)->key;
}

const struct pq_backend pq_backend_cuda = {
    .name = "cuda",
    .lowest_band = 1,
    .highest_band = 128, /* of a film eight or more a frame, so that copies overlap with kernels */
    .own_memory = true,
    .tiers = cuda_tiers,
    .supports = supports,
    .compile = cuda_compile,
    .release = cuda_release,
    .numeric_key = numeric_key,
    .memory = memory,
    .begin = begin,
    .follow = follow,
    .end = end,
    .step = step,
    .advance = advance,
    .seen = seen,
    .statistic = statistic,
    .free_memory = cuda_free_memory,
    .describe = cuda_describe,
};
