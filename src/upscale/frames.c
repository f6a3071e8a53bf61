/* SPDX-License-Identifier: MIT */
/* Every picture of a batch has its own chain of stages, from its planes to its planes; only the
 * passes through a network are common to all. Rows are pulled from all chains side by side, so that
 * none has to keep what another has not read yet.
 *
 *     planes -> source -> resize -> bleed --\              /-> resize -> effects -> planes
 *     planes -> source -> resize -> bleed ----- network ------> resize -> effects -> planes
 *     ...                                 --/              \-> ...
 */
#include "upscale/frames.h"

#include <fenv.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/samples.h"
#include "upscale/budget.h"
#include "upscale/framed.h"
#include "upscale/plan.h"
#include "upscale/planes.h"
#include "upscale/ring.h"
#include "upscale/stages.h"
#include "upscale/station.h"
#include "upscale/survey.h"

enum { ROWS = 16 }; /* that are rounded at a time */

struct pq_frames {
    struct pq_engines engines;
    pique_engine *engine; /* the first */
    char name[256];
    struct pq_plan plan;
    struct pq_image in, out; /* as they come and go; no memory */
    int most;                /* pictures of one call; 0: nothing is computed */
    int batch;               /* of one inference: fewer where the device turned out to have less */
    bool has_other;
    const struct pq_frames_next *next;
    uint64_t memory, inferences;
    int retries;
    bool approximate;
    struct pq_framed *framed; /* where the device does all of it; else NULL */
};

bool pq_frames_can_yuv(const struct pq_engines *engines, const pique_picture_options *options)
{
    return pq_framed_possible(engines, options);
}

/* ---- before ---- */

static void round_up(struct pq_size *s, int multiple_x, int multiple_y)
{
    const int width = (s->width + multiple_x - 1) / multiple_x * multiple_x;
    const int height = (s->height + multiple_y - 1) / multiple_y * multiple_y;
    if (width != s->width || height != s->height)
        s->own = false; /* one exact resize makes the difference */
    s->width = width;
    s->height = height;
}

static int fit_framed(struct pq_frames *f, int batch, pique_error *err)
{
    const uint64_t budget = pq_engine_memory_budget(f->engine);
    uint64_t least;
    int rc = pq_framed_bytes(f->framed, batch, &least, &f->memory, err);
    if (!rc && least > budget)
        rc = pq_fail_nomem(err, least);
    return rc;
}

/* What a batch of so many takes of the budget; PIQUE_ENOMEM where it does not fit. */
static int share_budget(struct pq_frames *f, int batch, pique_error *err)
{
    if (f->framed)
        return fit_framed(f, batch, err);
    struct pq_plan *p = &f->plan;
    const bool alpha = p->alpha == PIQUE_ALPHA_KEEP;
    const struct pq_picture_format format = {.width = f->in.width,
                                             .height = f->in.height,
                                             .colours = 3,
                                             .alpha = f->in.planes == 4,
                                             .depth = f->in.depth};
    p->whole_bytes = p->options.tta ? pq_tta_bytes(&p->size, alpha ? 4 : 3) : 0;
    const struct pq_demand demand = {.frames = batch,
                                     .alpha = alpha,
                                     .tta = p->options.tta,
                                     .other = pq_plan_other_bytes(p, &format),
                                     .whole = p->whole_bytes};
    int rc = pq_budget_share(&f->engines, &p->size, &demand, f->name, p->share, err);
    f->memory = (demand.other + demand.whole) * (uint64_t)batch;
    for (int i = 0; !rc && i < p->size.passes; i++)
        f->memory += p->share[i];
    return rc;
}

/* The highest batch up to the one that is wanted that fits. Maps of a whole picture in a scratch
 * file are a last resort for one picture, and none for several. */
