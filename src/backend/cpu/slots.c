/* SPDX-License-Identifier: MIT */
#include "backend/cpu/slots.h"

#include "backend/cpu/attention.h"
#include "base/alloc.h"

/* Slots that a piece gives back are for the second one behind it at the earliest: when the tasks of
 * that begin, its own are done, or nearly, since those between wait for them. */
enum { APART = 2 };

/* A slot that holds nothing any more, once that many tasks of the step are done. */
struct idle {
    int64_t piece, tasks; /* the one that read it last, counted over all steps */
    int32_t slot;
};

/* The youngest is the last. */
struct idle_list {
    struct idle *slots;
    size_t count, most;
    size_t made; /* of all slots, those that have ever been in use */
};

struct reader {
    int op, input;
};

struct owner {
    size_t stock;
    int32_t *table; /* of its rows */
    int64_t gone;   /* rows that have been given back, from the top */
    int last;       /* operation that reads it, in their order; itself, where none does */
    int readers;    /* index of the first */
    bool map;       /* it keeps all of its rows */
};

struct cpu_slots {
    const struct pq_graph *g;
    const struct pq_line *lines;
    size_t frames;
    struct owner *owners; /* one an operation */
    struct reader *readers;
    struct cpu_stock *stocks;
    struct idle_list *idle; /* one a stock */
    size_t stock_count;
    int32_t *tables;
    struct idle *lists;
    int64_t piece, first; /* this one, and the first of the step */
    int pieces;           /* of a step, at most */
};

void cpu_slots_free(struct cpu_slots **slots)
{
    struct cpu_slots *s = *slots;
    if (!s)
        return;
    pq_free(s->owners);
    pq_free(s->readers);
    pq_free(s->stocks);
    pq_free(s->idle);
    pq_free(s->tables);
    pq_free(s->lists);
    pq_free(s);
    *slots = NULL;
}

const struct cpu_stock *cpu_slots_stocks(const struct cpu_slots *s, size_t *count)
{
    *count = s->stock_count;
    return s->stocks;
}

size_t cpu_slots_stock(const struct cpu_slots *s, int i)
{
    return s->owners[i].stock;
}

const int32_t *cpu_slots_table(const struct cpu_slots *s, int i)
{
    return s->owners[i].table;
}

int cpu_slots_pieces(const struct cpu_slots *s)
{
    return s->pieces;
}

/* ---- a step ---- */

static int32_t take_one(struct cpu_slots *s, size_t stock, int64_t latest, int64_t *tasks)
{
    struct idle_list *l = &s->idle[stock];
    size_t at = l->count;
    while (at > 0 && l->slots[at - 1].piece > latest)
        at--;
    if (at == 0) {
        s->stocks[stock].slots = PQ_MAX(s->stocks[stock].slots, l->made + 1);
        return (int32_t)l->made++;
    }
    const struct idle taken = l->slots[at - 1];
    for (; at < l->count; at++)
        l->slots[at - 1] = l->slots[at];
    l->count--;
    if (taken.piece >= s->first)
        *tasks = PQ_MAX(*tasks, taken.tasks);
    return taken.slot;
}

int64_t cpu_slots_take(struct cpu_slots *s, const struct cpu_piece *piece)
{
    int64_t tasks = 0;
    s->piece++;
    s->pieces = PQ_MAX(s->pieces, (int)(s->piece - s->first + 1));
    if (piece->i == s->g->count || s->owners[piece->i].map)
        return 0;
    struct owner *o = &s->owners[piece->i];
    const size_t rows = (size_t)s->lines[piece->i].rows;
    const bool early = cpu_is_attention(&s->g->ops[piece->i]);
    const int64_t latest = early ? s->first - 1 : PQ_MAX(s->piece - APART, s->first - 1);
    for (int64_t y = piece->y0; y < piece->y1; y++) {
        int32_t *slots = &o->table[(size_t)y % rows * s->frames];
        for (size_t n = 0; n < s->frames; n++)
            slots[n] = take_one(s, o->stock, latest, &tasks);
    }
    return tasks;
}

