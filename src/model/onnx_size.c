/* SPDX-License-Identifier: MIT */
/* Operators that give a picture another size: borders, cuts, scales. What they ask for may depend
 * on the picture's size; it is known for the sizes of the samples. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_emit.h"
#include "model/onnx_ops.h"

/* Rows and columns, in each sample. */
typedef int64_t extents[2][PQ_SAMPLES];

static void extents_of(struct pq_import *im, int op, extents to)
{
    for (int s = 0; s < PQ_SAMPLES; s++) {
        to[0][s] = pq_import_extent(im, op, PQ_ROWS, s);
        to[1][s] = pq_import_extent(im, op, PQ_COLUMNS, s);
    }
}

static bool steady(const int64_t list[PQ_SAMPLES])
{
    for (int s = 1; s < PQ_SAMPLES; s++) {
        if (list[s] != list[0])
            return false;
    }
    return true;
}

/* ---- padding ---- */

/* What goes below and to the right of a size: a number, and more up to a multiple. */
static bool find_multiple(extents have, extents after, int64_t extra[2], int *multiple)
{
    for (int m = 1; m <= PQ_MAX_PAD; m++) {
        bool fits = true;
        for (int a = 0; a < 2 && fits; a++) {
            extra[a] = after[a][0] - (m - have[a][0] % m) % m;
            for (int s = 0; s < PQ_SAMPLES && fits; s++)
                fits = after[a][s] - (m - have[a][s] % m) % m == extra[a];
        }
        if (fits) {
            *multiple = m;
            return true;
        }
    }
    return false;
}

static int pad_mode(struct pq_import *im, enum pq_pad_mode *mode)
{
    if (pq_import_text(im, "mode", "reflect", false))
        *mode = PQ_PAD_REFLECT;
    else if (pq_import_text(im, "mode", "edge", false))
        *mode = PQ_PAD_EDGE;
    else if (pq_import_text(im, "mode", "constant", true))
        *mode = PQ_PAD_ZERO;
    else
        return pq_import_refuse(im, "only constant, reflect and edge can be run");
    const struct pq_value *value = pq_import_in(im, 2);
    if (*mode != PQ_PAD_ZERO || value->kind == PQ_VALUE_NONE)
        return 0;
    int rc;
    const struct pq_number *n = pq_op_constant(im, 2, &rc);
    if (n && pq_number_count(n) && pq_number_at(n, 0, 0) != 0)
        rc = pq_import_refuse(im, "only zeros can be put around");
    return rc;
}

/* Before and behind each axis, from the list of pads. */
static int read_pads(struct pq_import *im, const struct pq_value *v, extents before, extents after)
{
    const struct pq_value *pads = pq_import_in(im, 1);
    int64_t axes[PQ_MAX_DIMS];
    int n;
    int rc = pq_import_ints(im, "", 3, PQ_MAX_DIMS, axes, &n);
    if (rc)
        return rc;
    const int dims = n < 0 ? v->layout.dims : n;
    if (pads->kind != PQ_VALUE_NUMBER || pq_number_count(&pads->number) != 2 * (size_t)dims)
        return pq_import_fail(im, PIQUE_EFORMAT, "its pads do not fit its input");
    memset(before, 0, sizeof(extents));
    memset(after, 0, sizeof(extents));
    for (int i = 0; i < dims; i++) {
        int d = i;
        rc = n < 0 ? 0 : pq_import_axis(im, axes[i], v->layout.dims, &d);
        if (rc)
            return rc;
        const int axis = pq_layout_axis(&v->layout, d);
        for (int s = 0; s < PQ_SAMPLES; s++) {
            const double a = pq_number_at(&pads->number, s, (size_t)i);
            const double b = pq_number_at(&pads->number, s, (size_t)(dims + i));
            if (axis < 0 && (a != 0 || b != 0))
                return pq_import_refuse(im, "only rows and columns can be put around a picture");
            if (!(fabs(a) <= PQ_MAX_EXTENT && fabs(b) <= PQ_MAX_EXTENT))
                return pq_import_refuse(im, "it pads too much");
            if (axis >= 0) {
                before[axis][s] = (int64_t)a;
                after[axis][s] = (int64_t)b;
            }
        }
    }
    return 0;
}

