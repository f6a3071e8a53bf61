/* SPDX-License-Identifier: MIT */
/* A frame is saved when another process can read it back:
 *
 *     numbered picture   when it has its name
 *     film               when its packets, and those that it needs, are in the running segment's
 * file
 *     ... with journal   when it is in the journal and that is on the disk
 *
 * The encoder holds frames back, so a batch may be saved some batches after it was computed. */
#include "film/sink.h"

#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "base/str.h"

/* A batch that is not saved yet. */
struct waiting {
    uint64_t batch;
    int64_t first, frames;
};

struct pq_sink {
    struct pq_film *film;
    int64_t next;  /* index of the item that comes next */
    int64_t saved; /* frames before this one can be read */
    int segment;
    bool open; /* a segment is running */
    struct pq_file file;
    struct pq_sealed now; /* of the running segment */
    size_t pts_capacity;
    struct pq_file journal_file;
    struct pq_film_journal *journal;
    struct waiting *waiting;
    size_t waiting_count, waiting_capacity;
};

int pq_sink_new(struct pq_film *film, int64_t first, struct pq_sink **out, pique_error *err)
{
    struct pq_sink *s = pq_calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return pq_fail_nomem(err, sizeof *s);
    s->film = film;
    s->next = s->saved = first;
    s->segment = (int)(first / film->segment_frames);
    s->file.fd = s->journal_file.fd = -1;
    return 0;
}

/* ---- what is told ---- */

static int await_batch(struct pq_sink *s, const struct pq_item *item, pique_error *err)
{
    struct waiting *last = s->waiting_count ? &s->waiting[s->waiting_count - 1] : NULL;
    if (last && last->batch == item->batch) {
        last->frames++;
        return 0;
    }
    struct waiting *grown =
        pq_grown(s->waiting, s->waiting_count, &s->waiting_capacity, sizeof *grown);
    if (!grown)
        return pq_fail_nomem(err, sizeof *grown);
    s->waiting = grown;
    s->waiting[s->waiting_count++] =
        (struct waiting){.batch = item->batch, .first = item->index, .frames = 1};
    return 0;
}

/* Batches all of whose frames are among the first `readable` of the film. `whole`: the last one
 * that waits has all its frames. */
static void tell_saved(struct pq_sink *s, int64_t readable, bool whole)
{
    size_t done = 0;
    s->saved = PQ_MAX(s->saved, readable);
    while (done < s->waiting_count) {
        const struct waiting *w = &s->waiting[done];
        if (w->first + w->frames > s->saved || (done + 1 == s->waiting_count && !whole))
            break;
        pique_event event = {.kind = PIQUE_EVENT_SAVED,
                             .batch = w->batch,
                             .frames = w->frames,
                             .first_frame = w->first,
                             .segment = s->segment};
        pq_film_tell(s->film, &event);
        done++;
    }
    s->waiting_count -= done;
    memmove(s->waiting, s->waiting + done, s->waiting_count * sizeof *s->waiting);
}

static void tell_frames(struct pq_sink *s)
{
    pique_event event = {.kind = PIQUE_EVENT_FRAMES,
                         .frames_done = s->next,
                         .frames_total = s->film->plan.frames,
                         .segment = s->segment};
    pq_film_tell(s->film, &event);
}

/* ---- segments ---- */

static int begin_journal(struct pq_sink *s, pique_error *err)
{
    struct pq_film *film = s->film;
    int64_t at;
    for (int n = 0;; n++) {
        char *path = pq_job_journal(&film->job, s->segment, n);
        if (!path)
            return pq_fail_nomem(err, 64);
        const bool taken = pq_exists(path);
        int rc = taken ? 0 : pq_file_resume(path, path, true, &s->journal_file, &at, err);
        pq_free(path);
        if (!taken)
            return rc ? rc
                      : film->io->write_journal(film->writer, &s->journal_file, &s->journal, err);
    }
}

