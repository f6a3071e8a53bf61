/* SPDX-License-Identifier: MIT */
/* Inputs that are pictures, on several devices at the same time. What becomes of them is told in
 * their order, as if one device had done them one after the other. */
#pragma once

#include "cli/chain.h"
#include "cli/files.h"
#include "option/option.h"

enum { PQ_TO_DO = 0 }; /* of a fate: it is to be computed */

/* What it needs of the run; everything is borrowed for the call. Functions are called one at a
 * time. */
struct pq_stretch_of {
    const struct pq_inputs *inputs;
    const struct pq_options *options;
    const struct pq_chain *chain;
    const pique_picture_options *picture;
    const pique_cancel *cancel;
    bool makes_folders; /* outputs lie in folders that may have to be made */
    void *context;
    bool (*ready)(void *context, const struct pq_input *input); /* as pq_batch_alike() wants it */
    /* What becomes of an input without computing, and to tell that. */
    int (*fate)(void *context, const struct pq_input *input);
    void (*tell_fate)(void *context, const struct pq_input *input, int fate);
    /* Inputs that went together; how many of them were left because the run was interrupted. */
    size_t (*tell_batch)(void *context, size_t first, size_t count,
                         const pique_picture_item *items);
};

/* Pictures from number `first` on, as far as they reach. *done: how many inputs that is, 0: they
 * are better done one after the other. *left: of them, because the run was interrupted.
 * @return 0; PIQUE_ENOMEM. */
int pq_stretch_upscale(const struct pq_stretch_of *of, size_t first, size_t *done, size_t *left,
                       pique_error *err);
