/* SPDX-License-Identifier: MIT */
/* A picture in memory as the first stage of a chain. */
#pragma once

#include "pique/picture.h"
#include "upscale/image.h"
#include "upscale/stage.h"

/* As pq_source_stage(): the same floats from the same samples. The image is borrowed as long as the
 * stage lives. */
int pq_planes_stage(const struct pq_image *image, enum pique_alpha alpha,
                    const unsigned char background[3], const pique_allocator *allocator,
                    struct pq_stage **out, pique_error *err);