static int begin_film(struct pq_sink *s, pique_error *err)
{
    struct pq_film *film = s->film;
    int64_t at;
    char *part = pq_job_segment(&film->job, s->segment, ".mkv.part");
    char *path = pq_job_segment(&film->job, s->segment, ".mkv");
    int rc = part && path ? pq_file_resume(part, path, true, &s->file, &at, err)
                          : pq_fail_nomem(err, 64);
    pq_free(part);
    pq_free(path);
    if (!rc)
        rc = film->writer->begin(film->writer, &s->file, err);
    return rc || !film->journal ? rc : begin_journal(s, err);
}

static int begin_stream(struct pq_sink *s, pique_error *err)
{
    struct pq_film *film = s->film;
    int rc = strcmp(film->container, "null") == 0
                 ? 0
                 : pq_file_create(film->dst, film->options.overwrite, &s->file, err);
    return rc ? rc : film->writer->begin(film->writer, &s->file, err);
}

static int begin(struct pq_sink *s, pique_error *err)
{
    s->now = (struct pq_sealed){.first = s->next, .pts = s->now.pts};
    int rc = 0;
    if (s->film->kind == PQ_FILM_FILM)
        rc = begin_film(s, err);
    else if (s->film->kind == PQ_FILM_STREAM && s->next == 0)
        rc = begin_stream(s, err);
    s->open = !rc;
    return rc;
}

static void close_journal(struct pq_sink *s)
{
    if (s->journal)
        s->journal->close(s->journal);
    s->journal = NULL;
    pq_file_close(&s->journal_file);
}

/* The file of the running segment is whole: its sum is taken, and it gets its name. */
static int commit_film(struct pq_sink *s, pique_error *err)
{
    struct pq_film *film = s->film;
    int rc = film->writer->end(film->writer, err);
    if (!rc)
        rc = pq_job_hash_file(s->file.temp_path, &s->now.file_hash, &s->now.bytes, err);
    if (!rc)
        rc = pq_file_commit(&s->file, true, err);
    close_journal(s);
    return rc;
}

/* last: the film ends here; else next_pts is the time of the frame behind. */
static int seal(struct pq_sink *s, bool last, int64_t next_pts, pique_error *err)
{
    struct pq_film *film = s->film;
    s->now.last = last;
    s->now.next_pts = next_pts;
    s->open = false;
    int rc = film->kind == PQ_FILM_FILM ? commit_film(s, err) : 0;
    if (!rc && film->has_job)
        rc = pq_job_seal(&film->job, s->segment, &s->now, err);
    if (!rc && film->kind == PQ_FILM_FILM)
        rc = pq_job_drop(&film->job, s->segment, err);
    if (rc)
        return rc;
    tell_saved(s, s->next, last);
    film->report.bytes_written += s->now.bytes;
    film->report.hash = XXH3_64bits_withSeed(&s->now.hash, sizeof s->now.hash, film->report.hash);
    if (film->kind != PQ_FILM_STREAM) {
        pique_event event = {
            .kind = PIQUE_EVENT_SEALED, .segment = s->segment, .frames = s->now.frames};
        pq_film_tell(film, &event);
    }
    s->segment++;
    film->report.segments++;
    return 0;
}

/* ---- one frame ---- */

static int keep_picture(struct pq_film *film, const struct pq_frame_files *files,
                        const struct pq_image *image, int64_t index, pique_error *err)
{
    uint64_t bytes;
    if (!files->pattern || !image->data[0])
        return 0;
    char *path = pq_frame_path(files, index);
    int rc = path ? pq_frame_write(files, path, image, &bytes, err) : pq_fail_nomem(err, 64);
    pq_free(path);
    return rc;
}

/* A numbered picture: from its pixels, or from the file that an earlier frame like it has. */
static int put_picture(const struct pq_frame_files *files, struct pq_item *item, uint64_t *bytes,
                       pique_error *err)
{
    char *path = pq_frame_path(files, item->index);
    if (!path)
        return pq_fail_nomem(err, 64);
    const char *known = item->result->picture;
    int rc = 0;
    if (!known)
        rc = pq_frame_write(files, path, &item->result->out, bytes, err);
    else if (strcmp(known, path) != 0) /* an earlier run may have written this very one */
        rc = pq_frame_copy(known, path, bytes, err);
    if (rc || known) {
        pq_free(path);
        return rc;
    }
    item->result->picture = path;
    pq_image_free(&item->result->out);
    return 0;
}

