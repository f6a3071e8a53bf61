/* SPDX-License-Identifier: MIT */
/* What a film will take, measured on a few of its frames.
 *
 * At up to three places of the film a few frames are decoded, computed and encoded as they will be.
 * How many bytes a frame adds behind a key frame depends on what moves for much longer than that,
 * so more frames are enlarged without the network, which costs little, and encoded in one piece;
 * how much larger the network makes a frame is known from those that went both ways. Stages
 * overlap, but they share the processor, so a frame takes about as long as all of them one after
 * the other. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/pool.h"
#include "film/devices.h"
#include "film/picture.h"
#include "film/pipeline.h"
#include "film/reuse.h"
#include "upscale/call.h"

enum { PLACES = 3, LOOK = 60 };

static const double enough_seconds = 4; /* no further place is begun after */
static const double few_seconds = 2;    /* for the frames of one place */

struct sums {
    double decode, convert, infer, finish, encode; /* seconds */
    int decoded, converted, computed, finished, encoded;
    int looked, reused; /* frames, and those that were there before */
    /* Bytes: of key frames by the network and without; of the same few frames by the network and
     * without; of long pieces, which begin with `pieces` key frames and have so many frames behind
     * those. */
    double key, plain_key, network, plain, piece;
    int keys, pieces, behind;
};

static double lap(double *since)
{
    const double now = pq_seconds(), took = now - *since;
    *since = now;
    return took;
}

/* ---- a segment that goes nowhere ---- */

struct trial {
    struct pq_film *film;
    struct sums *sums;
    struct pq_file file;
    int64_t count;
};

static int trial_begin(struct trial *t, pique_error *err)
{
    int rc = pq_file_temp(&t->file, err);
    return rc ? rc : t->film->writer->begin(t->film->writer, &t->file, err);
}

static int trial_add(struct trial *t, struct pq_result *result, pique_error *err)
{
    struct pq_film *film = t->film;
    const bool converts = !result->frame && !film->planes_out;
    int64_t readable;
    double since = pq_seconds();
    int rc = pq_film_finish(film, result, err);
    if (converts) {
        t->sums->finish += lap(&since);
        t->sums->finished++;
    }
    since = pq_seconds();
    if (!rc)
        rc = film->writer->write(film->writer, result->frame, t->count++, &readable, err);
    t->sums->encode += lap(&since);
    t->sums->encoded++;
    return rc;
}

/* Its bytes are added to *bytes where all went well so far. */
static int trial_end(struct trial *t, int rc, double *bytes, pique_error *err)
{
    struct pq_film_writer *writer = t->film->writer;
    double since = pq_seconds();
    if (t->count && !rc)
        rc = writer->end(writer, err);
    else
        writer->abandon(writer);
    if (!rc)
        *bytes += (double)pq_file_size(&t->file);
    pq_file_close(&t->file);
    t->sums->encode += lap(&since);
    return rc;
}

static int encode(struct pq_film *film, struct pq_result *const *results, int n, struct sums *s,
                  double *bytes, pique_error *err)
{
    struct trial t = {.film = film, .sums = s, .file.fd = -1};
    int rc = trial_begin(&t, err);
    for (int i = 0; !rc && i < n; i++)
        rc = trial_add(&t, results[i], err);
    return trial_end(&t, rc, bytes, err);
}

/* ---- one place ---- */

struct place {
    struct pq_film *film;
    struct pq_film_source *source;
    struct pq_reuse *reuse;
    struct sums *sums;
    int count; /* of the few */
    struct pq_result *network[PQ_MAX_BATCH], *plain[PQ_MAX_BATCH];
};

