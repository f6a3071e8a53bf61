/* SPDX-License-Identifier: MIT */
/* The memory of a run on the device, its streams and what ties them together. It is made once for a
 * size and is used again by the next batch of that size, so that a film allocates nothing after its
 * first batch.
 *
 *     host rows -> slot.in | in stream  | device slot -> map of the input ...      | compute stream
 *     host rows <- slot.out | out stream | device slot <- map of the result ...     |
 *
 * Everything about a batch is ordered on these three streams, and the host reads rows only after
 * the event behind their copy:
 *
 *     in:       copy in ....... record `in`
 *     compute:  wait `in` ..... kernels ....... record `computed`
 *     out:      wait `computed`  copy out ..... record `done`
 *     host:     synchronise `done`, read slot.out; then the slot is free for the next step
 *
 * Nothing else needs an event: a slot is not used again before the host has waited for its `done`,
 * and everything in between is on one stream, or behind one of the two other events.
 *
 * Two runs may share a space, one behind the other: when all steps of the first are enqueued, those
 * of the second go on in the slots that become free. Their kernels come after those of the first on
 * the same stream, so they may have its maps; what the host still reads, or wrote for the
 * device, lies apart (struct cuda_side).
 *
 *     slot     0   1   2   3   0   1   2   3   0
 *     step of  A6  A7  A8  A9  B1  B2  B3  B4  B5    B1 is enqueued when A6 has been handed out
 */
#pragma once

#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/program.h"

enum {
    CUDA_SLOTS = 4,  /* steps in flight */
    CUDA_SIDES = 2,  /* runs in a space */
    CUDA_GRAPHS = 64 /* steps of a picture whose launches are kept as a graph */
};

/* The rows of one step on their way in and out: floats, or planes of samples (planes.h). */
struct cuda_slot {
    float *in, *out; /* pinned */
    cuda_ptr device_in, device_out;
    cuda_event arrived, computed, done;
};

/* What a run has for itself. */
struct cuda_side {
    bool taken;
    float *pinned_given;
    cuda_ptr seen; /* of all passes (watch.h) */
    float *pinned_seen;
    cuda_graph_exec graphs[CUDA_GRAPHS]; /* what is computed in a step */
};

struct cuda_space {
    struct pq_geometry geometry;
    cuda_ptr arena;        /* all maps, the scratch, statistics that are given, the slots, and what
                              is seen */
    float *pinned;         /* slots, statistics that are given, and what is seen */
    struct cuda_map *maps; /* one an operation */
    int64_t *after;        /* where each operation stands after the step that is enqueued */
    cuda_ptr scratch;
    size_t scratch_floats;
    cuda_ptr given;
    size_t seen_floats; /* of a side */
    int slots;
    int64_t issued, finished; /* steps enqueued, and handed out, of both runs */
    struct cuda_side side[CUDA_SIDES];
    struct cuda_slot slot[CUDA_SLOTS];
    cuda_stream in, compute, out;
    bool failed; /* nobody knows what its streams still do */
};

/* Floats, to the next cache line, of a statistic that is given. */
static inline size_t cuda_given_floats(const struct pq_op *op, int frames)
{
    return ((size_t)op->channels * (size_t)frames + 63) / 64 * 64;
}

/* Bytes on the device. */
int cuda_space_bytes(const struct cuda_program *program, const struct pq_geometry *geometry,
                     const struct pq_line *lines, size_t *bytes, pique_error *err);
/* One of this size that waits, or a new one; PIQUE_ENOMEM where the device has no room for it. */
int cuda_space_take(struct cuda_program *program, const struct pq_geometry *geometry,
                    const struct pq_line *lines, struct cuda_space **out, pique_error *err);
/* Keep it for the next batch, or free it where it failed. */
void cuda_space_give_back(struct cuda_program *program, struct cuda_space *space);
void cuda_space_free(const struct cuda_program *program, struct cuda_space **space);
