/* SPDX-License-Identifier: MIT */
/* Layers that have parameters alone. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "model/ncnn_import.h"

enum { ALL = -233 /* in place of an extent */ };

/* ---- parameters and inputs ---- */

int ncnn_fail_layer(struct ncnn_import *im, const struct pq_ncnn_layer *layer, int code,
                    const char *why)
{
    return pq_fail(im->err, code, "%s: layer '%s' (%s): %s", im->net->path, layer->name,
                   layer->type, pq_tr(why));
}

int ncnn_unsupported(struct ncnn_import *im, const struct pq_ncnn_layer *layer, const char *why)
{
    return ncnn_fail_layer(im, layer, PIQUE_EUNSUPPORTED, why);
}

int ncnn_placed(struct ncnn_import *im, const struct pq_ncnn_layer *layer, int op,
                const pique_error *e)
{
    return op < 0 ? ncnn_fail_layer(im, layer, op, e->message) : op;
}

bool ncnn_whole(const struct ncnn_import *im, const struct pq_ncnn_layer *layer, int id,
                int missing, int *out)
{
    const struct pq_ncnn_param *p = pq_ncnn_param(im->net, layer, id);
    *out = p ? im->net->values[p->first].whole : missing;
    return !p || (!p->array && im->net->values[p->first].integer);
}

bool ncnn_number(const struct ncnn_import *im, const struct pq_ncnn_layer *layer, int id,
                 float missing, float *out)
{
    const struct pq_ncnn_param *p = pq_ncnn_param(im->net, layer, id);
    *out = p ? im->net->values[p->first].number : missing;
    return !p || !p->array;
}

bool ncnn_is(const struct ncnn_import *im, const struct pq_ncnn_layer *layer, int id, int only)
{
    int value;
    return ncnn_whole(im, layer, id, only, &value) && value == only;
}

int ncnn_input(const struct ncnn_import *im, const struct pq_ncnn_layer *layer, int i)
{
    return im->op_of_blob[layer->in[i]];
}

float ncnn_input_factor(const struct ncnn_import *im, const struct pq_ncnn_layer *layer, int i)
{
    return im->factor_of_blob[layer->in[i]];
}

int ncnn_channels(const struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    return im->graph->ops[ncnn_input(im, layer, 0)].channels;
}

/* ---- one input, its size stays ---- */

int ncnn_input_layer(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    int channels;
    if (!ncnn_whole(im, layer, 2, 0, &channels) || (channels && channels != im->in_channels))
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT,
                               "its channels are not those that are read");
    pique_error e = {0};
    return ncnn_placed(im, layer, pq_graph_input(im->graph, im->in_channels, &e), &e);
}

int ncnn_split(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    return ncnn_input(im, layer, 0);
}

int ncnn_relu(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    float slope;
    if (!ncnn_number(im, layer, 0, 0, &slope))
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "its slope is no number");
    pique_error e = {0};
    int op = pq_graph_act(im->graph, ncnn_input(im, layer, 0), slope, NULL, &e);
    return ncnn_placed(im, layer, op, &e);
}

int ncnn_curve(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    static const struct {
        const char *type;
        enum pq_act_kind kind;
    } curves[] = {{"Sigmoid", PQ_ACT_SIGMOID},
                  {"Swish", PQ_ACT_SILU},
                  {"TanH", PQ_ACT_TANH},
                  {"Mish", PQ_ACT_MISH}};
    size_t i = 0;
    while (strcmp(curves[i].type, layer->type) != 0)
        i++;
    pique_error e = {0};
    int op = pq_graph_curve(im->graph, ncnn_input(im, layer, 0), curves[i].kind, &e);
    return ncnn_placed(im, layer, op, &e);
}

int ncnn_clip(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    float low, high;
    if (!ncnn_number(im, layer, 0, 0, &low) || !ncnn_number(im, layer, 1, 0, &high) ||
        !pq_ncnn_param(im->net, layer, 0) || !pq_ncnn_param(im->net, layer, 1) || low > high)
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "it has no two limits in order");
    pique_error e = {0};
    int op = pq_graph_clip(im->graph, ncnn_input(im, layer, 0), low, high, &e);
    return ncnn_placed(im, layer, op, &e);
}

/* ---- one input, another size ---- */

