/* SPDX-License-Identifier: MIT */
/* Atoms, see onnx_import.h. */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_emit.h"
#include "model/onnx_import.h"

int pq_layout_first(const struct pq_layout *l, int dim)
{
    int at = 0;
    for (int d = 0; d < dim; d++)
        at += l->length[d];
    return at;
}

/* An atom of one value is none, so that one layout has one spelling. */
static bool push(struct pq_layout *l, int dim, struct pq_atom a)
{
    if (a.size == 1)
        return true;
    if (l->count == PQ_MAX_ATOMS)
        return false;
    l->atoms[l->count++] = a;
    l->length[dim]++;
    return true;
}

void pq_layout_nchw(struct pq_layout *l, int channels)
{
    *l = (struct pq_layout){.dims = 4};
    push(l, 1, (struct pq_atom){PQ_CHANNELS, channels, 1, 0});
    push(l, 2, (struct pq_atom){PQ_ROWS, PQ_REST, 1, 0});
    push(l, 3, (struct pq_atom){PQ_COLUMNS, PQ_REST, 1, 0});
}

static int64_t atom_extent(struct pq_import *im, int op, const struct pq_atom *a, int sample)
{
    return a->size ? a->size
                   : pq_import_extent(im, op, a->axis, sample) / a->inner / PQ_MAX(a->above, 1);
}

int64_t pq_layout_extent(struct pq_import *im, const struct pq_value *v, int dim, int sample)
{
    int64_t extent = 1;
    const struct pq_atom *a = &v->layout.atoms[pq_layout_first(&v->layout, dim)];
    for (int i = 0; i < v->layout.length[dim]; i++)
        extent *= atom_extent(im, v->op, a + i, sample);
    return extent;
}

static bool same_atom(const struct pq_atom *a, const struct pq_atom *b)
{
    return a->axis == b->axis && a->size == b->size && a->inner == b->inner && a->above == b->above;
}

bool pq_layout_same(const struct pq_layout *a, const struct pq_layout *b)
{
    if (a->dims != b->dims || a->count != b->count || a->roll[0] != b->roll[0] ||
        a->roll[1] != b->roll[1])
        return false;
    for (int d = 0; d < a->dims; d++) {
        if (a->length[d] != b->length[d])
            return false;
    }
    for (int i = 0; i < a->count; i++) {
        if (!same_atom(&a->atoms[i], &b->atoms[i]))
            return false;
    }
    return true;
}

/* The next atom of pixels from *i on in a dimension that ends at `end`. */
static const struct pq_atom *next_pixels(const struct pq_layout *l, int *i, int end)
{
    while (*i < end && l->atoms[*i].axis == PQ_CHANNELS)
        ++*i;
    return *i < end ? &l->atoms[(*i)++] : NULL;
}

bool pq_layout_beside(const struct pq_layout *a, const struct pq_layout *b, int but)
{
    if (a->dims != b->dims || a->roll[0] != b->roll[0] || a->roll[1] != b->roll[1])
        return false;
    for (int d = 0, i = 0, j = 0; d < a->dims; d++) {
        const int end_a = i + a->length[d], end_b = j + b->length[d];
        for (bool more = d != but; more;) {
            const struct pq_atom *x = next_pixels(a, &i, end_a), *y = next_pixels(b, &j, end_b);
            if (!x != !y || (x && !same_atom(x, y)))
                return false;
            more = x != NULL;
        }
        i = end_a;
        j = end_b;
    }
    return true;
}

bool pq_layout_rolled(const struct pq_layout *l)
{
    return l->roll[0] || l->roll[1];
}

int pq_layout_axis(const struct pq_layout *l, int dim)
{
    const struct pq_atom *a = &l->atoms[pq_layout_first(l, dim)];
    if (l->length[dim] != 1 || a->size || a->inner != 1 || a->above > 1 || a->axis == PQ_CHANNELS)
        return -1;
    return a->axis == PQ_COLUMNS;
}

/* Digits that lie side by side as they should become one. */
static void merge(struct pq_layout *l)
{
    struct pq_layout out = {
        .dims = l->dims, .roll = {l->roll[0], l->roll[1]}, .frame = l->frame, .unit = l->unit};
    for (int d = 0; d < l->dims; d++) {
        const struct pq_atom *a = &l->atoms[pq_layout_first(l, d)];
        for (int i = 0; i < l->length[d]; i++) {
            struct pq_atom *last = out.length[d] ? &out.atoms[out.count - 1] : NULL;
            if (last && last->axis == a[i].axis && !last->inner && !a[i].size &&
                a[i].above == last->size) {
                *last = (struct pq_atom){a[i].axis, PQ_REST, a[i].inner, 0};
            } else if (last && last->axis == a[i].axis && a[i].size &&
                       last->inner == a[i].inner * a[i].size) {
                last->inner = a[i].inner;
                last->size = last->size ? last->size * a[i].size : PQ_REST;
            } else {
                push(&out, d, a[i]);
            }
        }
    }
    *l = out;
}