int pq_op_pad(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    extents have, before, after;
    enum pq_pad_mode mode;
    int64_t extra[2];
    int multiple = 1;
    int rc = pq_op_input(im, &v);
    if (!rc)
        rc = pq_layout_settle(im, &v, pq_op_channel_dim(im, &v));
    if (!rc)
        rc = pad_mode(im, &mode);
    if (!rc)
        rc = read_pads(im, &v, before, after);
    if (!rc && pq_layout_rolled(&v.layout))
        rc = pq_import_refuse(im, "it pads a picture whose pixels were moved round");
    if (rc)
        return rc;
    extents_of(im, v.op, have);
    pique_error e = {0};
    bool found = steady(before[0]) && steady(before[1]);
    if (found && !find_multiple(have, after, extra, &multiple)) {
        /* Up to a multiple of what there is with the border before it. */
        for (int a = 0; a < 2; a++) {
            for (int s = 0; s < PQ_SAMPLES; s++)
                have[a][s] += before[a][s];
        }
        found = mode == PQ_PAD_ZERO && before[0][0] >= 0 && before[1][0] >= 0 &&
                before[0][0] <= PQ_MAX_PAD && before[1][0] <= PQ_MAX_PAD &&
                find_multiple(have, after, extra, &multiple);
        if (found)
            v.op = pq_import_placed(im,
                                    pq_graph_pad4(im->graph, v.op, mode, (int)before[0][0],
                                                  (int)before[1][0], 0, 0, 1, &e),
                                    &e);
        if (v.op < 0)
            return v.op;
        before[0][0] = before[1][0] = 0;
    }
    if (!found)
        return pq_import_refuse(im, "it pads by an amount that depends on the picture's size in a "
                                    "way that cannot be run");
    int64_t side[] = {before[0][0], before[1][0], extra[0], extra[1]}, less[4];
    for (int i = 0; i < 4; i++) {
        less[i] = PQ_MAX(-side[i], 0);
        side[i] = PQ_MAX(side[i], 0);
        if (side[i] > PQ_MAX_PAD)
            return pq_import_refuse(im, "it pads by more than %d pixels", PQ_MAX_PAD);
    }
    int op = v.op;
    if (side[0] || side[1] || side[2] || side[3] || multiple > 1)
        op = pq_import_placed(im,
                              pq_graph_pad4(im->graph, op, mode, (int)side[0], (int)side[1],
                                            (int)side[2], (int)side[3], multiple, &e),
                              &e);
    if (op >= 0)
        op = pq_emit_crop(im, op, less);
    return pq_import_set_picture(im, 0, op, &v.layout);
}

/* ---- slices ---- */

/* What is left of each axis. */
struct cut {
    extents from, to;
};

static int64_t whole_at(const struct pq_number *n, int sample, size_t i)
{
    const double x = pq_number_at(n, sample, i);
    return pq_number_whole(x);
}

static int64_t clip_end(int64_t at, int64_t extent)
{
    at += at < 0 ? extent : 0;
    return PQ_MIN(PQ_MAX(at, 0), extent);
}

/* One axis of one Slice. Where the file is for one size, an end that is a constant is so much
 * before the end at that size. */
static void cut_axis(struct pq_import *im, struct cut *cut, int axis, const struct pq_number *start,
                     const struct pq_number *end, size_t i)
{
    int64_t *from = cut->from[axis], *to = cut->to[axis];
    const int64_t first = to[0] - from[0], baked = whole_at(end, 0, i);
    const bool fixed = im->fixed && baked >= 0 && pq_number_same(end, i);
    for (int s = 0; s < PQ_SAMPLES; s++) {
        const int64_t extent = to[s] - from[s];
        const int64_t a = clip_end(whole_at(start, s, i), extent);
        const int64_t b = fixed ? extent - (first - clip_end(baked, first))
                                : clip_end(whole_at(end, s, i), extent);
        to[s] = from[s] + PQ_MAX(a, b);
        from[s] += a;
    }
}