static int choose_batch(struct pq_frames *f, int wanted, pique_error *err)
{
    enum { AUTOMATIC = 4 };
    const int most = wanted ? wanted : AUTOMATIC;
    int rc = 0;
    for (f->batch = most; f->batch > 0; f->batch--) {
        const uint64_t budget = pq_engine_memory_budget(f->engine);
        rc = share_budget(f, f->batch, err);
        if (rc && rc != PIQUE_ENOMEM)
            return rc;
        if (!rc && (f->batch == 1 || f->memory <= budget))
            break;
    }
    if (f->batch < 1)
        return rc;
    if (wanted && f->batch < wanted)
        pq_engine_note(f->engine, PIQUE_EVENT_NOTE,
                       "%s: a batch of %d is lowered to %d to stay within the memory budget; "
                       "--memory can raise it",
                       f->name, wanted, f->batch);
    return 0;
}

/* On the device, where it can and has room; luma and chroma only there. */
static int open_framed(struct pq_frames *f, const struct pq_frames_setup *setup, pique_error *err)
{
    int rc = pq_framed_open(setup, &f->plan, &f->out, &f->framed, err);
    if (!rc && (rc = fit_framed(f, 1, err)))
        pq_framed_close(&f->framed);
    const bool elsewhere = rc == PIQUE_EUNSUPPORTED || rc == PIQUE_ENOMEM;
    return elsewhere && !setup->in_yuv && !setup->out_yuv ? 0 : rc;
}

static int decide(struct pq_frames *f, const struct pq_frames_setup *setup, pique_error *err)
{
    struct pq_plan *p = &f->plan;
    struct pq_scale scales[PIQUE_CHAIN_MODELS];
    const int width = setup->crop_width ? setup->crop_width : f->in.width;
    const int height = setup->crop_width ? setup->crop_height : f->in.height;
    int rc = pq_plan_options(p, setup->options, err);
    if (!rc)
        rc = pq_engines_scales(&f->engines, scales, err);
    if (!rc)
        rc = pq_size_resolve(&p->options, width, height, scales, f->engines.count, f->name,
                             &p->size, err);
    if (rc)
        return rc;
    round_up(&p->size, PQ_MAX(setup->multiple_x, 1), PQ_MAX(setup->multiple_y, 1));
    p->alpha = f->in.planes == 4 ? p->options.alpha : PIQUE_ALPHA_DROP;
    f->out = (struct pq_image){.width = p->size.width,
                               .height = p->size.height,
                               .planes = p->alpha == PIQUE_ALPHA_KEEP ? 4 : 3,
                               .depth = setup->out_depth};
    if (setup->plain)
        return 0;
    rc = open_framed(f, setup, err);
    if (!rc)
        rc = choose_batch(f, setup->batch, err);
    f->most = f->batch;
    return rc;
}

int pq_frames_open(const struct pq_frames_setup *setup, struct pq_frames **out, pique_error *err)
{
    *out = NULL;
    if (setup->width < 1 || setup->height < 1 || setup->batch < 0 || setup->batch > PQ_MAX_BATCH)
        return pq_fail(err, PIQUE_EINVAL, "%s: frames of %d x %d, %d in a batch, make no sense",
                       setup->name, setup->width, setup->height, setup->batch);
    struct pq_frames *f = pq_calloc(1, sizeof *f);
    if (!f)
        return pq_fail_nomem(err, sizeof *f);
    f->engines = *setup->engines;
    f->engine = f->engines.list[0];
    snprintf(f->name, sizeof f->name, "%s", setup->name);
    f->in = (struct pq_image){.width = setup->width,
                              .height = setup->height,
                              .planes = setup->planes,
                              .depth = setup->depth};
    int rc = decide(f, setup, err);
    if (rc)
        pq_frames_close(&f);
    *out = f;
    return rc;
}

void pq_frames_close(struct pq_frames **frames)
{
    if (*frames)
        pq_framed_close(&(*frames)->framed);
    pq_free(*frames);
    *frames = NULL;
}

