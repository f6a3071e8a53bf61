/* SPDX-License-Identifier: MIT */
/* How rows flow through an operation, from which everything about bands follows: the lag of a
 * layer, the receptive field, the size of a line buffer, the phases of a plan. */
#include "graph/graph.h"

#include <limits.h>

#include "base/alloc.h"
#include "graph/axis.h"
#include "graph/place.h"

/* ---- sizes ---- */

int64_t pq_op_extent(const struct pq_op *op, bool hor, int64_t in_extent, int64_t like_extent)
{
    const struct pq_window *w = hor ? &op->hor : &op->ver;
    if (op->global)
        return 1;
    if (op->column && hor)
        return 1;
    switch (op->kind) {
    case PQ_OP_CONV2D:
    case PQ_OP_DEPTHWISE:
    case PQ_OP_MAX_POOL:
    case PQ_OP_MEAN_POOL:
        return pq_floor_div(w->before + in_extent + w->after - (w->kernel - 1) * w->dilation - 1,
                            w->stride) +
               1;
    case PQ_OP_PIXEL_SHUFFLE:
    case PQ_OP_NEAREST:
    case PQ_OP_DYSAMPLE:
    case PQ_OP_FROM_YUV:
        return in_extent * op->factor;
    case PQ_OP_RESIZE:
        if (op->across != hor)
            return in_extent;
        return in_extent == op->from ? op->extent : 0;
    case PQ_OP_PIXEL_UNSHUFFLE:
    case PQ_OP_TO_YUV:
        return in_extent % op->factor ? 0 : in_extent / op->factor;
    case PQ_OP_PAD:
        in_extent = PQ_MAX(pq_ceil_div(in_extent, op->multiple) * op->multiple, op->least);
        return w->before + in_extent + w->after;
    case PQ_OP_CROP:
    case PQ_OP_ADD:
        if (op->like < 0)
            return in_extent - w->before - w->after;
        like_extent = like_extent * op->rate_num / op->rate_den;
        return like_extent > in_extent - w->before ? 0 : like_extent;
    case PQ_OP_BICUBIC:
        return in_extent * op->rate_num / op->rate_den;
    case PQ_OP_BILINEAR:
        return like_extent;
    case PQ_OP_ATTENTION:
    case PQ_OP_CHANNEL_ATTENTION:
        if (op->attention.grid &&
            in_extent % (hor ? op->attention.width : op->attention.height) != 0)
            return 0;
        return in_extent;
    default:
        return in_extent;
    }
}

/* ---- single operations ---- */

/* Bicubic reads the four rows centre-1 .. centre+2, where the output row's centre lies at
 * (y + 1/2) den/num - 1/2 of the input and `centre` is the whole part of that. */
static int64_t bicubic_centre(const struct pq_op *op, int64_t y)
{
    return pq_floor_div((2 * y + 1) * op->rate_den - op->rate_num, 2 * (int64_t)op->rate_num);
}

/* Bilinear reads this row, which may be -1, and the next. */
static int64_t bilinear_first(const struct pq_flow *f, int64_t y)
{
    return pq_floor_div((2 * y + 1) * f->in_height - f->out_height, 2 * f->out_height);
}

/* The window of attention that row y lies in: its first row, and the one behind its last. */
static int64_t window_start(const struct pq_op *op, int64_t y)
{
    const struct pq_attention *a = &op->attention;
    int64_t start = a->shift_y + pq_floor_div(y - a->shift_y, a->height) * a->height;
    return PQ_MAX(start, 0);
}

static int64_t window_end(const struct pq_op *op, int64_t y)
{
    const struct pq_attention *a = &op->attention;
    return a->shift_y + (pq_floor_div(y - a->shift_y, a->height) + 1) * a->height;
}

/* The edge of a tile at row y or above, and at y or below. */
static int64_t edge_above(struct pq_grid grid, int64_t y)
{
    return grid.tile > 1 ? grid.phase + pq_floor_div(y - grid.phase, grid.tile) * grid.tile : y;
}

