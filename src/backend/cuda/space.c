/* SPDX-License-Identifier: MIT */
#include "backend/cuda/space.h"

#include <string.h>

#include "backend/arena.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/planes.h"
#include "backend/cuda/watch.h"
#include "base/alloc.h"
#include "base/lang.h"

enum { ALIGN = 64 }; /* floats: 256 bytes, which every access on the device likes */

/* ---- how much, and where ---- */

/* Everything in floats from the beginning of the arena. */
struct layout {
    struct pq_place *places; /* one an operation */
    size_t scratch, scratch_floats;
    size_t given, given_floats;
    size_t slots, in_floats, out_floats; /* of one slot */
    size_t seen, seen_floats;            /* of a side */
    size_t floats;
};

static bool align(size_t floats, size_t *out)
{
    if (!pq_add_size(floats, ALIGN - 1, out))
        return false;
    *out = *out / ALIGN * ALIGN;
    return true;
}

/* Of a map: pixels of a row, or rows, of which the result has so many. */
static int64_t shrunk(int64_t extent, const struct cuda_step *step)
{
    return (extent + step->shrink - 1) / step->shrink;
}

/* Values of a row, which begins at a multiple of 128 bytes at least. */
static bool row_values(const struct pq_line *line, const struct cuda_step *step, size_t *out)
{
    return pq_mul_size((size_t)shrunk(line->width, step), (size_t)step->stride, out) &&
           align(*out, out);
}

/* Floats that the rows of a ring take, of all frames. */
static bool map_floats(const struct pq_line *line, const struct cuda_step *step, int frames,
                       size_t *out)
{
    *out = 0;
    if (step->skipped)
        return true;
    if (!row_values(line, step, out) || !pq_mul_size(*out, (size_t)shrunk(line->rows, step), out) ||
        !pq_mul_size(*out, (size_t)frames, out))
        return false;
    *out = step->type == PQ_F32 ? *out : *out / 2;
    return align(*out, out);
}

/* Rows of a step, as they come and go: without anything between two pixels. */
static bool band_floats(const struct pq_sample_layout *layout, const struct pq_line *line, int rows,
                        int channels, int frames, size_t *out)
{
    if (layout->planes)
        return cuda_planes_of(layout, line->width, rows, frames, NULL, out);
    return pq_mul_size((size_t)line->width, (size_t)channels, out) &&
           pq_mul_size(*out, (size_t)rows, out) && pq_mul_size(*out, (size_t)frames, out) &&
           align(*out, out);
}

static bool measure_op(const struct cuda_program *program, const struct pq_geometry *geometry,
                       const struct pq_line *lines, int i, struct layout *l)
{
    const struct pq_op *op = &program->base.graph->ops[i];
    struct pq_place *p = &l->places[i];
    size_t scratch;
    p->born = lines[i].born;
    /* Statistics are small, and may be asked for in the end. */
    p->dies = pq_op_is_statistic(op) ? INT64_MAX : lines[i].dies;
    if (!map_floats(&lines[i], &program->steps[i], geometry->frames, &p->floats) ||
        !cuda_scratch_floats(program, geometry, lines, i, &scratch))
        return false;
    l->scratch_floats = PQ_MAX(l->scratch_floats, scratch);
    if (op->kind != PQ_OP_GIVEN)
        return true;
    return pq_add_size(l->given_floats, cuda_given_floats(op, geometry->frames), &l->given_floats);
}

static int slots_of(const struct pq_geometry *geometry)
{
    return geometry->height > geometry->band ? CUDA_SLOTS : 1;
}

static bool measure(const struct cuda_program *program, const struct pq_geometry *geometry,
                    const struct pq_line *lines, struct layout *l)
{
    const struct pq_graph *g = program->base.graph;
    const struct pq_line *out = &lines[g->output];
    size_t scratch;
    for (int i = 0; i < g->count; i++) {
        if (!measure_op(program, geometry, lines, i, l))
            return false;
    }
    if (!cuda_watch_floats(program, geometry, lines, &l->seen_floats, &scratch))
        return false;
    l->scratch_floats = PQ_MAX(l->scratch_floats, scratch);
    return align(l->scratch_floats, &l->scratch_floats) &&
           band_floats(&g->in, &lines[0], geometry->band, g->ops[0].channels, geometry->frames,
                       &l->in_floats) &&
           band_floats(&g->out, out, (int)out->rows, g->ops[g->output].channels, geometry->frames,
                       &l->out_floats);
}

