/* SPDX-License-Identifier: MIT */
/* What becomes of a picture is what the stages do (stages.h), in their order. Of the networks' own
 * copies each is there as often as a picture takes a place in their batch (network.c), with the
 * same weights:
 *
 *     R G B   -> network ----------------> R G B
 *     R G B A -> R G B -> network -------> alpha -> R G B A
 *       |  \---> A A A -> network -> luma --^
 *       \---------- where it is even -------^
 */
#include "upscale/framed_graph.h"

#include <string.h>

#include "base/alloc.h"
#include "kernels/samples.h"
#include "upscale/opened.h"

/* Everything that a graph is made of, and where it stands: an operation, of this size. */
struct building {
    struct pq_framed_graph *made;
    const struct pq_frames_setup *setup;
    const struct pq_plan *plan;
    const struct pq_image *out;
    bool interleaved;
    struct pq_graph *g;
    int at, width, height;
};

bool pq_framed_takes(const struct pq_graph *network)
{
    const int in = network->ops[0].channels, out = network->ops[network->output].channels;
    return in == out && (in == 1 || in == 3 || in == 4);
}

/* A status, or the operation that the graph stands at now. */
static int go_on(struct building *b, int at)
{
    b->at = at < 0 ? b->at : at;
    return at < 0 ? at : 0;
}

static int channels(const struct building *b)
{
    return b->g->ops[b->at].channels;
}

/* ---- before the networks ---- */

static struct pq_sample_layout layout_of(const struct building *b, int planes, int width,
                                         int height, int depth)
{
    struct pq_sample_layout l = {.planes = planes, .depth = depth};
    if (b->interleaved)
        return pq_rows_layout(planes, width, height, depth);
    for (int p = 0; p < planes; p++)
        l.plane[p] =
            (struct pq_sample_plane){.width = width, .height = height, .across = 1, .down = 1};
    return l;
}

/* Samples as R, G, B and, where there is alpha that counts, alpha. */
static int spread(struct building *b, pique_error *err)
{
    static const int picks[][4] = {[1] = {0, 0, 0, PQ_PICK_ONE},
                                   [2] = {0, 0, 0, 1},
                                   [3] = {0, 1, 2, PQ_PICK_ONE},
                                   [4] = {0, 1, 2, 3}};
    const enum pique_alpha alpha = b->plan->alpha;
    const int there = channels(b), wanted = alpha == PIQUE_ALPHA_DROP ? 3 : 4;
    int rc = 0;
    if (there != wanted)
        rc = go_on(b, pq_graph_channels(b->g, b->at, picks[there], wanted, err));
    if (rc || alpha != PIQUE_ALPHA_FLATTEN)
        return rc;
    float background[3];
    for (int c = 0; c < 3; c++)
        background[c] = pq_sample_load(b->plan->background, (size_t)c, 8);
    return go_on(b, pq_graph_flatten(b->g, b->at, background, err));
}

static int begin_samples(struct building *b, pique_error *err)
{
    const struct pq_frames_setup *s = b->setup;
    /* A plane that nobody looks at stays where it is. */
    const bool leave = !b->interleaved && b->plan->alpha == PIQUE_ALPHA_DROP;
    const int planes = leave ? PQ_MIN(s->planes, 3) : s->planes;
    b->g->in = layout_of(b, planes, s->width, s->height, s->depth);
    b->made->width = b->width = s->width;
    b->made->height = b->height = s->height;
    int rc = go_on(b, pq_graph_input(b->g, planes, err));
    return rc ? rc : spread(b, err);
}