static int64_t edge_below(struct pq_grid grid, int64_t y)
{
    return grid.tile > 1 ? grid.phase + pq_ceil_div(y - grid.phase, grid.tile) * grid.tile : y;
}

/* Rows of the keys of the windows that rows [y0, y1) lie in. */
static void key_rows(const struct pq_op *op, int64_t y0, int64_t y1, int64_t *in0, int64_t *in1)
{
    const struct pq_attention *a = &op->attention;
    const int size = pq_attention_key_size(a, false), reach = (a->key_height - size) / 2;
    const int64_t first = pq_floor_div(y0 - a->shift_y, a->height);
    const int64_t last = pq_floor_div(y1 - 1 - a->shift_y, a->height);
    *in0 = pq_attention_key_shift(a, false) + first * size;
    *in0 = PQ_MAX(*in0, 0) - reach;
    *in1 = pq_attention_key_shift(a, false) + (last + 1) * size + reach;
}

/* Rows that lie in windows of which all keys are among the first `have` rows of theirs. */
static int64_t rows_of_keys(const struct pq_op *op, int64_t have)
{
    const struct pq_attention *a = &op->attention;
    const int size = pq_attention_key_size(a, false), reach = (a->key_height - size) / 2;
    const int64_t windows = pq_floor_div(have - reach - pq_attention_key_shift(a, false), size);
    return a->shift_y + windows * a->height;
}

static bool is_attention(const struct pq_op *op)
{
    return op->kind == PQ_OP_ATTENTION || op->kind == PQ_OP_CHANNEL_ATTENTION;
}

/* Whether each output row reads all rows of input k. */
static bool reads_all(const struct pq_op *op, int k)
{
    switch (op->kind) {
    case PQ_OP_MEAN:
    case PQ_OP_GROUP_NORM:
    case PQ_OP_GRAM_SOFTMAX:
    case PQ_OP_ORDER:
    case PQ_OP_RUN_ATTENTION:
        return true;
    case PQ_OP_DYSAMPLE:
    case PQ_OP_PICK:
    case PQ_OP_TOKENS_UPDATE:
        return k == 0;
    case PQ_OP_PAD:
        return op->pad_mode == PQ_PAD_WRAP;
    default:
        return is_attention(op) && op->attention.grid;
    }
}

int pq_op_fold(const struct pq_op *op, int k)
{
    return op->kind == PQ_OP_ATTENTION && k && op->attention.fold ? op->attention.fold : 1;
}

int pq_attention_key_size(const struct pq_attention *a, bool hor)
{
    return (hor ? a->width : a->height) / PQ_MAX(a->fold, 1);
}

int pq_attention_key_shift(const struct pq_attention *a, bool hor)
{
    return (int)pq_ceil_div(hor ? a->shift_x : a->shift_y, PQ_MAX(a->fold, 1));
}

bool pq_op_is_whole(const struct pq_op *op)
{
    return reads_all(op, 0);
}

/* The window over input k of an operation that slides one, else NULL. */
static const struct pq_window *sliding(const struct pq_flow *f)
{
    const struct pq_op *op = f->op;
    switch (op->kind) {
    case PQ_OP_CONV2D:
        return op->residual && f->k == op->inputs - 1 ? NULL : &op->ver;
    case PQ_OP_DEPTHWISE:
    case PQ_OP_MAX_POOL:
    case PQ_OP_MEAN_POOL:
    case PQ_OP_TO_YUV:
    case PQ_OP_EFFECTS:
        return &op->ver;
    case PQ_OP_BLEED:
        return f->k == 0 ? &op->ver : NULL;
    default:
        return NULL;
    }
}