/* Places of what lies behind the maps. */
static bool lay_behind(const struct pq_geometry *geometry, struct layout *l)
{
    size_t slot, slots, seen, bytes;
    return align(l->scratch, &l->scratch) &&
           pq_add_size(l->scratch, l->scratch_floats, &l->given) &&
           pq_add_size(l->given, l->given_floats, &l->slots) &&
           pq_add_size(l->in_floats, l->out_floats, &slot) &&
           pq_mul_size(slot, (size_t)slots_of(geometry), &slots) &&
           pq_add_size(l->slots, slots, &l->seen) && align(l->seen_floats, &l->seen_floats) &&
           pq_mul_size(l->seen_floats, CUDA_SIDES, &seen) &&
           pq_add_size(l->seen, seen, &l->floats) && pq_mul_size(l->floats, sizeof(float), &bytes);
}

static int lay_out(const struct cuda_program *program, const struct pq_geometry *geometry,
                   const struct pq_line *lines, struct layout *l, pique_error *err)
{
    const size_t count = (size_t)program->base.graph->count;
    *l = (struct layout){.places = pq_calloc(count, sizeof *l->places)};
    if (!l->places)
        return pq_fail_nomem(err, count * sizeof *l->places);
    bool fits = measure(program, geometry, lines, l);
    int rc = fits ? pq_arena_place(l->places, count, &l->scratch, err) : 0;
    if (rc)
        return rc;
    if (!fits || !lay_behind(geometry, l))
        return pq_plan_fail(geometry, err);
    return 0;
}

int cuda_space_bytes(const struct cuda_program *program, const struct pq_geometry *geometry,
                     const struct pq_line *lines, size_t *bytes, pique_error *err)
{
    struct layout l;
    int rc = lay_out(program, geometry, lines, &l, err);
    *bytes = rc ? 0 : l.floats * sizeof(float);
    pq_free(l.places);
    return rc;
}

/* ---- making one ---- */

static cuda_ptr address(const struct cuda_space *s, size_t floats)
{
    return s->arena + floats * sizeof(float);
}

static void set_maps(const struct cuda_program *program, const struct pq_line *lines,
                     const struct layout *l, struct cuda_space *s)
{
    for (int i = 0; i < program->base.graph->count; i++) {
        const struct cuda_step *step = &program->steps[i];
        const int64_t rows = shrunk(lines[i].rows, step);
        size_t row;
        row_values(&lines[i], step, &row);
        s->maps[i] = (struct cuda_map){
            .data = (float *)(uintptr_t)address(s, l->places[i].offset),
            .row = (int64_t)row,
            .frame = (int64_t)row * rows,
            .stride = step->stride,
            .rows = (int32_t)rows,
            .width = (int32_t)shrunk(lines[i].width, step),
            .height = (int32_t)shrunk(lines[i].height, step),
            .channels = program->base.graph->ops[i].channels,
            .type = step->type,
        };
    }
    s->scratch = address(s, l->scratch);
    s->scratch_floats = l->scratch_floats;
    s->given = address(s, l->given);
    s->seen_floats = l->seen_floats;
}

static void set_slots(const struct layout *l, struct cuda_space *s)
{
    const size_t slot = l->in_floats + l->out_floats;
    for (int i = 0; i < s->slots; i++) {
        struct cuda_slot *t = &s->slot[i];
        t->in = s->pinned + (size_t)i * slot;
        t->out = t->in + l->in_floats;
        t->device_in = address(s, l->slots + (size_t)i * slot);
        t->device_out = t->device_in + l->in_floats * sizeof(float);
    }
}

static void set_sides(const struct layout *l, struct cuda_space *s)
{
    float *pinned = s->pinned + (size_t)s->slots * (l->in_floats + l->out_floats);
    for (int i = 0; i < CUDA_SIDES; i++) {
        struct cuda_side *side = &s->side[i];
        side->seen = address(s, l->seen + (size_t)i * l->seen_floats);
        side->pinned_given = pinned;
        side->pinned_seen = pinned + l->given_floats;
        pinned = side->pinned_seen + l->seen_floats;
    }
}

static cuda_result make_events(const struct cuda_driver *d, struct cuda_slot *slot)
{
    cuda_result r = d->event_create(&slot->arrived, CUDA_EVENT_DISABLE_TIMING);
    if (!r)
        r = d->event_create(&slot->computed, CUDA_EVENT_DISABLE_TIMING);
    return r ? r : d->event_create(&slot->done, CUDA_EVENT_DISABLE_TIMING);
}

static cuda_result make_streams(const struct cuda_driver *d, struct cuda_space *s)
{
    cuda_stream *const streams[] = {&s->in, &s->compute, &s->out};
    cuda_result r = CUDA_SUCCESS;
    for (size_t i = 0; !r && i < PQ_COUNT(streams); i++)
        r = d->stream_create(streams[i], CUDA_STREAM_NON_BLOCKING);
    for (int i = 0; !r && i < s->slots; i++)
        r = make_events(d, &s->slot[i]);
    return r;
}