/* ---- reshape ---- */

/* Split an atom of `size` in this sample so that the outer part has `need` values. */
static bool split(const struct pq_atom *a, const int64_t *size, const int64_t *need, int samples,
                  struct pq_atom *outer, struct pq_atom *inner)
{
    bool steady = true, grid = !a->size && a->above <= 1;
    for (int s = 0; s < samples; s++) {
        if (size[s] % need[s])
            return false;
        steady = steady && size[s] / need[s] == size[0] / need[0];
        grid = grid && need[s] == need[0];
    }
    const struct pq_atom whole = *a;
    const int64_t rest = size[0] / need[0];
    if (rest > PQ_MAX_EXTENT || need[0] > PQ_MAX_EXTENT || (steady && !whole.inner))
        return false;
    if (steady) {
        *inner = (struct pq_atom){whole.axis, (int)rest, whole.inner, 0};
        *outer = (struct pq_atom){whole.axis, whole.size ? (int)need[0] : PQ_REST,
                                  whole.inner * (int)rest, whole.above};
    } else if (grid) {
        *inner = (struct pq_atom){whole.axis, PQ_REST, whole.inner, (int)need[0]};
        *outer = (struct pq_atom){whole.axis, (int)need[0], 0, 0};
    }
    return steady || grid;
}

/* One dimension of that extent from the atoms at queue[*at] on. */
static bool fill(struct pq_import *im, int op, const int64_t *want, int samples,
                 struct pq_atom *queue, int count, int *at, struct pq_layout *out, int dim)
{
    int64_t need[PQ_SAMPLES], size[PQ_SAMPLES];
    memcpy(need, want, (size_t)samples * sizeof *need);
    for (;;) {
        bool done = true, whole = true;
        for (int s = 0; s < samples; s++)
            done = done && need[s] == 1;
        if (done)
            return true;
        if (*at == count)
            return false;
        for (int s = 0; s < samples; s++) {
            size[s] = atom_extent(im, op, &queue[*at], s);
            whole = whole && size[s] && need[s] % size[s] == 0;
        }
        if (whole) {
            for (int s = 0; s < samples; s++)
                need[s] /= size[s];
            if (!push(out, dim, queue[(*at)++]))
                return false;
            continue;
        }
        struct pq_atom outer;
        if (!split(&queue[*at], size, need, samples, &outer, &queue[*at]) || !push(out, dim, outer))
            return false;
        return true;
    }
}

static bool regroup(struct pq_import *im, const struct pq_value *v, int dims,
                    int64_t want[][PQ_SAMPLES], int samples, struct pq_layout *out)
{
    struct pq_atom queue[PQ_MAX_ATOMS];
    int at = 0;
    memcpy(queue, v->layout.atoms, sizeof queue);
    *out = (struct pq_layout){.dims = dims, .roll = {v->layout.roll[0], v->layout.roll[1]}};
    for (int d = 0; d < dims; d++) {
        for (int s = 0; s < samples; s++) {
            if (want[d][s] < 1)
                return false;
        }
        if (!fill(im, v->op, want[d], samples, queue, v->layout.count, &at, out, d))
            return false;
    }
    merge(out);
    out->frame = v->layout.frame;
    return at == v->layout.count;
}

/* What 0 and -1 stand for, in one sample. */
static bool resolve(struct pq_import *im, const struct pq_value *v, int dims, bool zero_is_zero,
                    int64_t want[][PQ_SAMPLES], int s)
{
    int64_t total = 1, known = 1;
    int open = -1;
    for (int d = 0; d < v->layout.dims; d++)
        total *= pq_layout_extent(im, v, d, s);
    for (int d = 0; d < dims; d++) {
        int64_t *w = &want[d][s];
        if (*w == 0 && !zero_is_zero && d < v->layout.dims)
            *w = pq_layout_extent(im, v, d, s);
        if (*w == -1 && open < 0)
            open = d;
        else if (*w < 1 || *w > total || total % *w || __builtin_mul_overflow(known, *w, &known))
            return false;
    }
    if (open >= 0)
        want[open][s] = known && total % known == 0 ? total / known : 0;
    return true;
}

int pq_import_refuse_fixed(struct pq_import *im)
{
    return pq_import_refuse(im,
                            "the file was exported for %" PRId64 " x %" PRId64
                            " only; export it again with dynamic axes",
                            im->port->shape[3], im->port->shape[2]);
}

