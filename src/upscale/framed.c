/* SPDX-License-Identifier: MIT */
#include "upscale/framed.h"

#include <string.h>

#include "base/alloc.h"
#include "graph/place.h"
#include "upscale/framed_graph.h"
#include "upscale/opened.h"

/* What makes one graph like another one. */
struct key {
    int in[4], out[4]; /* width, height, planes, depth */
    enum pique_alpha alpha;
    unsigned char background[3]; /* where alpha is flattened */
    int pre[2];                  /* the size to which it is reduced first */
    int passes;
    uint64_t engine[PQ_MAX_PASSES]; /* their serial numbers */
    struct pq_touch touch;
};

/* Pictures in and out of a batch that has begun before its turn; stream NULL: there is none. */
struct ahead {
    struct pq_stream *stream;
    int count;
    struct pq_picture from[PQ_MAX_BATCH], to[PQ_MAX_BATCH];
};

struct pq_framed {
    struct key key;
    pique_engine *engine; /* the first */
    struct pq_framed_graph made;
    /* Of that graph; or, where that is NULL, the engine's own with samples at its ends. */
    struct pq_program *program;
    struct pq_sampling sampling;
    int64_t checked; /* rows of tiles of the batch that runs */
    /* Of that batch: about which contrast turns, as a run is given it. */
    float means[PQ_MAX_BATCH], *values;
    struct pq_given given;
    struct ahead ahead;
};

/* ---- whether ---- */

static bool is_like(const pique_engine *a, const pique_engine *b)
{
    return strcmp(a->device_id, b->device_id) == 0 && a->device.precision == b->device.precision;
}

bool pq_framed_possible(const struct pq_engines *engines, const pique_picture_options *options)
{
    if (!pq_backend_takes_pictures(engines->list[0]->program->backend) || (options && options->tta))
        return false;
    for (int i = 0; i < engines->count; i++) {
        if (!pq_framed_takes(engines->list[i]->program->graph) ||
            !is_like(engines->list[i], engines->list[0]))
            return false;
    }
    return true;
}

/* ---- opening ---- */

/* Whether nothing comes between the samples and a network but the network, on a device that
 * converts them: then no graph has to be made, and no weights packed once more. Of a network that
 * depends on the whole picture rows of floats may be kept, or a sample taken (stages.h). */
static bool is_plain(const struct pq_frames_setup *s, const struct pq_plan *plan,
                     const struct pq_image *out)
{
    const struct pq_size *size = &plan->size;
    const struct pq_program *program = s->engines->list[size->model[0]]->program;
    const struct pq_graph *network = program->graph;
    return program->backend->sample && !plan->options.tta && !s->in_yuv && !s->out_yuv &&
           s->planes == 3 && out->planes == 3 && size->passes == 1 && size->in_width == s->width &&
           size->in_height == s->height && size->pass_width[1] == out->width &&
           size->pass_height[1] == out->height && !pq_has_effect(&plan->effects) &&
           network->ops[0].channels == 3 && network->ops[network->output].channels == 3 &&
           !pq_graph_is_whole(network);
}

/* Luma and chroma are of colours alone. */
static bool is_possible(const struct pq_frames_setup *s, const struct pq_plan *plan,
                        const struct pq_image *out)
{
    const bool yuv = s->in_yuv || s->out_yuv;
    return pq_framed_possible(s->engines, &plan->options) &&
           !(yuv && (plan->alpha != PIQUE_ALPHA_DROP || out->planes != 3));
}

static void open_plain(struct pq_framed *f, const struct pq_frames_setup *setup,
                       const struct pq_plan *plan, const struct pq_image *out, bool interleaved)
{
    const int planes = interleaved ? 1 : 3;
    f->engine = setup->engines->list[plan->size.model[0]];
    f->program = f->engine->program;
    f->sampling = (struct pq_sampling){.in = {.planes = planes, .depth = setup->depth},
                                       .out = {.planes = planes, .depth = out->depth},
                                       .look = true};
    f->made = (struct pq_framed_graph){.width = setup->width, .height = setup->height, .looks = 1};
    f->made.look[0] = (struct pq_framed_look){.pass = 1,
                                              .shape = {.in_channels = 3,
                                                        .out_channels = 3,
                                                        .in_width = setup->width,
                                                        .in_height = setup->height,
                                                        .out_width = out->width,
                                                        .out_height = out->height}};
}

static int open_framed(const struct pq_frames_setup *setup, const struct pq_plan *plan,
                       const struct pq_image *out, bool interleaved, struct pq_framed **framed,
                       pique_error *err)
{
    const bool plain = is_plain(setup, plan, out);
    *framed = NULL;
    if (!plain && !is_possible(setup, plan, out))
        return pq_fail(err, PIQUE_EUNSUPPORTED, "these pictures go through stages on the host");
    struct pq_framed *f = pq_calloc(1, sizeof *f);
    if (!f)
        return pq_fail_nomem(err, sizeof *f);
    f->engine = setup->engines->list[0];
    int rc = 0;
    if (plain)
        open_plain(f, setup, plan, out, interleaved);
    else
        rc = pq_framed_build(setup, plan, out, interleaved, &f->made, err);
    if (!rc && !plain)
        rc = pq_program_compile(f->made.graph, &f->engine->device, &f->program, err);
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
    struct key key = {.in = {setup->width, setup->height, setup->planes, setup->depth},
                      .out = {out->width, out->height, out->planes, out->depth},
                      .alpha = plan->alpha,
                      .pre = {s->in_width, s->in_height},
                      .passes = s->passes,
                      .touch = plan->effects.touch};
    if (plan->alpha == PIQUE_ALPHA_FLATTEN)
        memcpy(key.background, plan->background, sizeof key.background);
    for (int i = 0; i < s->passes; i++)
        key.engine[i] = setup->engines->list[s->model[i]]->serial;
    return key;
}

