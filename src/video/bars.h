/* SPDX-License-Identifier: MIT */
/* Black bars around a film. */
#pragma once

#include "upscale/frames.h"
#include "video/turn.h"

/* What is not black in the pictures that were looked at; starts all zero. */
struct pq_bars {
    int left, top, right, bottom; /* right and bottom are exclusive */
    int pictures;                 /* that were not black altogether */
    int width, height;
};

void pq_bars_look(struct pq_bars *bars, const struct pq_image *image);
/* The piece inside of the bars, of even sides and corners; false where there are no bars. */
bool pq_bars_found(const struct pq_bars *bars, struct pq_piece *piece);
