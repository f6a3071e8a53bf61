/* SPDX-License-Identifier: MIT */
/* What lies between the samples of a picture and a network, before and behind it. */
#include "base/whole.h"
#include "graph/build.h"

/* Pixels a side that one place of a tensor of samples stands for. */
static int place_side(const struct pq_yuv *yuv)
{
    return yuv->sub_x || yuv->sub_y ? 2 : 1;
}

int pq_yuv_channels(const struct pq_yuv *yuv)
{
    const int side = place_side(yuv);
    return side * side + 2 * (side >> yuv->sub_x) * (side >> yuv->sub_y);
}

struct pq_sample_layout pq_rows_layout(int channels, int width, int height, int depth)
{
    return (struct pq_sample_layout){
        .planes = 1,
        .depth = depth,
        .plane = {{.width = channels * width, .height = height, .across = channels, .down = 1}}};
}

void pq_yuv_layout(const struct pq_yuv *yuv, int width, int height, struct pq_sample_layout *layout)
{
    const int side = place_side(yuv);
    const int chroma_width = (width + yuv->sub_x) >> yuv->sub_x;
    const int chroma_height = (height + yuv->sub_y) >> yuv->sub_y;
    *layout = (struct pq_sample_layout){
        .planes = 3,
        .depth = yuv->depth,
        .codes = true,
        .plane = {{.width = width, .height = height, .across = side, .down = side}}};
    for (int p = 1; p < 3; p++)
        layout->plane[p] = (struct pq_sample_plane){.width = chroma_width,
                                                    .height = chroma_height,
                                                    .across = side >> yuv->sub_x,
                                                    .down = side >> yuv->sub_y};
}

static int check_yuv(const struct pq_yuv *y, pique_error *err)
{
    const bool sub = y->sub_x >= 0 && y->sub_x <= 1 && y->sub_y >= 0 && y->sub_y <= 1;
    const bool site =
        y->site_x >= 0 && y->site_x <= 2 * y->sub_x && y->site_y >= 0 && y->site_y <= 2 * y->sub_y;
    if (sub && site && y->depth >= 8 && y->depth <= 16 && y->kr > 0 && y->kb > 0 &&
        y->kr + y->kb < 1)
        return 0;
    return pq_fail(err, PIQUE_EINTERNAL, "luma and chroma of %d bits, matrix %g and %g, make none",
                   y->depth, y->kr, y->kb);
}

int pq_graph_from_yuv(struct pq_graph *g, int in, const struct pq_yuv *yuv, pique_error *err)
{
    int rc = pq_build_check_picture(g, in, PQ_OP_FROM_YUV, err);
    if (!rc)
        rc = check_yuv(yuv, err);
    if (!rc && g->ops[in].channels != pq_yuv_channels(yuv))
        rc = pq_fail(err, PIQUE_EINTERNAL, "%d channels of luma and chroma, not %d",
                     g->ops[in].channels, pq_yuv_channels(yuv));
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, PQ_OP_FROM_YUV, in, 3);
    op.yuv = *yuv;
    op.factor = op.rate_num = place_side(yuv);
    return pq_graph_append(g, op, err);
}

/* Eight pixels around a chroma sample make it where it is one of two, else its own. */
static struct pq_window chroma_window(int sub, int side)
{
    if (sub)
        return (struct pq_window){.kernel = 8, .stride = 2, .dilation = 1, .before = 3};
    return (struct pq_window){.kernel = side, .stride = side, .dilation = 1};
}

int pq_graph_to_yuv(struct pq_graph *g, int in, const struct pq_yuv *yuv, pique_error *err)
{
    int rc = pq_build_check_picture(g, in, PQ_OP_TO_YUV, err);
    if (!rc)
        rc = check_yuv(yuv, err);
    if (!rc && g->ops[in].channels != 3)
        rc =
            pq_fail(err, PIQUE_EINTERNAL, "%d colours become luma and chroma", g->ops[in].channels);
    if (rc)
        return rc;
    struct pq_op op = pq_op_new(g, PQ_OP_TO_YUV, in, pq_yuv_channels(yuv));
    op.yuv = *yuv;
    op.factor = op.rate_den = place_side(yuv);
    op.ver = chroma_window(yuv->sub_y, op.factor);
    op.hor = chroma_window(yuv->sub_x, op.factor);
    return pq_graph_append(g, op, err);
}

/* The schedule wants a ratio in small numbers that is no less: rows are computed as fast as they
 * come. */
