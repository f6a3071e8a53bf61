/* SPDX-License-Identifier: MIT */
#include "upscale/framed.h"

#include <string.h>

#include "base/alloc.h"
#include "upscale/check.h"
#include "upscale/opened.h"

/* What makes one graph like another one. */
struct key {
    int in[3], out[3]; /* width, height, depth */
    int pre[2];        /* the size to which it is reduced first */
    int passes, model[PQ_MAX_PASSES];
    struct pq_touch touch;
};

struct pq_framed {
    struct key key;
    pique_engine *engine; /* the first */
    struct pq_graph *graph;
    struct pq_program *program;
    int width, height; /* of the graph's input: places, where luma and chroma come in */
    int passes;
    struct pq_check_shape shape[PQ_MAX_PASSES]; /* but for frames */
    /* Of the batch that runs: about which contrast turns, as a run is given it. */
    float means[PQ_MAX_BATCH], *values;
    struct pq_given given;
};

/* ---- whether ---- */

static bool is_for_colours(const pique_engine *engine)
{
    const struct pq_graph *g = engine->program->graph;
    return g->ops[0].channels == 3 && g->ops[g->output].channels == 3;
}

static bool is_like(const pique_engine *a, const pique_engine *b)
{
    return strcmp(a->device_id, b->device_id) == 0 && a->device.precision == b->device.precision;
}

bool pq_framed_possible(const struct pq_engines *engines, const pique_picture_options *options)
{
    if (!engines->list[0]->program->backend->advance || (options && options->tta))
        return false;
    for (int i = 0; i < engines->count; i++) {
        if (!is_for_colours(engines->list[i]) || !is_like(engines->list[i], engines->list[0]))
            return false;
    }
    return true;
}

/* ---- the graph ---- */

/* Everything that a graph is made of, and where it stands: an operation, of this size. */
struct building {
    struct pq_framed *framed;
    const struct pq_frames_setup *setup;
    const struct pq_plan *plan;
    const struct pq_image *out;
    bool interleaved;
    struct pq_graph *g;
    int at, width, height;
};

static struct pq_sample_layout rgb_layout(const struct building *b, int width, int height,
                                          int depth)
{
    struct pq_sample_layout l = {.planes = 3, .depth = depth};
    if (b->interleaved)
        return pq_rows_layout(3, width, height, depth);
    for (int p = 0; p < 3; p++)
        l.plane[p] =
            (struct pq_sample_plane){.width = width, .height = height, .across = 1, .down = 1};
    return l;
}

/* Pixels a side of a place of luma and chroma. */
static int place_of(const struct pq_sample_layout *layout)
{
    return layout->plane[0].across;
}

/* A status, or the operation that the graph stands at now. */
static int go_on(struct building *b, int at)
{
    b->at = at < 0 ? b->at : at;
    return at < 0 ? at : 0;
}

static int begin_rgb(struct building *b, pique_error *err)
{
    const struct pq_frames_setup *s = b->setup;
    b->g->in = rgb_layout(b, s->width, s->height, s->depth);
    b->framed->width = b->width = s->width;
    b->framed->height = b->height = s->height;
    return go_on(b, pq_graph_input(b->g, 3, err));
}

static int begin_yuv(struct building *b, pique_error *err)
{
    const struct pq_frames_setup *s = b->setup;
    pq_yuv_layout(s->in_yuv, s->width, s->height, &b->g->in);
    const int side = place_of(&b->g->in);
    b->framed->width = (s->width + side - 1) / side;
    b->framed->height = (s->height + side - 1) / side;
    b->width = s->crop_width ? s->crop_width : s->width;
    b->height = s->crop_width ? s->crop_height : s->height;
    const int left = s->crop_width ? s->crop_x : 0, top = s->crop_width ? s->crop_y : 0;
    const int cut[4] = {top, left, b->framed->height * side - top - b->height,
                        b->framed->width * side - left - b->width};
    int rc = go_on(b, pq_graph_input(b->g, pq_yuv_channels(s->in_yuv), err));
    if (!rc)
        rc = go_on(b, pq_graph_from_yuv(b->g, b->at, s->in_yuv, err));
    return rc ? rc : go_on(b, pq_graph_cut(b->g, b->at, cut, err));
}