/* Apply im->node, a Slice, to v: channels at once, rows and columns in *cut. */
static int read_slice(struct pq_import *im, struct pq_value *v, struct cut *cut)
{
    const struct pq_value *start = pq_import_in(im, 1), *end = pq_import_in(im, 2);
    int64_t axes[PQ_MAX_DIMS], steps[PQ_MAX_DIMS];
    int with_axes, with_steps;
    int rc = pq_import_ints(im, "", 3, PQ_MAX_DIMS, axes, &with_axes);
    if (!rc)
        rc = pq_import_ints(im, "", 4, PQ_MAX_DIMS, steps, &with_steps);
    if (rc)
        return rc;
    const int n =
        start->kind == PQ_VALUE_NUMBER ? (int)PQ_MIN(pq_number_count(&start->number), 99) : -1;
    if (n < 0 || n > PQ_MAX_DIMS || end->kind != PQ_VALUE_NUMBER ||
        pq_number_count(&end->number) != (size_t)n || (with_axes >= 0 && with_axes != n) ||
        (with_steps >= 0 && with_steps != n))
        return pq_import_fail(im, PIQUE_EFORMAT, "its starts and ends do not fit together");
    for (int i = 0; i < n; i++) {
        int d;
        rc = pq_import_axis(im, with_axes < 0 ? i : axes[i], v->layout.dims, &d);
        if (rc)
            return rc;
        const int64_t step = with_steps < 0 ? 1 : steps[i];
        const int axis = pq_layout_axis(&v->layout, d);
        if (axis >= 0 && step == 1) {
            cut_axis(im, cut, axis, &start->number, &end->number, (size_t)i);
            continue;
        }
        const int64_t extent = pq_layout_extent(im, v, d, 0);
        if (axis >= 0 || step < 1 || step > PQ_MAX_EXTENT ||
            !pq_number_same(&start->number, (size_t)i) || !pq_number_same(&end->number, (size_t)i))
            return pq_import_refuse(im, "it cuts in a way that cannot be run");
        const int64_t a = clip_end(whole_at(&start->number, 0, (size_t)i), extent);
        const int64_t b = clip_end(whole_at(&end->number, 0, (size_t)i), extent);
        if (a == 0 && b == extent && step == 1)
            continue;
        struct pq_value part = {.kind = PQ_VALUE_PICTURE};
        rc = pq_op_pick_run(im, v, d, a, b > a ? (b - a - 1) / step + 1 : 0, step, &part);
        if (rc)
            return rc;
        v->op = part.op;
        v->layout = part.layout;
    }
    return 0;
}

/* Rows and columns that are left, as a crop. */
static int emit_cut(struct pq_import *im, int op, const struct cut *cut)
{
    extents have;
    int64_t side[4];
    bool fixed = true, corner = true;
    extents_of(im, op, have);
    for (int a = 0; a < 2; a++) {
        int64_t behind[PQ_SAMPLES];
        for (int s = 0; s < PQ_SAMPLES; s++) {
            behind[s] = have[a][s] - cut->to[a][s];
            corner = corner && cut->from[a][s] == 0;
        }
        side[a] = cut->from[a][0];
        side[2 + a] = behind[0];
        fixed = fixed && steady(cut->from[a]) && steady(behind);
    }
    if (fixed)
        return pq_emit_crop(im, op, side);
    pique_error e = {0};
    const int like = corner ? pq_find_like(im, cut->to[0], cut->to[1]) : -1;
    if (like >= 0)
        return pq_import_placed(im, pq_graph_crop_like(im->graph, op, like, 1, 1, &e), &e);
    for (int base = 0; base < 2 && corner; base++) {
        const int from = base ? im->values[im->input].op : 0;
        for (int num = 2; num <= PQ_MAX_FACTOR; num++) {
            extents all;
            bool fits = true;
            extents_of(im, from, all);
            for (int s = 0; s < PQ_SAMPLES; s++)
                fits = fits && all[0][s] * num == cut->to[0][s] && all[1][s] * num == cut->to[1][s];
            if (fits)
                return pq_import_placed(im, pq_graph_crop_like(im->graph, op, from, num, 1, &e),
                                        &e);
        }
    }
    return pq_import_refuse(im, "it cuts a picture in a way that depends on its size and cannot be "
                                "run");
}