static int begin_yuv(struct building *b, pique_error *err)
{
    const struct pq_frames_setup *s = b->setup;
    pq_yuv_layout(s->in_yuv, s->width, s->height, &b->g->in);
    const int side = b->g->in.plane[0].across; /* pixels a side of a place of luma and chroma */
    b->made->width = (s->width + side - 1) / side;
    b->made->height = (s->height + side - 1) / side;
    b->width = s->crop_width ? s->crop_width : s->width;
    b->height = s->crop_width ? s->crop_height : s->height;
    const int left = s->crop_width ? s->crop_x : 0, top = s->crop_width ? s->crop_y : 0;
    const int cut[4] = {top, left, b->made->height * side - top - b->height,
                        b->made->width * side - left - b->width};
    int rc = go_on(b, pq_graph_input(b->g, pq_yuv_channels(s->in_yuv), err));
    if (!rc)
        rc = go_on(b, pq_graph_from_yuv(b->g, b->at, s->in_yuv, err));
    return rc ? rc : go_on(b, pq_graph_cut(b->g, b->at, cut, err));
}

/* In the order of the resize stage. */
static int resize(struct building *b, int width, int height, pique_error *err)
{
    const int from[2] = {b->width, b->height}, to[2] = {width, height};
    if (b->width == width && b->height == height)
        return 0;
    b->width = width;
    b->height = height;
    if (channels(b) == 4)
        return go_on(b, pq_graph_resize_alpha(b->g, b->at, from, to, err));
    int rc = go_on(b, pq_graph_resize(b->g, b->at, true, from[0], width, err));
    if (!rc)
        rc = go_on(b, pq_graph_resize(b->g, b->at, false, from[1], height, err));
    return rc ? rc : go_on(b, pq_graph_clip(b->g, b->at, 0, 1, err));
}

/* ---- networks ---- */

/* Once through the network of a pass; the operation that comes out, or a status. */
static int through(struct building *b, int pass, int in, pique_error *err)
{
    const struct pq_size *size = &b->plan->size;
    const struct pq_graph *network = b->setup->engines->list[size->model[pass - 1]]->program->graph;
    struct pq_framed_graph *made = b->made;
    made->look[made->looks] =
        (struct pq_framed_look){.pass = pass,
                                .shape = {.in_channels = network->ops[0].channels,
                                          .out_channels = network->ops[network->output].channels,
                                          .in_width = b->width,
                                          .in_height = b->height,
                                          .out_width = size->pass_width[pass],
                                          .out_height = size->pass_height[pass]}};
    const int number = ++made->looks;
    b->g->ops[in].watch_in = number;
    const int out = pq_graph_append_graph(b->g, network, in, err);
    if (out >= 0)
        b->g->ops[out].watch_out = number;
    return out;
}

/* The same of some channels of the picture, of which pick names three, or `count`. */
static int pick_through(struct building *b, int pass, const int *pick, int count, pique_error *err)
{
    const int in = pq_graph_channels(b->g, b->at, pick, count, err);
    return in < 0 ? in : through(b, pass, in, err);
}

/* A network for one channel: R, G, B and alpha, each alone. */
static int through_grey(struct building *b, int pass, int *colours, int *alpha, pique_error *err)
{
    int out[4];
    for (int c = 0; c < channels(b); c++) {
        if ((out[c] = pick_through(b, pass, &c, 1, err)) < 0)
            return out[c];
    }
    *alpha = channels(b) == 4 ? out[3] : -1;
    *colours = pq_graph_concat(b->g, 3, out, err);
    return PQ_MIN(*colours, 0);
}

/* A network for three: alpha is a picture of its own. */
static int through_colours(struct building *b, int pass, int *colours, int *alpha, pique_error *err)
{
    const bool keeps = channels(b) == 4;
    *colours =
        keeps ? pick_through(b, pass, (int[]){0, 1, 2}, 3, err) : through(b, pass, b->at, err);
    *alpha = keeps && *colours >= 0 ? pick_through(b, pass, (int[]){3, 3, 3}, 3, err) : *colours;
    return PQ_MIN(*alpha, 0);
}