int pq_frames_batch(const struct pq_frames *frames)
{
    return frames->most;
}

void pq_frames_expect(struct pq_frames *frames, int most)
{
    frames->most = PQ_MAX(frames->most, most);
}

void pq_frames_set_other(struct pq_frames *frames, bool has_other)
{
    frames->has_other = has_other;
}

/* Contrast turns about means that had to be found first. */
bool pq_frames_goes_ahead(const struct pq_frames *frames)
{
    return frames->framed && frames->plan.effects.touch.contrast == 1 &&
           pq_framed_goes_ahead(frames->framed);
}

void pq_frames_set_next(struct pq_frames *frames, const struct pq_frames_next *next)
{
    frames->next = pq_frames_goes_ahead(frames) ? next : NULL;
}

int pq_frames_passes(const struct pq_frames *frames)
{
    return frames->plan.size.passes;
}

struct pq_image pq_frames_output(const struct pq_frames *frames)
{
    return frames->out;
}

uint64_t pq_frames_memory(const struct pq_frames *frames)
{
    return frames->memory;
}

uint64_t pq_frames_inferences(const struct pq_frames *frames)
{
    return frames->inferences;
}

int pq_frames_retries(const struct pq_frames *frames)
{
    return frames->retries;
}

bool pq_frames_approximate(const struct pq_frames *frames)
{
    return frames->approximate;
}

/* ---- one batch ---- */

struct batch {
    struct pq_frames *frames;
    int count;
    const struct pq_image *in;
    struct pq_image *out;
    const struct pq_frames_next *next; /* behind it */
    struct pq_stage *chains[PQ_MAX_BATCH];
    struct pq_effects effects[PQ_MAX_BATCH];
    struct pq_tally tally;
};

static int check_cancel(void *engine, pique_error *err)
{
    return pq_engine_check_cancel(engine, err);
}

/* A stage over the planes of picture i. */
static int source(const struct batch *b, int i, struct pq_stage **out, pique_error *err)
{
    const struct pq_plan *p = &b->frames->plan;
    return pq_planes_stage(&b->in[i], p->alpha, p->background,
                           pq_engine_allocator(b->frames->engine), out, err);
}

/* Contrast turns about the mean of each picture. */
static int survey(struct batch *b, int i, pique_error *err)
{
    const struct pq_plan *p = &b->frames->plan;
    struct pq_stage *stage = NULL;
    struct pq_survey found;
    b->effects[i] = p->effects;
    if (p->effects.touch.contrast == 1)
        return 0;
    int rc = source(b, i, &stage, err);
    if (rc)
        return rc;
    rc = pq_survey(stage, check_cancel, b->frames->engine, &found, err);
    stage->close(stage);
    b->effects[i].mean = found.mean;
    return rc;
}

static int before_network(struct batch *b, int i, pique_error *err)
{
    struct pq_frames *f = b->frames;
    const struct pq_size *s = &f->plan.size;
    struct pq_stage **chain = &b->chains[i];
    int rc = survey(b, i, err);
    if (!rc)
        rc = source(b, i, chain, err);
    if (!rc && ((*chain)->width != s->in_width || (*chain)->height != s->in_height))
        rc = pq_resize_stage(chain, s->in_width, s->in_height, pq_engine_pool(f->engine), err);
    if (!rc && (*chain)->planes == 4)
        rc = pq_bleed_stage(chain, err);
    return rc;
}

static int after_network(struct batch *b, int i, pique_error *err)
{
    struct pq_frames *f = b->frames;
    const struct pq_size *s = &f->plan.size;
    struct pq_stage **chain = &b->chains[i];
    struct pq_pool *pool = pq_engine_pool(f->engine);
    int rc = 0;
    if ((*chain)->width != s->width || (*chain)->height != s->height)
        rc = pq_resize_stage(chain, s->width, s->height, pool, err);
    if (!rc && pq_has_effect(&b->effects[i]))
        rc = pq_effects_stage(chain, &b->effects[i], pool, err);
    return rc;
}

