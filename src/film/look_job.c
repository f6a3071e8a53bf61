/* SPDX-License-Identifier: MIT */
/* Looking at a film that is being made, while another process makes it (film/job.h): the segment
 * that has the frame is opened as the film that it is. The time of a frame in it is its number in
 * milliseconds, so whether a frame is there is told by what comes, and a frame that is not there
 * yet is PIQUE_ENOENT. Files get other names and vanish meanwhile; each is tried in the order in
 * which a segment has them.
 *
 * A folder without a job is one of numbered pictures: number 1 is frame 0. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "base/sequence.h"
#include "base/str.h"
#include "film/job.h"
#include "film/look.h"

/* ---- segments ---- */

/* A file that has the frame, or may have it: a segment or a journal. *done where it had. What
 * cannot be read is one that just begins, or is cut off. */
static int try_file(const struct pq_look *l, const char *path, bool *done, pique_error *err)
{
    const struct pq_film_read read = {.path = path, .alpha = true};
    const int64_t index = l->options->frame;
    struct pq_film_source *source;
    struct pq_frame *frame = NULL;
    pique_error why;
    if (!path)
        return pq_fail_nomem(err, 64);
    if (!pq_exists(path))
        return 0;
    int rc = l->films->open_source(&read, &source, &why);
    if (rc)
        return rc == PIQUE_ENOMEM ? pq_fail(err, rc, "%s", why.message) : 0;
    if (source->facts.time_base.den == 1000 * source->facts.time_base.num)
        rc = source->show(source, index, true, &frame, &why);
    *done = !rc && frame && frame->pts == index;
    if (rc == PIQUE_ENOMEM)
        pq_fail(err, rc, "%s", why.message);
    else
        rc = *done ? pq_look_at_frame(l, source, frame, err) : 0;
    l->films->frame_unref(&frame);
    source->close(source);
    return rc;
}

static int try_named(const struct pq_look *l, char *take_path, bool *done, pique_error *err)
{
    const int rc = try_file(l, take_path, done, err);
    pq_free(take_path);
    return rc;
}

static int try_journals(const struct pq_look *l, const struct pq_job *job, int segment, bool *done,
                        pique_error *err)
{
    int rc = 0;
    for (int n = 0; !rc && !*done; n++) {
        char *path = pq_job_journal(job, segment, n);
        const bool there = path && pq_exists(path);
        rc = try_named(l, path, done, err);
        if (!there)
            break;
    }
    return rc;
}

static int look_at_segment(struct pq_look *l, const struct pq_job *job, int segment,
                           pique_error *err)
{
    bool done = false;
    int rc = try_named(l, pq_job_segment(job, segment, ".mkv"), &done, err);
    if (!rc && !done)
        rc = try_named(l, pq_job_segment(job, segment, ".mkv.part"), &done, err);
    if (!rc && !done)
        rc = try_journals(l, job, segment, &done, err);
    if (!rc && !done) /* sealed since */
        rc = try_named(l, pq_job_segment(job, segment, ".mkv"), &done, err);
    if (rc || done) {
        l->report->frames = 0; /* that of the segment says nothing */
        l->report->seconds = 0;
        return rc;
    }
    return pq_fail(err, PIQUE_ENOENT, "%s: frame %lld is not there yet", l->src,
                   (long long)l->options->frame);
}

/* ---- numbered pictures ---- */

static int look_at_number(const struct pq_look *l, const char *path, pique_error *err)
{
    if (!pq_exists(path))
        return pq_fail(err, PIQUE_ENOENT, "%s: frame %lld is not there yet", l->src,
                       (long long)l->options->frame);
    return pq_look_at_picture(l, path, err);
}

/* Of a job that makes them: they lie in the folder of that name without ".job", or beside it where
 * that has a number in its name. */
