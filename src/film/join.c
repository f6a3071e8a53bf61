/* SPDX-License-Identifier: MIT */
#include "film/join.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/folder.h"

int pq_sealed_read(const struct pq_job *job, bool with_files, struct pq_sealed_list *out,
                   pique_error *err)
{
    *out = (struct pq_sealed_list){0};
    while (!out->whole) {
        struct pq_sealed *grown =
            pq_grown(out->list, (size_t)out->count, &out->capacity, sizeof *grown);
        bool there;
        if (!grown)
            return pq_fail_nomem(err, sizeof *grown);
        out->list = grown;
        int rc = pq_job_sealed(job, out->count, with_files, &grown[out->count], &there, err);
        if (rc || !there)
            return rc;
        if (grown[out->count].first != out->frames) { /* of other segments than ours */
            pq_sealed_free(&grown[out->count]);
            return 0;
        }
        out->frames += grown[out->count].frames;
        out->whole = grown[out->count++].last;
    }
    return 0;
}

void pq_sealed_list_free(struct pq_sealed_list *list)
{
    for (int i = 0; i < list->count; i++)
        pq_sealed_free(&list->list[i]);
    pq_free(list->list);
    *list = (struct pq_sealed_list){0};
}

/* The files and the times of all frames, which `join` then names. */
struct parts {
    char **files;
    int count;
    int64_t *pts;
};

static int gather(const struct pq_job *job, const struct pq_sealed_list *sealed, struct parts *p,
                  pique_error *err)
{
    int64_t at = 0;
    p->files = pq_calloc((size_t)sealed->count, sizeof *p->files);
    p->pts = pq_calloc((size_t)sealed->frames, sizeof *p->pts);
    if (!p->files || !p->pts)
        return pq_fail_nomem(err, (size_t)sealed->frames * sizeof *p->pts);
    for (; p->count < sealed->count; p->count++) {
        const struct pq_sealed *s = &sealed->list[p->count];
        p->files[p->count] = pq_job_segment(job, p->count, ".mkv");
        if (!p->files[p->count])
            return pq_fail_nomem(err, 64);
        memcpy(p->pts + at, s->pts, (size_t)s->frames * sizeof *s->pts);
        at += s->frames;
    }
    return 0;
}

static void release(struct parts *p)
{
    for (int i = 0; p->files && i < p->count; i++)
        pq_free(p->files[i]);
    pq_free(p->files);
    pq_free(p->pts);
}

static int write_film(const struct pq_video_io *io, const struct pq_job *job,
                      struct pq_film_join *join, const char *dst, bool overwrite, bool mark,
                      uint64_t *bytes, pique_error *err)
{
    struct pq_file out;
    struct pq_film_joined joined;
    int rc = pq_file_create(dst, overwrite, &out, err);
    if (rc)
        return rc;
    join->out = &out;
    rc = io->join(join, &joined, err);
    if (!rc && joined.frames != join->frames)
        rc = pq_fail(err, PIQUE_EINTERNAL, "%s: %" PRId64 " frames were joined of %" PRId64, dst,
                     joined.frames, join->frames);
    if (!rc && bytes)
        *bytes = (uint64_t)PQ_MAX(pq_file_size(&out), 0);
    if (!rc && mark)
        rc = pq_job_mark_joined(job, out.temp_path, err);
    if (!rc)
        return pq_file_commit(&out, overwrite, err);
    pq_file_close(&out);
    return rc;
}

int pq_join_film(const struct pq_video_io *io, const struct pq_job *job,
                 const struct pq_sealed_list *sealed, struct pq_film_join *join, const char *dst,
                 bool overwrite, bool mark, uint64_t *bytes, pique_error *err)
{
    struct parts parts = {0};
    if (sealed->count == 0)
        return pq_fail(err, PIQUE_ENOENT, "%s: no stretch of the film is finished yet", dst);
    int rc = gather(job, sealed, &parts, err);
    join->name = dst;
    join->segments = parts.files;
    join->count = (size_t)sealed->count;
    join->pts = parts.pts;
    join->frames = sealed->frames;
    join->last_duration = sealed->list[sealed->count - 1].last_duration;
    join->partial = !sealed->whole;
    if (!rc)
        rc = write_film(io, job, join, dst, overwrite, mark, bytes, err);
    release(&parts);
    return rc;
}
