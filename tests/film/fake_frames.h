/* SPDX-License-Identifier: MIT */
/* Frames of a device that takes and gives luma and chroma, in front of those of upscale/frames.h:
 * for films of fake_video.h, where R, G and B are the planes, so that the same film comes out of
 * both ways. Link with --wrap of what fake_frames.c begins with __wrap_. */
#pragma once

#include <stdbool.h>

struct fake_frames {
    bool can;
    /* What happened, since fake_frames_reset(). */
    int in, out; /* pictures that came, and went, as planes */
    int crops;   /* frames opened for a piece of what comes */
};

extern struct fake_frames fake_frames;
/* A device that can. */
void fake_frames_reset(void);