static bool same_key(const struct key *a, const struct key *b)
{
    return memcmp(a->in, b->in, sizeof a->in) == 0 && memcmp(a->out, b->out, sizeof a->out) == 0 &&
           a->alpha == b->alpha &&
           memcmp(a->background, b->background, sizeof a->background) == 0 &&
           memcmp(a->pre, b->pre, sizeof a->pre) == 0 && a->passes == b->passes &&
           memcmp(a->engine, b->engine, sizeof a->engine) == 0 &&
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
    pq_stream_close(&f->ahead.stream);
    if (f->made.graph)
        pq_program_release(&f->program);
    pq_graph_free(&f->made.graph);
    pq_free(f);
    *framed = NULL;
}

int pq_framed_bytes(const struct pq_framed *f, int count, uint64_t *least, uint64_t *wanted,
                    pique_error *err)
{
    return pq_stream_program_bytes(f->engine, f->program, count, f->made.width, f->made.height, 0,
                                   least, wanted, err);
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
    f->checked = 0;
    memcpy(f->means, means, (size_t)count * sizeof *means);
    f->values = f->means;
    f->given = (struct pq_given){.count = 1, .frames = count, .values = &f->values};
    int rc = pq_stream_open_program(f->engine, f->program, count, f->made.width, f->made.height, 0,
                                    stream, err);
    if (!rc && !f->made.graph)
        return pq_run_sample((*stream)->run, &f->sampling, err);
    if (!rc)
        pq_run_give((*stream)->run, &f->given);
    return rc;
}

int pq_framed_check(struct pq_framed *f, const struct pq_stream *stream, pique_error *err)
{
    const bool all = pq_run_finished(stream->run);
    int64_t end = f->checked;
    int rc = 0;
    if (!all && f->made.graph) /* it tells in the end */
        return 0;
    for (int i = 1; !rc && i <= f->made.looks; i++) {
        const struct pq_framed_look *look = &f->made.look[i - 1];
        struct pq_check_shape shape = look->shape;
        shape.frames = stream->run->geometry.frames;
        end = all ? pq_tiles_of(shape.out_height) : stream->run->handed_out / PQ_TILE;
        rc = pq_check_seen(&shape, f->checked, end, pq_run_seen(stream->run, i, false),
                           pq_run_seen(stream->run, i, true), look->pass, err);
    }
    f->checked = end;
    return rc;
}

/* ---- a batch behind another one ---- */

bool pq_framed_goes_ahead(const struct pq_framed *f)
{
    return f->program->backend->follow;
}

/* Where the pictures lie, which nobody else has had since. */
static bool same_places(const struct pq_picture *a, const struct pq_picture *b, int count)
{
    bool same = true;
    for (int i = 0; i < count; i++)
        same &= a[i].data[0] == b[i].data[0];
    return same;
}

/* What has begun before its turn, where it is this; NULL where not. */
static struct pq_stream *take_ahead(struct pq_framed *f, int count, const struct pq_picture *from,
                                    const struct pq_picture *to)
{
    struct ahead *a = &f->ahead;
    struct pq_stream *stream = a->stream;
    if (stream &&
        (a->count != count || !same_places(a->from, from, count) || !same_places(a->to, to, count)))
        pq_stream_close(&stream);
    a->stream = NULL;
    return stream;
}

/* The next batch, which is there perhaps, takes the slots that this one leaves. What fails fails
 * again when its turn comes, and is told then. */
static void go_ahead(struct pq_framed *f, struct pq_stream *stream, int count,
                     const struct pq_frames_next *next)
{
    struct ahead *a = &f->ahead;
    const struct pq_image *in;
    struct pq_image *out;
    if (!a->stream) {
        if (pq_run_missing(stream->run) || !next->get(next->user, count, &in, &out) ||
            pq_stream_follow(stream, &a->stream, NULL) || !a->stream)
            return;
        pq_run_give(a->stream->run, &f->given);
        a->count = count;
        for (int i = 0; i < count; i++) {
            a->from[i] = picture_of(&in[i]);
            a->to[i] = picture_of(&out[i]);
        }
    }
    if (pq_stream_advance(a->stream, a->from, a->to, NULL))
        pq_stream_close(&a->stream);
}

int pq_framed_run(struct pq_framed *f, int count, const struct pq_image *in, struct pq_image *out,
                  const float *means, const struct pq_frames_next *next, pique_error *err)
{
    struct pq_picture from[PQ_MAX_BATCH], to[PQ_MAX_BATCH];
    for (int i = 0; i < count; i++) {
        from[i] = picture_of(&in[i]);
        to[i] = picture_of(&out[i]);
    }
    struct pq_stream *stream = take_ahead(f, count, from, to);
    f->checked = 0;
    int rc = stream ? 0 : pq_framed_begin(f, count, means, &stream, err);
    while (!rc && !pq_run_finished(stream->run)) {
        rc = pq_stream_advance(stream, from, to, err);
        if (!rc && next)
            go_ahead(f, stream, count, next);
        if (!rc)
            rc = pq_framed_check(f, stream, err);
    }
    pq_stream_close(&stream);
    if (rc) /* it is computed anew, perhaps of other pictures */
        pq_stream_close(&f->ahead.stream);
    return rc;
}
