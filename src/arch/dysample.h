/* SPDX-License-Identifier: MIT */
/* DySample (Liu et al., "Learning to Upsample by Learning to Sample", 2023), which several families
 * end with. */
#pragma once

#include "arch/parts.h"

/* Enlarge x by scale and bring it to `channels`:
 *
 *     offset = STEM.offset(x) sigmoid(STEM.scope(x)) / 2 + STEM.init_pos
 *     sample x there (PQ_OP_DYSAMPLE), then STEM.end_conv, 1x1, where there is one
 *
 * Offsets have no bound, so every pixel may depend on the whole picture. */
int pq_dysample_add(struct pq_parts *p, int x, int channels, int scale, const char *stem);

bool pq_dysample_has(const struct pq_parts *p, const char *stem);
/* The scale that STEM.offset tells where its groups are four, as they are in the networks whose
 * files tell it in no other way. */
int pq_dysample_scale(const struct pq_parts *p, const char *stem);