/* Whether rows or columns are in pieces: then a size that a file is for was cut into them. */
static int refuse_order(struct pq_import *im, const struct pq_layout *l)
{
    for (int i = 0; i < l->count && im->fixed; i++) {
        if (l->atoms[i].axis != PQ_CHANNELS && (l->atoms[i].size || l->atoms[i].inner > 1))
            return pq_import_refuse_fixed(im);
    }
    return pq_import_refuse(im, "it needs channels, rows and columns in another order");
}

/* Two dimensions of the same constant extent may be the sides of windows. */
static void want_windows(struct pq_import *im, int op, const struct pq_number *shape)
{
    const size_t dims = pq_number_count(shape);
    for (size_t d = 0; d < dims; d++) {
        const double side = pq_number_at(shape, 0, d);
        for (size_t e = d + 1; e < dims && side > 1 && side <= PQ_MAX_WINDOW; e++) {
            if (pq_number_at(shape, 0, e) == side && pq_number_same(shape, d) &&
                pq_number_same(shape, e))
                pq_import_want(im, op, (int64_t)side);
        }
    }
}

int pq_layout_reshape(struct pq_import *im, const struct pq_value *v, const struct pq_number *shape,
                      bool zero_is_zero, struct pq_layout *out)
{
    int64_t want[PQ_MAX_DIMS][PQ_SAMPLES];
    const size_t dims = pq_number_count(shape);
    if (shape->tensor.dims != 1 || dims > PQ_MAX_DIMS || !shape->whole)
        return pq_import_fail(im, PIQUE_EFORMAT, "its shape is no shape");
    int fits = 0;
    for (int s = 0; s < PQ_SAMPLES && fits == s; s++) {
        for (size_t d = 0; d < dims; d++)
            want[d][s] = pq_number_whole(pq_number_at(shape, s, d));
        fits += resolve(im, v, (int)dims, zero_is_zero, want, s);
    }
    if (fits == PQ_SAMPLES && regroup(im, v, (int)dims, want, PQ_SAMPLES, out))
        return 0;
    /* What is baked into a file for one size means what it means at that size. */
    if (im->fixed && fits && regroup(im, v, (int)dims, want, 1, out))
        return 0;
    im->size_matters = true;
    want_windows(im, v->op, shape);
    if (im->fixed && pq_number_constant(shape))
        return pq_import_refuse_fixed(im);
    if (pq_number_constant(shape))
        return pq_import_refuse(im, "it makes a shape of a fixed size");
    return pq_import_refuse(im, "it cuts or joins pictures in a way that cannot be run");
}

void pq_layout_transpose(const struct pq_layout *l, const int *order, struct pq_layout *out)
{
    *out = (struct pq_layout){.dims = l->dims, .roll = {l->roll[0], l->roll[1]}, .frame = l->frame};
    for (int d = 0; d < l->dims; d++) {
        if (order[d] + 1 == l->unit)
            out->unit = d + 1;
        const struct pq_atom *a = &l->atoms[pq_layout_first(l, order[d])];
        for (int i = 0; i < l->length[order[d]]; i++)
            push(out, d, a[i]);
    }
    merge(out);
}

/* ---- settling ---- */

int pq_layout_channel_dim(const struct pq_layout *l, int channels)
{
    for (int d = 0; d < l->dims; d++) {
        const struct pq_atom *a = &l->atoms[pq_layout_first(l, d)];
        int64_t all = 1;
        for (int i = 0; i < l->length[d]; i++)
            all *= a[i].axis == PQ_CHANNELS ? a[i].size : 0;
        if (l->length[d] && all == channels)
            return d;
    }
    /* One channel leaves no trace; then it is where ONNX has it. */
    return channels == 1 && l->dims > 1 && !l->length[1] ? 1 : -1;
}

/* What the dimensions other than that of the channels hold: rows before columns, and perhaps one
 * digit of the channels behind each. */
struct spread {
    int inner[2];           /* of rows and columns; 0: there are none */
    struct pq_atom tail[2]; /* the digit behind; size 0: none */
};

static bool read_spread(const struct pq_layout *l, int channel, struct spread *out)
{
    *out = (struct spread){{0}, {{0}}};
    int axis = -1; /* of the digit before this one, 0 rows, 1 columns */
    for (int d = 0, i = 0; d < l->dims; d++) {
        const int end = i + l->length[d];
        if (d == channel) {
            i = end;
            continue;
        }
        for (bool first = true; i < end; i++, first = false) {
            const struct pq_atom *a = &l->atoms[i];
            if (!a->size && a->above <= 1 && a->axis == (axis < 0 ? PQ_ROWS : PQ_COLUMNS) &&
                axis < 1)
                out->inner[++axis] = a->inner;
            else if (a->size && a->axis == PQ_CHANNELS && axis >= 0 && !first &&
                     !out->tail[axis].size)
                out->tail[axis] = *a;
            else
                return false;
        }
    }
    return axis != 0;
}