static int put_journal(struct pq_sink *s, struct pq_item *item, pique_error *err)
{
    if (!s->journal || !item->fresh || item->result->journaled)
        return 0;
    int rc = s->journal->append(s->journal, item->result->frame, item->index, err);
    return rc ? rc : pq_file_sync(&s->journal_file, err);
}

static int put_frame(struct pq_sink *s, struct pq_item *item, int64_t *readable, pique_error *err)
{
    struct pq_film *film = s->film;
    uint64_t bytes = 0;
    *readable = item->index + 1;
    int rc = keep_picture(film, &film->kept_source, &item->source, item->index, err);
    if (rc)
        return rc;
    if (film->kind == PQ_FILM_PICTURES) {
        rc = put_picture(&film->files, item, &bytes, err);
        s->now.bytes += bytes;
        return rc;
    }
    if (film->kept_result.pattern)
        rc = put_picture(&film->kept_result, item, &bytes, err);
    if (!rc)
        rc = put_journal(s, item, err);
    int64_t encoded = 0;
    if (!rc)
        rc = film->writer->write(film->writer, item->result->frame, item->index, &encoded, err);
    if (!s->journal && film->kind == PQ_FILM_FILM)
        *readable = s->now.first + encoded;
    return rc;
}

static int remember(struct pq_sink *s, const struct pq_item *item, pique_error *err)
{
    struct pq_sealed *now = &s->now;
    int64_t *pts = pq_grown(now->pts, (size_t)now->frames, &s->pts_capacity, sizeof *pts);
    if (!pts)
        return pq_fail_nomem(err, sizeof *pts);
    now->pts = pts;
    now->pts[now->frames++] = item->pts;
    now->last_duration = item->duration;
    now->unique += item->fresh;
    now->reused += !item->fresh;
    now->hash = XXH3_64bits_withSeed(&item->result->hash, sizeof item->result->hash, now->hash);
    return 0;
}

int pq_sink_put(struct pq_sink *s, struct pq_item *item, pique_error *err)
{
    struct pq_film *film = s->film;
    int rc = 0;
    int64_t readable;
    if (s->open && item->index >= s->now.first + film->segment_frames &&
        film->kind != PQ_FILM_STREAM)
        rc = seal(s, false, item->pts, err);
    if (!rc && !s->open)
        rc = begin(s, err);
    if (!rc)
        rc = await_batch(s, item, err);
    if (!rc)
        rc = put_frame(s, item, &readable, err);
    if (!rc)
        rc = remember(s, item, err);
    if (rc)
        return rc;
    s->next = item->index + 1;
    film->report.frames++;
    film->report.unique += item->fresh;
    film->report.reused += !item->fresh;
    tell_saved(s, readable, item->batch_ends);
    tell_frames(s);
    return 0;
}

static int end_stream(struct pq_sink *s, pique_error *err)
{
    struct pq_film *film = s->film;
    int rc = film->writer->end(film->writer, err);
    if (!rc && s->file.fd >= 0)
        rc = pq_file_commit(&s->file, film->options.overwrite, err);
    return rc;
}

int pq_sink_end(struct pq_sink *s, pique_error *err)
{
    if (!s->open)
        return 0;
    int rc = s->film->kind == PQ_FILM_STREAM ? end_stream(s, err) : 0;
    return rc ? rc : seal(s, true, 0, err);
}

void pq_sink_close(struct pq_sink **sink)
{
    struct pq_sink *s = *sink;
    *sink = NULL;
    if (!s)
        return;
    if (s->open && s->film->writer)
        s->film->writer->abandon(s->film->writer);
    close_journal(s);
    pq_file_close(&s->file);
    pq_sealed_free(&s->now);
    pq_free(s->waiting);
    pq_free(s);
}
