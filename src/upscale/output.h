/* SPDX-License-Identifier: MIT */
/* The end of a chain: float rows become the samples of a picture and go into a sink.
 *
 * Samples are rounded as samples.h says. Grey is the BT.601 luma of the colours. Alpha is
 * the fourth plane, or full where the chain has none. */
#pragma once

#include <stdint.h>

#include "base/pool.h"
#include "upscale/rows.h"
#include "upscale/stage.h"

struct pq_output;

/* format: of the picture to write; its size is the chain's, where there is one: NULL for rows that
 * are put. Borrows chain, sink and pool. */
int pq_output_new(struct pq_stage *chain, const struct pq_picture_format *format,
                  struct pq_row_sink *sink, struct pq_pool *pool, struct pq_output **out,
                  pique_error *err);
void pq_output_free(struct pq_output **output);

/* Compute and write the next rows. *done counts all rows written so far. */
int pq_output_step(struct pq_output *output, int *done, pique_error *err);
/* The next rows as samples of the format, where there is no chain. */
int pq_output_put(struct pq_output *output, int rows, const void *data, pique_error *err);
/* XXH3-64 over all samples written so far. */
uint64_t pq_output_hash(const struct pq_output *output);
