/* SPDX-License-Identifier: MIT */
/* What a film will take, measured on a few of its frames.
 *
 * At up to three places of the film a batch is decoded, computed and encoded as it will be, and
 * more frames are only decoded, to see how many of them are there twice. Stages overlap, but they
 * share the processor, so a frame takes about as long as all of them one after the other. */
#include <string.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "base/pool.h"
#include "film/film.h"
#include "film/reuse.h"
#include "upscale/call.h"

enum { PLACES = 3, LOOK = 48 };

static const double enough_seconds = 4; /* no further place is begun after */

struct sums {
    double decode, convert, infer, finish, encode; /* seconds */
    int64_t looked, reused;                        /* frames that were only decoded */
    int decoded, computed, encoded;
    uint64_t first_bytes, other_bytes; /* of encoded frames: those that stand alone, and others */
    int firsts, others;
};

static double lap(double *since)
{
    const double now = pq_seconds(), took = now - *since;
    *since = now;
    return took;
}

/* How many of the next frames were there before. */
static int look(struct pq_film *film, struct pq_film_source *source, struct pq_reuse *reuse,
                struct sums *s, pique_error *err)
{
    int rc = 0;
    int64_t forgotten;
    double since = pq_seconds();
    for (int i = 0; !rc && i < LOOK; i++) {
        struct pq_frame *frame = NULL;
        rc = source->read(source, &frame, err);
        if (rc || !frame)
            break;
        s->looked++;
        if (pq_reuse_find(reuse, frame) >= 0)
            s->reused++;
        else
            rc = pq_reuse_add(reuse, frame, i, &forgotten, err);
        film->io->frame_unref(&frame);
    }
    s->decode += lap(&since);
    s->decoded += LOOK;
    return rc;
}

/* Encode what was computed as a segment of its own. */
static int encode(struct pq_film *film, struct pq_image *out, int n, struct sums *s,
                  pique_error *err)
{
    struct pq_film_writer *w = NULL;
    struct pq_file file = {.fd = -1};
    struct pq_film_write how = pq_film_writing(film);
    how.note = NULL;
    int64_t readable, before = 0, after = 0;
    double since = pq_seconds();
    int rc = film->io->open_writer(&how, &film->encoder, &w, err);
    if (!rc)
        rc = pq_file_temp(&file, err);
    if (!rc)
        rc = w->begin(w, &file, err);
    const bool begun = !rc;
    lap(&since);
    for (int i = 0; !rc && i < n; i++) {
        struct pq_frame *frame = NULL;
        rc = w->from_rgb(w, &out[i], &frame, err);
        s->finish += lap(&since);
        if (!rc)
            rc = w->write(w, frame, i, &readable, err);
        film->io->frame_unref(&frame);
        s->encode += lap(&since);
    }
    if (begun && !rc)
        rc = w->end(w, err);
    else if (begun)
        w->abandon(w);
    s->encode += lap(&since);
    after = pq_file_size(&file);
    if (!rc && n == 1)
        s->first_bytes += (uint64_t)(after - before), s->firsts++;
    else if (!rc)
        s->other_bytes += (uint64_t)(after - before), s->others += n;
    s->encoded += n;
    pq_file_close(&file);
    if (w)
        w->close(w);
    return rc;
}

/* Decode and compute a batch; encode its first frame alone, which tells what a key frame takes, and
 * then all of them. */
static int sample(struct pq_film *film, struct pq_film_source *source, struct sums *s,
                  pique_error *err)
{
    const pique_film_info *info = &source->facts.info;
    const struct pq_image like = pq_frames_output(film->frames);
    const pique_allocator *allocator = pq_engine_allocator(film->engine);
    const int planes = film->read.alpha && info->alpha ? 4 : 3;
    struct pq_image in[PQ_MAX_BATCH] = {0}, out[PQ_MAX_BATCH] = {0};
    const int most = pq_frames_batch(film->frames);
    int n = 0, rc = 0;
    double since = pq_seconds();
    while (!rc && n < most) {
        struct pq_frame *frame = NULL;
        rc = source->read(source, &frame, err);
        if (rc || !frame)
            break;
        s->decode += lap(&since);
        s->decoded++;
        rc = pq_image_new(info->width, info->height, planes, source->facts.rgb_depth, allocator,
                          &in[n], err);
        if (!rc)
            rc = source->to_rgb(source, frame, &in[n], err);
        if (!rc)
            rc = pq_image_new(like.width, like.height, like.planes, like.depth, allocator, &out[n],
                              err);
        film->io->frame_unref(&frame);
        s->convert += lap(&since);
        n++;
    }
    if (!rc && n)
        rc = pq_frames_run(film->frames, n, in, out, err);
    s->infer += lap(&since);
    s->computed += n;
    if (!rc && n && film->kind == PQ_FILM_FILM)
        rc = encode(film, out, 1, s, err);
    if (!rc && n > 1 && film->kind == PQ_FILM_FILM)
        rc = encode(film, out, n, s, err);
    for (int i = 0; i < PQ_MAX_BATCH; i++) {
        pq_image_free(&in[i]);
        pq_image_free(&out[i]);
    }
    return rc;
}