/* In the order of the resize stage. */
static int resize(struct building *b, int width, int height, pique_error *err)
{
    if (b->width == width && b->height == height)
        return 0;
    int rc = go_on(b, pq_graph_resize(b->g, b->at, true, b->width, width, err));
    if (!rc)
        rc = go_on(b, pq_graph_resize(b->g, b->at, false, b->height, height, err));
    b->width = width;
    b->height = height;
    return rc ? rc : go_on(b, pq_graph_clip(b->g, b->at, 0, 1, err));
}

/* Whether nothing comes between this pass and the samples, which are clipped as they are made: the
 * large picture is not gone through once more for that. */
static bool is_end(const struct building *b, int number)
{
    const struct pq_size *size = &b->plan->size;
    return number == size->passes && b->width == b->out->width && b->height == b->out->height &&
           !pq_has_effect(&b->plan->effects);
}

static int pass(struct building *b, int number, pique_error *err)
{
    const struct pq_size *size = &b->plan->size;
    const pique_engine *engine = b->setup->engines->list[size->model[number - 1]];
    struct pq_check_shape *shape = &b->framed->shape[number - 1];
    b->g->ops[b->at].watch_in = number;
    int rc = go_on(b, pq_graph_append_graph(b->g, engine->program->graph, b->at, err));
    if (rc)
        return rc;
    b->g->ops[b->at].watch_out = number;
    *shape = (struct pq_check_shape){.in_channels = 3,
                                     .out_channels = 3,
                                     .in_width = b->width,
                                     .in_height = b->height,
                                     .out_width = size->pass_width[number],
                                     .out_height = size->pass_height[number]};
    b->width = shape->out_width;
    b->height = shape->out_height;
    return is_end(b, number) ? 0 : go_on(b, pq_graph_clip(b->g, b->at, 0, 1, err));
}

static int end(struct building *b, pique_error *err)
{
    const struct pq_image *out = b->out;
    int rc = resize(b, out->width, out->height, err);
    if (!rc && pq_has_effect(&b->plan->effects))
        rc = go_on(b, pq_graph_effects(b->g, b->at, &b->plan->effects.touch, err));
    if (rc)
        return rc;
    if (b->setup->out_yuv) {
        pq_yuv_layout(b->setup->out_yuv, out->width, out->height, &b->g->out);
        rc = go_on(b, pq_graph_to_yuv(b->g, b->at, b->setup->out_yuv, err));
    } else {
        b->g->out = rgb_layout(b, out->width, out->height, out->depth);
    }
    return rc ? rc : pq_graph_finish(b->g, b->at, err);
}

static int build(struct building *b, pique_error *err)
{
    const struct pq_size *size = &b->plan->size;
    int rc = b->setup->in_yuv ? begin_yuv(b, err) : begin_rgb(b, err);
    if (!rc)
        rc = resize(b, size->in_width, size->in_height, err);
    for (int i = 1; !rc && i <= size->passes; i++)
        rc = pass(b, i, err);
    b->framed->passes = size->passes;
    return rc ? rc : end(b, err);
}

static bool is_possible(const struct pq_frames_setup *s, const struct pq_plan *plan,
                        const struct pq_image *out)
{
    return pq_framed_possible(s->engines, &plan->options) &&
           (s->planes == 3 || plan->alpha == PIQUE_ALPHA_DROP) && out->planes == 3;
}

static int open_framed(const struct pq_frames_setup *setup, const struct pq_plan *plan,
                       const struct pq_image *out, bool interleaved, struct pq_framed **framed,
                       pique_error *err)
{
    *framed = NULL;
    if (!is_possible(setup, plan, out))
        return pq_fail(err, PIQUE_EUNSUPPORTED, "these pictures go through stages on the host");
    struct pq_framed *f = pq_calloc(1, sizeof *f);
    if (!f)
        return pq_fail_nomem(err, sizeof *f);
    f->engine = setup->engines->list[0];
    int rc = pq_graph_new(&f->graph, err);
    if (!rc)
        rc = build(&(struct building){.framed = f,
                                      .setup = setup,
                                      .plan = plan,
                                      .out = out,
                                      .interleaved = interleaved,
                                      .g = f->graph},
                   err);
    if (!rc)
        rc = pq_program_compile(f->graph, &f->engine->device, &f->program, err);
    if (rc)
        pq_framed_close(&f);
    *framed = f;
    return rc;
}

