/* SPDX-License-Identifier: MIT */
/* The graph that pictures go through on a device which takes them whole (framed.h). */
#pragma once

#include "upscale/check.h"
#include "upscale/frames.h"
#include "upscale/plan.h"

/* A picture of a network's batch, where stages have a batch: alpha is one of its own. */
struct pq_framed_look {
    int pass;
    struct pq_check_shape shape; /* but for frames */
};

struct pq_framed_graph {
    struct pq_graph *graph;
    int width, height; /* of its input: places, where luma and chroma come in */
    int looks;         /* i is number i + 1 of what the device looks at */
    struct pq_framed_look look[4 * PQ_MAX_PASSES];
};

/* Whether a network is one for pictures: from 1 channel to 1, from 3 to 3 or from 4 to 4. */
bool pq_framed_takes(const struct pq_graph *network);

/* setup: what comes in, of 1 to 4 planes, grey or R, G and B, and alpha; plan and out as
 * pq_framed_open(). interleaved: so lie the samples of both ends, else plane by plane. Whatever is
 * returned, pq_graph_free() the graph. */
int pq_framed_build(const struct pq_frames_setup *setup, const struct pq_plan *plan,
                    const struct pq_image *out, bool interleaved, struct pq_framed_graph *made,
                    pique_error *err);
