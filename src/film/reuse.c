/* SPDX-License-Identifier: MIT */
#include "film/reuse.h"

#include <string.h>

#include "base/alloc.h"
#include "film/item.h"

enum { MOST_BYTES = 256 << 20 }; /* of frames that are kept */

struct anchor {
    struct pq_frame *frame;
    int64_t number;
    uint64_t hash; /* of all samples, with tolerance 0 only */
};

struct pq_reuse {
    const struct pq_video_io *io;
    int tolerance, reach;
    int count;
    struct anchor anchors[PQ_REUSE_BACK]; /* oldest first */
};

int pq_reuse_new(const struct pq_video_io *io, uint64_t frame_bytes, int tolerance,
                 struct pq_reuse **out, pique_error *err)
{
    struct pq_reuse *r = pq_calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return pq_fail_nomem(err, sizeof *r);
    const uint64_t fit = MOST_BYTES / PQ_MAX(frame_bytes, 1);
    r->io = io;
    r->tolerance = tolerance;
    r->reach = fit < 1 ? 1 : fit < PQ_REUSE_BACK ? (int)fit : PQ_REUSE_BACK;
    return 0;
}

void pq_reuse_restart(struct pq_reuse *r)
{
    for (int i = 0; i < r->count; i++)
        r->io->frame_unref(&r->anchors[i].frame);
    r->count = 0;
}

void pq_reuse_free(struct pq_reuse **reuse)
{
    if (*reuse)
        pq_reuse_restart(*reuse);
    pq_free(*reuse);
    *reuse = NULL;
}

/* ---- comparing ---- */

static bool rows_near8(const unsigned char *a, const unsigned char *b, int n, int steps)
{
    int worst = 0;
    for (int i = 0; i < n; i++) {
        const int d = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
        worst = PQ_MAX(worst, d);
    }
    return worst <= steps;
}

static bool rows_near16(const void *a, const void *b, int n, int steps)
{
    const uint16_t *p = a, *q = b;
    int worst = 0;
    for (int i = 0; i < n; i++) {
        const int d = p[i] > q[i] ? p[i] - q[i] : q[i] - p[i];
        worst = PQ_MAX(worst, d);
    }
    return worst <= steps;
}

static bool planes_alike(const struct pq_frame_plane *a, const struct pq_frame_plane *b, int depth,
                         int steps)
{
    if (a->rows != b->rows || a->row_bytes != b->row_bytes)
        return false;
    for (int y = 0; y < a->rows; y++) {
        const unsigned char *p = a->data + y * a->stride, *q = b->data + y * b->stride;
        const int n = a->row_bytes;
        if (steps == 0   ? memcmp(p, q, (size_t)n) != 0
            : depth <= 8 ? !rows_near8(p, q, n, steps)
                         : !rows_near16(p, q, n / 2, steps))
            return false;
    }
    return true;
}

bool pq_frames_alike(const struct pq_frame *a, const struct pq_frame *b, int steps)
{
    bool alike = a->planes == b->planes && a->depth == b->depth && a->width == b->width &&
                 a->height == b->height;
    for (int p = 0; alike && p < a->planes; p++)
        alike = planes_alike(&a->plane[p], &b->plane[p], a->depth, steps);
    return alike;
}

int64_t pq_reuse_find(struct pq_reuse *r, const struct pq_frame *frame)
{
    const uint64_t hash = r->tolerance ? 0 : pq_frame_hash(frame);
    const int steps = r->tolerance << PQ_MAX(frame->depth - 8, 0);
    for (int i = r->count - 1; i >= 0; i--) {
        const struct anchor *a = &r->anchors[i];
        if (a->hash == hash && pq_frames_alike(a->frame, frame, steps))
            return a->number;
    }
    return -1;
}

int pq_reuse_add(struct pq_reuse *r, struct pq_frame *frame, int64_t number, int64_t *forgotten,
                 pique_error *err)
{
    struct anchor a = {r->io->frame_ref(frame), number, r->tolerance ? 0 : pq_frame_hash(frame)};
    *forgotten = -1;
    if (!a.frame)
        return pq_fail_nomem(err, sizeof a);
    if (r->count == r->reach) {
        *forgotten = r->anchors[0].number;
        r->io->frame_unref(&r->anchors[0].frame);
        memmove(r->anchors, r->anchors + 1, sizeof a * (size_t)(r->count - 1));
        r->count--;
    }
    r->anchors[r->count++] = a;
    return 0;
}