/* What other sizes keep is given up for what is needed now. */
static cuda_result allocate(struct cuda_program *program, const struct layout *l,
                            struct cuda_space *s)
{
    const struct cuda_driver *d = program->driver;
    const size_t pinned = (l->in_floats + l->out_floats) * (size_t)s->slots +
                          (l->given_floats + l->seen_floats) * CUDA_SIDES;
    cuda_result r = d->memory_alloc(&s->arena, l->floats * sizeof(float));
    for (int i = 0; r == CUDA_ERROR_OUT_OF_MEMORY && i < CUDA_IDLE; i++) {
        if (!program->idle[i])
            continue;
        cuda_space_free(program, &program->idle[i]);
        r = d->memory_alloc(&s->arena, l->floats * sizeof(float));
    }
    return r ? r : d->pinned_alloc((void **)&s->pinned, pinned * sizeof(float), 0);
}

static int make(struct cuda_program *program, const struct pq_geometry *geometry,
                const struct pq_line *lines, const struct layout *l, struct cuda_space **out,
                pique_error *err)
{
    const size_t count = (size_t)program->base.graph->count;
    struct cuda_space *s = pq_calloc(1, sizeof *s);
    if (s)
        s->maps = pq_calloc(count, sizeof *s->maps);
    if (s)
        s->after = pq_calloc(count, sizeof *s->after);
    *out = s;
    if (!s || !s->maps || !s->after)
        return pq_fail_nomem(err, sizeof *s + count * (sizeof *s->maps + sizeof *s->after));
    s->geometry = *geometry;
    s->slots = slots_of(geometry);
    int rc = cuda_check(program->driver, allocate(program, l, s), PQ_SAID("made room"), err);
    if (!rc)
        rc = cuda_check(program->driver, make_streams(program->driver, s), PQ_SAID("made streams"),
                        err);
    if (rc)
        return rc;
    set_maps(program, lines, l, s);
    set_slots(l, s);
    set_sides(l, s);
    return 0;
}

static bool same_size(const struct pq_geometry *a, const struct pq_geometry *b)
{
    return a->frames == b->frames && a->width == b->width && a->height == b->height &&
           a->band == b->band;
}

int cuda_space_take(struct cuda_program *program, const struct pq_geometry *geometry,
                    const struct pq_line *lines, struct cuda_space **out, pique_error *err)
{
    for (int i = 0; i < CUDA_IDLE; i++) {
        *out = program->idle[i];
        if (*out && same_size(&(*out)->geometry, geometry)) {
            program->idle[i] = NULL;
            return 0;
        }
    }
    struct layout l;
    *out = NULL;
    int rc = lay_out(program, geometry, lines, &l, err);
    if (!rc)
        rc = make(program, geometry, lines, &l, out, err);
    pq_free(l.places);
    if (rc)
        cuda_space_free(program, out);
    return rc;
}

void cuda_space_give_back(struct cuda_program *program, struct cuda_space *space)
{
    int i = 0;
    while (i < CUDA_IDLE - 1 && program->idle[i])
        i++;
    if (space->failed) {
        cuda_space_free(program, &space);
        return;
    }
    cuda_space_free(program, &program->idle[i]);
    program->idle[i] = space;
}

/* After an error that the device cannot recover from these fail, too, and nothing more can be done.
 */
void cuda_space_free(const struct cuda_program *program, struct cuda_space **space)
{
    const struct cuda_driver *d = program->driver;
    struct cuda_space *s = *space;
    if (!s)
        return;
    const cuda_stream streams[] = {s->in, s->compute, s->out};
    for (size_t i = 0; i < PQ_COUNT(streams); i++) {
        if (streams[i]) {
            d->stream_synchronize(streams[i]);
            d->stream_destroy(streams[i]);
        }
    }
    for (int i = 0; i < s->slots; i++) {
        const cuda_event events[] = {s->slot[i].arrived, s->slot[i].computed, s->slot[i].done};
        for (size_t k = 0; k < PQ_COUNT(events); k++) {
            if (events[k])
                d->event_destroy(events[k]);
        }
    }
    for (int i = 0; i < CUDA_SIDES * CUDA_GRAPHS; i++) {
        const cuda_graph_exec exec = s->side[i / CUDA_GRAPHS].graphs[i % CUDA_GRAPHS];
        if (exec)
            d->graph_exec_destroy(exec);
    }
    if (s->pinned)
        d->pinned_free(s->pinned);
    if (s->arena)
        d->memory_free(s->arena);
    pq_free(s->maps);
    pq_free(s->after);
    pq_free(s);
    *space = NULL;
}
