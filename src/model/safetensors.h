/* SPDX-License-Identifier: MIT */
/* Reader for .safetensors files. */
#pragma once

#include "model/statedict.h"

/* Read sd->map, which is open, into sd. On failure the caller frees sd all the same. */
int pq_safetensors_read(struct pq_statedict *sd, pique_error *err);
