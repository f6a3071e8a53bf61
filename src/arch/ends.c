/* SPDX-License-Identifier: MIT */
#include "arch/ends.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

enum { COLOURS = 3, MAX_STEPS = 4 };

static const float mean_of_photographs[COLOURS] = {0.4488f, 0.4371f, 0.4040f};

/* ---- sizes ---- */

/* conv_first stands behind the folding where there is one, as the second of two. */
static const char *first_name(const struct pq_parts *p)
{
    return pq_parts_has(p, "conv_first.1.weight") ? "conv_first.1" : "conv_first";
}

static int find_first(struct pq_parts *p, struct pq_ends *e)
{
    const char *name = first_name(p);
    const int in = pq_parts_extent(p, 1, "%s.weight", name);
    e->dim = pq_parts_extent(p, 0, "%s.weight", name);
    if (in < 0 || e->dim < 0)
        return PQ_MIN(in, e->dim);
    e->unshuffle = 1;
    e->channels = in;
    if (name[sizeof "conv_first" - 1]) {
        const bool colour = in % COLOURS == 0 && pq_square_root(in / COLOURS);
        e->unshuffle = pq_square_root(colour ? in / COLOURS : in);
        e->channels = colour ? COLOURS : 1;
    }
    if (e->unshuffle < 1 || e->unshuffle > PQ_MAX_FACTOR)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor '%s.weight' has %d inputs, no square of a picture's channels",
                             name, in);
    return 0;
}

/* The root of outputs / inputs, of a convolution in front of a pixel shuffle. */
static int find_shuffle(struct pq_parts *p, int inputs, int step)
{
    const int out = pq_parts_extent(p, 0, "upsample.%d.weight", step);
    if (out < 0)
        return out;
    const int factor = out % inputs ? 0 : pq_square_root(out / inputs);
    if (factor < 1 || factor > PQ_MAX_FACTOR)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor 'upsample.%d.weight' has %d outputs, which is no square scale "
                             "of %d channels",
                             step, out, inputs);
    return factor;
}

static int find_steps(struct pq_parts *p, struct pq_ends *e)
{
    for (int i = 1; e->enlarge == PQ_ENLARGE_NEAREST && i <= MAX_STEPS; i++)
        e->inner *= pq_parts_has(p, "conv_up%d.weight", i) ? 2 : 1;
    if (e->enlarge == PQ_ENLARGE_DIRECT)
        e->inner = find_shuffle(p, e->channels, 0);
    for (int i = 0; e->enlarge == PQ_ENLARGE_SHUFFLE && i < 2 * MAX_STEPS; i += 2) {
        if (!pq_parts_has(p, "upsample.%d.weight", i))
            break;
        const int factor = find_shuffle(p, e->features, i);
        if (factor < 0)
            return factor;
        e->inner *= factor;
        if (e->inner > PQ_MAX_FACTOR * PQ_MAX_FACTOR)
            break;
    }
    return PQ_MIN(e->inner, 0);
}

static enum pq_enlarge find_enlarge(const struct pq_parts *p)
{
    if (!pq_parts_has(p, "conv_before_upsample.0.weight"))
        return pq_parts_has(p, "upsample.0.weight") ? PQ_ENLARGE_DIRECT : PQ_ENLARGE_NONE;
    return pq_parts_has(p, "conv_up1.weight") || pq_parts_has(p, "conv_hr.weight")
               ? PQ_ENLARGE_NEAREST
               : PQ_ENLARGE_SHUFFLE;
}

int pq_ends_find(struct pq_parts *p, struct pq_ends *e)
{
    *e = (struct pq_ends){.range = 1, .inner = 1, .enlarge = find_enlarge(p)};
    p->needs_biases = true;
    int rc = find_first(p, e);
    if (rc)
        return rc;
    e->mean = e->channels == COLOURS;
    e->features = e->dim;
    if (e->enlarge == PQ_ENLARGE_SHUFFLE || e->enlarge == PQ_ENLARGE_NEAREST)
        e->features = pq_parts_extent(p, 0, "conv_before_upsample.0.weight");
    if (e->features < 0)
        return e->features;
    rc = find_steps(p, e);
    if (rc)
        return rc;
    e->scale = e->inner / e->unshuffle;
    if (e->inner % e->unshuffle || e->scale > PQ_MAX_FACTOR)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "a network that enlarges by %d/%d", e->inner,
                             e->unshuffle);
    return 0;
}