/* A network for four: alpha is 1 where there is none. */
static int through_all(struct building *b, int pass, int *colours, int *alpha, pique_error *err)
{
    const bool keeps = channels(b) == 4;
    const int out = keeps ? through(b, pass, b->at, err)
                          : pick_through(b, pass, (int[]){0, 1, 2, PQ_PICK_ONE}, 4, err);
    *alpha = out;
    *colours = keeps || out < 0 ? out : pq_graph_channels(b->g, out, (int[]){0, 1, 2}, 3, err);
    return PQ_MIN(*colours, 0);
}

/* Whether nothing comes between a pass and the samples, which are clipped as they are made: the
 * large picture is not gone through once more for that. */
static bool is_end(const struct building *b, int number)
{
    return number == b->plan->size.passes && b->width == b->out->width &&
           b->height == b->out->height && !pq_has_effect(&b->plan->effects) &&
           (b->setup->out_yuv || b->out->planes == 3);
}

static int pass(struct building *b, int number, pique_error *err)
{
    const struct pq_size *size = &b->plan->size;
    const pique_engine *engine = b->setup->engines->list[size->model[number - 1]];
    int (*const ways[])(struct building *, int, int *, int *, pique_error *) = {
        [1] = through_grey, [3] = through_colours, [4] = through_all};
    int colours, alpha;
    int rc = ways[engine->program->graph->ops[0].channels](b, number, &colours, &alpha, err);
    if (rc)
        return rc;
    b->width = size->pass_width[number];
    b->height = size->pass_height[number];
    if (channels(b) == 4)
        return go_on(b, pq_graph_alpha(b->g, colours, alpha, b->at, err));
    return go_on(b, is_end(b, number) ? colours : pq_graph_clip(b->g, colours, 0, 1, err));
}

/* ---- behind them ---- */

/* The samples that a picture is written as: grey is the luma, and alpha 1 where there is none. */
static int gather(struct building *b, pique_error *err)
{
    const int alpha = channels(b) == 4 ? 3 : PQ_PICK_ONE;
    const int grey[2] = {PQ_PICK_LUMA, alpha}, colours[4] = {0, 1, 2, alpha};
    const int planes = b->out->planes;
    if (planes == channels(b))
        return 0;
    return go_on(b, pq_graph_channels(b->g, b->at, planes < 3 ? grey : colours, planes, err));
}

static int end(struct building *b, pique_error *err)
{
    const struct pq_image *out = b->out;
    int rc = resize(b, out->width, out->height, err);
    if (!rc && pq_has_effect(&b->plan->effects))
        rc = go_on(b, pq_graph_effects(b->g, b->at, &b->plan->effects.touch, err));
    if (!rc && b->setup->out_yuv) {
        pq_yuv_layout(b->setup->out_yuv, out->width, out->height, &b->g->out);
        rc = go_on(b, pq_graph_to_yuv(b->g, b->at, b->setup->out_yuv, err));
    } else if (!rc) {
        b->g->out = layout_of(b, out->planes, out->width, out->height, out->depth);
        rc = gather(b, err);
    }
    return rc ? rc : pq_graph_finish(b->g, b->at, err);
}

int pq_framed_build(const struct pq_frames_setup *setup, const struct pq_plan *plan,
                    const struct pq_image *out, bool interleaved, struct pq_framed_graph *made,
                    pique_error *err)
{
    const struct pq_size *size = &plan->size;
    *made = (struct pq_framed_graph){.graph = NULL};
    int rc = pq_graph_new(&made->graph, err);
    if (rc)
        return rc;
    struct building b = {.made = made,
                         .setup = setup,
                         .plan = plan,
                         .out = out,
                         .interleaved = interleaved,
                         .g = made->graph};
    rc = setup->in_yuv ? begin_yuv(&b, err) : begin_samples(&b, err);
    if (!rc)
        rc = resize(&b, size->in_width, size->in_height, err);
    if (!rc && channels(&b) == 4)
        rc = go_on(&b, pq_graph_bleed(b.g, b.at, err));
    for (int i = 1; !rc && i <= size->passes; i++)
        rc = pass(&b, i, err);
    return rc ? rc : end(&b, err);
}