/* A border that says nothing is taken off as a whole, or not at all. */
static int take_off_frame(struct pq_import *im, struct pq_value *v, const struct cut *cut)
{
    const int op = v->layout.frame - 1;
    int64_t border[2] = {0, 0};
    extents have;
    bool fits = im->graph->ops[v->op].kind == PQ_OP_PAD;
    for (int at = v->op; at != op && im->graph->ops[at].kind == PQ_OP_PAD;
         at = im->graph->ops[at].in[0]) {
        border[0] += im->graph->ops[at].ver.before;
        border[1] += im->graph->ops[at].hor.before;
    }
    extents_of(im, op, have);
    for (int s = 0; s < PQ_SAMPLES; s++) {
        for (int a = 0; a < 2; a++)
            fits = fits && cut->from[a][s] == border[a] &&
                   cut->to[a][s] - cut->from[a][s] == have[a][s];
    }
    if (!fits)
        return pq_import_refuse(im, "it reads a border of attention that says nothing");
    v->layout.frame = 0;
    return pq_import_set_picture(im, 0, op, &v->layout);
}

static int slice_chain(struct pq_import *im, struct pq_value *v, const struct pq_onnx_node *before)
{
    const struct pq_onnx_node *last = im->node;
    struct cut cut = {0};
    extents_of(im, v->op, cut.to);
    int rc = 0;
    if (before) {
        im->node = before;
        rc = read_slice(im, v, &cut);
        im->node = last;
    }
    if (!rc)
        rc = read_slice(im, v, &cut);
    const int before_cut = v->op;
    if (!rc && v->layout.frame)
        return take_off_frame(im, v, &cut);
    const int op = rc ? rc : emit_cut(im, v->op, &cut);
    if (op >= 0 && op != before_cut && pq_layout_rolled(&v->layout))
        return pq_import_refuse(im, "it cuts a picture whose pixels were moved round");
    return pq_import_set_picture(im, 0, op, &v->layout);
}

/* Channels in one piece, where the slice does not take their digits apart. */
static int settle_for_slice(struct pq_import *im, struct pq_value *v)
{
    const int dim = pq_op_channel_dim(im, v);
    struct pq_value settled = *v;
    if (pq_layout_channel_dim(&v->layout, im->graph->ops[v->op].channels) < 0)
        return 0;
    int rc = pq_layout_settle(im, &settled, dim);
    if (!rc)
        *v = settled;
    return rc;
}

int pq_op_slice(struct pq_import *im, int what)
{
    (void)what;
    struct pq_value v;
    int rc = pq_op_input(im, &v);
    if (!rc)
        rc = settle_for_slice(im, &v);
    return rc ? rc : slice_chain(im, &v, NULL);
}

int pq_op_slice_twice(struct pq_import *im, const struct pq_onnx_node *before,
                      const struct pq_value *picture)
{
    struct pq_value v = *picture;
    int rc = settle_for_slice(im, &v);
    return rc ? rc : slice_chain(im, &v, before);
}

/* ---- scales ---- */

/* The simplest fraction that brings `have` to `want`. */
static bool find_ratio(extents have, extents want, int samples, int *num, int *den)
{
    enum { MOST = 64 };
    if (have[0][0] < 1)
        return false;
    for (*den = 1; *den <= MOST; ++*den) {
        const int64_t up = want[0][0] * *den;
        /* At one size only an exact fraction is one; in general it may round down. */
        for (int n = (int)PQ_MIN(up / have[0][0], MOST); n <= MOST && n <= up / have[0][0] + 1;
             n++) {
            bool fits = n >= 1;
            for (int a = 0; a < 2 && fits; a++) {
                for (int s = 0; s < samples && fits; s++)
                    fits = samples == 1 ? have[a][s] * n == want[a][s] * *den
                                        : have[a][s] * n / *den == want[a][s];
            }
            *num = n;
            if (fits)
                return true;
        }
    }
    return false;
}