/* The next frame, NULL at the end. Whether it was there before is counted. */
static int next_frame(struct place *p, struct pq_frame **out, pique_error *err)
{
    int64_t forgotten;
    double since = pq_seconds();
    int rc = p->source->read(p->source, out, err);
    if (!rc && *out) {
        p->sums->decoded++;
        p->sums->looked++;
        if (p->reuse && pq_reuse_find(p->reuse, *out) >= 0)
            p->sums->reused++;
        else if (p->reuse)
            rc = pq_reuse_add(p->reuse, *out, p->sums->looked, &forgotten, err);
    }
    p->sums->decode += lap(&since);
    return rc;
}

/* One more of the few, before it is computed; *there is false at the end. */
static int gather(struct place *p, bool *there, pique_error *err)
{
    struct pq_film *film = p->film;
    struct pq_frame *frame = NULL;
    struct pq_result **result = &p->network[p->count];
    int rc = next_frame(p, &frame, err);
    *there = !rc && frame;
    if (!*there)
        return rc;
    double since = pq_seconds();
    rc = pq_result_new(film->io, result, err);
    if (!rc)
        rc = pq_film_take(film, p->source, frame, *result, err);
    p->sums->convert += lap(&since);
    p->sums->converted++;
    film->io->frame_unref(&frame);
    if (!rc)
        rc = pq_film_room(film, *result, err);
    p->count += !rc;
    return rc;
}

/* Frames through the network until there are `wanted`. */
static int compute_up_to(struct place *p, int wanted, pique_error *err)
{
    struct pq_film *film = p->film;
    const int had = p->count;
    bool there = true;
    int rc = 0;
    while (!rc && there && p->count < wanted)
        rc = gather(p, &there, err);
    const double start = pq_seconds();
    if (!rc && p->count > had)
        rc = pq_film_compute(film, p->count - had, p->network + had, err);
    p->sums->infer += pq_seconds() - start;
    p->sums->computed += p->count - had;
    return rc;
}

/* A few frames, where they do not take long: one first, which tells. Of a short film few in any
 * case, since what is computed here is computed again. */
static int compute(struct place *p, pique_error *err)
{
    struct pq_film *film = p->film;
    const int64_t share = PQ_MAX(film->plan.frames / 100, 3);
    const int most = (int)PQ_MIN(share, (int64_t)pq_frames_batch(film->frames));
    int rc = compute_up_to(p, 1, err);
    const double one = p->sums->infer / PQ_MAX(p->sums->computed, 1);
    const double budget = PQ_MAX(few_seconds, one * (double)film->plan.frames / 200);
    const double fit = one > 0 ? budget / one : most;
    if (!rc && p->count)
        rc = compute_up_to(p, fit < most ? (int)fit : most, err);
    return rc;
}

/* A picture enlarged without the network, into a result that may have had one before. */
static int enlarge(struct pq_film *film, const struct pq_image *rgb, struct pq_result *result,
                   pique_error *err)
{
    const struct pq_image like = pq_frames_output(film->plain);
    int rc = 0;
    film->io->frame_unref(&result->frame);
    if (!result->out.memory)
        rc = pq_image_new(like.width, like.height, like.planes, like.depth,
                          pq_engine_allocator(film->engine), &result->out, err);
    return rc ? rc : pq_frames_plain(film->plain, rgb, &result->out, err);
}

static int enlarge_one_of_few(struct place *p, int i, pique_error *err)
{
    const struct pq_result *of = p->network[i];
    struct pq_image rgb = {0};
    int rc = pq_result_new(p->film->io, &p->plain[i], err);
    if (!rc && of->decoded)
        rc = pq_film_rgb(p->film, p->source, of->decoded, &rgb, err);
    if (!rc)
        rc = enlarge(p->film, of->decoded ? &rgb : &of->in, p->plain[i], err);
    pq_image_free(&rgb);
    return rc;
}