/* The first row of operation i that somebody reads from now on. */
static int64_t first_needed(const struct cpu_slots *s, const int64_t *done, int i)
{
    int64_t low = done[i];
    for (int k = s->owners[i].readers; k < s->owners[i + 1].readers; k++) {
        const struct reader *r = &s->readers[k];
        if (done[r->op] >= s->lines[r->op].height)
            continue;
        const struct pq_flow flow = pq_plan_flow(s->g, s->lines, r->op, r->input);
        low = PQ_MIN(low, pq_rows_kept(&flow, done[r->op]));
    }
    return low;
}

/* What nobody reads any more of operation i. */
static void give_back(struct cpu_slots *s, const int64_t *done, int i, int64_t tasks)
{
    struct owner *o = &s->owners[i];
    if (o->map || o->gone == done[i])
        return;
    struct idle_list *l = &s->idle[o->stock];
    const int64_t low = first_needed(s, done, i);
    const size_t rows = (size_t)s->lines[i].rows;
    for (; o->gone < low; o->gone++) {
        const int32_t *slots = &o->table[(size_t)o->gone % rows * s->frames];
        for (size_t n = 0; n < s->frames; n++)
            l->slots[l->count++] = (struct idle){s->piece, tasks, slots[n]};
    }
}

/* What an operation reads that is not the last to read it is looked at here. */
void cpu_slots_step(struct cpu_slots *s, const int64_t *done)
{
    for (int i = 0; i < s->g->count; i++)
        give_back(s, done, i, 0);
    s->first = s->piece + 1;
}

void cpu_slots_release(struct cpu_slots *s, const int64_t *done, const struct cpu_piece *piece,
                       int64_t tasks)
{
    if (piece->i == s->g->count) {
        give_back(s, done, s->g->output, tasks);
        return;
    }
    const struct pq_op *op = &s->g->ops[piece->i];
    for (int k = 0; k < op->inputs; k++) {
        if (s->owners[op->in[k]].last == piece->i)
            give_back(s, done, op->in[k], tasks);
    }
    if (s->owners[piece->i].last == piece->i)
        give_back(s, done, piece->i, tasks);
}

/* ---- the plan ---- */

static int count_readers(struct cpu_slots *s, pique_error *err)
{
    const int count = s->g->count;
    size_t all = 0;
    for (int i = 0; i < count; i++) {
        s->owners[i].last = i;
        all += (size_t)s->g->ops[i].inputs;
        for (int k = 0; k < s->g->ops[i].inputs; k++) {
            s->owners[s->g->ops[i].in[k]].readers++;
            s->owners[s->g->ops[i].in[k]].last = i;
        }
    }
    s->owners[s->g->output].last = count;
    s->readers = pq_calloc(all + 1, sizeof *s->readers);
    if (!s->readers)
        return pq_fail_nomem(err, (all + 1) * sizeof *s->readers);
    int first = 0;
    for (int i = 0; i <= count; i++) { /* the end of each, which filling makes its beginning */
        first += s->owners[i].readers;
        s->owners[i].readers = first;
    }
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < s->g->ops[i].inputs; k++)
            s->readers[--s->owners[s->g->ops[i].in[k]].readers] = (struct reader){i, k};
    }
    return 0;
}

/* The stock for rows of operation i, which is new where there is none of their size. */
static size_t find_stock(struct cpu_slots *s, int i, size_t row_floats)
{
    size_t at = s->owners[i].map ? s->stock_count : 0;
    while (at < s->stock_count && (s->stocks[at].row_floats != row_floats || !s->idle[at].most))
        at++;
    if (at == s->stock_count)
        s->stocks[s->stock_count++] =
            (struct cpu_stock){.row_floats = row_floats, .born = s->lines[i].born};
    return at;
}

