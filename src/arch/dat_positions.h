/* SPDX-License-Identifier: MIT */
/* DAT's position biases: a small network from the distance of two pixels to a number a head. It
 * depends on the weights alone, so it runs once, when a model is opened. */
#pragma once

#include "arch/parts.h"

/* The sides of the windows of NAME: its last row of rpe_biases is the largest distance. */
int pq_dat_find_split(struct pq_parts *p, int split[2], const char *fmt, ...) PQ_FORMAT(3);

/* The table [(2 height - 1)(2 width - 1), heads] of NAME.pos over NAME.rpe_biases, which the graph
 * owns. */
int pq_dat_positions(struct pq_parts *p, int height, int width, int heads, struct pq_tensor *table,
                     const char *fmt, ...) PQ_FORMAT(6);
