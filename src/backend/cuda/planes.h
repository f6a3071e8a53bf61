/* SPDX-License-Identifier: MIT */
/* Pictures on their way in and out, plane by plane: where the samples of a step lie in a slot, and
 * the way between there and the host's pictures. */
#pragma once

#include "backend/cuda/space.h"

/* The samples of a step in a slot: frame by frame, row by row, without anything in between. */
struct cuda_plane {
    size_t at;         /* bytes from the beginning of the slot's part */
    size_t row, frame; /* samples from one to the next */
    int across, down;  /* samples a pixel */
    int first;         /* channel */
};

static inline size_t cuda_sample_bytes(const struct pq_sample_layout *layout)
{
    return layout->depth > 8 ? 2 : 1;
}

/* Where planes lie for steps of up to `rows` rows of a tensor of this width, and what they take
 * together in floats; false where that is more than a size_t. planes may be NULL. */
bool cuda_planes_of(const struct pq_sample_layout *layout, int64_t width, int64_t rows, int frames,
                    struct cuda_plane planes[PQ_SAMPLE_PLANES], size_t *floats);

/* Rows of a step between the host's pictures and a slot, shared out to the threads. */
struct cuda_carrying {
    const struct pq_sample_layout *layout;
    const struct pq_picture *pictures; /* one a frame */
    unsigned char *slot;               /* of so many rows: */
    int64_t width, slot_rows;
    int frames;
    int64_t y0, y1; /* of the tensor */
    bool out;       /* to the pictures */
};
void cuda_carry(struct pq_pool *pool, const struct cuda_carrying *carrying);
