/* SPDX-License-Identifier: MIT */
/* The stages between a picture and the network, in the order in which a pixel meets them:
 *
 *     source -> resize (pre-downscale) -> bleed (alpha) -> network or tta, once a pass
 *            -> resize (exact size) -> effects -> output (output.h)
 *
 * Each function puts a stage behind *chain, which it replaces; on failure *chain stays as it was,
 * and the caller closes it. Closing the last stage closes all. Engine and pool are borrowed as long
 * as the chain lives. Sums are taken in a fixed order, so bits depend neither on how many rows are
 * asked for at a time nor on threads. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "graph/graph.h"
#include "pique/engine.h"
#include "upscale/engine.h"
#include "upscale/rows.h"
#include "upscale/size.h"
#include "upscale/stage.h"

/* The picture as float rows: v * float(1/255) or v * float(1/65535); grey is repeated as R, G and
 * B. alpha: KEEP yields four planes where the picture has alpha; FLATTEN composes over
 * `background` (R, G, B, 8 bit). The source is borrowed and not closed. *chain must be NULL.
 * allocator: of the whole chain, borrowed as long as it lives; may be NULL. */
int pq_source_stage(struct pq_stage **chain, struct pq_row_source *source, enum pique_alpha alpha,
                    const unsigned char background[3], const pique_allocator *allocator,
                    pique_error *err);
/* Whether a sample of alpha below its maximum was read so far, whatever became of it. */
bool pq_source_stage_transparent(const struct pq_stage *source_stage);

/* Fill the colours of invisible pixels from visible ones. Needs four planes. */
int pq_bleed_stage(struct pq_stage **chain, pique_error *err);

/* How far the work is: rows done of all rows that some stage computes. */
struct pq_tally {
    pique_engine *engine; /* whose listener is told */
    bool silent;          /* nobody is */
    uint64_t done, total;
};
static inline void pq_tally_add(struct pq_tally *tally, int rows)
{
    tally->done += (uint64_t)rows;
    if (!tally->silent)
        pq_engine_progress(tally->engine, tally->done, tally->total);
}

/* One run of a picture through an engine's network. */
struct pq_pass {
    pique_engine *engine;
    uint64_t memory_bytes; /* budget of its line buffers */
    int number;            /* from 1, for messages */
    bool unclipped;
    bool sampled;                 /* the statistics of the network are given, */
    const struct pq_given *given; /* borrowed; NULL for a stage that only tells its size */
    struct pq_tally *tally; /* borrowed; of a network that yields its rows only in the end the work
                               before is added. NULL: not told */
};
/* Colours and alpha come out clipped to 0..1, but where it is said otherwise: no network has
 * learned from other values, and a picture that is written after one pass is clipped there anyway.
 */
int pq_network_stage_of(struct pq_stage **chain, const struct pq_pass *pass, pique_error *err);
/* The same for 1 .. PQ_MAX_BATCH pictures of one size and as many planes, each with a chain of its
 * own, in one inference. Their chains may be read in any order, but rows of one wait in memory
 * while another is far ahead. A picture's bits depend neither on its place nor on the others. */
int pq_network_stages(struct pq_stage **chains, int count, const struct pq_pass *pass,
                      pique_error *err);
int pq_network_stage(struct pq_stage **chain, pique_engine *engine, uint64_t memory_bytes, int pass,
                     pique_error *err);
/* What the statistics of the network came to in a network stage from which all rows have been read;
 * pq_stream_free_given() them. */
int pq_network_statistics(const struct pq_stage *stage, struct pq_given **out, pique_error *err);
/* How many pictures of the engine's batch one picture takes for a model of so many input channels.
 */
int pq_network_frames(int in_channels, bool alpha);

/* One pass as the mean over the eight flips and turns of the picture. Keeps all of its input and
 * then all of its output; what lies before it is closed when it has been read. tally: borrowed,
 * gets the rows of all eight added to its total, and to what is done as they are. */
int pq_tta_stage(struct pq_stage **chain, const struct pq_pass *pass, pique_error *err);
/* The same for several pictures, as pq_network_stages(): each of the eight runs is one inference.
 */
int pq_tta_stages(struct pq_stage **chains, int count, const struct pq_pass *pass,
                  pique_error *err);
/* One pass of a network with statistics over the whole picture for which whole maps cannot be kept:
 * the statistics are those of a sample of the picture, which is put together of pieces from all
 * over it. That is an approximation, and is said before and behind. Keeps all of its input. */
int pq_sampled_stage(struct pq_stage **chain, const struct pq_pass *pass, pique_error *err);

/* The pass as it was asked for, of 1 .. PQ_MAX_BATCH pictures: pq_tta_stages(), or
 * pq_network_stages(), and where that says PIQUE_ENOSPC for a picture alone, pq_sampled_stage().
 * *approximate is set where the last was needed. */
int pq_pass_stages(struct pq_stage **chains, int count, const struct pq_pass *pass, bool tta,
                   bool *approximate, pique_error *err);

/* The most that such stages, one a pass, keep of whole pictures at a time; UINT64_MAX on overflow.
 */
uint64_t pq_tta_bytes(const struct pq_size *size, int planes);

/* Lanczos-3 to exactly width x height, clipped to 0..1. pool: rows are shared out; NULL: none. */
int pq_resize_stage(struct pq_stage **chain, int width, int height, struct pq_pool *pool,
                    pique_error *err);
/* Bytes that such a stage takes; UINT64_MAX on overflow. */
uint64_t pq_resize_bytes(int in_width, int in_height, int planes, int width, int height);

/* What happens after the last resize. */
struct pq_effects {
    struct pq_touch touch;
    float mean; /* luma about which contrast turns (survey.h) */
};
static inline bool pq_has_effect(const struct pq_effects *e)
{
    return e->touch.sharpen != 0 || e->touch.contrast != 1 || e->touch.saturation != 1;
}
int pq_effects_stage(struct pq_stage **chain, const struct pq_effects *effects,
                     struct pq_pool *pool, pique_error *err);
