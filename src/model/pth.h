/* SPDX-License-Identifier: MIT */
/* Reader for what torch.save() writes: .pth, .pt, .ckpt, as a zip archive or in the older form. */
#pragma once

#include "model/statedict.h"

/* Read sd->map, which is open, into sd. Besides simple values that stood beside the tensors, the
 * metadata tells under "tensors left out" those whose type cannot be read. On failure the caller
 * frees sd all the same. */
int pq_pth_read(struct pq_statedict *sd, pique_error *err);
