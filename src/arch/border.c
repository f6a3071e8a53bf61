/* SPDX-License-Identifier: MIT */
/* A network without padding yields less than its scale times the picture; one that halves the size
 * wants a multiple of something. ncnn's files of Real-CUGAN and waifu2x are like that, and the
 * programs around them know by the file's name how much to put around. Here it follows from the
 * graph: the smallest multiple m and border b with
 *
 *     size(m k + 2 b) = scale m k     for every k
 *
 * and then   picture -> pad by b, up to a multiple of m -> network -> cut to scale x picture.
 *
 * waifu2x repeats the border, Real-CUGAN mirrors it; and what Real-CUGAN's x4 files compute is to
 * be added to the picture enlarged by nearest. */
#include "arch/border.h"

#include "arch/arch.h"
#include "base/alloc.h"

enum { MAX_MULTIPLE = 64, LARGE = 1024, TRIES = 4 };

/* Extent along one axis of the result for an input of extent n; 0 where some operation does not
 * work or joins maps of different sizes. e is scratch. */
static int64_t extent_of(const struct pq_graph *g, bool hor, int64_t n, int64_t *e)
{
    e[0] = n;
    for (int i = 1; i < g->count; i++) {
        const struct pq_op *op = &g->ops[i];
        e[i] = pq_op_extent(op, hor, e[op->in[0]], e[op->like >= 0 ? op->like : 0]);
        if (e[i] < 1)
            return 0;
        for (int k = 1; k < op->inputs; k++) {
            const bool residual = op->residual && k == op->inputs - 1;
            if (!(op->global_inputs >> k & 1) && e[op->in[k]] != e[residual ? i : op->in[0]])
                return 0;
        }
    }
    return e[g->output];
}

/* Whether pictures of all multiples come out as they should. */
static bool fits(const struct pq_graph *g, int multiple, int border, int64_t *e)
{
    const struct pq_op *out = &g->ops[g->output];
    for (int axis = 0; axis < 2; axis++) {
        for (int k = 0; k < TRIES; k++) {
            const int64_t n = (int64_t)LARGE + (int64_t)multiple * k;
            if (extent_of(g, axis == 1, n + 2 * border, e) != n * out->num / out->den)
                return false;
        }
    }
    return true;
}

static bool find_frame(const struct pq_graph *g, int *multiple, int *border, int64_t *e)
{
    for (*multiple = 1; *multiple <= MAX_MULTIPLE; *multiple *= 2) {
        for (*border = 0; *border <= PQ_MAX_PAD; ++*border) {
            if (fits(g, *multiple, *border, e))
                return true;
        }
    }
    return false;
}

/* ---- the two families ---- */

/* A crop of what goes past the depths of a U-Net, not that which ends a transposed convolution. */
static bool is_skip(const struct pq_graph *g, const struct pq_op *op)
{
    return op->kind == PQ_OP_CROP && g->ops[op->in[0]].kind != PQ_OP_PIXEL_SHUFFLE;
}

/* The one thing in which the files of the two differ: Real-CUGAN's crop by numbers, waifu2x's by
 * the size of the map that is added. */
static enum pq_pad_mode mode_of(const struct pq_graph *g)
{
    for (int i = 1; i < g->count; i++) {
        if (is_skip(g, &g->ops[i]) && g->ops[i].like < 0)
            return PQ_PAD_REFLECT;
    }
    return PQ_PAD_EDGE;
}

/* Real-CUGAN x4: U-Nets whose result is shuffled and cut; all others end in a sum or a convolution
 * over U-Nets. */
static bool wants_picture(const struct pq_graph *g)
{
    const struct pq_op *out = &g->ops[g->output];
    return pq_unet_is(g) && out->kind == PQ_OP_PIXEL_SHUFFLE && out->num == 4 && out->den == 1;
}

static int add_frame(struct pq_graph *g, const struct pq_graph *part, int multiple, int border,
                     pique_error *err)
{
    const struct pq_op *out = &part->ops[part->output];
    int picture = pq_graph_input(g, part->ops[0].channels, err), at = picture;
    if (at >= 0)
        at = pq_graph_pad(g, at, mode_of(part), border, multiple, err);
    if (at >= 0)
        at = pq_graph_append_graph(g, part, at, err);
    if (at >= 0)
        at = pq_graph_crop_like(g, at, picture, out->num, out->den, err);
    if (at >= 0 && wants_picture(part)) {
        int enlarged = pq_graph_nearest(g, picture, out->num, err);
        at = enlarged < 0 ? enlarged : pq_graph_add(g, at, enlarged, 1, err);
    }
    return at < 0 ? at : pq_graph_finish(g, at, err);
}

int pq_border_frame(const struct pq_graph *part, const char *path, struct pq_graph **framed,
                    pique_error *err)
{
    const struct pq_op *out = &part->ops[part->output];
    int multiple, border;
    *framed = NULL;
    int64_t *e = pq_malloc((size_t)part->count * sizeof *e);
    if (!e)
        return pq_fail_nomem(err, (size_t)part->count * sizeof *e);
    /* A fraction of the size is rounded, and that by which it is does not have to be cut. */
    bool whole = out->den != 1 || fits(part, 1, 0, e);
    bool found = whole || find_frame(part, &multiple, &border, e);
    pq_free(e);
    if (whole)
        return 0;
    if (!found)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: the network does not yield %d times the size of its picture, whatever "
                       "is put around that",
                       path, out->num);
    int rc = pq_graph_new(framed, err);
    if (!rc)
        rc = add_frame(*framed, part, multiple, border, err);
    if (rc)
        pq_graph_free(framed);
    return rc;
}
