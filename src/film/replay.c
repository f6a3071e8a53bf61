/* SPDX-License-Identifier: MIT */
#include "film/replay.h"

#include "base/alloc.h"
#include "base/file.h"

struct pq_replay {
    struct pq_film *film;
    int segment, number; /* of the journal that is open */
    struct pq_film_journal *journal;
    struct pq_frame *frame; /* the next one, where there is one */
    int64_t index;
    int64_t taken;
};

/* The next frame of all journals into r->frame, which is NULL behind the last. */
static int advance(struct pq_replay *r, pique_error *err)
{
    const struct pq_video_io *io = r->film->io;
    int rc = 0;
    while (!rc && !r->frame) {
        if (!r->journal) {
            char *path = pq_job_journal(&r->film->job, r->segment, r->number);
            if (!path)
                return pq_fail_nomem(err, 64);
            const bool there = pq_exists(path);
            if (there)
                rc = io->read_journal(r->film->writer, path, &r->journal, err);
            pq_free(path);
            if (!there || rc == PIQUE_EFORMAT) { /* one that was killed before its first frame */
                rc = 0;
                r->journal = NULL;
            }
            if (!there)
                return 0;
            r->number++;
        }
        if (!rc && r->journal)
            rc = r->journal->next(r->journal, &r->frame, &r->index, err);
        if (!rc && r->journal && !r->frame) {
            r->journal->close(r->journal);
            r->journal = NULL;
        }
    }
    return rc;
}

int pq_replay_open(struct pq_film *film, int segment, struct pq_replay **out, pique_error *err)
{
    struct pq_replay *r = pq_calloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return pq_fail_nomem(err, sizeof *r);
    r->film = film;
    r->segment = segment;
    int rc = advance(r, err);
    if (!rc && r->frame)
        *out = r;
    else
        pq_replay_close(&r);
    return rc;
}

void pq_replay_close(struct pq_replay **replay)
{
    struct pq_replay *r = *replay;
    *replay = NULL;
    if (!r)
        return;
    if (r->journal)
        r->journal->close(r->journal);
    r->film->io->frame_unref(&r->frame);
    pq_free(r);
}

int pq_replay_find(struct pq_replay *r, int64_t index, struct pq_frame **out, pique_error *err)
{
    int rc = 0;
    *out = NULL;
    while (!rc && r->frame && r->index < index) {
        r->film->io->frame_unref(&r->frame);
        rc = advance(r, err);
    }
    if (rc || !r->frame || r->index != index)
        return rc;
    *out = r->frame;
    r->frame = NULL;
    r->taken++;
    return advance(r, err);
}

int64_t pq_replay_taken(const struct pq_replay *replay)
{
    return replay->taken;
}