/* The digits of `channel`, most significant first. */
static int channel_atoms(const struct pq_layout *l, int channel, struct pq_atom *to)
{
    memcpy(to, &l->atoms[pq_layout_first(l, channel)], (size_t)l->length[channel] * sizeof *to);
    return l->length[channel];
}

/* Channels in the order of these digits, which must be all of them. */
int pq_layout_order(struct pq_import *im, int op, const struct pq_atom *a, int count)
{
    const int channels = im->graph->ops[op].channels;
    int64_t all = 1, reach = 0;
    bool sorted = true;
    for (int i = 0; i < count; i++) {
        if (a[i].axis != PQ_CHANNELS)
            return pq_import_refuse(im, "it mixes channels and pixels in a way that cannot be run");
        all *= a[i].size;
        reach += (int64_t)(a[i].size - 1) * a[i].inner;
        sorted = sorted && (i == 0 || a[i - 1].inner == a[i].inner * a[i].size);
    }
    if (all != channels || reach != channels - 1)
        return pq_import_refuse(im, "it mixes channels and pixels in a way that cannot be run");
    if (sorted)
        return op;
    int *from = pq_malloc((size_t)channels * sizeof *from);
    if (!from)
        return pq_fail_nomem(im->err, (size_t)channels * sizeof *from);
    for (int c = 0; c < channels; c++) {
        int left = c;
        from[c] = 0;
        for (int i = count - 1; i >= 0; i--) {
            from[c] += left % a[i].size * a[i].inner;
            left /= a[i].size;
        }
    }
    op = pq_emit_select(im, op, from, channels);
    pq_free(from);
    return op;
}

/* Rows and columns whose last digit is among the channels: a pixel unshuffle puts it there. */
static int unshuffle(struct pq_import *im, int op, int factor, struct pq_atom *a, int count)
{
    for (int i = 0; i < count; i++) {
        if (a[i].axis != PQ_CHANNELS && (a[i].size != factor || a[i].inner != 1))
            return pq_import_refuse(im, "it mixes channels and pixels in a way that cannot be run");
        a[i].inner = a[i].axis == PQ_CHANNELS ? a[i].inner * factor * factor
                     : a[i].axis == PQ_ROWS   ? factor
                                              : 1;
        a[i].axis = PQ_CHANNELS;
    }
    return pq_emit_unshuffle(im, op, factor, false);
}

/* Whether a dimension is all channels in order; then there are none elsewhere. */
static bool whole_channels(const struct pq_layout *l, int dim, int channels)
{
    if (dim < 0 || dim >= l->dims || l->length[dim] != 1)
        return false;
    const struct pq_atom *a = &l->atoms[pq_layout_first(l, dim)];
    return a->axis == PQ_CHANNELS && a->inner == 1 && a->size == channels;
}

static int refuse_rolled(struct pq_import *im)
{
    return pq_import_refuse(im, "it needs pixels that were moved round the picture");
}

int pq_layout_heads(struct pq_import *im, struct pq_value *v, int dim)
{
    struct pq_layout *l = &v->layout;
    const int first = pq_layout_first(l, dim), end = first + l->length[dim];
    struct pq_atom a[PQ_MAX_ATOMS];
    int where[PQ_MAX_ATOMS], count = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < l->count; i++) {
            if (l->atoms[i].axis == PQ_CHANNELS && (i >= first && i < end) == pass) {
                where[count] = i;
                a[count++] = l->atoms[i];
            }
        }
    }
    const int op = pq_layout_order(im, v->op, a, count);
    if (op < 0)
        return op;
    for (int i = count - 1, inner = 1; i >= 0; i--) {
        l->atoms[where[i]].inner = inner;
        inner *= l->atoms[where[i]].size;
    }
    v->op = op;
    return 0;
}

/* The picture's rows and columns begin one earlier, with the last, if the roll is odd, for then it
 * is pixels 2 n + 1 and 2 n + 2 that are together. */
