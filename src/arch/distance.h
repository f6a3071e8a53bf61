/* SPDX-License-Identifier: MIT */
/* The table of biases that goes by the distance of two pixels. */
#pragma once

#include "arch/parts.h"

/* Rows of a table of position biases, (2h - 1)(2w - 1) of them: query (qy, qx) and key (ky, kx) of
 * a window of h x w pixels use row (qy - ky + h-1) (2w-1) + (qx - kx + w-1). For struct
 * pq_attention; the graph owns it. NULL, with a sentence, out of memory or beyond PQ_MAX_WINDOW. */
const int32_t *pq_distance_index(struct pq_parts *p, int height, int width);