/* The few frames as a key frame, all by the network, all without. */
static int encode_few(struct place *p, pique_error *err)
{
    struct pq_film *film = p->film;
    struct sums *s = p->sums;
    int rc = 0;
    for (int i = 0; !rc && i < p->count; i++)
        rc = enlarge_one_of_few(p, i, err);
    if (!rc)
        rc = encode(film, p->network, 1, s, &s->key, err);
    if (!rc)
        rc = encode(film, p->plain, 1, s, &s->plain_key, err);
    if (!rc)
        rc = encode(film, p->network, p->count, s, &s->network, err);
    if (!rc)
        rc = encode(film, p->plain, p->count, s, &s->plain, err);
    s->keys += !rc;
    return rc;
}

/* The next frame, enlarged without the network, into the trial; *there is false at the end. */
static int add_next(struct place *p, struct trial *t, struct pq_result *result, bool *there,
                    pique_error *err)
{
    struct pq_frame *frame = NULL;
    struct pq_image rgb = {0};
    int rc = next_frame(p, &frame, err);
    *there = !rc && frame;
    if (*there)
        rc = pq_film_rgb(p->film, p->source, frame, &rgb, err);
    p->film->io->frame_unref(&frame);
    if (*there && !rc)
        rc = enlarge(p->film, &rgb, result, err);
    if (*there && !rc)
        rc = trial_add(t, result, err);
    pq_image_free(&rgb);
    return rc;
}

/* A long piece without the network, for a share of the time that the whole film will take. */
static int encode_piece(struct place *p, pique_error *err)
{
    struct pq_film *film = p->film;
    struct sums *s = p->sums;
    const double all = s->infer / PQ_MAX(s->computed, 1) * (double)film->plan.frames;
    const double until = pq_seconds() + PQ_MAX(0.5, all / 200);
    struct trial t = {.film = film, .sums = s, .file.fd = -1};
    struct pq_result *result = NULL;
    bool there = true;
    int rc = trial_begin(&t, err);
    for (int i = 0; !rc && i < p->count; i++)
        rc = trial_add(&t, p->plain[i], err);
    if (!rc)
        rc = pq_result_new(film->io, &result, err);
    while (!rc && there && t.count < LOOK && pq_seconds() < until)
        rc = add_next(p, &t, result, &there, err);
    pq_result_unref(&result);
    const int behind = (int)t.count - 1;
    rc = trial_end(&t, rc, &s->piece, err);
    if (!rc) {
        s->pieces++;
        s->behind += behind;
    }
    return rc;
}

/* Results without an encoder: only how many frames were there before. */
static int look(struct place *p, pique_error *err)
{
    bool there = true;
    int rc = 0;
    for (int i = 0; !rc && there && i < LOOK; i++) {
        struct pq_frame *frame = NULL;
        rc = next_frame(p, &frame, err);
        there = frame;
        p->film->io->frame_unref(&frame);
    }
    return rc;
}

static int visit(struct pq_film *film, double at, struct sums *s, pique_error *err)
{
    struct pq_film_read read = film->read;
    struct place p = {.film = film, .sums = s};
    read.from += at;
    read.note = NULL;
    int rc = film->io->open_source(&read, &p.source, err);
    if (rc)
        return rc;
    if (!film->options.no_reuse)
        rc = pq_reuse_new(film->io, p.source->facts.frame_bytes + pq_film_result_bytes(film),
                          film->options.tolerance, &p.reuse, err);
    if (!rc)
        rc = compute(&p, err);
    if (!rc && p.count && film->kind == PQ_FILM_FILM) {
        rc = encode_few(&p, err);
        if (!rc)
            rc = encode_piece(&p, err);
    } else if (!rc && p.count) {
        rc = look(&p, err);
    }
    for (int i = 0; i < PQ_MAX_BATCH; i++) {
        pq_result_unref(&p.network[i]);
        pq_result_unref(&p.plain[i]);
    }
    pq_reuse_free(&p.reuse);
    p.source->close(p.source);
    return rc;
}

/* ---- all of it ---- */

