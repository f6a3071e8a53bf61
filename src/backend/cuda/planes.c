/* SPDX-License-Identifier: MIT */
#include "backend/cuda/planes.h"

#include <string.h>

#include "base/alloc.h"

enum { ALIGN = 256 }; /* bytes */

bool cuda_planes_of(const struct pq_sample_layout *layout, int64_t width, int64_t rows, int frames,
                    struct cuda_plane planes[PQ_SAMPLE_PLANES], size_t *floats)
{
    size_t at = 0;
    int channel = 0;
    for (int p = 0; p < layout->planes; p++) {
        const struct pq_sample_plane *s = &layout->plane[p];
        struct cuda_plane q = {.at = at, .across = s->across, .down = s->down, .first = channel};
        size_t bytes;
        if (!pq_mul_size((size_t)width, (size_t)s->across, &q.row) ||
            !pq_mul_size(q.row, (size_t)rows * (size_t)s->down, &q.frame) ||
            !pq_mul_size(q.frame, (size_t)frames * cuda_sample_bytes(layout), &bytes) ||
            !pq_add_size(bytes, ALIGN - 1, &bytes) || !pq_add_size(at, bytes / ALIGN * ALIGN, &at))
            return false;
        channel += s->across * s->down;
        if (planes)
            planes[p] = q;
    }
    *floats = at / sizeof(float);
    return true;
}

/* A row into the slot, its last sample repeated to the width that the graph works on. */
static void fill_row(unsigned char *to, const unsigned char *from, size_t have, size_t want,
                     size_t bytes)
{
    have = PQ_MIN(have, want);
    memcpy(to, from, have * bytes);
    for (size_t x = have; x < want; x++)
        memcpy(to + x * bytes, from + (have - 1) * bytes, bytes);
}

struct carrying {
    const struct cuda_carrying *c;
    struct cuda_plane planes[PQ_SAMPLE_PLANES];
};

/* All rows of one plane that belong to one row of the tensor. */
static void carry_plane(const struct carrying *k, int p, int frame, int64_t y)
{
    const struct cuda_carrying *c = k->c;
    const struct cuda_plane *plane = &k->planes[p];
    const struct pq_sample_plane *s = &c->layout->plane[p];
    const struct pq_picture *picture = &c->pictures[frame];
    const size_t bytes = cuda_sample_bytes(c->layout);
    for (int dy = 0; dy < plane->down; dy++) {
        const int64_t row = y * plane->down + dy, in_slot = (y - c->y0) * plane->down + dy;
        unsigned char *slot = c->slot + plane->at +
                              ((size_t)frame * plane->frame + (size_t)in_slot * plane->row) * bytes;
        const int64_t place = PQ_MIN(row, s->height - 1) - picture->first * plane->down;
        unsigned char *theirs = (unsigned char *)picture->data[p] + place * picture->stride[p];
        if (!c->out)
            fill_row(slot, theirs, (size_t)s->width, plane->row, bytes);
        else if (row < s->height)
            memcpy(theirs, slot, PQ_MIN((size_t)s->width, plane->row) * bytes);
    }
}

static void carry_row(void *context, int index, int worker)
{
    (void)worker;
    const struct carrying *k = context;
    const int rows = (int)(k->c->y1 - k->c->y0);
    for (int p = 0; p < k->c->layout->planes; p++)
        carry_plane(k, p, index / rows, k->c->y0 + index % rows);
}

void cuda_carry(struct pq_pool *pool, const struct cuda_carrying *c)
{
    struct carrying k = {.c = c};
    size_t floats;
    cuda_planes_of(c->layout, c->width, c->slot_rows, c->frames, k.planes, &floats);
    pq_pool_run(pool, c->frames * (int)(c->y1 - c->y0), carry_row, &k);
}