/* The size that is asked for; *samples is 1 where it is only known for the size that the file was
 * exported for. */
static int read_scale(struct pq_import *im, extents have, extents want, int *samples)
{
    const struct pq_value *scales = pq_import_in(im, 2), *sizes = pq_import_in(im, 3);
    const bool by_size = sizes->kind == PQ_VALUE_NUMBER;
    const struct pq_number *n = by_size ? &sizes->number : &scales->number;
    if (!by_size && scales->kind != PQ_VALUE_NUMBER)
        return pq_import_fail(im, PIQUE_EFORMAT, "it says neither a scale nor a size");
    if (pq_import_attr(im, "axes") || pq_number_count(n) != 4)
        return pq_import_refuse(im, "it needs a scale or a size for each of four dimensions");
    *samples = by_size && im->fixed && pq_number_constant(n) ? 1 : PQ_SAMPLES;
    for (int s = 0; s < PQ_SAMPLES; s++) {
        for (size_t a = 0; a < 2; a++) {
            const double x = pq_number_at(n, s, 2 + a);
            const double size = by_size ? x : floor((double)((float)have[a][s] * (float)x));
            if (!(size >= 1 && size <= 1 << 24))
                return pq_import_refuse(im, "it makes a size that cannot be");
            want[a][s] = (int64_t)size;
        }
        if (!by_size && (pq_number_at(n, s, 0) != 1 || pq_number_at(n, s, 1) != 1))
            return pq_import_refuse(im, "only rows and columns can be scaled");
    }
    return 0;
}

/* Whether output x reads input floor(x / factor), or for a reduction every factor-th. */
static bool plain_nearest(struct pq_import *im, int num, int den)
{
    const bool floor_mode = pq_import_text(im, "nearest_mode", "floor", false);
    const bool prefer = pq_import_text(im, "nearest_mode", "round_prefer_floor", true);
    const bool ceil = pq_import_text(im, "nearest_mode", "round_prefer_ceil", false);
    const bool half =
        pq_import_text(im, "coordinate_transformation_mode", "half_pixel", true) ||
        pq_import_text(im, "coordinate_transformation_mode", "pytorch_half_pixel", false);
    const bool corner = pq_import_text(im, "coordinate_transformation_mode", "asymmetric", false);
    if (den > 1)
        return num == 1 && ((corner && floor_mode) || (half && prefer && den == 2));
    return (corner && (floor_mode || (prefer && num == 2))) || (half && (prefer || ceil));
}

/* The only size that an operation has which is the wanted one at the size that the file was
 * exported for; -1: there is none, or more than one. */
static int find_fixed_like(struct pq_import *im, extents want)
{
    int found = -1;
    extents have, first;
    for (int op = im->values[im->input].op; op < im->graph->count; op++) {
        if (im->graph->ops[op].global || im->graph->ops[op].column)
            continue;
        extents_of(im, op, have);
        if (have[0][0] != want[0][0] || have[1][0] != want[1][0])
            continue;
        if (found >= 0 && memcmp(have, first, sizeof have) != 0)
            return -1;
        if (found < 0)
            memcpy(first, have, sizeof have);
        found = op;
    }
    return found;
}