static int build(struct batch *b, pique_error *err)
{
    struct pq_frames *f = b->frames;
    const struct pq_plan *p = &f->plan;
    int rc = 0;
    for (int i = 0; !rc && i < b->count; i++)
        rc = before_network(b, i, err);
    for (int pass = 0; !rc && pass < p->size.passes; pass++) {
        const struct pq_pass how = {.engine = f->engines.list[p->size.model[pass]],
                                    .memory_bytes = p->share[pass],
                                    .number = pass + 1,
                                    .tally = &b->tally};
        rc = pq_pass_stages(b->chains, b->count, &how, p->options.tta, &f->approximate, err);
    }
    for (int i = 0; !rc && i < b->count; i++)
        rc = after_network(b, i, err);
    return rc;
}

struct rounding {
    const float *rows;
    const struct pq_stage *chain;
    struct pq_image *out;
    int y;
};

PQ_SAMPLE_INLINE void round_row(const struct rounding *r, int index, int depth)
{
    const int planes = r->chain->planes;
    const float *p = r->rows + (size_t)index * (size_t)r->chain->width * (size_t)planes;
    for (int c = 0; c < r->out->planes; c++) {
        void *row = (char *)r->out->data[c] + (r->y + index) * r->out->stride[c];
        for (int x = 0; x < r->chain->width; x++)
            pq_sample_store(row, (size_t)x, p[(size_t)x * (size_t)planes + (size_t)c], depth);
    }
}

static void round_task(void *context, int index, int worker)
{
    (void)worker;
    const struct rounding *r = context;
    if (r->out->depth == 8)
        round_row(r, index, 8);
    else
        round_row(r, index, 16);
}

/* Rows of all chains, in turn, into the planes of the caller. */
static int pump(struct batch *b, pique_error *err)
{
    struct pq_frames *f = b->frames;
    const struct pq_stage *like = b->chains[0];
    size_t row_bytes, bytes;
    int rc = pq_row_floats_bytes(like->width, like->planes, &row_bytes, err);
    if (rc)
        return rc;
    float *rows =
        pq_mul_size(row_bytes, ROWS, &bytes) ? pq_big_alloc(like->allocator, bytes) : NULL;
    if (!rows)
        return pq_fail_nomem(err, (unsigned long long)row_bytes * ROWS);
    for (int y = 0; !rc && y < like->height; y += ROWS) {
        const int n = PQ_MIN(ROWS, like->height - y);
        rc = pq_engine_check_cancel(f->engine, err);
        for (int i = 0; !rc && i < b->count; i++) {
            struct rounding r = {rows, b->chains[i], &b->out[i], y};
            rc = b->chains[i]->read(b->chains[i], n, rows, err);
            if (!rc)
                pq_share_out(pq_engine_pool(f->engine), n, round_task, &r);
        }
    }
    pq_big_free(like->allocator, rows);
    return rc;
}

/* All of it on the device. */
static int attempt_framed(struct batch *b, pique_error *err)
{
    float means[PQ_MAX_BATCH];
    int rc = 0;
    for (int i = 0; !rc && i < b->count; i++) {
        rc = survey(b, i, err);
        means[i] = b->effects[i].mean;
    }
    return rc ? rc : pq_framed_run(b->frames->framed, b->count, b->in, b->out, means, b->next, err);
}

static int attempt(struct pq_frames *f, int count, const struct pq_image *in, struct pq_image *out,
                   const struct pq_frames_next *next, pique_error *err)
{
    struct batch b = {.frames = f, .count = count, .in = in, .out = out, .next = next};
    b.tally.engine = f->engine;
    b.tally.silent = true;
    if (f->framed)
        return attempt_framed(&b, err);
    int rc = build(&b, err);
    if (!rc)
        rc = pump(&b, err);
    for (int i = 0; i < count; i++)
        if (b.chains[i])
            b.chains[i]->close(b.chains[i]);
    return rc;
}