static void sum_time(struct pq_film *film, const struct sums *s)
{
    pique_film_plan *p = &film->plan;
    const double cores = pq_pool_threads(pq_engine_pool(film->engine));
    const double fresh = s->looked ? 1 - (double)s->reused / s->looked : 1;
    const double once =
        s->infer / PQ_MAX(s->computed, 1) / pq_crew_working(film->crew) +
        (s->convert / PQ_MAX(s->converted, 1) + s->finish / PQ_MAX(s->finished, 1)) / cores;
    const double frame =
        s->decode / PQ_MAX(s->decoded, 1) + s->encode / PQ_MAX(s->encoded, 1) + fresh * once;
    const int64_t left = PQ_MAX(p->frames - (int64_t)p->segments_done * film->segment_frames, 0);
    const double limit = film->options.journal_seconds > 0 ? film->options.journal_seconds : 60;
    p->seconds = p->frames ? frame * (double)left : -1;
    p->journal = film->journal =
        film->kind == PQ_FILM_FILM &&
        frame * (double)PQ_MIN(film->segment_frames, PQ_MAX(p->frames, 1)) > limit;
}

static void sum_bytes(struct pq_film *film, const struct sums *s)
{
    pique_film_plan *p = &film->plan;
    if (!s->keys)
        return;
    const double key = s->key / s->keys, plain_key = s->plain_key / s->keys;
    /* Of the few, what stands behind the key frames: the network against Lanczos. */
    const double by_network = s->network - s->key, plain = s->plain - s->plain_key;
    const double larger = plain > 0 ? by_network / plain : plain_key > 0 ? key / plain_key : 1;
    const double rest = PQ_MAX(s->piece - plain_key * s->pieces, 0);
    const double more = s->behind ? rest * larger / s->behind : key;
    const double segments = p->segments ? p->segments : 1;
    p->output_bytes = (uint64_t)(key * segments + more * PQ_MAX((double)p->frames - segments, 0));
}

static void add_memory(struct pq_film *film)
{
    pique_film_plan *p = &film->plan;
    const struct pq_film_facts *f = &film->source->facts;
    /* Of several devices, those that are under way and those that wait for their turn (crew_run.c);
     * of one, the one that has begun before its turn, too. */
    const uint64_t devices = (uint64_t)pq_crew_working(film->crew);
    const uint64_t ahead = pq_frames_goes_ahead(film->frames) ? 2 : 1;
    const uint64_t batches = devices > 1 ? 2 * devices : ahead;
    const uint64_t batch = (uint64_t)p->batch * batches;
    const uint64_t kept = film->options.no_reuse ? 0 : PQ_REUSE_BACK;
    p->memory_bytes = pq_frames_memory(film->frames) * devices +
                      pq_film_in_bytes(film) * 2 * batch + pq_film_out_bytes(film) * (batch + 3) +
                      f->frame_bytes * (kept + 5) +
                      pq_film_result_bytes(film) * (kept + 4 + (uint64_t)pq_film_hashers());
}

/* What the job folder and the result take at most at a time, and what is there for them. */
static int add_disk(struct pq_film *film, pique_error *err)
{
    pique_film_plan *p = &film->plan;
    uint64_t need = film->kind == PQ_FILM_FILM ? p->output_bytes * 2 : p->output_bytes;
    if (film->journal) /* lossless halves a frame at best */
        need += pq_film_result_bytes(film) / 2 *
                (uint64_t)PQ_MIN(film->segment_frames, PQ_MAX(p->frames, 1));
    p->disk_bytes = need;
    if (film->kind == PQ_FILM_STREAM)
        return 0;
    char *folder = pq_folder_of(film->dst);
    int rc = folder ? pq_disk_free(folder, &p->disk_free, err) : pq_fail_nomem(err, 64);
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
    if (s.computed) {
        sum_time(film, &s);
        sum_bytes(film, &s);
    }
    add_memory(film);
    return rc ? rc : add_disk(film, err);
}