static int look_at_pictures(const struct pq_look *l, const struct pq_job *job, pique_error *err)
{
    const char *said = pq_spec_get(&job->spec, "pictures"), *comma = strchr(said, ',');
    size_t n = strlen(l->src);
    while (n > 1 && l->src[n - 1] == '/')
        n--;
    if (n < 5 || memcmp(l->src + n - 4, ".job", 4) != 0 || !comma)
        return pq_fail(err, PIQUE_ENOENT, "%s: says not where its pictures are", l->src);
    char *base = pq_strndup(l->src, n - 4), *name = pq_strndup(said, (size_t)(comma - said));
    struct pq_number_place place;
    int rc = base && name ? 0 : pq_fail_nomem(err, n);
    if (!rc && (strchr(name, '/') || !pq_is_sequence(name, &place)))
        rc = pq_fail(err, PIQUE_EFORMAT, "%s: job.json is damaged", l->src);
    if (!rc) {
        char *slash = strrchr(base, '/');
        if (!pq_is_folder(base) && slash)
            *slash = '\0';
        const char *in = pq_is_folder(base) ? base : slash ? "/" : ".";
        char *path = pq_asprintf("%s/%.*s%0*lld%s", in, (int)(place.at - name), name, place.digits,
                                 (long long)l->options->frame + 1, place.at + place.length);
        rc = path ? look_at_number(l, path, err) : pq_fail_nomem(err, n);
        pq_free(path);
    }
    pq_free(base);
    pq_free(name);
    return rc;
}

struct numbered {
    long long wanted;
    char *name;
};

/* "000012.png", with at least six digits, as pique writes them. */
static int take_number(void *context, const char *name)
{
    struct numbered *n = context;
    const size_t digits = strspn(name, "0123456789");
    if (digits >= 6 && digits < 19 && name[digits] == '.' && !n->name &&
        strtoll(name, NULL, 10) == n->wanted)
        n->name = pq_strdup(name);
    return 0;
}

static int look_at_numbered(struct pq_look *l, pique_error *err)
{
    struct numbered n = {.wanted = (long long)l->options->frame + 1};
    int rc = pq_list_folder(l->src, take_number, &n, err);
    char *path = !rc && n.name ? pq_asprintf("%s/%s", l->src, n.name) : NULL;
    if (!rc && !n.name)
        rc = pq_fail(err, PIQUE_ENOENT, "%s: has no picture of number %lld", l->src, n.wanted);
    else if (!rc)
        rc = path ? look_at_number(l, path, err) : pq_fail_nomem(err, 64);
    pq_free(path);
    pq_free(n.name);
    return rc;
}

/* ---- a folder ---- */

static int look_at_job(struct pq_look *l, const struct pq_job *job, pique_error *err)
{
    const int64_t size = strtoll(pq_spec_get(&job->spec, "segment"), NULL, 10);
    if (size < 1 || l->options->frame / size > INT_MAX)
        return pq_fail(err, size < 1 ? PIQUE_EFORMAT : PIQUE_ENOENT,
                       size < 1 ? "%s: job.json is damaged" : "%s: has no such frame", l->src);
    if (*pq_spec_get(&job->spec, "container") == '\0')
        return look_at_pictures(l, job, err);
    int rc = pq_video_module(&l->films, err);
    return rc ? rc : look_at_segment(l, job, (int)(l->options->frame / size), err);
}

int pq_look_at_folder(struct pq_look *l, pique_error *err)
{
    struct pq_job job;
    if (l->options->by_time)
        return pq_fail(err, PIQUE_EINVAL, "%s: its frames have numbers and no times yet", l->src);
    char *path = pq_asprintf("%s/job.json", l->src);
    if (!path)
        return pq_fail_nomem(err, strlen(l->src) + 16);
    const bool is_job = pq_exists(path);
    pq_free(path);
    if (!is_job)
        return look_at_numbered(l, err);
    int rc = pq_job_peek(&job, l->src, err);
    if (!rc)
        rc = look_at_job(l, &job, err);
    pq_job_close(&job);
    return rc;
}