static int attempt_twice(struct pq_frames *f, int count, const struct pq_image *in,
                         struct pq_image *out, const struct pq_frames_next *next, pique_error *err)
{
    const int failures = pq_engines_failures(&f->engines);
    int rc = attempt(f, count, in, out, next, err);
    if (rc != PIQUE_EDEVICE || (f->has_other && pq_engines_failures(&f->engines) > failures))
        return rc;
    f->retries++;
    pq_engine_note(f->engine, PIQUE_EVENT_RETRY, "%s: %s; it is computed once more", f->name,
                   err->message);
    rc = attempt(f, count, in, out, next, err);
    return rc == PIQUE_EDEVICE
               ? pq_fail(err, rc, "%s: %s, also when computed once more", f->name, err->message)
               : rc;
}

/* A device that has no room for so many at a time may have it for half of them. */
static int attempt_fewer(struct pq_frames *f, int count, const struct pq_image *in,
                         struct pq_image *out, const struct pq_frames_next *next, pique_error *err)
{
    int done = 0;
    while (done < count) {
        const int n = PQ_MIN(f->batch, count - done);
        const int rc = attempt_twice(f, n, in + done, out + done, n == count ? next : NULL, err);
        if (!rc) {
            f->inferences++;
            done += n;
            continue;
        }
        if (rc != PIQUE_ENOMEM || n == 1)
            return rc;
        f->batch = (n + 1) / 2;
        pq_engine_note(f->engine, PIQUE_EVENT_NOTE,
                       "%s: there is no memory for a batch of %d (%s); it is lowered to %d",
                       f->name, n, err->message, f->batch);
    }
    return 0;
}

static bool fits(const struct pq_image *image, const struct pq_image *like)
{
    return image->width == like->width && image->height == like->height &&
           image->planes == like->planes && image->depth == like->depth;
}

static int check_images(const struct pq_frames *f, int count, const struct pq_image *in,
                        const struct pq_image *out, pique_error *err)
{
    for (int i = 0; i < count; i++) {
        if (!fits(&in[i], &f->in) || !fits(&out[i], &f->out))
            return pq_fail(err, PIQUE_EINVAL,
                           "%s: frame %d of the batch has another size, depth or number of planes",
                           f->name, i + 1);
    }
    return 0;
}

int pq_frames_run(struct pq_frames *f, int count, const struct pq_image *in, struct pq_image *out,
                  pique_error *err)
{
    pique_error why = {0};
    const struct pq_frames_next *next = f->next;
    f->next = NULL;
    if (count < 1 || count > f->most)
        return pq_fail(err, PIQUE_EINVAL, "%s: %d frames in a batch of %d", f->name, count,
                       f->most);
    const int bad = check_images(f, count, in, out, err);
    if (bad)
        return bad;
    fenv_t theirs; /* the same picture whatever rounding the program around us has set */
    fegetenv(&theirs);
    fesetenv(FE_DFL_ENV);
    const int rc = attempt_fewer(f, count, in, out, next, &why);
    fesetenv(&theirs);
    if (rc && err)
        *err = why;
    return rc;
}

int pq_frames_plain(struct pq_frames *f, const struct pq_image *in, struct pq_image *out,
                    pique_error *err)
{
    struct batch b = {.frames = f, .count = 1, .in = in, .out = out};
    const int bad = check_images(f, 1, in, out, err);
    if (bad)
        return bad;
    int rc = source(&b, 0, &b.chains[0], err);
    if (!rc)
        rc = pq_resize_stage(&b.chains[0], f->out.width, f->out.height, pq_engine_pool(f->engine),
                             err);
    if (!rc)
        rc = pump(&b, err);
    if (b.chains[0])
        b.chains[0]->close(b.chains[0]);
    return rc;
}
