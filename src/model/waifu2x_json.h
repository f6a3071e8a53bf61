/* SPDX-License-Identifier: MIT */
/* Reader for the first waifu2x models: layers as JSON. */
#pragma once

#include "model/statedict.h"

/* Read sd->map, which is open, into sd: layer i becomes "net.2i.weight" and "net.2i.bias", as nunif
 * names them. Metadata "enlarge first" is "2" where the picture is to be enlarged before. On
 * failure the caller frees sd all the same. */
int pq_waifu2x_json_read(struct pq_statedict *sd, pique_error *err);
