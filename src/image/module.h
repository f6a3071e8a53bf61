/* SPDX-License-Identifier: MIT */
/* The one symbol of the picture module. */
#pragma once

#include "upscale/rows.h"

/* The table of the module; starts libvips. NULL where that cannot be started. */
__attribute__((visibility("default"))) const struct pq_picture_io *pique_picture_module(void);