/* ---- operations ---- */

int pq_ends_begin(struct pq_parts *p, struct pq_ends *e, enum pq_pad_mode mode, int multiple)
{
    float terms[COLOURS] = {0};
    for (int c = 0; c < COLOURS && e->mean; c++)
        terms[c] = -mean_of_photographs[c] * e->range;
    e->picture = pq_graph_input(p->g, e->channels, p->err);
    int at = pq_parts_pad_to(p, e->picture, mode, multiple * e->unshuffle);
    if (e->mean || e->range != 1)
        at = pq_parts_scale(p, at, e->range, COLOURS, terms);
    e->folded = pq_parts_unshuffle(p, at, e->unshuffle);
    e->first = pq_parts_conv(p, e->folded, e->dim, 3, "%s", first_name(p));
    return e->first;
}

int pq_ends_closing(struct pq_parts *p, int in, const char *fmt, ...)
{
    char name[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    if (in < 0)
        return in;
    const int dim = p->g->ops[in].channels;
    if (!pq_parts_has(p, "%s.0.weight", name))
        return pq_parts_conv(p, in, dim, 3, "%s", name);
    int at = pq_parts_act(p, pq_parts_conv(p, in, dim / 4, 3, "%s.0", name), 0.2f);
    at = pq_parts_act(p, pq_parts_conv(p, at, dim / 4, 1, "%s.2", name), 0.2f);
    return pq_parts_conv(p, at, dim, 3, "%s.4", name);
}

static int add_shuffles(struct pq_parts *p, const struct pq_ends *e, int at)
{
    for (int i = 0, done = 1; done < e->inner && at >= 0; i += 2) {
        const int factor = find_shuffle(p, e->features, i);
        if (factor < 2)
            return factor < 0 ? factor
                              : pq_parts_fail(p, PIQUE_EFORMAT,
                                              "tensor 'upsample.%d.weight' does not enlarge", i);
        at = pq_parts_conv(p, at, e->features * factor * factor, 3, "upsample.%d", i);
        at = pq_parts_shuffle(p, at, factor);
        done *= factor;
    }
    return at;
}

static int add_nearest(struct pq_parts *p, const struct pq_ends *e, int at)
{
    for (int i = 1; 1 << i <= e->inner; i++) {
        at = pq_parts_nearest(p, at, 2);
        at = pq_parts_act(p, pq_parts_conv(p, at, e->features, 3, "conv_up%d", i), 0.2f);
    }
    return pq_parts_act(p, pq_parts_conv(p, at, e->features, 3, "conv_hr"), 0.2f);
}

static int enlarge(struct pq_parts *p, const struct pq_ends *e, int at)
{
    if (e->enlarge == PQ_ENLARGE_DIRECT) {
        at = pq_parts_conv(p, at, e->channels * e->inner * e->inner, 3, "upsample.0");
        return pq_parts_shuffle(p, at, e->inner);
    }
    if (e->enlarge == PQ_ENLARGE_NONE)
        return pq_parts_add(p, e->folded, pq_parts_conv(p, at, e->channels, 3, "conv_last"));
    at = pq_parts_act(p, pq_parts_conv(p, at, e->features, 3, "conv_before_upsample.0"), 0.01f);
    at = e->enlarge == PQ_ENLARGE_SHUFFLE ? add_shuffles(p, e, at) : add_nearest(p, e, at);
    return pq_parts_conv(p, at, e->channels, 3, "conv_last");
}

int pq_ends_finish(struct pq_parts *p, const struct pq_ends *e, int body)
{
    float terms[COLOURS] = {0};
    for (int c = 0; c < COLOURS && e->mean; c++)
        terms[c] = mean_of_photographs[c];
    int at = pq_parts_add(p, e->first, body);
    at = enlarge(p, e, at);
    at = pq_parts_crop_to(p, at, e->picture, e->scale);
    return e->mean || e->range != 1 ? pq_parts_scale(p, at, 1 / e->range, COLOURS, terms) : at;
}