/* The rows inside are read as they are; those of the border, which are few, one by one. */
static void pad_rows(const struct pq_flow *f, int64_t y0, int64_t y1, int64_t *in0, int64_t *in1)
{
    const int64_t before = f->op->ver.before, n = f->in_height;
    *in0 = PQ_MAX(y0 - before, 0);
    *in1 = PQ_MIN(y1 - before, n);
    if (*in0 >= *in1) {
        *in0 = INT64_MAX;
        *in1 = INT64_MIN;
    }
    y1 = PQ_MIN(y1, f->out_height);
    for (int64_t y = PQ_MAX(y0, 0); y < y1; y++) {
        if (y >= before && y < before + n) {
            y = before + n - 1;
            continue;
        }
        int64_t from = pq_pad_source(f->op->pad_mode, y - before, n);
        if (from >= 0) {
            *in0 = PQ_MIN(*in0, from);
            *in1 = PQ_MAX(*in1, from + 1);
        }
    }
    if (*in0 > *in1)
        *in0 = *in1 = PQ_MIN(PQ_MAX(y0 - before, 0), n); /* zeros alone */
}

/* Rows of chroma above and below its own that a pixel is made of. */
static int chroma_reach(const struct pq_op *op)
{
    return op->yuv.sub_y ? 2 : 0;
}

static struct pq_axis axis_of(const struct pq_flow *f)
{
    return pq_axis_of((int)f->in_height, (int)f->out_height);
}

static void resized_rows(const struct pq_flow *f, int64_t y0, int64_t y1, int64_t *in0,
                         int64_t *in1)
{
    if (f->op->across)
        return;
    const struct pq_axis axis = axis_of(f);
    int first;
    pq_axis_span(&axis, (int)y0, &first);
    *in0 = first;
    const int count = pq_axis_span(&axis, (int)y1 - 1, &first);
    *in1 = (int64_t)first + count;
}

/* Rows behind the last of which all taps are among the first `have`. */
static int64_t resized_ready(const struct pq_flow *f, int64_t have)
{
    if (f->op->across)
        return have;
    const struct pq_axis axis = axis_of(f);
    int64_t low = 0, high = f->out_height; /* row low-1 is ready, row high is not */
    while (low < high) {
        const int64_t y = (low + high) / 2;
        int first;
        const int count = pq_axis_span(&axis, (int)y, &first);
        if ((int64_t)first + count <= have)
            low = y + 1;
        else
            high = y;
    }
    return low;
}

/* Rows of the picture that a network got, around those under rows of its result. */
static void even_rows(const struct pq_flow *f, int64_t y0, int64_t y1, int64_t *in0, int64_t *in1)
{
    if (f->k < 2)
        return;
    *in0 = pq_source_of(y0, f->in_height, f->out_height) - PQ_EVEN_REACH;
    *in1 = pq_source_of(y1 - 1, f->in_height, f->out_height) + PQ_EVEN_REACH + 1;
}

/* All y with source(y) + PQ_EVEN_REACH < have: (2y+1) in < 2 (have - PQ_EVEN_REACH) out. */
static int64_t even_ready(const struct pq_flow *f, int64_t have)
{
    if (f->k < 2)
        return have;
    return pq_ceil_div(2 * (have - PQ_EVEN_REACH) * f->out_height - f->in_height, 2 * f->in_height);
}

bool pq_op_has_any_size(const struct pq_op *op, int k)
{
    return (op->kind == PQ_OP_ALPHA && k == 2) || (op->kind == PQ_OP_RESIZE && k == 1);
}

bool pq_op_leaves_border(const struct pq_op *op)
{
    return op->kind == PQ_OP_ADD &&
           (op->like >= 0 || op->ver.before || op->ver.after || op->hor.before || op->hor.after);
}

/* Rows of a border that is left out. */
static int64_t border_above(const struct pq_flow *f)
{
    return f->k == 0 ? f->op->ver.before : 0;
}

