/* SPDX-License-Identifier: MIT */
/* Where a picture has most detail. */
#pragma once

#include "upscale/stage.h"

/* The piece of width x height, not larger than the picture, with the largest sum of squared steps
 * of the luma to the right and down, among those whose corner lies on a grid of 16 pixels (more
 * where a side is above 8192) or at the far border. The first of equal ones, from the top left.
 * Reads all of `stage`, which stays open. */
int pq_detail_find(struct pq_stage *stage, int width, int height, int *x, int *y, pique_error *err);