static void set_rate(struct pq_op *op, int from, int to)
{
    enum { PARTS = 16 };
    op->rate_den = PARTS;
    op->rate_num = (int)pq_ceil_div((int64_t)to * PARTS, from);
}

static int check_resize(const struct pq_graph *g, int in, int from, int to, pique_error *err)
{
    enum { MOST = 1 << 24 };
    int rc = pq_build_check_picture(g, in, PQ_OP_RESIZE, err);
    if (!rc && (from < 1 || to < 1 || from > MOST || to > MOST))
        rc = pq_fail(err, PIQUE_EUNSUPPORTED, "a resize from %d to %d pixels", from, to);
    return rc;
}

static struct pq_op resize_op(const struct pq_graph *g, int in, bool across, int from, int to)
{
    struct pq_op op = pq_op_new(g, PQ_OP_RESIZE, in, g->ops[in].channels);
    op.across = across;
    op.from = from;
    op.extent = to;
    if (!across)
        set_rate(&op, from, to);
    return op;
}

int pq_graph_resize(struct pq_graph *g, int in, bool across, int from, int to, pique_error *err)
{
    int rc = check_resize(g, in, from, to, err);
    if (rc || from == to)
        return rc ? rc : in;
    return pq_graph_append(g, resize_op(g, in, across, from, to), err);
}

int pq_graph_resize_alpha(struct pq_graph *g, int in, const int from[2], const int to[2],
                          pique_error *err)
{
    int rc = check_resize(g, in, from[0], to[0], err);
    if (!rc)
        rc = check_resize(g, in, from[1], to[1], err);
    if (!rc && g->ops[in].channels != 4)
        rc = pq_fail(err, PIQUE_EINTERNAL, "alpha among %d channels", g->ops[in].channels);
    if (rc)
        return rc;
    struct pq_op row = pq_op_new(g, PQ_OP_ROW_OPAQUE, in, 1);
    row.column = true;
    const int opaque = pq_graph_append(g, row, err);
    if (opaque < 0)
        return opaque;
    struct pq_op op = resize_op(g, in, true, from[0], to[0]);
    op.by_alpha = true;
    const int across = pq_graph_append(g, op, err);
    if (across < 0)
        return across;
    op = resize_op(g, across, false, from[1], to[1]);
    op.by_alpha = true;
    op.in[op.inputs++] = opaque;
    return pq_graph_append(g, op, err);
}

int pq_graph_effects(struct pq_graph *g, int in, const struct pq_touch *touch, pique_error *err)
{
    int rc = pq_build_check_picture(g, in, PQ_OP_EFFECTS, err);
    if (!rc && g->ops[in].channels != 3 && g->ops[in].channels != 4)
        rc = pq_fail(err, PIQUE_EINTERNAL, "effects on %d colours", g->ops[in].channels);
    if (rc)
        return rc;
    int mean = -1;
    if (touch->contrast != 1) {
        struct pq_op given = pq_op_new(g, PQ_OP_GIVEN, 0, 1);
        given.inputs = 0;
        given.global = true;
        given.column = false;
        if ((mean = pq_graph_append(g, given, err)) < 0)
            return mean;
    }
    struct pq_op op = pq_op_new(g, PQ_OP_EFFECTS, in, g->ops[in].channels);
    op.touch = *touch;
    if (mean >= 0) {
        op.in[op.inputs++] = mean;
        op.global_inputs = 1U << 1;
    }
    if (touch->sharpen != 0)
        op.ver =
            (struct pq_window){.kernel = 3, .stride = 1, .dilation = 1, .before = 1, .after = 1};
    return pq_graph_append(g, op, err);
}

int pq_graph_cut(struct pq_graph *g, int in, const int sides[4], pique_error *err)
{
    int rc = pq_build_check_picture(g, in, PQ_OP_CROP, err);
    if (rc || !(sides[0] | sides[1] | sides[2] | sides[3]))
        return rc ? rc : in;
    for (int i = 0; i < 4; i++) {
        if (sides[i] < 0)
            return pq_fail(err, PIQUE_EINTERNAL, "%d pixels are cut off", sides[i]);
    }
    struct pq_op op = pq_op_new(g, PQ_OP_CROP, in, g->ops[in].channels);
    op.ver.before = sides[0];
    op.hor.before = sides[1];
    op.ver.after = sides[2];
    op.hor.after = sides[3];
    return pq_graph_append(g, op, err);
}