void pq_rows_needed(const struct pq_flow *f, int64_t y0, int64_t y1, int64_t *in0, int64_t *in1)
{
    const struct pq_op *op = f->op;
    const struct pq_window *w = sliding(f);
    *in0 = y0 = edge_above(f->grid, y0);
    *in1 = y1 = edge_below(f->grid, y1);
    if (reads_all(op, f->k) || op->global_inputs >> f->k & 1) {
        *in0 = 0;
        *in1 = f->in_height;
    } else if (w) {
        *in0 = y0 * w->stride - w->before;
        *in1 = (y1 - 1) * w->stride - w->before + (int64_t)(w->kernel - 1) * w->dilation + 1;
    } else if (is_attention(op) && f->k) {
        key_rows(op, y0, y1, in0, in1);
    } else if (is_attention(op)) {
        *in0 = window_start(op, y0);
        *in1 = window_end(op, y1 - 1);
    } else {
        switch (op->kind) {
        case PQ_OP_PIXEL_SHUFFLE:
        case PQ_OP_NEAREST:
        case PQ_OP_DYSAMPLE:
            *in0 = pq_floor_div(y0, op->factor);
            *in1 = pq_ceil_div(y1, op->factor);
            break;
        case PQ_OP_PIXEL_UNSHUFFLE:
            *in0 = y0 * op->factor;
            *in1 = y1 * op->factor;
            break;
        case PQ_OP_BICUBIC:
            *in0 = bicubic_centre(op, y0) - 1;
            *in1 = bicubic_centre(op, y1 - 1) + 3;
            break;
        case PQ_OP_BILINEAR:
            *in0 = bilinear_first(f, y0);
            *in1 = bilinear_first(f, y1 - 1) + 2;
            break;
        case PQ_OP_FROM_YUV:
            *in0 = pq_floor_div(y0, op->factor) - chroma_reach(op);
            *in1 = pq_floor_div(y1 - 1, op->factor) + chroma_reach(op) + 1;
            break;
        case PQ_OP_RESIZE:
            resized_rows(f, y0, y1, in0, in1);
            break;
        case PQ_OP_ALPHA:
            even_rows(f, y0, y1, in0, in1);
            break;
        case PQ_OP_PAD:
            pad_rows(f, y0, y1, in0, in1);
            break;
        case PQ_OP_CROP:
        case PQ_OP_ADD:
            *in0 = y0 + border_above(f);
            *in1 = y1 + border_above(f);
            break;
        default:
            break;
        }
    }
}

int64_t pq_rows_kept(const struct pq_flow *f, int64_t y)
{
    int64_t in0, in1;
    if (y >= f->out_height)
        return f->in_height;
    pq_rows_needed(f, y, y + 1, &in0, &in1);
    /* What a reflection reads goes down and up again: its last row reads the lowest. */
    if (f->op->kind == PQ_OP_PAD &&
        (f->op->pad_mode == PQ_PAD_REFLECT || f->op->pad_mode == PQ_PAD_MIRROR)) {
        int64_t below = f->out_height - f->op->ver.before - f->in_height;
        in0 = y < f->op->ver.before ? 0 : PQ_MIN(in0, f->in_height - 1 - below);
    }
    return PQ_MIN(PQ_MAX(in0, 0), f->in_height);
}

/* Rows of a padding that `have` rows allow, all of the input not being there. */
static int64_t pad_ready(const struct pq_flow *f, int64_t have)
{
    const int64_t before = f->op->ver.before;
    if (have == 0)
        return f->op->pad_mode == PQ_PAD_ZERO ? before : 0;
    if ((f->op->pad_mode == PQ_PAD_REFLECT || f->op->pad_mode == PQ_PAD_MIRROR) && have <= before)
        return 0; /* the first row is the reflection of the row `before`, or of the one above */
    return have + before;
}