static bool count_slots(struct cpu_slots *s, const size_t *row_floats, size_t *all)
{
    const bool whole = pq_graph_is_whole(s->g);
    *all = 0;
    for (int i = 0; i < s->g->count; i++) {
        const struct pq_line *line = &s->lines[i];
        struct owner *o = &s->owners[i];
        size_t most;
        o->map = whole && line->rows >= line->height;
        o->stock = find_stock(s, i, row_floats[i]);
        if (!pq_mul_size((size_t)line->rows, s->frames, &most) || !pq_add_size(*all, most, all) ||
            *all > INT32_MAX)
            return false;
        struct cpu_stock *stock = &s->stocks[o->stock];
        stock->born = PQ_MIN(stock->born, line->born);
        stock->dies = PQ_MAX(stock->dies, line->dies);
        if (pq_op_is_statistic(&s->g->ops[i])) /* it may be asked for in the end */
            stock->dies = INT64_MAX;
        if (o->map)
            stock->slots = most;
        else
            s->idle[o->stock].most += most;
    }
    return true;
}

/* Tables and lists; of a stock there are never more slots than the rings of its operations would
 * have, for in each of those there is room for what a step adds beside all that it began with. */
static void share_out(struct cpu_slots *s)
{
    struct idle *list = s->lists;
    int32_t *table = s->tables;
    for (size_t i = 0; i < s->stock_count; i++) {
        s->idle[i].slots = list;
        list += s->idle[i].most;
    }
    for (int i = 0; i < s->g->count; i++) {
        struct owner *o = &s->owners[i];
        const size_t rows = (size_t)s->lines[i].rows * s->frames;
        o->table = table;
        table += rows;
        for (size_t k = 0; o->map && k < rows; k++)
            o->table[k] = (int32_t)k;
    }
}

/* All steps, without data. */
static void walk(struct cpu_slots *s, struct cpu_pieces *p)
{
    const int64_t height = s->lines[0].height, out = s->lines[s->g->output].height;
    struct cpu_piece piece;
    while (p->out < out) {
        cpu_slots_step(s, p->done);
        cpu_pieces_begin(p, (int)PQ_MIN(p->band, height - p->done[0]));
        while (cpu_pieces_next(p, &piece)) {
            cpu_slots_take(s, &piece);
            cpu_slots_release(s, p->done, &piece, 0);
        }
    }
}

/* As if nothing had happened yet. */
static void rewind_all(struct cpu_slots *s)
{
    s->piece = s->first = 0;
    for (size_t i = 0; i < s->stock_count; i++)
        s->idle[i].count = s->idle[i].made = 0;
    for (int i = 0; i < s->g->count; i++)
        s->owners[i].gone = 0;
}

static int plan(struct cpu_slots *s, const struct pq_geometry *geometry, int piece_rows,
                const size_t *row_floats, pique_error *err)
{
    const size_t count = (size_t)s->g->count;
    size_t all;
    s->owners = pq_calloc(count + 1, sizeof *s->owners);
    s->stocks = pq_calloc(count, sizeof *s->stocks);
    s->idle = pq_calloc(count, sizeof *s->idle);
    if (!s->owners || !s->stocks || !s->idle)
        return pq_fail_nomem(err, count * sizeof *s->owners);
    int rc = count_readers(s, err);
    if (rc)
        return rc;
    if (!count_slots(s, row_floats, &all))
        return pq_plan_fail(geometry, err);
    int64_t *done = pq_calloc(2 * count, sizeof *done);
    s->tables = pq_calloc(all, sizeof *s->tables);
    s->lists = pq_calloc(all, sizeof *s->lists);
    if (done && s->tables && s->lists) {
        struct cpu_pieces p = {.g = s->g,
                               .lines = s->lines,
                               .band = geometry->band,
                               .rows = piece_rows,
                               .done = done,
                               .end = done + count};
        share_out(s);
        walk(s, &p);
        rewind_all(s);
    } else {
        rc = pq_fail_nomem(err, all * sizeof *s->lists);
    }
    pq_free(done);
    return rc;
}

int cpu_slots_new(const struct pq_graph *g, const struct pq_line *lines,
                  const struct pq_geometry *geometry, int piece_rows, const size_t *row_floats,
                  struct cpu_slots **out, pique_error *err)
{
    struct cpu_slots *s = pq_calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return pq_fail_nomem(err, sizeof *s);
    s->g = g;
    s->lines = lines;
    s->frames = (size_t)geometry->frames;
    const int rc = plan(s, geometry, piece_rows, row_floats, err);
    if (rc)
        cpu_slots_free(&s);
    *out = s;
    return rc;
}