int pq_op_resize(struct pq_import *im, int what)
{
    (void)what;
    extents have, want;
    int in, op = -1, num = 1, den = 1, samples = PQ_SAMPLES;
    int rc = pq_layout_picture(im, pq_import_in(im, 0), &in);
    if (rc)
        return rc;
    if (im->graph->ops[in].global)
        return pq_import_refuse(im, "one pixel for the whole picture cannot be scaled");
    extents_of(im, in, have);
    rc = read_scale(im, have, want, &samples);
    if (rc)
        return rc;
    const bool ratio = find_ratio(have, want, samples, &num, &den);
    const bool half =
        pq_import_text(im, "coordinate_transformation_mode", "half_pixel", true) ||
        pq_import_text(im, "coordinate_transformation_mode", "pytorch_half_pixel", false);
    if (pq_import_int(im, "antialias", 0) || pq_import_int(im, "exclude_outside", 0) ||
        !pq_import_text(im, "keep_aspect_ratio_policy", "stretch", true))
        return pq_import_refuse(im,
                                "antialias, exclude_outside and keep_aspect_ratio_policy cannot "
                                "be run");
    pique_error e = {0};
    if (ratio && num == 1 && den == 1)
        return pq_op_set_nchw(im, 0, in);
    if (pq_import_text(im, "mode", "nearest", true)) {
        if (!ratio || (num > 1 && den > 1) || !plain_nearest(im, num, den)) {
            im->size_matters = im->size_matters || !ratio;
            return pq_import_refuse(im,
                                    "nearest can be run by a whole factor, without rounding up");
        }
        op = den > 1 ? pq_emit_skip(im, in, den)
                     : pq_import_placed(im, pq_graph_nearest(im->graph, in, num, &e), &e);
    } else if (!half) {
        return pq_import_refuse(im, "it can be run where pixels have their centres at halves only");
    } else if (pq_import_text(im, "mode", "linear", false)) {
        int like = samples == PQ_SAMPLES ? pq_find_like(im, want[0], want[1]) : -1;
        if (like < 0 && samples == 1 && !ratio)
            like = find_fixed_like(im, want);
        if (like < 0 && ratio)
            like = pq_emit_like(im, in, num, den);
        if (like < 0)
            return ratio ? like : pq_import_refuse(im, "it makes a size that nothing else has");
        op = pq_import_placed(im, pq_graph_bilinear(im->graph, in, like, &e), &e);
    } else if (pq_import_text(im, "mode", "cubic", false)) {
        if (!ratio || pq_import_float(im, "cubic_coeff_a", -0.75F) != -0.75F)
            return pq_import_refuse(im, "cubic can be run by a simple fraction and with -0.75");
        op = pq_import_placed(im, pq_graph_bicubic(im->graph, in, num, den, &e), &e);
    } else {
        return pq_import_fail(im, PIQUE_EFORMAT, "its mode is none that there is");
    }
    return pq_op_set_nchw(im, 0, op);
}

int pq_op_pool(struct pq_import *im, int what)
{
    int64_t kernel[2], stride[2], pads[4];
    int in, n, strides, borders;
    int rc = pq_layout_picture(im, pq_import_in(im, 0), &in);
    if (!rc)
        rc = pq_import_ints(im, "kernel_shape", SIZE_MAX, 2, kernel, &n);
    if (!rc)
        rc = pq_import_ints(im, "strides", SIZE_MAX, 2, stride, &strides);
    if (!rc)
        rc = pq_import_ints(im, "pads", SIZE_MAX, 4, pads, &borders);
    if (rc)
        return rc;
    bool plain = n == 2 && kernel[0] == kernel[1] && (strides < 0 || stride[0] == stride[1]) &&
                 !pq_import_int(im, "ceil_mode", 0) && im->node->outs == 1 &&
                 pq_import_text(im, "auto_pad", "NOTSET", true) && !im->graph->ops[in].global;
    for (int i = 0; i < borders; i++)
        plain = plain && pads[i] == 0;
    if (!plain || kernel[0] < 1 || kernel[0] > PQ_MAX_KERNEL)
        return pq_import_refuse(im, "only square windows without padding can be run");
    const int64_t step = strides < 0 ? 1 : stride[0];
    pique_error e = {0};
    int op = step < 1 || step > PQ_MAX_FACTOR
                 ? pq_import_refuse(im, "its stride is too large")
                 : pq_import_placed(im,
                                    pq_graph_pool(im->graph, in, (enum pq_op_kind)what,
                                                  (int)kernel[0], (int)step, &e),
                                    &e);
    return pq_op_set_nchw(im, 0, op);
}
