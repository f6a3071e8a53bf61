/* SPDX-License-Identifier: MIT */
/* The two U-Nets, one behind another, of waifu2x (cunet, upcunet) and Real-CUGAN. */
#pragma once

#include "arch/parts.h"

/* The first U-Net enlarges by 1, 2 or 3 and yields `between` channels, as does the second, which is
 * added to it. No layer pads: by how much `x` must be larger than what is wanted, and of what its
 * size must be a multiple, the callers know. clip: what lies between the two goes into 0 .. 1. */
int pq_unet_add(struct pq_parts *p, int x, int scale, int between, bool clip);

/* By how much the first U-Net of a file enlarges, by the kernel of its last layer; else a status
 * with a sentence. */
int pq_unet_scale(const struct pq_parts *p);

/* Leaky ReLU as all these networks have it. */
int pq_unet_leaky(struct pq_parts *p, int x);
/* NAME: a 3x3 convolution without padding, any number of outputs. */
int pq_unet_conv(struct pq_parts *p, int x, const char *name);