int64_t pq_rows_ready(const struct pq_flow *f, int64_t have)
{
    const struct pq_op *op = f->op;
    const struct pq_window *w = sliding(f);
    if (have >= f->in_height)
        return f->out_height;
    int64_t ready = have;
    if (reads_all(op, f->k) || op->global_inputs >> f->k & 1) {
        ready = 0;
    } else if (w) {
        ready =
            pq_floor_div(have - 1 + w->before - (int64_t)(w->kernel - 1) * w->dilation, w->stride) +
            1;
    } else if (is_attention(op)) {
        ready = f->k ? rows_of_keys(op, have) : window_start(op, have);
    } else {
        switch (op->kind) {
        case PQ_OP_PIXEL_SHUFFLE:
        case PQ_OP_NEAREST:
        case PQ_OP_DYSAMPLE:
            ready = have * op->factor;
            break;
        case PQ_OP_PIXEL_UNSHUFFLE:
            ready = have / op->factor;
            break;
        case PQ_OP_BICUBIC:
            /* All y with centre(y) + 3 <= have, that is (2y+1) den < (2 have - 3) num. */
            ready = pq_ceil_div((2 * have - 3) * op->rate_num - op->rate_den,
                                2 * (int64_t)op->rate_den);
            break;
        case PQ_OP_BILINEAR:
            /* All y with first(y) + 2 <= have: (2y+1) in < (2 have - 1) out. */
            ready = pq_ceil_div((2 * have - 1) * f->out_height - f->in_height, 2 * f->in_height);
            break;
        case PQ_OP_FROM_YUV:
            ready = (have - chroma_reach(op)) * op->factor;
            break;
        case PQ_OP_RESIZE:
            ready = resized_ready(f, have);
            break;
        case PQ_OP_ALPHA:
            ready = even_ready(f, have);
            break;
        case PQ_OP_PAD:
            ready = pad_ready(f, have);
            break;
        case PQ_OP_CROP:
        case PQ_OP_ADD:
            ready = have - border_above(f);
            break;
        default:
            break;
        }
    }
    return PQ_MIN(PQ_MAX(edge_above(f->grid, ready), 0), f->out_height);
}

int64_t pq_rows_end(const struct pq_op *op, struct pq_grid grid, int64_t out_height, int64_t y)
{
    if (!is_attention(op))
        return PQ_MIN(edge_below(grid, y), out_height);
    if (y <= 0 || op->attention.grid)
        return y <= 0 ? 0 : out_height;
    return PQ_MIN(window_end(op, y - 1), out_height);
}

/* ---- facts of a whole graph ---- */

/* A picture of endless height stands for any. Heights stay below 2^30, so that products of two do
 * not overflow. */
enum { ENDLESS = 1 << 24, MOST_HEIGHT = 1 << 30 };

/* Operations that are looked at for a radius; beyond, it is found less exactly. */
enum { MOST_TRACED = 1 << 22 };

struct tracing {
    const struct pq_graph *g;
    int64_t height;   /* of the endless picture */
    int64_t *lo, *hi; /* rows of each operation that are needed, [lo, hi) */
};

static int64_t endless(const struct pq_graph *g)
{
    int64_t height = ENDLESS;
    for (int i = 1; i < g->count; i++)
        height = PQ_MIN(height, (int64_t)MOST_HEIGHT / g->ops[i].num);
    return height;
}

/* Rows that the output rows [y0, y1) need of every operation. */
static void trace_back(const struct tracing *t, int64_t y0, int64_t y1)
{
    const struct pq_graph *g = t->g;
    int64_t *lo = t->lo, *hi = t->hi;
    for (int i = 0; i < g->count; i++) {
        lo[i] = INT64_MAX;
        hi[i] = INT64_MIN;
    }
    lo[g->output] = y0;
    hi[g->output] = y1;
    for (int i = g->count - 1; i > 0; i--) {
        const struct pq_op *op = &g->ops[i];
        if (lo[i] >= hi[i])
            continue;
        for (int k = 0; k < op->inputs; k++) {
            int in = op->in[k];
            const struct pq_op *from = &g->ops[in];
            struct pq_flow flow = {.op = op,
                                   .k = k,
                                   .in_height = t->height * from->num / from->den,
                                   .out_height = t->height * op->num / op->den};
            int64_t in0, in1;
            pq_rows_needed(&flow, lo[i], hi[i], &in0, &in1);
            lo[in] = PQ_MIN(lo[in], in0);
            hi[in] = PQ_MAX(hi[in], in1);
        }
    }
}

bool pq_graph_is_whole(const struct pq_graph *g)
{
    for (int i = 1; i < g->count; i++) {
        if (pq_op_is_whole(&g->ops[i]))
            return true;
    }
    return false;
}

/* How many output rows there are until the pattern of what they read repeats: windows of attention
 * and steps that skip rows count too. */