int ncnn_shuffle(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    int factor;
    if (!ncnn_whole(im, layer, 0, 1, &factor) || !ncnn_is(im, layer, 1, 0))
        return ncnn_unsupported(im, layer, "only PyTorch's order of channels can be run");
    if (factor == 1)
        return ncnn_input(im, layer, 0);
    pique_error e = {0};
    int op = pq_graph_pixel_shuffle(im->graph, ncnn_input(im, layer, 0), factor, &e);
    return ncnn_placed(im, layer, op, &e);
}

/* The fraction with the smallest denominator that a scale, written with seven digits, means. */
static bool as_fraction(float scale, int *num, int *den)
{
    enum { MAX_TERM = 64 };
    if (!(scale > 0) || scale > PQ_MAX_FACTOR)
        return false;
    for (*den = 1; *den <= MAX_TERM; ++*den) {
        double exact = (double)scale * *den;
        *num = (int)lround(exact);
        if (*num >= 1 && *num <= MAX_TERM && fabs(exact - *num) <= 1e-6 * exact)
            return true;
    }
    return false;
}

int ncnn_interp(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    enum { NEAREST = 1, BICUBIC = 3 };
    int type, num, den;
    float height, width;
    if (!ncnn_whole(im, layer, 0, 0, &type) || (type != NEAREST && type != BICUBIC))
        return ncnn_unsupported(im, layer, "only nearest and bicubic resizing can be run");
    for (int id = 3; id <= 6; id++) {
        if (!ncnn_is(im, layer, id, 0))
            return ncnn_unsupported(im, layer,
                                    "only resizing by a factor, without aligned corners, "
                                    "can be run");
    }
    if (!ncnn_number(im, layer, 1, 1, &height) || !ncnn_number(im, layer, 2, 1, &width) ||
        height != width || !as_fraction(width, &num, &den) || (type == NEAREST && den != 1))
        return ncnn_unsupported(im, layer,
                                "only one factor for width and height can be run, whole for "
                                "nearest, a simple fraction for bicubic");
    int in = ncnn_input(im, layer, 0);
    if (num == den)
        return in;
    pique_error e = {0};
    int op = type == NEAREST ? pq_graph_nearest(im->graph, in, num, &e)
                             : pq_graph_bicubic(im->graph, in, num, den, &e);
    return ncnn_placed(im, layer, op, &e);
}

int ncnn_pooling(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    enum { MEAN = 1 };
    int type, all;
    if (!ncnn_whole(im, layer, 0, 0, &type) || !ncnn_whole(im, layer, 4, 0, &all) || type != MEAN ||
        all != 1)
        return ncnn_unsupported(im, layer, "only the mean over the whole picture can be run");
    pique_error e = {0};
    int op = pq_graph_mean(im->graph, ncnn_input(im, layer, 0), &e);
    return ncnn_placed(im, layer, op, &e);
}

int ncnn_padding(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    enum { TOP, BOTTOM, LEFT, RIGHT };
    static const enum pq_pad_mode modes[] = {PQ_PAD_ZERO, PQ_PAD_EDGE, PQ_PAD_REFLECT};
    int sides[4], type;
    float value;
    for (int i = 0; i < 4; i++) {
        if (!ncnn_whole(im, layer, i, 0, &sides[i]))
            return ncnn_unsupported(im, layer, "its sides are no whole numbers");
    }
    if (!ncnn_whole(im, layer, 4, 0, &type) || type < 0 || type > 2 ||
        !ncnn_number(im, layer, 5, 0, &value) || (type == 0 && value != 0) ||
        !ncnn_is(im, layer, 6, 0) || !ncnn_is(im, layer, 7, 0) || !ncnn_is(im, layer, 8, 0))
        return ncnn_unsupported(im, layer,
                                "only zeros, the border repeated or mirrored can be put around");
    pique_error e = {0};
    int op = pq_graph_pad4(im->graph, ncnn_input(im, layer, 0), modes[type], sides[TOP],
                           sides[LEFT], sides[BOTTOM], sides[RIGHT], 1, &e);
    return ncnn_placed(im, layer, op, &e);
}

/* ---- crop ---- */

struct crop {
    int top, left, bottom, right;
};

/* Starts, ends and axes; channels are axis 0, rows 1, columns 2, or counted from -1 down. An end
 * from 1 on is a place from the start, any other one from the end. */
