/* SPDX-License-Identifier: MIT */
#include "upscale/turned.h"

#include "base/alloc.h"

struct turned {
    struct pq_stage stage;
    struct pq_planes picture;
    int turn;
    int y; /* next row to yield */
};

static int turned_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    (void)err;
    struct turned *t = (struct turned *)stage;
    const struct pq_planes *p = &t->picture;
    const size_t planes = (size_t)stage->planes;
    for (const int end = t->y + rows; t->y < end; t->y++) {
        for (int x = 0; x < stage->width; x++, data += planes) {
            const size_t at = pq_turned_place(t->turn, p->width, p->height, x, t->y) * planes;
            for (size_t c = 0; c < planes; c++)
                data[c] = p->data[at + c];
        }
    }
    return 0;
}

static void turned_close(struct pq_stage *stage)
{
    pq_free(stage);
}

int pq_turned_stage(const struct pq_planes *picture, int turn, struct pq_stage **out,
                    pique_error *err)
{
    struct turned *t = pq_calloc(1, sizeof *t);
    if (!t)
        return pq_fail_nomem(err, sizeof *t);
    const bool side = turn & PQ_TRANSPOSE;
    t->stage = (struct pq_stage){.width = side ? picture->height : picture->width,
                                 .height = side ? picture->width : picture->height,
                                 .planes = picture->planes,
                                 .allocator = picture->allocator,
                                 .read = turned_read,
                                 .close = turned_close};
    t->picture = *picture;
    t->turn = turn;
    *out = &t->stage;
    return 0;
}