static int64_t period_of(const struct pq_graph *g)
{
    const struct pq_op *out = &g->ops[g->output];
    int64_t period = 1;
    for (int i = 1; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        int64_t rows = is_attention(op) ? op->attention.height : 1;
        rows = (rows * op->den + op->num - 1) / op->num;
        period = PQ_MAX(period, PQ_MAX(rows, (int64_t)op->den));
    }
    return period * out->num;
}

/* The farthest input row from the one that an output row lies on, over one period; in a network
 * whose period is absurd at most the input rows of a period more. */
static int radius_of(const struct pq_graph *g)
{
    const struct pq_op *out = &g->ops[g->output];
    if (pq_graph_is_whole(g))
        return -1;
    struct tracing t = {.g = g, .height = endless(g)};
    t.lo = pq_malloc((size_t)g->count * sizeof *t.lo);
    t.hi = pq_malloc((size_t)g->count * sizeof *t.hi);
    int64_t radius = 0;
    const int64_t period = period_of(g);
    const int64_t rows = period <= MOST_TRACED / g->count ? 1 : period; /* at a time */
    for (int64_t phase = 0; t.lo && t.hi && phase < period; phase += rows) {
        const int64_t y = t.height / 2 * out->num + phase;
        trace_back(&t, y, y + rows);
        const int64_t first = pq_floor_div(y * out->den, out->num);
        const int64_t last = pq_floor_div((y + rows - 1) * out->den, out->num);
        radius = PQ_MAX(radius, PQ_MAX(last - t.lo[0], t.hi[0] - 1 - first));
    }
    pq_free(t.lo);
    pq_free(t.hi);
    return (int)PQ_MIN(radius, INT_MAX);
}

static uint64_t count_of(const struct pq_tensor *t)
{
    size_t n = 0;
    return t->data && pq_tensor_count(t, &n) ? n : 0;
}

uint64_t pq_op_macs(const struct pq_op *op)
{
    const struct pq_attention *a = &op->attention;
    switch (op->kind) {
    case PQ_OP_CONV2D:
    case PQ_OP_DEPTHWISE:
        return op->global ? 0 : count_of(&op->weight);
    case PQ_OP_ATTENTION:
        return 2 * (uint64_t)op->channels * (uint64_t)(a->key_height * a->key_width);
    case PQ_OP_CHANNEL_ATTENTION:
        return 2 * (uint64_t)op->channels * (uint64_t)(op->channels / a->heads);
    case PQ_OP_RUN_ATTENTION:
        return 2 * (uint64_t)op->channels * (uint64_t)op->multiple;
    case PQ_OP_LOOK_UP:
    case PQ_OP_BLEND:
    case PQ_OP_ROW_EXP:
        return (uint64_t)op->channels * (uint64_t)op->groups;
    case PQ_OP_MIX:
        return 2 * (uint64_t)op->channels * (uint64_t)(op->channels / op->groups);
    default:
        return 0;
    }
}

uint64_t pq_op_work(const struct pq_op *op)
{
    return pq_op_macs(op) + (uint64_t)op->channels;
}

void pq_graph_facts(const struct pq_graph *g, struct pq_graph_facts *facts)
{
    const struct pq_op *out = &g->ops[g->output];
    *facts = (struct pq_graph_facts){
        .in_channels = g->ops[0].channels,
        .out_channels = out->channels,
        .num = out->num,
        .den = out->den,
        .radius = radius_of(g),
    };
    for (int i = 0; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        if (op->again)
            continue;
        facts->convolutions += op->kind == PQ_OP_CONV2D || op->kind == PQ_OP_DEPTHWISE;
        if (op->kind != PQ_OP_AFFINE)
            facts->parameters += count_of(&op->weight) + count_of(&op->bias);
        facts->parameters += count_of(&op->act.slopes);
        uint64_t area = (uint64_t)op->num * (uint64_t)op->num;
        facts->flops_per_pixel +=
            2 * pq_op_macs(op) * area / ((uint64_t)op->den * (uint64_t)op->den);
    }
}