static int crop_by_axes(struct ncnn_import *im, const struct pq_ncnn_layer *layer, struct crop *c)
{
    const struct pq_ncnn_param *p[3];
    for (int i = 0; i < 3; i++) {
        p[i] = pq_ncnn_param(im->net, layer, 9 + i);
        if (!p[i] || !p[i]->array || p[i]->count != p[0]->count)
            return ncnn_fail_layer(im, layer, PIQUE_EFORMAT,
                                   "it has not one start, end and axis each");
        for (int k = 0; k < p[i]->count; k++) {
            if (!im->net->values[p[i]->first + k].integer)
                return ncnn_fail_layer(im, layer, PIQUE_EFORMAT,
                                       "a start, end or axis is no whole number");
        }
    }
    for (int k = 0; k < p[0]->count; k++) {
        int start = im->net->values[p[0]->first + k].whole;
        int end = im->net->values[p[1]->first + k].whole;
        int axis = im->net->values[p[2]->first + k].whole;
        if (end == ALL || end == INT_MAX)
            end = 0;
        if (start < 0 || end > 0 || end < -PQ_MAX_PAD)
            return ncnn_unsupported(im, layer,
                                    "only a number of rows and columns from each side can be cut");
        if (axis == 1 || axis == -2) {
            c->top = start;
            c->bottom = -end;
        } else if (axis == 2 || axis == -1) {
            c->left = start;
            c->right = -end;
        } else {
            return ncnn_unsupported(im, layer, "only rows and columns can be cut");
        }
    }
    return 0;
}

/* Offsets from either side. */
static int crop_by_offsets(struct ncnn_import *im, const struct pq_ncnn_layer *layer,
                           struct crop *c)
{
    if (!ncnn_whole(im, layer, 0, 0, &c->left) || !ncnn_whole(im, layer, 1, 0, &c->top) ||
        !ncnn_whole(im, layer, 6, 0, &c->right) || !ncnn_whole(im, layer, 7, 0, &c->bottom))
        return ncnn_fail_layer(im, layer, PIQUE_EFORMAT, "an offset is no whole number");
    if (!ncnn_is(im, layer, 2, 0) || !ncnn_is(im, layer, 8, 0))
        return ncnn_unsupported(im, layer, "only rows and columns can be cut");
    for (int id = 3; id <= 5 && layer->inputs == 1; id++) {
        int extent;
        if (!ncnn_whole(im, layer, id, 0, &extent) || extent != ALL)
            return ncnn_unsupported(im, layer,
                                    "only a number of rows and columns from each side can be cut");
    }
    return 0;
}

int ncnn_crop(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    struct crop c = {0};
    bool axes = pq_ncnn_param(im->net, layer, 9) || pq_ncnn_param(im->net, layer, 10) ||
                pq_ncnn_param(im->net, layer, 11);
    if (axes && layer->inputs == 2)
        return ncnn_unsupported(im, layer, "starts and ends beside a second input cannot be run");
    int rc = axes ? crop_by_axes(im, layer, &c) : crop_by_offsets(im, layer, &c);
    if (rc)
        return rc;
    const int in = ncnn_input(im, layer, 0);
    pique_error e = {0};
    if (layer->inputs == 1)
        return ncnn_placed(im, layer,
                           pq_graph_crop4(im->graph, in, c.top, c.left, c.bottom, c.right, &e), &e);
    const int like = ncnn_input(im, layer, 1);
    if (c.bottom || c.right)
        return ncnn_unsupported(im, layer, "two corners beside a second input cannot be run");
    if (im->graph->ops[like].channels != ncnn_channels(im, layer))
        return ncnn_unsupported(im, layer, "only rows and columns can be cut");
    int op = pq_graph_crop_at(im->graph, in, c.top, c.left, like, &e);
    return ncnn_placed(im, layer, op, &e);
}

int ncnn_concat(struct ncnn_import *im, const struct pq_ncnn_layer *layer)
{
    int in[PQ_MAX_INPUTS];
    if (!ncnn_is(im, layer, 0, 0))
        return ncnn_unsupported(im, layer, "only channels can be joined");
    for (int i = 0; i < layer->inputs; i++)
        in[i] = ncnn_input(im, layer, i);
    pique_error e = {0};
    return ncnn_placed(im, layer, pq_graph_concat(im->graph, layer->inputs, in, &e), &e);
}