static int even_roll(struct pq_import *im, struct pq_value *v, int factor)
{
    int *roll = v->layout.roll;
    pique_error e = {0};
    int op = v->op;
    if (roll[0] % factor || roll[1] % factor) {
        if (factor != 2 || roll[0] % 2 == 0 || roll[1] % 2 == 0)
            return refuse_rolled(im);
        op = pq_graph_pad4(im->graph, op, PQ_PAD_WRAP, 1, 1, 0, 0, 1, &e);
        op = op < 0 ? op : pq_graph_crop_like(im->graph, op, v->op, 1, 1, &e);
        roll[0]++;
        roll[1]++;
    }
    roll[0] /= factor;
    roll[1] /= factor;
    return pq_import_placed(im, op, &e);
}

int pq_layout_fold(struct pq_import *im, struct pq_value *v)
{
    struct pq_layout *l = &v->layout;
    const int last = l->dims - 1, channels = im->graph->ops[v->op].channels;
    const int length = channels > 1 ? 3 : 2;
    if (last < 0 || l->length[last] != length)
        return 0;
    struct pq_atom *a = &l->atoms[l->count - length];
    const int factor = a->size;
    if (a[0].axis != PQ_ROWS || a[1].axis != PQ_COLUMNS || a[1].size != factor || a[0].inner != 1 ||
        a[1].inner != 1 || factor < 2 || factor > PQ_MAX_FACTOR ||
        (length == 3 && (a[2].axis != PQ_CHANNELS || a[2].size != channels)))
        return 0;
    for (int i = 0; i < l->count - length; i++) {
        if (l->atoms[i].axis == PQ_CHANNELS || l->atoms[i].inner % factor || !l->atoms[i].inner)
            return 0;
    }
    int op = even_roll(im, v, factor);
    if (op >= 0)
        op = pq_emit_unshuffle(im, op, factor, true);
    if (op < 0)
        return op;
    for (int i = 0; i < l->count - length; i++)
        l->atoms[i].inner /= factor;
    a[0] = (struct pq_atom){PQ_CHANNELS, im->graph->ops[op].channels, 1, 0};
    l->count -= length - 1;
    l->length[last] = 1;
    v->op = op;
    return 0;
}

int pq_layout_settle(struct pq_import *im, struct pq_value *v, int channel)
{
    struct pq_layout *l = &v->layout;
    struct spread spread;
    merge(l);
    if (whole_channels(l, channel, im->graph->ops[v->op].channels))
        return 0;
    if (pq_layout_rolled(l))
        return refuse_rolled(im);
    if (channel < 0 || channel >= l->dims || !read_spread(l, channel, &spread) ||
        spread.inner[0] != spread.inner[1] || spread.tail[0].size != spread.tail[1].size)
        return refuse_order(im, l);
    const int factor = spread.inner[0], tail = spread.tail[0].size;
    struct pq_atom a[PQ_MAX_ATOMS + 2];
    int count = channel_atoms(l, channel, a), op = v->op;
    if (factor > 1)
        op = unshuffle(im, op, factor, a, count);
    if (tail) {
        a[count++] = spread.tail[0];
        a[count++] = spread.tail[1];
    }
    if (op >= 0)
        op = pq_layout_order(im, op, a, count);
    if (op >= 0 && tail)
        op = pq_emit_shuffle(im, op, tail, false);
    if (op < 0)
        return op;
    struct pq_layout out = {.dims = l->dims};
    for (int d = 0, i = 0; d < l->dims; d++) {
        if (d == channel)
            push(&out, d, (struct pq_atom){PQ_CHANNELS, im->graph->ops[op].channels, 1, 0});
        for (int end = i + l->length[d]; i < end; i++) {
            if (d != channel && !l->atoms[i].size)
                push(&out, d, (struct pq_atom){l->atoms[i].axis, PQ_REST, 1, 0});
        }
    }
    v->op = op;
    *l = out;
    return 0;
}

int pq_layout_picture(struct pq_import *im, const struct pq_value *v, int *op)
{
    struct pq_value settled = *v;
    if (v->kind != PQ_VALUE_PICTURE)
        return pq_import_refuse(im, "its input must be a picture, not numbers");
    if (v->layout.dims != 4 && im->fixed)
        return refuse_order(im, &v->layout);
    if (v->layout.dims != 4)
        return pq_import_refuse(im, "its input has %d dimensions; 4 can be run", v->layout.dims);
    int rc = pq_layout_settle(im, &settled, 1);
    if (rc)
        return rc;
    const struct pq_layout *l = &settled.layout;
    if (pq_layout_rolled(l))
        return refuse_rolled(im);
    if (l->length[0] || l->length[2] != l->length[3] ||
        (l->length[2] && (pq_layout_axis(l, 2) != 0 || pq_layout_axis(l, 3) != 1)))
        return refuse_order(im, l);
    *op = settled.op;
    return 0;
}