static int visit(struct pq_film *film, double at, struct sums *s, pique_error *err)
{
    struct pq_film_read read = film->read;
    struct pq_film_source *source = NULL;
    struct pq_reuse *reuse = NULL;
    read.from += at;
    read.note = NULL;
    int rc = film->io->open_source(&read, &source, err);
    if (rc)
        return rc;
    rc = sample(film, source, s, err);
    if (!rc && !film->options.no_reuse)
        rc = pq_reuse_new(film->io, source->facts.frame_bytes + pq_film_result_bytes(film),
                          film->options.tolerance, &reuse, err);
    if (!rc && reuse)
        rc = look(film, source, reuse, s, err);
    pq_reuse_free(&reuse);
    source->close(source);
    return rc;
}

static void sum_up(struct pq_film *film, const struct sums *s)
{
    pique_film_plan *p = &film->plan;
    const double cores = pq_pool_threads(pq_engine_pool(film->engine));
    const double fresh = s->looked ? 1 - (double)s->reused / (double)s->looked : 1;
    const int computed = PQ_MAX(s->computed, 1), encoded = PQ_MAX(s->encoded, 1);
    const double frame =
        s->decode / PQ_MAX(s->decoded, 1) + s->encode / encoded +
        fresh * (s->infer / computed + (s->convert / computed + s->finish / encoded) / cores);
    const int64_t left = PQ_MAX(p->frames - (int64_t)p->segments_done * film->segment_frames, 0);
    p->seconds = p->frames ? frame * (double)left : -1;
    const double limit = film->options.journal_seconds > 0 ? film->options.journal_seconds : 60;
    p->journal = film->journal =
        film->kind == PQ_FILM_FILM &&
        frame * (double)PQ_MIN(film->segment_frames, PQ_MAX(p->frames, 1)) > limit;
    /* A key frame, and how much each frame behind it adds. */
    const double key = s->firsts ? (double)s->first_bytes / s->firsts : 0;
    const double more = s->others > s->firsts
                            ? ((double)s->other_bytes - key * s->firsts) / (s->others - s->firsts)
                            : key;
    const double segments = p->segments ? p->segments : 1;
    p->output_bytes =
        (uint64_t)(key * segments + PQ_MAX(more, 0) * fresh * ((double)p->frames - segments));
}

static void add_memory(struct pq_film *film)
{
    pique_film_plan *p = &film->plan;
    const struct pq_image out = pq_frames_output(film->frames);
    const struct pq_film_facts *f = &film->source->facts;
    const uint64_t batch = (uint64_t)p->batch;
    const uint64_t in_bytes =
        (uint64_t)p->in_width * (uint64_t)p->in_height * 4 * (uint64_t)(f->rgb_depth / 8);
    const uint64_t out_bytes = (uint64_t)out.width * (uint64_t)out.height * (uint64_t)out.planes *
                               (uint64_t)(out.depth / 8);
    const uint64_t kept = film->options.no_reuse ? 0 : PQ_REUSE_BACK;
    p->memory_bytes = pq_frames_memory(film->frames) + in_bytes * 2 * batch +
                      out_bytes * (batch + 3) + f->frame_bytes * (kept + 5) +
                      pq_film_result_bytes(film) * (kept + 3);
}

/* What the job folder and the result take at most at a time, and what is there for them. */
static int add_disk(struct pq_film *film, pique_error *err)
{
    pique_film_plan *p = &film->plan;
    uint64_t need = film->kind == PQ_FILM_FILM ? p->output_bytes * 2 : p->output_bytes;
    if (film->journal) /* lossless halves a frame at best */
        need += pq_film_result_bytes(film) / 2 * (uint64_t)film->segment_frames;
    p->disk_bytes = need;
    char *folder = pq_strdup(film->dst), *slash = folder ? strrchr(folder, '/') : NULL;
    if (!folder)
        return pq_fail_nomem(err, 64);
    if (slash)
        slash[slash == folder] = '\0';
    int rc =
        film->kind == PQ_FILM_STREAM ? 0 : pq_disk_free(slash ? folder : ".", &p->disk_free, err);
    pq_free(folder);
    return rc;
}

int pq_film_estimate(struct pq_film *film, pique_error *err)
{
    struct sums s = {0};
    const double seconds = film->source->facts.info.seconds, start = pq_seconds();
    const bool measures = film->kind != PQ_FILM_STREAM && strcmp(film->src, "-") != 0;
    int rc = 0;
    for (int i = 0; measures && !rc && i < PLACES; i++) {
        if (i && (pq_seconds() - start > enough_seconds || seconds < 4))
            break;
        rc = visit(film, seconds * (2 * i + 1) / (2 * PLACES), &s, err);
    }
    if (rc == PIQUE_ECANCELED || rc == PIQUE_EDEVICE || rc == PIQUE_ENOMEM)
        return rc;
    rc = 0; /* what cannot be measured shows in the work itself */
    if (s.computed)
        sum_up(film, &s);
    add_memory(film);
    return rc ? rc : add_disk(film, err);
}
