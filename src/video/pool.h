/* SPDX-License-Identifier: MIT */
/* Frames of one format and size whose memory is used again. What a new frame of 8K costs is not its
 * memory, but the pages of it, which the system clears one by one. */
#pragma once

#include <libavutil/frame.h>

#include "base/error.h"

/* Thread-safety: safe. */
struct pq_frame_pool;

int pq_frame_pool_new(enum AVPixelFormat format, int width, int height, struct pq_frame_pool **out,
                      pique_error *err);
/* Frames that were got live on. */
void pq_frame_pool_free(struct pq_frame_pool **pool);

/* A frame of its own, whose samples are anything. av_frame_free() it, whatever is returned. */
int pq_frame_pool_get(struct pq_frame_pool *pool, AVFrame **out, pique_error *err);
