/* SPDX-License-Identifier: MIT */
/* How a film lies in its frames: turned by a quarter, a half or three, or mirrored. Pictures are
 * turned, not frames, so that chroma keeps its place. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "upscale/frames.h"

struct pq_turn {
    bool swap;           /* first rows become columns */
    bool flip_x, flip_y; /* then of the picture as seen */
};

/* From a display matrix as ISO 14496-12 6.2.2 defines it; false where it is none of the eight. */
bool pq_turn_of(const int32_t matrix[9], struct pq_turn *out);
bool pq_turn_is_none(struct pq_turn turn);
/* Degrees clockwise, after which a mirror may follow. */
int pq_turn_degrees(struct pq_turn turn);

/* A piece of what is seen as one of what is stored; width and height are those seen. */
struct pq_piece {
    int x, y, width, height;
};
struct pq_piece pq_turn_back(struct pq_turn turn, struct pq_piece seen, int width, int height);

/* All of `in` into `out`, which has its size, turned. */
void pq_turn_image(struct pq_turn turn, const struct pq_image *in, struct pq_image *out);
