/* SPDX-License-Identifier: MIT */
/* Animated WebP, which libav 5 to 7 cannot decode, through libwebp. */
#pragma once

#include "video/decode.h"

bool pq_is_webp(const char *path);

/* Frames as RGBA of the whole canvas, whose times count milliseconds. */
int pq_webp_open(const char *path, struct pq_frames_from **out, int64_t *frames, pique_error *err);
