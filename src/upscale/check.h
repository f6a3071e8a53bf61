/* SPDX-License-Identifier: MIT */
/* Never a wrong picture called done: a look at what a network returned.
 *
 * The output is cut into tiles of 64 x 64 pixels (less at the right and bottom border). Refused is
 * a value that is not a finite number, and a tile of one single colour over a piece of the input
 * that is not flat: some channel of it has a range above 16/255. Only input pixels that lie under
 * the tile count, not their neighbours: a white spot beside a black line may well come out purely
 * white. Tiles of less than 16 pixels a side are not judged flat.
 *
 * Input rows are told as they go in, output rows as they come out; kept is one pair of numbers for
 * each channel of each tile. Thread-safety: one call at a time. */
#pragma once

#include "base/error.h"
#include "base/pool.h"
#include "pique/engine.h"

struct pq_check;

struct pq_check_shape {
    int frames, in_channels, out_channels;
    int in_width, in_height, out_width, out_height;
    int each; /* frames that are one picture, for the sentence; 0 is 1 */
};

int pq_check_new(const struct pq_check_shape *shape, struct pq_pool *pool, struct pq_check **out,
                 pique_error *err);
void pq_check_free(struct pq_check **check);

/* The next `count` rows of all frames, PIQUE_SAMPLE_F32. */
int pq_check_input(struct pq_check *check, const pique_rows *rows, int count, pique_error *err);
/* PIQUE_EDEVICE with a sentence that names the rows where the result cannot be right. pass is for
 * the sentence. */
int pq_check_output(struct pq_check *check, const pique_rows *rows, int count, int pass,
                    pique_error *err);

/* The same of rows [first, end) of tiles on a device that looked itself (graph/place.h):
 * [row of tiles][column][frame][channel], from the first row on, of what lies under each tile of
 * the output and of the tiles themselves. */
struct pq_range;
int pq_check_seen(const struct pq_check_shape *shape, int64_t first, int64_t end,
                  const struct pq_range *in, const struct pq_range *out, int pass,
                  pique_error *err);