int pq_framed_open(const struct pq_frames_setup *setup, const struct pq_plan *plan,
                   const struct pq_image *out, struct pq_framed **framed, pique_error *err)
{
    return open_framed(setup, plan, out, false, framed, err);
}

static struct key key_of(const struct pq_frames_setup *setup, const struct pq_plan *plan,
                         const struct pq_image *out)
{
    const struct pq_size *s = &plan->size;
    struct key key = {.in = {setup->width, setup->height, setup->depth},
                      .out = {out->width, out->height, out->depth},
                      .pre = {s->in_width, s->in_height},
                      .passes = s->passes,
                      .touch = plan->effects.touch};
    for (int i = 0; i < s->passes; i++)
        key.model[i] = s->model[i];
    return key;
}

static bool same_key(const struct key *a, const struct key *b)
{
    return memcmp(a->in, b->in, sizeof a->in) == 0 && memcmp(a->out, b->out, sizeof a->out) == 0 &&
           memcmp(a->pre, b->pre, sizeof a->pre) == 0 && a->passes == b->passes &&
           memcmp(a->model, b->model, sizeof a->model) == 0 &&
           a->touch.sharpen == b->touch.sharpen && a->touch.contrast == b->touch.contrast &&
           a->touch.saturation == b->touch.saturation;
}

int pq_framed_take(const struct pq_frames_setup *setup, const struct pq_plan *plan,
                   const struct pq_image *out, struct pq_framed **framed, pique_error *err)
{
    pique_engine *engine = setup->engines->list[0];
    const struct key key = key_of(setup, plan, out);
    int rc = 0;
    if (engine->framed && !same_key(&engine->framed->key, &key))
        pq_framed_close(&engine->framed);
    if (!engine->framed)
        rc = open_framed(setup, plan, out, true, &engine->framed, err);
    if (!rc)
        engine->framed->key = key;
    *framed = engine->framed;
    return rc;
}

void pq_framed_close(struct pq_framed **framed)
{
    struct pq_framed *f = *framed;
    if (!f)
        return;
    pq_program_release(&f->program);
    pq_graph_free(&f->graph);
    pq_free(f);
    *framed = NULL;
}

int pq_framed_bytes(const struct pq_framed *f, int count, uint64_t *least, uint64_t *wanted,
                    pique_error *err)
{
    return pq_stream_program_bytes(f->engine, f->program, count, f->width, f->height, 0, least,
                                   wanted, err);
}

/* ---- a batch ---- */

static struct pq_picture picture_of(const struct pq_image *image)
{
    struct pq_picture p = {.first = 0};
    for (int i = 0; i < PQ_SAMPLE_PLANES; i++) {
        p.data[i] = image->data[i];
        p.stride[i] = image->stride[i];
    }
    return p;
}

int pq_framed_begin(struct pq_framed *f, int count, const float *means, struct pq_stream **stream,
                    pique_error *err)
{
    memcpy(f->means, means, (size_t)count * sizeof *means);
    f->values = f->means;
    f->given = (struct pq_given){.count = 1, .frames = count, .values = &f->values};
    int rc =
        pq_stream_open_program(f->engine, f->program, count, f->width, f->height, 0, stream, err);
    if (!rc)
        pq_run_give((*stream)->run, &f->given);
    return rc;
}

int pq_framed_check(const struct pq_framed *f, const struct pq_stream *stream, pique_error *err)
{
    int rc = 0;
    for (int i = 1; !rc && i <= f->passes; i++) {
        struct pq_check_shape shape = f->shape[i - 1];
        shape.frames = stream->run->geometry.frames;
        rc = pq_check_seen(&shape, pq_run_seen(stream->run, i, false),
                           pq_run_seen(stream->run, i, true), i, err);
    }
    return rc;
}

int pq_framed_run(struct pq_framed *f, int count, const struct pq_image *in, struct pq_image *out,
                  const float *means, pique_error *err)
{
    struct pq_picture from[PQ_MAX_BATCH], to[PQ_MAX_BATCH];
    struct pq_stream *stream;
    int rc = pq_framed_begin(f, count, means, &stream, err);
    if (rc)
        return rc;
    for (int i = 0; i < count; i++) {
        from[i] = picture_of(&in[i]);
        to[i] = picture_of(&out[i]);
    }
    rc = pq_stream_advance_all(stream, from, to, err);
    if (!rc)
        rc = pq_framed_check(f, stream, err);
    pq_stream_close(&stream);
    return rc;
}
